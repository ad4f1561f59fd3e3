/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/intake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define UID "1.2.826.0.1.3680043.8.498.1"
#define CT  "1.2.840.10008.5.1.4.1.1.2"
#define ELE "1.2.840.10008.1.2.1"
#define ILE "1.2.840.10008.1.2"

static char path[64];
static struct folder folder;

static int set_up(void **state)
{
	snprintf(path, sizeof(path), "/tmp/gantry-intake-XXXXXX");
	intake_prepare();
	return mkdtemp(path) ? folder_open(path, &folder) : -1;
}

static int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(name);
}

static int tear_down(void **state)
{
	folder_done(&folder);
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct part10_meta meta_of(const char *uid, const char *syntax)
{
	return (struct part10_meta){.sop_class = span_str(CT),
		.sop_instance = span_str(uid),
		.transfer_syntax = span_str(syntax),
		.implementation_class = span_str("1.2.3"),
		.source_ae = "CT1"};
}

static int store_as(
	const char *uid, const char *syntax, const char *data, enum intake_result *result, char *name)
{
	struct part10_meta meta = meta_of(uid, syntax);
	struct intake i;
	int r = intake_begin(&folder, &meta, &i);
	if (r < 0) {
		return r;
	}
	assert_int_equal(intake_write(&i, span_str(data)), 0);
	return intake_finish(&i, result, name);
}

/* Names below a subfolder, "." and ".." apart. */
static unsigned count(int at, const char *sub)
{
	int fd = openat(at, sub, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	DIR *dir = fdopendir(fd);
	unsigned n = 0;
	const struct dirent *e;
	while ((e = readdir(dir))) {
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	}
	closedir(dir);
	return n;
}

static void check_content(const char *name, const char *data)
{
	uint8_t buf[1024];
	int fd = openat(folder.dir, name, O_RDONLY);
	assert_true(fd >= 0);
	ssize_t n = read(fd, buf, sizeof(buf));
	close(fd);
	assert_true(n > 132);
	struct part10_meta meta;
	size_t at;
	assert_int_equal(part10_read(span_of(buf, (size_t)n), &meta, &at, NULL), 0);
	assert_true(span_eq(meta.sop_instance, span_str(UID)));
	assert_string_equal(meta.source_ae, "CT1");
	assert_int_equal((size_t)n - at, strlen(data));
	assert_memory_equal(buf + at, data, strlen(data));
}

static void stored(void **state)
{
	enum intake_result result;
	char name[INTAKE_NAME];
	assert_int_equal(store_as(UID, ELE, "the data set", &result, name), 0);
	assert_int_equal(result, INTAKE_STORED);
	/* printf %s UID | sha256sum */
	assert_string_equal(name, "6d/" UID ".dcm");
	check_content(name, "the data set");
	assert_int_equal(count(folder.incoming, "."), 0);
}

static void same_again(void **state)
{
	enum intake_result result;
	char name[INTAKE_NAME];
	assert_int_equal(store_as(UID, ELE, "bytes", &result, name), 0);
	assert_int_equal(store_as(UID, ELE, "bytes", &result, name), 0);
	assert_int_equal(result, INTAKE_SAME);
	assert_string_equal(name + 3, UID ".dcm");
	name[2] = '\0';
	assert_int_equal(count(folder.dir, name), 1);
	assert_int_equal(count(folder.incoming, "."), 0);
}

static void conflicts(void **state)
{
	enum intake_result result;
	char name[INTAKE_NAME];
	assert_int_equal(store_as(UID, ELE, "bytes", &result, name), 0);
	/* Longer, shorter, of the same length, and in another transfer syntax. */
	const char *const other[] = {"bytes and more", "byte", "bytEs"};
	for (unsigned n = 0; n < ARRAY_LEN(other); n++) {
		char expected[INTAKE_NAME];
		assert_int_equal(store_as(UID, ELE, other[n], &result, name), 0);
		assert_int_equal(result, INTAKE_CONFLICT);
		snprintf(expected, sizeof(expected), UID ".conflict-%u.dcm", n + 1);
		assert_string_equal(name + 3, expected);
		check_content(name, other[n]);
	}
	assert_int_equal(store_as(UID, ILE, "bytes", &result, name), 0);
	assert_int_equal(result, INTAKE_CONFLICT);
	/* A conflicting one again is that one. */
	assert_int_equal(store_as(UID, ELE, "byte", &result, name), 0);
	assert_int_equal(result, INTAKE_SAME);
	assert_string_equal(name + 3, UID ".conflict-2.dcm");
	snprintf(name + 3, sizeof(name) - 3, UID ".dcm");
	check_content(name, "bytes");
}

static void conflicts_end(void **state)
{
	enum intake_result result;
	char name[INTAKE_NAME], data[16];
	for (unsigned n = 0; n <= INTAKE_CONFLICTS; n++) {
		snprintf(data, sizeof(data), "%u", n);
		assert_int_equal(store_as(UID, ELE, data, &result, name), 0);
	}
	assert_int_equal(store_as(UID, ELE, "one too many", &result, name), ERR_LIMIT);
	assert_int_equal(count(folder.incoming, "."), 0);
}

static void no_uid_is_a_path(void **state)
{
	static const char *const abuse[] = {"", ".", "..", "../1.2", "1.2/3", "/1.2", "1..2", "1.2.", ".1",
		"1.02", "1.2\n", "1.2 ", "1.2.a",
		"1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22.23.24.25.26.2"};
	for (unsigned n = 0; n < ARRAY_LEN(abuse); n++) {
		struct part10_meta meta = meta_of(abuse[n], ELE);
		struct intake i;
		assert_int_equal(intake_begin(&folder, &meta, &i), ERR_VALUE);
	}
	struct part10_meta meta = meta_of(UID, ELE);
	meta.sop_instance = span_of("1.2\0.3", 6);
	struct intake i;
	assert_int_equal(intake_begin(&folder, &meta, &i), ERR_VALUE);
	assert_int_equal(count(folder.incoming, "."), 0);
	assert_int_equal(count(folder.dir, "."), 1);
}

/* What lies under an object's name and is none is never followed and never replaced. */
static void links_are_not_followed(void **state)
{
	enum intake_result result;
	char name[INTAKE_NAME], target[128];
	assert_int_equal(mkdirat(folder.dir, "6d", 0750), 0);
	snprintf(target, sizeof(target), "%s/outside", path);
	assert_int_equal(symlinkat(target, folder.dir, "6d/" UID ".dcm"), 0);
	assert_int_equal(mkfifoat(folder.dir, "6d/" UID ".conflict-1.dcm", 0600), 0);
	assert_int_equal(mkdirat(folder.dir, "6d/" UID ".conflict-2.dcm", 0700), 0);
	assert_int_equal(store_as(UID, ELE, "bytes", &result, name), 0);
	assert_string_equal(name, "6d/" UID ".conflict-3.dcm");
	assert_int_equal(faccessat(folder.dir, "outside", F_OK, 0), -1);
}

static void shelf_is_no_link(void **state)
{
	enum intake_result result;
	char name[INTAKE_NAME];
	assert_int_equal(symlinkat("/tmp", folder.dir, "6d"), 0);
	assert_int_equal(store_as(UID, ELE, "bytes", &result, name), ERR_SYSTEM);
	assert_int_equal(count(folder.incoming, "."), 0);
}

static void no_space(void **state)
{
	pid_t pid = fork();
	if (pid == 0) {
		const struct rlimit most = {.rlim_cur = 4096, .rlim_max = 4096};
		struct part10_meta meta = meta_of(UID, ELE);
		struct intake i;
		static uint8_t big[8192];
		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &most) < 0 || intake_begin(&folder, &meta, &i) != 0 ||
			intake_write(&i, span_of(big, sizeof(big))) != ERR_SPACE) {
			_exit(1);
		}
		intake_drop(&i);
		intake_drop(&i);
		_exit(errno == EFBIG ? 0 : 2);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(count(folder.incoming, "."), 0);
	assert_int_equal(count(folder.dir, "."), 1);
}

/* Killed in the middle: only .incoming has anything, and the next start clears it. One that lives is let be. */
static void killed(void **state)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct part10_meta meta = meta_of(UID, ELE);
		struct intake i;
		if (intake_begin(&folder, &meta, &i) == 0 && intake_write(&i, span_str("half")) == 0 &&
			write(ready[1], "r", 1) == 1) {
			pause();
		}
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(count(folder.incoming, "."), 1);
	assert_int_equal(folder_clean(&folder), 0);
	assert_int_equal(count(folder.incoming, "."), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(count(folder.dir, "."), 1);
	assert_int_equal(folder_clean(&folder), 1);
	assert_int_equal(count(folder.incoming, "."), 0);
	close(ready[0]);
	close(ready[1]);
}

static void folder_errors(void **state)
{
	struct folder f;
	char name[128];
	snprintf(name, sizeof(name), "%s/none/deeper", path);
	assert_int_equal(folder_open(name, &f), ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
	snprintf(name, sizeof(name), "%s/new", path);
	assert_int_equal(folder_open(name, &f), 0);
	folder_done(&f);
	assert_int_equal(f.dir, -1);
	/* .incoming that leads elsewhere is not used. */
	snprintf(name, sizeof(name), "%s/linked", path);
	assert_int_equal(mkdir(name, 0700), 0);
	assert_int_equal(symlinkat("/tmp", folder.dir, "linked/.incoming"), 0);
	assert_int_equal(folder_open(name, &f), ERR_SYSTEM);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(stored),
		TEST(same_again),
		TEST(conflicts),
		TEST(conflicts_end),
		TEST(no_uid_is_a_path),
		TEST(links_are_not_followed),
		TEST(shelf_is_no_link),
		TEST(no_space),
		TEST(killed),
		TEST(folder_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
