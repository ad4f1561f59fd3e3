/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_IDENTIFIER_H
#define DICOM_IDENTIFIER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"
#include "dicom/encoding.h"

/*
 * A bounded walk over a small data set that is in memory whole: the identifier of a query (PS3.4 C.4.1.1.3), at most
 * LIMIT_IDENTIFIER bytes. Nothing is copied; values borrow the data set.
 */
struct element {
	uint32_t tag; /* group << 16 | element */
	char vr[3];   /* as encoded; in implicit VR the dictionary's, "UN" where it has none */
	struct span
		value; /* padding included; empty for a sequence, whose elements follow with a greater depth */
	unsigned depth;       /* of sequences around it; 0 at the top */
	const uint32_t *path; /* the tags of those sequences, outermost first; valid until the next step */
};

struct identifier_walk {
	struct span bytes;
	size_t pos;
	int failed; /* the error that ended the walk, said again by every further step */
	unsigned n_frames;
	struct identifier_frame {
		size_t end;           /* no byte at or after this belongs to it */
		bool until_delimiter; /* undefined length */
		bool items; /* a sequence, which holds items; else an item or the top, which hold elements */
		bool seen;  /* an element was read at this level, */
		uint32_t last;          /* with this tag: they must ascend */
		enum encoding encoding; /* a UN of undefined length holds implicit VR (PS3.5 6.2.2) */
	} frames[2 * LIMIT_SEQUENCE_DEPTH + 1];
	unsigned depth;
	uint32_t path[LIMIT_SEQUENCE_DEPTH];
};

void identifier_begin(struct identifier_walk *w, struct span bytes, enum encoding encoding);

/*
 * The next element: 1, with *ret_element filled. 0 at the end of a well-formed data set. A negative error otherwise:
 * ERR_TRUNCATED (the bytes, or a defined length around it, end too soon), ERR_ORDER (tags do not ascend, or an item
 * or delimiter stands where none belongs), ERR_DUPLICATE (a tag twice), ERR_VALUE (no VR), ERR_LENGTH (a delimiter
 * with one), ERR_LIMIT (nested deeper than LIMIT_SEQUENCE_DEPTH, or over LIMIT_IDENTIFIER), ERR_UNSUPPORTED
 * (encapsulated pixel data, deflated). A UN of defined length is a value, whatever the dictionary says.
 */
MUST_USE int identifier_next(struct identifier_walk *w, struct element *ret_element);

/*
 * The value of the first element with this tag at any depth, padding included. The data set is walked to its end
 * first: ERR_NOT_FOUND is said of well-formed ones only. A sequence is found with an empty value.
 */
MUST_USE int identifier_find(struct span bytes, enum encoding encoding, uint32_t tag, struct span *ret_value);

#endif
