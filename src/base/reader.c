/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"

#include <endian.h>

int reader_bytes(struct reader *r, size_t n, struct span *ret_span)
{
	/* By subtraction: pos <= len always holds, so this cannot wrap. */
	if (n > r->len - r->pos) {
		return ERR_TRUNCATED;
	}
	*ret_span = span_of(r->ptr + r->pos, n);
	r->pos += n;
	return 0;
}

int reader_skip(struct reader *r, size_t n)
{
	struct span ignored;
	return reader_bytes(r, n, &ignored);
}

int reader_u8(struct reader *r, uint8_t *ret_v)
{
	struct span s;
	int e = reader_bytes(r, 1, &s);
	if (e == 0) {
		*ret_v = s.ptr[0];
	}
	return e;
}

/* One body for each width: copy (the bytes may be unaligned), then bring to the host's order. */
#define READER_INT(name, type, to_host)                                                                      \
	int name(struct reader *r, type *ret_v)                                                              \
	{                                                                                                    \
		struct span s;                                                                               \
		int e = reader_bytes(r, sizeof(type), &s);                                                   \
		if (e == 0) {                                                                                \
			type raw;                                                                            \
			memcpy(&raw, s.ptr, sizeof(raw));                                                    \
			*ret_v = to_host(raw);                                                               \
		}                                                                                            \
		return e;                                                                                    \
	}

READER_INT(reader_u16be, uint16_t, be16toh)
READER_INT(reader_u32be, uint32_t, be32toh)
READER_INT(reader_u64be, uint64_t, be64toh)
READER_INT(reader_u16le, uint16_t, le16toh)
READER_INT(reader_u32le, uint32_t, le32toh)
READER_INT(reader_u64le, uint64_t, le64toh)

int reader_child(struct reader *r, size_t n, struct reader *ret_child)
{
	struct span s;
	int e = reader_bytes(r, n, &s);
	if (e == 0) {
		*ret_child = reader_of(s);
	}
	return e;
}

int reader_end(const struct reader *r)
{
	return r->pos == r->len ? 0 : ERR_TRAILING;
}
