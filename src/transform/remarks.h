/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_REMARKS_H
#define TRANSFORM_REMARKS_H

#include "base/attr.h"
#include "base/span.h"

/*
 * What frames of JPEG, JPEG-LS, JPEG 2000 and JPEG XL have beside their pixels, where anybody's name may be: comments, application data (Exif,
 * XMP, thumbnails), boxes of a file around a codestream, and bytes behind the end. It is found while the fragments stream past, and is to be
 * overwritten with zeros where it stands, so that no length and no offset changes, nor anything that a decoder looks at:
 *
 *	remarks_begin(&r, frames)
 *	for each fragment: remarks_fragment(&r), then for its bytes, cut as they come: remarks_run() until there are none
 *
 * What stays of application data is what decoders go by: JFIF without its thumbnail, Adobe's transform, ICC profiles, and of JPEG-LS SPIFF's
 * header and HP's transform. A box that nobody needs for the pixels loses its type too: it is none then, and is stepped over
 * (ISO 15444-1 I.8, ISO 18181-2 4.1). What begins as none of these streams stays as it is, and so does the rest of one that is broken.
 * JPEG XL without boxes has no comments.
 */
struct remarks {
	bool any; /* to be read: something else than zeros was to be overwritten */

	/* ---- Its own ---- */
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

/* Are frames of this transfer syntax such streams? */
bool remarks_are_in(struct span transfer_syntax);

/* frames: of the object; 0: it does not say. Where a fragment has several streams, as many as there are frames are looked at. */
void remarks_begin(struct remarks *r, uint32_t frames);

/* A fragment begins: it goes on with the stream before it, or begins another. */
void remarks_fragment(struct remarks *r);

/* How many of these bytes (at least one, if there is one) go the same way: *ret_blank: to be overwritten with zeros; or to stay. */
size_t remarks_run(struct remarks *r, struct span bytes, bool *ret_blank);

#endif
