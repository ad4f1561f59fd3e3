/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <endian.h>

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

static inline void writer_bytes(struct writer *w, const void *ptr, size_t n)
{
	if (w->err) {
		return;
	}
	if (n > w->cap - w->len) {
		w->err = ERR_SPACE;
		return;
	}
	if (n > 0) {
		memcpy(w->ptr + w->len, ptr, n);
		w->len += n;
	}
}

static inline void writer_span(struct writer *w, struct span s)
{
	writer_bytes(w, s.ptr, s.len);
}

static inline void writer_fill(struct writer *w, uint8_t v, size_t n)
{
	if (w->err) {
		return;
	}
	if (n > w->cap - w->len) {
		w->err = ERR_SPACE;
		return;
	}
	memset(w->ptr + w->len, v, n);
	w->len += n;
}

static inline void writer_u8(struct writer *w, uint8_t v)
{
	writer_bytes(w, &v, 1);
}

#define WRITER_INT(name, type, to_order)                                                                     \
	static inline void name(struct writer *w, type v)                                                    \
	{                                                                                                    \
		v = to_order(v);                                                                             \
		writer_bytes(w, &v, sizeof(v));                                                              \
	}

WRITER_INT(writer_u16be, uint16_t, htobe16)
WRITER_INT(writer_u32be, uint32_t, htobe32)
WRITER_INT(writer_u64be, uint64_t, htobe64)
WRITER_INT(writer_u16le, uint16_t, htole16)
WRITER_INT(writer_u32le, uint32_t, htole32)
#undef WRITER_INT

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
