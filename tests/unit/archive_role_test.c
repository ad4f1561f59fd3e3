/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/role.h"
#include "archive_scu.h"
#include "base/log.h"
#include "priv/message.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* The role as a process, with its sandboxed sessions. */

static char path[64];
static int channel;
static pid_t role_pid;
static const struct scu_offer usual = {.abstract = {SCU_ECHO, SCU_CT}, .transfer = {SCU_ELE}};

static void start_role(void)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	role_pid = fork();
	if (role_pid == 0) {
		close(pair[0]);
		_exit(archive_role_main(pair[1]));
	}
	assert_true(role_pid > 0);
	close(pair[1]);
	channel = pair[0];
}

static int end_role(void)
{
	int status;
	close(channel);
	assert_int_equal(waitpid(role_pid, &status, 0), role_pid);
	return status;
}

static int set_up(void **state)
{
	snprintf(path, sizeof(path), "/tmp/gantry-role-XXXXXX");
	log_least(LOG_LEVEL_ERROR + 1);
	return mkdtemp(path) ? 0 : -1;
}

static int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(name);
}

static int tear_down(void **state)
{
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int session_in(const char *folder)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	struct message *m = calloc(1, sizeof(*m));
	assert_non_null(m);
	m->type = MSG_FOLDER;
	m->fd = pair[1];
	snprintf(m->text, sizeof(m->text), "%s", folder);
	assert_int_equal(message_send(channel, m), 0);
	free(m);
	close(pair[1]);
	return pair[0];
}

static unsigned count(const char *sub)
{
	char name[128];
	snprintf(name, sizeof(name), "%s/%s", path, sub);
	DIR *dir = opendir(name);
	assert_non_null(dir);
	unsigned n = 0;
	const struct dirent *e;
	while ((e = readdir(dir))) {
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	}
	closedir(dir);
	return n;
}

static pid_t only_child(void)
{
	char name[64], text[64] = "";
	snprintf(name, sizeof(name), "/proc/%d/task/%d/children", (int)role_pid, (int)role_pid);
	int fd = open(name, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return (pid_t)strtol(text, NULL, 10);
}

static void sessions(void **state)
{
	start_role();
	int a = session_in(path), b = session_in(path);
	scu_open(a, &usual);
	scu_open(b, &usual);
	assert_int_equal(scu_store(a, 3, SCU_UID, "the same"), STATUS_SUCCESS);
	assert_int_equal(scu_store(b, 3, SCU_UID, "the same"), STATUS_SUCCESS);
	assert_int_equal(scu_store(b, 3, SCU_UID, "not the same"), STATUS_SUCCESS);
	assert_int_equal(count("6d"), 2);
	assert_int_equal(count(".incoming"), 0);
	scu_release(a);
	/* The channel closes: who is in the middle of an association is served to its end. */
	close(channel);
	channel = -1;
	assert_int_equal(scu_store(b, 3, "1.2.3", "later"), STATUS_SUCCESS);
	scu_release(b);
	close(a);
	close(b);
	assert_int_equal(end_role(), 0);
}

/* A session killed in the middle of an object: the other end sees it closed, and the next start clears up. */
static void killed(void **state)
{
	uint8_t byte;
	struct command c = scu_store_rq(SCU_CT, SCU_UID);
	start_role();
	int a = session_in(path);
	scu_open(a, &usual);
	scu_command(a, 3, &c);
	scu_pdv(a, 3, false, false, span_str("half"));
	/* The object is begun when its command is read: at once, but not before this line. */
	while (count(".incoming") == 0) {
		sched_yield();
	}
	assert_int_equal(kill(only_child(), SIGKILL), 0);
	assert_int_equal(scu_recv(a, &byte, 1), 0);
	close(a);
	assert_int_equal(count("."), 1);
	assert_int_equal(count(".incoming"), 1);
	assert_int_equal(end_role(), 0);

	start_role();
	a = session_in(path);
	scu_open(a, &usual);
	assert_int_equal(count(".incoming"), 0);
	scu_release(a);
	close(a);
	assert_int_equal(end_role(), 0);
}

/* Killed itself: the session that runs goes on to its end. */
static void role_killed(void **state)
{
	int status;
	start_role();
	int a = session_in(path);
	scu_open(a, &usual);
	assert_int_equal(kill(role_pid, SIGKILL), 0);
	assert_int_equal(waitpid(role_pid, &status, 0), role_pid);
	close(channel);
	assert_int_equal(scu_store(a, 3, SCU_UID, "bytes"), STATUS_SUCCESS);
	assert_int_equal(count("6d"), 1);
	scu_release(a);
	close(a);
}

static void bad_folders(void **state)
{
	uint8_t byte;
	char name[128];
	start_role();
	snprintf(name, sizeof(name), "%s/none/deeper", path);
	int a = session_in(name);
	assert_int_equal(scu_recv(a, &byte, 1), 0);
	close(a);
	a = session_in("relative");
	assert_int_equal(scu_recv(a, &byte, 1), 0);
	close(a);
	/* And it lives. */
	a = session_in(path);
	scu_open(a, &usual);
	scu_release(a);
	close(a);
	assert_int_equal(end_role(), 0);
}

static void stop(void **state)
{
	int status;
	start_role();
	int a = session_in(path);
	scu_open(a, &usual);
	assert_int_equal(kill(role_pid, SIGTERM), 0);
	assert_int_equal(scu_store(a, 3, SCU_UID, "bytes"), STATUS_SUCCESS);
	scu_release(a);
	close(a);
	assert_int_equal(waitpid(role_pid, &status, 0), role_pid);
	assert_int_equal(status, 0);
	close(channel);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(sessions),
		TEST(killed),
		TEST(role_killed),
		TEST(bad_folders),
		TEST(stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
