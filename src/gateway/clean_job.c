/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/put.h"
#include "gateway/lookup_state.h"
#include "pixels/cleaner_run.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

/* What a job that cleans an object's pixels does, in a process of its own. */

/* For all that the association hands over, and again for what it takes: it has the whole object, in memory or in a file. */
#define TURN_MS 60000

static uint8_t piece[CLEANER_HEAD + CLEANER_PIECE];

/* ---- Over the stream ---- */

static bool wait_for(int fd, short events, int64_t until_ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	for (;;) {
		int64_t left = until_ms - clock_mono_ms();
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (n >= 0 || errno != EINTR) {
			return n > 0;
		}
	}
}

static bool send_all(int fd, struct span bytes, int64_t until_ms)
{
	while (bytes.len > 0 && wait_for(fd, POLLOUT, until_ms)) {
		ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EINTR && errno != EAGAIN) {
			return false;
		}
		bytes = span_of(bytes.ptr + (n > 0 ? n : 0), bytes.len - (size_t)(n > 0 ? n : 0));
	}
	return bytes.len == 0;
}

static bool answer(int fd, enum cleaner_outcome outcome, const char *why, int64_t until_ms)
{
	uint8_t end[CLEANER_END_MOST];
	return send_all(fd, cleaner_put_end(outcome, why, end), until_ms);
}

/*
 * Nobody waits for it any more: that ends it, whatever a decoder is doing, by SIGIO, which nothing else sends. There is no more to read, and
 * nothing was written yet.
 */
static bool end_with(int fd, bool on)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	bool good = fcntl(fd, F_SETOWN, getpid()) == 0 && fcntl(fd, F_SETFL, on ? O_ASYNC : 0) == 0;
	return good && (!on || poll(&p, 1, 0) == 0);
}

/* ---- The object ---- */

static int keep(void *arg, struct span bytes)
{
	const int *file = arg;
	return put_all(*file, bytes);
}

/* As cleaner_order_take(); ERR_PEER also where it ends early, or takes too long. */
static int take_object(int fd, struct cleaner_order *o)
{
	int64_t until = clock_mono_ms() + TURN_MS;
	size_t len = 0;
	for (;;) {
		ssize_t n = wait_for(fd, POLLIN, until)
		                    ? recv(fd, piece + len, sizeof(piece) - len, MSG_DONTWAIT)
		                    : 0;
		if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
			continue;
		}
		if (n <= 0) {
			return ERR_PEER;
		}
		len += (size_t)n;
		size_t used;
		int e = cleaner_order_take(o, span_of(piece, len), &used);
		if (e != 0) {
			return e;
		}
		len -= used;
		memmove(piece, piece + used, len);
	}
}

/* ---- What becomes of it ---- */

struct result {
	int fd;
	uint64_t len;
	enum cleaner_outcome failed; /* it cannot be kept, */
	const char *why;             /* for this reason; NULL: it can */
};

static int put_at(struct result *r, uint64_t at, struct span bytes)
{
	if (bytes.len > LIMIT_CLEANED - at) {
		r->failed = CLEANER_REFUSED; /* it would be so each time */
		r->why =
			"with its pixels encoded without loss it would be larger than objects are that are cleaned";
		return ERR_LIMIT;
	}
	if (lseek(r->fd, (off_t)at, SEEK_SET) < 0 || put_all(r->fd, bytes) != 0) {
		r->failed = CLEANER_LOST;
		r->why = "there is no memory for its cleaned pixels";
		return ERR_SYSTEM;
	}
	return 0;
}

static int on_write(void *arg, struct span bytes)
{
	struct result *r = arg;
	int e = put_at(r, r->len, bytes);
	r->len += e == 0 ? bytes.len : 0;
	return e;
}

static int on_patch(void *arg, uint64_t offset, struct span bytes)
{
	return put_at(arg, offset, bytes);
}

static bool send_result(int fd, const struct result *r, int64_t until_ms)
{
	for (uint64_t at = 0; at < r->len;) {
		ptrdiff_t n = cleaner_read_at((void *)&r->fd, at, piece + CLEANER_HEAD, CLEANER_PIECE);
		if (n <= 0) {
			return false;
		}
		cleaner_put_head(&(struct cleaner_head){CLEANER_DATA, 0, (uint32_t)n}, piece);
		if (!send_all(fd, span_of(piece, CLEANER_HEAD + (size_t)n), until_ms)) {
			return false;
		}
		at += (uint64_t)n;
	}
	return true;
}

static bool work(const struct clean_job *j, const struct cleaner_order *o)
{
	char sentence[CLEANER_TEXT], fault[128];
	struct pixels_rules *site = NULL;
	struct result r = {.fd = j->result};
	const struct pixels_input in = {(void *)&j->file, cleaner_read_at};
	const struct pixels_output out = {&r, on_write, on_patch};
	const char *why;
	if (o->n_rules > 0 &&
		pixels_rules_read(span_of(o->rules, o->n_rules), &site, fault, sizeof(fault)) != 0) {
		snprintf(sentence, sizeof(sentence), "the site's rules of pixels cannot be read: %s", fault);
		return answer(j->fd, CLEANER_LOST, sentence, clock_mono_ms() + TURN_MS);
	}
	const struct cleaner_how how = {.site = site,
		.codecs = {.codec = j->decodes ? j->codec : NULL,
			.video = j->is_video ? j->video : NULL,
			.video_most = CLEAN_VIDEO_IN_FLOW},
		.features = o->features,
		.native = o->native,
		.strips = o->strips,
		.keeps_videos = o->keeps_videos};
	if (!end_with(j->fd, true)) {
		return false;
	}
	enum cleaner_outcome outcome = cleaner_run(&how, &in, &out, &why);
	if (!end_with(j->fd, false)) {
		return false;
	}
	int64_t until = clock_mono_ms() + TURN_MS;
	if (outcome == CLEANER_LOST && r.why) {
		outcome = r.failed;
		why = r.why;
	}
	bool good = !cleaner_has_file(outcome) || send_result(j->fd, &r, until);
	return good && answer(j->fd, outcome, why, until);
}

int job_clean(const struct clean_job *j)
{
	static struct cleaner_order order;
	cleaner_order_begin(&order, keep, (void *)&j->file);
	bool there = (j->codec || !j->decodes) && (j->video || !j->is_video);
	int e = there ? take_object(j->fd, &order) : ERR_NOT_FOUND;
	int64_t until = clock_mono_ms() + TURN_MS;
	switch (e) {
	case ERR_CLOSED:
		return work(j, &order) ? 0 : 1;
	case ERR_NOT_FOUND:
		return answer(j->fd, CLEANER_LOST, j->why, until) ? 0 : 1;
	case ERR_LIMIT:
		return answer(j->fd, CLEANER_LOST, "it is larger than objects are that are cleaned", until)
		               ? 0
		               : 1;
	case ERR_SYSTEM:
		return answer(j->fd, CLEANER_LOST, "there is no memory for it", until) ? 0 : 1;
	default:
		return 1;
	}
}
