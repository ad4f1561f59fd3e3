/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_REMARKS_RLE_H
#define TRANSFORM_REMARKS_RLE_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What frames of RLE Lossless (PS3.5 Annex G) have beside their pixels: offsets of segments that there are none of, and bytes before the first
 * segment and behind the last pixel of each. A part of remarks.h; a fragment that contradicts itself or what the object says stays as it is.
 */
#define REMARKS_SEGMENTS 15

struct remarks_rle {
	uint32_t segments;    /* that a frame has; 0: it is not known */
	uint64_t per_segment; /* bytes of each, decoded */

	/* ---- Of the fragment ---- */
	bool known;
	uint8_t next; /* the segment that comes next */
	uint64_t at, length;
	uint32_t word, offsets[REMARKS_SEGMENTS];
	uint64_t left;         /* bytes of the segment, decoded, that have not come */
	uint32_t literal, run; /* so many as they are come; the next comes so often */
};

/* What the object says of its pixels; 0: nothing. */
void remarks_rle_begin(
	struct remarks_rle *r, uint32_t rows, uint32_t columns, uint32_t samples, uint32_t allocated);
void remarks_rle_fragment(struct remarks_rle *r, uint32_t length);

/* How many of these bytes, at least one, there being one, go the same way. */
size_t remarks_rle_take(struct remarks_rle *r, struct span bytes, bool *ret_blank);

#endif
