/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "archive/held.h"
#include "base/log.h"
#include "base/span.h"
#include "priv/message.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1 << 20)

static char folder[64];
static struct held held;
static struct message answer;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/held-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	held_done(&held);
	return rmdir(folder);
}

/* The association's end of a new channel. */
static int open_of(uint64_t association, uint64_t quota)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(held_add(&held, pair[1], association, folder, quota), 0);
	return pair[0];
}

static int open_channel(uint64_t association)
{
	return open_of(association, 64 * MIB);
}

static void serve(void)
{
	struct pollfd fds[HELD_MOST];
	unsigned n = held.n;
	held_poll(&held, fds);
	assert_true(poll(fds, n, 0) >= 0);
	held_serve(&held, fds, n);
}

/* What the store has said; ERR_TYPE: nothing. */
static int64_t heard(int channel)
{
	int e = message_recv(channel, FROM_STORE, &answer);
	if (e == ERR_AGAIN) {
		return ERR_TYPE;
	}
	assert_int_equal(e, 0);
	assert_int_equal(answer.type, MSG_ROOMED);
	return answer.number;
}

static int64_t ask_by(enum message_type type, int channel, int64_t bytes)
{
	struct message m = {.type = type, .fd = -1, .number = bytes};
	assert_int_equal(message_send(channel, &m), 0);
	serve();
	return heard(channel);
}

/* What it answers at once to a wish for so many bytes. */
static int64_t ask(int channel, int64_t bytes)
{
	return ask_by(MSG_ROOM_NOW, channel, bytes);
}

/* … and to one that can wait. */
static int64_t ask_patiently(int channel, int64_t bytes)
{
	return ask_by(MSG_ROOM, channel, bytes);
}

static void give_back(int channel)
{
	close(channel);
	serve();
}

static void room_is_given_and_comes_back(void **state)
{
	struct stat st;
	int a = open_channel(1), b = open_channel(2);
	(void)state;
	assert_int_equal(ask(a, 16 * MIB), 0);
	int file = answer.fd;
	assert_true(file >= 0);
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(pwrite(file, "x", 1, 16 * MIB - 1), 1);
	assert_int_equal(ask(a, 48 * MIB), 1);
	/* Less than there is, nothing, or what no quota has. */
	assert_int_equal(ask(a, 48 * MIB), ERR_VALUE);
	assert_int_equal(ask(a, 0), ERR_VALUE);
	assert_int_equal(ask(a, -1), ERR_VALUE);
	assert_int_equal(ask(b, INT64_MAX), ERR_LENGTH);
	assert_int_equal(ask(b, 17 * MIB), ERR_LIMIT);
	assert_int_equal(ask(b, 16 * MIB), 0);
	close(answer.fd);
	assert_int_equal(ask(a, 49 * MIB), ERR_LIMIT);
	give_back(a);
	assert_int_equal(held.n, 1);
	assert_int_equal(held.room, 16 * MIB);
	assert_int_equal(ask(b, 64 * MIB), 1);
	give_back(b);
	assert_int_equal(held.room, 0);
	close(file);
}

/* Half of the quota, in both its files together: others find room, though one was taken over and takes all it can. */
static void an_association_has_half(void **state)
{
	int a = open_of(1, 160 * MIB), b = open_of(1, 160 * MIB), other = open_of(2, 160 * MIB);
	(void)state;
	assert_int_equal(ask(a, 81 * MIB), ERR_LENGTH);
	assert_int_equal(ask(a, 64 * MIB), 0);
	close(answer.fd);
	assert_int_equal(ask(b, 17 * MIB), ERR_LIMIT);
	assert_int_equal(ask(b, 16 * MIB), 0);
	close(answer.fd);
	assert_int_equal(ask(a, 65 * MIB), ERR_LIMIT);
	assert_int_equal(ask(other, 80 * MIB), 0);
	close(answer.fd);
	give_back(a);
	assert_int_equal(ask(b, 80 * MIB), 1);
	give_back(b);
	give_back(other);
	assert_int_equal(held.room, 0);
}

static void close_answer(void)
{
	close(answer.fd);
}

/* The oldest has what comes free, and nobody overtakes it, also who asks for less. */
static void who_is_older_has_room_first(void **state)
{
	int a = open_of(1, 192 * MIB), b = open_of(2, 192 * MIB), c = open_of(3, 192 * MIB),
	    d = open_of(4, 192 * MIB);
	(void)state;
	assert_int_equal(ask_patiently(d, 64 * MIB), 0);
	close_answer();
	assert_int_equal(ask_patiently(a, 64 * MIB), 0);
	close_answer();
	assert_int_equal(ask_patiently(c, 96 * MIB), ERR_AGAIN);
	assert_int_equal(ask_patiently(b, 96 * MIB), ERR_AGAIN);
	int young = open_of(5, 192 * MIB);
	assert_int_equal(ask_patiently(young, MIB), ERR_AGAIN);
	assert_int_equal(heard(b), ERR_TYPE);
	/* What cannot wait may complete what others wait for. */
	assert_int_equal(ask(a, 65 * MIB), 1);
	/* Who is older than all that wait does not wait for them. */
	assert_int_equal(ask_patiently(a, 80 * MIB), 1);
	give_back(d);
	assert_int_equal(heard(b), 0);
	close_answer();
	assert_int_equal(heard(c), ERR_TYPE);
	assert_int_equal(heard(young), ERR_TYPE);
	give_back(a);
	assert_int_equal(heard(c), 0);
	close_answer();
	assert_int_equal(heard(young), ERR_TYPE);
	give_back(c);
	assert_int_equal(heard(young), 0);
	close_answer();
	give_back(b);
	give_back(young);
	assert_int_equal(held.room, 0);
}

/* Each has a part and wants more: the youngest of those gives up, and one after the other the others have what they want. */
static void who_wait_for_each_other_come_to_an_end(void **state)
{
	int channels[4];
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		channels[i] = open_of(i + 1, 256 * MIB);
		assert_int_equal(ask_patiently(channels[i], 64 * MIB), 0);
		close_answer();
	}
	int none = open_of(9, 256 * MIB);
	assert_int_equal(ask_patiently(none, 64 * MIB), ERR_AGAIN); /* has no room that it could give back */
	for (unsigned i = 4; i > 1; i--) {
		assert_int_equal(ask_patiently(channels[i - 1], 128 * MIB), ERR_AGAIN);
		assert_int_equal(heard(channels[i - 1]), ERR_TYPE); /* the first may still go on */
	}
	assert_int_equal(ask_patiently(channels[0], 128 * MIB), ERR_AGAIN);
	assert_int_equal(heard(channels[3]), ERR_LIMIT);
	assert_int_equal(heard(channels[2]), ERR_TYPE);
	give_back(channels[3]);
	assert_int_equal(heard(channels[0]), 1);
	assert_int_equal(heard(channels[1]), ERR_TYPE);
	give_back(channels[0]);
	assert_int_equal(heard(channels[1]), 1);
	assert_int_equal(heard(channels[2]), 1);
	assert_int_equal(heard(none), ERR_TYPE);
	give_back(channels[1]);
	assert_int_equal(heard(none), 0);
	close_answer();
	give_back(channels[2]);
	give_back(none);
	assert_int_equal(held.n, 0);
	assert_int_equal(held.room, 0);
}

/* Who hangs up waits no longer; who asks before it has its answer is not one of ours. */
static void who_does_not_wait_is_done_with(void **state)
{
	int a = open_of(1, 64 * MIB), b = open_of(2, 64 * MIB), c = open_of(3, 64 * MIB);
	(void)state;
	assert_int_equal(ask_patiently(a, 64 * MIB), 0);
	close_answer();
	assert_int_equal(ask_patiently(b, MIB), ERR_AGAIN);
	assert_int_equal(ask_patiently(c, MIB), ERR_AGAIN);
	give_back(b);
	assert_int_equal(held.n, 2);
	struct message m = {.type = MSG_ROOM, .fd = -1, .number = 2 * MIB};
	assert_int_equal(message_send(c, &m), 0);
	serve();
	assert_int_equal(message_recv(c, FROM_STORE, &answer), ERR_CLOSED);
	close(c);
	give_back(a);
	assert_int_equal(held.n, 0);
}

/* Who asks again and again takes from itself alone. */
static void an_association_has_four(void **state)
{
	int other = open_channel(7), mine[HELD_EACH + 1];
	(void)state;
	for (unsigned i = 0; i <= HELD_EACH; i++) {
		mine[i] = open_channel(9);
	}
	assert_int_equal(held.n, 1 + HELD_EACH);
	assert_int_equal(message_recv(mine[0], FROM_STORE, &answer), ERR_CLOSED);
	close(mine[0]);
	for (unsigned i = 1; i <= HELD_EACH; i++) {
		assert_int_equal(ask(mine[i], MIB), 0);
		close(answer.fd);
	}
	assert_int_equal(ask(other, MIB), 0);
	close(answer.fd);
	for (unsigned i = 1; i <= HELD_EACH; i++) {
		give_back(mine[i]);
	}
	give_back(other);
	assert_int_equal(held.n, 0);
}

/* More than its room: emptied, and its channel closed. */
static void who_writes_over_its_room_loses_it(void **state)
{
	struct stat st;
	int a = open_channel(1);
	(void)state;
	assert_int_equal(ask(a, MIB), 0);
	int file = answer.fd;
	assert_int_equal(ftruncate(file, MIB), 0);
	assert_int_equal(held_check(&held), 0);
	assert_int_equal(ftruncate(file, 2 * MIB), 0);
	assert_int_equal(held_check(&held), 1);
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(held.n, 0);
	assert_int_equal(held.room, 0);
	close(file);
	close(a);
}

static void another_message_ends_it(void **state)
{
	int a = open_channel(1);
	struct message m = {.type = MSG_ROOMED, .fd = -1, .number = 1};
	(void)state;
	assert_int_equal(message_send(a, &m), 0);
	serve();
	assert_int_equal(held.n, 0);
	close(a);
}

static void not_more_than_there_is_place_for(void **state)
{
	static int mine[HELD_MOST];
	int pair[2];
	(void)state;
	struct rlimit files;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	for (unsigned i = 0; i < HELD_MOST; i++) {
		mine[i] = open_channel(100 + i);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(held_add(&held, pair[1], 1, folder, MIB), ERR_LIMIT);
	close(pair[0]);
	/* A folder whose name no path holds. */
	give_back(mine[0]);
	char *name = calloc(1, 5000);
	assert_non_null(name);
	memset(name, 'x', 4999);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(held_add(&held, pair[1], 1, name, MIB), ERR_LIMIT);
	free(name);
	close(pair[0]);
	for (unsigned i = 1; i < HELD_MOST; i++) {
		give_back(mine[i]);
	}
	assert_int_equal(held.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_is_given_and_comes_back),
		cmocka_unit_test(an_association_has_half),
		cmocka_unit_test(who_is_older_has_room_first),
		cmocka_unit_test(who_wait_for_each_other_come_to_an_end),
		cmocka_unit_test(who_does_not_wait_is_done_with),
		cmocka_unit_test(an_association_has_four),
		cmocka_unit_test(who_writes_over_its_room_loses_it),
		cmocka_unit_test(another_message_ends_it),
		cmocka_unit_test(not_more_than_there_is_place_for),
	};
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
