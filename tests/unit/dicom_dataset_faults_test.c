/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_says.h"

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
	writer_fill(&w, 'x', 500); /* however much follows */
	assert_int_equal(result_of(&w, e), ERR_LENGTH);
	/* What would have been noted of a head that is refused is not said afterwards. */
	w = writer_of(buf, sizeof(buf));
	put_head(&w, e, 0x00081110, "SQ", 16);
	put_item(&w, e, 8);
	put_head(&w, e, 0x00080060, "CS", 1);
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
	static const char *const none[] = {"\0\0", "A\0", "\0A", "A\x7F",
		"\x1F"
		"A"};
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		w = writer_of(buf, sizeof(buf));
		put_tag(&w, ENCODING_EXPLICIT_LE, 0x00080060);
		writer_bytes(&w, none[i], 2);
		writer_u16le(&w, 0);
		assert_int_equal(result_of(&w, ENCODING_EXPLICIT_LE), ERR_VALUE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
