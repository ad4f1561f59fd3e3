/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_VIDEO_COLOUR_H
#define PIXELS_VIDEO_COLOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Luminance and colour differences of a video as red, green and blue of as many bits (ITU-R BT.601, 709, 2020), by tables of whole numbers: the same on each
 * machine, to the bit. In video.c's module alone.
 */

#define COLOURS_VALUES 1024 /* of 10 bits */

struct colours {
	unsigned matrix, bits; /* that the tables are for; bits 0: none */
	bool full;
	int32_t most; /* of a sample */
	int32_t luminance[COLOURS_VALUES], red[COLOURS_VALUES], green_b[COLOURS_VALUES],
		green_r[COLOURS_VALUES], blue[COLOURS_VALUES]; /* in 65536ths */
};

/* Planes of samples of one byte where bits are 8, else of two, little endian. */
struct colours_picture {
	const uint8_t *planes[3];
	ptrdiff_t strides[3];
	uint32_t rows, columns;
	unsigned shift_x, shift_y; /* 1: two share their colour */
	bool grey;                 /* one plane */
	bool fields;               /* odd and even rows are pictures of their own */
};

/*
 * matrix: matrix_coefficients (ISO 23091-2 8.3); 2, not said: by rows. bits: 8 or 10. False: no such colours are known. Tables that are there already
 * are kept.
 */
bool colours_begin(struct colours *c, unsigned matrix, uint32_t rows, unsigned bits, bool full);

/* By pixel. */
void colours_convert(const struct colours *c, const struct colours_picture *p, uint8_t *to);

#endif
