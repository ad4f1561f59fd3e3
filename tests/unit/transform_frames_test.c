/* SPDX-License-Identifier: Apache-2.0 */
#include "transform_object.h"

/* What de-identification clears in coded frames, as they pass; and what it says of what it adds. */

#define COMMENT 60000u
#define CODED   100000u

/* A JPEG with a long comment, and nothing that is coded but letters. */
static void put_jpeg(struct writer *w, uint8_t comment)
{
	writer_span(w, span_str("\xFF\xD8\xFF\xFE"));
	writer_u16be(w, COMMENT + 2);
	writer_fill(w, comment, COMMENT);
	writer_span(w, span_str("\xFF\xDA"));
	writer_u16be(w, 2);
	writer_fill(w, 'c', CODED);
	writer_span(w, span_str("\xFF\xD9"));
}

static void told_pixels(void *arg, const struct dataset *where, enum confidentiality what)
{
	unsigned *told = arg;
	*told += where->tag == TAG_PIXEL_DATA && where->depth == 0 && what == CONFIDENTIALITY_CLEAN;
}

/* Of two frames in one fragment; they go by long pieces and by short ones, and it is told once. */
static void test_comments_in_frames(void **state)
{
	static uint8_t want[2 * (COMMENT + CODED + 12)];
	const enum encoding e = ENCODING_EXPLICIT_LE;
	struct deidentify_rules rules = {0};
	unsigned told = 0;
	struct deidentify_log log = {.done = told_pixels, .arg = &told};
	struct writer expected = writer_of(want, sizeof(want)), w = begin(e, CLASS_CT);
	put_patient(&w, e);
	put_series(&w, e);
	put_padded(&w, e, 0x00280008, "IS", "2");
	put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
	put_item(&w, e, 0);
	put_item(&w, e, sizeof(want));
	for (unsigned i = 0; i < 2; i++) {
		put_jpeg(&w, 'Z');
		put_jpeg(&expected, 0);
	}
	put_sequence_end(&w, e);
	assert_true(writer_end(&w) == 0 && writer_end(&expected) == 0 && expected.len == sizeof(want));
	for (size_t cut = 500; cut < 1000000; cut *= 9) {
		deidentify_cut(&made, &rules, "1.2.840.10008.1.2.4.70", writer_span_of(&w), cut, &log);
		assert_int_equal(made.result, DEIDENTIFY_END);
		assert_memory_equal(made.bytes + made.n - 8 - sizeof(want), want, sizeof(want));
		assert_int_equal(told, 1);
		told = 0;
	}
	/* Of what is no such stream nothing is changed. */
	deidentify_cut(&made, &rules, "1.2.840.10008.1.2.8.1", writer_span_of(&w), w.len, &log);
	assert_int_equal(made.result, DEIDENTIFY_END);
	assert_memory_equal(
		made.bytes + made.n - 8 - sizeof(want), w.ptr + w.len - 8 - sizeof(want), sizeof(want));
	assert_int_equal(told, 0);
}

/* What is added, and whether it was there: of an object, then of its copy. */
static void told_added(void *arg, uint32_t tag, bool was)
{
	unsigned *n = arg;
	static const uint32_t tags[] = {0x00120062, 0x00120063, 0x00120064, 0x00280303};
	assert_int_equal(tag, tags[*n % 4]);
	assert_int_equal(was, *n >= 4);
	++*n;
}

static void test_log_of_added(void **state)
{
	(void)state;
	static struct made copied;
	unsigned n = 0;
	struct deidentify_log log = {.added = told_added, .arg = &n};
	struct deidentify_rules rules = {.pixels_cleaned = true};
	struct writer w = begin(ENCODING_EXPLICIT_LE, CLASS_CT);
	put_patient(&w, ENCODING_EXPLICIT_LE);
	put_series(&w, ENCODING_EXPLICIT_LE);
	deidentify_cut(&copied, &rules, syntaxes[ENCODING_EXPLICIT_LE], writer_span_of(&w), w.len, &log);
	assert_int_equal(n, 4);
	deidentify_cut(
		&made, &rules, syntaxes[ENCODING_EXPLICIT_LE], span_of(copied.bytes, copied.n), 7, &log);
	assert_int_equal(n, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comments_in_frames), cmocka_unit_test(test_log_of_added)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
