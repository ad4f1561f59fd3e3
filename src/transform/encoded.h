/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_ENCODED_H
#define TRANSFORM_ENCODED_H

#include "base/span.h"

/*
 * Text that is encoded in other text, read: %20 and + of URLs (RFC 3986), &#252; and &uuml; of XML and HTML, \u00FC, \xFC, \374 and \/ of
 * JSON and C, =FC of quoted-printable (RFC 2045), [(Mil)-20(ler)] of PDF pages, bytes in hexadecimal digits, one of space , : - between them or none, and Base64 of both
 * alphabets (RFC 4648), in lines too. What is given are UTF-8 and bytes. Nothing is kept between calls; the time is linear.
 */
#define ENCODED_PIECE   2048
#define ENCODED_OVERLAP 192 /* what is not longer lies whole in one of the pieces */
/* Around the edge of what is given to encoded_read() piece by piece, so many bytes have all of a text of 64 letters, however encoded. */
#define ENCODED_EDGE 512

struct encoded_piece {
	struct span bytes; /* borrowed, until it returns */
	/* Of digits or of Base64: any word is read as such, and then becomes bytes that are no text. */
	bool packed;
	bool open_start, open_end; /* there is more before it, behind it */
};

typedef void encoded_take(void *arg, const struct encoded_piece *piece);

/* What is encoded somewhere in these bytes, with a little of what stands around it; of four bytes and more. */
void encoded_read(const struct encoded_piece *in, encoded_take *take, void *arg);

#endif
