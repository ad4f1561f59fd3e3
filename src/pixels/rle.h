/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_RLE_H
#define PIXELS_RLE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/* RLE Lossless (PS3.5 Annex G): one frame. samples: of each pixel, of bytes bytes each. */
struct rle_shape {
	size_t pixels; /* rows * columns */
	size_t columns;
	unsigned samples, bytes; /* samples * bytes <= 15 */
	bool whole;              /* a segment that says more than its pixels, and padding, is none */
};

/*
 * To samples by pixel, little endian; ret_samples has pixels * samples * bytes, and after an error anything. ERR_TRUNCATED: a segment
 * says less than its pixels; ERR_VALUE: another number of segments; ERR_LENGTH: offsets that contradict each other.
 */
MUST_USE int rle_decode(const struct rle_shape *shape, struct span in, uint8_t *ret_samples);

/* The most that rle_encode() writes. */
size_t rle_most(const struct rle_shape *shape);

/* The reverse, no run going over the end of a row (G.3.1). Bytes written, an even number; cap is at least rle_most(). */
size_t rle_encode(const struct rle_shape *shape, const uint8_t *samples, uint8_t *to);

#endif
