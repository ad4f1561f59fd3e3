/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/reader.h"
#include "base/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static void reads(void **state)
{
	struct reader r = reader_of(span_of(bytes, sizeof(bytes)));
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	assert_int_equal(reader_u8(&r, &u8), 0);
	assert_int_equal(u8, 1);
	assert_int_equal(reader_u64be(&r, &u64), 0);
	assert_true(u64 == 0x0203040506070809u);
	assert_int_equal(reader_end(&r), 0);
	r.pos = 1;
	assert_int_equal(reader_u64le(&r, &u64), 0);
	assert_true(u64 == 0x0908070605040302u);
	r.pos = 1;
	assert_int_equal(reader_u16be(&r, &u16), 0);
	assert_int_equal(u16, 0x0203);
	assert_int_equal(reader_u16le(&r, &u16), 0);
	assert_int_equal(u16, 0x0504);
	r.pos = 3;
	assert_int_equal(reader_u32be(&r, &u32), 0);
	assert_int_equal(u32, 0x04050607);
	r.pos = 3;
	assert_int_equal(reader_u32le(&r, &u32), 0);
	assert_int_equal(u32, 0x07060504);
	assert_int_equal(reader_end(&r), ERR_TRAILING);
	assert_int_equal(reader_left(&r), 2);
}

/* Every reader on every number of bytes that is one too few: nothing is consumed, nothing is written. */
static void truncated(void **state)
{
	for (size_t n = 0; n < 8; n++) {
		uint8_t *exact = malloc(n ? n : 1);
		assert_non_null(exact);
		memcpy(exact, bytes, n);
		struct reader r = reader_of(span_of(exact, n));
		uint8_t u8 = 99;
		uint16_t u16 = 99;
		uint32_t u32 = 99;
		uint64_t u64 = 99;
		struct span s = span_of(bytes, 77);
		struct reader child = {.len = 77};
		if (n < 1) {
			assert_int_equal(reader_u8(&r, &u8), ERR_TRUNCATED);
		}
		if (n < 2) {
			assert_int_equal(reader_u16be(&r, &u16), ERR_TRUNCATED);
			assert_int_equal(reader_u16le(&r, &u16), ERR_TRUNCATED);
		}
		if (n < 4) {
			assert_int_equal(reader_u32be(&r, &u32), ERR_TRUNCATED);
			assert_int_equal(reader_u32le(&r, &u32), ERR_TRUNCATED);
		}
		assert_int_equal(reader_u64be(&r, &u64), ERR_TRUNCATED);
		assert_int_equal(reader_u64le(&r, &u64), ERR_TRUNCATED);
		assert_int_equal(reader_bytes(&r, n + 1, &s), ERR_TRUNCATED);
		assert_int_equal(reader_skip(&r, n + 1), ERR_TRUNCATED);
		assert_int_equal(reader_child(&r, n + 1, &child), ERR_TRUNCATED);
		assert_int_equal(r.pos, 0);
		assert_true(
			u8 == 99 && u16 == 99 && u32 == 99 && u64 == 99 && s.len == 77 && child.len == 77);
		free(exact);
	}
}

static void giant(void **state)
{
	struct reader r = reader_of(span_of(bytes, sizeof(bytes)));
	struct span s;
	struct reader child;
	assert_int_equal(reader_skip(&r, 3), 0);
	assert_int_equal(reader_bytes(&r, SIZE_MAX, &s), ERR_TRUNCATED);
	assert_int_equal(reader_bytes(&r, SIZE_MAX - 2, &s), ERR_TRUNCATED);
	assert_int_equal(reader_child(&r, SIZE_MAX, &child), ERR_TRUNCATED);
	assert_int_equal(reader_skip(&r, (size_t)1 << 63), ERR_TRUNCATED);
	assert_int_equal(r.pos, 3);
}

static void nested(void **state)
{
	struct reader r = reader_of(span_of(bytes, sizeof(bytes))), child, grandchild;
	uint32_t u32 = 0;
	assert_int_equal(reader_child(&r, 5, &child), 0);
	assert_int_equal(reader_left(&r), 4);
	assert_int_equal(reader_child(&child, 3, &grandchild), 0);
	/* The parents have four bytes and more: it may not see them. */
	assert_int_equal(reader_u32be(&grandchild, &u32), ERR_TRUNCATED);
	assert_int_equal(reader_child(&grandchild, 4, &child), ERR_TRUNCATED);
	assert_int_equal(reader_skip(&grandchild, 3), 0);
	assert_int_equal(reader_end(&grandchild), 0);
	assert_int_equal(reader_end(&child), ERR_TRAILING);
	/* Empty ones. */
	assert_int_equal(reader_child(&grandchild, 0, &child), 0);
	assert_int_equal(reader_end(&child), 0);
}

static void writes(void **state)
{
	uint8_t buf[32];
	static const uint8_t expected[] = {
		1, 0, 2, 0, 0, 0, 3, 4, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 'a', 'b', 7, 7};
	struct writer w = writer_of(buf, sizeof(buf));
	writer_u8(&w, 1);
	writer_u16be(&w, 2);
	writer_u32be(&w, 3);
	writer_u16le(&w, 4);
	writer_u32le(&w, 5);
	writer_u64be(&w, 6);
	writer_span(&w, span_str("ab"));
	writer_fill(&w, 7, 2);
	assert_int_equal(writer_end(&w), 0);
	assert_int_equal(w.len, sizeof(expected));
	assert_memory_equal(buf, expected, sizeof(expected));
}

/* After the first write that does not fit nothing more is written, also what would fit. */
static void full(void **state)
{
	for (size_t cap = 0; cap < 8; cap++) {
		uint8_t *exact = malloc(cap ? cap : 1);
		assert_non_null(exact);
		struct writer w = writer_of(exact, cap);
		writer_fill(&w, 0xAA, cap);
		assert_int_equal(writer_end(&w), 0);
		writer_u64be(&w, 0);
		writer_u8(&w, 0);
		writer_bytes(&w, "", 0);
		assert_int_equal(writer_end(&w), ERR_SPACE);
		assert_int_equal(w.len, cap);
		free(exact);
	}
	uint8_t two[2];
	struct writer w = writer_of(two, sizeof(two));
	writer_u32le(&w, 1);
	writer_u16le(&w, 1);
	assert_int_equal(w.len, 0);
	assert_int_equal(writer_end(&w), ERR_SPACE);
}

static void marks(void **state)
{
	uint8_t buf[64];
	static const uint8_t expected[] = {0, 9, 0, 0, 0, 5, 3, 0, 0, 0, 'x'};
	struct writer w = writer_of(buf, sizeof(buf));
	size_t outer = writer_mark_u16be(&w);
	size_t middle = writer_mark_u32be(&w);
	size_t inner = writer_mark_u32le(&w);
	writer_u8(&w, 'x');
	writer_u16be(&w, 0);
	writer_fill_u32le(&w, inner);
	w.len -= 2;
	writer_fill_u32be(&w, middle);
	writer_fill_u16be(&w, outer);
	assert_int_equal(writer_end(&w), 0);
	assert_memory_equal(buf, expected, sizeof(expected));
}

/* A length that its field cannot hold is an error, not a short length. */
static void marks_overflow(void **state)
{
	static uint8_t buf[70000];
	struct writer w = writer_of(buf, sizeof(buf));
	size_t at = writer_mark_u16be(&w);
	writer_fill(&w, 0, UINT16_MAX);
	writer_fill_u16be(&w, at);
	assert_int_equal(writer_end(&w), 0);
	writer_u8(&w, 0);
	writer_fill_u16be(&w, at);
	assert_int_equal(writer_end(&w), ERR_SPACE);
	w = writer_of(buf, 1);
	at = writer_mark_u32be(&w);
	writer_fill_u32be(&w, at);
	assert_int_equal(writer_end(&w), ERR_SPACE);
}

static void spans(void **state)
{
	assert_true(span_eq(span_str("ab"), span_of("abc", 2)));
	assert_false(span_eq(span_str("ab"), span_str("abc")));
	assert_false(span_eq(span_str("ab"), span_str("aB")));
	assert_true(span_eq(span_of(NULL, 0), span_str("")));
}

/* Every error has a text of its own; numbers that are none have one as well. */
static void errors(void **state)
{
	for (int a = ERR_SPACE; a < 0; a++) {
		assert_true(err_str(a)[0] != '\0');
		for (int b = ERR_SPACE; b < a; b++) {
			assert_string_not_equal(err_str(a), err_str(b));
		}
	}
	assert_non_null(err_str(ERR_SPACE - 1));
	assert_non_null(err_str(1));
	struct parse_fail fail;
	assert_int_equal(parse_fail(&fail, ERR_LENGTH, 6, "PS3.8 9.3.2"), ERR_LENGTH);
	assert_int_equal(fail.code, ERR_LENGTH);
	assert_int_equal(fail.offset, 6);
	assert_string_equal(fail.spec, "PS3.8 9.3.2");
	assert_int_equal(parse_fail(NULL, ERR_ORDER, 0, NULL), ERR_ORDER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(truncated),
		cmocka_unit_test(giant),
		cmocka_unit_test(nested),
		cmocka_unit_test(writes),
		cmocka_unit_test(full),
		cmocka_unit_test(marks),
		cmocka_unit_test(marks_overflow),
		cmocka_unit_test(spans),
		cmocka_unit_test(errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
