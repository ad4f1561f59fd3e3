/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/bookkeeper.h"
#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants those before it */
#include <cmocka.h>

/* The process that has the book of names, on its channels. */
static struct bookkeeper keeper;
static char folder[] = "/tmp/gantry-bookkeeper-XXXXXX";

/* In the process that is forked: of a channel it has what it is passed. */
static void close_pair(void *arg)
{
	const int *pair = arg;
	close(pair[0]);
	close(pair[1]);
}

/* Our end of a channel of an association's. */
static int given(uint64_t association, unsigned may)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	const struct message m = {.type = MSG_BOOKING, .fd = pair[1], .number = BOOKING(association, may)};
	bookkeeper_serve(&keeper, &m, close_pair, pair);
	close(pair[1]);
	return pair[0];
}

/* What the book says, with its length; 0: it has closed the channel. */
static ssize_t hear(int fd, uint8_t answer[BOOK_MESSAGE])
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 10000), 1);
	return recv(fd, answer, BOOK_MESSAGE, MSG_DONTWAIT);
}

static ssize_t ask(int fd, uint8_t what, size_t n, uint8_t answer[BOOK_MESSAGE])
{
	uint8_t request[2 + NAMEBOOK_ENTRY] = {BOOK_VERSION, what};
	memset(request + 2, 'x', n);
	assert_int_equal(send(fd, request, 2 + n, MSG_NOSIGNAL), 2 + n);
	return hear(fd, answer);
}

static void one_channel_an_association(void **state)
{
	static uint8_t answer[BOOK_MESSAGE];
	(void)state;
	int first = given(7, BOOK_MAY_FIND | BOOK_MAY_ENTER), other = given(8, BOOK_MAY_FIND);
	assert_int_equal(ask(first, BOOK_ENTER, NAMEBOOK_ENTRY, answer), 2);
	assert_int_equal(answer[1], 0);
	int second = given(7, BOOK_MAY_FIND);
	assert_int_equal(hear(first, answer), 0);
	assert_int_equal(ask(second, BOOK_FIND, NAMEBOOK_TOKEN, answer), 3 + NAMEBOOK_SEALED);
	assert_int_equal(ask(other, BOOK_FIND, NAMEBOOK_TOKEN, answer), 3 + NAMEBOOK_SEALED);
	/* Who may only find and enters loses the channel, and nobody else does. */
	assert_int_equal(ask(second, BOOK_ENTER, NAMEBOOK_ENTRY, answer), 0);
	assert_int_equal(ask(other, BOOK_FIND, NAMEBOOK_TOKEN, answer), 3 + NAMEBOOK_SEALED);
	close(first);
	close(second);
	close(other);
}

static int set_up(void **state)
{
	(void)state;
	keeper = BOOKKEEPER_NONE;
	int dir = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	const struct message m = {.type = MSG_BOOK_FOLDER, .fd = dir, .number = BOOK_LIMITS(1, 30)};
	bookkeeper_take(&keeper, &m);
	return dir < 0;
}

/* It ends when nobody speaks to it any more. */
static int tear_down(void **state)
{
	char path[sizeof(folder) + 32];
	pid_t pid = keeper.pid;
	int status = -1;
	(void)state;
	bookkeeper_forget(&keeper);
	snprintf(path, sizeof(path), "%s/names-0000000000000001", folder);
	return waitpid(pid, &status, 0) != pid || status != 0 || unlink(path) < 0 || rmdir(folder) < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_channel_an_association, set_up, tear_down)};
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
