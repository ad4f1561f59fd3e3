/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/cleaner_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include <string.h>

/* JPEG XL and JPEG 2000 in the module of codecs, by libraries of their own. */

static const struct codec *opened(void)
{
	const struct codec *codec = NULL;
	char why[256] = "";
	assert_int_equal(cleaner_codec(PIXELS_MODULE, &codec, why, sizeof(why)), 0);
	return codec;
}

static struct codec_frame frame_of(uint32_t samples, uint32_t stored)
{
	struct codec_frame f = {.rows = 63,
		.columns = 1041, /* of 16 bits, all values */
		.samples = samples,
		.allocated = stored > 16  ? 24
	                     : stored > 8 ? 16
	                                  : 8,
		.stored = stored};
	memcpy(f.photometric, samples == 3 ? "RGB" : "MONOCHROME2", samples == 3 ? 4 : 12);
	return f;
}

static size_t fill(const struct codec_frame *f, uint8_t *samples)
{
	size_t n = (size_t)f->rows * f->columns * f->samples, bytes = f->allocated / 8;
	for (size_t i = 0; i < n; i++) {
		uint32_t v = (uint32_t)(i * (f->samples == 3 ? 2654435761u : 1)) & ((1u << f->stored) - 1);
		for (size_t k = 0; k < bytes; k++) {
			samples[i * bytes + k] = (uint8_t)(v >> 8 * k);
		}
	}
	return n * bytes;
}

static uint8_t was[63 * 1041 * 9], is[63 * 1041 * 9];

/* Each value of each number of bits is what it was, though libjxl has them as parts of a whole. */
static void jxl_round_trip(void **state)
{
	const struct codec *codec = opened();
	(void)state;
	for (uint32_t stored = 1; stored <= 24; stored++) {
		for (uint32_t samples = 1; samples <= 3; samples += 2) {
			struct codec_frame f = frame_of(samples, stored);
			size_t len = fill(&f, was), n = 0;
			const uint8_t *coded = NULL;
			assert_int_equal(codec->encode(CODEC_JPEG_XL, &f, was, len, &coded, &n), 0);
			memset(is, 0xA5, len);
			assert_int_equal(codec->decode(CODEC_JPEG_XL, &f, coded, n, is, len), 0);
			assert_memory_equal(was, is, len);
		}
	}
}

/* -32 to 31, of 16 bits, in 8 rows. */
static const uint8_t negatives[] = {0x00, 0x00, 0x00, 0x0C, 0x4A, 0x58, 0x4C, 0x20, 0x0D, 0x0A, 0x87, 0x0A,
	0x00, 0x00, 0x00, 0x14, 0x66, 0x74, 0x79, 0x70, 0x6A, 0x78, 0x6C, 0x20, 0x00, 0x00, 0x00, 0x00, 0x6A,
	0x78, 0x6C, 0x20, 0x00, 0x00, 0x00, 0x09, 0x6A, 0x78, 0x6C, 0x6C, 0x0A, 0x00, 0x00, 0x00, 0x35, 0x6A,
	0x78, 0x6C, 0x63, 0xFF, 0x0A, 0x41, 0xF0, 0x03, 0x14, 0x37, 0x02, 0x08, 0x02, 0x01, 0x00, 0x7C, 0x00,
	0x4B, 0x12, 0xC5, 0x82, 0x85, 0x24, 0xD2, 0x61, 0x75, 0xE1, 0x88, 0xF3, 0x80, 0x05, 0xA5, 0xF3, 0x7F,
	0xC0, 0xC7, 0xE7, 0x60, 0x5D, 0xD2, 0x1C, 0x58, 0x42, 0x73, 0x60, 0x09, 0xCD, 0x01};

/* Signed: each value too, with the sign in the bits above, after frames of bits and after frames of numbers. */
static void jxl_signed(void **state)
{
	const struct codec *codec = opened();
	(void)state;
	for (uint32_t i = 0; i < 2 * 24; i++) {
		struct codec_frame f = frame_of(1, i / 2 + 1);
		size_t bytes = f.allocated / 8, n = 0;
		f.is_signed = 1;
		size_t len = fill(&f, was);
		const uint8_t *coded = NULL;
		for (size_t at = 0; at < len; at += bytes) {
			uint32_t v = 0;
			memcpy(&v, was + at, bytes);
			v |= v >> (f.stored - 1) ? UINT32_MAX << (f.stored - 1) : 0;
			memcpy(was + at, &v, bytes);
		}
		/* A stream of numbers below zero, made by libjxl of floats: the next ones are made so too. */
		if (i % 2) {
			struct codec_frame below = {.rows = 8,
				.columns = 8,
				.samples = 1,
				.allocated = 16,
				.stored = 16,
				.is_signed = 1,
				.photometric = "MONOCHROME2"};
			uint8_t few[128];
			assert_int_equal(codec->decode(CODEC_JPEG_XL, &below, negatives, sizeof(negatives),
						 few, sizeof(few)),
				0);
			for (int k = 0; k < 64; k++) {
				assert_int_equal((int16_t)(few[2 * k] | few[2 * k + 1] << 8), k - 32);
			}
		}
		assert_int_equal(codec->encode(CODEC_JPEG_XL, &f, was, len, &coded, &n), 0);
		memset(is, 0xA5, len);
		assert_int_equal(codec->decode(CODEC_JPEG_XL, &f, coded, n, is, len), 0);
		assert_memory_equal(was, is, len);
	}
}

/* Another picture than the object says is not decoded, nor a part of one. */
static void jxl_refused(void **state)
{
	const struct codec *codec = opened();
	struct codec_frame good = frame_of(1, 12);
	size_t len = fill(&good, was), n = 0;
	const uint8_t *coded = NULL;
	(void)state;
	assert_int_equal(codec->encode(CODEC_JPEG_XL, &good, was, len, &coded, &n), 0);
	uint8_t *exact = malloc(n);
	assert_non_null(exact);
	memcpy(exact, coded, n);
	struct codec_frame bad[7];
	for (size_t i = 0; i < 7; i++) {
		bad[i] = good;
	}
	bad[0].rows--;
	bad[1].columns--;
	bad[2].samples = 3;
	bad[3].allocated = bad[3].stored = 8;
	bad[4].is_signed = 1;
	bad[4].samples = 3;
	bad[5].stored = 17;
	bad[6].allocated = 32;
	for (size_t i = 0; i < 7; i++) {
		struct codec_frame *b = &bad[i];
		size_t size = (size_t)b->rows * b->columns * b->samples * (b->allocated / 8);
		assert_int_equal(codec->decode(CODEC_JPEG_XL, b, exact, n, is, size), -1);
	}
	assert_int_equal(codec->encode(CODEC_JPEG_XL, &bad[4], was, len, &coded, &n), -1);
	assert_int_equal(codec->decode(CODEC_JPEG_XL, &good, exact, n, is, len - 2), -1);
	assert_int_equal(codec->decode(CODEC_JPEG_XL, &good, exact, 0, is, len), -1);
	for (size_t cut = 1; cut < n; cut += 1 + n / 60) {
		uint8_t *some = malloc(cut);
		assert_non_null(some);
		memcpy(some, exact, cut);
		assert_int_equal(codec->decode(CODEC_JPEG_XL, &good, some, cut, is, len), -1);
		free(some);
	}
	/* A byte of padding (PS3.5 A.4) is no matter. */
	uint8_t *padded = calloc(1, n + 1);
	assert_non_null(padded);
	memcpy(padded, exact, n);
	assert_int_equal(codec->decode(CODEC_JPEG_XL, &good, padded, n + 1, is, len), 0);
	assert_memory_equal(was, is, len);
	free(padded);
	free(exact);
}

/* JPEG 2000 of one bit, and of more than 16, in colour too: each value is what it was, with its sign, and its head says the bits that are stored. */
static void j2k_round_trip(void **state)
{
	const struct codec *codec = opened();
	(void)state;
	for (uint32_t i = 0; i < 2 * 10 + 3; i++) {
		static const uint32_t of_colour[] = {17, 21, 24};
		bool colour = i >= 2 * 10;
		struct codec_frame f =
			colour ? frame_of(3, of_colour[i - 20]) : frame_of(1, i / 2 == 0 ? 1 : i / 2 + 16);
		f.allocated = f.stored > 24 ? 32 : f.allocated;
		f.is_signed = !colour && i % 2;
		size_t bytes = f.allocated / 8, line = (size_t)f.columns * f.samples * bytes;
		size_t len = f.rows * line, n = 0;
		const uint8_t *coded = NULL;
		for (size_t at = 0; at < len / bytes; at++) {
			uint32_t v = (uint32_t)(at * 2654435761u) & ((1u << f.stored) - 1);
			v |= f.is_signed && v >> (f.stored - 1) ? UINT32_MAX << (f.stored - 1) : 0;
			memcpy(was + at * bytes, &v, bytes);
		}
		assert_int_equal(codec->encode(CODEC_JPEG_2000, &f, was, len, &coded, &n), 0);
		assert_int_equal(
			coded[42], (f.is_signed ? 0x80 : 0) | (f.stored - 1)); /* ISO 15444-1 A.5.1 */
		memset(is, 0xA5, len);
		assert_int_equal(codec->decode(CODEC_JPEG_2000, &f, coded, n, is, len), 0);
		assert_memory_equal(was, is, len);
		/* Another picture, and a part of one. */
		uint8_t *exact = malloc(n);
		assert_non_null(exact);
		memcpy(exact, coded, n);
		assert_int_equal(codec->decode(CODEC_JPEG_2000, &f, exact, n / 2, is, len), -1);
		f.is_signed = !f.is_signed;
		assert_int_equal(codec->decode(CODEC_JPEG_2000, &f, exact, n, is, len), -1);
		f.is_signed = !f.is_signed;
		f.rows--;
		assert_int_equal(codec->decode(CODEC_JPEG_2000, &f, exact, n, is, len - line), -1);
		free(exact);
	}
	/* OpenJPEG would lose some of them. */
	struct codec_frame more = frame_of(1, 24);
	const uint8_t *none = NULL;
	size_t n = 0;
	more.allocated = 32;
	more.stored = 26;
	assert_int_equal(
		codec->encode(CODEC_JPEG_2000, &more, was, (size_t)more.rows * more.columns * 4, &none, &n),
		-1);
	more.samples = 3;
	more.rows = 8;
	more.stored = 25;
	assert_int_equal(
		codec->encode(CODEC_JPEG_2000, &more, was, (size_t)more.rows * more.columns * 12, &none, &n),
		-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jxl_round_trip),
		cmocka_unit_test(jxl_signed),
		cmocka_unit_test(jxl_refused),
		cmocka_unit_test(j2k_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
