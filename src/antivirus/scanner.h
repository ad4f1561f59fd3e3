/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANTIVIRUS_SCANNER_H
#define ANTIVIRUS_SCANNER_H

#include "antivirus/clamd.h"
#include "inspect/extract.h"

/* One object, as the files that clamd is shown (inspect/extract.h), and what it says of all of them together. */
enum scan_to {
	SCAN_TO_REST = EXTRACT_REST,
	SCAN_TO_PART = EXTRACT_PART,
	SCAN_PART_END = EXTRACT_PART_END,
	SCAN_TO_WHOLE, /* the object as the file that it is, beside its parts */
	SCAN_UNREAD,   /* bytes: why a part of it could not be handed over */
	SCAN_END,      /* it was all */
};

/* Of the rest; most objects have less, so that clamd is not asked before all is there. */
#define SCANNER_REST (256u * 1024)

/*
 * What is kept of a part, for a second look. Values have an even length (PS3.5 7.1.1): where the last byte is NUL nobody knows
 * whether it is the file's, and by its hash it is found only without what is not.
 */
#define SCANNER_PART (1024u * 1024)

/* The rest is an artificial file: where it is cut, so much of it is shown again. */
#define SCANNER_OVERLAP 4096u

struct scanner {
	const struct clamd *clamd;
	uint64_t most; /* bytes of one file */
	struct scan_answer sum;
	struct clamd_stream rest, part, whole;
	bool rest_open, part_open, whole_open;
	uint64_t n_rest, n_part, n_whole; /* bytes so far */
	int64_t rest_ms;                  /* when it was sent something */
	size_t rest_len, rest_old;        /* in buffer; of these sent already */
	uint8_t rest_buffer[SCANNER_REST], part_buffer[SCANNER_PART];
};

/* most: a file with more is SCAN_PARTLY. A scanner is large; it is not cleared whole. */
void scanner_begin(struct scanner *s, const struct clamd *clamd, uint64_t most);

void scanner_take(struct scanner *s, enum scan_to to, struct span bytes);

/* Call it when nothing comes: clamd would not wait for the rest as long as a slow sender needs. */
#define SCANNER_IDLE_MS 15000
void scanner_idle(struct scanner *s);

/* It was all: s->sum. */
void scanner_end(struct scanner *s);

/* A piece as the wire has it: u8 enum scan_to, u32 length, bytes. The length is at most SCAN_PIECE. */
#define SCAN_PIECE      (32u * 1024)
#define SCAN_PIECE_HEAD 5u

/*
 * Take the pieces that are there whole; *ret_used: how many bytes they have. 0; ERR_CLOSED: SCAN_END was the last of them;
 * ERR_PEER: there is something that is no piece, and nothing is said of *ret_used.
 */
MUST_USE int scanner_read(struct scanner *s, struct span bytes, size_t *ret_used);

#endif
