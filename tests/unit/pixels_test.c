/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/blank.h"
#include "pixels/clean.h"
#include "pixels/rle.h"
#include "pixels/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "pixels_files.h"

/* ---- RLE ---- */

static unsigned chance = 1;

static uint8_t random_byte(unsigned spread)
{
	chance = chance * 1103515245u + 12345u;
	return (uint8_t)((chance >> 16) % spread);
}

static void rle_round_trip(void **state)
{
	static const struct rle_shape shapes[] = {{1, 1, 1, 1}, {300 * 5, 300, 1, 1}, {129 * 3, 129, 3, 1},
		{128 * 2, 128, 1, 2}, {77, 7, 3, 2}, {60, 10, 1, 4}};
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct rle_shape *s = &shapes[i];
		size_t n = s->pixels * s->samples * s->bytes;
		uint8_t *samples = malloc(n), *again = malloc(n), *coded = malloc(rle_most(s));
		assert_true(samples && again && coded);
		for (unsigned spread = 1; spread <= 256; spread *= 4) {
			for (size_t k = 0; k < n; k++) {
				samples[k] = random_byte(spread);
			}
			size_t len = rle_encode(s, samples, coded);
			assert_true(len <= rle_most(s) && len % 2 == 0);
			memset(again, 0xA5, n);
			assert_int_equal(rle_decode(s, span_of(coded, len), again), 0);
			assert_memory_equal(samples, again, n);
			/* All but the last segment's padding is needed. */
			for (size_t cut = 0; cut + 2 < len; cut += 1 + len / 50) {
				uint8_t *exact = malloc(cut + 1);
				memcpy(exact, coded, cut);
				assert_true(rle_decode(s, span_of(exact, cut), again) < 0);
				free(exact);
			}
			coded[0]++;
			assert_int_equal(rle_decode(s, span_of(coded, len), again), ERR_VALUE);
			coded[0]--;
			coded[4] = 63;
			assert_int_equal(rle_decode(s, span_of(coded, len), again), ERR_LENGTH);
		}
		free(samples);
		free(again);
		free(coded);
	}
}

/* A segment that goes on, as one with a byte for each bit would: an error where that is asked for. */
static void rle_longer(void **state)
{
	struct rle_shape shape = {.pixels = 60, .columns = 60, .samples = 1, .bytes = 1, .whole = true};
	struct rle_shape more = {.pixels = 62, .columns = 62, .samples = 1, .bytes = 1};
	uint8_t samples[62], again[62], coded[256];
	for (size_t i = 0; i < sizeof(samples); i++) {
		samples[i] = (uint8_t)(i * 7);
	}
	assert_int_equal(rle_decode(&shape, span_of(coded, rle_encode(&shape, samples, coded)), again), 0);
	size_t len = rle_encode(&shape, samples, coded);
	memset(coded + len, 0, 2);
	assert_int_equal(rle_decode(&shape, span_of(coded, len + 2), again), ERR_LENGTH);
	shape.whole = false;
	assert_int_equal(rle_decode(&shape, span_of(coded, len + 2), again), 0);
	shape.whole = true;
	len = rle_encode(&more, samples, coded);
	assert_int_equal(rle_decode(&more, span_of(coded, len), again), 0);
	/* The literal that its last pixel is in goes on: no byte of it is left, and it is none of another frame's. */
	assert_int_equal(rle_decode(&shape, span_of(coded, len), again), ERR_LENGTH);
}

/* ---- Blanking ---- */

static const struct pixels_shape mono = {.rows = 7,
	.columns = 10,
	.samples = 1,
	.allocated = 8,
	.stored = 8,
	.high_bit = 7,
	.frames = 2,
	.photometric = "MONOCHROME2"};

static const struct pixels_regions some[] = {
	{.n_blank = 2, .blank = {{1, 1, 3, 2}, {3, 2, 200, 1}}},
	{.keep_only = true, .n_keep = 2, .keep = {{2, 0, 3, 3}, {4, 2, 4, 4}}},
	{.keep_only = true},
	{.n_blank = 1, .blank = {{4, 3, 1, 1}}, .keep_only = true, .n_keep = 1, .keep = {{0, 0, 9, 6}}},
};

/* However the bytes are cut, what is inside is black, and all else is what it was. */
static void blanked(const struct pixels_shape *s, bool big, bool ow, const uint8_t *black)
{
	static uint8_t bytes[4096];
	struct blanker b;
	const char *why;
	unsigned width = s->allocated / 8;
	size_t n = (size_t)s->rows * s->columns * s->samples * width * s->frames;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		for (size_t step = 1; step <= n; step += step < 9 ? 1 : 61) {
			memset(bytes, 0x55, sizeof(bytes));
			assert_int_equal(blank_begin(&b, s, &some[i], big, ow, &why), 0);
			assert_int_equal(b.frame * s->frames, n);
			for (size_t at = 0; at < n; at += step) {
				(void)blank_apply(&b, at, bytes + at, n - at < step ? n - at : step);
			}
			for (size_t k = 0; k < n; k++) {
				size_t at = k / width, plane = (size_t)s->rows * s->columns;
				unsigned sample =
					(unsigned)(s->planar ? at / plane % s->samples : at % s->samples);
				size_t pixel = (s->planar ? at : at / s->samples) % plane;
				bool in = inside(&some[i], (unsigned)(pixel % s->columns),
					(unsigned)(pixel / s->columns));
				uint8_t is = bytes[big && ow && width == 1 ? k ^ 1 : k];
				assert_int_equal(is, in ? black[sample * width + k % width] : 0x55);
			}
		}
	}
}

static void blank_kinds(void **state)
{
	struct pixels_shape s = mono;
	blanked(&s, false, false, (const uint8_t[]){0});
	blanked(&s, true, true, (const uint8_t[]){0});
	memcpy(s.photometric, "MONOCHROME1", 12);
	blanked(&s, false, true, (const uint8_t[]){255});
	s.allocated = 16;
	s.stored = 12;
	s.high_bit = 11;
	blanked(&s, false, true, (const uint8_t[]){0xFF, 0x0F});
	blanked(&s, true, true, (const uint8_t[]){0x0F, 0xFF});
	memcpy(s.photometric, "MONOCHROME2", 12);
	s.is_signed = 1;
	blanked(&s, false, true, (const uint8_t[]){0x00, 0xF8});
	s = mono;
	s.samples = 3;
	memcpy(s.photometric, "YBR_FULL", 9);
	blanked(&s, false, false, (const uint8_t[]){0, 128, 128});
	s.planar = 1;
	blanked(&s, false, false, (const uint8_t[]){0, 128, 128});
}

static void blank_shared_colour(void **state)
{
	struct pixels_shape s = mono;
	struct pixels_regions one = {.n_blank = 1, .blank = {{3, 0, 2, 1}}};
	struct blanker b;
	const char *why;
	uint8_t bytes[140];
	s.samples = 3;
	s.frames = 1;
	memcpy(s.photometric, "YBR_FULL_422", 13);
	assert_int_equal(blank_begin(&b, &s, &one, false, false, &why), 0);
	assert_int_equal(b.frame, sizeof(bytes));
	memset(bytes, 0x55, sizeof(bytes));
	assert_true(blank_apply(&b, 0, bytes, sizeof(bytes)));
	/* Both cells that columns 3 and 4 are in. */
	static const uint8_t want[16] = {
		0x55, 0x55, 0x55, 0x55, 0, 0, 128, 128, 0, 0, 128, 128, 0x55, 0x55, 0x55, 0x55};
	assert_memory_equal(bytes, want, sizeof(want));
	assert_false(blank_apply(&b, 0, bytes, sizeof(bytes)));
}

static void blank_refused(void **state)
{
	struct pixels_shape s = mono;
	struct blanker b;
	const char *why = NULL;
	s.allocated = 12;
	assert_int_equal(blank_begin(&b, &s, &some[0], false, false, &why), ERR_UNSUPPORTED);
	assert_non_null(strstr(why, "neither 1, 8"));
	s = mono;
	s.rows = 0;
	assert_int_equal(blank_begin(&b, &s, &some[0], false, false, &why), ERR_VALUE);
	s = mono;
	s.high_bit = 6;
	assert_int_equal(blank_begin(&b, &s, &some[0], false, false, &why), ERR_UNSUPPORTED);
	s = mono;
	memcpy(s.photometric, "HSV", 4);
	assert_int_equal(blank_begin(&b, &s, &some[0], false, false, &why), ERR_UNSUPPORTED);
}

/* Spaces beside `|`, and SOP classes by their names: such a rule would never hold. */

/* ---- Files ---- */

/* Both frames of an RLE image: what the second cleaning finds is black already, and stays byte for byte. */
static void clean_rle(void **state)
{
	static const struct pixels_regions r = {.n_blank = 1, .blank = {{10, 5, 30, 20}}};
	struct memory from = opened("SC_rgb_rle_2frame.dcm"), to = {malloc(1u << 20), 0, 1u << 20},
		      again = {malloc(1u << 20), 0, 1u << 20};
	struct survey a, b, c;
	const char *why = "";
	assert_int_equal(cleaned(&from, &r, &to, &a, &why), 0);
	assert_int_equal(cleaned(&to, &r, &again, &b, &why), 0);
	assert_string_equal(b.text[PIXELS_BURNED_IN], "NO");
	assert_int_equal(b.n_fragments, 2);
	assert_int_equal(to.len, again.len);
	assert_memory_equal(to.bytes, again.bytes, to.len);
	const struct rle_shape shape = {
		(size_t)b.shape.rows * b.shape.columns, b.shape.columns, b.shape.samples, 1};
	uint8_t *was = malloc(shape.pixels * 3), *is = malloc(shape.pixels * 3);
	for (size_t f = 0; f < 2; f++) {
		assert_int_equal(
			rle_decode(
				&shape, span_of(from.bytes + a.fragments[f].offset, a.fragments[f].len), was),
			0);
		assert_int_equal(
			rle_decode(&shape, span_of(to.bytes + b.fragments[f].offset, b.fragments[f].len), is),
			0);
		for (size_t i = 0; i < shape.pixels * 3; i++) {
			bool in = inside(
				&r, (unsigned)(i / 3 % shape.columns), (unsigned)(i / 3 / shape.columns));
			assert_int_equal(is[i], in ? 0 : was[i]);
		}
		/* The offset table is of these fragments (PS3.5 A.4). */
		const uint8_t *table = to.bytes + b.places[PLACE_PIXELS].from + 12 + 8;
		uint32_t at = (uint32_t)table[4 * f] | (uint32_t)table[4 * f + 1] << 8 |
		              (uint32_t)table[4 * f + 2] << 16;
		assert_int_equal(at, b.fragments[f].offset - b.fragments[0].offset);
	}
	survey_done(&a);
	survey_done(&b);
	assert_int_equal(survey_read(&c, &(const struct pixels_input){&again, read_at}), 0);
	survey_done(&c);
	free(was);
	free(is);
	free(from.bytes);
	free(to.bytes);
	free(again.bytes);
}

/* Without encoding: by pixel, in Explicit VR Little Endian, and no table is left of what were fragments. */
static void clean_native(void **state)
{
	static const struct pixels_regions r = {.n_blank = 1, .blank = {{10, 5, 30, 20}}};
	struct memory from = opened("SC_rgb_rle_2frame.dcm"), to = {malloc(1u << 20), 0, 1u << 20};
	struct survey a, b;
	const char *why = "";
	assert_int_equal(cleaned_as(true, &from, &r, &to, &a, &why), 0);
	assert_int_equal(survey_read(&b, &(const struct pixels_input){&to, read_at}), 0);
	assert_string_equal(b.syntax, "1.2.840.10008.1.2.1");
	assert_string_equal(b.vr, "OB");
	assert_string_equal(b.shape.photometric, "RGB");
	assert_int_equal(b.shape.planar, 0);
	assert_false(b.encapsulated);
	const struct rle_shape shape = {
		(size_t)b.shape.rows * b.shape.columns, b.shape.columns, b.shape.samples, 1};
	size_t n = shape.pixels * 3;
	uint8_t *was = malloc(n);
	assert_int_equal(b.length, 2 * n + 2 * n % 2);
	for (size_t f = 0; f < 2; f++) {
		const uint8_t *is = to.bytes + b.value + f * n;
		struct span frame = span_of(from.bytes + a.fragments[f].offset, a.fragments[f].len);
		assert_int_equal(rle_decode(&shape, frame, was), 0);
		for (size_t i = 0; i < n; i++) {
			bool in = inside(
				&r, (unsigned)(i / 3 % shape.columns), (unsigned)(i / 3 / shape.columns));
			assert_int_equal(is[i], in ? 0 : was[i]);
		}
	}
	survey_done(&a);
	survey_done(&b);
	free(was);
	free(from.bytes);
	free(to.bytes);
}

/* Extended offset tables (PS3.3 C.7.6.3.1.8) that were nonsense are true of what is written, and the basic one is empty. */
static void clean_extended(void **state)
{
	static const struct pixels_regions r = {.n_blank = 1, .blank = {{10, 5, 30, 20}}};
	static const uint8_t heads[2][12] = {
		{0xE0, 0x7F, 1, 0, 'O', 'V', 0, 0, 16}, {0xE0, 0x7F, 2, 0, 'O', 'V', 0, 0, 16}};
	struct memory from = opened("SC_rgb_rle_2frame.dcm"), to = {malloc(1u << 20), 0, 1u << 20};
	struct survey a, b;
	const char *why = "";
	assert_int_equal(survey_read(&a, &(const struct pixels_input){&from, read_at}), 0);
	uint8_t *at = from.bytes + a.places[PLACE_PIXELS].from;
	memmove(at + 56, at, from.len - a.places[PLACE_PIXELS].from);
	memset(at, 0x77, 56);
	memcpy(at, heads[0], 12);
	memcpy(at + 28, heads[1], 12);
	from.len += 56;
	survey_done(&a);
	assert_int_equal(cleaned(&from, &r, &to, &a, &why), 0);
	assert_int_equal(survey_read(&b, &(const struct pixels_input){&to, read_at}), 0);
	assert_false(b.has_table);
	for (size_t f = 0; f < 2; f++) {
		uint64_t offset, length;
		memcpy(&offset, to.bytes + b.places[PLACE_OFFSETS].from + 12 + 8 * f, 8);
		memcpy(&length, to.bytes + b.places[PLACE_LENGTHS].from + 12 + 8 * f, 8);
		assert_int_equal(offset, b.fragments[f].offset - b.fragments[0].offset);
		assert_int_equal(length, b.fragments[f].len);
	}
	survey_done(&a);
	survey_done(&b);
	free(from.bytes);
	free(to.bytes);
}

/* No cut file is cleaned to one that looks whole, and none is read beyond its end. */
static void clean_cut(void **state)
{
	static const struct pixels_regions r = {.n_blank = 1, .blank = {{0, 0, 30, 20}}};
	struct memory from = opened("SC_rgb_rle_2frame.dcm");
	for (size_t len = 0; len < from.len; len += 7) {
		struct memory cut = {malloc(len + 1), len, len}, to = {malloc(1u << 20), 0, 1u << 20};
		struct survey s;
		const char *why = "";
		memcpy(cut.bytes, from.bytes, len);
		assert_true(cleaned(&cut, &r, &to, &s, &why) < 0);
		survey_done(&s);
		free(cut.bytes);
		free(to.bytes);
	}
	free(from.bytes);
}

static void clean_refused(void **state)
{
	static const struct pixels_regions r = {.n_blank = 1, .blank = {{0, 0, 30, 20}}};
	static const struct {
		const char *file, *word;
	} files[] = {{"HTJ2K_08_RGB.dcm", "module"}, {"JPEG2000.dcm", "module"}, {"rtplan.dcm", "no pixels"}};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct memory from = opened(files[i].file), to = {malloc(1u << 20), 0, 1u << 20};
		struct survey s;
		const char *why = "";
		assert_true(cleaned(&from, &r, &to, &s, &why) < 0);
		if (!strstr(why, files[i].word)) {
			fail_msg("%s: %s", files[i].file, why);
		}
		survey_done(&s);
		free(from.bytes);
		free(to.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rle_round_trip),
		cmocka_unit_test(rle_longer),
		cmocka_unit_test(blank_kinds),
		cmocka_unit_test(blank_shared_colour),
		cmocka_unit_test(blank_refused),
		cmocka_unit_test(clean_rle),
		cmocka_unit_test(clean_native),
		cmocka_unit_test(clean_extended),
		cmocka_unit_test(clean_cut),
		cmocka_unit_test(clean_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
