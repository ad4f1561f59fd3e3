/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INSPECT_EXTRACT_H
#define INSPECT_EXTRACT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "dicom/file.h"

/*
 * What a virus scanner should see of an object, while it streams past: all but the pixels. A scanner knows files by how they
 * begin, and by the hash of all of them, so what may be a file of its own is handed over as one: encapsulated documents,
 * values that begin as a program, an archive or a document does, the first EXTRACT_UNKNOWN other binary values, and
 * what is behind the object or could not be read. The rest (preamble, texts, numbers, tables) is handed over as one more
 * file, in its order, with a line end between values.
 *
 *	extract_begin(&x, file, transfer_syntax, inflater);
 *	for each chunk: extract_feed(&x, chunk), then while (extract_next(&x, &piece)) …
 *	extract_last(&x), then the same loop
 *
 * Nothing is allocated. What is handed over does not depend on how the bytes were cut, though the pieces do.
 */
enum extract_to {
	EXTRACT_REST = 1,
	EXTRACT_PART,     /* of a file of its own */
	EXTRACT_PART_END, /* which ends here, and may have had no bytes; none come with it */
};

struct extract_piece {
	enum extract_to to;
	struct span bytes; /* borrowed until the next call */
};

#define EXTRACT_HEAD 128
#define EXTRACT_UNKNOWN                                                                                      \
	16 /* binary values that begin as nothing that is known, and are files of their own all the same */
#define EXTRACT_PARTS 256 /* of one object; no honest one has as many */

struct extract {
	/* ---- To be read ---- */
	const char *unread; /* a part of it could not be handed over, for this reason; NULL. Static storage */
	unsigned parts;     /* files of their own so far */

	/* ---- Its own ---- */
	struct dicom_file f; /* f.d alone if it is no file */
	struct inflater *inflater;
	bool file, begun, last, last_fed, over, tail, after_pixels, pixel_fragments;
	uint8_t to; /* where the present value goes: enum extract_to, or one of extract.c's own */
	uint8_t n_head;
	uint8_t head[EXTRACT_HEAD + 4]; /* a value's, and at first the file's */
	char vr[3];
	uint32_t tag;
	unsigned unknown;
	struct span in;   /* fed, and not given to the parser yet */
	struct span raw;  /* what the parser has */
	uint64_t fed;     /* raw bytes before raw */
	uint8_t ring[16]; /* the last of them */
	struct extract_piece queue[6];
	uint8_t n_queue, at_queue;
};

/*
 * file: a file (PS3.10), or what should be one; otherwise a data set in transfer_syntax. inflater: for deflated data sets, used
 * to the end; neither struct may be moved.
 */
void extract_begin(struct extract *x, bool file, struct span transfer_syntax, struct inflater *inflater);

/* More bytes, borrowed until extract_next() says false; it must have said so of the bytes before. */
void extract_feed(struct extract *x, struct span bytes);

/* What was fed was all. */
void extract_last(struct extract *x);

/* The next piece; false: all that was fed is read. */
MUST_USE bool extract_next(struct extract *x, struct extract_piece *ret_piece);

#endif
