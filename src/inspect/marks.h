/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INSPECT_MARKS_H
#define INSPECT_MARKS_H

#include "base/span.h"

/*
 * Byte strings of data/inspect_marks.tsv in a stream, all at once (Aho and Corasick), letters in both cases. The state is
 * one number, so it does not matter how the stream is cut.
 */
enum mark_where {
	MARK_IN_TEXT = 1 << 0,
	MARK_IN_BINARY = 1 << 1,
	MARK_IN_DOCUMENT = 1 << 2,
	MARK_IN_TAIL = 1 << 3,
	MARK_IN_CODE = 1 << 4, /* what scripts and programs have: no mark by itself */
};

struct mark {
	uint8_t check; /* enum inspect_check */
	uint8_t where; /* a mask of enum mark_where */
	uint8_t len;
	uint8_t n_then; /* bytes that must follow it where there is much; 0: it is never met by chance */
	uint16_t then;  /* marks.c's */
	uint16_t
		code; /* in how many bytes behind those one of its check's MARK_IN_CODE must come; 0: none must */
	bool alone; /* in short values the mark is enough */
};

/*
 * Go on from *state (0 at the beginning) until a mark of this place ends: *ret_mark is it, the result is how many bytes were
 * read, and the next call goes on behind them. Without one all are read and *ret_mark is NULL.
 */
size_t marks_find(uint16_t *state, unsigned where, struct span bytes, const struct mark **ret_mark);

/* Is this byte one that may stand there: number (< n_then) bytes behind the mark? */
bool marks_follows(const struct mark *m, unsigned number, uint8_t byte);

#endif
