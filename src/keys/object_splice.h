/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_OBJECT_SPLICE_H
#define KEYS_OBJECT_SPLICE_H

#include "dicom/inflater.h"
#include "keys/object.h"

#include <stdbool.h>

/*
 * The edits of a signature, made to a data set while it streams past:
 *
 *	splice_begin(&s, edits, length, deflated)
 *	for each piece: splice_feed(&s, piece), then while ((e = splice_next(&s, &bytes)) == SPLICE_BYTES) …
 *	splice_last(&s), then the same loop, to SPLICE_END; splice_done(&s)
 *
 * A deflated data set is inflated, changed and deflated anew. Bounded memory; what is not deflated passes by reference.
 */
enum { SPLICE_MORE, SPLICE_BYTES, SPLICE_END };

struct splice {
	const struct object_signed *edits; /* borrowed to the end */
	uint64_t length;                   /* that the data set must have (inflated) */
	uint64_t at;                       /* bytes of it that went by */
	uint32_t next;                     /* edit */
	uint64_t leave_out;                /* bytes yet */
	struct span in;                    /* fed, or inflated */
	bool last, deflated, flushed, ended;
	struct inflater inflater;
	z_stream z;
	uint64_t n_out;
	uint8_t out[32u * 1024];
};

/* edits: borrowed, of another data set that is the same. ERR_NO_MEMORY. */
MUST_USE int splice_begin(
	struct splice *s, const struct object_signed *edits, uint64_t length, bool deflated);
void splice_done(struct splice *s);

/* Bytes of the data set, borrowed until splice_next() says MORE. And: there are no more. */
void splice_feed(struct splice *s, struct span bytes);
void splice_last(struct splice *s);

/*
 * BYTES: *ret_bytes, never empty, borrowed until the next call. ERR_ORDER: it is not the data set that the edits are of. ERR_VALUE: not
 * deflated; ERR_SYSTEM: zlib.
 */
MUST_USE int splice_next(struct splice *s, struct span *ret_bytes);

#endif
