/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANTIVIRUS_ANSWER_H
#define ANTIVIRUS_ANSWER_H

#include "base/attr.h"
#include "base/span.h"

/* What clamd said of an object, or why it said nothing. Only SCAN_CLEAN is "nothing was found". */
enum scan_verdict {
	SCAN_PENDING,
	SCAN_CLEAN,
	SCAN_PARTLY,      /* over a limit, clamd's or ours, so that it was not, or not wholly, scanned */
	SCAN_NOT_SCANNED, /* clamd is away, slow, failed, or does not speak sense */
	SCAN_FOUND,
	SCAN_VERDICTS,
};

#define SCAN_TEXT 160
struct scan_answer {
	enum scan_verdict verdict;
	char text[SCAN_TEXT]; /* SCAN_FOUND: the signature's name; else why not; printable ASCII */
};

/*
 * One reply of clamd's to INSTREAM, without its terminator: "stream: OK", "stream: NAME FOUND", "… ERROR". What is none of
 * these is SCAN_NOT_SCANNED. What clamd names Heuristics.Limits.Exceeded is no finding: SCAN_PARTLY.
 */
void answer_read(struct span reply, struct scan_answer *ret_answer);

/* SCAN_NOT_SCANNED and the like, with these words. */
void answer_say(struct scan_answer *a, enum scan_verdict verdict, const char *format, ...) PRINTF(3, 4);

/* Of two parts of one object: what weighs more stays, the order of enum scan_verdict. */
void answer_add(struct scan_answer *sum, const struct scan_answer *one);

/* "clean", "found", "not-scanned", "partly"; static storage. */
const char *scan_verdict_name(enum scan_verdict v);

#endif
