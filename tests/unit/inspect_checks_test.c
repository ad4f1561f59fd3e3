/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

/* ---- Texts ---- */

static void texts(void **state)
{
	static const struct {
		const char *name, *checks;
	} rows[] = {
		{"Doe^Jane", ""},
		{"O'Brien^Pat (or Patricia)", ""},
		{"<script>x</script>", "text-markup"},
		{"<SCRIPT src=x>", "text-markup"},
		{"< 3 years, > 2", ""},
		{"x<img src=1 onerror=alert(1)>", "text-markup"},
		{"JavaScript:alert(1)", "text-markup"},
		{"${jndi:ldap://x}", "text-template"},
		{"{{7*7}}", "text-template"},
		{"50 $ {paid}", ""},
		{"$(id)", "text-shell"},
		{"`id`", "text-shell"},
		{"d`Angelo", ""},
		{"x; rm -rf /", "text-shell"},
		{"../../etc/passwd", "text-path"},
		{"a/b/c.d", ""},
		{"' OR '1'='1", "text-sql"},
		{"x UNION SELECT 1", "text-sql"},
		{"union of bones; select a plan", ""},
		{"%s%s%s", "text-format"},
		{"50%sure", ""},
		{"a\x01z", "text-control"},
		{"a\x1b[31mz", "text-control text-charset"},
		{"a\r\nz", "text-lines"},
		{"J\xc3\xbcrgen", "text-charset"},
		{"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!", "embedded-test-virus"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_patient(&w, rows[k].name);
		expect(&w, rows[k].checks);
	}
}

static void long_texts(void **state)
{
	static char text[20000];
	static const struct {
		size_t n;
		const char *checks;
	} rows[] = {{64, ""}, {65, "value-too-long"}, {639, "value-too-long"}, {640, "value-far-too-long"},
		{4096, "value-far-too-long"}, {4098, "value-far-too-long"}, {19998, "value-far-too-long"}};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		memset(text, 'x', sizeof(text));
		text[rows[k].n] = '\0';
		struct writer w = object(SECONDARY);
		put_patient(&w, text);
		expect(&w, rows[k].checks);
	}
	/* Each value of many, and each group of a name, has its own limit. */
	for (size_t n = 30; n < 6000; n += 31) {
		text[n] = '\\';
	}
	text[6000] = '\0';
	struct writer w = object(SECONDARY);
	put_patient(&w, text);
	expect(&w, "");
	/* A mark across the boundary of what is held. */
	memset(text, 'x', 6000);
	memcpy(text + 4090, "<script>", 8);
	w = object(SECONDARY);
	put_patient(&w, text);
	expect(&w, "text-markup value-far-too-long");
}

static void character_sets(void **state)
{
	static const struct {
		const char *charset, *name, *checks;
	} rows[] = {
		{"ISO_IR 192", "J\xc3\xbcrgen", ""},
		{"ISO_IR 192", "J\xfcrgen", "text-charset"},
		{"ISO_IR 100", "J\xfcrgen", ""},
		{"UTF-8", "J\xc3\xbcrgen", "charset"},
		{"KLINGON", "Jane", "charset-unknown"},
		{"ISO_IR 192",
			"a\xe2\x80\xae"
			"b",
			"text-direction"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = writer_of(bytes, sizeof(bytes));
		put_string(&w, 0x00080005, "CS", rows[k].charset);
		put_string(&w, 0x00080016, "UI", SECONDARY);
		put_string(&w, 0x00080018, "UI", "1.2.3.4");
		put_patient(&w, rows[k].name);
		inspect_pieces(&inspected, &(struct inspect_about){.transfer_syntax = span_str(EXPLICIT)},
			writer_span_of(&w), 0, 0, true);
		char is[256];
		said_checks(&inspected, is, sizeof(is));
		/* A name of the wrong kind of set is no CS either. */
		if (strcmp(rows[k].charset, "UTF-8") == 0) {
			assert_non_null(strstr(is, "charset"));
		} else {
			assert_string_equal(is, rows[k].checks);
		}
	}
}

/* ---- Structure ---- */

static void structure(void **state)
{
	static const struct {
		const char *checks, *vr;
		uint32_t tag;
		const char *value;
		size_t n;
	} rows[] = {
		{"", "LO", 0x00181030, "Head", 4},
		{"vr-differs", "SH", 0x00181030, "Head", 4},
		{"vr-mismatch", "UL", 0x00181030, "Head", 4},
		{"value-length", "UL", 0x00186018, "\0\0", 2},
		{"vr-unknown", "ZZ", 0x00181030, "Head", 4},
		{"uid-grammar", "UI", 0x00181002, "1.02.3", 6},
		{"", "UI", 0x00181002, "1.20.3", 6},
		{"tag-order", "LO", 0x00080070, "Head", 4},
		{"tag-duplicate", "UI", 0x0020000E, "1.2.3.1", 8},
		{"value-grammar", "CS", 0x00280A02, "lower ", 6},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		if (rows[k].tag == 0x00181030 || rows[k].tag >> 16 == 0x0018) {
			put_string(&w, 0x00100020, "LO", "4711");
			put_value(&w, rows[k].tag, rows[k].vr, rows[k].value, rows[k].n);
			put_string(&w, 0x0020000D, "UI", "1.2.3");
			put_string(&w, 0x0020000E, "UI", "1.2.3.1");
		} else {
			put_patient(&w, "Doe^Jane");
			put_value(&w, rows[k].tag, rows[k].vr, rows[k].value, rows[k].n);
		}
		expect(&w, rows[k].checks);
	}
	/* Lengths that are negative to many. */
	struct writer w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_head(&w, e, 0x00420010, "UN", 0x80000000u);
	expect(&w, "truncated element-length");
}

/* What was said of an element is not said of another one that has its place among those that are kept, nor of another VR. */
static void kinds(void **state)
{
	static const struct {
		const char *checks, *vr;
		uint32_t tag;
	} rows[] = {
		{"", "LO", 0x00181030},
		{"", "DS", 0x00181411}, /* the same place, as all of these */
		{"vr-differs", "LO", 0x00181411},
		{"vr-differs", "DS", 0x00181030},
		{"", "FD", 0x00189220},
		{"vr-mismatch", "LO", 0x00189220},
	};
	for (size_t a = 0; a < ARRAY_LEN(rows); a++) {
		for (size_t b = 0; b < 2 * ARRAY_LEN(rows); b++) {
			size_t k = b % 2 == 0 ? a : b / 2;
			struct writer w = object(SECONDARY);
			put_string(&w, 0x00100020, "LO", "4711");
			put_value(&w, rows[k].tag, rows[k].vr, "12345678", 8);
			put_string(&w, 0x0020000D, "UI", "1.2.3");
			put_string(&w, 0x0020000E, "UI", "1.2.3.1");
			expect(&w, rows[k].checks);
		}
	}
}

/* Sequences and their delimiters. */
static void sequences(void **state)
{
	static const struct {
		uint8_t items, delimiters;
		uint32_t delimiter_length;
		const char *checks;
	} rows[] = {{1, 1, 0, ""}, {63, 63, 0, ""}, {1, 1, 8, "delimiter-length"}, {65, 0, 0, "too-deep"},
		{1, 2, 0, "delimiter-stray"}};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_patient(&w, "Doe^Jane");
		for (unsigned n = 0; n < rows[k].items; n++) {
			put_head(&w, e, 0x0040A730, "SQ", UNDEFINED_LENGTH);
			put_item(&w, e, UNDEFINED_LENGTH);
		}
		for (unsigned n = 0; n < rows[k].delimiters; n++) {
			if (n < rows[k].items) {
				put_head(&w, e, TAG_ITEM_DELIMITER, "", rows[k].delimiter_length);
			}
			put_head(&w, e, TAG_SEQUENCE_DELIMITER, "", 0);
		}
		expect(&w, rows[k].checks);
	}
	struct writer w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_head(&w, e, 0x0040A730, "SQ", UNDEFINED_LENGTH);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_sequence_end(&w, e);
	expect(&w, "delimiter-missing");
	w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_head(&w, e, 0x00420010, "OB", UNDEFINED_LENGTH);
	put_item(&w, e, 0);
	put_sequence_end(&w, e);
	inspect_pieces(&inspected, &(struct inspect_about){.transfer_syntax = span_str(EXPLICIT)},
		writer_span_of(&w), 0, 1, true);
	assert_int_equal(inspected.counts[CHECK_UNDEFINED_LENGTH], 1);
}

static void not_read(void **state)
{
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct inspect_about about = {.transfer_syntax = span_str("1.2.840.10008.1.2.1.99")};
	writer_bytes(&w, "\x07 no deflated stream", 20);
	inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 1, true);
	assert_int_equal(inspected.counts[CHECK_DEFLATE_BROKEN], 1);
	inspect_begin(&inspected, &about, NULL);
	inspect_feed(&inspected, writer_span_of(&w));
	inspect_end(&inspected);
	assert_int_equal(inspected.counts[CHECK_NOT_INSPECTED], 1);
	assert_int_equal(inspected.n_findings, 1);
	/* "DICM" first, and the file meta information behind it. */
	w = writer_of(bytes, sizeof(bytes));
	writer_bytes(&w, "DICM", 4);
	put_value(&w, 0x00020010, "UI", EXPLICIT, strlen(EXPLICIT));
	put_patient(&w, "Doe^Jane");
	writer_fill(&w, 0, 2);
	inspect_pieces(&inspected, &(struct inspect_about){.file = true}, writer_span_of(&w), 0, 1, true);
	assert_int_equal(inspected.counts[CHECK_PREFIX_MISPLACED], 1);
	assert_int_equal(inspected.counts[CHECK_NOT_DICOM], 0);
}

static void burned_in(void **state)
{
	static const char *const values[] = {"YES", "NO"};
	for (size_t k = 0; k < ARRAY_LEN(values); k++) {
		struct writer w = object(SECONDARY);
		put_patient(&w, "Doe^Jane");
		put_string(&w, 0x00280301, "CS", values[k]);
		expect(&w, k == 0 ? "burned-in-annotation" : "");
		assert_string_equal(inspected.facts.burned_in, values[k]);
	}
}

static void announced(void **state)
{
	struct writer w = object(CT);
	put_string(&w, 0x00080060, "CS", "CT");
	put_patient(&w, "Doe^Jane");
	struct inspect_about about = {.transfer_syntax = span_str(EXPLICIT),
		.sop_class = span_str(CT),
		.sop_instance = span_str("1.2.3.4")};
	inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 0, true);
	assert_int_equal(inspect_worst(&inspected), -1);
	assert_string_equal(inspected.facts.modality, "CT");
	assert_string_equal(inspected.facts.sop_instance, "1.2.3.4");
	about.sop_instance = span_str("1.2.3.5");
	about.sop_class = span_str(SECONDARY);
	inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 0, true);
	assert_int_equal(inspected.counts[CHECK_SOP_CLASS_DIFFERS], 1);
	assert_int_equal(inspected.counts[CHECK_SOP_INSTANCE_DIFFERS], 1);
	about.transfer_syntax = span_str("1.2.3");
	inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 0, true);
	assert_int_equal(inspected.counts[CHECK_TRANSFER_SYNTAX_UNKNOWN], 1);
}

/* ---- Pixels ---- */

static void pixels(void **state)
{
	static const struct {
		struct image m;
		uint32_t length;
		const char *checks;
	} rows[] = {
		{{1, 10, 10, 16, 12, 11, "MONOCHROME2", NULL}, 200, ""},
		{{1, 10, 10, 16, 12, 11, "MONOCHROME2", NULL}, 198, "pixel-data-short"},
		{{1, 10, 10, 16, 12, 11, "MONOCHROME2", NULL}, 202, "pixel-data-padded"},
		{{1, 10, 10, 16, 12, 11, "MONOCHROME2", NULL}, 2000, "pixel-data-long"},
		{{1, 3, 3, 8, 8, 7, "MONOCHROME2", NULL}, 10, ""},
		{{1, 3, 3, 1, 1, 0, "MONOCHROME2", NULL}, 2, ""},
		{{1, 3, 3, 1, 1, 0, "MONOCHROME2", "3"}, 4, ""},
		{{1, 10, 10, 8, 8, 7, "MONOCHROME2", "2"}, 200, ""},
		{{1, 10, 10, 8, 8, 7, "MONOCHROME2", "3"}, 200, "pixel-data-short"},
		{{1, 10, 10, 8, 8, 7, "MONOCHROME2", "0"}, 100, "frames-number"},
		{{1, 10, 10, 8, 8, 7, "MONOCHROME2", "-1"}, 100, "frames-number"},
		{{1, 10, 10, 8, 8, 7, "MONOCHROME2", "2147483647"}, 100, "pixel-data-short"},
		{{3, 10, 10, 8, 8, 7, "RGB", NULL}, 300, ""},
		{{3, 10, 10, 8, 8, 7, "YBR_FULL_422", NULL}, 200, ""},
		{{3, 10, 10, 8, 8, 7, "MONOCHROME2", NULL}, 300, "pixel-samples"},
		{{1, 0, 10, 8, 8, 7, "MONOCHROME2", NULL}, 100, "pixel-dimensions"},
		{{1, 10, 10, 8, 9, 8, "MONOCHROME2", NULL}, 100, "pixel-description"},
		{{1, 10, 10, 8, 8, 8, "MONOCHROME2", NULL}, 100, "pixel-description"},
		{{1, 10, 10, 16, 12, 15, "MONOCHROME2", NULL}, 200, "pixel-high-bit"},
		{{1, 65535, 65535, 64, 64, 63, "MONOCHROME2", NULL}, 100, "pixel-data-short frame-too-large"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = image(rows[k].m);
		put_head(&w, e, TAG_PIXEL_DATA, "OW", rows[k].length);
		writer_fill(&w, 0x55, rows[k].length);
		expect(&w, rows[k].checks);
	}
}

static void fragments(void **state)
{
	static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 10, 0, 10, 1, 1, 0x11, 0, 0xFF};
	static const struct {
		const char *frames;
		uint32_t table[3], n_table, n_fragments;
		const void *head;
		const char *checks;
	} rows[] = {
		{"1", {0}, 0, 1, jpeg, ""},
		{"2", {0}, 0, 2, jpeg, ""},
		{"2", {0, 38}, 2, 2, jpeg, ""},
		{"2", {0, 40}, 2, 2, jpeg, "offset-table"},
		{"2", {0, 76}, 2, 4, jpeg, ""},
		{"2", {0, 75}, 2, 4, jpeg, "offset-table"},
		{"2", {38, 0}, 2, 2, jpeg, "offset-table"},
		{"3", {0}, 0, 2, jpeg, "frames-missing"},
		{"1", {0}, 0, 1, "no JPEG at all..", "codec-signature"},
		{"1", {0}, 0, 1,
			"\x7f"
			"ELF\2\1\1\0........",
			"codec-signature embedded-program"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", rows[k].frames});
		put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
		put_item(&w, e, 4 * rows[k].n_table);
		for (uint32_t t = 0; t < rows[k].n_table; t++) {
			writer_u32le(&w, rows[k].table[t]);
		}
		for (uint32_t t = 0; t < rows[k].n_fragments; t++) {
			put_fragment(&w, rows[k].head, 16, 30);
		}
		put_sequence_end(&w, e);
		expect_in(JPEG, &w, rows[k].checks);
	}
	struct writer w = image((struct image){1, 20, 10, 8, 8, 7, "MONOCHROME2", NULL});
	put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
	put_item(&w, e, 0);
	put_fragment(&w, jpeg, 16, 30);
	put_sequence_end(&w, e);
	expect_in(JPEG, &w, "codec-description");
	expect_in(EXPLICIT, &w, "pixel-encapsulation");
	expect_in(RLE, &w, "rle-header");
}

/* PS3.3 C.7.6.3.1.8: offsets and lengths of frames, in 64 bits each. */
static void extended_tables(void **state)
{
	static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 10, 0, 10, 1, 1, 0x11, 0, 0xFF};
	static const struct {
		uint8_t second, length;
		const char *checks;
	} rows[] = {{38, 30, ""}, {40, 30, "extended-offset-table"}, {0, 30, "extended-offset-table"}};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", "2"});
		uint8_t offsets[16] = {0}, lengths[16] = {0};
		offsets[8] = rows[k].second;
		lengths[0] = lengths[8] = rows[k].length;
		put_value(&w, 0x7FE00001, "OV", offsets, 16);
		put_value(&w, 0x7FE00002, "OV", lengths, 16);
		put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
		put_item(&w, e, 0);
		put_fragment(&w, jpeg, 16, 30);
		put_fragment(&w, jpeg, 16, 30);
		put_sequence_end(&w, e);
		expect_in(JPEG, &w, rows[k].checks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(long_texts),
		cmocka_unit_test(character_sets),
		cmocka_unit_test(structure),
		cmocka_unit_test(kinds),
		cmocka_unit_test(sequences),
		cmocka_unit_test(not_read),
		cmocka_unit_test(burned_in),
		cmocka_unit_test(announced),
		cmocka_unit_test(pixels),
		cmocka_unit_test(fragments),
		cmocka_unit_test(extended_tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
