/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

/* What is packed is given to zlib, which was given the same dictionary. */

static uint8_t dictionary[PACK_DICTIONARY_MOST], text[PACK_TEXT_MOST], back[PACK_TEXT_MOST + 1];
static uint8_t packed[PACK_TEXT_MOST + PACK_TEXT_MOST / 8 + 8];

static struct pack *with_dictionary(size_t len)
{
	struct pack *p = pack_new(span_of(dictionary, len));
	assert_non_null(p);
	return p;
}

static void fill(uint8_t *to, size_t n, unsigned letters)
{
	for (size_t i = 0; i < n; i++) {
		to[i] = (uint8_t)((unsigned)rand() % letters);
	}
}

/* Returns how long it is packed. From and to memory of exactly that size, so that a sanitizer sees one byte too many. */
static size_t goes_round(const struct pack *p, size_t n_dictionary, size_t n)
{
	size_t cap = n + n / 8 + 8, len = 4711;
	uint8_t *from = malloc(n + (n == 0)), *to = malloc(cap);
	assert_true(from && to);
	memcpy(from, text, n);
	assert_int_equal(pack_deflate(p, span_of(from, n), to, cap, &len), 0);
	z_stream z = {.next_in = to, .avail_in = (uInt)len, .next_out = back, .avail_out = sizeof(back)};
	assert_int_equal(inflateInit2(&z, -15), Z_OK);
	assert_int_equal(inflateSetDictionary(&z, dictionary, (uInt)n_dictionary), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, n);
	assert_int_equal(z.avail_in, 0);
	assert_int_equal(inflateEnd(&z), Z_OK);
	assert_memory_equal(back, text, n);
	free(from);
	free(to);
	return len;
}

static void any_text(void **state)
{
	static const unsigned letters[] = {1, 2, 4, 26, 256};
	srand(1);
	fill(dictionary, sizeof(dictionary), 26);
	struct pack *p = with_dictionary(2000);
	for (unsigned k = 0; k < ARRAY_LEN(letters); k++) {
		for (size_t n = 0; n < 700; n++) {
			fill(text, n, letters[k]);
			(void)goes_round(p, 2000, n);
		}
		fill(text, sizeof(text), letters[k]);
		(void)goes_round(p, 2000, sizeof(text));
	}
	pack_free(p);
}

/* Each length and each distance that there is. */
static void each_match(void **state)
{
	static const size_t sizes[] = {4, 5, 300, 2700, sizeof(dictionary)};
	srand(2);
	fill(dictionary, sizeof(dictionary), 256);
	for (unsigned k = 0; k < ARRAY_LEN(sizes); k++) {
		struct pack *p = with_dictionary(sizes[k]);
		for (size_t len = 4; len <= sizes[k] && len < 600; len++) {
			size_t gap = (size_t)rand() % 20, place = (size_t)rand() % (sizes[k] - len + 1);
			fill(text, gap, 256);
			memcpy(text + gap, dictionary + place, len);
			memcpy(text + gap + len, text, gap); /* and of the text itself */
			size_t n = goes_round(p, sizes[k], 2 * gap + len);
			assert_true(len < 100 || n < 2 * gap + len / 2 + 16);
		}
		pack_free(p);
	}
	struct pack *p = with_dictionary(sizeof(dictionary));
	for (size_t at = 0; at + 8 <= sizeof(text); at += 97) {
		fill(text, sizeof(text), 256);
		memcpy(text + at, dictionary, 8); /* the farthest that there is from there */
		(void)goes_round(p, sizeof(dictionary), sizeof(text));
	}
	pack_free(p);
}

/* Where little is alike fewer places are tried: what begins between two of them is found all the same, whole. */
static void begins_where_nobody_looks(void **state)
{
	srand(4);
	fill(dictionary, sizeof(dictionary), 256);
	struct pack *p = with_dictionary(sizeof(dictionary));
	for (size_t gap = 0; gap < 300; gap++) {
		for (size_t len = 8; len<300; len += len> 250 ? 1 : 61) {
			size_t place = (size_t)rand() % (sizeof(dictionary) - len + 1);
			fill(text, gap, 256);
			memcpy(text + gap, dictionary + place, len);
			memcpy(text + gap + len, text, gap + len); /* and again, of the text */
			size_t n = goes_round(p, sizeof(dictionary), 2 * (gap + len));
			/* 9 bits a byte at most, and a match of two or three pieces twice. */
			assert_true(n <= gap * 9 / 8 + 36);
		}
	}
	pack_free(p);
}

static void says_what_cannot_be(void **state)
{
	size_t len = 4711;
	srand(3);
	fill(dictionary, sizeof(dictionary), 256);
	assert_null(pack_new(span_of(dictionary, 3)));
	assert_null(pack_new(span_of(dictionary, PACK_DICTIONARY_MOST + 1)));
	struct pack *p = with_dictionary(100);
	assert_int_equal(
		pack_deflate(p, span_of(text, PACK_TEXT_MOST + 1), packed, sizeof(packed), &len), ERR_LENGTH);
	assert_int_equal(pack_deflate(p, span_of(text, 80), packed, 97, &len), ERR_SPACE);
	assert_int_equal(len, 4711);
	assert_int_equal(pack_deflate(p, span_of(text, 80), packed, 98, &len), 0);
	pack_free(p);
	pack_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_text),
		cmocka_unit_test(each_match),
		cmocka_unit_test(begins_where_nobody_looks),
		cmocka_unit_test(says_what_cannot_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
