/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/once.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The record of what is good once. */

static struct once *record(int *ret_fd)
{
	struct once *o = NULL;
	assert_int_equal(once_make(1000, ret_fd), 0);
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

static void not_a_record(void **state)
{
	struct once *o = NULL;
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(once_map(fd, &o), ERR_PEER);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	assert_int_equal(once_map(fd, &o), ERR_PEER);
	close(fd);
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
		cmocka_unit_test(noted_until_its_end),
		cmocka_unit_test(full),
		cmocka_unit_test(not_a_record),
		cmocka_unit_test(not_inherited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
