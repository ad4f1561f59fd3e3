/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_CLEAN_H
#define GATEWAY_CLEAN_H

#include "base/attr.h"
#include "base/span.h"
#include "pixels/cleaner.h"

/*
 * An association's end of having one object's pixels cleaned. The other end of its stream is a job of the lookup's. Nothing blocks:
 * bytes are taken as far as there is room, and the owner polls c->fd for c->events:
 *
 *	clean_begin(c, fd, &about), or clean_none(c, why)
 *	for each piece of the Part 10 file: n = clean_feed(c, piece), and the rest of it again after clean_ready()
 *	clean_last(c, now)
 *	when poll says so: clean_ready(c), and then clean_take(c, &piece) until that is ERR_AGAIN, whose pieces are the new file
 *	now and then: clean_check(c, now)
 *
 * until c->answer.outcome is not CLEANER_PENDING. Only where cleaner_has_file() is what was taken a file; with any other nothing of it
 * may be used. Whatever goes wrong is an answer, CLEANER_LOST, or CLEANER_REFUSED of what is over LIMIT_CLEANED, and never one that says that
 * nothing is burned in. After an answer everything is fed and nothing sent.
 */
struct clean_about {
	/* The site's, at most LIMIT_PIXEL_RULES; borrowed until there is an answer. Empty: none. */
	struct span rules;
	/* Refuse what no rule says of that nobody can be recognized in it (PS3.15 E.3.2). */
	bool features;
	/* What has to be encoded again becomes native (pixels/clean.h). */
	bool native;
	/* Videos that need no cleaning stay as they are; and nothing is cleaned, but what other videos have beside their pictures goes (pixels/strip.h). */
	bool keeps_videos, strips;
	/* Of silence, when it is the job's turn; CLEAN_TIMEOUT_MS. */
	int64_t timeout_ms;
};

/* The job's own time, what it may have to wait before it begins, and some. */
#define CLEAN_TIMEOUT_MS (420 * 1000LL)

#define CLEAN_OUT        (64u * 1024 + CLEANER_HEAD)
#define CLEAN_IN         (64u * 1024)

struct clean {
	/* ---- To be read ---- */
	int fd;       /* to be polled; -1: over */
	short events; /* for these; 0: not at all (as if it were -1), for it is your turn to clean_take() */
	struct cleaner_reply answer; /* outcome and text */

	/* ---- Its own ---- */
	struct span rules; /* still to be sent */
	bool said_options, last, ended;
	uint8_t options;                 /* CLEANER_FEATURES and the like */
	bool stalled;                    /* there was no room at the last feed */
	bool heard;                      /* since the last look at the clock */
	bool at_end;                     /* of the stream */
	int64_t timeout_ms, deadline_ms; /* 0: it is not known yet */
	uint64_t n_fed;
	size_t n_out, sent; /* of out */
	size_t n_in, taken; /* of in */
	uint8_t out[CLEAN_OUT];
	uint8_t in[CLEAN_IN];
};

/* fd: a non-blocking stream socket, taken. */
void clean_begin(struct clean *c, int fd, const struct clean_about *about);

/* There is no job: the answer is there already. */
void clean_none(struct clean *c, const char *why);

/* How many of the bytes were taken: all of them, unless there is no room now. Nothing is borrowed. */
MUST_USE size_t clean_feed(struct clean *c, struct span bytes);

/* It was all. now_ms: of the monotonic clock. */
void clean_last(struct clean *c, int64_t now_ms);

/* After poll, whatever it said. */
void clean_ready(struct clean *c);

/*
 * The next bytes of the new file, borrowed until the next call with c. ERR_AGAIN: there are none now; poll, if there is no answer.
 */
MUST_USE int clean_take(struct clean *c, struct span *ret_bytes);

/* Something is due from the job: it is over without when the time is. */
void clean_check(struct clean *c, int64_t now_ms);

/* When to call clean_check() again; 0: now; INT64_MAX: no need, while it is not the job's turn. */
int64_t clean_due(const struct clean *c);

/* Leave it as it is; harmless where there is none, but not before clean_begin() or clean_none(). */
void clean_done(struct clean *c);

#endif
