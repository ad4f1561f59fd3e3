/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_said.h"

#include "dicom_made.h"

/* Each check: what it must find, and what is near and must not be found. */
#define EXPLICIT  "1.2.840.10008.1.2.1"
#define JPEG      "1.2.840.10008.1.2.4.50"
#define RLE       "1.2.840.10008.1.2.5"
#define CT        "1.2.840.10008.5.1.4.1.1.2"
#define SECONDARY "1.2.840.10008.5.1.4.1.1.7"

static const enum encoding e = ENCODING_EXPLICIT_LE;
static uint8_t bytes[65536];

static void put_value(struct writer *w, uint32_t tag, const char *vr, const void *value, size_t n)
{
	put_head(w, e, tag, vr, (uint32_t)(n + n % 2));
	writer_bytes(w, value, n);
	writer_fill(w, vr[0] == 'U' || vr[0] == 'O' ? 0 : ' ', n % 2);
}

static void put_string(struct writer *w, uint32_t tag, const char *vr, const char *text)
{
	put_value(w, tag, vr, text, strlen(text));
}

static void put_short(struct writer *w, uint32_t tag, uint16_t v)
{
	put_head(w, e, tag, "US", 2);
	writer_u16le(w, v);
}

/* An object's beginning, to which nothing is to be said. */
static struct writer object(const char *sop_class)
{
	struct writer w = writer_of(bytes, sizeof(bytes));
	put_string(&w, 0x00080016, "UI", sop_class);
	put_string(&w, 0x00080018, "UI", "1.2.3.4");
	return w;
}

static void put_patient(struct writer *w, const char *name)
{
	put_string(w, 0x00100010, "PN", name);
	put_string(w, 0x00100020, "LO", "4711");
	put_string(w, 0x0020000D, "UI", "1.2.3");
	put_string(w, 0x0020000E, "UI", "1.2.3.1");
}

static void expect_in(const char *syntax, const struct writer *w, const char *checks)
{
	char is[1024], whole[SAID_MOST], cut[SAID_MOST];
	struct inspect_about about = {.transfer_syntax = span_str(syntax)};
	inspect_pieces(&inspected, &about, writer_span_of(w), 0, 0, true);
	said_checks(&inspected, is, sizeof(is));
	assert_string_equal(is, checks);
	said_text(&inspected, whole);
	inspect_pieces(&inspected, &about, writer_span_of(w), 0, 1, false);
	said_text(&inspected, cut);
	assert_string_equal(cut, whole);
}

static void expect(const struct writer *w, const char *checks)
{
	expect_in(EXPLICIT, w, checks);
}

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

struct image {
	uint16_t samples, rows, columns, allocated, stored, high;
	const char *photometric, *frames;
};

static struct writer image(struct image m)
{
	struct writer w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_short(&w, 0x00280002, m.samples);
	put_string(&w, 0x00280004, "CS", m.photometric);
	if (m.samples > 1) {
		put_short(&w, 0x00280006, 0);
	}
	if (m.frames) {
		put_string(&w, 0x00280008, "IS", m.frames);
	}
	put_short(&w, 0x00280010, m.rows);
	put_short(&w, 0x00280011, m.columns);
	put_short(&w, 0x00280100, m.allocated);
	put_short(&w, 0x00280101, m.stored);
	put_short(&w, 0x00280102, m.high);
	put_short(&w, 0x00280103, 0);
	return w;
}

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

static void put_fragment(struct writer *w, const void *head, size_t n, uint32_t length)
{
	put_item(w, e, length);
	writer_bytes(w, head, n);
	writer_fill(w, 1, length - n);
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

/* ---- Documents and what else is hidden ---- */

static void documents(void **state)
{
	static const struct {
		const char *sop_class, *mime, *bytes, *checks;
	} rows[] = {
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /Type /Catalog ", ""},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /S /JavaScript /JS (x)",
			"pdf-javascript"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /S /J#61vaScript>",
			"pdf-javascript"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /S /#4aava#53cript>",
			"pdf-javascript"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /JavaScripts JavaScript", ""},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /Launch<<", "pdf-launch"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /EmbeddedFile ",
			"pdf-embedded-file"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /OpenAction[",
			"pdf-open-action"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /Encrypt 1 0 R",
			"pdf-encrypted"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "MZ\x90 not a PDF", "document-type"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "PK\3\4not a PDF",
			"embedded-archive document-type"},
		{"1.2.840.10008.5.1.4.1.1.104.2", "text/xml", "<?xml version='1.0'?><ClinicalDocument/>", ""},
		{"1.2.840.10008.5.1.4.1.1.104.2", "text/xml", "<?xml version='1.0'?><x><script>",
			"document-script"},
		{"1.2.840.10008.5.1.4.1.1.104.2", "text/xml", "<?xml version='1.0'?><!ENTITY x 'y'>",
			"document-entity"},
		{"1.2.840.10008.5.1.4.1.1.104.4", "model/obj", "v 0 0 0\nv 1 0 0\n", ""},
		{"1.2.840.10008.5.1.4.1.1.104.4", "model/obj", "v 0 0 0\x01\x02", "model"},
		{"1.2.840.10008.5.1.4.1.1.104.3", "model/stl", "solid x\nendsolid x\n", ""},
		{"1.2.840.10008.5.1.4.1.1.104.3", "model/stl", "binary, but far too short", "model"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(rows[k].sop_class);
		put_patient(&w, "Doe^Jane");
		put_string(&w, 0x00420011, "OB", rows[k].bytes);
		put_string(&w, 0x00420012, "LO", rows[k].mime);
		expect(&w, rows[k].checks);
	}
}

/* A binary model with as many triangles as it says, and with another number. */
static void models(void **state)
{
	for (uint32_t said = 2; said <= 3; said++) {
		uint8_t model[184] = "model";
		model[80] = (uint8_t)said;
		struct writer w = object("1.2.840.10008.5.1.4.1.1.104.3");
		put_patient(&w, "Doe^Jane");
		put_value(&w, 0x00420011, "OB", model, sizeof(model));
		put_string(&w, 0x00420012, "LO", "model/stl");
		expect(&w, said == 2 ? "" : "model");
	}
}

static void hidden(void **state)
{
	static const struct {
		const char *value;
		size_t n;
		const char *checks;
	} rows[] = {
		{"plain data of a maker", 21, ""},
		{"\x7f"
		 "ELF\2\1\1\0",
			8, "embedded-program"},
		{"xxxx\x7f"
		 "ELF\2\1\1\0",
			12, "embedded-program"},
		{"\x7f"
		 "ELK\2\1\1\0",
			8, ""},
		{"MZ", 2, ""},
		{"PK\3\4\x14\0 archive", 14, "embedded-archive"},
		{"#!/bin/sh\nexit\n", 15, "embedded-script"},
		{"<html><script>", 14, "embedded-script"},
		{"%PDF-1.4 ", 9, "embedded-document"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = writer_of(bytes, sizeof(bytes));
		put_string(&w, 0x00080016, "UI", SECONDARY);
		put_string(&w, 0x00080018, "UI", "1.2.3.4");
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_value(&w, 0x00091001, k % 2 ? "UN" : "OB", rows[k].value, rows[k].n);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

static void behind_pixels(void **state)
{
	static const struct {
		const char *tail;
		size_t n;
		const char *checks;
	} rows[] = {
		{"", 0, ""},
		{"\xFC\xFF\xFC\xFFOB\0\0\4\0\0\0\0\0\0\0", 16, ""},
		{"\0\0\0\0\0\0\0\0\0\0", 10, "trailing-zeros"},
		{"rubbish and more of it", 22, "trailing-bytes"},
		{"abc", 3, "trailing-bytes"},
		{"PK\3\4\x14\0 and so on and on", 22, "trailing-bytes trailing-content"},
		{"some padding, then PK\5\6..........", 33, "trailing-bytes trailing-content"},
		{"\x7f"
		 "ELF\2\1\1\0 and so on",
			17, "trailing-bytes trailing-content"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", NULL});
		put_head(&w, e, TAG_PIXEL_DATA, "OW", 100);
		writer_fill(&w, 0x55, 100);
		writer_bytes(&w, rows[k].tail, rows[k].n);
		expect(&w, rows[k].checks);
	}
}

/* ---- Polyglots: the preamble of another format ---- */

static void preambles(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum inspect_check check; /* CHECK_N: nothing */
	} rows[] = {
		{"", 0, CHECK_N},
		{"a maker's name", 14, CHECK_PREAMBLE_NONZERO},
		{"MZ\x90\0\3\0\0\0", 8, CHECK_PREAMBLE_PE},
		{"\x7f"
		 "ELF\2\1\1",
			7, CHECK_PREAMBLE_ELF},
		{"\xcf\xfa\xed\xfe", 4, CHECK_PREAMBLE_MACHO},
		{"#!/bin/sh\n", 10, CHECK_PREAMBLE_SCRIPT},
		{"PK\3\4", 4, CHECK_PREAMBLE_ARCHIVE},
		{"%PDF-1.7", 8, CHECK_PREAMBLE_DOCUMENT},
		{" <!DOCTYPE html>", 16, CHECK_PREAMBLE_HTML},
		{"II*\0\xff\xff\xff\x7f", 8, CHECK_PREAMBLE_TIFF_BROKEN},
		{"II*\0\x10\0\0\0........\2\0", 18, CHECK_PREAMBLE_TIFF},
		{"{\"a\":true}", 10, CHECK_PREAMBLE_TEXT},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = writer_of(bytes, sizeof(bytes));
		writer_bytes(&w, rows[k].bytes, rows[k].n);
		writer_fill(&w, 0, FILE_PREAMBLE - rows[k].n);
		writer_bytes(&w, "DICM", 4);
		put_head(&w, e, 0x00020000, "UL", 4);
		writer_u32le(&w, 28);
		put_value(&w, 0x00020010, "UI", EXPLICIT, strlen(EXPLICIT));
		inspect_pieces(
			&inspected, &(struct inspect_about){.file = true}, writer_span_of(&w), 0, 1, false);
		for (unsigned c = CHECK_PREAMBLE_PE; c <= CHECK_PREAMBLE_NONZERO; c++) {
			if (inspected.counts[c] != (c == rows[k].check)) {
				fail_msg("row %zu: %s", k, inspect_check_row((enum inspect_check)c)->name);
			}
		}
	}
}

/* ---- Verdicts ---- */

static void verdicts(void **state)
{
	struct inspect_policy policy = inspect_policy_default();
	struct writer w = object(SECONDARY);
	put_patient(&w, "<script>");
	struct inspect_about about = {.transfer_syntax = span_str(EXPLICIT)};
	inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 0, true);
	assert_int_equal(inspect_judge(&inspected, &policy).action, ACTION_REFUSE);
	assert_int_equal(inspect_judge(&inspected, &policy).check, CHECK_TEXT_MARKUP);
	policy.by_check[CHECK_TEXT_MARKUP] = ACTION_QUARANTINE;
	assert_int_equal(inspect_judge(&inspected, &policy).action, ACTION_QUARANTINE);
	policy.by_check[CHECK_TEXT_MARKUP] = ACTION_ALLOW;
	assert_int_equal(inspect_judge(&inspected, &policy).action, ACTION_ALLOW);
	w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 0, true);
	assert_int_equal(inspect_judge(&inspected, &policy).check, CHECK_N);
	for (unsigned c = 0; c < CHECK_N; c++) {
		enum inspect_check found;
		assert_int_equal(
			inspect_check_by_name(inspect_check_row((enum inspect_check)c)->name, &found), 0);
		assert_int_equal(found, c);
	}
}

/* docs/refused-object.md has every check, with its words, and none that is not there any more. */
static void page_is_complete(void **state)
{
	static char page[200000];
	FILE *file = fopen(DOCS "/refused-object.md", "re");
	assert_non_null(file);
	page[fread(page, 1, sizeof(page) - 1, file)] = '\0';
	fclose(file);
	unsigned n = 0;
	for (unsigned c = 0; c < CHECK_N; c++) {
		const struct inspect_check_row *row = inspect_check_row((enum inspect_check)c);
		char line[1024];
		snprintf(line, sizeof(line), "| %u | `%s` | %s | %s | %s | %s |\n", row->number, row->name,
			inspect_severity_name(row->severity), row->sentence, row->action, row->spec);
		if (!strstr(page, line)) {
			fail_msg("docs/refused-object.md lacks: %s", line);
		}
	}
	for (const char *at = page; (at = strstr(at, "` | ")); at++) {
		n++;
	}
	assert_int_equal(n, CHECK_N);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(long_texts),
		cmocka_unit_test(character_sets),
		cmocka_unit_test(structure),
		cmocka_unit_test(announced),
		cmocka_unit_test(pixels),
		cmocka_unit_test(fragments),
		cmocka_unit_test(documents),
		cmocka_unit_test(models),
		cmocka_unit_test(hidden),
		cmocka_unit_test(behind_pixels),
		cmocka_unit_test(preambles),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(page_is_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
