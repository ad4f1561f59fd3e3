/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/lookup_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* In which order objects have their pixels cleaned. No job runs: the test begins and ends them as the lookup would. */

static struct lookup *l;
static unsigned n_jobs;

static void begin(void)
{
	memset(l, 0, sizeof(*l));
	n_jobs = 0;
}

static void asks_of(int64_t id, uint16_t node)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	clean_asked(
		l, &(struct message){
			   .type = MSG_CLEANING, .fd = pair[0], .number = MSG_CLEANING_OF(id, node, false)});
}

/* Each of a node of its own. */
static void asks(int64_t id)
{
	asks_of(id, (uint16_t)id);
}

/* Who has a job now. */
static int64_t starts(void)
{
	assert_true(l->cleaning.n_waiting > 0);
	struct waiting_object w = clean_take_next(l);
	l->jobs[n_jobs++] = (struct job){.kind = JOB_CLEAN, .id = w.id, .node = w.node};
	close(w.fd);
	return w.id;
}

static void ends(int64_t id)
{
	for (unsigned i = 0; i < n_jobs; i++) {
		if (l->jobs[i].id == id) {
			l->jobs[i] = l->jobs[--n_jobs];
			l->jobs[n_jobs] = (struct job){0};
			return;
		}
	}
	fail_msg("it has no job");
}

static void follow(const int64_t *ids, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(starts(), ids[i]);
		ends(ids[i]);
	}
	assert_int_equal(l->cleaning.n_waiting, 0);
}

static void as_they_came(void **state)
{
	(void)state;
	begin();
	for (int64_t id = 9; id > 0; id--) {
		asks(id);
	}
	follow((const int64_t[]){9, 8, 7, 6, 5, 4, 3, 2, 1}, 9);
}

/* Who has sent many waits behind who has sent one, though that came later. */
static void round_robin(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 4; i++) {
		asks(1);
	}
	asks(2);
	asks(2);
	asks(3);
	follow((const int64_t[]){1, 2, 3, 1, 2, 1, 1}, 7);
}

/* However many come with one each, who has many is not kept waiting for ever. */
static void nobody_starves(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 4; i++) {
		asks(1);
	}
	assert_int_equal(starts(), 1);
	ends(1);
	unsigned had = 1;
	for (int64_t fresh = 10; fresh < 40; fresh += 2) {
		asks(fresh);
		asks(fresh + 1);
		for (unsigned i = 0; i < 2; i++) {
			int64_t id = starts();
			had += id == 1;
			ends(id);
		}
	}
	assert_int_equal(had, 4);
}

/* A second job is for who has none, if there is one. */
static void one_job_each(void **state)
{
	(void)state;
	begin();
	asks(1);
	asks(1);
	asks(1);
	assert_int_equal(starts(), 1);
	asks(2);
	asks(2);
	assert_int_equal(starts(), 2);
	ends(1);
	assert_int_equal(starts(), 1);
	ends(2);
	assert_int_equal(starts(), 2);
	ends(2);
	assert_int_equal(starts(), 1); /* nobody else waits */
	assert_int_equal(n_jobs, 2);
	ends(1);
	asks(3);
	asks(1);
	assert_int_equal(starts(), 3);
}

/* Of a node with many associations and one with one, each has its turn as often; and of each node each association. */
static void by_node(void **state)
{
	(void)state;
	begin();
	for (int64_t id = 1; id <= 3; id++) {
		asks_of(id, 1);
		asks_of(id, 1);
	}
	for (unsigned i = 0; i < 3; i++) {
		asks_of(9, 2);
	}
	follow((const int64_t[]){1, 9, 2, 9, 3, 9, 1, 2, 3}, 9);
	asks_of(1, 1);
	asks_of(2, 1);
	assert_int_equal(starts(), 1);
	asks_of(9, 2);
	assert_int_equal(starts(), 9); /* the other has one already, though of another association */
	ends(9);
	assert_int_equal(starts(), 2); /* nobody else waits */
	ends(1);
	ends(2);
	for (int64_t id = 1; id <= 50; id++) {
		for (unsigned i = 0; i < 4; i++) {
			asks_of(id, 1);
		}
	}
	assert_int_equal(l->cleaning.n_waiting, CLEANS_WAITING / 2);
	asks_of(99, 2);
	assert_int_equal(l->cleaning.n_waiting, CLEANS_WAITING / 2 + 1);
	assert_int_equal(starts(), 1);
	assert_int_equal(starts(), 99);
	while (l->cleaning.n_waiting > 0) {
		ends(starts());
	}
}

static void too_many(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 6; i++) {
		asks(1);
	}
	assert_int_equal(l->cleaning.n_waiting, 4);
	asks(2);
	follow((const int64_t[]){1, 2, 1, 1, 1}, 5);
}

static int set_up(void **state)
{
	(void)state;
	l = calloc(1, sizeof(*l));
	return l ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(l);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_they_came),
		cmocka_unit_test(round_robin),
		cmocka_unit_test(nobody_starves),
		cmocka_unit_test(one_job_each),
		cmocka_unit_test(by_node),
		cmocka_unit_test(too_many),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
