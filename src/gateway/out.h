/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_OUT_H
#define GATEWAY_OUT_H

#include "gateway/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * What is on its way to one side: pieces in order, each either borrowed from the other side's read buffer (payload,
 * never copied) or written into the queue's own small arena (headers and canonical control data).
 * While anything is borrowed the other side's buffer may not be refilled.
 */
#define OUT_SEGMENTS 128
#define OUT_CONTROL  (160u * 1024) /* an A-ASSOCIATE PDU of 128 contexts, or many canonical commands */

struct out {
	struct iovec segment[OUT_SEGMENTS];
	unsigned head, n;
	bool borrows;
	uint64_t queued, sent; /* bytes since the beginning */
	size_t control_len;
	uint8_t *control; /* OUT_CONTROL bytes */
};

/* Is there room for this many pieces and bytes of control? */
static inline bool out_room(const struct out *o, unsigned segments, size_t control)
{
	return segments <= OUT_SEGMENTS - o->n && control <= OUT_CONTROL - o->control_len;
}

static inline bool out_empty(const struct out *o)
{
	return o->head == o->n;
}

/* Append borrowed bytes. The caller has made sure of room. */
void out_borrow(struct out *o, const uint8_t *ptr, size_t len);

/* Append len bytes of control and return where to write them; NULL when there is no room. */
uint8_t *out_control(struct out *o, size_t len);

/*
 * Write what goes, up to `until` (counted as `queued` is; UINT64_MAX: all). 0: all has left, ciphertext included;
 * ERR_AGAIN: poll for writing, or the rest must wait; other errors are the transport's. *ret_moved: some bytes went.
 */
int out_flush(struct out *o, struct stream *t, uint64_t until, bool *ret_moved);

/* The first byte of [base, base + len) that is borrowed; base + len: none is. */
const uint8_t *out_first_borrowed(const struct out *o, const uint8_t *base, size_t len);

/* What was borrowed of [base, base + len) has been moved down by so many bytes. */
void out_moved(struct out *o, const uint8_t *base, size_t len, size_t by);

/* Forget what was queued beyond `from`. */
void out_cut(struct out *o, uint64_t from);

/* Forget what has not been sent: the transport is gone. */
void out_drop(struct out *o);

#endif
