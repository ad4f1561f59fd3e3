/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean.h"
#include "pixels/deflated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "pixels_files.h"

/* ---- A frame ---- */

static void fill(uint8_t *bytes, size_t n, unsigned spread)
{
	unsigned chance = spread;
	for (size_t i = 0; i < n; i++) {
		chance = chance * 1103515245u + 12345u;
		bytes[i] = (uint8_t)((chance >> 16) % spread);
	}
}

/* In allocations of exactly their size. */
static int decoded(const uint8_t *bytes, size_t n, uint8_t *ret_frame, size_t len)
{
	uint8_t *in = malloc(n + 1), *out = malloc(len);
	assert_true(in && out);
	memcpy(in + 1, bytes, n);
	int e = deflated_decode(span_of(in + 1, n), out, len);
	if (e == 0) {
		memcpy(ret_frame, out, len);
	}
	free(in);
	free(out);
	return e;
}

static void frame_round_trip(void **state)
{
	static const size_t sizes[] = {1, 2, 257, 258, 259, 516, 4096, 70001};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t len = sizes[i], n = 0;
		uint8_t *frame = malloc(len + 1), *again = malloc(len + 1),
			*coded = malloc(deflated_most(len) + 2);
		assert_true(frame && again && coded);
		for (unsigned spread = 1; spread <= 256; spread *= 4) {
			fill(frame, len, spread);
			assert_int_equal(deflated_encode(span_of(frame, len), coded, &n), 0);
			assert_true(n > 0 && n <= deflated_most(len));
			memset(again, 0xA5, len);
			assert_int_equal(decoded(coded, n, again, len), 0);
			assert_memory_equal(frame, again, len);
			/* Not a byte more, nor less, than a frame has; and none but a NUL behind it. */
			assert_int_equal(decoded(coded, n, again, len + 1), ERR_TRUNCATED);
			assert_true(len == 1 || decoded(coded, n, again, len - 1) < 0);
			coded[n] = coded[n + 1] = 0;
			assert_int_equal(decoded(coded, n + 1, again, len), 0);
			assert_int_equal(decoded(coded, n + 2, again, len), ERR_LENGTH);
			coded[n] = 'x';
			assert_int_equal(decoded(coded, n + 1, again, len), ERR_LENGTH);
			for (size_t cut = 0; cut < n; cut += 1 + n / 99) {
				assert_int_equal(decoded(coded, cut, again, len), ERR_TRUNCATED);
			}
			coded[0] |= 6; /* RFC 1951 3.2.3: no such block */
			assert_int_equal(decoded(coded, n, again, len), ERR_VALUE);
		}
		free(frame);
		free(again);
		free(coded);
	}
}

/* What says that it is a thousand times a frame is stopped at the frame's end. */
static void frame_giant(void **state)
{
	size_t len = 32u << 20, n = 0;
	uint8_t *frame = calloc(1, len), *coded = malloc(deflated_most(len));
	(void)state;
	assert_true(frame && coded);
	assert_int_equal(deflated_encode(span_of(frame, len), coded, &n), 0);
	assert_true(n < len / 900);
	assert_int_equal(decoded(coded, n, frame, 64), ERR_LENGTH);
	assert_int_equal(deflated_decode(span_of(coded, n), frame, (size_t)DEFLATED_FRAME + 1), ERR_LENGTH);
	free(frame);
	free(coded);
}

/* ---- Files ---- */

#define FRAMES  2u
#define COLUMNS 100u
#define PLANE   (100u * COLUMNS)
#define FRAME   (3u * PLANE)

/* SC_rgb_rle_2frame.dcm, its frames deflated, which lie as it says that they do. */
static struct memory made(uint8_t planar, uint8_t ret_frames[FRAMES * FRAME])
{
	static const struct pixels_regions none = {.n_blank = 1, .blank = {{0, 0, 1, 1}}};
	static const uint8_t head[12] = {0xE0, 0x7F, 0x10, 0, 'O', 'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF};
	struct memory from = opened("SC_rgb_rle_2frame.dcm"), native = {malloc(1u << 20), 0, 1u << 20},
		      m = {malloc(1u << 20), 0, 1u << 20};
	static uint8_t coded[FRAME + 1000];
	const char *why = "";
	struct survey s;
	assert_int_equal(cleaned_as(true, &from, &none, &native, &s, &why), 0);
	survey_done(&s);
	assert_int_equal(survey_read(&s, &(const struct pixels_input){&native, read_at}), 0);
	native.bytes[s.places[PLACE_PLANAR].from + 8] = planar;
	uint32_t meta = s.meta_length + 2;
	size_t length = s.places[PLACE_META_LENGTH].from + 8, syntax = s.places[PLACE_SYNTAX].from + 6;
	memcpy(native.bytes + length, &meta, 4);
	assert_int_equal(write_end(&m, span_of(native.bytes, syntax)), 0);
	assert_int_equal(write_end(&m, span_of("\x16\0"
					       "1.2.840.10008.1.2.8.1\0",
					       24)),
		0);
	size_t rest = s.places[PLACE_SYNTAX].to;
	assert_int_equal(write_end(&m, span_of(native.bytes + rest, s.places[PLACE_PIXELS].from - rest)), 0);
	assert_int_equal(write_end(&m, span_of(head, 12)), 0);
	put_fragment(&m, 0xE000FFFE, span_of("", 0));
	for (size_t i = 0; i < FRAMES; i++) {
		size_t n = 0;
		memcpy(ret_frames + i * FRAME, native.bytes + s.value + i * FRAME, FRAME);
		assert_int_equal(deflated_encode(span_of(ret_frames + i * FRAME, FRAME), coded, &n), 0);
		put_fragment(&m, 0xE000FFFE, span_of(coded, n));
	}
	put_fragment(&m, 0xE0DDFFFE, span_of("", 0));
	survey_done(&s);
	free(from.bytes);
	free(native.bytes);
	return m;
}

static const struct pixels_regions region = {.n_blank = 1, .blank = {{10, 5, 30, 20}}};

static void is_clean(const uint8_t *was, const uint8_t *is, unsigned planar)
{
	for (size_t i = 0; i < FRAME; i++) {
		size_t pixel = planar ? i % PLANE : i / 3, x = pixel % COLUMNS, y = pixel / COLUMNS;
		bool in = x >= 10 && x < 40 && y >= 5 && y < 25;
		assert_int_equal(is[i], in ? 0 : was[i]);
	}
}

static void clean_deflated(void **state)
{
	static uint8_t was[FRAMES * FRAME], is[FRAME];
	(void)state;
	for (uint8_t planar = 0; planar < 2; planar++) {
		struct memory from = made(planar, was), to = {malloc(1u << 20), 0, 1u << 20},
			      again = {malloc(1u << 20), 0, 1u << 20};
		struct survey a, b;
		const char *why = "";
		assert_int_equal(cleaned(&from, &region, &to, &a, &why), 0);
		assert_int_equal(cleaned(&to, &region, &again, &b, &why), 0);
		assert_string_equal(b.syntax, "1.2.840.10008.1.2.8.1");
		assert_string_equal(b.text[PIXELS_BURNED_IN], "NO");
		assert_int_equal(b.shape.planar, planar);
		assert_int_equal(b.n_fragments, FRAMES);
		/* What is black already stays byte for byte. */
		assert_int_equal(to.len, again.len);
		assert_memory_equal(to.bytes, again.bytes, to.len);
		for (size_t f = 0; f < FRAMES; f++) {
			struct span one = span_of(to.bytes + b.fragments[f].offset, b.fragments[f].len);
			assert_int_equal(one.len % 2, 0);
			assert_int_equal(deflated_decode(one, is, FRAME), 0);
			is_clean(was + f * FRAME, is, planar);
		}
		survey_done(&a);
		survey_done(&b);
		/* Native, they lie as they lay. */
		to.len = 0;
		assert_int_equal(cleaned_as(true, &from, &region, &to, &a, &why), 0);
		assert_int_equal(survey_read(&b, &(const struct pixels_input){&to, read_at}), 0);
		assert_string_equal(b.syntax, "1.2.840.10008.1.2.1");
		assert_int_equal(b.shape.planar, planar);
		assert_int_equal(b.length, FRAMES * FRAME);
		for (size_t f = 0; f < FRAMES; f++) {
			is_clean(was + f * FRAME, to.bytes + b.value + f * FRAME, planar);
		}
		survey_done(&a);
		survey_done(&b);
		free(from.bytes);
		free(to.bytes);
		free(again.bytes);
	}
}

/* A frame that is none, one that has something behind it, and a fragment more than there are frames. */
static void clean_deflated_refused(void **state)
{
	static uint8_t was[FRAMES * FRAME];
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct memory from = made(0, was), to = {malloc(1u << 20), 0, 1u << 20};
		struct survey s;
		const char *why = "";
		assert_int_equal(survey_read(&s, &(const struct pixels_input){&from, read_at}), 0);
		const struct survey_fragment *last = &s.fragments[FRAMES - 1];
		uint8_t *at = from.bytes + last->offset;
		uint32_t n = last->len + 2;
		if (i == 0) {
			at[0] |= 6;
		} else if (i == 1) {
			memcpy(at - 4, &n, 4);
			memmove(at + n, at + n - 2, 8);
			at[n - 2] = 'I';
			at[n - 1] = 'D';
			from.len += 2;
		} else {
			from.len -= 8;
			put_fragment(&from, 0xE000FFFE, span_of("\xFF\xD8\x03\0", 4));
			put_fragment(&from, 0xE0DDFFFE, span_of("", 0));
		}
		survey_done(&s);
		assert_true(cleaned(&from, &region, &to, &s, &why) < 0);
		assert_non_null(strstr(why, i < 2 ? "could not be decoded" : "which frame"));
		survey_done(&s);
		free(from.bytes);
		free(to.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_round_trip),
		cmocka_unit_test(frame_giant),
		cmocka_unit_test(clean_deflated),
		cmocka_unit_test(clean_deflated_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
