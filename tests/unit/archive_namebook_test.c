/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "archive/namebook.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The book of names: what is committed is there after any crash, and it stays within its bounds. */

#define DAY 86400
#define NOW (20000 * (int64_t)DAY)

static char folder[64];
static int dir;
static struct namebook *book;
static struct namebook_found found;
static struct namebook_limits limits;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/namebook-test-XXXXXX");
	limits = (struct namebook_limits){.most = 1 << 20, .keep_s = 100 * DAY};
	if (!mkdtemp(folder)) {
		return -1;
	}
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static unsigned each_file(void (*call)(const char *name))
{
	DIR *d = opendir(folder);
	struct dirent *e;
	unsigned n = 0;
	while ((e = readdir(d))) {
		if (e->d_name[0] == 'n') {
			n++;
			if (call) {
				call(e->d_name);
			}
		}
	}
	closedir(d);
	return n;
}

static void remove_one(const char *name)
{
	assert_int_equal(unlinkat(dir, name, 0), 0);
}

static void shut(void)
{
	namebook_close(book);
	book = NULL;
}

static int teardown(void **state)
{
	(void)state;
	shut();
	(void)each_file(remove_one);
	close(dir);
	return rmdir(folder);
}

static void reopen(int64_t now_s)
{
	shut();
	assert_int_equal(namebook_open(dir, &limits, now_s, &book, &found), 0);
}

/* Number k's entry; version: what is sealed. */
static void entry_of(unsigned k, uint8_t version, uint8_t entry[NAMEBOOK_ENTRY])
{
	memset(entry, version, NAMEBOOK_ENTRY);
	for (unsigned i = 0; i < NAMEBOOK_TOKEN; i++) {
		entry[i] = (uint8_t)((k + 1) * 2654435761u >> (8 * (i % 4))) ^ (uint8_t)(i * 37);
	}
	memcpy(entry + 8, &k, sizeof(k));
}

static int enter(unsigned k, uint8_t version, int64_t now_s)
{
	uint8_t entry[NAMEBOOK_ENTRY];
	entry_of(k, version, entry);
	return namebook_enter(book, entry, now_s);
}

/* The version that is there; 0: none. */
static uint8_t there(unsigned k)
{
	uint8_t entry[NAMEBOOK_ENTRY], sealed[NAMEBOOK_SEALED];
	entry_of(k, 0, entry);
	return namebook_find(book, entry, sealed) ? sealed[0] : 0;
}

static void what_is_entered_is_there(void **state)
{
	(void)state;
	reopen(NOW);
	assert_int_equal(found.names + found.torn + found.damaged, 0);
	for (unsigned k = 0; k < 300; k++) {
		assert_int_equal(enter(k, 1, NOW), 0);
	}
	assert_int_equal(there(7), 0); /* not before the commit */
	assert_int_equal(namebook_commit(book), 0);
	assert_int_equal(there(7), 1);
	assert_int_equal(there(299), 1);
	assert_int_equal(there(300), 0);
	assert_int_equal(namebook_names(book), 300);
	/* Entered again it takes no place. */
	assert_int_equal(enter(7, 1, NOW + DAY), 0);
	assert_int_equal(namebook_commit(book), 0);
	assert_int_equal(namebook_names(book), 300);
	reopen(NOW);
	assert_int_equal(found.names, 300);
	assert_int_equal(found.torn + found.damaged, 0);
	assert_int_equal(there(299), 1);
}

#define FEW 5

static const char first_volume[] = "names-0000000000000001";

static void cut_at_every_byte(void **state)
{
	(void)state;
	for (off_t cut = 0; cut <= (1 + FEW) * NAMEBOOK_RECORD; cut++) {
		reopen(NOW);
		for (unsigned k = 0; k < FEW; k++) {
			assert_int_equal(enter(k, 1, NOW), 0);
			assert_int_equal(namebook_commit(book), 0);
		}
		shut();
		int fd = openat(dir, first_volume, O_RDWR);
		assert_int_equal(ftruncate(fd, cut), 0);
		close(fd);
		reopen(NOW);
		unsigned left = cut < NAMEBOOK_RECORD ? 0 : (unsigned)(cut / NAMEBOOK_RECORD) - 1;
		assert_int_equal(found.names, left);
		assert_int_equal(found.damaged, 0);
		assert_int_equal(found.torn > 0, cut % NAMEBOOK_RECORD != 0 || cut == 0);
		for (unsigned k = 0; k < FEW; k++) {
			assert_int_equal(there(k), k < left);
		}
		/* It goes on, and what is entered then is there the next time. */
		assert_int_equal(enter(77, 2, NOW), 0);
		assert_int_equal(namebook_commit(book), 0);
		reopen(NOW);
		assert_int_equal(found.names, left + 1);
		assert_int_equal(there(77), 2);
		shut();
		(void)each_file(remove_one);
	}
}

static void change_at_every_byte(void **state)
{
	(void)state;
	reopen(NOW);
	for (unsigned k = 0; k < FEW; k++) {
		assert_int_equal(enter(k, 1, NOW), 0);
	}
	assert_int_equal(namebook_commit(book), 0);
	shut();
	for (off_t at = 0; at < FEW * NAMEBOOK_RECORD; at++) { /* the last record stays */
		uint8_t byte;
		int fd = openat(dir, first_volume, O_RDWR);
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		reopen(NOW);
		/* A head that is none costs its volume, which stays for people; a record costs itself. */
		assert_int_equal(found.damaged, 1);
		assert_int_equal(found.names, at < NAMEBOOK_RECORD ? 0 : FEW - 1);
		if (at >= NAMEBOOK_RECORD) {
			assert_int_equal(there((unsigned)(at / NAMEBOOK_RECORD) - 1), 0);
		}
		assert_int_equal(there(FEW - 1), at >= NAMEBOOK_RECORD);
		if (at < NAMEBOOK_RECORD) {
			assert_int_equal(enter(99, 1, NOW), 0); /* in the next one */
		}
		shut();
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
		if (at < NAMEBOOK_RECORD) {
			remove_one("names-0000000000000002");
		}
	}
}

static void within_its_bounds(void **state)
{
	(void)state;
	limits.most = NAMEBOOK_LEAST; /* 16 volumes of 7 records */
	reopen(NOW);
	for (unsigned k = 0; k < 1000; k++) {
		assert_int_equal(enter(k, 1, NOW), 0);
		assert_int_equal(k % 3 ? 0 : namebook_commit(book), 0);
	}
	assert_int_equal(namebook_commit(book), 0);
	assert_int_equal(each_file(NULL), NAMEBOOK_VOLUMES);
	assert_true(namebook_names(book) >= 15 * 7 && namebook_names(book) <= 16 * 7);
	assert_int_equal(there(999), 1);
	assert_int_equal(there(999 - 15 * 7), 1);
	assert_int_equal(there(0), 0);
	reopen(NOW);
	assert_int_equal(there(999), 1);
	assert_int_equal(there(0), 0);
}

/* Cut where a record ends, it looks as if nothing were missing; but the next volume knows. */
static void records_that_are_gone(void **state)
{
	(void)state;
	limits.most = NAMEBOOK_LEAST; /* 7 records a volume */
	for (unsigned gone = 0; gone <= 7; gone++) {
		reopen(NOW);
		for (unsigned k = 0; k < 3 * 7; k++) {
			assert_int_equal(enter(k, 1, NOW), 0);
		}
		assert_int_equal(namebook_commit(book), 0);
		shut();
		int fd = openat(dir, "names-0000000000000002", O_RDWR);
		assert_int_equal(ftruncate(fd, (1 + 7 - (off_t)gone) * NAMEBOOK_RECORD), 0);
		close(fd);
		reopen(NOW);
		assert_int_equal(found.damaged, gone);
		assert_int_equal(found.names, 3 * 7 - gone);
		shut();
		(void)each_file(remove_one);
	}
}

static void spoil(const char *name, int64_t now_s)
{
	const struct timespec times[2] = {{.tv_sec = now_s}, {.tv_sec = now_s}};
	int fd = openat(dir, name, O_RDWR);
	assert_int_equal(pwrite(fd, "X", 1, 0), 1);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

/* A volume whose head says nothing stays for people to look at, as long as any, and takes the place of one. */
static void headless(void **state)
{
	(void)state;
	limits.most = NAMEBOOK_LEAST;
	reopen(NOW);
	for (unsigned k = 0; k < 2 * 7; k++) {
		assert_int_equal(enter(k, 1, NOW), 0);
	}
	assert_int_equal(namebook_commit(book), 0);
	shut();
	spoil(first_volume, NOW);
	reopen(NOW);
	assert_int_equal(found.damaged, 1);
	namebook_expire(book, NOW + 100 * DAY);
	assert_int_equal(each_file(NULL), 2);
	namebook_expire(book, NOW + 101 * DAY);
	assert_int_equal(each_file(NULL), 0);
	/* More than there is room for: the oldest goes first, of whatever kind. */
	for (unsigned k = 0; k < 2 * 7; k++) {
		assert_int_equal(enter(k, 1, NOW), 0);
	}
	assert_int_equal(namebook_commit(book), 0);
	shut();
	spoil("names-0000000000000004", NOW);
	reopen(NOW);
	for (unsigned k = 100; k < 100 + 14 * 7; k++) {
		assert_int_equal(enter(k, 1, NOW), 0);
	}
	assert_int_equal(namebook_commit(book), 0);
	assert_int_equal(each_file(NULL), NAMEBOOK_VOLUMES);
	assert_int_equal(faccessat(dir, "names-0000000000000004", F_OK, 0), 0);
	for (unsigned k = 300; k < 300 + 2 * 7; k++) {
		assert_int_equal(enter(k, 1, NOW), 0);
	}
	assert_int_equal(namebook_commit(book), 0);
	assert_int_equal(each_file(NULL), NAMEBOOK_VOLUMES);
	assert_int_equal(faccessat(dir, "names-0000000000000004", F_OK, 0), -1);
	assert_int_equal(there(100), 1);
}

static void what_is_old_goes(void **state)
{
	(void)state;
	reopen(NOW);
	assert_int_equal(enter(1, 1, NOW), 0);
	assert_int_equal(namebook_commit(book), 0);
	/* In a volume that is half as old as they get it is entered anew, and what was sealed last counts. */
	assert_int_equal(enter(1, 2, NOW + 60 * DAY), 0);
	assert_int_equal(enter(2, 1, NOW + 60 * DAY), 0);
	assert_int_equal(namebook_commit(book), 0);
	assert_int_equal(there(1), 2);
	assert_int_equal(each_file(NULL), 2);
	namebook_expire(book, NOW + 99 * DAY);
	assert_int_equal(each_file(NULL), 2);
	namebook_expire(book, NOW + 101 * DAY);
	assert_int_equal(each_file(NULL), 1);
	assert_int_equal(there(1), 2);
	reopen(NOW + 161 * DAY);
	assert_int_equal(each_file(NULL), 0);
	assert_int_equal(there(1), 0);
	assert_int_equal(enter(3, 1, NOW + 161 * DAY), 0);
	assert_int_equal(namebook_commit(book), 0);
	assert_int_equal(there(3), 1);
}

static void a_full_disk(void **state)
{
	struct rlimit was, least;
	(void)state;
	reopen(NOW);
	assert_int_equal(enter(1, 1, NOW), 0);
	assert_int_equal(namebook_commit(book), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	least = (struct rlimit){.rlim_cur = 2 * NAMEBOOK_RECORD + 50, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &least), 0);
	assert_int_equal(enter(2, 1, NOW), ERR_SYSTEM);
	assert_int_equal(namebook_commit(book), 0); /* of nothing */
	assert_int_equal(there(2), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(enter(2, 1, NOW), 0);
	assert_int_equal(namebook_commit(book), 0);
	assert_int_equal(there(1) + there(2), 2);
	reopen(NOW);
	assert_int_equal(found.names, 2);
	assert_int_equal(found.damaged + found.torn, 0);
}

/* What one client's failure leaves of what others have entered in the same turn: all, or their commit would be a lie. */
static void a_full_disk_in_a_batch(void **state)
{
	struct rlimit was, least;
	(void)state;
	reopen(NOW);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	least = (struct rlimit){.rlim_cur = 3 * NAMEBOOK_RECORD + 50, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &least), 0);
	assert_int_equal(enter(1, 1, NOW), 0);
	assert_int_equal(enter(2, 1, NOW), 0);
	assert_int_equal(enter(3, 1, NOW), ERR_SYSTEM);
	assert_int_equal(namebook_commit(book), 0);
	assert_int_equal(there(1) + there(2), 2);
	assert_int_equal(there(3), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(enter(3, 1, NOW), 0);
	assert_int_equal(namebook_commit(book), 0);
	reopen(NOW);
	assert_int_equal(found.names, 3);
	assert_int_equal(there(1) + there(2) + there(3), 3);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_entered_is_there),
		CASE(cut_at_every_byte),
		CASE(change_at_every_byte),
		CASE(within_its_bounds),
		CASE(records_that_are_gone),
		CASE(headless),
		CASE(what_is_old_goes),
		CASE(a_full_disk),
		CASE(a_full_disk_in_a_batch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
