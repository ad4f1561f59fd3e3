/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/sieve.h"

#define KINDS_OF_LETTERS 4

/* ---- Four bytes that may be text ---- */

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint32_t words4 __attribute__((vector_size(16)));
typedef uint64_t longs2 __attribute__((vector_size(16)));

/* Of text, or of every other byte of it with zeros between: for each four bytes, all bits, or none. */
static words4 usual(bytes16 v)
{
	words4 control = (words4)(v < 0x20), zero = (words4)(v == 0);
	words4 wide = (words4)(zero == 0x00FF00FFu) | (words4)(zero == 0xFF00FF00u);
	return (words4)(control == 0) | (wide & (words4)(control == zero));
}

/* The same of four alone. */
static bool is_usual(const uint8_t *four)
{
	bool zeros[SIEVE_FOUR];
	for (size_t i = 0; i < SIEVE_FOUR; i++) {
		zeros[i] = four[i] == 0;
		if (!zeros[i] && four[i] < 0x20) {
			return false;
		}
	}
	bool any = zeros[0] || zeros[1] || zeros[2] || zeros[3];
	return !any || (zeros[0] != zeros[1] && zeros[0] == zeros[2] && zeros[1] == zeros[3]);
}

/* Is any of the fours of a block? Pixels of more than eight bits hardly ever are. */
static bool has_usual(const uint8_t *block)
{
	words4 any = {0};
	for (size_t i = 0; i < SIEVE_BLOCK; i += sizeof(any)) {
		bytes16 v;
		memcpy(&v, block + i, sizeof(v));
		any |= usual(v);
	}
	return (((longs2)any)[0] | ((longs2)any)[1]) != 0;
}

/* ---- What stays in it ---- */

static void add_byte(struct sieve *s, size_t at, uint8_t byte, uint8_t kind)
{
	s->low[at][byte & 15] |= kind;
	s->high[at][byte >> 4] |= kind;
}

/* Those that have much in common are of one kind: digits, text of two bytes a letter, letters by the first of them. */
static uint8_t kind_of(const uint8_t *four)
{
	bool digits = true;
	if (four[0] == 0 || four[1] == 0) {
		return four[0] == 0 ? 1 : 2;
	}
	for (size_t i = 0; i < SIEVE_FOUR; i++) {
		digits = digits && four[i] >= '-' && four[i] <= '9';
	}
	return (uint8_t)(digits ? 4 << four[0] % 2 : 16 << four[0] % KINDS_OF_LETTERS);
}

void sieve_add(struct sieve *s, const uint8_t folded[SIEVE_FOUR])
{
	uint8_t kind = kind_of(folded);
	uint32_t bit = sieve_bit_of(folded);
	s->set[bit / 32] |= 1u << bit % 32;
	bool control = false;
	for (size_t i = 0; i < SIEVE_FOUR; i++) {
		control = control || folded[i] < 0x20;
		add_byte(s, i, folded[i], kind);
		if (folded[i] >= 'a' && folded[i] <= 'z') {
			add_byte(s, i, (uint8_t)(folded[i] - 32), kind);
		}
	}
	s->is_odd = s->is_odd || (control && !is_usual(folded));
}

static uint64_t look_at_block(const struct sieve *s, const uint8_t *block, size_t step)
{
	uint64_t bits = 0;
	for (size_t i = 0; i < SIEVE_BLOCK; i += step) {
		bits |= (uint64_t)sieve_has(s, block + i) << i;
	}
	return bits;
}

size_t sieve_every_portable(const struct sieve *s, const uint8_t *bytes, size_t n, uint64_t *ret_bits)
{
	size_t at = 0;
	uint64_t bits = 0;
	while (n - at >= SIEVE_BLOCK + SIEVE_FOUR - 1 && (bits = look_at_block(s, bytes + at, 1)) == 0) {
		at += SIEVE_BLOCK;
	}
	*ret_bits = bits;
	return at;
}

size_t sieve_fourth_portable(const struct sieve *s, const uint8_t *bytes, size_t n, uint64_t *ret_bits)
{
	size_t at = 0;
	uint64_t bits = 0;
	for (; n - at >= SIEVE_BLOCK; at += SIEVE_BLOCK) {
		bits = s->is_odd || has_usual(bytes + at) ? look_at_block(s, bytes + at, SIEVE_FOUR) : 0;
		if (bits) {
			break;
		}
	}
	*ret_bits = bits;
	return at;
}

size_t sieve_every(const struct sieve *s, const uint8_t *bytes, size_t n, uint64_t *ret_bits)
{
	return sieve_has_avx2() ? sieve_every_avx2(s, bytes, n, ret_bits)
	                        : sieve_every_portable(s, bytes, n, ret_bits);
}

size_t sieve_fourth(const struct sieve *s, const uint8_t *bytes, size_t n, uint64_t *ret_bits)
{
	return sieve_has_avx2() ? sieve_fourth_avx2(s, bytes, n, ret_bits)
	                        : sieve_fourth_portable(s, bytes, n, ret_bits);
}
