/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_CODED_H
#define PIXELS_CODED_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "pixels/codec.h"

/*
 * What the head of a frame of JPEG, JPEG-LS or JPEG 2000 says of it, read before a decoder of others is given both this and what the
 * object says. Where the two differ some decoders write beyond what they were given, and others fill it with something.
 */
struct coded_shape {
	uint32_t rows, columns, samples;
	uint32_t bits; /* of a sample, the most */
};

/* ERR_TRUNCATED: it ends before it is said; ERR_VALUE: it is no such frame, or its samples are not all of one size (ISO 15444-1 A.5.1). */
MUST_USE int coded_read(enum codec_kind kind, struct span frame, struct coded_shape *ret_shape);

#endif
