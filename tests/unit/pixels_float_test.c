/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_made.h"

#include "dicom/part10.h"
#include "dicom_deflate.h"
#include "pixels_files.h"

/* Float Pixel Data and Double Float Pixel Data, in each encoding. */

#define ROWS    7u
#define COLUMNS 5u
#define FRAMES  3u
#define PIXELS  (ROWS * COLUMNS * FRAMES)

static const char *const syntaxes[] = {
	[ENCODING_IMPLICIT_LE] = "1.2.840.10008.1.2",
	[ENCODING_EXPLICIT_LE] = "1.2.840.10008.1.2.1",
	[ENCODING_EXPLICIT_BE] = "1.2.840.10008.1.2.2",
	[ENCODING_DEFLATED_LE] = "1.2.840.10008.1.2.1.99",
};

static const struct pixels_regions some = {.n_blank = 2, .blank = {{1, 1, 3, 2}, {3, 2, 200, 1}}};

struct how {
	enum encoding encoding;
	bool is_double, padded; /* it has a padding value */
	uint32_t behind;        /* bytes behind the last frame */
};

static void put_number(struct writer *w, enum encoding e, bool is_double, double v)
{
	float f = (float)v;
	uint64_t bits = 0;
	memcpy(&bits, is_double ? (void *)&v : (void *)&f, is_double ? 8 : 4);
	bool big = e == ENCODING_EXPLICIT_BE;
	if (is_double) {
		put_u32(w, e, (uint32_t)(big ? bits >> 32 : bits));
		put_u32(w, e, (uint32_t)(big ? bits : bits >> 32));
	} else {
		put_u32(w, e, (uint32_t)bits);
	}
}

static double value_of(size_t pixel)
{
	return (double)pixel * 1.25 - 40;
}

static void put_us(struct writer *w, enum encoding e, uint32_t tag, uint16_t v)
{
	put_head(w, e, tag, "US", 2);
	put_u16(w, e, v);
}

static void put_image(struct writer *w, const struct how *how)
{
	enum encoding e = how->encoding == ENCODING_DEFLATED_LE ? ENCODING_EXPLICIT_LE : how->encoding;
	uint32_t bytes = how->is_double ? 8 : 4;
	put_text(w, e, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.30");
	put_us(w, e, 0x00280002, 1);
	put_text(w, e, 0x00280004, "CS", "MONOCHROME2 ");
	put_text(w, e, 0x00280008, "IS", "3 ");
	put_us(w, e, 0x00280010, ROWS);
	put_us(w, e, 0x00280011, COLUMNS);
	put_us(w, e, 0x00280100, (uint16_t)(8 * bytes));
	if (how->padded) {
		put_head(w, e, how->is_double ? 0x00280123 : 0x00280122, how->is_double ? "FD" : "FL", bytes);
		put_number(w, e, how->is_double, -1024.5);
	}
	put_head(w, e, how->is_double ? 0x7FE00009 : 0x7FE00008, how->is_double ? "OD" : "OF",
		PIXELS * bytes + how->behind);
}

/* The pixels, as they are to be before and after. */
static void put_pixels(struct writer *w, const struct how *how, bool blanked)
{
	for (size_t i = 0; i < PIXELS; i++) {
		size_t pixel = i % (ROWS * COLUMNS);
		bool in = inside(&some, (uint32_t)(pixel % COLUMNS), (uint32_t)(pixel / COLUMNS));
		double black = how->padded ? -1024.5 : 0;
		put_number(w, how->encoding, how->is_double, blanked && in ? black : value_of(i));
	}
	writer_fill(w, blanked ? 0 : 'Z', how->behind);
}

static struct memory made(const struct how *how)
{
	static uint8_t data[4096];
	struct memory m = {.bytes = malloc(1u << 16), .cap = 1u << 16};
	assert_non_null(m.bytes);
	struct writer w = writer_of(m.bytes, m.cap), set = writer_of(data, sizeof(data));
	const struct part10_meta meta = {.sop_class = span_str("1.2.840.10008.5.1.4.1.1.30"),
		.sop_instance = span_str("1.2.3"),
		.transfer_syntax = span_str(syntaxes[how->encoding]),
		.implementation_class = span_str("1.2.4")};
	assert_int_equal(part10_write(&meta, &w), 0);
	put_image(&set, how);
	put_pixels(&set, how, false);
	m.len = w.len;
	if (how->encoding == ENCODING_DEFLATED_LE) {
		m.len += deflate_raw(writer_span_of(&set), m.bytes + m.len, m.cap - m.len);
		m.bytes[m.len++] = 0;
	} else {
		assert_int_equal(write_end(&m, writer_span_of(&set)), 0);
	}
	return m;
}

/* The value of the pixels, inflated where it was not. */
static void check_value(const struct how *how, const struct memory *to)
{
	static uint8_t want[2048], plain[1u << 16];
	struct writer w = writer_of(want, sizeof(want));
	struct span all = span_of(to->bytes, to->len);
	put_pixels(&w, how, true);
	assert_int_equal(writer_end(&w), 0);
	if (how->encoding == ENCODING_DEFLATED_LE) {
		struct survey s;
		struct inflater inflater;
		struct span some_bytes;
		size_t n = 0;
		assert_int_equal(survey_read(&s, &(const struct pixels_input){(void *)to, read_at}), 0);
		assert_int_equal(inflater_begin(&inflater), 0);
		inflater_feed(&inflater, span_of(to->bytes + s.data, to->len - s.data));
		while (inflater_next(&inflater, &some_bytes) == 0) {
			memcpy(plain + n, some_bytes.ptr, some_bytes.len);
			n += some_bytes.len;
		}
		survey_done(&s);
		all = span_of(plain, n);
	}
	assert_true(all.len > w.len);
	assert_memory_equal(all.ptr + all.len - w.len, want, w.len);
}

static void float_blanked(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4 * 8; i++) {
		const struct how how = {(enum encoding)(i / 8), i & 1, i & 2, i & 4 ? 6 : 0};
		struct memory from = made(&how), to = {.bytes = malloc(1u << 16), .cap = 1u << 16};
		struct survey s;
		const char *why = "";
		assert_non_null(to.bytes);
		assert_int_equal(cleaned(&from, &some, &to, &s, &why), 0);
		assert_true(s.has_pixels && !s.has_other_pixels && s.shape.is_float);
		check_value(&how, &to);
		survey_done(&s);
		free(from.bytes);
		free(to.bytes);
	}
}

/* Another size than its kind has; Pixel Data beside it; a length that is none. */
static void float_refused(void **state)
{
	struct memory to = {.bytes = malloc(1u << 16), .cap = 1u << 16};
	const struct how how = {.encoding = ENCODING_EXPLICIT_LE};
	static const uint8_t bits[] = {0x28, 0, 0, 1, 'U', 'S', 2, 0, 32};
	(void)state;
	assert_non_null(to.bytes);
	for (unsigned i = 0; i < 4; i++) {
		struct memory from = made(&how);
		struct survey s;
		const char *why = "";
		uint8_t *at = memmem(from.bytes, from.len, bits, sizeof(bits));
		assert_non_null(at);
		switch (i) {
		case 0:
			at[8] = 64;
			break;
		case 1:
			assert_int_equal(write_end(&from, span_of("\xE0\x7F\x10\0OW\0\0\2\0\0\0ab", 14)), 0);
			break;
		case 2: {
			uint8_t *element = memmem(from.bytes, from.len, "\xE0\x7F\x08\0OF", 6);
			assert_non_null(element);
			element[8] = (uint8_t)(element[8] - 4);
			from.len -= 4;
			break;
		}
		default: /* PS3.5 7.3: its VR is OF */
			memcpy(memmem(from.bytes, from.len, "\xE0\x7F\x08\0OF", 6), "\xE0\x7F\x08\0OW", 6);
			break;
		}
		to.len = 0;
		assert_true(cleaned(&from, &some, &to, &s, &why) < 0 && why[0]);
		survey_done(&s);
		free(from.bytes);
	}
	free(to.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(float_blanked),
		cmocka_unit_test(float_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
