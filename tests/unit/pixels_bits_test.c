/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/blank.h"
#include "pixels/clean.h"
#include "pixels/colour.h"
#include "pixels/deflated.h"
#include "pixels/trim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "pixels_files.h"

/* Pixels of one bit each. */

static bool bit(const uint8_t *bytes, size_t i, bool swapped)
{
	size_t at = i / 8;
	return bytes[swapped ? at ^ 1 : at] >> i % 8 & 1;
}

static const struct pixels_regions some[] = {
	{.n_blank = 2, .blank = {{1, 1, 3, 2}, {3, 2, 200, 1}}},
	{.n_blank = 1, .blank = {{7, 0, 11, 5}}},
	{.keep_only = true, .n_keep = 2, .keep = {{2, 0, 3, 3}, {4, 2, 4, 4}}},
	{.keep_only = true},
};

static struct pixels_shape shape_of(uint32_t rows, uint32_t columns, uint32_t frames)
{
	return (struct pixels_shape){.rows = rows,
		.columns = columns,
		.samples = 1,
		.allocated = 1,
		.stored = 1,
		.frames = frames,
		.photometric = "MONOCHROME2"};
}

/* ---- Bytes ---- */

/* However they are cut: inside black, outside what they were, and nothing behind the last frame but zeros. */
static void blanked(const struct pixels_shape *s, const struct pixels_regions *r, bool big, bool ow,
	bool black, size_t step)
{
	uint8_t was[512], is[512];
	struct blanker b;
	struct trimmer t;
	const char *why = "";
	size_t bits = (size_t)s->rows * s->columns * s->frames, n = (bits + 7) / 8 + 3;
	n += n % 2;
	assert_true(n <= sizeof(is));
	for (size_t i = 0; i < n; i++) {
		was[i] = is[i] = (uint8_t)(i * 167 + i / 7 * 31 + 1);
	}
	assert_int_equal(blank_begin(&b, s, r, big, ow, &why), 0);
	assert_int_equal(blank_length(&b, s->frames), (bits + 7) / 8);
	assert_true(trim_begin(&t, s, big, ow, n));
	assert_int_equal(t.end, blank_length(&b, s->frames));
	for (size_t at = 0; at < n; at += step) {
		(void)blank_apply(&b, at, is + at, n - at < step ? n - at : step);
	}
	for (size_t at = 0; at < n; at += 4) {
		(void)trim_apply(&t, at, is + at, n - at < 4 ? n - at : 4);
	}
	for (size_t i = 0; i < 8 * n; i++) {
		size_t pixel = i % ((size_t)s->rows * s->columns);
		bool in = inside(r, (uint32_t)(pixel % s->columns), (uint32_t)(pixel / s->columns));
		bool want = i >= bits ? false : in ? black : bit(was, i, big && ow);
		assert_int_equal(bit(is, i, big && ow), want);
	}
	for (size_t at = 0; at < n; at += 4) {
		assert_false(blank_apply(&b, at, is + at, n - at < 4 ? n - at : 4));
		assert_false(trim_apply(&t, at, is + at, n - at < 4 ? n - at : 4));
	}
}

static void bits_blanked(void **state)
{
	static const uint32_t sizes[][3] = {{7, 5, 3}, {1, 1, 9}, {3, 17, 2}, {8, 8, 3}, {5, 40, 4}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(some) * 8; i++) {
		const uint32_t *size = sizes[i / 8 % ARRAY_LEN(sizes)];
		struct pixels_shape s = shape_of(size[0], size[1], size[2]);
		const struct pixels_regions *r = &some[i / 8 / ARRAY_LEN(sizes)];
		bool brightest = i & 4;
		if (brightest) {
			memcpy(s.photometric, "MONOCHROME1", 12);
		}
		for (size_t step = 1; step < 300; step += step < 9 ? 1 : 61) {
			blanked(&s, r, i & 1, i & 2, brightest, step);
		}
	}
}

static void bits_kinds(void **state)
{
	struct pixels_shape s = shape_of(7, 5, 3);
	struct blanker b;
	const char *why = "";
	(void)state;
	s.is_signed = 1; /* -1 and 0 */
	blanked(&s, &some[0], false, false, true, 64);
	s.is_signed = 0;
	memcpy(s.photometric, "PALETTE COLOR", 14);
	blanked(&s, &some[0], false, false, false, 64);
	s.samples = 3;
	memcpy(s.photometric, "RGB", 4);
	assert_int_equal(blank_begin(&b, &s, &some[0], false, false, &why), ERR_UNSUPPORTED);
	s = shape_of(7, 5, 3);
	s.stored = 2;
	assert_int_equal(blank_begin(&b, &s, &some[0], false, false, &why), ERR_VALUE);
}

/* ---- Files ---- */

#define FRAMES 3u

/* liver_deflate.dcm, with frames of another size, of which each but the last leaves bits of its last byte, which are not 0. */
static struct memory made(uint16_t rows, uint16_t columns, uint8_t *ret_frames)
{
	static const uint8_t heads[2][8] = {
		{0x28, 0, 0x10, 0, 'U', 'S', 2, 0}, {0x28, 0, 0x11, 0, 'U', 'S', 2, 0}};
	struct memory m = opened("liver_deflate.dcm");
	size_t n = ((size_t)rows * columns + 7) / 8, len = 0;
	uint8_t coded[1024];
	struct survey s;
	assert_int_equal(survey_read(&s, &(const struct pixels_input){&m, read_at}), 0);
	assert_int_equal(s.shape.frames, FRAMES);
	m.len = s.places[PLACE_PIXELS].from + 12;
	survey_done(&s);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *at = memmem(m.bytes, m.len, heads[i], 8);
		assert_non_null(at);
		memcpy(at + 8, i == 0 ? &rows : &columns, 2);
	}
	put_fragment(&m, 0xE000FFFE, span_of("", 0));
	for (size_t f = 0; f < FRAMES; f++) {
		for (size_t i = 0; i < n; i++) {
			ret_frames[f * n + i] = (uint8_t)(f * 41 + i * 167 + i / 7 * 31 + 1);
		}
		ret_frames[f * n + n - 1] = 0xFF;
		assert_int_equal(deflated_encode(span_of(ret_frames + f * n, n), coded, &len), 0);
		put_fragment(&m, 0xE000FFFE, span_of(coded, len));
	}
	put_fragment(&m, 0xE0DDFFFE, span_of("", 0));
	return m;
}

/* Deflated, each frame begins with a byte; native, it begins with the next bit. */
static void is_clean(
	const struct survey *s, const struct pixels_regions *r, const uint8_t *was, const uint8_t *is)
{
	size_t pixels = (size_t)s->shape.rows * s->shape.columns, n = (pixels + 7) / 8;
	for (size_t i = 0; i < FRAMES * pixels; i++) {
		size_t f = i / pixels, p = i % pixels;
		bool in = inside(r, (uint32_t)(p % s->shape.columns), (uint32_t)(p / s->shape.columns));
		assert_int_equal(bit(is, i, false), in ? false : bit(was + f * n, p, false));
	}
}

static void clean_to_native(struct memory *from, const struct pixels_regions *r, const uint8_t *was)
{
	struct memory to = {malloc(1u << 20), 0, 1u << 20}, again = {malloc(1u << 20), 0, 1u << 20};
	struct survey a, b;
	const char *why = "";
	assert_int_equal(cleaned_as(true, from, r, &to, &a, &why), 0);
	survey_done(&a);
	assert_int_equal(survey_read(&b, &(const struct pixels_input){&to, read_at}), 0);
	size_t bits = (size_t)b.shape.rows * b.shape.columns * FRAMES;
	assert_int_equal(b.length, (bits + 15) / 16 * 2);
	is_clean(&b, r, was, to.bytes + b.value);
	for (size_t i = bits; i < (size_t)b.length * 8; i++) {
		assert_false(bit(to.bytes + b.value, i, false));
	}
	survey_done(&b);
	/* And native pixel data has nothing more to be made black, nor anything beside its pixels. */
	bool any = true;
	assert_int_equal(cleaned(&to, r, &again, &b, &why), 0);
	assert_int_equal(again.len, to.len);
	assert_memory_equal(again.bytes, to.bytes, to.len);
	assert_int_equal(pixels_beside(&b, &(const struct pixels_input){&to, read_at}, NULL, &any), 0);
	assert_false(any);
	/* What native pixel data was is cleaned as well. */
	for (size_t i = 0; i < b.length; i++) {
		to.bytes[b.value + i] = 0xFF;
	}
	again.len = 0;
	survey_done(&b);
	assert_int_equal(cleaned(&to, r, &again, &b, &why), 0);
	static uint8_t ones[FRAMES * 1024];
	memset(ones, 0xFF, sizeof(ones));
	is_clean(&b, r, ones, again.bytes + b.value);
	survey_done(&b);
	free(to.bytes);
	free(again.bytes);
}

static void bits_files(void **state)
{
	static const uint16_t sizes[][2] = {{7, 5}, {3, 17}, {8, 8}, {13, 37}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(some); i++) {
		const uint16_t *size = sizes[i / ARRAY_LEN(some)];
		const struct pixels_regions *r = &some[i % ARRAY_LEN(some)];
		size_t pixels = (size_t)size[0] * size[1], n = (pixels + 7) / 8;
		uint8_t was[FRAMES * 64], is[FRAMES * 64], packed[FRAMES * 64] = {0};
		struct memory from = made(size[0], size[1], was), to = {malloc(1u << 20), 0, 1u << 20};
		struct survey a, b;
		const char *why = "";
		assert_int_equal(cleaned(&from, r, &to, &a, &why), 0);
		survey_done(&a);
		assert_int_equal(survey_read(&b, &(const struct pixels_input){&to, read_at}), 0);
		for (size_t f = 0; f < FRAMES; f++) {
			struct span one = span_of(to.bytes + b.fragments[f].offset, b.fragments[f].len);
			assert_int_equal(deflated_decode(one, is + f * n, n), 0);
			for (size_t p = 0; p < 8 * n; p++) {
				bool on = bit(is + f * n, p, false);
				assert_true(p < pixels || !on);
				size_t at = f * pixels + p;
				packed[at / 8] |= (uint8_t)((on && p < pixels) << at % 8);
			}
		}
		is_clean(&b, r, was, packed);
		survey_done(&b);
		clean_to_native(&from, r, was);
		free(from.bytes);
		free(to.bytes);
	}
}

/* No codec has one bit a sample but what is deflated. */
static void bits_refused(void **state)
{
	static const uint8_t allocated[] = {0x28, 0, 0, 1, 'U', 'S', 2, 0};
	struct memory from = opened("SC_rgb_rle_2frame.dcm"), to = {malloc(1u << 20), 0, 1u << 20};
	struct survey s;
	const char *why = "";
	(void)state;
	uint8_t *at = memmem(from.bytes, from.len, allocated, sizeof(allocated));
	assert_non_null(at);
	at[8] = 1;
	assert_int_equal(cleaned(&from, &some[0], &to, &s, &why), ERR_UNSUPPORTED);
	assert_non_null(strstr(why, "encoded in a way"));
	survey_done(&s);
	free(from.bytes);
	free(to.bytes);
}

/* Within one of what PS3.3 C.7.6.3.1.2 says of every colour, and grey is grey. */
static void colours(void **state)
{
	(void)state;
	for (int r = 0; r < 256; r += 5) {
		for (int g = 0; g < 256; g += 5) {
			for (int b = 0; b < 256; b += 5) {
				double y = 0.2990 * r + 0.5870 * g + 0.1140 * b;
				double cb = -0.1687 * r - 0.3313 * g + 0.5 * b + 128;
				double cr = 0.5 * r - 0.4187 * g - 0.0813 * b + 128;
				uint8_t p[3] = {(uint8_t)(y + 0.5), (uint8_t)(cb > 255 ? 255 : cb + 0.5),
					(uint8_t)(cr > 255 ? 255 : cr + 0.5)};
				colour_to_rgb(p, 1);
				assert_in_range(p[0] - r + 2, 0, 4);
				assert_in_range(p[1] - g + 2, 0, 4);
				assert_in_range(p[2] - b + 2, 0, 4);
			}
		}
	}
	for (unsigned v = 0; v < 256; v++) {
		uint8_t p[6] = {(uint8_t)v, 128, 128, 0, 0, 0};
		colour_to_rgb(p, 2);
		assert_true(p[0] == v && p[1] == v && p[2] == v);
		assert_true(p[3] == 0 && p[4] == 135 && p[5] == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_blanked),
		cmocka_unit_test(bits_kinds),
		cmocka_unit_test(bits_files),
		cmocka_unit_test(bits_refused),
		cmocka_unit_test(colours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
