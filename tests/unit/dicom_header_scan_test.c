/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_deflate.h"
#include "dicom_made.h"

#include "dicom/header_scan.h"

static struct header_scan scan;
static struct inflater inflater;

static const struct {
	enum encoding encoding;
	const char *uid;
} syntaxes[] = {
	{ENCODING_IMPLICIT_LE, "1.2.840.10008.1.2"},
	{ENCODING_EXPLICIT_LE, "1.2.840.10008.1.2.1"},
	{ENCODING_EXPLICIT_BE, "1.2.840.10008.1.2.2"},
	{ENCODING_EXPLICIT_LE, "1.2.840.10008.1.2.4.50"},
};

/* Other Patient IDs Sequence, which has a patient ID that is not the data set's. */
static void put_others(struct writer *w, enum encoding e, bool undefined)
{
	uint8_t inner[128];
	struct writer i = writer_of(inner, sizeof(inner));
	put_text(&i, e, 0x00100020, "LO", "OTHER1");
	put_text(&i, e, 0x00100021, "LO", "ELSEWHERE ");
	uint32_t n = (uint32_t)i.len;
	put_head(w, e, 0x00101002, "SQ", undefined ? UNDEFINED_LENGTH : n + 8);
	put_item(w, e, undefined ? UNDEFINED_LENGTH : n);
	writer_bytes(w, inner, n);
	if (undefined) {
		put_item_end(w, e);
		put_sequence_end(w, e);
	}
}

static void put_referenced(struct writer *w, enum encoding e)
{
	put_head(w, e, 0x00081110, "SQ", UNDEFINED_LENGTH);
	put_item(w, e, UNDEFINED_LENGTH);
	put_text(w, e, 0x0020000D, "UI", "9.9.99");
	put_text(w, e, 0x00402016, "LO", "a tag after the last field's, but inside");
	put_item_end(w, e);
	put_sequence_end(w, e);
}

/* A head of an object. Returns the offset after (0020,000E). */
static size_t object(struct writer *w, enum encoding e)
{
	put_text(w, e, 0x00080005, "CS", "ISO_IR 100");
	put_head(w, e, 0x00080016, "UI", 26);
	writer_bytes(w, "1.2.840.10008.5.1.4.1.1.4", 26); /* with its NUL */
	put_text(w, e, 0x00080018, "UI", "1.2.34");
	put_text(w, e, 0x00080020, "DA", "20240501");
	put_text(w, e, 0x00080050, "SH", " A 123");
	put_text(w, e, 0x00080060, "CS", "MR");
	put_text(w, e, 0x00081030, "LO", "Kopf  ");
	put_referenced(w, e);
	put_text(w, e, 0x00100010, "PN", " D\xD6 E^JJ. ");
	put_text(w, e, 0x00100020, "LO", "PID-0001  ");
	put_text(w, e, 0x00100021, "LO", "");
	put_text(w, e, 0x00100030, "DA", "19700101");
	put_others(w, e, e != ENCODING_IMPLICIT_LE);
	put_text(w, e, 0x0020000D, "UI", "1.2.3.5.");
	put_text(w, e, 0x0020000E, "UI", "1.2.3.55");
	size_t n = w->len;
	put_text(w, e, 0x00200010, "SH", "1 ");
	put_head(w, e, 0x7FE00010, "OW", 4);
	put_u32(w, e, 0);
	assert_int_equal(writer_end(w), 0);
	return n;
}

static const char *const expected[HEADER_N] = {
	[HEADER_CHARSET] = "ISO_IR 100",
	[HEADER_SOP_CLASS] = "1.2.840.10008.5.1.4.1.1.4",
	[HEADER_SOP_INSTANCE] = "1.2.34",
	[HEADER_STUDY_DATE] = "20240501",
	[HEADER_ACCESSION] = "A 123",
	[HEADER_MODALITY] = "MR",
	[HEADER_DESCRIPTION] = "Kopf",
	[HEADER_PATIENT_NAME] = " D\xD6 E^JJ.",
	[HEADER_PATIENT_ID] = "PID-0001",
	[HEADER_ISSUER] = "",
	[HEADER_BIRTH_DATE] = "19700101",
	[HEADER_STUDY] = "1.2.3.5.",
	[HEADER_SERIES] = "1.2.3.55",
};

static void assert_object(void)
{
	for (int i = 0; i < HEADER_N; i++) {
		assert_span(header_value(&scan, (enum header_field)i), expected[i]);
		assert_true(scan.values[i].present);
		assert_false(scan.values[i].truncated);
		assert_false(scan.values[i].repeated);
	}
	assert_int_equal(scan.d.noted, 0);
}

static void begin(const char *uid)
{
	assert_int_equal(header_scan_begin(&scan, span_str(uid), &inflater), 0);
}

/* Feed in pieces of this many bytes until it says something else than HEADER_MORE. */
static int feed(struct span s, size_t step)
{
	int r = HEADER_MORE;
	for (size_t at = 0; at < s.len && r == HEADER_MORE; at += step) {
		struct span piece = exact(s.ptr + at, step < s.len - at ? step : s.len - at);
		r = header_scan_feed(&scan, piece);
		exact_free(piece);
	}
	return r;
}

static void in_each_encoding(void **state)
{
	static const size_t steps[] = {1, 2, 3, 7, 12, 50, 4096};
	for (size_t k = 0; k < ARRAY_LEN(syntaxes) * ARRAY_LEN(steps); k++) {
		uint8_t buf[1024];
		struct writer w = writer_of(buf, sizeof(buf));
		object(&w, syntaxes[k / ARRAY_LEN(steps)].encoding);
		begin(syntaxes[k / ARRAY_LEN(steps)].uid);
		assert_int_equal(feed(writer_span_of(&w), steps[k % ARRAY_LEN(steps)]), HEADER_DONE);
		assert_object();
		/* Done stays done, whatever comes. */
		assert_int_equal(header_scan_feed(&scan, span_str("garbage")), HEADER_DONE);
		assert_int_equal(header_scan_end(&scan), HEADER_DONE);
		assert_object();
	}
}

static void deflated(void **state)
{
	uint8_t buf[1024], packed[1024];
	struct writer w = writer_of(buf, sizeof(buf));
	object(&w, ENCODING_EXPLICIT_LE);
	size_t n = deflate_raw(writer_span_of(&w), packed, sizeof(packed));
	for (size_t step = 1; step < n; step++) {
		begin("1.2.840.10008.1.2.1.99");
		assert_int_equal(feed(span_of(packed, n), step), HEADER_DONE);
		assert_object();
	}
	assert_int_equal(header_scan_begin(&scan, span_str("1.2.840.10008.1.2.1.99"), NULL), ERR_UNSUPPORTED);
	assert_int_equal(header_scan_feed(&scan, span_of(packed, n)), ERR_UNSUPPORTED);
	begin("1.2.840.10008.1.2.1.99");
	assert_int_equal(header_scan_feed(&scan, span_str("\xFF\xFF nothing deflated")), ERR_VALUE);
	assert_int_equal(header_scan_feed(&scan, span_of(packed, n)), ERR_VALUE);
}

/* A cut before the last field: what came is there, and the end of the data set is said to be one, or is not. */
static void cut_anywhere(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(syntaxes); k++) {
		uint8_t buf[1024];
		struct writer w = writer_of(buf, sizeof(buf));
		size_t n = object(&w, syntaxes[k].encoding);
		for (size_t i = 0; i < n; i++) {
			begin(syntaxes[k].uid);
			assert_int_equal(feed(span_of(buf, i), i + 1), HEADER_MORE);
			int r = header_scan_end(&scan);
			assert_true(r == HEADER_DONE || r == ERR_TRUNCATED);
			assert_int_equal(header_scan_end(&scan), r);
			for (int f = 0; f < HEADER_N; f++) {
				struct span v = header_value(&scan, (enum header_field)f);
				assert_true(v.len == 0 || v.len == strlen(expected[f]));
			}
			assert_int_equal(header_value(&scan, HEADER_SERIES).len, 0);
			assert_int_equal(scan.values[HEADER_CHARSET].present, i >= 8);
		}
		begin(syntaxes[k].uid);
		assert_int_equal(feed(span_of(buf, n), n), HEADER_DONE);
		assert_object();
	}
}

static void without_some(void **state)
{
	uint8_t buf[512];
	struct writer w = writer_of(buf, sizeof(buf));
	enum encoding e = ENCODING_EXPLICIT_LE;
	put_text(&w, e, 0x00080060, "CS", "CT");
	size_t before = w.len;
	put_text(&w, e, 0x00200013, "IS", "1 ");
	begin("1.2.840.10008.1.2.1");
	assert_int_equal(header_scan_feed(&scan, span_of(buf, before)), HEADER_MORE);
	/* A tag after the last field, even the first bytes of its head, are enough. */
	assert_int_equal(header_scan_feed(&scan, span_of(buf + before, 8)), HEADER_DONE);
	assert_false(scan.values[HEADER_PATIENT_ID].present);
	assert_int_equal(header_value(&scan, HEADER_PATIENT_ID).len, 0);
	assert_span(header_value(&scan, HEADER_MODALITY), "CT");
	/* Nothing at all is a data set too. */
	begin("1.2.840.10008.1.2.1");
	assert_int_equal(header_scan_end(&scan), HEADER_DONE);
}

/* Two patient IDs: which one an archive would take is not known, and it is said so. */
static void repeated(void **state)
{
	uint8_t buf[512];
	struct writer w = writer_of(buf, sizeof(buf));
	enum encoding e = ENCODING_EXPLICIT_LE;
	put_text(&w, e, 0x00100020, "LO", "FIRST1");
	put_text(&w, e, 0x00100020, "LO", "SECOND");
	put_text(&w, e, 0x00080060, "CS", "CT");
	put_text(&w, e, 0x00100020, "LO", "");
	put_text(&w, e, 0x0020000E, "UI", "1.2.34");
	begin("1.2.840.10008.1.2.1");
	assert_int_equal(feed(writer_span_of(&w), 3), HEADER_DONE);
	assert_span(header_value(&scan, HEADER_PATIENT_ID), "FIRST1");
	assert_true(scan.values[HEADER_PATIENT_ID].repeated);
	assert_false(scan.values[HEADER_MODALITY].repeated);
	assert_int_equal(scan.d.noted, 1u << NOTE_DUPLICATE | 1u << NOTE_ORDER);
}

static void long_values(void **state)
{
	uint8_t buf[4096], text[1500];
	struct writer w = writer_of(buf, sizeof(buf));
	enum encoding e = ENCODING_EXPLICIT_LE;
	memset(text, 'x', sizeof(text));
	text[1023] = ' ';
	put_head(&w, e, 0x00100010, "PN", sizeof(text));
	writer_bytes(&w, text, sizeof(text));
	put_head(&w, e, 0x00100020, "LO", 320);
	writer_bytes(&w, text, 320);
	put_head(&w, e, 0x00100021, "LO", 322);
	writer_bytes(&w, text, 322);
	put_text(&w, e, 0x0020000E, "UI", "1.2.34");
	for (size_t step = 1; step < 2000; step += 37) {
		begin("1.2.840.10008.1.2.1");
		assert_int_equal(feed(writer_span_of(&w), step), HEADER_DONE);
		struct span name = header_value(&scan, HEADER_PATIENT_NAME);
		assert_int_equal(name.len, 1024);
		assert_memory_equal(name.ptr, text, 1024);
		assert_true(scan.values[HEADER_PATIENT_NAME].truncated);
		assert_int_equal(header_value(&scan, HEADER_PATIENT_ID).len, 320);
		assert_false(scan.values[HEADER_PATIENT_ID].truncated);
		assert_int_equal(header_value(&scan, HEADER_ISSUER).len, 320);
		assert_true(scan.values[HEADER_ISSUER].truncated);
		assert_span(header_value(&scan, HEADER_SERIES), "1.2.34");
	}
}

static void failures(void **state)
{
	uint8_t buf[512];
	struct writer w = writer_of(buf, sizeof(buf));
	put_text(&w, ENCODING_EXPLICIT_LE, 0x00080060, "CS", "CT");
	size_t at = w.len;
	put_text(&w, ENCODING_IMPLICIT_LE, 0x00100020, "LO", "IMPLICIT");
	begin("1.2.840.10008.1.2.1");
	assert_int_equal(header_scan_feed(&scan, writer_span_of(&w)), ERR_VALUE);
	assert_int_equal(scan.d.offset, at);
	assert_span(header_value(&scan, HEADER_MODALITY), "CT");
	assert_int_equal(header_scan_end(&scan), ERR_VALUE);
	assert_int_equal(header_scan_begin(&scan, span_str("1.2.3"), &inflater), ERR_NOT_FOUND);
	assert_int_equal(header_scan_feed(&scan, writer_span_of(&w)), ERR_NOT_FOUND);
	assert_int_equal(header_scan_end(&scan), ERR_NOT_FOUND);
	/* The field as a sequence is no value. */
	w = writer_of(buf, sizeof(buf));
	put_head(&w, ENCODING_EXPLICIT_LE, 0x00100020, "SQ", 0);
	put_text(&w, ENCODING_EXPLICIT_LE, 0x0020000E, "UI", "1.2.34");
	begin("1.2.840.10008.1.2.1");
	assert_int_equal(header_scan_feed(&scan, writer_span_of(&w)), HEADER_DONE);
	assert_false(scan.values[HEADER_PATIENT_ID].present);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_each_encoding),
		cmocka_unit_test(deflated),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(without_some),
		cmocka_unit_test(repeated),
		cmocka_unit_test(long_values),
		cmocka_unit_test(failures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
