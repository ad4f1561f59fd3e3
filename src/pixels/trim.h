/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_TRIM_H
#define PIXELS_TRIM_H

#include "pixels/shape.h"

#include <stddef.h>

/*
 * What native pixel data has beside its pixels: the bits of a sample's cell that are not among its Bits Stored, where objects of before 2007 may
 * have overlays (PS3.5 8.1.2) and others anything, and the bytes, and of samples of one bit the bits, behind the last frame. Readers show neither. Of signed samples the bits above are
 * the sign's.
 */
struct trimmer {
	unsigned bytes; /* of a sample; 0: it has no other bits */
	bool big_endian;
	bool swapped; /* bytes in 16-bit words, big endian: samples of 8 bits and of one in OW */
	uint32_t keep, sign, above;
	uint64_t end; /* of the last frame */
	uint8_t last; /* the bits of its last byte that are its own, where samples have one each; else all */
};

/*
 * big_endian: samples of 16 bits are; ow: the VR is OW; length: bytes of the pixel data. False: what the object says of its pixels contradicts itself,
 * or the cells are not of 1, 8, 16 or 32 bits, of 24 which are all stored, or floats.
 */
bool trim_begin(
	struct trimmer *t, const struct pixels_shape *shape, bool big_endian, bool ow, uint64_t length);

/* Whole samples from this offset, a multiple of 4; and what comes behind the last one. True: something was there, and is no more. */
bool trim_apply(const struct trimmer *t, uint64_t offset, uint8_t *bytes, size_t len);

#endif
