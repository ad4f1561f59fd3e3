/* SPDX-License-Identifier: Apache-2.0 */
#include "transform_object.h"

#include "dicom/vr.h"

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

/* Of what has no pixels it says nothing, and of a document that it is of that. Pixels that come all the same are denied. */
static void test_burned_into_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *class, *value; /* NULL: it is removed; "": the object is denied */
	} rows[] = {{"1.2.840.10008.5.1.4.1.1.88.11", NULL}, {"1.2.840.10008.5.1.4.1.1.9.1.1", NULL},
		{"1.2.840.10008.5.1.4.1.1.11.1", NULL}, {"1.2.840.10008.5.1.4.1.1.481.3", NULL},
		{"1.2.840.10008.5.1.4.1.1.104.2", "NO"}, {"1.2.840.10008.5.1.4.1.1.481.1", ""},
		{"1.2.840.10008.5.1.4.1.1.88", ""}, {CLASS_CT, ""}, {CLASS_UNKNOWN, ""}};
	const enum encoding e = ENCODING_EXPLICIT_LE;
	for (unsigned keep = 0; keep < 2; keep++) {
		struct deidentify_rules rules = {.replace_documents = true, .keep_burned_in = keep};
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			const char *value = rows[i].value;
			struct writer w = begin(e, rows[i].class);
			put_patient(&w, e);
			put_series(&w, e);
			put_padded(&w, e, 0x00280301, "CS", "YES");
			deidentify_cut(&made, &rules, syntaxes[e], writer_span_of(&w), 9, NULL);
			assert_int_equal(
				made.result, value && !*value && !keep ? ERR_DENIED : DEIDENTIFY_END);
			if (made.result == DEIDENTIFY_END) {
				out_read(&out, &made, e);
				const struct found *f = out_find(&out, 0, 0x00280301);
				const char *want = value && *value ? value : keep ? "YES" : NULL;
				assert_true(
					want ? f && span_eq(vr_trim("CS", f->value), span_str(want)) : !f);
			}
			put_head(&w, e, TAG_PIXEL_DATA, "OW", 4);
			writer_bytes(&w, "text", 4);
			deidentify_cut(&made, &rules, syntaxes[e], writer_span_of(&w), 9, NULL);
			bool denied = !keep || (value && *value);
			assert_int_equal(made.result, denied ? ERR_DENIED : DEIDENTIFY_END);
		}
	}
}

/* An overlay that has no data of its own is in the pixels, whatever its group. */
static void test_overlays_in_pixels(void **state)
{
	(void)state;
	static const struct {
		uint32_t tag;
		uint8_t bit;
		bool is;
	} rows[] = {{0x60000102, 12, true}, {0x601E0102, 15, true}, {0x60000102, 0, false},
		{0x60000100, 16, false}};
	static struct deidentify t;
	const struct deidentify_rules rules = {0};
	const enum encoding e = ENCODING_EXPLICIT_LE;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct writer w = begin(e, CLASS_CT);
		struct span given;
		int result;
		put_patient(&w, e);
		put_series(&w, e);
		put_head(&w, e, rows[i].tag, "US", 2);
		writer_u16le(&w, rows[i].bit);
		assert_int_equal(
			deidentify_begin(&t, &rules, &test_pseudonyms, span_str(syntaxes[e]), NULL), 0);
		deidentify_feed(&t, writer_span_of(&w));
		deidentify_last(&t);
		while ((result = deidentify_next(&t, &given)) == DEIDENTIFY_BYTES) {
			assert_null(memmem(given.ptr, given.len, "\x02\x01US", 4));
		}
		deidentify_done(&t);
		assert_int_equal(result, DEIDENTIFY_END);
		assert_int_equal(t.overlays_in_pixels, rows[i].is);
	}
}

/* What is no UID is named. */
static void test_wrong(void **state)
{
	(void)state;
	static const uint32_t tags[] = {0x00080018, 0x00081155, 0x0020000D, 0x0020000E, 0x00200052};
	static struct deidentify t;
	const enum encoding e = ENCODING_EXPLICIT_LE;
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		uint8_t bytes[1024];
		struct writer w = writer_of(bytes, sizeof(bytes));
		struct span given;
		const struct deidentify_rules rules = {0};
		int result;
		for (size_t k = 0; k < ARRAY_LEN(tags); k++) {
			put_head(&w, e, tags[k], "UI", k == i ? 66 : 8);
			writer_fill(&w, '1', k == i ? 66 : 8);
		}
		assert_int_equal(
			deidentify_begin(&t, &rules, &test_pseudonyms, span_str(syntaxes[e]), NULL), 0);
		deidentify_feed(&t, writer_span_of(&w));
		deidentify_last(&t);
		while ((result = deidentify_next(&t, &given)) == DEIDENTIFY_BYTES) {
		}
		deidentify_done(&t);
		assert_int_equal(result, ERR_VALUE);
		assert_int_equal(t.wrong, tags[i]);
	}
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
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_comments_in_frames),
		cmocka_unit_test(test_log_of_added), cmocka_unit_test(test_burned_into_nothing),
		cmocka_unit_test(test_wrong), cmocka_unit_test(test_overlays_in_pixels)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
