/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_PACK_H
#define AUDIT_PACK_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/*
 * A deflater (RFC 1951) of short texts that have much in common with a dictionary: what it writes any inflater reads that was
 * given the same dictionary. It finds what repeats by tables that are made once of the dictionary, and writes one block of the
 * fixed codes. For texts of some KiB it takes a small part of zlib's time, of which most goes into tables that are made
 * anew for each text, and into codes for it.
 */
#define PACK_DICTIONARY_MOST (16u * 1024)
#define PACK_TEXT_MOST       (16u * 1024) /* so that all distances are good ones */

struct pack;

/* dictionary: borrowed, at least 4 bytes. NULL: no memory, or too long. */
struct pack *pack_new(struct span dictionary);
void pack_free(struct pack *p);

/* ERR_LENGTH: the text is longer than PACK_TEXT_MOST; ERR_SPACE: an eighth more than it and 8 bytes suffice. */
MUST_USE int pack_deflate(const struct pack *p, struct span text, uint8_t *buf, size_t cap, size_t *ret_len);

#endif
