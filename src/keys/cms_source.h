/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CMS_SOURCE_H
#define KEYS_CMS_SOURCE_H

#include "keys/cms_parts.h"

#include <openssl/bio.h>

/* Content as OpenSSL reads it: pieces from where they lie, or a text. Set pieces, or left and text, and begin. */
struct cms_source {
	struct cms_pieces pieces;
	struct span left;
	bool text; /* lines end in "\r\n" for who reads */
	BIO *bio;  /* what OpenSSL is given */
	/* ---- Its own ---- */
	bool cr; /* the last byte of a text was one */
	BIO_METHOD *method;
};

/* The struct must not be moved until cms_source_done(), which is needed in any case. ERR_NO_MEMORY. */
MUST_USE int cms_source_begin(struct cms_source *s);
void cms_source_done(struct cms_source *s);

#endif
