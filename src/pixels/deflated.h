/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_DEFLATED_H
#define PIXELS_DEFLATED_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/* Deflated Image Frame Compression (PS3.5 A.4.13): a frame, as it would be native, as one raw stream (RFC 1951). */

/* The most bytes of a frame: zlib counts in 32 bits. */
#define DEFLATED_FRAME (1u << 30)

/*
 * Exactly len bytes, DEFLATED_FRAME at most, of which no more are made; after an error they are anything. ERR_TRUNCATED: the stream says less than these, or
 * does not end; ERR_LENGTH: it says more, or more follows it than a NUL; ERR_VALUE: it is none; ERR_NO_MEMORY.
 */
MUST_USE int deflated_decode(struct span in, uint8_t *ret_frame, size_t len);

/* The most that deflated_encode() writes. */
size_t deflated_most(size_t len);

/* The reverse; `to` has deflated_most(len) bytes. ERR_NO_MEMORY. */
MUST_USE int deflated_encode(struct span frame, uint8_t *to, size_t *ret_n);

#endif
