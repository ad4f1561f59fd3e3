/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/keeper.h"
#include "archive/role.h"
#include "archive_quarantine_made.h"
#include "base/log.h"
#include "gateway/keep.h"
#include "priv/memfd.h"
#include "priv/message.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* The association's side and the store role's, as processes, with the sandbox. */

static int channel, gate = -1; /* as the supervisor, and as the gate */
static uint64_t most_bytes, most_objects;
/* The association's. Closed also when its test fails: the role waits for its end. */
static struct keep k = {.fd = -1};
static pid_t role_pid;
static struct message m;

static void give(int number, int fd)
{
	m = (struct message){.type = MSG_QUARANTINE, .fd = fd, .number = number};
	assert_int_equal(message_send(channel, &m), 0);
	close(fd);
}

static void start_role(void)
{
	static const uint8_t key[QUARANTINE_KEY] = {7};
	int pair[2], fd;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	role_pid = fork();
	if (role_pid == 0) {
		close(pair[0]);
		_exit(archive_role_main(pair[1]));
	}
	assert_true(role_pid > 0);
	close(pair[1]);
	channel = pair[0];
	assert_int_equal(memfd_of("key", span_of(key, sizeof(key)), &fd), 0);
	give(1, fd);
	give(0, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	m = (struct message){.type = MSG_CHANNEL, .fd = pair[1], .number = 1};
	assert_int_equal(message_send(channel, &m), 0);
	close(pair[1]);
	gate = pair[0];
}

static int set_up(void **state)
{
	log_least(LOG_LEVEL_ERROR + 1);
	int e = make_quarantine(state);
	if (e == 0) {
		start_role();
	}
	return e;
}

static int tear_down(void **state)
{
	int status;
	keep_done(&k);
	close(gate);
	close(channel);
	assert_int_equal(waitpid(role_pid, &status, 0), role_pid);
	assert_int_equal(status, 0);
	return remove_quarantine(state);
}

static void begin(const struct facts *f)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_true(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
	m = (struct message){.type = MSG_KEEPING, .fd = pair[1]};
	m.keeping = (struct msg_keeping){.most_bytes = most_bytes,
		.most_objects = most_objects,
		.association = 7,
		.refusal = 42,
		.from = "ct-1",
		.to = "archive",
		.calling = "CT1"};
	assert_int_equal(message_send(gate, &m), 0);
	close(pair[1]);
	assert_int_equal(keep_over(pair[0], f, &k), 0);
}

/* Give so many of n bytes, and the end if they are all of them; until it is over, or waits for more that never comes. */
static void drive(const uint8_t *bytes, size_t n, size_t give_n)
{
	size_t at = 0;
	while (k.state != KEEP_OVER) {
		struct pollfd p = {.fd = k.fd, .events = keep_events(&k)};
		if (keep_wants(&k) && at < give_n) {
			size_t some = give_n - at < 50000 ? give_n - at : 50000;
			keep_give(&k, span_of(bytes + at, some));
			at += some;
		} else if (keep_wants(&k) && at == n) {
			keep_end(&k);
		} else if (keep_wants(&k)) {
			return;
		} else {
			assert_int_equal(poll(&p, 1, 10000), 1);
		}
		keep_step(&k);
	}
}

static struct keeper_answer keep(const char *instance, size_t n)
{
	uint8_t *bytes = bytes_of(n, 1);
	begin(facts_of(instance, "archive"));
	drive(bytes, n, n);
	assert_int_equal(k.error, 0);
	keep_done(&k);
	free(bytes);
	return k.answer;
}

/* What the role says of the quarantine, until it says so many objects. */
static struct msg_quarantined told(uint64_t objects)
{
	do {
		struct pollfd p = {.fd = gate, .events = POLLIN};
		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_int_equal(message_recv(gate, FROM_STORE_GATE, &m), 0);
	} while (m.quarantined.objects != objects);
	return m.quarantined;
}

static void kept(void **state)
{
	char text[128];
	most_bytes = most_objects = 0;
	struct keeper_answer a = keep("1.2.3", 1000000);
	assert_true(a.result == KEEPER_NEW && a.number == 1 && a.count == 1);
	for (unsigned i = 2; i <= 10; i++) {
		a = keep("1.2.3", 1000000);
		assert_true(a.result == KEEPER_SEEN && a.number == 1 && a.count == i);
	}
	keep_text(&k, text, sizeof(text));
	assert_string_equal(text, "it is in quarantine as 1 and has come 10 times");
	assert_true(keep("1.2.4", 0).result == KEEPER_NEW);
	struct msg_quarantined q = told(2);
	assert_true(q.oldest_ms > 1700000000000 && q.not_kept == 0 && q.bytes > 1000000);
	assert_int_equal(count_names(""), 4);
}

/* What an association says against the gate's knowledge does not stand; which of the two nodes is the sender is its word. */
static void vouched(void **state)
{
	struct msg_keeping known = {.association = 9,
		.refusal = 8,
		.ip.s6_addr = {[10] = 0xff, 0xff, 10, 9, 8, 7},
		.flow = "",
		.from = "ct-1",
		.to = "archive",
		.calling = "CT1X",
		.subject = "CN=true",
		.certificate = "sha256:00",
		.serial = "01",
		.issuer = "CN=CA"};
	struct facts f = *facts_of("1.2.3", "archive");
	assert_true(keeper_vouch(&known, 5, &f));
	assert_true(f.association == 9 && f.refusal == 8 && f.time_ms == 5);
	assert_string_equal(f.address, "10.9.8.7");
	assert_string_equal(f.calling, "CT1X");
	assert_string_equal(f.subject, "CN=true");
	assert_string_equal(f.certificate, "sha256:00");
	assert_string_equal(f.serial, "01");
	assert_string_equal(f.issuer, "CN=CA");
	assert_string_equal(f.called, "ARCHIVE");
	assert_string_equal(f.flow, "ct");
	f = *facts_of("1.2.3", "other");
	assert_false(keeper_vouch(&known, 5, &f));
	assert_string_equal(f.to, "archive");
	f = *facts_of("1.2.3", "ct-1");
	snprintf(f.from, sizeof(f.from), "archive");
	assert_true(keeper_vouch(&known, 5, &f));
	assert_string_equal(f.from, "archive");
	assert_string_equal(f.to, "ct-1");
	assert_string_equal(f.called, "CT1X");
	assert_string_equal(f.address, "10.1.2.3");
	assert_int_equal(f.association, 9);
	snprintf(known.flow, sizeof(known.flow), "mr");
	f = *facts_of("1.2.3", "archive");
	assert_false(keeper_vouch(&known, 5, &f));
	assert_string_equal(f.flow, "mr");
	f = *facts_of("1.2.3", "archive");
	f.flow[0] = '\0';
	assert_true(keeper_vouch(&known, 5, &f));
	assert_string_equal(f.flow, "mr");
}

static void full(void **state)
{
	most_objects = 1;
	most_bytes = 0;
	assert_true(keep("1.2.3", 100000).result == KEEPER_NEW);
	struct keeper_answer a = keep("1.2.4", 100000);
	assert_true(a.result == KEEPER_FULL && strcmp(a.why, "the quarantine is full") == 0);
	assert_true(keep("1.2.3", 100000).count == 2);
	/* The role has seen both children end by then. */
	struct msg_quarantined q = told(1);
	while (q.not_kept == 0) {
		q = told(1);
	}
	assert_string_equal(q.why, "there is no room");
	most_objects = 0;
}

/* Who writes an object just now: its process's number is in the name (archive/quarantine_intake.c). */
static pid_t writer_of_new(void)
{
	long pid = 0;
	DIR *dir = opendir(path);
	assert_non_null(dir);
	const struct dirent *e;
	while (pid == 0 && (e = readdir(dir))) {
		if (strncmp(e->d_name, ".new-", 5) == 0) {
			pid = strtol(e->d_name + 5, NULL, 10);
		}
	}
	closedir(dir);
	assert_true(pid > 1);
	return (pid_t)pid;
}

/* The association dies, or the child does, in the midst of an object: nothing is kept. */
static void cut_off(void **state)
{
	uint8_t *bytes = bytes_of(300000, 1);
	begin(facts_of("1.2.3", "archive"));
	drive(bytes, 300000, 200000);
	while (count_names(".new-") == 0) {
		sched_yield();
	}
	keep_done(&k);
	while (count_names(".new-") > 0) {
		sched_yield();
	}
	begin(facts_of("1.2.3", "archive"));
	drive(bytes, 300000, 200000);
	while (count_names(".new-") == 0) {
		sched_yield();
	}
	assert_int_equal(kill(writer_of_new(), SIGKILL), 0);
	drive(bytes, 300000, 300000);
	assert_true(k.state == KEEP_OVER && k.error == ERR_CLOSED);
	keep_done(&k);
	free(bytes);
	assert_int_equal(count_names(".new-"), 1);
	/* The folder is given again, as after a restart, when the role knows that the child is gone: what was left goes. */
	for (unsigned i = 0; i < 1000 && count_names(".new-") > 0; i++) {
		give(0, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		usleep(10000);
	}
	assert_int_equal(count_names(".new-"), 0);
	assert_true(keep("1.2.3", 100).number == 1);
}

/* An association that was taken over sends what it likes. */
static void hostile(void **state)
{
	static const char *const sent[] = {
		"", "\2\0\0\0\1x", "\1\377\377\377\377", "\1\0\0\0\1x", "GET / HTTP/1.1\r\n\r\n"};
	static const size_t lens[] = {0, 6, 5, 6, 18};
	for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
		int pair[2];
		char byte;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		m = (struct message){.type = MSG_KEEPING, .fd = pair[1]};
		assert_int_equal(message_send(gate, &m), 0);
		close(pair[1]);
		assert_int_equal(send(pair[0], sent[i], lens[i], MSG_NOSIGNAL), lens[i]);
		shutdown(pair[0], SHUT_WR);
		assert_true(recv(pair[0], &byte, 1, 0) <= 0);
		close(pair[0]);
	}
	assert_true(keep("1.2.3", 100).number == 1);
	assert_int_equal(count_names(".new-"), 0);
}

/* Answers that are none. */
static void bad_answers(void **state)
{
	struct keeper_answer a = {.result = KEEPER_NEW, .number = 1, .count = 1};
	uint8_t good[KEEPER_ANSWER], bad[KEEPER_ANSWER];
	assert_int_equal(keeper_answer_write(&a, good), 0);
	static const struct {
		size_t at;
		uint8_t v;
	} changes[] = {{0, 2}, {1, 0}, {1, 5}, {1, KEEPER_FULL}, {9, 0}, {18, 'x'}, {KEEPER_ANSWER - 1, 'x'}};
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		int pair[2];
		memcpy(bad, good, sizeof(bad));
		bad[changes[i].at] = changes[i].v;
		assert_int_equal(keeper_answer_read(span_of(bad, sizeof(bad)), &a), ERR_VALUE);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		assert_int_equal(keep_over(pair[0], facts_of("1.2.3", "archive"), &k), 0);
		assert_int_equal(write(pair[1], bad, sizeof(bad)), sizeof(bad));
		drive(good, 10, 10);
		assert_int_equal(k.error, ERR_PEER);
		keep_done(&k);
		close(pair[1]);
	}
	/* One that comes before the end says no, or lies. */
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(keep_over(pair[0], facts_of("1.2.3", "archive"), &k), 0);
	assert_int_equal(write(pair[1], good, sizeof(good)), sizeof(good));
	keep_step(&k);
	assert_true(k.state == KEEP_OVER && k.error == ERR_PEER);
	keep_done(&k);
	close(pair[1]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(kept),
		TEST(full),
		TEST(cut_off),
		TEST(hostile),
		cmocka_unit_test(bad_answers),
		cmocka_unit_test(vouched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
