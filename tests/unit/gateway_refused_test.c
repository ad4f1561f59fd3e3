/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/courier_state.h"
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A repository that ends the connection at what is too long for it, as courier.c meets it: turn by turn, without a network. */

#define MESSAGES 400

static struct courier c;
static SSL *const some_ssl = (SSL *)&c; /* it is looked at whether there is one */

struct repository_model {
	size_t most;        /* bytes of a message; longer ones end the connection */
	unsigned ill;       /* connections that end at whatever is sent */
	unsigned got, told; /* messages, and sentences in their place */
	unsigned connections;
};

static struct spool_entry entry_of(unsigned n)
{
	return (struct spool_entry){
		.type = SPOOL_MESSAGE, .time_ms = 1700000000000, .after = {.entry = (uint64_t)n + 1}};
}

/* One connection from message `at` on. Returns where it is after it. */
static unsigned turn(struct repository_model *m, const size_t *len, unsigned n, unsigned at)
{
	struct line was = {.ssl = some_ssl};
	unsigned got = 0, told = 0, next = at;
	bool broke = false;
	m->connections++;
	c.line = was;
	while (next < n && !broke && c.line.entries < refused_limit(&c)) {
		char text[256] = "";
		const struct spool_entry e = entry_of(next);
		bool instead = refused_instead(&c, &e, len[next], text);
		assert_int_equal(instead, text[0] != 0);
		refused_offer(&c, &e, len[next], instead);
		broke = m->ill > 0 || (!instead && len[next] > m->most);
		c.line.entries += !broke;
		got += !broke && !instead;
		told += !broke && instead;
		next += !broke;
	}
	was = c.line;
	if (broke) {
		m->ill -= m->ill > 0;
		refused_broke(&c, &was);
		return at;
	}
	if (!refused_confirmed(&c, &was)) {
		assert_int_equal(next, at + 1);
		return at;
	}
	m->got += got;
	m->told += told;
	return next;
}

static unsigned deliver(struct repository_model *m, const size_t *len, unsigned n, unsigned most)
{
	unsigned at = 0;
	c = (struct courier){.channel = -1};
	m->connections = 0;
	while (at < n && m->connections < most) {
		at = turn(m, len, n, at);
	}
	assert_int_equal(c.say.lost, m->told);
	return at;
}

/* Wherever it is, all others arrive, and it is told of; the next one of such a length at once. */
static void too_long(void **state)
{
	for (unsigned where = 0; where < MESSAGES - 1; where += 57) {
		size_t len[MESSAGES];
		struct repository_model m = {.most = 65536};
		for (unsigned i = 0; i < MESSAGES; i++) {
			len[i] = 1000 + i;
		}
		len[where] = 70000;
		assert_int_equal(deliver(&m, len, MESSAGES, 200), MESSAGES);
		assert_int_equal(m.got, MESSAGES - 1);
		assert_int_equal(m.told, 1);
		assert_true(m.connections < 60);
		len[MESSAGES - 1] = 80000;
		m = (struct repository_model){.most = 65536};
		assert_int_equal(deliver(&m, len, MESSAGES, 200), MESSAGES);
		assert_int_equal(m.told, 2);
		assert_true(m.connections < 60);
	}
}

/* One that takes nothing for long loses nothing; nor does one that breaks now and then. */
static void ill(void **state)
{
	size_t len[MESSAGES];
	for (unsigned i = 0; i < MESSAGES; i++) {
		len[i] = i % 7 ? 900 : 90000;
	}
	for (unsigned many = 1; many < 200; many += 3) {
		struct repository_model m = {.most = SIZE_MAX, .ill = many};
		assert_int_equal(deliver(&m, len, MESSAGES, 400), MESSAGES);
		assert_int_equal(m.got, MESSAGES);
		assert_int_equal(m.told, 0);
	}
}

/* A short one that it does not take, for whatever it has in it, says nothing of the length of others. */
static void not_for_its_length(void **state)
{
	size_t len[20];
	struct repository_model m = {.most = 800};
	for (unsigned i = 0; i < 20; i++) {
		len[i] = 700;
	}
	len[5] = 900;
	assert_int_equal(deliver(&m, len, 20, 100), 20);
	assert_int_equal(m.told, 1);
	assert_int_equal(c.refused.most, 0);
	/* Nor does UDP, which breaks nothing. */
	const struct line datagrams = {.offered = 1, .last = 7};
	c = (struct courier){.channel = -1};
	for (unsigned i = 0; i < 10; i++) {
		refused_broke(&c, &datagrams);
	}
	assert_int_equal(refused_limit(&c), UINT64_MAX);
}

int main(void)
{
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_long),
		cmocka_unit_test(ill),
		cmocka_unit_test(not_for_its_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
