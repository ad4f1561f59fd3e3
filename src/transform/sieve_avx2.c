/* SPDX-License-Identifier: Apache-2.0 */
/* The sieve in 32 bytes at a time: halves of bytes are looked up in sixteen places at once. */
#include "transform/sieve.h"

#ifdef __x86_64__

#include <immintrin.h>

#define FOURTHS   0x11111111u
#define AVX2      __attribute__((target("avx2")))
#define ASK_AGAIN 16 /* blocks */

struct sieve_tables {
	__m256i low[SIEVE_FOUR], high[SIEVE_FOUR];
};

bool sieve_has_avx2(void)
{
	return __builtin_cpu_supports("avx2") != 0;
}

AVX2 static inline __m256i load(const uint8_t *bytes)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)bytes);
}

AVX2 static inline __m256i both_halves(const uint8_t table[16])
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
}

AVX2 static inline struct sieve_tables tables_of(const struct sieve *s)
{
	struct sieve_tables t;
	for (size_t i = 0; i < SIEVE_FOUR; i++) {
		t.low[i] = both_halves(s->low[i]);
		t.high[i] = both_halves(s->high[i]);
	}
	return t;
}

/* The kinds that each of 32 bytes is of, as the i-th of four. */
AVX2 static inline __m256i kinds(const struct sieve_tables *t, size_t i, __m256i low, __m256i high)
{
	return _mm256_and_si256(_mm256_shuffle_epi8(t->low[i], low), _mm256_shuffle_epi8(t->high[i], high));
}

AVX2 static inline __m256i kinds_behind(const struct sieve_tables *t, const uint8_t *bytes, size_t i)
{
	const __m256i half = _mm256_set1_epi8(15);
	__m256i v = load(bytes + i);
	return kinds(t, i, _mm256_and_si256(v, half), _mm256_and_si256(_mm256_srli_epi16(v, 4), half));
}

/* A bit for each of 32 bytes that begins a sequence. */
AVX2 static inline uint32_t every(const struct sieve_tables *t, const uint8_t *bytes)
{
	__m256i all = _mm256_and_si256(_mm256_and_si256(kinds_behind(t, bytes, 0), kinds_behind(t, bytes, 1)),
		_mm256_and_si256(kinds_behind(t, bytes, 2), kinds_behind(t, bytes, 3)));
	return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(all, _mm256_setzero_si256()));
}

/* In each four bytes, the kinds of all four in the first of them; the others are 0. */
AVX2 static inline __m256i fourth(const struct sieve_tables *t, const uint8_t *bytes)
{
	const __m256i half = _mm256_set1_epi8(15);
	__m256i v = load(bytes);
	__m256i low = _mm256_and_si256(v, half), high = _mm256_and_si256(_mm256_srli_epi16(v, 4), half);
	__m256i first =
		_mm256_and_si256(kinds(t, 0, low, high), _mm256_srli_epi32(kinds(t, 1, low, high), 8));
	__m256i last = _mm256_and_si256(kinds(t, 2, low, high), _mm256_srli_epi32(kinds(t, 3, low, high), 8));
	return _mm256_and_si256(
		_mm256_and_si256(first, _mm256_srli_epi32(last, 16)), _mm256_set1_epi32(0xFF));
}

AVX2 static inline uint32_t bits_of(__m256i fours)
{
	const __m256i none = _mm256_setzero_si256();
	return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi32(fours, none)) & FOURTHS;
}

/* Of eight sequences of four, bit 4i for the i-th if its bit is in the set. */
AVX2 static inline uint32_t in_set(const struct sieve *s, const uint8_t *bytes)
{
	const __m256i same = _mm256_set1_epi32((int)SIEVE_SAME), mix = _mm256_set1_epi32((int)SIEVE_MIX);
	__m256i v = _mm256_mullo_epi32(_mm256_or_si256(load(bytes), same), mix);
	__m256i bit = _mm256_srli_epi32(v, SIEVE_SHIFT), place = _mm256_and_si256(bit, _mm256_set1_epi32(31));
	__m256i words =
		_mm256_i32gather_epi32((const int *)(const void *)s->set, _mm256_srli_epi32(bit, 5), 4);
	__m256i top = _mm256_sllv_epi32(words, _mm256_sub_epi32(_mm256_set1_epi32(31), place));
	return (uint32_t)_mm256_movemask_epi8(_mm256_srai_epi32(top, 31)) & FOURTHS;
}

AVX2 static inline uint32_t every_in_set(const struct sieve *s, const uint8_t *bytes)
{
	return in_set(s, bytes) | in_set(s, bytes + 1) << 1 | in_set(s, bytes + 2) << 2 |
	       in_set(s, bytes + 3) << 3;
}

AVX2 size_t sieve_every_avx2(const struct sieve *s, const uint8_t *bytes, size_t n, uint64_t *ret_bits)
{
	const struct sieve_tables t = tables_of(s);
	size_t at = 0;
	uint64_t bits = 0;
	for (; n - at >= SIEVE_BLOCK + SIEVE_FOUR - 1; at += SIEVE_BLOCK) {
		uint32_t a = every(&t, bytes + at), b = every(&t, bytes + at + 32);
		a &= a ? every_in_set(s, bytes + at) : 0;
		b &= b ? every_in_set(s, bytes + at + 32) : 0;
		bits = a | (uint64_t)b << 32;
		if (bits) {
			break;
		}
	}
	*ret_bits = bits;
	return at;
}

/*
 * May any four of 32 bytes be text, or text with zeros between? Not those with a control character, nor zeros alone, which is all that
 * most pixels of more than eight bits are.
 */
AVX2 static inline __m256i usual(const uint8_t *bytes)
{
	const __m256i none = _mm256_setzero_si256();
	__m256i v = load(bytes), less = _mm256_sub_epi8(v, _mm256_set1_epi8(1));
	__m256i control = _mm256_cmpeq_epi8(less, _mm256_min_epu8(less, _mm256_set1_epi8(0x1E)));
	return _mm256_andnot_si256(_mm256_cmpeq_epi32(v, none), _mm256_cmpeq_epi32(control, none));
}

AVX2 static inline bool has_usual(const uint8_t *block)
{
	__m256i any = _mm256_or_si256(usual(block), usual(block + 32));
	return !_mm256_testz_si256(any, any);
}

AVX2 size_t sieve_fourth_avx2(const struct sieve *s, const uint8_t *bytes, size_t n, uint64_t *ret_bits)
{
	const struct sieve_tables t = tables_of(s);
	/* Where one may be more are near: it is not asked of each. */
	size_t at = 0, ask = s->is_odd ? n : 0;
	uint64_t bits = 0;
	for (; n - at >= SIEVE_BLOCK; at += SIEVE_BLOCK) {
		if (at >= ask) {
			if (!has_usual(bytes + at)) {
				continue;
			}
			ask = at + ASK_AGAIN * SIEVE_BLOCK;
		}
		__m256i a = fourth(&t, bytes + at), b = fourth(&t, bytes + at + 32);
		if (_mm256_testz_si256(a, a) && _mm256_testz_si256(b, b)) {
			continue;
		}
		bits = (bits_of(a) & in_set(s, bytes + at)) |
		       (uint64_t)(bits_of(b) & in_set(s, bytes + at + 32)) << 32;
		if (bits) {
			break;
		}
	}
	*ret_bits = bits;
	return at;
}

#else

bool sieve_has_avx2(void)
{
	return false;
}

size_t sieve_every_avx2(const struct sieve *s, const uint8_t *bytes, size_t n, uint64_t *ret_bits)
{
	return sieve_every_portable(s, bytes, n, ret_bits);
}

size_t sieve_fourth_avx2(const struct sieve *s, const uint8_t *bytes, size_t n, uint64_t *ret_bits)
{
	return sieve_fourth_portable(s, bytes, n, ret_bits);
}

#endif
