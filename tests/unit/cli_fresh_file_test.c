/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fresh_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants those before it */
#include <cmocka.h>

/* A file is there whole or not at all, where files without names can be, and where they cannot. */
static char folder[] = "/tmp/gantry-fresh-XXXXXX", path[64], hidden[64];
static bool has_names; /* from when on the kernel says that it has no others, as some file systems do */

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void assert_says(const char *text)
{
	char bytes[64] = "";
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && read(fd, bytes, sizeof(bytes) - 1) >= 0);
	close(fd);
	assert_string_equal(bytes, text);
}

static unsigned n_files(void)
{
	unsigned n = 0;
	DIR *d = opendir(folder);
	for (const struct dirent *e; (e = readdir(d));) {
		n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
	}
	closedir(d);
	return n;
}

static void begin(struct fresh_file *f, const char *text)
{
	assert_true(fresh_begin(f, path, 0640));
	assert_true((f->name != NULL) == has_names);
	assert_int_equal(write(f->fd, text, strlen(text)), strlen(text));
}

static void whole_or_not(void **state)
{
	struct fresh_file f;
	(void)state;
	begin(&f, "half");
	fresh_done(&f);
	assert_int_equal(n_files(), 0);
	begin(&f, "one");
	assert_int_equal(access(path, F_OK), -1);
	assert_true(fresh_commit(&f, false));
	fresh_done(&f);
	assert_says("one");
	begin(&f, "another");
	assert_false(fresh_commit(&f, false));
	assert_int_equal(errno, EEXIST);
	fresh_done(&f);
	assert_says("one");
	begin(&f, "two");
	assert_true(fresh_commit(&f, true));
	fresh_done(&f);
	assert_says("two");
	assert_int_equal(n_files(), 1);
	assert_int_equal(unlink(path), 0);
}

/* What a process left that was killed makes room; what another one is making does not. */
static void left(void **state)
{
	struct fresh_file f, other;
	(void)state;
	write_file(hidden, "left");
	begin(&f, "three");
	if (has_names) {
		assert_false(fresh_begin(&other, path, 0640));
		assert_int_equal(errno, EBUSY);
	}
	assert_true(fresh_commit(&f, true));
	fresh_done(&f);
	assert_says("three");
	assert_int_equal(n_files(), 1);
	int fd = open(hidden, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	bool begun = fresh_begin(&f, path, 0640);
	assert_true(begun != has_names);
	assert_false(begun && fresh_commit(&f, true));
	assert_int_equal(errno, EBUSY);
	if (begun) {
		fresh_done(&f);
	}
	close(fd);
	assert_int_equal(unlink(hidden), 0);
	assert_says("three");
	assert_int_equal(unlink(path), 0);
}

/* Of the mode that is asked for, in the place of what there is; where it cannot be, what there is stays. */
static void at_once(void **state)
{
	struct stat st;
	mode_t mask = umask(077);
	write_file(path, "old, and longer");
	assert_true(fresh_write(path, 0644, "new", 3));
	umask(mask);
	assert_says("new");
	assert_true(stat(path, &st) == 0 && (st.st_mode & 0777) == 0644);
	assert_int_equal(n_files(), 1);
	assert_false(fresh_write("/nonexistent/file", 0644, "new", 3));
	assert_int_equal(errno, ENOENT);
	assert_int_equal(unlink(path), 0);
}

static void without_nameless(void **state)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
	const uint64_t nameless = O_TMPFILE & ~O_DIRECTORY;
	(void)state;
	assert_non_null(c);
	assert_int_equal(seccomp_rule_add(c, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(openat), 1,
				 SCMP_A2(SCMP_CMP_MASKED_EQ, nameless, nameless)),
		0);
	assert_int_equal(seccomp_load(c), 0);
	seccomp_release(c);
	has_names = true;
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder)) {
		return -1;
	}
	snprintf(path, sizeof(path), "%s/file", folder);
	snprintf(hidden, sizeof(hidden), "%s/.file.gantry-new", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whole_or_not), cmocka_unit_test(left),
		cmocka_unit_test(at_once), cmocka_unit_test(without_nameless), cmocka_unit_test(whole_or_not),
		cmocka_unit_test(left), cmocka_unit_test(at_once)};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
