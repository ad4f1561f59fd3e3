/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_spool_folder.h"

/* ---- A system that fails ---- */

static struct {
	int calls;   /* made so far, of those below */
	int fail_at; /* this one and all after it, until fail_for are over; 0: none */
	int fail_for;
	int error;
	bool half; /* a failing write first takes half of its bytes */
} broken;

static bool fails(void)
{
	broken.calls++;
	bool now = broken.fail_at > 0 && broken.calls >= broken.fail_at &&
	           broken.calls < broken.fail_at + broken.fail_for;
	errno = now ? broken.error : errno;
	return now;
}

static int broken_create(int d, const char *name)
{
	return fails() ? -1 : spool_system.create(d, name);
}

static ssize_t broken_write(int fd, const void *bytes, size_t n)
{
	if (fails()) {
		if (broken.half && n > 1) {
			broken.half = false;
			return spool_system.write(fd, bytes, n / 2);
		}
		return -1;
	}
	return spool_system.write(fd, bytes, n);
}

static int broken_sync(int fd)
{
	return fails() ? -1 : spool_system.sync(fd);
}

static int broken_cut(int fd, off_t size)
{
	return fails() ? -1 : spool_system.cut(fd, size);
}

static int broken_sync_dir(int d)
{
	return fails() ? -1 : spool_system.sync_dir(d);
}

static const struct spool_io broken_io = {
	broken_create, broken_write, broken_sync, broken_cut, broken_sync_dir};

/* ---- The tests ---- */

static void in_order(void **state)
{
	struct spool *s = open_spool(ROOMY, 2000, NULL);
	struct spool_reader *r = open_reader("repository one");
	struct spool_entry e;
	assert_int_equal(spool_next(r, &e), ERR_AGAIN);
	expect_queue(r, 0);
	for (unsigned n = 0; n < 200; n += 10) {
		add_all(s, n, n + 10);
	}
	assert_true(files() >= 4);
	expect_queue(r, 200);
	expect_all(r, 0, 200);
	expect_queue(r, 200); /* nothing is confirmed */
	spool_rewind(r);
	expect_all(r, 0, 200);
	add_all(s, 200, 210);
	expect_all(r, 200, 210);
	const struct spool_place at = spool_at(r);
	assert_int_equal(spool_confirm(r, &at), 0);
	expect_queue(r, 0);
	spool_reader_close(r);
	/* Where it was is known to the next one of that name, and to no other. */
	r = open_reader("repository one");
	assert_int_equal(spool_next(r, &e), ERR_AGAIN);
	add_all(s, 210, 211);
	expect_queue(r, 1);
	expect_all(r, 210, 211);
	spool_reader_close(r);
	r = open_reader("repository two");
	expect_queue(r, 211);
	expect_all(r, 0, 211);
	assert_int_equal(spool_damaged(r), 0);
	spool_reader_close(r);
	spool_close(s);
}

static void erased_when_all_are_done(void **state)
{
	static const char *const both[] = {"one", "two"};
	struct spool *s = open_spool(ROOMY, 1000, NULL);
	struct spool_reader *one = open_reader("one"), *two = open_reader("two"), *gone = open_reader("gone");
	for (unsigned n = 0; n < 100; n += 5) {
		add_all(s, n, n + 5);
	}
	unsigned all = files();
	expect_all(one, 0, 100);
	struct spool_place at = spool_at(one);
	assert_int_equal(spool_confirm(one, &at), 0);
	assert_int_equal(spool_sweep(dir, both, 2, ROOMY), 0);
	assert_int_equal(files(), all); /* two has nothing yet */
	struct spool_entry e;
	for (unsigned n = 0; n < 50; n++) {
		assert_int_equal(spool_next(two, &e), 0);
	}
	assert_int_equal(spool_confirm(two, &e.after), 0);
	assert_int_equal(spool_next(gone, &e), 0);
	assert_int_equal(spool_confirm(gone, &e.after), 0);
	assert_int_equal(spool_sweep(dir, both, 2, ROOMY), 0);
	unsigned left = files();
	assert_true(left < all && left > 1);
	spool_reader_close(gone);
	gone = open_reader(
		"gone"); /* it was swept, as it is not among those that are asked for: it begins anew */
	assert_int_equal(spool_next(gone, &e), 0);
	assert_true(number_in(&e) > 0);
	expect_all(two, 50, 100);
	/* Old enough, the last file is ended too, and goes. */
	assert_int_equal(spool_commit(s, 2 + SPOOL_FILE_MS), 0);
	assert_int_equal(spool_next(one, &e), ERR_AGAIN);
	assert_int_equal(spool_next(two, &e), ERR_AGAIN);
	at = spool_at(one);
	assert_int_equal(spool_confirm(one, &at), 0);
	at = spool_at(two);
	assert_int_equal(spool_confirm(two, &at), 0);
	assert_int_equal(spool_sweep(dir, both, 2, ROOMY), 0);
	assert_int_equal(files(), 0);
	expect_queue(one, 0);
	spool_close(s);
	/* Another writer numbers on, so that a reader misses nothing. */
	s = open_spool(ROOMY, 1000, NULL);
	add_all(s, 100, 103);
	expect_queue(one, 3);
	expect_all(one, 100, 103);
	spool_close(s);
	spool_reader_close(one);
	spool_reader_close(two);
	spool_reader_close(gone);
}

static void several_writers(void **state)
{
	for (unsigned n = 0; n < 30; n += 3) {
		struct spool *s = open_spool(ROOMY, 0, NULL);
		add_all(s, n, n + 3);
		assert_int_equal(add(s, 1000), 0); /* never committed */
		spool_close(s);
	}
	assert_int_equal(files(), 10);
	struct spool_reader *r = open_reader("r");
	expect_queue(r, 30);
	expect_all(r, 0, 30);
	assert_int_equal(spool_damaged(r), 0);
	spool_reader_close(r);
}

static const char *path_of(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* Power goes at any byte: what was whole before is there, and what comes after is too. */
static void cut_anywhere(void **state)
{
	char name[SPOOL_NAME_LEN];
	struct spool_entry e;
	struct spool *s = open_spool(ROOMY, 0, NULL);
	add_all(s, 0, 4);
	spool_close(s);
	off_t size = size_of_only(name);
	const off_t frame = SPOOL_FRAME_MORE + 9;
	assert_int_equal(size, SPOOL_HEAD_LEN + 4 * frame);
	for (off_t cut = size; cut >= 0; cut--) {
		assert_int_equal(truncate(path_of(name), cut), 0);
		unsigned whole = cut < SPOOL_HEAD_LEN ? 0 : (unsigned)((cut - SPOOL_HEAD_LEN) / frame);
		/* A reader that comes before the writer waits at the tear. */
		struct spool_reader *r = open_reader("early");
		expect_all(r, 0, whole);
		s = open_spool(ROOMY, 0, NULL);
		add_all(s, 50, 52);
		for (unsigned n = 50; n < 52; n++) {
			assert_int_equal(spool_next(r, &e), 0);
			assert_int_equal(number_in(&e), n);
		}
		assert_int_equal(spool_damaged(r), 0);
		spool_reader_close(r);
		spool_close(s);
		char later[SPOOL_NAME_LEN];
		spool_file_name(2, later);
		assert_int_equal(unlinkat(dir, later, 0), 0);
	}
}

/* A byte that changed costs one message, or the rest of a file if it was a length; nothing is read that was not written. */
static void flipped_anywhere(void **state)
{
	char name[SPOOL_NAME_LEN];
	struct spool *s = open_spool(ROOMY, 0, NULL);
	add_all(s, 0, 3);
	spool_close(s);
	off_t size = size_of_only(name);
	s = open_spool(ROOMY, 0, NULL);
	add_all(s, 60, 61);
	spool_close(s);
	int fd = openat(dir, name, O_RDWR);
	for (off_t at = 0; at < size; at++) {
		uint8_t byte;
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x41;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		struct spool_reader *r = open_reader("r");
		struct spool_entry e;
		unsigned seen = 0, last = 0;
		while (spool_next(r, &e) == 0) {
			last = number_in(&e);
			assert_true(last < 3 || last == 60);
			seen++;
		}
		assert_int_equal(last, 60);
		off_t in_frame = (at - SPOOL_HEAD_LEN) % (SPOOL_FRAME_MORE + 9);
		if (at >= SPOOL_HEAD_LEN && in_frame >= 4) {
			assert_int_equal(seen, 3);
			assert_int_equal(spool_damaged(r), 1);
		} else {
			assert_true(seen < 4);
			assert_true(at < SPOOL_HEAD_LEN || spool_damaged(r) > 0);
		}
		spool_reader_close(r);
		byte ^= 0x41;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
}

/* Each call of the system fails once, twice, or from then on: what is said to be lost is, and nothing else. */
static void failing_system(void **state)
{
	static const int errors[] = {ENOSPC, EIO};
	for (unsigned kind = 0; kind < 8; kind++) {
		for (int at = 1; at <= 12; at++) {
			empty_folder();
			bool committed[6] = {false};
			memset(&broken, 0, sizeof(broken));
			broken.error = errors[kind & 1];
			broken.half = (kind & 2) != 0;
			broken.fail_for = kind & 4 ? 2 : 1;
			struct spool *s = open_spool(ROOMY, 0, &broken_io);
			broken.fail_at = at;
			for (unsigned n = 0; n < 6; n++) {
				assert_int_equal(add(s, n), 0);
				int e = spool_commit(s, 1);
				assert_true(e == 0 || e == ERR_SYSTEM || e == ERR_SPACE);
				assert_true(e == 0 || e == (broken.error == ENOSPC ? ERR_SPACE : ERR_SYSTEM));
				committed[n] = e == 0;
			}
			struct spool_state look;
			spool_look(s, &look);
			unsigned lost = 0, told = 0;
			for (unsigned n = 0; n < 6; n++) {
				lost += !committed[n];
			}
			assert_int_equal(look.lost_ever, lost);
			assert_int_equal(look.entries, 6 - lost);
			spool_close(s);
			struct spool_reader *r = open_reader("r");
			struct spool_entry e;
			bool seen[6] = {false};
			while (spool_next(r, &e) == 0) {
				if (e.type == SPOOL_LOST) {
					assert_int_equal(e.bytes.len, 24);
					told += e.bytes.ptr[7];
				} else {
					unsigned n = number_in(&e);
					assert_true(n < 6 && !seen[n]);
					seen[n] = true;
				}
			}
			for (unsigned n = 0; n < 6; n++) {
				assert_true(seen[n] || !committed[n]);
				/* Only where the cut failed too may one be seen that is said to be lost. */
				assert_true(!seen[n] || committed[n] || broken.fail_for > 1);
			}
			assert_int_equal(told + look.lost.entries, lost);
			spool_reader_close(r);
		}
	}
}

static void full(void **state)
{
	struct spool *s = open_spool(6000, 1000, NULL);
	struct spool_state look;
	unsigned n = 0;
	while (add(s, n) == 0) {
		assert_int_equal(spool_commit(s, 1), 0);
		n++;
		assert_true(n < 1000);
	}
	assert_int_equal(spool_append(s, SPOOL_MESSAGE, 1000 + n, span_str("more")), ERR_SPACE);
	spool_look(s, &look);
	assert_int_equal(look.lost.entries, 2);
	assert_int_equal(look.lost_ever, 2);
	assert_int_equal(look.entries, n);
	assert_true(look.bytes <= 6000 && look.bytes > 5000);
	struct spool_reader *r = open_reader("r");
	expect_all(r, 0, n);
	const struct spool_place at = spool_at(r);
	assert_int_equal(spool_confirm(r, &at), 0);
	static const char *const names[] = {"r"};
	assert_int_equal(spool_sweep(dir, names, 1, 6000), 0);
	/* There is room again, which is seen a second later by the entries' own times: first comes word of what is missing. */
	assert_int_equal(spool_append(s, SPOOL_MESSAGE, 5000 + n, span_str("again")), 0);
	assert_int_equal(spool_commit(s, 1), 0);
	spool_look(s, &look);
	assert_int_equal(look.lost.entries, 0);
	struct spool_entry e;
	assert_int_equal(spool_next(r, &e), 0);
	assert_int_equal(e.type, SPOOL_LOST);
	assert_int_equal(e.bytes.len, 24);
	assert_int_equal(e.bytes.ptr[7], 2);
	assert_int_equal(spool_next(r, &e), 0);
	assert_int_equal(e.bytes.len, 5);
	assert_int_equal(spool_next(r, &e), ERR_AGAIN);
	spool_reader_close(r);
	spool_close(s);
}

/* One group is away for ever: the other one keeps its room, and the first is told what it missed when it is back. */
static void one_away(void **state)
{
	static const char *const both[] = {"here", "away"};
	struct spool *s = open_spool(8000, 500, NULL);
	struct spool_reader *here = open_reader("here"), *away = open_reader("away");
	struct spool_entry e;
	add_all(s, 0, 5);
	for (unsigned n = 0; n < 2; n++) {
		assert_int_equal(spool_next(away, &e), 0);
	}
	assert_int_equal(spool_confirm(away, &e.after), 0);
	spool_reader_close(away);
	expect_all(here, 0, 5);
	for (unsigned n = 5; n < 700; n += 5) {
		/* By the entries' own times, the folder is looked at again each second. */
		char text[64];
		for (unsigned k = n; k < n + 5; k++) {
			snprintf(text, sizeof(text), "message %u", k);
			assert_int_equal(
				spool_append(s, SPOOL_MESSAGE, (int64_t)k * 1000, span_str(text)), 0);
			assert_int_equal(spool_commit(s, 1), 0);
			assert_int_equal(spool_next(here, &e), 0);
		}
		assert_int_equal(spool_confirm(here, &e.after), 0);
		assert_int_equal(spool_sweep(dir, both, 2, 8000), 0);
	}
	struct spool_state look;
	spool_look(s, &look);
	assert_int_equal(look.lost_ever, 0);
	away = open_reader("away");
	unsigned seen = 2;
	while (spool_next(away, &e) == 0) {
		seen++;
	}
	assert_true(seen > 50 && seen < 300);
	assert_int_equal(spool_missed(away) + seen, 700);
	assert_int_equal(spool_missed(here), 0);
	spool_reader_close(away);
	spool_reader_close(here);
	spool_close(s);
}

static void sizes(void **state)
{
	static uint8_t large[SPOOL_ENTRY_MOST + 1];
	struct spool *s = open_spool(ROOMY, 0, NULL);
	memset(large, 'x', sizeof(large));
	assert_int_equal(spool_append(s, SPOOL_MESSAGE, 1, span_of(large, sizeof(large))), ERR_LIMIT);
	assert_int_equal(spool_append(s, SPOOL_MESSAGE, 1, span_of(large, 0)), ERR_LIMIT);
	assert_int_equal(spool_append(s, SPOOL_MESSAGE, 1, span_of(large, sizeof(large) - 1)), 0);
	assert_int_equal(spool_commit(s, 1), 0);
	/* Never more pending than there is memory for. */
	int e = 0;
	for (unsigned i = 0; i < 100 && e == 0; i++) {
		e = spool_append(s, SPOOL_MESSAGE, 1, span_of(large, sizeof(large) - 1));
	}
	assert_int_equal(e, ERR_LIMIT);
	assert_int_equal(spool_commit(s, 1), 0);
	spool_close(s);
	struct spool_reader *r = open_reader("r");
	struct spool_entry entry;
	assert_int_equal(spool_next(r, &entry), 0);
	assert_int_equal(entry.type, SPOOL_LOST);
	assert_int_equal(spool_next(r, &entry), 0);
	assert_int_equal(entry.bytes.len, SPOOL_ENTRY_MOST);
	assert_memory_equal(entry.bytes.ptr, large, SPOOL_ENTRY_MOST);
	spool_reader_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(in_order, fresh),
		cmocka_unit_test_setup(erased_when_all_are_done, fresh),
		cmocka_unit_test_setup(several_writers, fresh),
		cmocka_unit_test_setup(cut_anywhere, fresh),
		cmocka_unit_test_setup(flipped_anywhere, fresh),
		cmocka_unit_test_setup(failing_system, fresh),
		cmocka_unit_test_setup(full, fresh),
		cmocka_unit_test_setup(one_away, fresh),
		cmocka_unit_test_setup(sizes, fresh),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
