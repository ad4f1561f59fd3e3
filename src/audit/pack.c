/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/pack.h"

#include <endian.h>
#include <stdlib.h>

#define HASH_BITS   12
#define TEXT_BITS   10
#define MATCH_LEAST 4 /* what is hashed; deflate's own least is 3 */
#define MATCH_MOST  258
#define TRIES       8  /* places in the dictionary that are tried */
#define ENOUGH      48 /* bytes of a match: no other is looked for, which would have to be fetched */
#define NOWHERE     UINT16_MAX

/* Bits as they go out: the first is the lowest. */
struct code {
	uint32_t bits;
	uint8_t n;
};

struct pack {
	struct span dictionary;
	uint16_t head[1u << HASH_BITS];      /* the last place with that hash */
	uint16_t next[PACK_DICTIONARY_MOST]; /* the one before it */
	struct code literal[256], end;
	struct code length[MATCH_MOST + 1]; /* with its extra bits */
	uint8_t distance[512]; /* code of distance - 1 below 256, and behind them of (distance - 1) / 128 */
};

/* RFC 1951 3.2.5 */
static const uint16_t length_base[] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51,
	59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_extra[] = {
	0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t distance_base[] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385,
	513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
static const uint8_t distance_extra[] = {
	0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

/* ---- Tables ---- */

/* Codes go out with their highest bit first. */
static uint32_t reversed(uint32_t bits, unsigned n)
{
	uint32_t r = 0;
	for (unsigned i = 0; i < n; i++) {
		r |= (bits >> i & 1) << (n - 1 - i);
	}
	return r;
}

/* The fixed codes: RFC 1951 3.2.6. */
static struct code symbol(unsigned s)
{
	unsigned n = s < 144 ? 8 : s < 256 ? 9 : s < 280 ? 7 : 8;
	unsigned code = s < 144 ? 0x30 + s : s < 256 ? 0x190 + s - 144 : s < 280 ? s - 256 : 0xc0 + s - 280;
	return (struct code){reversed(code, n), (uint8_t)n};
}

static void make_codes(struct pack *p)
{
	for (unsigned i = 0; i < 256; i++) {
		p->literal[i] = symbol(i);
	}
	p->end = symbol(256);
	for (unsigned len = 3, k = 0; len <= MATCH_MOST; len++) {
		while (k + 1 < ARRAY_LEN(length_base) && len >= length_base[k + 1]) {
			k++;
		}
		struct code c = symbol(257 + k);
		c.bits |= (uint32_t)(len - length_base[k]) << c.n;
		c.n = (uint8_t)(c.n + length_extra[k]);
		p->length[len] = c;
	}
	for (unsigned d = 1, k = 0; d <= 32768; d++) {
		while (k + 1 < ARRAY_LEN(distance_base) && d >= distance_base[k + 1]) {
			k++;
		}
		p->distance[d <= 256 ? d - 1 : 256 + ((d - 1) >> 7)] = (uint8_t)k;
	}
}

static uint32_t four(const uint8_t *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof(v));
	return v;
}

static uint32_t hash(uint32_t v, unsigned bits)
{
	return v * 2654435761u >> (32 - bits);
}

struct pack *pack_new(struct span dictionary)
{
	struct pack *p = dictionary.len < MATCH_LEAST || dictionary.len > PACK_DICTIONARY_MOST
	                         ? NULL
	                         : calloc(1, sizeof(*p));
	if (!p) {
		return NULL;
	}
	p->dictionary = dictionary;
	memset(p->head, 0xff, sizeof(p->head));
	for (size_t i = 0; i + MATCH_LEAST <= dictionary.len; i++) {
		uint16_t *head = &p->head[hash(four(dictionary.ptr + i), HASH_BITS)];
		p->next[i] = *head;
		*head = (uint16_t)i;
	}
	make_codes(p);
	return p;
}

void pack_free(struct pack *p)
{
	free(p);
}

/* ---- Bits ---- */

struct bits {
	uint8_t *to;
	size_t len;
	uint64_t bits; /* that are not written yet */
	unsigned n;
};

/* n is at most 32. There is room. */
static inline void put(struct bits *b, uint64_t bits, unsigned n)
{
	b->bits |= bits << b->n;
	b->n += n;
	if (b->n >= 32) {
		uint32_t v = htole32((uint32_t)b->bits);
		memcpy(b->to + b->len, &v, sizeof(v));
		b->len += sizeof(v);
		b->bits >>= 32;
		b->n -= 32;
	}
}

static void put_end(struct bits *b)
{
	for (; b->n > 0; b->n -= b->n < 8 ? b->n : 8) {
		b->to[b->len++] = (uint8_t)b->bits;
		b->bits >>= 8;
	}
}

static void put_match(const struct pack *p, struct bits *b, unsigned len, unsigned distance)
{
	unsigned k = p->distance[distance <= 256 ? distance - 1 : 256 + ((distance - 1) >> 7)];
	put(b, p->length[len].bits, p->length[len].n);
	put(b, reversed(k, 5) | (uint32_t)(distance - distance_base[k]) << 5, 5 + distance_extra[k]);
}

/* ---- Matches ---- */

static unsigned same(const uint8_t *a, const uint8_t *b, size_t most)
{
	size_t n = 0;
	while (n + 8 <= most) {
		uint64_t x, y;
		memcpy(&x, a + n, sizeof(x));
		memcpy(&y, b + n, sizeof(y));
		if (x != y) {
			return (unsigned)n + (unsigned)__builtin_ctzll(le64toh(x) ^ le64toh(y)) / 8;
		}
		n += 8;
	}
	while (n < most && a[n] == b[n]) {
		n++;
	}
	return (unsigned)n;
}

struct match {
	unsigned len, distance;
};

static struct match find(const struct pack *p, struct span text, size_t at, const uint16_t *recent)
{
	struct match m = {0, 0};
	const uint8_t *here = text.ptr + at;
	size_t most = text.len - at < MATCH_MOST ? text.len - at : MATCH_MOST;
	uint32_t v = four(here);
	unsigned before = recent[hash(v, TEXT_BITS)];
	if (before != NOWHERE) {
		m.len = same(here, text.ptr + before, most);
		m.distance = (unsigned)at - before;
	}
	unsigned place = p->head[hash(v, HASH_BITS)];
	unsigned enough = most < ENOUGH ? (unsigned)most : ENOUGH;
	for (unsigned i = 0; place != NOWHERE && i < TRIES && m.len < enough; i++, place = p->next[place]) {
		size_t left = p->dictionary.len - place < most ? p->dictionary.len - place : most;
		unsigned n = same(here, p->dictionary.ptr + place, left);
		if (n > m.len) {
			m = (struct match){n, (unsigned)(at + p->dictionary.len - place)};
		}
	}
	return m;
}

int pack_deflate(const struct pack *p, struct span text, uint8_t *buf, size_t cap, size_t *ret_len)
{
	uint16_t recent[1u << TEXT_BITS];
	struct bits b = {.to = buf};
	if (text.len > PACK_TEXT_MOST) {
		return ERR_LENGTH;
	}
	/* 3 bits of the block's head, 9 a byte at most, 7 of its end; written four bytes at once. */
	if (cap < text.len + text.len / 8 + 8) {
		return ERR_SPACE;
	}
	memset(recent, 0xff, sizeof(recent));
	put(&b, 1 | 1 << 1, 3); /* the last block, of fixed codes */
	for (size_t at = 0; at < text.len;) {
		struct match m = {0, 0};
		if (text.len - at >= MATCH_LEAST) {
			m = find(p, text, at, recent);
			recent[hash(four(text.ptr + at), TEXT_BITS)] = (uint16_t)at;
		}
		if (m.len >= MATCH_LEAST) {
			put_match(p, &b, m.len, m.distance);
			at += m.len;
		} else {
			put(&b, p->literal[text.ptr[at]].bits, p->literal[text.ptr[at]].n);
			at++;
		}
	}
	put(&b, p->end.bits, p->end.n);
	put_end(&b);
	*ret_len = b.len;
	return 0;
}
