/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/spool.h"
#include "audit/spool_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static int dir = -1;
static const uint8_t key[SPOOL_KEY_LEN] = {1, 2, 3};

static void empty_folder(void)
{
	DIR *d = opendir(folder);
	for (const struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] != '.') {
			assert_int_equal(unlinkat(dir, e->d_name, 0), 0);
		}
	}
	closedir(d);
}

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/gantry-spool-XXXXXX");
	assert_non_null(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static int remove_folder(void **state)
{
	empty_folder();
	close(dir);
	return rmdir(folder);
}

static int fresh(void **state)
{
	empty_folder();
	return 0;
}

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

/* ---- What the tests do again and again ---- */

static struct spool *open_spool(uint64_t most, uint32_t file_bytes, const struct spool_io *io)
{
	struct spool_settings set = {.dir = dir, .most = most, .file_bytes = file_bytes, .io = io};
	struct spool *s = NULL;
	memcpy(set.key, key, sizeof(key));
	assert_int_equal(spool_open(&set, &s), 0);
	return s;
}

#define ROOMY (64u * 1024 * 1024)

static int add(struct spool *s, unsigned n)
{
	char text[64];
	snprintf(text, sizeof(text), "message %u", n);
	return spool_append(s, n % 5 == 4 ? SPOOL_CHECKPOINT : SPOOL_MESSAGE, 1000 + n, span_str(text));
}

static void add_all(struct spool *s, unsigned from, unsigned to)
{
	for (unsigned n = from; n < to; n++) {
		assert_int_equal(add(s, n), 0);
	}
	assert_int_equal(spool_commit(s, 1), 0);
}

static struct spool_reader *open_reader(const char *name)
{
	struct spool_reader *r = NULL;
	assert_int_equal(spool_reader_open(dir, key, name, &r), 0);
	return r;
}

/* The number in a message; the type and the time must be those that it was given. */
static unsigned number_in(const struct spool_entry *e)
{
	char text[64] = "";
	assert_true(e->bytes.len < sizeof(text));
	memcpy(text, e->bytes.ptr, e->bytes.len);
	assert_memory_equal(text, "message ", 8);
	unsigned n = (unsigned)strtoul(text + 8, NULL, 10);
	assert_int_equal(e->time_ms, 1000 + n);
	assert_int_equal(e->type, n % 5 == 4 ? SPOOL_CHECKPOINT : SPOOL_MESSAGE);
	return n;
}

static void expect_all(struct spool_reader *r, unsigned from, unsigned to)
{
	struct spool_entry e;
	for (unsigned n = from; n < to; n++) {
		assert_int_equal(spool_next(r, &e), 0);
		assert_int_equal(number_in(&e), n);
	}
	assert_int_equal(spool_next(r, &e), ERR_AGAIN);
}

static void expect_queue(const struct spool_reader *r, uint64_t wanted)
{
	uint64_t entries, bytes;
	assert_int_equal(spool_queue(r, &entries, &bytes), 0);
	assert_int_equal(entries, wanted);
	assert_true(wanted == 0 || bytes > 0);
}

static unsigned files(void)
{
	struct spool_list l;
	assert_int_equal(spool_list(dir, &l), 0);
	unsigned n = l.n;
	spool_list_done(&l);
	return n;
}

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
	assert_int_equal(spool_sweep(dir, both, 2), 0);
	assert_int_equal(files(), all); /* two has nothing yet */
	struct spool_entry e;
	for (unsigned n = 0; n < 50; n++) {
		assert_int_equal(spool_next(two, &e), 0);
	}
	assert_int_equal(spool_confirm(two, &e.after), 0);
	assert_int_equal(spool_next(gone, &e), 0);
	assert_int_equal(spool_confirm(gone, &e.after), 0);
	assert_int_equal(spool_sweep(dir, both, 2), 0);
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
	assert_int_equal(spool_sweep(dir, both, 2), 0);
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

static off_t size_of_only(char name[SPOOL_NAME_LEN])
{
	struct spool_list l;
	assert_int_equal(spool_list(dir, &l), 0);
	assert_int_equal(l.n, 1);
	off_t size = (off_t)l.at[0].size;
	spool_file_name(l.at[0].number, name);
	spool_list_done(&l);
	return size;
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
	assert_int_equal(spool_sweep(dir, names, 1), 0);
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

/* Another key reads nothing, and the folder tells nothing without it. */
static void other_key(void **state)
{
	static const uint8_t other[SPOOL_KEY_LEN] = {9};
	char name[SPOOL_NAME_LEN], bytes[4096];
	struct spool *s = open_spool(ROOMY, 0, NULL);
	add_all(s, 0, 5);
	spool_close(s);
	off_t size = size_of_only(name);
	int fd = openat(dir, name, O_RDONLY);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), size);
	close(fd);
	assert_null(memmem(bytes, (size_t)size, "message", 7));
	struct stat st;
	assert_int_equal(fstatat(dir, name, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	struct spool_reader *r = NULL;
	struct spool_entry e;
	assert_int_equal(spool_reader_open(dir, other, "r", &r), 0);
	assert_int_equal(spool_next(r, &e), ERR_AGAIN);
	assert_int_equal(spool_damaged(r), 5);
	spool_reader_close(r);
}

static void places(void **state)
{
	const struct spool_place p = {.file = 3, .offset = 99, .frame = 2, .entry = 77, .id = {5}};
	struct spool_place got = {0};
	uint8_t bytes[SPOOL_PLACE_MOST + 1];
	size_t len = spool_place_write(&p, "group", bytes);
	assert_int_equal(spool_place_read(span_of(bytes, len), "group", &got), 0);
	assert_memory_equal(&got, &p, sizeof(p));
	assert_int_equal(spool_place_read(span_of(bytes, len), "groups", &got), ERR_VALUE);
	for (size_t n = 0; n < len; n++) {
		assert_true(spool_place_read(span_of(bytes, n), "group", &got) < 0);
		bytes[n] ^= 1;
		assert_true(spool_place_read(span_of(bytes, len), "group", &got) < 0);
		bytes[n] ^= 1;
	}
	bytes[len] = 0;
	assert_int_equal(spool_place_read(span_of(bytes, len + 1), "group", &got), ERR_TRAILING);
	/* A damaged one: everything is sent again. */
	struct spool *s = open_spool(ROOMY, 0, NULL);
	add_all(s, 0, 3);
	struct spool_reader *r = open_reader("r");
	expect_all(r, 0, 3);
	const struct spool_place at = spool_at(r);
	assert_int_equal(spool_confirm(r, &at), 0);
	spool_reader_close(r);
	char name[SPOOL_NAME_LEN];
	spool_place_name("r", name);
	int fd = openat(dir, name, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	close(fd);
	r = open_reader("r");
	expect_all(r, 0, 3);
	spool_reader_close(r);
	spool_close(s);
}

static void key_file(void **state)
{
	char path[128];
	uint8_t first[SPOOL_KEY_LEN], again[SPOOL_KEY_LEN];
	struct stat st;
	snprintf(path, sizeof(path), "%s/key", folder);
	assert_int_equal(spool_key(path, first), 0);
	assert_int_equal(spool_key(path, again), 0);
	assert_memory_equal(first, again, sizeof(first));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(truncate(path, 31), 0);
	assert_int_equal(spool_key(path, again), ERR_VALUE);
	assert_memory_equal(first, again, sizeof(first));
	assert_int_equal(truncate(path, 33), 0);
	assert_int_equal(spool_key(path, again), ERR_VALUE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(spool_key(path, again), 0);
	assert_memory_not_equal(first, again, sizeof(first));
	assert_int_equal(spool_key("/nonexistent/key", again), ERR_SYSTEM);
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
		cmocka_unit_test_setup(sizes, fresh),
		cmocka_unit_test_setup(other_key, fresh),
		cmocka_unit_test_setup(places, fresh),
		cmocka_unit_test_setup(key_file, fresh),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
