/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_spool_folder.h"

/*
 * Entries that wait for the journal's commit: nobody is given them before, and whatever stops the writer between any two bytes, they
 * are sent if the commit took place, and not otherwise.
 */

static const uint8_t mark[SPOOL_MARK] = {'m', 'a', 'r', 'k', 9};

static void prepare(struct spool *s, unsigned from, unsigned to)
{
	spool_begin(s);
	for (unsigned n = from; n < to; n++) {
		assert_int_equal(add(s, n), 0);
	}
	assert_int_equal(spool_prepare(s, mark), 0);
}

static const char *path_of(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void held_until_decided(void **state)
{
	(void)state;
	struct spool *s = open_spool(ROOMY, 0, NULL);
	struct spool_reader *r = open_reader("r"), *late;
	struct spool_state look;
	add_all(s, 0, 2);
	prepare(s, 2, 5);
	expect_all(r, 0, 2);
	expect_all(r, 0, 0);
	assert_int_equal(spool_decide(s, true, 1), 0);
	expect_all(r, 2, 5);
	/* Those that do not count are nobody's. */
	prepare(s, 90, 92);
	expect_all(r, 0, 0);
	assert_int_equal(spool_decide(s, false, 1), 0);
	expect_all(r, 0, 0);
	prepare(s, 5, 6);
	assert_int_equal(spool_decide(s, true, 1), 0);
	expect_all(r, 5, 6);
	add_all(s, 6, 8);
	expect_all(r, 6, 8);
	const struct spool_place at = spool_at(r);
	assert_int_equal(spool_confirm(r, &at), 0);
	expect_queue(r, 0);
	spool_look(s, &look);
	assert_int_equal(look.entries, 8);
	assert_int_equal(look.lost_ever, 0);
	/* Nothing prepared, nothing decided. */
	spool_begin(s);
	assert_int_equal(spool_prepare(s, mark), 0);
	assert_int_equal(spool_decide(s, true, 1), 0);
	/* What is forgotten leaves no trace. */
	spool_begin(s);
	assert_int_equal(add(s, 70), 0);
	spool_forget(s);
	prepare(s, 8, 9);
	assert_int_equal(spool_decide(s, true, 2 + SPOOL_FILE_MS), 0); /* and ends the file */
	add_all(s, 9, 11);
	spool_close(s);
	expect_all(r, 8, 11);
	late = open_reader("late");
	expect_all(late, 0, 11);
	assert_int_equal(spool_damaged(r) + spool_damaged(late) + spool_missed(r) + spool_missed(late), 0);
	spool_reader_close(r);
	spool_reader_close(late);
}

/* Entries that a reader is given, of those of group (50 to 52), each at least once or none. */
static unsigned of_group(struct spool_reader *r, bool *ret_last)
{
	struct spool_entry e;
	unsigned seen[3] = {0};
	*ret_last = false;
	while (spool_next(r, &e) == 0) {
		unsigned n = number_in(&e);
		assert_true(n < 2 || (n >= 50 && n < 53) || n == 60);
		if (n >= 50 && n < 53) {
			seen[n - 50]++;
		}
		*ret_last = n == 60;
	}
	assert_true(seen[0] == seen[1] && seen[1] == seen[2]);
	return seen[0];
}

/* The writer is stopped at any byte of a group and its decision; the next one asks the journal, which says. */
static void stopped_anywhere(void **state)
{
	(void)state;
	static const bool said[] = {true, false};
	char name[SPOOL_NAME_LEN];
	struct spool *s = open_spool(ROOMY, 0, NULL);
	add_all(s, 0, 2);
	const off_t before = size_of_only(name);
	prepare(s, 50, 53);
	const off_t prepared = size_of_only(name);
	assert_int_equal(spool_decide(s, true, 1), 0);
	spool_close(s);
	const off_t all = size_of_only(name);
	for (off_t cut = all; cut >= before; cut--) {
		assert_int_equal(truncate(path_of(name), cut), 0);
		for (unsigned i = 0; i < 2; i++) {
			uint8_t got[SPOOL_MARK] = {0};
			bool last;
			struct spool_reader *early = open_reader("early"), *late;
			assert_int_equal(of_group(early, &last), cut == all);
			s = open_spool(ROOMY, 0, NULL);
			bool asks = spool_undecided(s, got);
			assert_int_equal(asks, cut >= prepared && cut < all);
			assert_true(!asks || memcmp(got, mark, sizeof(mark)) == 0);
			assert_int_equal(spool_settle(s, said[i], 1), 0);
			add_all(s, 60, 61);
			spool_close(s);
			late = open_reader("late");
			unsigned wanted = cut == all || (asks && said[i]);
			assert_int_equal(of_group(early, &last), wanted && cut < all);
			assert_true(last);
			assert_int_equal(of_group(late, &last), wanted);
			assert_true(last);
			assert_int_equal(spool_damaged(early) + spool_damaged(late), 0);
			assert_int_equal(spool_missed(early) + spool_missed(late), 0);
			spool_reader_close(early);
			spool_reader_close(late);
			char later[SPOOL_NAME_LEN];
			spool_file_name(2, later);
			assert_int_equal(unlinkat(dir, later, 0), 0);
		}
	}
}

/* And stopped again at any byte while that is done. */
static void stopped_while_settling(void **state)
{
	(void)state;
	char second[SPOOL_NAME_LEN], third[SPOOL_NAME_LEN];
	bool last;
	struct spool *s = open_spool(ROOMY, 0, NULL);
	add_all(s, 0, 2);
	prepare(s, 50, 53);
	spool_close(s);
	s = open_spool(ROOMY, 0, NULL);
	assert_int_equal(spool_settle(s, true, 1), 0);
	spool_close(s);
	spool_file_name(2, second);
	spool_file_name(3, third);
	struct stat st;
	assert_int_equal(stat(path_of(second), &st), 0);
	for (off_t cut = st.st_size; cut >= 0; cut--) {
		uint8_t got[SPOOL_MARK];
		assert_int_equal(truncate(path_of(second), cut), 0);
		struct spool_reader *early = open_reader("early"), *late;
		unsigned before = of_group(early, &last);
		s = open_spool(ROOMY, 0, NULL);
		assert_int_equal(spool_undecided(s, got), cut < st.st_size);
		assert_int_equal(spool_settle(s, true, 1), 0);
		add_all(s, 60, 61);
		spool_close(s);
		late = open_reader("late");
		assert_int_equal(before + of_group(early, &last), 1);
		assert_true(last);
		assert_int_equal(of_group(late, &last), 1);
		assert_true(last);
		assert_int_equal(spool_missed(early) + spool_missed(late), 0);
		spool_reader_close(early);
		spool_reader_close(late);
		assert_int_equal(unlinkat(dir, third, 0), 0);
	}
}

/* ---- A system that fails ---- */

static int calls, fail_at;

static bool fails(void)
{
	bool now = ++calls == fail_at;
	errno = now ? ENOSPC : errno;
	return now;
}

static int failing_create(int d, const char *name)
{
	return fails() ? -1 : spool_system.create(d, name);
}

static ssize_t failing_write(int fd, const void *bytes, size_t n)
{
	return fails() ? -1 : spool_system.write(fd, bytes, n);
}

static int failing_sync(int fd)
{
	return fails() ? -1 : spool_system.sync(fd);
}

static int failing_sync_dir(int d)
{
	return fails() ? -1 : spool_system.sync_dir(d);
}

/* What is said to be lost is, nothing is sent that does not count, and the next group is as good as any. */
static void calls_fail(void **state)
{
	(void)state;
	for (fail_at = 1; fail_at < 14; fail_at++) {
		const struct spool_io io = {
			failing_create, failing_write, failing_sync, spool_system.cut, failing_sync_dir};
		bool good[6] = {false};
		unsigned lost = 0;
		empty_folder();
		calls = 0;
		struct spool *s = open_spool(ROOMY, 0, &io);
		for (unsigned n = 0; n < 6; n++) {
			bool counts = n != 2;
			spool_begin(s);
			assert_int_equal(add(s, n), 0);
			int e = spool_prepare(s, mark);
			int d = e == 0 ? spool_decide(s, counts, n == 4 ? 2 + SPOOL_FILE_MS : 1) : 0;
			assert_true(
				(e == 0 || e == ERR_SPACE) && (d == 0 || d == ERR_SPACE || d == ERR_SYSTEM));
			good[n] = e == 0 && d == 0 && counts;
			lost += e != 0 || (d != 0 && counts);
		}
		struct spool_state look;
		spool_look(s, &look);
		assert_int_equal(look.lost_ever, lost);
		spool_close(s);
		struct spool_reader *r = open_reader("r");
		struct spool_entry e;
		bool seen[6] = {false};
		while (spool_next(r, &e) == 0) {
			if (e.type != SPOOL_LOST) {
				unsigned n = number_in(&e);
				assert_true(n < 6 && !seen[n]);
				seen[n] = true;
			}
		}
		for (unsigned n = 0; n < 6; n++) {
			assert_true(seen[n] || !good[n]);
			assert_false(seen[n] && n == 2);
		}
		assert_int_equal(spool_missed(r), 0);
		spool_reader_close(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(held_until_decided, fresh),
		cmocka_unit_test_setup(stopped_anywhere, fresh),
		cmocka_unit_test_setup(stopped_while_settling, fresh),
		cmocka_unit_test_setup(calls_fail, fresh),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
