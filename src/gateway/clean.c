/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/clean.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A frame is not begun for less, unless that is all there is. */
#define WORTH (4u * 1024)

static void over(struct clean *c)
{
	if (c->fd >= 0) {
		close(c->fd);
	}
	c->fd = -1;
	c->events = 0;
}

static void answer(struct clean *c, enum cleaner_outcome outcome, const char *why)
{
	c->answer.outcome = outcome;
	snprintf(c->answer.text, sizeof(c->answer.text), "%s", why);
	over(c);
}

static void lose(struct clean *c, const char *why)
{
	answer(c, CLEANER_LOST, why);
}

/* ---- What comes back ---- */

static struct span waiting(const struct clean *c)
{
	return span_of(c->in + c->taken, c->n_in - c->taken);
}

/* Is there something that clean_take() would give? */
static bool has_bytes(const struct clean *c)
{
	struct span s = waiting(c);
	return c->answer.left > 0 ? s.len > 0 : s.len > CLEANER_HEAD && s.ptr[0] == CLEANER_DATA;
}

static void receive(struct clean *c)
{
	if (c->taken > 0) {
		memmove(c->in, c->in + c->taken, c->n_in - c->taken);
		c->n_in -= c->taken;
		c->taken = 0;
	}
	while (!c->at_end && c->n_in < sizeof(c->in)) {
		ssize_t n = recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in, 0);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			return;
		}
		c->at_end = n <= 0;
		c->heard = true;
		c->n_in += n > 0 ? (size_t)n : 0;
	}
}

/* Has it had all? Nothing is known of a part. */
static bool has_all(const struct clean *c)
{
	return c->ended && c->sent == c->n_out;
}

/* The next bytes, or the answer, or neither: *ret_bytes empty. */
static void next(struct clean *c, struct span *ret_bytes)
{
	size_t used = 0;
	struct span bytes = {0};
	int e = cleaner_reply_next(&c->answer, waiting(c), &used, &bytes);
	bool early = e == 0 && !has_all(c) && c->answer.outcome != CLEANER_LOST;
	if ((e < 0 && e != ERR_AGAIN) || early) {
		lose(c, "the process that cleans its pixels makes no sense");
		return;
	}
	c->taken += used;
	*ret_bytes = bytes;
	if (c->answer.outcome != CLEANER_PENDING) {
		over(c);
	} else if (e == ERR_AGAIN && c->at_end) {
		lose(c, "the process that cleans its pixels has ended");
	}
}

/* What is no bytes of a file is looked at without being asked for. */
static void hear(struct clean *c)
{
	struct span none = {0};
	receive(c);
	if (!has_bytes(c) || !has_all(c)) {
		next(c, &none);
	}
}

/* ---- What goes out ---- */

static void put(struct clean *c, enum cleaner_kind kind, uint8_t code, struct span bytes)
{
	cleaner_put_head(&(struct cleaner_head){kind, code, (uint32_t)bytes.len}, c->out + c->n_out);
	c->n_out += CLEANER_HEAD;
	if (bytes.len > 0) {
		memcpy(c->out + c->n_out, bytes.ptr, bytes.len);
	}
	c->n_out += bytes.len;
}

/* As many bytes as there is room for in a frame. */
static size_t put_some(struct clean *c, enum cleaner_kind kind, struct span bytes)
{
	size_t room = sizeof(c->out) - c->n_out;
	if (room < CLEANER_HEAD + bytes.len && room < CLEANER_HEAD + WORTH) {
		return 0;
	}
	size_t n = room - CLEANER_HEAD < bytes.len ? room - CLEANER_HEAD : bytes.len;
	n = n < CLEANER_PIECE ? n : CLEANER_PIECE;
	put(c, kind, 0, span_of(bytes.ptr, n));
	return n;
}

static void flush(struct clean *c)
{
	while (c->fd >= 0 && c->sent < c->n_out) {
		ssize_t n = send(c->fd, c->out + c->sent, c->n_out - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno != EAGAIN) {
			receive(c); /* it may have said why, before it went */
			c->at_end = true;
			hear(c);
			return;
		}
		if (n < 0) {
			break;
		}
		c->sent += (size_t)n;
	}
	if (c->sent > 0) {
		memmove(c->out, c->out + c->sent, c->n_out - c->sent);
		c->n_out -= c->sent;
		c->sent = 0;
	}
}

/* What stands before the file, and after it, as far as there is room. */
static void put_frame(struct clean *c)
{
	size_t n = 1;
	while (c->rules.len > 0 && n > 0) {
		n = put_some(c, CLEANER_RULES, c->rules);
		c->rules = span_of(c->rules.ptr + n, c->rules.len - n);
	}
	if (c->rules.len == 0 && !c->said_options && sizeof(c->out) - c->n_out >= CLEANER_HEAD) {
		put(c, CLEANER_OPTIONS, c->options, span_of(NULL, 0));
		c->said_options = true;
	}
	if (c->said_options && c->last && !c->ended && sizeof(c->out) - c->n_out >= CLEANER_HEAD) {
		put(c, CLEANER_END, 0, span_of(NULL, 0));
		c->ended = true;
	}
}

static void set_events(struct clean *c)
{
	bool sends = c->n_out > 0, hears = !c->at_end && c->n_in - c->taken < sizeof(c->in);
	c->events = c->fd < 0 ? 0 : (short)((sends ? POLLOUT : 0) | (hears ? POLLIN : 0));
}

/* ---- The owner's ---- */

static void begin(struct clean *c, int fd)
{
	memset(c, 0, offsetof(struct clean, out));
	c->fd = fd;
	cleaner_reply_begin(&c->answer);
}

void clean_begin(struct clean *c, int fd, const struct clean_about *about)
{
	begin(c, fd);
	c->rules = about->rules;
	c->options =
		(uint8_t)((about->features ? CLEANER_FEATURES : 0) | (about->native ? CLEANER_NATIVE : 0) |
			  (about->strips ? CLEANER_STRIP : 0) | (about->keeps_videos ? CLEANER_VIDEOS : 0));
	c->timeout_ms = about->timeout_ms;
	if (c->rules.len > LIMIT_PIXEL_RULES) {
		lose(c, "the site's rules of pixels are too long");
		return;
	}
	put_frame(c);
	set_events(c);
}

void clean_none(struct clean *c, const char *why)
{
	begin(c, -1);
	lose(c, why);
}

size_t clean_feed(struct clean *c, struct span bytes)
{
	size_t taken = 0;
	if (c->fd >= 0 && bytes.len > LIMIT_CLEANED - c->n_fed) {
		/* Sent again it is as large. */
		answer(c, CLEANER_REFUSED, "the pixels of an object that is so large are not cleaned");
	}
	while (c->fd >= 0 && taken < bytes.len) {
		put_frame(c);
		size_t n = c->said_options
		                   ? put_some(c, CLEANER_DATA, span_of(bytes.ptr + taken, bytes.len - taken))
		                   : 0;
		size_t before = c->n_out;
		flush(c);
		if (n == 0 && c->n_out == before) {
			break;
		}
		taken += n;
		c->n_fed += n;
	}
	set_events(c);
	c->stalled = c->fd >= 0 && taken < bytes.len;
	if (taken > 0 && !c->last) {
		c->deadline_ms = 0; /* it goes on */
	}
	return c->fd < 0 ? bytes.len : taken;
}

void clean_last(struct clean *c, int64_t now_ms)
{
	c->last = true;
	c->stalled = false;
	c->deadline_ms = now_ms + c->timeout_ms;
	clean_ready(c);
}

void clean_ready(struct clean *c)
{
	if (c->fd >= 0) {
		put_frame(c);
		flush(c);
	}
	/* What had no room has it now. */
	if (c->fd >= 0) {
		put_frame(c);
		flush(c);
	}
	if (c->fd >= 0) {
		hear(c);
	}
	set_events(c);
}

int clean_take(struct clean *c, struct span *ret_bytes)
{
	struct span bytes = {0};
	if (c->fd >= 0) {
		next(c, &bytes);
	}
	set_events(c);
	if (bytes.len == 0) {
		return ERR_AGAIN;
	}
	*ret_bytes = bytes;
	return 0;
}

void clean_check(struct clean *c, int64_t now_ms)
{
	if (c->fd < 0 || !(c->last || c->stalled) || has_bytes(c)) {
		c->deadline_ms = 0; /* it is not the job's turn */
		return;
	}
	if (c->deadline_ms == 0 || c->heard) {
		c->deadline_ms = now_ms + c->timeout_ms;
		c->heard = false;
	}
	if (now_ms >= c->deadline_ms) {
		lose(c, c->last ? "its pixels took too long to clean"
				: "the process that cleans its pixels takes no more");
	}
}

int64_t clean_due(const struct clean *c)
{
	bool waits = c->fd >= 0 && (c->last || c->stalled) && !has_bytes(c);
	return waits ? c->deadline_ms : INT64_MAX;
}

void clean_done(struct clean *c)
{
	if (c) {
		over(c);
	}
}
