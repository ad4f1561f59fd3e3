/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_deflate.h"
#include "dicom_says.h"

/* ---- Well-formed ---- */

static void elements(void **state)
{
	struct writer w = writer_of(buf, sizeof(buf));
	put_text(&w, ENCODING_EXPLICIT_LE, 0x00080005, "CS", "ISO_IR 100");
	put_text(&w, ENCODING_EXPLICIT_LE, 0x00080016, "UI", "");
	put_text(&w, ENCODING_EXPLICIT_LE, 0x00091001, "UT",
		"a text of fifty bytes, and more than forty of them");
	put_head(&w, ENCODING_EXPLICIT_LE, 0x00091002, "OB", 2);
	writer_u16le(&w, 7);
	expect(&w, ENCODING_EXPLICIT_LE, DATASET_END, 102,
		"element 00080005 CS a @0 /0\nvalue 10\n"
		"element 00080016 UI 0 @18 /0\nvalue 0\n"
		"element 00091001 UT 32 @26 /0\nvalue 40+\n"
		"element 00091002 OB 2 @88 /0\nvalue 2\n"
		"end 00091002 OB 2 @102 /0\n");
}

/* Every VR of the standard, in both explicit encodings: which have a long length is known. */
static void every_vr(void **state)
{
	static const char vrs[][3] = {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT",
		"OB", "OD", "OF", "OL", "OV", "OW", "PN", "SH", "SL", "SS", "ST", "SV", "TM", "UC", "UI",
		"UL", "UN", "UR", "US", "UT", "UV"};
	for (int k = 1; k < 3; k++) {
		struct writer w = writer_of(buf, sizeof(buf));
		for (unsigned i = 0; i < ARRAY_LEN(vrs); i++) {
			put_head(&w, all[k], 0x00110100 + i, vrs[i], 4);
			writer_u32be(&w, 0xFFFFFFFF);
		}
		p = (struct parse){.encoding = all[k]};
		assert_int_equal(parse_in_pieces(&p, writer_span_of(&w), 0, true).n, ARRAY_LEN(vrs) + 1);
		assert_int_equal(p.digest.result, DATASET_END);
		assert_int_equal(p.digest.noted, 0);
	}
}

static void nested(void **state)
{
	struct writer w = writer_of(buf, sizeof(buf));
	put_nested(&w, ENCODING_EXPLICIT_BE, false);
	expect(&w, ENCODING_EXPLICIT_BE, DATASET_END, 58,
		"sequence 00400100 SQ 26 @0 /0\n"
		"item fffee000 a @12 /1\n"
		"element 00080060 CS 2 @20 /1\nvalue 2\n"
		"item-end fffee000 0 @30 /1\n"
		"item fffee000 c @30 /1\n"
		"sequence 00081115 SQ 0 @38 /1\n"
		"sequence-end 00081115 0 @50 /1\n"
		"item-end fffee000 0 @50 /1\n"
		"sequence-end 00400100 0 @50 /0\n"
		"element 00401001 SH 0 @50 /0\nvalue 0\n"
		"end 00401001 SH 0 @58 /0\n");
	w = writer_of(buf, sizeof(buf));
	put_nested(&w, ENCODING_IMPLICIT_LE, true);
	expect(&w, ENCODING_IMPLICIT_LE, DATASET_END, 82,
		"sequence 00400100 SQ ffffffff @0 /0\n"
		"item fffee000 ffffffff @8 /1\n"
		"element 00080060 CS 2 @16 /1\nvalue 2\n"
		"item-end fffee000 0 @26 /1\n"
		"item fffee000 ffffffff @34 /1\n"
		"sequence 00081115 SQ ffffffff @42 /1\n"
		"sequence-end 00081115 0 @50 /1\n"
		"item-end fffee000 0 @58 /1\n"
		"sequence-end 00400100 0 @66 /0\n"
		"element 00401001 SH 0 @74 /0\nvalue 0\n"
		"end 00401001 SH 0 @82 /0\n");
}

static void path(void **state)
{
	struct writer w = writer_of(buf, sizeof(buf));
	static const uint32_t tags[] = {0x00400100, 0x00081115};
	put_head(&w, ENCODING_EXPLICIT_LE, tags[0], "SQ", UNDEFINED_LENGTH);
	put_item(&w, ENCODING_EXPLICIT_LE, 0);
	put_item(&w, ENCODING_EXPLICIT_LE, UNDEFINED_LENGTH);
	put_head(&w, ENCODING_EXPLICIT_LE, tags[1], "SQ", UNDEFINED_LENGTH);
	put_item(&w, ENCODING_EXPLICIT_LE, UNDEFINED_LENGTH);
	put_text(&w, ENCODING_EXPLICIT_LE, 0x00080060, "CS", "CT");
	struct dataset *d = &p.f.d;
	assert_int_equal(dataset_begin(d, ENCODING_EXPLICIT_LE, NULL), 0);
	dataset_feed(d, writer_span_of(&w));
	static const uint32_t numbers[] = {1, 2, 1};
	size_t items = 0;
	int event;
	while ((event = dataset_next(d)) > 0 && event != DATASET_ELEMENT) {
		if (event == DATASET_ITEM) {
			assert_true(items < ARRAY_LEN(numbers));
			assert_int_equal(d->number, numbers[items++]);
		}
	}
	assert_int_equal(event, DATASET_ELEMENT);
	assert_int_equal(items, 3);
	assert_int_equal(d->depth, 2);
	assert_memory_equal(d->path, tags, sizeof(tags));
	assert_int_equal(dataset_item_number(d, 0), 2);
	assert_int_equal(dataset_item_number(d, 1), 1);
	/* The end inside undefined lengths is no end. */
	dataset_last(d);
	assert_int_equal(dataset_next(d), ERR_TRUNCATED);
	assert_int_equal(d->offset, w.len);
}

/* PS3.5 6.2.2: a UN of undefined length holds implicit VR little endian, whatever is around it. */
static void unknown(void **state)
{
	for (int k = 1; k < 3; k++) {
		struct writer w = writer_of(buf, sizeof(buf));
		put_head(&w, all[k], 0x00091010, "UN", UNDEFINED_LENGTH);
		put_item(&w, ENCODING_IMPLICIT_LE, UNDEFINED_LENGTH);
		put_text(&w, ENCODING_IMPLICIT_LE, 0x00100010, "PN", "X^");
		put_item_end(&w, ENCODING_IMPLICIT_LE);
		put_sequence_end(&w, ENCODING_IMPLICIT_LE);
		put_text(&w, all[k], 0x00100020, "LO", "12");
		put_text(&w, all[k], 0x00101002, "UN", "\xFE\xFF"); /* of defined length: a value */
		expect(&w, all[k], DATASET_END, 70,
			"sequence 00091010 UN ffffffff @0 /0\n"
			"item fffee000 ffffffff @12 /1\n"
			"element 00100010 PN 2 @20 /1\nvalue 2\n"
			"item-end fffee000 0 @30 /1\n"
			"sequence-end 00091010 0 @38 /0\n"
			"element 00100020 LO 2 @46 /0\nvalue 2\n"
			"element 00101002 UN 2 @56 /0\nvalue 2\n"
			"end 00101002 UN 2 @70 /0\n");
	}
}

static void put_fragments(struct writer *w, const char *vr)
{
	put_head(w, ENCODING_EXPLICIT_LE, 0x7FE00010, vr, UNDEFINED_LENGTH);
	put_item(w, ENCODING_EXPLICIT_LE, 0);
	put_item(w, ENCODING_EXPLICIT_LE, 12);
	put_sequence_end(w, ENCODING_EXPLICIT_LE); /* data that looks like the end is none */
	writer_u32be(w, 0);
	put_item(w, ENCODING_EXPLICIT_LE, 3);
	writer_bytes(w, "abc", 3);
	put_sequence_end(w, ENCODING_EXPLICIT_LE);
}

static void fragments(void **state)
{
	struct writer w = writer_of(buf, sizeof(buf));
	put_fragments(&w, "OB");
	put_head(&w, ENCODING_EXPLICIT_LE, 0xFFFCFFFC, "OB", 0);
	expect(&w, ENCODING_EXPLICIT_LE, DATASET_END, 71,
		"encapsulated 7fe00010 OB ffffffff @0 /0\n"
		"fragment fffee000 0 @12 /1\nvalue 0\n"
		"fragment fffee000 c @20 /1\nvalue 12\n"
		"note odd-length @40\n"
		"fragment fffee000 3 @40 /1\nvalue 3\n"
		"encapsulated-end 7fe00010 0 @51 /0\n"
		"element fffcfffc OB 0 @59 /0\nvalue 0\n"
		"end fffcfffc OB 0 @71 /0\n");
}

/* The VR is the dictionary's where none is encoded. */
static void implied(void **state)
{
	static const struct {
		uint32_t tag;
		const char *vr;
	} rows[] = {{0x00080000, "UL"}, {0x00080005, "CS"}, {0x00090010, "LO"}, {0x000900FF, "LO"},
		{0x00091001, "UN"}, {0x00100010, "PN"}, {0x00100019, "UN"}, {0x00203102, "CS"},
		{0x00280106, "US"}, {0x00281201, "OW"}, {0x00291001, "UN"}, {0x50020010, "US"},
		{0x60020010, "US"}, {0x60023000, "OW"}, {0x7FE00010, "OW"}, {0xFFFCFFFC, "OB"}};
	struct writer w = writer_of(buf, sizeof(buf));
	struct dataset *d = &p.f.d;
	for (size_t turn = 0; turn < 2;
		turn++) { /* ascending, then descending: the lookup's memory is no trap */
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			put_head(&w, ENCODING_IMPLICIT_LE, rows[turn ? ARRAY_LEN(rows) - 1 - i : i].tag, "",
				0);
		}
	}
	assert_int_equal(dataset_begin(d, ENCODING_IMPLICIT_LE, NULL), 0);
	dataset_feed(d, writer_span_of(&w));
	for (size_t k = 0; k < 2 * ARRAY_LEN(rows); k++) {
		size_t i = k < ARRAY_LEN(rows) ? k : 2 * ARRAY_LEN(rows) - 1 - k;
		int event;
		while ((event = dataset_next(d)) == DATASET_NOTE) {
		}
		assert_int_equal(event, DATASET_ELEMENT);
		assert_int_equal(d->tag, rows[i].tag);
		assert_string_equal(d->vr, rows[i].vr);
	}
	/* A repeating group with a sequence. */
	w = writer_of(buf, sizeof(buf));
	put_head(&w, ENCODING_IMPLICIT_LE, 0x50002600, "", 8);
	put_item(&w, ENCODING_IMPLICIT_LE, 0);
	expect(&w, ENCODING_IMPLICIT_LE, DATASET_END, 16,
		"sequence 50002600 SQ 8 @0 /0\nitem fffee000 0 @8 /1\nitem-end fffee000 0 @16 /1\n"
		"sequence-end 50002600 0 @16 /0\nend 50002600 0 @16 /0\n");
}

/* What the dictionary knows as a sequence, as UN: a value, or, if that is asked for, a sequence in implicit VR (PS3.5 6.2.2). */
static void opened_un(void **state)
{
	static const int events[2][9] = {{DATASET_ELEMENT, DATASET_ELEMENT, DATASET_ELEMENT, DATASET_MORE},
		{DATASET_SEQUENCE, DATASET_ITEM, DATASET_ELEMENT, DATASET_ITEM_END, DATASET_SEQUENCE_END,
			DATASET_ELEMENT, DATASET_ELEMENT, DATASET_MORE}};
	struct dataset *d = &p.f.d;
	struct writer w = writer_of(buf, sizeof(buf));
	put_head(&w, ENCODING_EXPLICIT_LE, 0x00081115, "UN", 18);
	put_item(&w, ENCODING_IMPLICIT_LE, 10);
	put_text(&w, ENCODING_IMPLICIT_LE, 0x00080060, "", "CT");
	put_text(
		&w, ENCODING_EXPLICIT_LE, 0x00091001, "UN", "nobody's"); /* what is not known stays a value */
	put_text(&w, ENCODING_EXPLICIT_LE, 0x00100010, "UN", "a text");
	for (int opened = 0; opened < 2; opened++) {
		assert_int_equal(dataset_begin(d, ENCODING_EXPLICIT_LE, NULL), 0);
		if (opened) {
			dataset_open_un(d);
		}
		dataset_feed(d, writer_span_of(&w));
		for (unsigned i = 0; i == 0 || events[opened][i - 1] != DATASET_MORE; i++) {
			assert_int_equal(dataset_next(d), events[opened][i]);
			assert_true(!opened || i != 2 || (d->depth == 1 && strcmp(d->vr, "CS") == 0));
		}
	}
	/* One that is none. */
	w = writer_of(buf, sizeof(buf));
	put_text(&w, ENCODING_EXPLICIT_LE, 0x00081115, "UN", "not an item");
	assert_int_equal(dataset_begin(d, ENCODING_EXPLICIT_LE, NULL), 0);
	dataset_open_un(d);
	dataset_feed(d, writer_span_of(&w));
	int event;
	while ((event = dataset_next(d)) > 0) {
	}
	assert_int_equal(event, ERR_ORDER);
}

/* ---- Values ---- */

static void asked_for(void **state)
{
	struct dataset *d = &p.f.d;
	struct writer w = writer_of(buf, sizeof(buf));
	uint8_t own[4] = {0};
	put_text(&w, ENCODING_EXPLICIT_LE, 0x00080060, "CS", "ABCDEF");
	put_text(&w, ENCODING_EXPLICIT_LE, 0x00080070, "LO", "skipped ");
	put_text(&w, ENCODING_EXPLICIT_LE, 0x00100010, "PN", "GHIJ");
	assert_int_equal(dataset_begin(d, ENCODING_EXPLICIT_LE, NULL), 0);
	dataset_feed(d, span_of(buf, 10));
	assert_int_equal(dataset_next(d), DATASET_ELEMENT);
	dataset_collect(d, own, sizeof(own));
	assert_int_equal(dataset_next(d), DATASET_MORE);
	dataset_feed(d, span_of(buf + 10, w.len - 12));
	assert_int_equal(dataset_next(d), DATASET_VALUE);
	assert_ptr_equal(d->value.ptr, own); /* it was cut, so it was copied */
	assert_span(d->value, "ABCD");
	assert_true(d->truncated && d->last_piece);
	assert_int_equal(dataset_next(d), DATASET_ELEMENT);
	assert_int_equal(dataset_next(d), DATASET_ELEMENT);
	assert_int_equal(d->tag, 0x00100010);
	dataset_pieces(d);
	assert_int_equal(dataset_next(d), DATASET_VALUE);
	assert_span(d->value, "GH");
	assert_false(d->last_piece);
	assert_int_equal(dataset_next(d), DATASET_MORE);
	dataset_feed(d, span_of(buf + w.len - 2, 2));
	assert_int_equal(dataset_next(d), DATASET_VALUE);
	assert_ptr_equal(d->value.ptr, buf + w.len - 2); /* borrowed */
	assert_true(d->last_piece);
	assert_false(d->truncated);
	assert_int_equal(dataset_next(d), DATASET_MORE);
	dataset_last(d);
	assert_int_equal(dataset_next(d), DATASET_END);
	assert_int_equal(dataset_next(d), DATASET_END);
}

/* ---- Deflated ---- */

static void deflated(void **state)
{
	static uint8_t packed[4096];
	struct writer w = writer_of(buf, sizeof(buf));
	put_nested(&w, ENCODING_EXPLICIT_LE, true);
	int plain = 0, r = 0;
	char *expected = says(writer_span_of(&w), ENCODING_EXPLICIT_LE, &plain);
	uint64_t end = p.f.d.offset;
	size_t n = deflate_raw(writer_span_of(&w), packed, sizeof(packed) - 8);
	for (int pad = 0; pad < 3; pad++) { /* PS3.5 A.5: one NUL may follow */
		packed[n + (size_t)pad - (pad > 0)] = 0;
		char *said = says(span_of(packed, n + (size_t)pad), ENCODING_DEFLATED_LE, &r);
		assert_int_equal(r, DATASET_END);
		assert_int_equal(p.f.d.offset, end);
		assert_int_equal(p.f.d.noted, pad > 1 ? 1u << NOTE_TRAILING : 0);
		assert_memory_equal(said, expected, strlen(expected) - 30);
		free(said);
	}
	for (size_t i = 0; i < n; i++) {
		free(says(span_of(packed, i), ENCODING_DEFLATED_LE, &r));
		assert_int_equal(r, ERR_TRUNCATED);
	}
	packed[n] = 'x'; /* no padding */
	free(says(span_of(packed, n + 1), ENCODING_DEFLATED_LE, &r));
	assert_int_equal(r, DATASET_END);
	assert_int_equal(p.f.d.noted, 1u << NOTE_TRAILING);
	free(expected);
	free(says(span_str("\x07 no block is of the third type"), ENCODING_DEFLATED_LE, &r));
	assert_int_equal(r, ERR_VALUE);
}

/* A thousand bytes for each: no step gives more than it may, and all of it is arithmetic when it is skipped. */
static void bomb(void **state)
{
	static uint8_t packed[65536];
	size_t plain = 32u << 20;
	uint8_t *zeros = calloc(plain, 1);
	assert_non_null(zeros);
	struct writer w = writer_of(zeros, plain);
	put_head(&w, ENCODING_EXPLICIT_LE, 0x00091001, "OB", (uint32_t)plain - 12);
	size_t n = deflate_raw(span_of(zeros, plain), packed, sizeof(packed));
	assert_true(n < plain / 900);
	p = (struct parse){.encoding = ENCODING_DEFLATED_LE, .ask = ASK_PIECES};
	parse_begin(&p);
	dataset_feed(&p.f.d, span_of(packed, n));
	dataset_last(&p.f.d);
	uint64_t sum = 0;
	int event;
	while ((event = dataset_next(&p.f.d)) != DATASET_END) {
		assert_true(event > 0);
		if (event == DATASET_ELEMENT) {
			dataset_pieces(&p.f.d);
		} else {
			assert_true(p.f.d.value.len <= INFLATER_STEP);
			sum += p.f.d.value.len;
		}
	}
	assert_int_equal(sum, plain - 12);
	free(zeros);
}

static void encodings(void **state)
{
	static const struct {
		const char *uid;
		enum encoding encoding;
	} rows[] = {{"1.2.840.10008.1.2", ENCODING_IMPLICIT_LE},
		{"1.2.840.10008.1.2.1", ENCODING_EXPLICIT_LE},
		{"1.2.840.10008.1.2.4.70", ENCODING_EXPLICIT_LE},
		{"1.2.840.10008.1.2.2", ENCODING_EXPLICIT_BE},
		{"1.2.840.10008.1.2.8.1", ENCODING_EXPLICIT_LE}, /* deflates frames alone */
		{"1.2.840.10008.1.2.1.99", ENCODING_DEFLATED_LE},
		{"1.2.840.10008.1.2.4.95", ENCODING_DEFLATED_LE},
		{"1.2.840.10008.1.2.4.205", ENCODING_DEFLATED_LE}};
	enum encoding e = ENCODING_EXPLICIT_BE;
	assert_int_equal(encoding_of(span_str("1.2.840.10008.1.1"), &e), ERR_NOT_FOUND);
	assert_int_equal(encoding_of(span_str("1.2.3"), &e), ERR_NOT_FOUND);
	assert_int_equal(e, ENCODING_EXPLICIT_BE);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(encoding_of(span_str(rows[i].uid), &e), 0);
		assert_int_equal(e, rows[i].encoding);
	}
	assert_int_equal(dataset_begin(&p.f.d, ENCODING_DEFLATED_LE, NULL), ERR_UNSUPPORTED);
	assert_int_equal(dataset_next(&p.f.d), ERR_UNSUPPORTED);
}

static void lossless(void **state)
{
	static const struct {
		const char *uid, *lossless;
	} rows[] = {{"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"},
		{"1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.70"},
		{"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.57"},
		{"1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.80"},
		{"1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.90"},
		{"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.90"},
		{"1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.4.90"},
		{"1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.80"},
		{"1.2.840.10008.1.2.4.106.1", "1.2.840.10008.1.2.4.80"},
		{"1.2.840.10008.1.2.4.108", "1.2.840.10008.1.2.4.80"},
		{"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.5"}};
	static const char *const none[] = {
		"1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.109", "1.2.840.10008.1.2.4.204", "1.2.3", ""};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_string_equal(encoding_lossless(span_str(rows[i].uid)), rows[i].lossless);
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		assert_null(encoding_lossless(span_str(none[i])));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements),
		cmocka_unit_test(every_vr),
		cmocka_unit_test(nested),
		cmocka_unit_test(path),
		cmocka_unit_test(unknown),
		cmocka_unit_test(fragments),
		cmocka_unit_test(implied),
		cmocka_unit_test(opened_un),
		cmocka_unit_test(asked_for),
		cmocka_unit_test(deflated),
		cmocka_unit_test(bomb),
		cmocka_unit_test(encodings),
		cmocka_unit_test(lossless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
