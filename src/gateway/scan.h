/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_SCAN_H
#define GATEWAY_SCAN_H

#include "antivirus/scanner.h"
#include "base/attr.h"
#include "base/span.h"
#include "dicom/inflater.h"
#include "inspect/extract.h"

/*
 * An association's end of scanning one object for viruses. The other end of its stream is a job of the lookup's, which asks
 * clamd. Nothing blocks: bytes are taken as far as there is room, and the owner polls s->fd for s->events:
 *
 *	scan_begin(s, fd, &about)
 *	for each piece: n = scan_feed(s, piece), and the rest of it again after scan_ready()
 *	scan_last(s)
 *	when poll says so: scan_ready(s), until s->answer.verdict is not SCAN_PENDING
 *	now and then: scan_check(s, now)
 *
 * Whatever goes wrong is an answer, SCAN_NOT_SCANNED, and never SCAN_CLEAN. After an answer everything is taken and nothing sent.
 */
struct scan_about {
	struct span transfer_syntax;
	bool whole; /* show clamd the file that an archive would make of it, too: its beginning is `file` */
	struct span file;   /* preamble and file meta information (dicom/part10.h); copied */
	int64_t timeout_ms; /* for the answer, after all was sent; and for room, where there is none */
};

#define SCAN_SLICE INFLATER_STEP /* no piece that the parser gives is larger */
#define SCAN_OUT   (96u * 1024)

struct scan {
	/* ---- To be read ---- */
	int fd;       /* to be polled; -1: over */
	short events; /* for these */
	struct scan_answer answer;

	/* ---- Its own ---- */
	bool whole, last, ended;
	bool stalled;                    /* there was no room at the last feed */
	int64_t timeout_ms, deadline_ms; /* for the answer, or for room; 0: there is none yet */
	size_t len, sent;                /* of out */
	size_t piece_at;                 /* of the piece that may still grow, its head */
	uint8_t piece_to;                /* 0: there is none */
	uint8_t n_reply;
	uint8_t reply[2 + SCAN_TEXT];
	struct extract x;
	struct inflater inflater;
	uint8_t slice[SCAN_SLICE];
	uint8_t out[SCAN_OUT];
};

/* fd: a non-blocking stream socket, taken. It must not be moved afterwards. */
void scan_begin(struct scan *s, int fd, const struct scan_about *about);

/* There is no job: the answer is there already. */
void scan_none(struct scan *s, const char *why);

/* How many of the bytes were taken: all of them, unless there is no room now. Nothing is borrowed. */
MUST_USE size_t scan_feed(struct scan *s, struct span bytes);

/* It was all. now_ms: of the monotonic clock. */
void scan_last(struct scan *s, int64_t now_ms);

/* After poll, whatever it said. */
void scan_ready(struct scan *s);

/* The answer is due, or room is: it is over without when the time is. */
void scan_check(struct scan *s, int64_t now_ms);

/* Nobody waits for the answer any more: it has this long from now on, or what is left of its time. */
void scan_hurry(struct scan *s, int64_t now_ms, int64_t timeout_ms);

/* When to call scan_check() again; INT64_MAX. */
int64_t scan_due(const struct scan *s);

/* Leave it as it is; harmless where there is none. */
void scan_done(struct scan *s);

#endif
