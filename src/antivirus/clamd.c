/* SPDX-License-Identifier: Apache-2.0 */
#include "antivirus/clamd.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (64u * 1024)

/* Between two attempts to connect. */
#define AGAIN_MS 50

/* ---- The connection ---- */

static int try_connect(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	if (n >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, path, n);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -1;
	}
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		int kept = errno;
		close(fd);
		errno = kept;
		return -1;
	}
	return fd;
}

/* Its queue may be full for a while (EAGAIN), and it is away while it starts anew. */
static int connect_to(const struct clamd *c)
{
	int64_t begun = clock_mono_ms();
	for (;;) {
		int fd = try_connect(c->socket);
		int64_t took = clock_mono_ms() - begun;
		int64_t most = errno == EAGAIN                            ? c->timeout_ms
		               : errno == ENOENT || errno == ECONNREFUSED ? c->absent_ms
		                                                          : 0;
		if (fd >= 0 || took >= most) {
			return fd;
		}
		const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000L};
		(void)nanosleep(&pause, NULL);
	}
}

/* What came of it: POLLIN, POLLOUT; 0: the time is over. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	for (;;) {
		int64_t left = deadline_ms - clock_mono_ms();
		int n = poll(&p, 1, left > 0 ? (int)left : 0);
		if (n > 0) {
			return p.revents;
		}
		if (n == 0 && left <= 0) {
			return 0;
		}
	}
}

/* Until a NUL, or its end. */
static int read_reply(int fd, char *buf, size_t cap, int64_t deadline_ms, size_t *ret_len)
{
	size_t len = 0;
	while (len < cap) {
		if (!wait_for(fd, POLLIN, deadline_ms)) {
			return ERR_TIMEOUT;
		}
		ssize_t n = recv(fd, buf + len, cap - len, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			continue;
		}
		if (n <= 0) {
			break;
		}
		const char *nul = memchr(buf + len, 0, (size_t)n);
		len = nul ? (size_t)(nul - buf) : len + (size_t)n;
		if (nul) {
			break;
		}
	}
	*ret_len = len;
	return 0;
}

/* 0; ERR_AGAIN: it has something to say first; ERR_TIMEOUT; ERR_CLOSED. */
static int write_all(int fd, struct span s, int64_t timeout_ms)
{
	int64_t deadline = clock_mono_ms() + timeout_ms;
	while (s.len > 0) {
		ssize_t n = send(fd, s.ptr, s.len, MSG_NOSIGNAL);
		if (n > 0) {
			s = span_of(s.ptr + n, s.len - (size_t)n);
			deadline = clock_mono_ms() + timeout_ms;
			continue;
		}
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno != EAGAIN) {
			return ERR_CLOSED;
		}
		int r = wait_for(fd, POLLIN | POLLOUT, deadline);
		if (r == 0) {
			return ERR_TIMEOUT;
		}
		if (r & POLLIN) {
			return ERR_AGAIN;
		}
	}
	return 0;
}

/* ---- A stream ---- */

static void over(struct clamd_stream *s)
{
	if (s->fd >= 0) {
		close(s->fd);
	}
	s->fd = -1;
}

/* Clamd's own words, or why there are none. */
static void take_answer(struct clamd_stream *s)
{
	char reply[1024];
	size_t len = 0;
	int64_t ms = s->clamd->timeout_ms;
	int e = read_reply(s->fd, reply, sizeof(reply), clock_mono_ms() + ms, &len);
	if (e != 0) {
		answer_say(&s->answer, SCAN_NOT_SCANNED, "clamd did not answer within %lld s",
			(long long)(ms / 1000));
	} else {
		answer_read(span_of(reply, len), &s->answer);
	}
	over(s);
}

static void put(struct clamd_stream *s, struct span bytes)
{
	int e = s->fd < 0 ? 0 : write_all(s->fd, bytes, s->clamd->timeout_ms);
	if (e == ERR_TIMEOUT) {
		answer_say(&s->answer, SCAN_NOT_SCANNED, "clamd took nothing for %lld s",
			(long long)(s->clamd->timeout_ms / 1000));
		over(s);
	} else if (e != 0) {
		take_answer(s);
		if (s->answer.verdict == SCAN_CLEAN) {
			answer_say(&s->answer, SCAN_NOT_SCANNED, "clamd answered before it had all");
		}
	}
}

void clamd_begin(struct clamd_stream *s, const struct clamd *clamd)
{
	static const char command[] = "zINSTREAM";
	*s = (struct clamd_stream){.clamd = clamd, .fd = connect_to(clamd)};
	if (s->fd < 0) {
		answer_say(&s->answer, SCAN_NOT_SCANNED, "clamd is not there: %.80s: %.40s", clamd->socket,
			strerror(errno));
		return;
	}
	put(s, span_of(command, sizeof(command)));
}

static void put_length(struct clamd_stream *s, uint32_t n)
{
	const uint8_t head[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
	put(s, span_of(head, sizeof(head)));
}

void clamd_send(struct clamd_stream *s, struct span bytes)
{
	while (s->fd >= 0 && bytes.len > 0) {
		size_t n = bytes.len < CHUNK ? bytes.len : CHUNK;
		put_length(s, (uint32_t)n);
		put(s, span_of(bytes.ptr, n));
		bytes = span_of(bytes.ptr + n, bytes.len - n);
	}
}

void clamd_end(struct clamd_stream *s)
{
	put_length(s, 0);
	if (s->fd >= 0) {
		take_answer(s);
	}
}

void clamd_drop(struct clamd_stream *s)
{
	over(s);
}

void clamd_scan(const struct clamd *clamd, struct span bytes, struct scan_answer *ret_answer)
{
	struct clamd_stream s;
	clamd_begin(&s, clamd);
	clamd_send(&s, bytes);
	clamd_end(&s);
	*ret_answer = s.answer;
}

int clamd_ask(const struct clamd *clamd, const char *command, char *ret_text, size_t cap)
{
	char ask[32];
	int n = snprintf(ask, sizeof(ask), "z%s", command);
	size_t len = 0;
	int fd = n > 0 && (size_t)n < sizeof(ask) ? connect_to(clamd) : -1;
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	int e = write_all(fd, span_of(ask, (size_t)n + 1), clamd->timeout_ms);
	e = e == ERR_AGAIN ? 0 : e;
	e = e == 0 ? read_reply(fd, ret_text, cap - 1, clock_mono_ms() + clamd->timeout_ms, &len) : e;
	close(fd);
	if (e != 0) {
		return e;
	}
	ret_text[len] = '\0';
	return len > 0 ? 0 : ERR_CLOSED;
}
