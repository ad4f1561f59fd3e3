/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_REMARKS_H
#define TRANSFORM_REMARKS_H

#include "base/attr.h"
#include "base/span.h"
#include "transform/remarks_rle.h"

/*
 * What frames of JPEG, JPEG-LS, JPEG 2000 and JPEG XL have beside their pixels, where anybody's name may be: comments, application data (Exif,
 * XMP, thumbnails), boxes of a file around a codestream, and bytes behind the end. It is found while the fragments stream past, and is to be
 * overwritten with zeros where it stands, so that no length and no offset changes, nor anything that a decoder looks at:
 *
 *	remarks_begin(&r, remarks_in(transfer_syntax), &about)
 *	for each fragment: remarks_fragment(&r, length), then for its bytes, cut as they come: remarks_run() until there are none
 *
 * What stays of application data is what decoders go by: JFIF without its thumbnail, Adobe's transform, ICC profiles, and of JPEG-LS SPIFF's
 * header and HP's transform. A box that nobody needs for the pixels loses its type too: it is none then, and is stepped over
 * (ISO 15444-1 I.8, ISO 18181-2 4.1). What begins as none of these streams stays as it is, and so does the rest of one that is broken.
 * JPEG XL without boxes has no comments. Of RLE see remarks_rle.h.
 */
enum remarks_kind { REMARKS_NONE, REMARKS_STREAMS, REMARKS_RLE };

/* What the object says of its pixels; 0: nothing. */
struct remarks_about {
	uint32_t frames, rows, columns, samples, allocated;
};

struct remarks {
	bool any; /* to be read: something else than zeros was to be overwritten */

	/* ---- Its own ---- */
	enum remarks_kind kind;
	struct remarks_rle rle;
	uint8_t state, marker, n_head;
	bool is_2000;         /* the stream's kind: JPEG 2000, else JPEG or JPEG-LS */
	bool boxed, in_tile;  /* in a box that ends; in a tile-part that says where it ends */
	bool coded;           /* a box with a codestream was there */
	bool blanks;          /* the segment or the box that these bytes are of */
	bool signs;           /* at the beginning of what may begin a stream */
	uint8_t may, n_signs; /* as which signatures, by a mask; so many bytes of them */
	uint8_t ids;          /* as which rows of the table application data may be known yet, by a mask */
	uint8_t head[16];     /* of a segment or a box: its length, its type, … */
	uint32_t streams, frames;
	uint64_t left,
		at; /* of the segment, the data or the box that is no codestream's: to come, and so far */
	uint64_t tile_left,
		box_left; /* of the tile-part, from its marker on; of the box around the codestream */
};

/* Which are frames of this transfer syntax? REMARKS_NONE: others. */
enum remarks_kind remarks_in(struct span transfer_syntax);

/* Where a fragment has several streams, as many as there are frames are looked at. */
void remarks_begin(struct remarks *r, enum remarks_kind kind, const struct remarks_about *about);

/* A fragment of so many bytes begins: it goes on with the stream before it, or begins another. */
void remarks_fragment(struct remarks *r, uint32_t length);

/* How many of these bytes (at least one, if there is one) go the same way: *ret_blank: to be overwritten with zeros; or to stay. */
size_t remarks_run(struct remarks *r, struct span bytes, bool *ret_blank);

#endif
