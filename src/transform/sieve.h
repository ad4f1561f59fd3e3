/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_SIEVE_H
#define TRANSFORM_SIEVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Where may one of many sequences of four bytes be, letters of both cases alike? A sieve passes over what is none of them, as fast as it
 * is read; what stays in it may still be none, and is to be looked at. All zeros: nothing stays in it.
 */
#define SIEVE_FOUR  4
#define SIEVE_BLOCK 64
#define SIEVE_SET   65536 /* bits */

struct sieve {
	/* Of each of four bytes, by its lower and its upper half: the kinds of sequences that may have it there, a bit for each kind. */
	uint8_t low[SIEVE_FOUR][16], high[SIEVE_FOUR][16];
	bool is_odd;                  /* one has control characters, and is no text with zeros between */
	uint32_t set[SIEVE_SET / 32]; /* a bit for each sequence: sieve_bit_of() */
};

/* Capitals are as small letters, and more is the same that does not matter: what stays is looked at. */
#define SIEVE_SAME  0x20202020u
#define SIEVE_SHIFT 16
#define SIEVE_MIX   2654435761u

static inline uint32_t sieve_bit_of(const uint8_t *four)
{
	uint32_t v;
	memcpy(&v, four, sizeof(v));
	return ((v | SIEVE_SAME) * SIEVE_MIX) >> SIEVE_SHIFT;
}

/* May these be one of them? */
static inline bool sieve_has(const struct sieve *s, const uint8_t *four)
{
	uint32_t bit = sieve_bit_of(four);
	return s->set[bit / 32] >> bit % 32 & 1;
}

/* Letters are small ones. */
void sieve_add(struct sieve *s, const uint8_t folded[SIEVE_FOUR]);

/*
 * The first block of n bytes, of those that begin at multiples of SIEVE_BLOCK, in which something stays: its offset, and a bit for each
 * place in it where a sequence may begin. None: *ret_bits is 0, and what is behind the offset that is returned is too short for a block
 * with the three bytes behind it, and has not been looked at.
 */
size_t sieve_every(const struct sieve *s, const uint8_t *bytes, size_t n, uint64_t *ret_bits);
/* The same of sequences that begin at multiples of four. */
size_t sieve_fourth(const struct sieve *s, const uint8_t *bytes, size_t n, uint64_t *ret_bits);

/* What they are made of: on any processor, and on those with AVX2. */
typedef size_t sieve_look(const struct sieve *s, const uint8_t *bytes, size_t n, uint64_t *ret_bits);
sieve_look sieve_every_portable, sieve_fourth_portable, sieve_every_avx2, sieve_fourth_avx2;
bool sieve_has_avx2(void);

#endif
