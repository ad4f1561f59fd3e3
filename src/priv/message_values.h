/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRIV_MESSAGE_VALUES_H
#define PRIV_MESSAGE_VALUES_H

#include "base/reader.h"
#include "base/writer.h"

#include <netinet/in.h>
#include <string.h>

/* Values in messages. A failed get leaves the message unusable, and message_read throws it away. */

static inline void put_text(struct writer *w, const char *s, size_t cap)
{
	size_t n = strnlen(s, cap - 1);
	writer_u16be(w, (uint16_t)n);
	writer_bytes(w, s, n);
}

static inline int get_text(struct reader *r, char *to, size_t cap)
{
	uint16_t n;
	struct span s;
	int e = reader_u16be(r, &n);
	if (e == 0) {
		e = reader_bytes(r, n, &s);
	}
	if (e != 0) {
		return e;
	}
	if (n >= cap) {
		return ERR_LENGTH;
	}
	if (n > 0 && memchr(s.ptr, 0, n)) {
		return ERR_VALUE;
	}
	if (n > 0) {
		memcpy(to, s.ptr, n);
	}
	to[n] = 0;
	return 0;
}

#define PUT_TEXT(w, field)       put_text((w), (field), sizeof(field))
#define GET_TEXT(e, r, field)    ((e) == 0 ? get_text((r), (field), sizeof(field)) : (e))
#define GET(e, fn, r, ret_field) ((e) == 0 ? fn((r), (ret_field)) : (e))

static inline int get_bool(struct reader *r, bool *ret_v)
{
	uint8_t v;
	int e = reader_u8(r, &v);
	if (e == 0 && v > 1) {
		return ERR_VALUE;
	}
	if (e == 0) {
		*ret_v = v != 0;
	}
	return e;
}

static inline int get_i32(struct reader *r, int32_t *ret_v)
{
	uint32_t v;
	int e = reader_u32be(r, &v);
	if (e == 0) {
		*ret_v = (int32_t)v;
	}
	return e;
}

static inline int get_i64(struct reader *r, int64_t *ret_v)
{
	uint64_t v;
	int e = reader_u64be(r, &v);
	if (e == 0) {
		*ret_v = (int64_t)v;
	}
	return e;
}

static inline int get_ip(struct reader *r, struct in6_addr *ret_ip)
{
	struct span s;
	int e = reader_bytes(r, sizeof(ret_ip->s6_addr), &s);
	if (e == 0) {
		memcpy(ret_ip->s6_addr, s.ptr, s.len);
	}
	return e;
}

static inline void put_ip(struct writer *w, const struct in6_addr *ip)
{
	writer_bytes(w, ip->s6_addr, sizeof(ip->s6_addr));
}

#endif
