/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <endian.h>

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
MUST_USE static inline int reader_bytes(struct reader *r, size_t n, struct span *ret_span)
{
	/* By subtraction: pos <= len always holds, so this cannot wrap. */
	if (n > r->len - r->pos) {
		return ERR_TRUNCATED;
	}
	*ret_span = span_of(r->ptr + r->pos, n);
	r->pos += n;
	return 0;
}

MUST_USE static inline int reader_skip(struct reader *r, size_t n)
{
	struct span ignored;
	return reader_bytes(r, n, &ignored);
}

MUST_USE static inline int reader_u8(struct reader *r, uint8_t *ret_v)
{
	struct span s;
	if (reader_bytes(r, 1, &s) < 0) {
		return ERR_TRUNCATED;
	}
	*ret_v = s.ptr[0];
	return 0;
}

/* One body for each width: copy (the bytes may be unaligned), then bring to the host's order. */
#define READER_INT(name, type, to_host)                                                                      \
	MUST_USE static inline int name(struct reader *r, type *ret_v)                                       \
	{                                                                                                    \
		struct span s;                                                                               \
		type raw;                                                                                    \
		if (reader_bytes(r, sizeof(type), &s) < 0) {                                                 \
			return ERR_TRUNCATED;                                                                \
		}                                                                                            \
		memcpy(&raw, s.ptr, sizeof(raw));                                                            \
		*ret_v = to_host(raw);                                                                       \
		return 0;                                                                                    \
	}

READER_INT(reader_u16be, uint16_t, be16toh)
READER_INT(reader_u32be, uint32_t, be32toh)
READER_INT(reader_u64be, uint64_t, be64toh)
READER_INT(reader_u16le, uint16_t, le16toh)
READER_INT(reader_u32le, uint32_t, le32toh)
READER_INT(reader_u64le, uint64_t, le64toh)
#undef READER_INT

/* Open a child over the next n bytes and step over them. */
MUST_USE static inline int reader_child(struct reader *r, size_t n, struct reader *ret_child)
{
	struct span s;
	if (reader_bytes(r, n, &s) < 0) {
		return ERR_TRUNCATED;
	}
	*ret_child = reader_of(s);
	return 0;
}

/* 0 if all was read, ERR_TRAILING otherwise. */
MUST_USE static inline int reader_end(const struct reader *r)
{
	return r->pos == r->len ? 0 : ERR_TRAILING;
}

#endif
