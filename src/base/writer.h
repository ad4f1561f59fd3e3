/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/*
 * Writes into a buffer of fixed size that the caller owns. Errors stick: after the first write that does not fit,
 * nothing more is written and writer_end() says ERR_SPACE, so that a long row of writes needs one check.
 */
struct writer {
	uint8_t *ptr;
	size_t cap;
	size_t len;
	int err;
};

static inline struct writer writer_of(void *ptr, size_t cap)
{
	return (struct writer){.ptr = ptr, .cap = cap};
}

void writer_bytes(struct writer *w, const void *ptr, size_t n);
void writer_span(struct writer *w, struct span s);
void writer_fill(struct writer *w, uint8_t v, size_t n);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16be(struct writer *w, uint16_t v);
void writer_u32be(struct writer *w, uint32_t v);
void writer_u64be(struct writer *w, uint64_t v);
void writer_u16le(struct writer *w, uint16_t v);
void writer_u32le(struct writer *w, uint32_t v);

/*
 * Lengths that are known only afterwards: leave room, write the content, fill in.
 * The mark is the offset of the length field; the length counts the bytes after it.
 */
size_t writer_mark_u16be(struct writer *w);
size_t writer_mark_u32be(struct writer *w);
size_t writer_mark_u32le(struct writer *w);
void writer_fill_u16be(struct writer *w, size_t mark);
void writer_fill_u32be(struct writer *w, size_t mark);
void writer_fill_u32le(struct writer *w, size_t mark);

/* 0, or ERR_SPACE when something did not fit. */
MUST_USE int writer_end(const struct writer *w);

static inline struct span writer_span_of(const struct writer *w)
{
	return span_of(w->ptr, w->len);
}

#endif
