/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/handover.h"
#include "audit/verify.h"
#include "base/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "audit_made.h"
#include "audit_said.h"

/* A journal that is read and verified while it is written, signed, and carried away from behind. */

#define LIVE_MS    1500
#define KEPT       30 /* records that stay in the journal's folder, at least */
#define TIME_OF(n) (1700000000000 + 1000 * (int64_t)(n))

/* Until it is killed. */
static void write_for_ever(const struct made_folder *f, const struct made_folder *cold)
{
	struct journal *j;
	struct journal_recovered rec;
	const struct journal_params params = {.segment_bytes = 1000};
	struct handover h;
	uint64_t index;
	assert_int_equal(journal_open(f->dir, MADE_ORIGIN, &params, NULL, &j, &rec), 0);
	for (unsigned n = 0;; n++) {
		assert_int_equal(made_append(j, n, &index), 0);
		if (n % 3 == 0) {
			assert_int_equal(journal_commit(j), 0);
		}
		if (n % 6 == 0) {
			made_checkpoints(j);
		}
		if (n % 30 == 0 && n > KEPT) {
			assert_int_equal(
				journal_hand_over(f->dir, cold->dir, TIME_OF(n - KEPT), INT64_MAX, NULL, &h),
				0);
			if (h.segments > 0) {
				made_told(j, h.next, TIME_OF(n));
			}
			assert_int_equal(handover_told(f->dir, NULL), h.segments > 0 ? 0 : ERR_NOT_FOUND);
		}
	}
}

/* All from the first on, as a search reads it. Returns how many. */
static uint64_t read_all(const int *dirs, size_t n_dirs)
{
	struct journal_reader *r;
	struct journal_entry e;
	uint64_t n = 0;
	int got;
	assert_int_equal(journal_reader_open(dirs, n_dirs, &r), 0);
	assert_int_equal(journal_reader_first(r), 0);
	while ((got = journal_reader_next(r, &e)) == 1) {
		assert_int_equal(e.index, n);
		n++;
	}
	assert_int_equal(got, 0);
	journal_reader_free(r);
	return n;
}

static void wait_for_segments(const struct made_folder *cold)
{
	int64_t end = clock_mono_ms() + 20000;
	while (made_count(cold, FILE_SEGMENT) < 3) {
		assert_true(clock_mono_ms() < end);
		usleep(1000);
	}
}

static void while_it_is_written(void **state)
{
	struct made_folder f = made_folder(), cold = made_folder();
	const int both[2] = {f.dir, cold.dir};
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		write_for_ever(&f, &cold);
	}
	wait_for_segments(&cold);
	uint64_t before = 0;
	for (int64_t end = clock_mono_ms() + LIVE_MS; clock_mono_ms() < end;) {
		struct said s;
		verify_with(both, 2, &(struct verify_request){0}, &s);
		assert_int_equal(s.result.bad, 0);
		assert_int_equal(s.result.first, 0);
		assert_true(s.result.size >= before);
		before = s.result.size;
		verify(&f, &s);
		assert_int_equal(s.result.bad, 0);
		uint64_t n = read_all(both, 2);
		assert_true(n >= before);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	made_folder_done(&cold);
	made_folder_done(&f);
}

/* At the first word of a verifier segments are taken away from under it: [from, end) of those that there are. */
struct taking {
	const struct made_folder *f;
	const uint64_t *first;
	size_t from, end;
	bool done;
	struct said said;
};

static void take_away(void *arg, const struct verify_finding *finding)
{
	struct taking *t = arg;
	found(&t->said, finding);
	for (size_t i = t->from; !t->done && i < t->end; i++) {
		char name[SEGMENT_NAME_LEN];
		segment_name(t->first[i], name);
		assert_int_equal(unlinkat(t->f->dir, name, 0), 0);
	}
	t->done = true;
}

/* A record of a hand-over; next 0: none. */
static void tell(const struct made_folder *f, uint64_t next, bool covered)
{
	struct journal *j;
	struct journal_recovered rec;
	assert_int_equal(handover_told(f->dir, NULL), 0);
	if (next == 0) {
		return;
	}
	assert_int_equal(journal_open(f->dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	made_told(j, next, TIME_OF(60));
	if (covered) {
		made_checkpoints(j);
	}
	journal_close(j);
}

/*
 * What goes from the midst is missing; so is what goes oldest first, unless a record that is covered tells that it was handed over: one that
 * is there and not covered may be whoever's took it away.
 */
static void gone_while_it_is_verified(void **state)
{
	static const struct {
		bool in_order, told, covered;
	} rows[] = {{false, true, true}, {true, false, false}, {true, true, false}, {true, true, true}};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		bool in_order = rows[i].in_order, good = rows[i].covered && in_order;
		struct made_folder f, cold = made_folder();
		struct handover h;
		struct note_key key;
		struct verify_result result;
		uint64_t *first;
		size_t n;
		make(&f, 60, 0);
		assert_int_equal(segment_list(f.dir, &first, &n), 0);
		assert_true(n > 5);
		assert_int_equal(
			journal_hand_over(f.dir, cold.dir, TIME_OF(first[1]), INT64_MAX, NULL, &h), 0);
		assert_int_equal(h.segments, 1);
		tell(&f, rows[i].told ? first[in_order ? 4 : 1] : 0, rows[i].covered);
		struct taking t = {.f = &f, .first = first, .from = in_order ? 1 : 2, .end = 4};
		made_key(1, MADE_ORIGIN, NOTE_ED25519, &key);
		const struct verify_request q = {.dirs = &f.dir,
			.n_dirs = 1,
			.keys = &key,
			.n_keys = 1,
			.found = take_away,
			.arg = &t};
		assert_int_equal(journal_verify(&q, &result), 0);
		assert_int_equal(result.bad, good ? 0 : 1);
		assert_int_equal(t.said.of[VERIFY_GAP], good ? 0 : 1);
		assert_int_equal(t.said.of[VERIFY_HANDED_OVER], in_order ? 2 : 1);
		assert_int_equal(t.said.end[in_order ? VERIFY_HANDED_OVER : VERIFY_GAP], first[4]);
		assert_int_equal(t.said.first[VERIFY_GAP], good || in_order ? 0 : first[2]);
		assert_int_equal(result.covered, rows[i].covered ? 61 : 60);
		free(first);
		made_folder_done(&cold);
		made_folder_done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(while_it_is_written),
		cmocka_unit_test(gone_while_it_is_verified),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
