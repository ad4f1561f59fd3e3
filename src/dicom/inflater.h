/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_INFLATER_H
#define DICOM_INFLATER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <zlib.h>

/*
 * A deflated data set (RFC 1951 without a zlib header, PS3.5 A.5), inflated a bounded step at a time. It allocates
 * nothing: zlib's memory lies in the struct, which must not be moved or copied while it is in use. One byte becomes
 * 1032 at most (RFC 1951's longest matches), and no step gives more than INFLATER_STEP.
 */
#define INFLATER_STEP  (16u * 1024)
#define INFLATER_ARENA (44u * 1024) /* zlib 1.2.13 takes 7160 bytes and a window of 32 KiB */

struct inflater {
	z_stream z;
	struct span in; /* fed and not used yet */
	size_t used;    /* of the arena */
	int failed;     /* said again by every further step */
	uint64_t most;  /* that may come of less than a hundredth of it; 0: any. Set after the beginning */
	bool ended;     /* the compressed stream said its end */
	bool trailing;  /* after it came more than one NUL of padding */
	bool padded;
	struct span behind; /* what of the bytes that were fed last is behind it, if it is trailing */
	_Alignas(16) uint8_t arena[INFLATER_ARENA];
	uint8_t out[INFLATER_STEP];
};

/* ERR_NO_MEMORY: another zlib, which wants a larger arena. */
MUST_USE int inflater_begin(struct inflater *i);

/* The same with a header and a checksum (RFC 1950), as PDF documents have it. */
MUST_USE int inflater_begin_zlib(struct inflater *i);

/* Those of gzip (RFC 1952). */
MUST_USE int inflater_begin_gzip(struct inflater *i);

/* Compressed bytes, borrowed until they are used up: inflater_next() then says ERR_AGAIN. */
void inflater_feed(struct inflater *i, struct span bytes);

/*
 * The next piece of what they say, never empty, in *ret_piece; it lies in the struct, until the next step. ERR_AGAIN:
 * more bytes are needed, or, if ended is set, the stream is over and all bytes were taken. ERR_VALUE: they are not
 * deflated. ERR_SPACE: they become more than `most`.
 */
MUST_USE int inflater_next(struct inflater *i, struct span *ret_piece);

#endif
