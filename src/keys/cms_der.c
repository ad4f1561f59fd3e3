/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_der.h"

#include "base/attr.h"
#include "base/err.h"

#include <string.h>

#define RSADSI 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D

static const struct {
	uint8_t len, bytes[11];
} oids[] = {
	[DER_DATA] = {9, {RSADSI, 1, 7, 1}},
	[DER_SIGNED] = {9, {RSADSI, 1, 7, 2}},
	[DER_ENVELOPED] = {9, {RSADSI, 1, 7, 3}},
	[DER_DIGESTED] = {9, {RSADSI, 1, 7, 5}},
	[DER_AUTH_ENVELOPED] = {11, {RSADSI, 1, 9, 16, 1, 23}},
	[DER_ENCRYPTED] = {9, {RSADSI, 1, 7, 6}},
	[DER_COMPRESSED] = {11, {RSADSI, 1, 9, 16, 1, 9}},
	[DER_ZLIB] = {11, {RSADSI, 1, 9, 16, 3, 8}},
	[DER_CONTENT_TYPE] = {9, {RSADSI, 1, 9, 3}},
	[DER_MESSAGE_DIGEST] = {9, {RSADSI, 1, 9, 4}},
	[DER_SIGNING_TIME] = {9, {RSADSI, 1, 9, 5}},
	[DER_RSA] = {9, {RSADSI, 1, 1, 1}},
	[DER_RSA_OAEP] = {9, {RSADSI, 1, 1, 7}},
	[DER_MGF1] = {9, {RSADSI, 1, 1, 8}},
	[DER_SHA1] = {5, {0x2B, 0x0E, 3, 2, 0x1A}},
	[DER_SHA384] = {9, {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2}},
	[DER_SHA512] = {9, {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3}},
	[DER_SHA256] = {9, {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1}},
	[DER_AES256_CBC] = {9, {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42}},
	[DER_PBKDF2] = {9, {RSADSI, 1, 5, 12}},
	[DER_HMAC_SHA256] = {8, {RSADSI, 2, 9}},
	[DER_PWRI_KEK] = {11, {RSADSI, 1, 9, 16, 3, 9}},
};
static_assert(ARRAY_LEN(oids) == DER_OIDS, "one each");

void der_head(struct writer *w, uint8_t tag, size_t len)
{
	writer_u8(w, tag);
	if (len < 0x80) {
		writer_u8(w, (uint8_t)len);
	} else if (len <= 0xFFFF) {
		writer_u8(w, 0x82);
		writer_u16be(w, (uint16_t)len);
	} else {
		writer_u8(w, 0x84);
		writer_u32be(w, (uint32_t)len);
	}
}

void der_bytes(struct writer *w, uint8_t tag, struct span bytes)
{
	size_t mark = w->len;
	writer_span(w, bytes);
	der_wrap(w, mark, tag);
}

void der_number(struct writer *w, uint32_t n)
{
	uint8_t bytes[5] = {0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
	unsigned from = 0;
	while (from < 4 && bytes[from] == 0 && bytes[from + 1] < 0x80) {
		from++;
	}
	der_bytes(w, DER_INTEGER, span_of(bytes + from, 5 - from));
}

struct span der_oid_bytes(enum der_oid oid)
{
	return span_of(oids[oid].bytes, oids[oid].len);
}

void der_oid(struct writer *w, enum der_oid oid)
{
	der_bytes(w, DER_OID, der_oid_bytes(oid));
}

void der_algorithm(struct writer *w, enum der_oid oid)
{
	size_t mark = w->len;
	der_oid(w, oid);
	writer_u16be(w, 0x0500);
	der_wrap(w, mark, DER_SEQUENCE);
}

void der_cipher(struct writer *w, enum der_oid oid, struct span iv)
{
	size_t mark = w->len;
	der_oid(w, oid);
	der_bytes(w, DER_OCTETS, iv);
	der_wrap(w, mark, DER_SEQUENCE);
}

void der_wrap(struct writer *w, size_t mark, uint8_t tag)
{
	/* The shortest form, as DER wants it. */
	uint8_t head[8] = {tag};
	size_t len = w->len - mark, n = 1, digits = 0;
	for (size_t rest = len; len >= 0x80 && rest > 0; rest >>= 8) {
		digits++;
	}
	head[n++] = (uint8_t)(digits ? 0x80 | digits : len);
	for (size_t i = digits; i > 0; i--) {
		head[n++] = (uint8_t)(len >> (8 * (i - 1)));
	}
	writer_fill(w, 0, n);
	if (w->err == 0) {
		memmove(w->ptr + mark + n, w->ptr + mark, len);
		memcpy(w->ptr + mark, head, n);
	}
}

void der_open(struct writer *w, uint8_t tag)
{
	writer_u8(w, tag);
	writer_u8(w, 0x80);
}

void der_close(struct writer *w, unsigned n)
{
	writer_fill(w, 0, 2 * (size_t)n);
}
