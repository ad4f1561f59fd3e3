/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_BLANK_H
#define PIXELS_BLANK_H

#include "base/attr.h"
#include "base/err.h"
#include "pixels/shape.h"

#include <stddef.h>

/* Rectangles of native pixel data, made black while its bytes stream past in pieces of any size. */
struct blanker {
	struct pixels_shape shape;
	const struct pixels_regions *regions;
	bool bits; /* one each, the lowest first; cells and lines are of bits, and frames begin within bytes (PS3.5 8.1.1) */
	bool swapped; /* bytes in 16-bit words, big endian: samples of 8 bits and of one in OW (PS3.5 8.1.2) */
	unsigned planes;      /* 1, or one a sample */
	unsigned cell_pixels; /* 1; 2 where two share their colour (YBR_FULL_422) */
	unsigned cell_bytes;
	uint8_t black[4][12]; /* by plane, cell_bytes of each */
	uint64_t lines;       /* that may become black */
	uint64_t line;        /* bytes */
	uint64_t frame;       /* bytes that one alone takes */
	uint32_t row;         /* that runs are of */
	uint32_t n_runs;
	struct {
		uint32_t from, to;
	} runs[2 * PIXELS_RECTS + 2]; /* columns to be made black, ascending */
};

/*
 * regions: used to the end. big_endian: samples of 16 bits are; ow: the VR is OW. ERR_UNSUPPORTED: a kind of pixels that is not
 * known how to make black, *ret_why has a sentence. ERR_VALUE: the shape contradicts itself, the same.
 */
MUST_USE int blank_begin(struct blanker *b, const struct pixels_shape *shape,
	const struct pixels_regions *regions, bool big_endian, bool ow, const char **ret_why);

/* Bytes from this offset in the pixel data, whole or not, but of bits beyond the last frame too (PS3.5 8.1.1). True: one was changed. */
bool blank_apply(struct blanker *b, uint64_t offset, uint8_t *bytes, size_t len);

/* Bytes of all of them. As long as these can be counted. */
uint64_t blank_length(const struct blanker *b, uint32_t frames);

/* Is there anything in these regions that such an image has pixels of? */
bool blank_any(struct blanker *b);

#endif
