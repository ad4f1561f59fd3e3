/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/trim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "pixels_files.h"

#include <string.h>

/* ---- Bytes ---- */

static const struct pixels_shape odd = {.rows = 7,
	.columns = 5,
	.samples = 1,
	.allocated = 16,
	.stored = 12,
	.high_bit = 11,
	.frames = 3,
	.photometric = "MONOCHROME2"};

static uint32_t load(const uint8_t *from, unsigned n, bool big)
{
	uint32_t v = 0;
	for (unsigned i = 0; i < n; i++) {
		v |= (uint32_t)from[i] << 8 * (big ? n - 1 - i : i);
	}
	return v;
}

/* Bit by bit: what is stored is what it was, what is above is the sign or nothing, what is below nothing. */
static void is_trimmed(const struct pixels_shape *s, uint32_t was, uint32_t is)
{
	unsigned low = s->high_bit + 1 - s->stored;
	for (unsigned bit = 0; bit < s->allocated; bit++) {
		unsigned want = was >> bit & 1;
		want = bit < low ? 0 : bit > s->high_bit ? s->is_signed && was >> s->high_bit & 1 : want;
		assert_int_equal(is >> bit & 1, want);
	}
}

static void trimmed(const struct pixels_shape *s, bool big, bool ow, size_t more, size_t step)
{
	static uint8_t was[4096], is[4096];
	struct trimmer t;
	unsigned width = s->allocated / 8;
	size_t n = (size_t)s->rows * s->columns * s->samples * width * s->frames, len = n + more;
	bool swapped = big && ow && width == 1;
	for (size_t i = 0; i < len; i++) {
		was[i] = is[i] = (uint8_t)(i * 167 + i / 7 * 31 + 1);
	}
	assert_true(trim_begin(&t, s, big, ow, len));
	bool any = false;
	for (size_t at = 0; at < len; at += step) {
		any = trim_apply(&t, at, is + at, len - at < step ? len - at : step) || any;
	}
	assert_true(any);
	for (size_t i = 0; i < n; i += width) {
		size_t at = swapped ? i ^ 1 : i;
		is_trimmed(s, load(was + at, width, big), load(is + at, width, big));
	}
	for (size_t i = n; i < len; i++) {
		assert_int_equal(is[swapped ? i ^ 1 : i], 0);
	}
	for (size_t at = 0; at < len; at += step) {
		assert_false(trim_apply(&t, at, is + at, len - at < step ? len - at : step));
	}
}

static void trim_kinds(void **state)
{
	static const struct {
		uint32_t allocated, stored, high_bit;
	} bits[] = {{8, 7, 6}, {8, 3, 5}, {16, 12, 11}, {16, 12, 15}, {16, 5, 4}, {16, 15, 14}, {32, 31, 30},
		{32, 9, 20}};
	struct pixels_shape s = odd;
	(void)state;
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		s.allocated = bits[i].allocated;
		s.stored = bits[i].stored;
		s.high_bit = bits[i].high_bit;
		for (unsigned how = 0; how < 8; how++) {
			s.is_signed = how & 1;
			for (size_t step = 4; step < 1000; step *= 3) {
				size_t odd_end = s.allocated == 8; /* 7 * 5 * 3 */
				trimmed(&s, how & 2, how & 4, odd_end + 40, step);
			}
		}
	}
}

/* All bits are stored: only what comes behind the last frame goes. */
static void trim_behind(void **state)
{
	uint8_t bytes[40];
	struct trimmer t;
	struct pixels_shape s = odd;
	(void)state;
	s.rows = s.frames = 1;
	s.stored = 16;
	s.high_bit = 15;
	memset(bytes, 0x55, sizeof(bytes));
	assert_true(trim_begin(&t, &s, false, true, 40));
	assert_false(trim_apply(&t, 0, bytes, 8));
	assert_true(trim_apply(&t, 8, bytes + 8, 32));
	assert_int_equal(bytes[9], 0x55);
	assert_int_equal(bytes[10], 0);
	assert_int_equal(bytes[39], 0);
	/* One bit a pixel, 17 of them: three bytes. */
	s.allocated = s.stored = 1;
	s.high_bit = 0;
	s.columns = 17;
	assert_true(trim_begin(&t, &s, false, false, 4));
	assert_int_equal(t.end, 3);
	/* Shared colour, and what only says so. */
	s = (struct pixels_shape){1, 4, 3, 8, 8, 7, 0, 0, 2, "YBR_FULL_422"};
	assert_true(trim_begin(&t, &s, false, false, 18));
	assert_int_equal(t.end, 16);
	assert_true(trim_begin(&t, &s, false, false, 24));
	assert_int_equal(t.end, 24);
}

static void trim_refused(void **state)
{
	static const struct pixels_shape bad[] = {{0, 5, 1, 16, 12, 11, 0, 0, 1, ""},
		{7, 5, 1, 16, 12, 10, 0, 0, 1, ""}, {7, 5, 1, 16, 12, 16, 0, 0, 1, ""},
		{7, 5, 1, 12, 12, 11, 0, 0, 1, ""}, {7, 5, 1, 16, 17, 16, 0, 0, 1, ""},
		{7, 5, 1, 16, 12, 11, 0, 0, UINT32_MAX, ""}, {7, 5, 3, 8, 8, 7, 0, 0, 1, "YBR_PARTIAL_420"}};
	struct trimmer t;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(trim_begin(&t, &bad[i], false, true, 7 * 5 * 2));
	}
	assert_true(trim_begin(&t, &odd, false, true, 7 * 5 * 2 * 3));
	assert_false(trim_begin(&t, &odd, false, true, 7 * 5 * 2 * 3 - 1));
}

/* ---- Files ---- */

/* As read_at(), and never more than five bytes of pixels at once: cells lie in two pieces. */
static ptrdiff_t read_few(void *arg, uint64_t offset, void *to, size_t n)
{
	return read_at(arg, offset, to, offset > 7000 && n > 5 ? 5 : n);
}

/* CT_small.dcm, whose 16 bits are stored, says that four of them are not, and has 6 bytes more. */
static struct memory made(struct survey *ret_s)
{
	static const uint8_t stored[] = {0x28, 0, 1, 1, 'U', 'S', 2, 0},
			     high[] = {0x28, 0, 2, 1, 'U', 'S', 2, 0};
	struct memory m = opened("CT_small.dcm");
	uint8_t *at = memmem(m.bytes, m.len, stored, sizeof(stored));
	assert_non_null(at);
	at[8] = 12;
	at = memmem(m.bytes, m.len, high, sizeof(high));
	assert_non_null(at);
	at[8] = 11;
	assert_int_equal(survey_read(ret_s, &(const struct pixels_input){&m, read_at}), 0);
	uint64_t end = ret_s->value + ret_s->length;
	memmove(m.bytes + end + 6, m.bytes + end, m.len - end);
	memcpy(m.bytes + end, "MILLER", 6);
	m.len += 6;
	m.bytes[ret_s->value - 4] += 6;
	survey_done(ret_s);
	assert_int_equal(survey_read(ret_s, &(const struct pixels_input){&m, read_at}), 0);
	return m;
}

static void is_clean(const struct memory *from, const struct survey *a, const struct memory *to)
{
	struct survey b;
	assert_int_equal(survey_read(&b, &(const struct pixels_input){(void *)to, read_at}), 0);
	assert_int_equal(b.length, a->length);
	size_t pixels = a->length - 6;
	for (size_t i = 400; i < pixels; i += 2) { /* behind the rectangle */
		is_trimmed(&a->shape, load(from->bytes + a->value + i, 2, false),
			load(to->bytes + b.value + i, 2, false));
	}
	assert_memory_equal(to->bytes + b.value + pixels, "\0\0\0\0\0\0", 6);
	survey_done(&b);
}

static void trim_files(void **state)
{
	static const struct pixels_regions r = {.n_blank = 1, .blank = {{0, 0, 8, 1}}};
	struct survey s;
	struct memory from = made(&s), to = {malloc(1u << 20), 0, 1u << 20};
	const struct pixels_input ins[] = {{&from, read_at}, {&from, read_few}};
	const struct pixels_output out = {&to, write_end, patch};
	(void)state;
	for (size_t i = 0; i < sizeof(ins) / sizeof(ins[0]); i++) {
		const char *why = "";
		bool any = false;
		assert_int_equal(pixels_beside(&s, &ins[i], NULL, &any), 0);
		assert_true(any);
		to.len = 0;
		assert_int_equal(pixels_clean(&s, &r, &ins[i], &out, NULL, false, NULL, &why), 0);
		is_clean(&from, &s, &to);
		to.len = 0;
		assert_int_equal(pixels_clean(&s, NULL, &ins[i], &out, NULL, false, NULL, &why), 0);
		is_clean(&from, &s, &to);
		/* All else is what it was. */
		assert_int_equal(to.len, from.len);
		assert_memory_equal(to.bytes, from.bytes, s.value);
		size_t end = s.value + s.length;
		assert_memory_equal(to.bytes + end, from.bytes + end, from.len - end);
		assert_int_equal(
			pixels_beside(&s, &(const struct pixels_input){&to, ins[i].read_at}, NULL, &any), 0);
		assert_false(any);
	}
	survey_done(&s);
	free(from.bytes);
	free(to.bytes);
}

/* Frames of RLE may have anything in any bit. */
static void trim_rle(void **state)
{
	static const uint8_t stored[] = {0x28, 0, 1, 1, 'U', 'S', 2, 0},
			     high[] = {0x28, 0, 2, 1, 'U', 'S', 2, 0};
	static const struct pixels_regions r = {.n_blank = 1, .blank = {{0, 0, 1, 1}}};
	struct memory from = opened("SC_rgb_rle_2frame.dcm"), to = {malloc(1u << 20), 0, 1u << 20};
	struct survey a, b;
	const char *why = "";
	(void)state;
	((uint8_t *)memmem(from.bytes, from.len, stored, sizeof(stored)))[8] = 7;
	((uint8_t *)memmem(from.bytes, from.len, high, sizeof(high)))[8] = 6;
	/* Where a rectangle goes, and where nothing else does, which is then decoded by the first way. */
	for (unsigned i = 0; i < 2; i++) {
		bool any = false;
		to.len = 0;
		assert_int_equal(cleaned(&from, NULL, &to, &a, &why), 0);
		assert_int_equal(
			pixels_beside(&a, &(const struct pixels_input){&from, read_at}, NULL, &any), 0);
		assert_true(any);
		survey_done(&a);
		struct memory trimmed = {malloc(1u << 20), 0, 1u << 20};
		assert_int_equal(cleaned_as(true, i ? &to : &from, &r, &trimmed, &a, &why), 0);
		assert_int_equal(survey_read(&b, &(const struct pixels_input){&trimmed, read_at}), 0);
		for (size_t k = 0; k < b.length; k++) {
			assert_int_equal(trimmed.bytes[b.value + k] & 0x80, 0);
		}
		survey_done(&a);
		survey_done(&b);
		free(trimmed.bytes);
	}
	assert_int_equal(survey_read(&b, &(const struct pixels_input){&to, read_at}), 0);
	bool any = true;
	assert_int_equal(pixels_beside(&b, &(const struct pixels_input){&to, read_at}, NULL, &any), 0);
	assert_false(any);
	survey_done(&b);
	free(from.bytes);
	free(to.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trim_kinds),
		cmocka_unit_test(trim_behind),
		cmocka_unit_test(trim_refused),
		cmocka_unit_test(trim_files),
		cmocka_unit_test(trim_rle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
