/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/scan.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Less than this is not sent before there is more. */
#define WORTH_SENDING (32u * 1024)

/* The largest piece there may be: of a slice, of the inflater's step. */
#define PIECE_MOST (SCAN_SLICE + SCAN_PIECE_HEAD)
static_assert(SCAN_SLICE <= SCAN_PIECE, "a piece is one piece on the wire");

/* ---- What goes out ---- */

static size_t room(const struct scan *s)
{
	return SCAN_OUT - s->len;
}

static void put_head(struct scan *s, size_t at, uint8_t to, size_t n)
{
	uint8_t *p = s->out + at;
	p[0] = to;
	p[1] = (uint8_t)(n >> 24);
	p[2] = (uint8_t)(n >> 16);
	p[3] = (uint8_t)(n >> 8);
	p[4] = (uint8_t)n;
}

/* Small values follow each other closely: one piece on the wire holds many. The caller has made room. */
static void put(struct scan *s, enum scan_to to, struct span bytes)
{
	size_t grown = s->len - s->piece_at - SCAN_PIECE_HEAD + bytes.len;
	bool grows = s->piece_to == to && to == SCAN_TO_REST && grown <= SCAN_PIECE;
	if (!grows) {
		s->piece_at = s->len;
		s->piece_to = (uint8_t)to;
		s->len += SCAN_PIECE_HEAD;
		grown = bytes.len;
	}
	put_head(s, s->piece_at, (uint8_t)to, grown);
	if (bytes.len > 0) {
		memcpy(s->out + s->len, bytes.ptr, bytes.len);
	}
	s->len += bytes.len;
}

static void over(struct scan *s)
{
	if (s->fd >= 0) {
		close(s->fd);
	}
	s->fd = -1;
	s->events = 0;
}

static void fail(struct scan *s, const char *why)
{
	answer_say(&s->answer, SCAN_NOT_SCANNED, "%s", why);
	over(s);
}

/* The job's answer: u8 enum scan_verdict, u8 length, text. */
static void take_reply(struct scan *s)
{
	while (s->fd >= 0) {
		size_t want = s->n_reply < 2 ? 2 : 2 + (size_t)s->reply[1];
		ssize_t n = want > sizeof(s->reply)
		                    ? 0
		                    : recv(s->fd, s->reply + s->n_reply, want - s->n_reply, 0);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			return;
		}
		if (n <= 0) {
			fail(s, "the process that scans it has ended");
			return;
		}
		s->n_reply = (uint8_t)(s->n_reply + n);
		if (s->n_reply < 2 || s->n_reply < 2 + s->reply[1]) {
			continue;
		}
		uint8_t verdict = s->reply[0];
		/* Nothing is clean of which it has not had all. */
		bool early = verdict == SCAN_CLEAN && !(s->ended && s->sent == s->len);
		if (verdict == SCAN_PENDING || verdict >= SCAN_VERDICTS || early) {
			fail(s, "the process that scans it makes no sense");
			return;
		}
		answer_say(&s->answer, (enum scan_verdict)verdict, "%.*s", s->reply[1],
			(const char *)s->reply + 2);
		over(s);
	}
}

static void flush(struct scan *s)
{
	while (s->fd >= 0 && s->sent < s->len) {
		ssize_t n = send(s->fd, s->out + s->sent, s->len - s->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			break;
		}
		if (n < 0) {
			take_reply(s); /* it may have said why, before it went */
			return;
		}
		s->sent += (size_t)n;
		s->piece_to = 0;
	}
	if (s->sent > 0) {
		memmove(s->out, s->out + s->sent, s->len - s->sent);
		s->len -= s->sent;
		s->sent = 0;
		s->piece_to = 0;
	}
}

/* ---- What it is made of ---- */

/* What the parser says of what it has; false: there is no room for more. */
static bool drain(struct scan *s)
{
	while (room(s) >= PIECE_MOST) {
		struct extract_piece p;
		if (!extract_next(&s->x, &p)) {
			return true;
		}
		put(s, (enum scan_to)p.to, p.bytes);
	}
	return false;
}

static void end(struct scan *s)
{
	if (s->ended || !s->last || !drain(s) || room(s) < PIECE_MOST) {
		return;
	}
	if (s->x.unread) {
		put(s, SCAN_UNREAD, span_str(s->x.unread));
	}
	put(s, SCAN_END, (struct span){0});
	s->ended = true;
}

static void set_events(struct scan *s)
{
	bool waits = s->len > 0 && (s->last || s->len >= WORTH_SENDING);
	s->events = s->fd < 0 ? 0 : waits ? POLLIN | POLLOUT : POLLIN;
}

void scan_begin(struct scan *s, int fd, const struct scan_about *about)
{
	memset(s, 0, offsetof(struct scan, x));
	s->fd = fd;
	s->whole = about->whole;
	s->timeout_ms = about->timeout_ms;
	extract_begin(&s->x, false, about->transfer_syntax, &s->inflater);
	if (s->whole && about->file.len > 0 && about->file.len <= SCAN_PIECE) {
		put(s, SCAN_TO_WHOLE, about->file);
	}
	set_events(s);
}

void scan_none(struct scan *s, const char *why)
{
	memset(s, 0, offsetof(struct scan, x));
	s->fd = -1;
	fail(s, why);
}

size_t scan_feed(struct scan *s, struct span bytes)
{
	size_t taken = 0;
	while (s->fd >= 0 && taken < bytes.len) {
		/* The file's piece and the first of its own. */
		if (!drain(s) || room(s) < 2 * PIECE_MOST) {
			flush(s);
			if (s->fd >= 0 && room(s) < 2 * PIECE_MOST) {
				break;
			}
			continue;
		}
		size_t n = bytes.len - taken < SCAN_SLICE ? bytes.len - taken : SCAN_SLICE;
		memcpy(s->slice, bytes.ptr + taken, n);
		if (s->whole) {
			put(s, SCAN_TO_WHOLE, span_of(s->slice, n));
		}
		extract_feed(&s->x, span_of(s->slice, n));
		taken += n;
	}
	if (s->fd >= 0) {
		(void)drain(s);
		if (s->len >= WORTH_SENDING) {
			flush(s);
		}
	}
	set_events(s);
	s->stalled = s->fd >= 0 && taken < bytes.len;
	if (taken > 0 && !s->last) {
		s->deadline_ms = 0; /* it goes on */
	}
	return s->fd < 0 ? bytes.len : taken;
}

void scan_last(struct scan *s, int64_t now_ms)
{
	s->last = true;
	s->deadline_ms = now_ms + s->timeout_ms;
	if (s->fd >= 0 && drain(s)) {
		extract_last(&s->x);
	}
	scan_ready(s);
}

void scan_ready(struct scan *s)
{
	if (s->fd >= 0) {
		take_reply(s);
	}
	if (s->fd >= 0) {
		flush(s);
	}
	/* What had no room has it now; a parser that was not at its end is told of it only then. */
	if (s->fd >= 0 && drain(s) && s->last) {
		extract_last(&s->x);
		end(s);
		flush(s);
	}
	set_events(s);
}

void scan_check(struct scan *s, int64_t now_ms)
{
	if (s->fd < 0 || !(s->last || s->stalled)) {
		return;
	}
	if (s->deadline_ms == 0) {
		s->deadline_ms = now_ms + s->timeout_ms;
	}
	if (now_ms >= s->deadline_ms) {
		fail(s, s->last ? "the virus scanner did not answer in time"
				: "the process that scans it takes no more");
	}
}

void scan_hurry(struct scan *s, int64_t now_ms, int64_t timeout_ms)
{
	int64_t until_ms = now_ms + timeout_ms;
	s->timeout_ms = timeout_ms < s->timeout_ms ? timeout_ms : s->timeout_ms;
	s->deadline_ms = s->deadline_ms != 0 && until_ms < s->deadline_ms ? until_ms : s->deadline_ms;
}

int64_t scan_due(const struct scan *s)
{
	bool waits = s->fd >= 0 && (s->last || s->stalled);
	return waits && s->deadline_ms != 0 ? s->deadline_ms : INT64_MAX;
}

void scan_done(struct scan *s)
{
	if (s) {
		over(s);
	}
}
