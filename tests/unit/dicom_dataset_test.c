/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_deflate.h"
#include "dicom_events.h"
#include "dicom_made.h"

static const enum encoding all[] = {ENCODING_IMPLICIT_LE, ENCODING_EXPLICIT_LE, ENCODING_EXPLICIT_BE};
static struct parse p;
static uint8_t buf[65536];

/* Parse, whole and in every cut and in single bytes; what is said as text, the same each time. */
static char *says(struct span s, enum encoding e, int *ret_result)
{
	char *text = NULL;
	size_t n = 0;
	p = (struct parse){.encoding = e, .ask = ASK_COLLECT};
	p.text = open_memstream(&text, &n);
	assert_non_null(p.text);
	struct digest whole = parse_in_pieces(&p, s, 0, true);
	fclose(p.text);
	p.text = NULL;
	*ret_result = whole.result;
	for (size_t i = 0; i <= s.len && s.len < 4096; i++) {
		assert_true(digest_eq(whole, parse_cut(&p, s, i)));
	}
	assert_true(digest_eq(whole, parse_in_pieces(&p, s, 1, true)));
	return text;
}

/* This data set is said to be this. Of the result where it is an error the offset, too. */
static void expect(const struct writer *w, enum encoding e, int result, uint64_t offset, const char *text)
{
	int r = 0;
	assert_int_equal(writer_end(w), 0);
	char *said = says(writer_span_of(w), e, &r);
	assert_string_equal(said, text);
	assert_int_equal(r, result);
	assert_int_equal(p.f.d.offset, offset);
	free(said);
}

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

/* Two items, the second with a sequence of its own that is empty; a key after it. */
static void put_nested(struct writer *w, enum encoding e, bool undefined)
{
	uint32_t head = e == ENCODING_IMPLICIT_LE ? 8 : 12;
	uint32_t first = 8 + 2, second = head;
	uint32_t sum = 8 + first + 8 + second;
	put_head(w, e, 0x00400100, "SQ", undefined ? UNDEFINED_LENGTH : sum);
	put_item(w, e, undefined ? UNDEFINED_LENGTH : first);
	put_text(w, e, 0x00080060, "CS", "CT");
	if (undefined) {
		put_item_end(w, e);
	}
	put_item(w, e, undefined ? UNDEFINED_LENGTH : second);
	put_head(w, e, 0x00081115, "SQ", undefined ? UNDEFINED_LENGTH : 0);
	if (undefined) {
		put_sequence_end(w, e);
		put_item_end(w, e);
		put_sequence_end(w, e);
	}
	put_text(w, e, 0x00401001, "SH", "");
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
	int event;
	while ((event = dataset_next(d)) > 0 && event != DATASET_ELEMENT) {
	}
	assert_int_equal(event, DATASET_ELEMENT);
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

/* ---- What is noted ---- */

static void order(void **state)
{
	struct writer w = writer_of(buf, sizeof(buf));
	put_text(&w, ENCODING_IMPLICIT_LE, 0x00100020, "", "1 ");
	put_text(&w, ENCODING_IMPLICIT_LE, 0x00100020, "", "2 ");
	put_text(&w, ENCODING_IMPLICIT_LE, 0x00080060, "", "CT");
	put_text(&w, ENCODING_IMPLICIT_LE, 0x00080070, "", "");
	expect(&w, ENCODING_IMPLICIT_LE, DATASET_END, 38,
		"element 00100020 LO 2 @0 /0\nvalue 2\n"
		"note duplicate @10\nelement 00100020 LO 2 @10 /0\nvalue 2\n"
		"note order @20\nelement 00080060 CS 2 @20 /0\nvalue 2\n"
		"element 00080070 LO 0 @30 /0\nvalue 0\n"
		"end 00080070 LO 0 @38 /0\n");
	assert_int_equal(p.f.d.noted, 1u << NOTE_DUPLICATE | 1u << NOTE_ORDER);
}

static void odd_vrs(void **state)
{
	struct writer w = writer_of(buf, sizeof(buf));
	put_head(&w, ENCODING_EXPLICIT_LE, 0x00091001, "ZZ", 2); /* PS3.5 6.2: a 32-bit length */
	writer_u16le(&w, 0);
	put_head(&w, ENCODING_EXPLICIT_LE, 0x00091002, "??", 3);
	writer_bytes(&w, "abc", 3);
	put_tag(&w, ENCODING_EXPLICIT_LE, 0x00091003);
	writer_bytes(&w, "UT\0\1\0\0\0\0", 8);
	expect(&w, ENCODING_EXPLICIT_LE, DATASET_END, 37,
		"note vr-unknown @0\nelement 00091001 ZZ 2 @0 /0\nvalue 2\n"
		"note odd-length @14\nnote vr-malformed @14\nelement 00091002 ?? 3 @14 /0\nvalue 3\n"
		"note reserved @25\nelement 00091003 UT 0 @25 /0\nvalue 0\n"
		"end 00091003 UT 0 @37 /0\n");
}

static void undefined_lengths(void **state)
{
	struct writer w = writer_of(buf, sizeof(buf));
	put_head(&w, ENCODING_IMPLICIT_LE, 0x00100010, "", UNDEFINED_LENGTH);
	put_sequence_end(&w, ENCODING_IMPLICIT_LE);
	put_head(&w, ENCODING_IMPLICIT_LE, 0x7FE00010, "", UNDEFINED_LENGTH);
	put_item(&w, ENCODING_IMPLICIT_LE, 0);
	put_sequence_end(&w, ENCODING_IMPLICIT_LE);
	expect(&w, ENCODING_IMPLICIT_LE, DATASET_END, 40,
		"note undefined-length @0\nsequence 00100010 PN ffffffff @0 /0\nsequence-end 00100010 0 @8 /0\n"
		"note undefined-length @16\nencapsulated 7fe00010 OW ffffffff @16 /0\n"
		"fragment fffee000 0 @24 /1\nvalue 0\nencapsulated-end 7fe00010 0 @32 /0\n"
		"end 7fe00010 0 @40 /0\n");
	w = writer_of(buf, sizeof(buf));
	put_head(&w, ENCODING_EXPLICIT_LE, 0x00091001, "OW", UNDEFINED_LENGTH);
	put_sequence_end(&w, ENCODING_EXPLICIT_LE);
	expect(&w, ENCODING_EXPLICIT_LE, DATASET_END, 20,
		"note undefined-length @0\nencapsulated 00091001 OW ffffffff @0 /0\n"
		"encapsulated-end 00091001 0 @12 /0\nend 00091001 0 @20 /0\n");
	w = writer_of(buf, sizeof(buf));
	put_text(&w, ENCODING_EXPLICIT_LE, 0x00080060, "CS", "CT");
	put_head(&w, ENCODING_EXPLICIT_LE, 0x00091001, "UT", UNDEFINED_LENGTH);
	expect(&w, ENCODING_EXPLICIT_LE, ERR_LENGTH, 10, "element 00080060 CS 2 @0 /0\nvalue 2\n");
}

static void delimiters(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	struct writer w = writer_of(buf, sizeof(buf));
	put_head(&w, e, 0x00081110, "SQ",
		UNDEFINED_LENGTH); /* the item's delimiter is missing, the other has a length */
	put_item(&w, e, UNDEFINED_LENGTH);
	put_head(&w, e, TAG_SEQUENCE_DELIMITER, "", 6);
	put_sequence_end(&w, e); /* and this one belongs to nothing */
	put_item_end(&w, e);
	put_head(&w, e, 0x00081115, "SQ", 24); /* of defined lengths, and delimited too */
	put_item(&w, e, 8);
	put_item_end(&w, e);
	put_sequence_end(&w, e);
	expect(&w, e, DATASET_END, 80,
		"sequence 00081110 SQ ffffffff @0 /0\nitem fffee000 ffffffff @12 /1\n"
		"note delimiter-missing @20\nitem-end fffee000 0 @20 /1\n"
		"note delimiter-length @20\nsequence-end 00081110 0 @20 /0\n"
		"note delimiter-stray @28\nnote delimiter-stray @36\n"
		"sequence 00081115 SQ 18 @44 /0\nitem fffee000 8 @56 /1\nnote delimiter-stray @64\n"
		"item-end fffee000 0 @72 /1\nnote delimiter-stray @72\nsequence-end 00081115 0 @80 /0\n"
		"end 00081115 0 @80 /0\n");
}

/* ---- What is refused ---- */

static int result_of(const struct writer *w, enum encoding e)
{
	int r = 0;
	assert_int_equal(writer_end(w), 0);
	free(says(writer_span_of(w), e, &r));
	/* A failure is said again, and nothing that is fed changes it. */
	if (r < 0) {
		dataset_feed(&p.f.d, span_str("more"));
		assert_int_equal(dataset_next(&p.f.d), r);
	}
	return r;
}

/* 20 bytes around a value that has this much more than fits into them; or around them, if the item is what is longer. */
static int over_parent(enum encoding e, bool in_item, uint32_t more)
{
	struct writer w = writer_of(buf, sizeof(buf));
	uint32_t head = e == ENCODING_IMPLICIT_LE ? 8 : 12;
	put_head(&w, e, 0x00081110, "SQ", in_item ? UNDEFINED_LENGTH : 8 + 20);
	put_item(&w, e, in_item ? 20 : 20 + more);
	put_head(&w, e, 0x00091001, "OB", in_item ? 20 - head + more : 20 - head);
	writer_fill(&w, 0, 20 - head + (more > 2 ? 2 : more));
	if (in_item) {
		put_sequence_end(&w, e);
	}
	return result_of(&w, e);
}

static void beyond_what_is_around(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(all); k++) {
		for (int in_item = 0; in_item < 2; in_item++) {
			assert_int_equal(over_parent(all[k], in_item, 0), DATASET_END);
			assert_int_equal(over_parent(all[k], in_item, 2), ERR_LENGTH);
			assert_int_equal(over_parent(all[k], in_item, 0xFFFFFFFE - 20), ERR_LENGTH);
		}
	}
	/* A head that its parent cuts, and undefined lengths that it does. */
	enum encoding e = ENCODING_EXPLICIT_LE;
	struct writer w = writer_of(buf, sizeof(buf));
	put_head(&w, e, 0x00081110, "SQ", 14);
	put_item(&w, e, 6);
	put_text(&w, e, 0x00080060, "CS", "CT");
	assert_int_equal(result_of(&w, e), ERR_LENGTH);
	w = writer_of(buf, sizeof(buf));
	put_head(&w, e, 0x00081110, "SQ", 8);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_item_end(&w, e);
	assert_int_equal(result_of(&w, e), ERR_LENGTH);
	w = writer_of(buf, sizeof(buf));
	put_head(&w, e, 0x7FE00010, "OB", UNDEFINED_LENGTH);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_sequence_end(&w, e);
	assert_int_equal(result_of(&w, e), ERR_LENGTH);
}

static void out_of_place(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	struct writer w = writer_of(buf, sizeof(buf));
	put_item(&w, e, 0); /* an item at the top */
	assert_int_equal(result_of(&w, e), ERR_ORDER);
	w = writer_of(buf, sizeof(buf));
	put_head(&w, e, 0x00081110, "SQ", UNDEFINED_LENGTH);
	put_text(&w, e, 0x00080060, "CS", "CT"); /* an element among items */
	assert_int_equal(result_of(&w, e), ERR_ORDER);
	w = writer_of(buf, sizeof(buf));
	put_head(&w, e, 0x00081110, "SQ", UNDEFINED_LENGTH);
	put_item_end(&w, e);
	assert_int_equal(result_of(&w, e), ERR_ORDER);
	w = writer_of(buf, sizeof(buf));
	put_head(&w, e, 0x00081110, "SQ", 16);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_sequence_end(&w, e); /* a sequence of defined length has none that could end the item too */
	assert_int_equal(result_of(&w, e), ERR_ORDER);
	w = writer_of(buf, sizeof(buf));
	put_head(&w, e, 0x7FE00010, "OB", UNDEFINED_LENGTH);
	put_item_end(&w, e);
	assert_int_equal(result_of(&w, e), ERR_ORDER);
	w = writer_of(buf, sizeof(buf));
	put_head(&w, e, 0xFFFEE001, "", 0);
	assert_int_equal(result_of(&w, e), ERR_ORDER);
}

/* Sequences as deep as the limit, and one deeper. */
static void depth(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(all); k++) {
		for (unsigned deep = LIMIT_SEQUENCE_DEPTH; deep <= LIMIT_SEQUENCE_DEPTH + 1; deep++) {
			struct writer w = writer_of(buf, sizeof(buf));
			for (unsigned i = 0; i < deep; i++) {
				put_head(&w, all[k], 0x00081110, "SQ", UNDEFINED_LENGTH);
				put_item(&w, all[k], UNDEFINED_LENGTH);
			}
			for (unsigned i = 0; i < deep; i++) {
				put_item_end(&w, all[k]);
				put_sequence_end(&w, all[k]);
			}
			bool fits = deep == LIMIT_SEQUENCE_DEPTH;
			assert_int_equal(result_of(&w, all[k]), fits ? DATASET_END : ERR_LIMIT);
		}
	}
}

/* Cut at every byte: between elements of the top it is an end, anywhere else it is none. */
static void truncated(void **state)
{
	for (size_t k = 0; k < 6; k++) {
		enum encoding e = all[k / 2];
		struct writer w = writer_of(buf, sizeof(buf));
		put_text(&w, e, 0x00080060, "CS", "CT");
		size_t first = w.len;
		put_nested(&w, e, k % 2);
		size_t second = w.len - 8;
		for (size_t i = 0; i <= w.len; i++) {
			struct writer cut = {.ptr = buf, .cap = i, .len = i};
			bool end = i == 0 || i == first || i == second || i == w.len;
			assert_int_equal(result_of(&cut, e), end ? DATASET_END : ERR_TRUNCATED);
			assert_int_equal(p.f.d.offset, i);
		}
	}
}

/* Lengths that no input has: nothing is read past what was fed, and nothing is taken for it. */
static void giant(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(all); k++) {
		struct writer w = writer_of(buf, sizeof(buf));
		put_head(&w, all[k], 0x00091001, "OB", 0xFFFFFFFE);
		writer_fill(&w, 1, 100);
		assert_int_equal(result_of(&w, all[k]), ERR_TRUNCATED);
		w = writer_of(buf, sizeof(buf));
		put_head(&w, all[k], 0x00081110, "SQ", 0xFFFFFFFE);
		put_item(&w, all[k], 0xFFFFFFF6);
		put_head(&w, all[k], 0x00091001, "OB", 0xFFFFFFEA - (all[k] != ENCODING_IMPLICIT_LE ? 0 : 4));
		assert_int_equal(result_of(&w, all[k]), ERR_TRUNCATED);
		w = writer_of(buf, sizeof(buf));
		put_head(&w, all[k], 0x00081110, "SQ", 0xFFFFFFFE);
		put_item(&w, all[k], 0xFFFFFFF8);
		assert_int_equal(result_of(&w, all[k]), ERR_LENGTH);
	}
}

/* More than four gigabytes in one data set, by arithmetic: offsets do not wrap. */
static void beyond_four_gigabytes(void **state)
{
	struct dataset *d = &p.f.d;
	struct writer w = writer_of(buf, sizeof(buf));
	assert_int_equal(dataset_begin(d, ENCODING_EXPLICIT_LE, NULL), 0);
	uint64_t at = 0;
	size_t piece = 1u << 20;
	uint8_t *zeros = calloc(piece, 1);
	assert_non_null(zeros);
	for (int i = 0; i < 2; i++) {
		w = writer_of(buf, sizeof(buf));
		put_head(&w, ENCODING_EXPLICIT_LE, 0x00091001 + (uint32_t)i, "OB", 0xFFF00000);
		dataset_feed(d, writer_span_of(&w));
		assert_int_equal(dataset_next(d), DATASET_ELEMENT);
		assert_int_equal(d->offset, at);
		assert_int_equal(dataset_next(d), DATASET_MORE);
		for (int j = 0; j < 4095; j++) {
			dataset_feed(d, span_of(zeros, piece));
			assert_int_equal(dataset_next(d), DATASET_MORE);
		}
		at += 12 + 0xFFF00000u;
	}
	dataset_last(d);
	assert_int_equal(dataset_next(d), DATASET_END);
	assert_int_equal(d->offset, 2 * (12 + (uint64_t)0xFFF00000u));
	free(zeros);
}

static void not_explicit(void **state)
{
	struct writer w = writer_of(buf, sizeof(buf));
	put_text(&w, ENCODING_IMPLICIT_LE, 0x00080060, "CS", "CT");
	expect(&w, ENCODING_EXPLICIT_LE, ERR_VALUE, 0, "");
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
	packed[n - 1] = 'x';
	free(says(span_of(packed, n), ENCODING_DEFLATED_LE, &r));
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
		cmocka_unit_test(order),
		cmocka_unit_test(odd_vrs),
		cmocka_unit_test(undefined_lengths),
		cmocka_unit_test(delimiters),
		cmocka_unit_test(beyond_what_is_around),
		cmocka_unit_test(out_of_place),
		cmocka_unit_test(depth),
		cmocka_unit_test(truncated),
		cmocka_unit_test(giant),
		cmocka_unit_test(beyond_four_gigabytes),
		cmocka_unit_test(not_explicit),
		cmocka_unit_test(asked_for),
		cmocka_unit_test(deflated),
		cmocka_unit_test(bomb),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
