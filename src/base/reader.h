/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/*
 * The one bounded reader for all untrusted bytes: network, files, sibling processes.
 * A failed read consumes nothing and touches no output. Byte order is in the function's name.
 * A nested length opens a child reader, which cannot leave its parent.
 */
struct reader {
	const uint8_t *ptr;
	size_t len;
	size_t pos;
};

static inline struct reader reader_of(struct span s)
{
	return (struct reader){.ptr = s.ptr, .len = s.len, .pos = 0};
}

static inline size_t reader_left(const struct reader *r)
{
	return r->len - r->pos;
}

/* Borrow the next n bytes. ERR_TRUNCATED if fewer are left. */
MUST_USE int reader_bytes(struct reader *r, size_t n, struct span *ret_span);
MUST_USE int reader_skip(struct reader *r, size_t n);
MUST_USE int reader_u8(struct reader *r, uint8_t *ret_v);
MUST_USE int reader_u16be(struct reader *r, uint16_t *ret_v);
MUST_USE int reader_u32be(struct reader *r, uint32_t *ret_v);
MUST_USE int reader_u64be(struct reader *r, uint64_t *ret_v);
MUST_USE int reader_u16le(struct reader *r, uint16_t *ret_v);
MUST_USE int reader_u32le(struct reader *r, uint32_t *ret_v);
MUST_USE int reader_u64le(struct reader *r, uint64_t *ret_v);

/* Open a child over the next n bytes and step over them. */
MUST_USE int reader_child(struct reader *r, size_t n, struct reader *ret_child);

/* 0 if all was read, ERR_TRAILING otherwise. */
MUST_USE int reader_end(const struct reader *r);

#endif
