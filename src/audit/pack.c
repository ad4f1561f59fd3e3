/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/pack.h"

#include <endian.h>
#include <stdlib.h>

#define HASH_BITS   11
#define TRIES       8  /* places in the dictionary that are tried */
#define PATIENCE    32 /* bytes that are like nothing, after each of which a place more is left out */
#define MATCH_LEAST 4  /* what is hashed; deflate's own least is 3 */
#define MATCH_MOST  258
#define ENOUGH      48 /* bytes of a match: no other is looked for, which would have to be fetched */
#define NOWHERE     UINT16_MAX

/* Bits as they go out: the first is the lowest. */
struct code {
	uint16_t bits;
	uint8_t n;
};

/* All that is looked at is small and lies together: what a message touches of it must come from memory, as a rule. */
struct pack {
	struct span dictionary;
	uint16_t first[(1u << HASH_BITS) +
		       1]; /* of a hash, in places[]; it goes to where the next hash begins */
	uint16_t places[PACK_DICTIONARY_MOST]; /* of each hash the last one first */
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
	return (struct code){(uint16_t)reversed(code, n), (uint8_t)n};
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
		c.bits = (uint16_t)(c.bits | (len - length_base[k]) << c.n);
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

static uint32_t hash(uint32_t v)
{
	return v * 2654435761u >> (32 - HASH_BITS);
}

static void make_places(struct pack *p)
{
	size_t n = p->dictionary.len - MATCH_LEAST + 1;
	for (size_t i = 0; i < n; i++) {
		p->first[hash(four(p->dictionary.ptr + i))]++;
	}
	for (unsigned h = 1; h <= 1u << HASH_BITS; h++) {
		p->first[h] = (uint16_t)(p->first[h] + p->first[h - 1]);
	}
	/* first[] is where those of a hash end, until they are put there. */
	for (size_t i = 0; i < n; i++) {
		p->places[--p->first[hash(four(p->dictionary.ptr + i))]] = (uint16_t)i;
	}
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
	make_places(p);
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

/* What is like the text at that place; recent: where in it each hash was last. */
static struct match find(const struct pack *p, struct span text, size_t at, uint16_t *recent)
{
	struct match m = {0, 0};
	const uint8_t *here = text.ptr + at;
	size_t most = text.len - at < MATCH_MOST ? text.len - at : MATCH_MOST;
	uint32_t v = four(here), h = hash(v);
	unsigned before = recent[h];
	recent[h] = (uint16_t)at;
	if (before != NOWHERE && four(text.ptr + before) == v) {
		m = (struct match){same(here, text.ptr + before, most), (unsigned)at - before};
	}
	unsigned enough = most < ENOUGH ? (unsigned)most : ENOUGH;
	const uint16_t *place = p->places + p->first[h], *end = p->places + p->first[h + 1];
	end = end - place > TRIES ? place + TRIES : end;
	for (; place < end && m.len < enough; place++) {
		const uint8_t *there = p->dictionary.ptr + *place;
		if (four(there) == v) {
			size_t left = p->dictionary.len - *place < most ? p->dictionary.len - *place : most;
			unsigned n = same(here, there, left);
			m = n > m.len ? (struct match){n, (unsigned)(at + p->dictionary.len - *place)} : m;
		}
	}
	return m;
}

/* So many bytes before the match are the same, too; `unwritten` of those before it are not written yet. */
static unsigned same_before(
	const struct pack *p, struct span text, size_t at, size_t unwritten, const struct match *m)
{
	size_t n = 0, most = MATCH_MOST - m->len;
	struct span of = m->distance <= at ? span_of(text.ptr, at - m->distance)
	                                   : span_of(p->dictionary.ptr, p->dictionary.len + at - m->distance);
	most = of.len < most ? of.len : most;
	most = unwritten < most ? unwritten : most;
	while (n < most && text.ptr[at - n - 1] == of.ptr[of.len - n - 1]) {
		n++;
	}
	return (unsigned)n;
}

static void put_literals(const struct pack *p, struct bits *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		put(b, p->literal[s.ptr[i]].bits, p->literal[s.ptr[i]].n);
	}
}

int pack_deflate(const struct pack *p, struct span text, uint8_t *buf, size_t cap, size_t *ret_len)
{
	uint16_t recent[1u << HASH_BITS];
	struct bits b = {.to = buf};
	size_t from = 0, at = 0; /* what is before `from` is written */
	if (text.len > PACK_TEXT_MOST) {
		return ERR_LENGTH;
	}
	/* 3 bits of the block's head, 9 a byte at most, 7 of its end; written four bytes at once. */
	if (cap < text.len + text.len / 8 + 8) {
		return ERR_SPACE;
	}
	memset(recent, 0xff, sizeof(recent));
	put(&b, 1 | 1 << 1, 3); /* the last block, of fixed codes */
	size_t last = text.len < MATCH_LEAST ? 0 : text.len - MATCH_LEAST + 1;
	while (at < last) {
		struct match m = find(p, text, at, recent);
		if (m.len < MATCH_LEAST) {
			/* In what is like nothing, such as Base64, fewer and fewer places are tried. */
			size_t step = 1 + (at - from) / PATIENCE;
			at += step < MATCH_LEAST ? step : MATCH_LEAST;
			continue;
		}
		unsigned before = same_before(p, text, at, at - from, &m);
		put_literals(p, &b, span_of(text.ptr + from, at - before - from));
		put_match(p, &b, before + m.len, m.distance);
		at += m.len;
		from = at;
	}
	put_literals(p, &b, span_of(text.ptr + from, text.len - from));
	put(&b, p->end.bits, p->end.n);
	put_end(&b);
	*ret_len = b.len;
	return 0;
}
