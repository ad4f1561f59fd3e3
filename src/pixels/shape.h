/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_SHAPE_H
#define PIXELS_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

/* How an object's pixels lie (PS3.3 C.7.6.3), as it says; 0 where it says nothing. */
struct pixels_shape {
	uint32_t rows, columns, samples, allocated, stored, high_bit, is_signed, planar, frames;
	char photometric[17];
	bool is_float;    /* Float Pixel Data, or Double Float; then all bits are stored */
	uint64_t padding; /* … Float Pixel Padding Value, or Double Float, as bits; 0: none, or zero */
};

#define PIXELS_RECTS 64

/* x and y from the top left, from 0. Parts beyond the image are no matter. */
struct pixels_rect {
	uint32_t x, y, width, height;
};

/* What is to go of every frame: what is in blank, and, with keep_only, what is in none of keep. */
struct pixels_regions {
	unsigned n_blank, n_keep;
	bool keep_only;
	bool unrecognizable; /* a site's word: in what is left nobody can be recognized */
	struct pixels_rect blank[PIXELS_RECTS], keep[PIXELS_RECTS];
};

#endif
