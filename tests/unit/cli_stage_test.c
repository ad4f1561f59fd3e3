/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Each test has a folder of its own and works in it; what it leaves is removed. */
static char place[64];

static int enter(void **state)
{
	(void)state;
	snprintf(place, sizeof(place), "/tmp/gantry-stage-test-XXXXXX");
	return mkdtemp(place) && chdir(place) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", place, (char *)NULL);
		_exit(1);
	}
	return chdir("/") == 0 && waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

/* In the place of the C library's: a process that is killed while bytes go to the disk, and a file system that cannot refuse to replace. */
static bool dies_in_sync, cannot_refuse;

int syncfs(int fd)
{
	if (dies_in_sync) {
		(void)raise(SIGKILL);
	}
	return (int)syscall(SYS_syncfs, fd);
}

int renameat2(int from, const char *old, int to, const char *name, unsigned flags)
{
	if (cannot_refuse && flags != 0) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_renameat2, from, old, to, name, flags);
}

/* How many names a folder has; of hidden ones with a prefix the last is in found. */
static unsigned count(const char *folder, const char *prefix, char found[256])
{
	unsigned n = 0;
	DIR *d = opendir(folder);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
			strncmp(e->d_name, prefix, strlen(prefix)) == 0) {
			n++;
			snprintf(found, 256, "%s", e->d_name);
		}
	}
	closedir(d);
	return n;
}

static off_t size_of(const char *folder, const char *name)
{
	char path[600];
	struct stat st;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void keep(struct stage *s, const char *name, const char *text)
{
	struct stage_scratch f;
	assert_int_equal(stage_scratch(s, &f), 0);
	assert_int_equal(write(f.fd, text, strlen(text)), strlen(text));
	assert_int_equal(stage_keep(s, &f, name), 0);
	assert_int_equal(f.fd, -1);
}

static void test_appears_whole(void **state)
{
	struct stage s;
	struct stat st;
	char found[256];
	(void)state;
	umask(027);
	assert_int_equal(stage_begin(&s, "out/"), 0);
	int fd = stage_file(&s, "D0000000/F0000000");
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(stage_file(&s, "D0000000/F0000000"), ERR_SYSTEM);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(stat("out", &st), -1);
	assert_int_equal(count(".", ".gantry-stage-", found), 1);
	assert_int_equal(stat(found, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stage_commit(&s), 0);
	stage_done(&s);
	assert_int_equal(size_of("out/D0000000", "F0000000"), 1);
	assert_int_equal(stat("out", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(count(".", "", found), 1);
}

static void test_or_not_at_all(void **state)
{
	struct stage s;
	char found[256];
	(void)state;
	assert_int_equal(mkdir("out", 0700), 0);
	assert_int_equal(stage_begin(&s, "out"), ERR_VALUE);
	stage_done(&s);
	assert_int_equal(stage_begin(&s, "no/such/folder"), ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
	stage_done(&s);
	assert_int_equal(stage_begin(&s, "other"), 0);
	keep(&s, "A/B/C", "text");
	stage_done(&s);
	assert_int_equal(stage_begin(&s, "other"), 0);
	keep(&s, "A", "text");
	assert_int_equal(mkdir("other", 0700), 0);
	assert_int_equal(stage_commit(&s), ERR_VALUE);
	stage_done(&s);
	assert_int_equal(count("other", "", found), 0);
	assert_int_equal(count(".", "", found), 2);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {{"DICOMDIR", true}, {"a-b_c.d/E9", true}, {"1/2/3/4/5/6/7/8", true},
		{"0/2/3/4/5/6/7/8/9", false}, {"", false}, {"/a", false}, {"a//b", false}, {"..", false},
		{"../a", false}, {"a/../b", false}, {".a", false}, {"a/.b", false}, {"a b", false},
		{"a\\b", false}, {"a\nb", false}, {"ä", false}, {"a;1", false},
		{"1234567890123456789012345678901234567890123456789012345678901234", true},
		{"12345678901234567890123456789012345678901234567890123456789012345", false}};
	struct stage s;
	(void)state;
	assert_int_equal(stage_begin(&s, "out"), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd = stage_file(&s, rows[i].name);
		if (fd < 0 && rows[i].good) {
			fail_msg("`%s`: %d", rows[i].name, fd);
		}
		assert_int_equal(fd >= 0, rows[i].good);
		assert_true(rows[i].good || fd == ERR_VALUE);
		if (fd >= 0) {
			close(fd);
		}
	}
	/* Somebody's link in the way is not followed. */
	assert_int_equal(symlinkat("/tmp", s.fd, "LINK"), 0);
	assert_int_equal(stage_file(&s, "LINK/x"), ERR_SYSTEM);
	assert_int_equal(stage_file(&s, "LINK"), ERR_SYSTEM);
	stage_done(&s);
}

/* Files get their bytes with the commit; where that cannot be, they are there at once, and no different in the end. */
static void test_kept(void **state)
{
	struct stage s;
	char found[256], text[8] = "";
	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		char out[16];
		snprintf(out, sizeof(out), "out%u", way);
		assert_int_equal(stage_begin(&s, out), 0);
		s.nameless = s.nameless && way != 1;
		s.most_kept = way == 2 ? 1 : s.most_kept;
		bool later = s.nameless;
		keep(&s, "D/ONE", "one");
		keep(&s, "D/TWO", "twos");
		struct stage_scratch again, dropped;
		assert_int_equal(stage_scratch(&s, &again), 0);
		assert_int_equal(stage_keep(&s, &again, "D/ONE"), ERR_SYSTEM);
		assert_int_equal(errno, EEXIST);
		assert_int_equal(stage_keep(&s, &again, "../ONE"), ERR_VALUE);
		assert_true(again.fd >= 0);
		assert_int_equal(stage_scratch(&s, &dropped), 0);
		stage_drop(&s, &dropped);
		stage_drop(&s, &again);
		assert_int_equal(count(".", ".gantry-stage-", found), 1);
		char inner[300];
		snprintf(inner, sizeof(inner), "%s/D", found);
		assert_int_equal(size_of(inner, "ONE"), later ? 0 : 3);
		assert_int_equal(size_of(inner, "TWO"), later && way != 2 ? 0 : 4);
		int fd = stage_open(&s, "D/TWO");
		assert_int_equal(read(fd, text, sizeof(text)), 4);
		assert_memory_equal(text, "twos", 4);
		close(fd);
		assert_int_equal(stage_open(&s, "D/THREE"), ERR_SYSTEM);
		assert_int_equal(stage_commit(&s), 0);
		stage_done(&s);
		snprintf(out, sizeof(out), "out%u/D", way);
		assert_int_equal(size_of(out, "ONE"), 3);
		assert_int_equal(size_of(out, "TWO"), 4);
		assert_int_equal(count(out, "", found), 2);
	}
}

/* A process begins, and is killed when it has said so; or lives on, until the pipe is closed. */
static pid_t another(int ends[2], bool dies)
{
	char byte = 0;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct stage s;
		if (stage_begin(&s, "out") == 0) {
			keep(&s, "D/SECRET", "secret");
			(void)!write(ends[1], "x", 1);
			raise(dies ? SIGKILL : SIGSTOP);
		}
		_exit(1);
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	int status;
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	return pid;
}

static void test_killed(void **state)
{
	struct stage s;
	int ends[2];
	char found[256], inner[300];
	(void)state;
	assert_int_equal(mkdir(".gantry-stage-mine", 0700), 0);   /* not as many characters */
	assert_int_equal(mkdir(".gantry-stage-public", 0755), 0); /* nor one that mkdtemp() made */
	assert_int_equal(mkdir("out.backup", 0700), 0);
	(void)another(ends, true);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(count(".", ".gantry-stage-", found), 3);
	assert_int_equal(stage_begin(&s, "other"), 0);
	bool nameless = s.nameless;
	stage_done(&s);
	assert_int_equal(count(".", ".gantry-stage-", found), 2);
	assert_int_equal(count(".", "out", found), 1);
	/* What it leaves has names and no bytes. One that lives is left alone. */
	pid_t pid = another(ends, false);
	for (DIR *d = opendir("."); d; d = NULL) {
		for (struct dirent *e; (e = readdir(d));) {
			if (strncmp(e->d_name, ".gantry-stage-", 14) == 0 && strlen(e->d_name) == 20 &&
				strcmp(e->d_name, ".gantry-stage-public") != 0) {
				snprintf(inner, sizeof(inner), "%s/D", e->d_name);
			}
		}
		closedir(d);
	}
	assert_int_equal(size_of(inner, "SECRET"), nameless ? 0 : 6);
	assert_int_equal(stage_begin(&s, "other"), 0);
	stage_done(&s);
	assert_int_equal(size_of(inner, "SECRET"), nameless ? 0 : 6);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(stage_begin(&s, "other"), 0);
	stage_done(&s);
	assert_int_equal(size_of(inner, "SECRET"), -1);
	close(ends[0]);
	close(ends[1]);
}

/* Killed when all is there but its place: what is left is known as such, also where folders have another mode than mkdtemp() asks for. */
static void test_killed_at_the_end(void **state)
{
	static const mode_t modes[] = {0700, 02750};
	char found[256];
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
		struct stage s;
		struct stat st;
		int status;
		assert_int_equal(chmod(".", modes[i]), 0);
		pid_t pid = fork();
		if (pid == 0) {
			dies_in_sync = true;
			if (stage_begin(&s, "out") == 0) {
				keep(&s, "D/SECRET", "secret");
				(void)!stage_commit(&s);
			}
			_exit(1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_int_equal(count(".", ".gantry-stage-", found), 1);
		assert_int_equal(stage_begin(&s, "out"), 0);
		assert_int_equal(count(".", ".gantry-stage-", found), 1);
		umask(027);
		assert_int_equal(stage_commit(&s), 0);
		stage_done(&s);
		assert_int_equal(stat("out", &st), 0);
		assert_int_equal(st.st_mode & 07777, 0750 | (modes[i] & 02000));
		assert_int_equal(rmdir("out"), 0);
		assert_int_equal(count(".", "", found), 0);
	}
}

static void test_cannot_refuse(void **state)
{
	struct stage s;
	char found[256];
	(void)state;
	cannot_refuse = true;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(stage_begin(&s, "out"), 0);
		keep(&s, "OUT", "text");
		assert_int_equal(mkdir("out", 0700), 0);
		assert_int_equal(i == 0 ? stage_commit(&s) : stage_commit_file(&s, "OUT"), ERR_VALUE);
		stage_done(&s);
		assert_int_equal(rmdir("out"), 0); /* which is empty */
		assert_int_equal(stage_begin(&s, "out"), 0);
		keep(&s, "OUT", "text");
		assert_int_equal(i == 0 ? stage_commit(&s) : stage_commit_file(&s, "OUT"), 0);
		stage_done(&s);
		assert_int_equal(size_of(i == 0 ? "out" : ".", i == 0 ? "OUT" : "out"), 4);
		assert_int_equal(i == 0 ? unlink("out/OUT") || rmdir("out") : unlink("out"), 0);
		assert_int_equal(count(".", "", found), 0);
	}
	cannot_refuse = false;
}

/* Who reads others' bytes has none of the files that are kept. */
static void test_forgotten(void **state)
{
	struct stage s;
	int status;
	(void)state;
	assert_int_equal(stage_begin(&s, "out"), 0);
	if (!s.nameless) {
		stage_done(&s);
		skip();
	}
	keep(&s, "SECRET", "secret");
	int high = fcntl(s.fd, F_DUPFD, 200);
	pid_t pid = fork();
	if (pid == 0) {
		int before = 0, after = 0;
		for (int fd = 0; fd < 1024; fd++) {
			before += fcntl(fd, F_GETFD) >= 0;
		}
		stage_forget();
		for (int fd = 0; fd < 1024; fd++) {
			after += fcntl(fd, F_GETFD) >= 0;
		}
		_exit(before - after == 1 && fcntl(high, F_GETFD) >= 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(high);
	stage_done(&s);
}

/* One that had no name until then. */
static void test_single_kept(void **state)
{
	struct stage s;
	struct stage_scratch made = STAGE_NO_SCRATCH;
	char found[8] = "";
	(void)state;
	assert_int_equal(stage_begin(&s, "kept"), 0);
	assert_int_equal(stage_scratch(&s, &made), 0);
	assert_int_equal(write(made.fd, "bytes", 5), 5);
	assert_int_equal(stage_keep(&s, &made, "OUT"), 0);
	assert_int_equal(stage_commit_file(&s, "OUT"), 0);
	stage_done(&s);
	int fd = open("kept", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, found, sizeof(found)), 5);
	assert_string_equal(found, "bytes");
	close(fd);
	assert_int_equal(stage_begin(&s, "kept"), ERR_VALUE);
	stage_done(&s);
	assert_int_equal(unlink("kept"), 0);
}

static void test_single_file(void **state)
{
	struct stage s;
	char found[256];
	(void)state;
	assert_int_equal(stage_begin(&s, "out.iso"), 0);
	int fd = stage_file(&s, "IMAGE");
	assert_int_equal(write(fd, "image", 5), 5);
	close(fd);
	close(stage_file(&s, "DISC/F"));
	assert_int_equal(stage_commit_file(&s, "IMAGE"), 0);
	stage_done(&s);
	assert_int_equal(size_of(".", "out.iso"), 5);
	assert_int_equal(count(".", "", found), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_appears_whole, enter, leave),
		cmocka_unit_test_setup_teardown(test_or_not_at_all, enter, leave),
		cmocka_unit_test_setup_teardown(test_names, enter, leave),
		cmocka_unit_test_setup_teardown(test_kept, enter, leave),
		cmocka_unit_test_setup_teardown(test_killed, enter, leave),
		cmocka_unit_test_setup_teardown(test_killed_at_the_end, enter, leave),
		cmocka_unit_test_setup_teardown(test_cannot_refuse, enter, leave),
		cmocka_unit_test_setup_teardown(test_forgotten, enter, leave),
		cmocka_unit_test_setup_teardown(test_single_file, enter, leave),
		cmocka_unit_test_setup_teardown(test_single_kept, enter, leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
