/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/once.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The record of what is good once. */

static char path[64];
static int dir;

static int set_up(void **state)
{
	snprintf(path, sizeof(path), "/tmp/gantry-once-XXXXXX");
	dir = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return dir < 0;
}

static int tear_down(void **state)
{
	(void)unlinkat(dir, ONCE_FILE, 0);
	close(dir);
	return rmdir(path);
}

static struct once *record(int *ret_fd)
{
	struct once *o = NULL;
	assert_int_equal(once_open(dir, 1000, ret_fd), 0);
	assert_int_equal(once_map(*ret_fd, &o), 0);
	assert_int_equal(once_since(o), 1000);
	return o;
}

static void noted_until_its_end(void **state)
{
	int fd;
	struct once *o = record(&fd), *again = NULL;
	uint8_t key[32] = {1, 2, 3}, other[32] = {1, 2, 4};
	assert_int_equal(once_note(o, key, 2000, 1500), 0);
	assert_int_equal(once_note(o, key, 2000, 1500), ERR_EXISTS);
	assert_int_equal(once_note(o, key, 9000, 1999), ERR_EXISTS);
	assert_int_equal(once_note(o, other, 2000, 1500), 0);
	assert_int_equal(once_note(o, key, 3000, 2000), 0);
	/* Whoever maps it later finds it. */
	once_unmap(o);
	assert_int_equal(once_map(fd, &again), 0);
	assert_int_equal(once_note(again, key, 3000, 2500), ERR_EXISTS);
	once_unmap(again);
	close(fd);
}

/* Keys that all fall on one place: the end of the table, which goes on at its beginning. */
static void full(void **state)
{
	int fd;
	struct once *o = record(&fd);
	uint8_t key[32] = {255, 255};
	unsigned n = 0;
	while (once_note(o, key, 2000 + n, 1500) == 0) {
		assert_int_equal(once_note(o, key, 2000, 1500), ERR_EXISTS);
		key[31] = (uint8_t)++n;
		assert_in_range(n, 1, 200);
	}
	assert_in_range(n, 16, 200);
	assert_int_equal(once_note(o, key, 5000, 1500), ERR_LIMIT);
	assert_int_equal(once_note(o, key, 5000, 1999), ERR_LIMIT);
	/* The first of them has run out. */
	assert_int_equal(once_note(o, key, 5000, 2000), 0);
	assert_int_equal(once_note(o, key, 5000, 2000), ERR_EXISTS);
	once_unmap(o);
	close(fd);
}

static void put(const void *bytes, size_t len, off_t at)
{
	int fd = openat(dir, ONCE_FILE, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	close(fd);
}

static void cut(off_t len)
{
	int fd = openat(dir, ONCE_FILE, O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, len), 0);
	close(fd);
}

/* A gateway that starts anew goes on with it; with one of before the machine's start, or with none, it does not. */
static void after_a_restart(void **state)
{
	int fd;
	struct once *o = record(&fd);
	const uint8_t key[32] = {9};
	assert_int_equal(once_note(o, key, 5000, 1500), 0);
	once_unmap(o);
	close(fd);
	assert_int_equal(once_open(dir, 2000, &fd), 0);
	assert_int_equal(once_map(fd, &o), 0);
	assert_int_equal(once_since(o), 1000);
	assert_int_equal(once_note(o, key, 5000, 2000), ERR_EXISTS);
	once_unmap(o);
	close(fd);
	put("another start", 13, 16);
	for (int64_t since = 3000; since <= 5000; since += 1000) {
		assert_int_equal(once_open(dir, since, &fd), 0);
		assert_int_equal(once_map(fd, &o), 0);
		assert_int_equal(once_since(o), since);
		assert_int_equal(once_note(o, key, 9000, since), 0);
		once_unmap(o);
		close(fd);
		if (since == 3000) {
			put("no record", 9, 0);
		} else {
			cut(1000);
		}
	}
}

static void not_a_record(void **state)
{
	struct once *o = NULL;
	int fd = memfd_create("x", MFD_CLOEXEC);
	assert_int_equal(once_map(fd, &o), ERR_PEER);
	close(fd);
	assert_int_equal(symlinkat("/dev/null", dir, ONCE_FILE), 0);
	assert_int_equal(once_open(dir, 1000, &fd), ERR_SYSTEM);
}

/* A job that was taken over can neither read nor write it. */
static void not_inherited(void **state)
{
	int fd, status;
	struct once *o = record(&fd);
	pid_t pid = fork();
	if (pid == 0) {
		/* mincore() of what is not mapped is ENOMEM. */
		unsigned char v;
		_exit(mincore(o, 1, &v) < 0 ? 7 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	once_unmap(o);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(noted_until_its_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_a_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(not_a_record, set_up, tear_down),
		cmocka_unit_test_setup_teardown(not_inherited, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
