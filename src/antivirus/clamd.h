/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANTIVIRUS_CLAMD_H
#define ANTIVIRUS_CLAMD_H

#include "antivirus/answer.h"
#include "base/attr.h"
#include "base/err.h"

/*
 * clamd, by its UNIX socket (clamd(8), COMMANDS). For processes that wait for nothing else: every call may take until the
 * timeout, and none longer.
 */
struct clamd {
	const char *socket; /* path */
	int64_t timeout_ms; /* that it may take nothing, or think about its answer */
	int64_t absent_ms;  /* that it may be away, as while it starts anew; 0: not at all */
};

/* One file on its way to it: INSTREAM. */
struct clamd_stream {
	const struct clamd *clamd;
	int fd;                    /* -1: over, and the answer is there */
	struct scan_answer answer; /* SCAN_PENDING while it is open */
};

/* Connect and ask. Where that fails the stream is over. */
void clamd_begin(struct clamd_stream *s, const struct clamd *clamd);

/* Nothing happens when it is over: it may be over because clamd has said already what it has to say. */
void clamd_send(struct clamd_stream *s, struct span bytes);

/* All was sent: waits for the answer. */
void clamd_end(struct clamd_stream *s);

/* Leave it: the answer is not wanted. */
void clamd_drop(struct clamd_stream *s);

/* A file that is in memory. */
void clamd_scan(const struct clamd *clamd, struct span bytes, struct scan_answer *ret_answer);

/* A command without data: "PING", "VERSION", "RELOAD". The answer as one text. ERR_SYSTEM, ERR_TIMEOUT, ERR_CLOSED. */
MUST_USE int clamd_ask(const struct clamd *clamd, const char *command, char *ret_text, size_t cap);

#endif
