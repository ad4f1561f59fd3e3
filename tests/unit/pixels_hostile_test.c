/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean.h"
#include "pixels/coded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants those before it */
#include <cmocka.h>
#include <zlib.h>

#include "pixels_files.h"

/* Objects that say of their pixels what is not so, or two things, or too much. */

static void coded_heads(void **state)
{
	static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF, 0xFE, 0, 4, 'x', 'y', 0xFF, 0xFF, 0xC3, 0, 11, 16, 2,
		0, 1, 4, 1, 1, 0x11, 0},
			     ls[] = {0xFF, 0xD8, 0xFF, 0xF7, 0, 11, 12, 0, 9, 0, 7, 1, 1, 0x11, 0},
			     j2k[] = {0xFF, 0x4F, 0xFF, 0x51, 0, 47, 0, 0, 0, 0, 0, 20, 0, 0, 0, 10, 0, 0, 0,
				     1, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 7,
				     1, 1, 0x8F, 1, 1, 7, 1, 1};
	static const struct {
		enum codec_kind kind;
		struct span bytes;
		size_t needed;
		struct coded_shape shape;
	} good[] = {
		{CODEC_JPEG_LOSSLESS, {jpeg, sizeof(jpeg)}, 19, {512, 260, 1, 16}},
		{CODEC_JPEG_LS, {ls, sizeof(ls)}, 12, {9, 7, 1, 12}},
		{CODEC_JPEG_2000, {j2k, sizeof(j2k)}, sizeof(j2k), {8, 19, 3, 16}},
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct coded_shape s;
		assert_int_equal(coded_read(good[i].kind, good[i].bytes, &s), 0);
		assert_memory_equal(&s, &good[i].shape, sizeof(s));
		for (size_t n = 0; n < good[i].needed; n++) {
			uint8_t *exact = malloc(n + 1);
			memcpy(exact, good[i].bytes.ptr, n);
			assert_int_equal(coded_read(good[i].kind, span_of(exact, n), &s), ERR_TRUNCATED);
			free(exact);
		}
		for (size_t k = 0; k < ARRAY_LEN(good); k++) {
			assert_true((coded_read(good[k].kind, good[i].bytes, &s) == 0) == (k == i));
		}
	}
}

/* So many zeros of so few bytes, each MiB of them the same. */
static void inflates_to_too_much(void **state)
{
	static uint8_t zeros[1u << 20], bytes[2u << 20], one[8192];
	static const uint8_t head[] = {9, 0, 0, 0x10, 'O', 'B', 0, 0, 0, 0, 0, 0x50};
	struct memory from = opened("image_dfl.dcm"), bomb = {bytes, 0, sizeof(bytes)};
	struct survey s;
	z_stream z = {0};
	assert_int_equal(survey_read(&s, &(const struct pixels_input){&from, read_at}), 0);
	survey_done(&s);
	assert_int_equal(write_end(&bomb, span_of(from.bytes, (size_t)s.data)), 0);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	const struct span parts[] = {{head, sizeof(head)}, {zeros, sizeof(zeros)}};
	for (unsigned i = 0; i < 2; i++) {
		z.next_in = (uint8_t *)(uintptr_t)parts[i].ptr;
		z.avail_in = (unsigned)parts[i].len;
		z.next_out = one;
		z.avail_out = sizeof(one);
		assert_int_equal(deflate(&z, Z_FULL_FLUSH), Z_OK);
		for (unsigned k = 0; k < (i == 0 ? 1u : 1100u); k++) {
			assert_int_equal(write_end(&bomb, span_of(one, sizeof(one) - z.avail_out)), 0);
		}
	}
	(void)deflateEnd(&z);
	assert_int_equal(survey_read(&s, &(const struct pixels_input){&bomb, read_at}), ERR_LIMIT);
	survey_done(&s);
	free(from.bytes);
}

/* Readers of two would take which they like: what was black for one were not for the other. */
static void asked_twice(void **state)
{
	static const struct {
		uint8_t bytes[12];
		int wants;
	} more[] = {
		{{0x28, 0, 0x10, 0, 'U', 'S', 2, 0, 1, 0}, ERR_DUPLICATE},
		{{0x28, 0, 0x08, 0, 'I', 'S', 2, 0, '1', ' '}, ERR_DUPLICATE},
		{{0x08, 0, 0x60, 0, 'C', 'S', 2, 0, 'M', 'R'}, ERR_DUPLICATE},
		{{0x28, 0, 0x04, 0, 'C', 'S', 2, 0, 'X', ' '}, ERR_DUPLICATE},
		{{0x28, 0, 0x50, 0x10, 'D', 'S', 2, 0, '1', ' '}, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		struct memory from = opened("SC_rgb_rle_2frame.dcm");
		const struct pixels_input in = {&from, read_at};
		struct survey s;
		assert_int_equal(survey_read(&s, &in), 0);
		size_t at = (size_t)s.places[PLACE_PIXELS].from;
		survey_done(&s);
		memmove(from.bytes + at + 10, from.bytes + at, from.len - at);
		memcpy(from.bytes + at, more[i].bytes, 10);
		from.len += 10;
		assert_int_equal(survey_read(&s, &in), more[i].wants);
		survey_done(&s);
		free(from.bytes);
	}
}

/* Bytes that a reader would decode are no pixels, however many they are. */
static void neither_native_nor_encapsulated(void **state)
{
	static const struct pixels_regions r = {.n_blank = 1, .blank = {{10, 5, 30, 20}}};
	static const char native[] = "1.2.840.10008.1.2.1";
	struct memory from = opened("CT_small.dcm"), to = {malloc(1u << 20), 0, 1u << 20};
	struct survey s;
	const char *why = "";
	assert_int_equal(cleaned(&from, &r, &to, &s, &why), 0);
	survey_done(&s);
	uint8_t *at = memmem(from.bytes, 400, native, sizeof(native));
	assert_non_null(at);
	at[18] = '5';
	to.len = 0;
	assert_int_equal(cleaned(&from, &r, &to, &s, &why), ERR_UNSUPPORTED);
	assert_non_null(strstr(why, "encapsulated"));
	survey_done(&s);
	free(from.bytes);
	free(to.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(coded_heads),
		cmocka_unit_test(inflates_to_too_much),
		cmocka_unit_test(asked_twice),
		cmocka_unit_test(neither_native_nor_encapsulated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
