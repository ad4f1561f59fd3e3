/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

/* Programs, archives and scripts, and where in an object they can stand. */
#define ELF                                                                                                  \
	"\x7f"                                                                                               \
	"ELF\2\1\1\0"
#define CDA_CLASS "1.2.840.10008.5.1.4.1.1.104.2"

/* So many bytes that nothing is, then these. */
static struct span behind(size_t n, const void *value, size_t len)
{
	static uint8_t made[16384];
	memset(made, 1, n);
	memcpy(made + n, value, len);
	return span_of(made, n + len);
}

static void numbers(void **state)
{
	static const struct {
		uint32_t tag;
		const char *vr;
		uint16_t n;
	} rows[] = {{0x00280009, "AT", 200}, {0x00700022, "FL", 200}, {0x00700022, "FL", 8192},
		{0x00189073, "FD", 400}, {0x00283006, "US", 200}, {0x00720072, "SL", 200},
		{0x0018605A, "UL", 6000}};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		struct span v = behind(rows[k].n, ELF, 8);
		put_value(&w, rows[k].tag, rows[k].vr, v.ptr, v.len);
		put_patient(&w, "Doe^Jane");
		struct inspect_about about = {.transfer_syntax = span_str(EXPLICIT)};
		inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 3, false);
		assert_int_equal(inspected.counts[CHECK_EMBEDDED_PROGRAM], 1);
		inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 0, true);
		assert_int_equal(inspected.counts[CHECK_EMBEDDED_PROGRAM], 1);
	}
}

static void tables(void **state)
{
	static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF, 0xD9};
	struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", NULL});
	struct span v = behind(16, ELF, 8);
	put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
	put_item(&w, e, (uint32_t)v.len);
	writer_bytes(&w, v.ptr, v.len);
	put_fragment(&w, jpeg, sizeof(jpeg), sizeof(jpeg));
	put_sequence_end(&w, e);
	expect_in(JPEG, &w, "offset-table embedded-program");
	w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_value(&w, 0x7FE00001, "OV", v.ptr, v.len);
	expect(&w, "embedded-program");
}

/* A transfer syntax that has no fragments. */
static void other_fragments(void **state)
{
	struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", NULL});
	struct span v = behind(900, ELF, 8);
	put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
	put_item(&w, e, 0);
	put_fragment(&w, v.ptr, v.len, (uint32_t)v.len);
	put_sequence_end(&w, e);
	expect(&w, "pixel-encapsulation embedded-program");
}

/* PS3.5 6.2.2, note 2: what is in a UN that begins as a sequence is judged as in any; in what only looks like one, markup is. */
static void sequences_as_unknown(void **state)
{
	static const struct {
		const char *head;
		uint32_t tag;
		const char *bytes;
		size_t n;
		const char *checks;
	} rows[] = {
		{"\xFE\xFF\0\xE0", 0x00100010, "<img src=x onerror=y>", 21, "text-markup"},
		{"\xFE\xFF\0\xE0", 0x00100010, "Doe^Jane", 8, ""},
		{"\xFE\xFF\0\xE0", 0x00100010, "a&&b../", 7, "text-shell text-path"},
		{"\xFE\xFF\0\xE0", 0x00100010, "a\x1b[31m", 6, "text-control text-charset"},
		{"\xFE\xFF\0\xE0", 0x00100010, "..%PDF-1.4 /S/JavaScript ", 25,
			"embedded-document pdf-javascript"},
		{"\xFE\xFF\0\xE0", 0x00081150, "1.2.03", 6, "uid-grammar"},
		{"\xFE\xFF\0\xE0", 0x00091002, "a; rm -rf b", 11, "text-shell"},
		{"\xFE\xFF\0\xE0", 0x00091002, "\1\2" ELF "\1", 11, "embedded-program"},
		{"\xFE\xFF\0\xE0", 0x00091002, "PK\3\4\x14\0\0\0", 8, "embedded-archive"},
		{"\xFE\xFF\0\xE0", 0x00091002, "#!/bin/sh\n", 10, "embedded-script"},
		{"\xFE\xFF\0\xE0", 0x00420011, "<?xml?><a><script/></a>", 23, "document-script"},
		{"\xFF\xFE\xE0\0", 0x00100010, "<img src=x onerror=y>", 21, "text-markup"},
		{"\xFF\xFE\xE0\0", 0x00100010, "a&&b../", 7, ""},
		{"\xFE\xFF\1\xE0", 0x00100010, "<img src=x onerror=y>", 21, ""},
	};
	for (size_t k = 0; k < 2 * ARRAY_LEN(rows); k++) {
		uint8_t item[256];
		struct writer v = writer_of(item, sizeof(item));
		uint32_t n = (uint32_t)rows[k / 2].n, odd = n % 2;
		writer_bytes(&v, rows[k / 2].head, 4);
		writer_u32le(&v, 8 + n + odd);
		writer_u16le(&v, (uint16_t)(rows[k / 2].tag >> 16));
		writer_u16le(&v, (uint16_t)rows[k / 2].tag);
		writer_u32le(&v, n + odd);
		writer_bytes(&v, rows[k / 2].bytes, n);
		writer_fill(&v, rows[k / 2].tag == 0x00100010 ? ' ' : 0, odd);
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_value(&w, k % 2 ? 0x00091001 : 0x00091215, "UN", v.ptr, v.len);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k / 2].checks);
	}
}

/* Where it does not go on as a sequence the rest is searched, with the head that was none. */
static void broken_sequences(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *checks;
	} rows[] = {
		{"\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF..............", 22, "unknown-sequence"},
		{"\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF" ELF ".......", 23,
			"odd-length unknown-sequence embedded-program"},
		{"\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF..............<img src=x>", 32,
			"unknown-sequence text-markup"},
		{"\xFE\xFF\0\xE0\x08\0\0\0\x10\0\x10\0\0\0\0\0#!/bin/sh\n", 26,
			"unknown-sequence embedded-script"},
		/* A head that reaches no further than there is. */
		{"\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF#!/b\4\0\0\0....\xFE\xFF\x0D\xE0\0\0\0\0", 28,
			"embedded-script"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_head(&w, e, 0x00091001, "UN", (uint32_t)rows[k].n);
		writer_bytes(&w, rows[k].bytes, rows[k].n);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

static void nested_documents(void **state)
{
	static const struct {
		const char *bytes, *checks;
	} rows[] = {
		{"<a href='javascript:x'/>", "document-script"},
		{"<!DOCTYPE a [<!ENTITY b SYSTEM 'c'>]>", "document-entity"},
		{"%PDF-1.4 /S/JavaScript ", "pdf-javascript"},
		{"<a>an honest one</a>", ""},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_head(&w, e, 0x00091001, "SQ", UNDEFINED_LENGTH);
		put_item(&w, e, UNDEFINED_LENGTH);
		put_string(&w, 0x00420011, "OB", rows[k].bytes);
		put_item_end(&w, e);
		put_sequence_end(&w, e);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

/* A PDF document in a CDA document (nonXMLBody), and the like. */
static void in_base64(void **state)
{
	static const struct {
		const char *bytes, *checks;
	} rows[] = {
		/* %PDF-1.4 <</S /JavaScript >> */
		{"<text representation=\"B64\">JVBERi0xLjQgPDwvUyAvSmF2YVNjcmlwdCA+Pg==</text>",
			"embedded-document pdf-javascript"},
		{"<text representation=\"B64\">JVBERi0xLjQgPDwv\r\n\tUyAvSmF2YVNj\ncmlwdCA+Pg==</text>",
			"embedded-document pdf-javascript"},
		/* … two, the second with JavaScript; and one that is over before its name is */
		{"<a>JVBERi0xLjQgPDwvUyA=</a><a>JVBERi0xLjQgPDwvUyAvSmF2YVNjcmlwdCA+Pg==</a>",
			"embedded-document pdf-javascript"},
		{"<a>JVBERi0xLjQgPDwvUyA!vSmF2YVNjcmlwdCA+Pg==</a>", "embedded-document"},
		/* %PDF-1.5 <</Type /ObjStm>>stream */
		{"<a>JVBERi0xLjUgPDwvVHlwZSAvT2JqU3RtPj5zdHJlYW0KeA==</a>", "embedded-document pdf-hidden"},
		{"<a>TVqQAAMAAAAEAAAA//8AALgAAAA=</a>", "embedded-program"},
		{"<a>f0VMRgIBAQAAAAAA</a>", "embedded-program"},
		{"<a>UEsDBBQAAAAIAA==</a>", "embedded-archive"},
		{"<a>SGVsbG8sIHdvcmxk</a>", ""},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(CDA_CLASS);
		put_patient(&w, "Doe^Jane");
		put_string(&w, 0x00420011, "OB", rows[k].bytes);
		put_string(&w, 0x00420012, "LO", "text/xml");
		expect(&w, rows[k].checks);
		/* … and in a text. */
		w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_string(&w, 0x00091001, "LT", rows[k].bytes);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

static void archives_and_scripts(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *checks;
	} rows[] = {
		{"PK\3\4\x3F\0", 6, "embedded-archive"},
		{"ustar\0"
		 "00",
			8, "embedded-archive"},
		{"ustar  \0", 8, "embedded-archive"}, {"BZh91AY&SY", 10, "embedded-archive"},
		{"\xFD"
		 "7zXZ\0\0",
			7, "embedded-archive"},
		{"\1CD001\1", 7, "embedded-archive"},
		{"L\0\0\0\1\x14\2\0\0\0\0\0\xC0\0\0\0\0\0\0\x46", 20, "embedded-program"},
		{"@ECHO OFF\r\n", 11, "embedded-script"}, {"a=CreateObject(\"b\")", 19, "embedded-script"},
		{"New-Object Net.WebClient", 24, "embedded-script"},
		{"<hta:application>", 17, "embedded-script"},
		{"(\xB5/\xFD", 4, ""}, /* Zstandard: at a beginning alone */
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		struct span v = behind(300, rows[k].bytes, rows[k].n);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_value(&w, 0x00091001, "OB", v.ptr, v.len);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
	/* … and what is told where a value begins alone. */
	static const struct {
		const char *bytes, *checks;
	} begins[] = {{"(\xB5/\xFD"
		       "abcdefgh",
			      "embedded-archive"},
		{"\x1F\x8B\x08\x01"
		 "abcd\x02\x03"
		 "ab",
			"embedded-archive"},
		{"\x1F\x8B\x08\x21"
		 "abcd\x02\x03"
		 "ab",
			""},
		{"\x1F\x8B\x08\x01"
		 "abcd\x03\x03"
		 "ab",
			""},
		{"\x1F\x8B\x08\x01"
		 "abcd\x02\x20"
		 "ab",
			""}};
	for (size_t k = 0; k < ARRAY_LEN(begins); k++) {
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_value(&w, 0x00091001, "OB", begins[k].bytes, 12);
		put_patient(&w, "Doe^Jane");
		expect(&w, begins[k].checks);
	}
}

/* ---- A ZIP archive that ends in pixels: the object as a whole is one, and may be a program (JAR) ---- */

#define ZIP_END "PK\5\6\0\0\0\0\2\0\2\0\x60\0\0\0\1\2\3\0\0\0"

static uint8_t large[200000];

/* So many pixels, in which the record is, so many bytes before their end. */
static void expect_archive(size_t n, const char *record, size_t from_end, bool coded, bool is)
{
	static const char head[] = "\xFF\xD8\xFF\xC0\0\13\10\0\12\0\12\1\1\21\0\xFF\xDA\0\10\1\1\0\0\77\0";
	static const size_t cuts[] = {0, 1, 5, 21, 22, 23};
	struct inspect_about about = {.transfer_syntax = span_str(coded ? JPEG : EXPLICIT)};
	struct writer o = image((struct image){1, (uint16_t)(n / 10), 10, 8, 8, 7, "MONOCHROME2", NULL}),
		      w = writer_of(large, sizeof(large));
	writer_bytes(&w, o.ptr, o.len);
	put_head(&w, e, TAG_PIXEL_DATA, coded ? "OB" : "OW", coded ? UNDEFINED_LENGTH : (uint32_t)n);
	if (coded) {
		put_item(&w, e, 0);
		put_item(&w, e, (uint32_t)n);
	}
	size_t at = w.len, end = at + n;
	writer_fill(&w, 0x50, n);
	memcpy(large + at, head, coded ? sizeof(head) - 1 : 0);
	memcpy(large + end - from_end, record, 22);
	if (coded) {
		put_sequence_end(&w, e);
	}
	for (size_t k = 0; k < ARRAY_LEN(cuts); k++) {
		inspect_pieces(&inspected, &about, writer_span_of(&w), end - from_end + cuts[k], 0, false);
		assert_int_equal(inspected.counts[CHECK_EMBEDDED_ARCHIVE], is);
	}
	inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 1, false);
	assert_int_equal(inspected.counts[CHECK_EMBEDDED_ARCHIVE], is);
}

static void archives_that_end_in_pixels(void **state)
{
	for (unsigned coded = 0; coded < 2; coded++) {
		expect_archive(1000, ZIP_END, 22, coded, true);
		expect_archive(1000, ZIP_END, 500, coded, true);
		expect_archive(100000, ZIP_END, 65557, coded, true);
		expect_archive(100000, ZIP_END, 65558, coded, false); /* its comment has no more room */
		expect_archive(100000, ZIP_END, 22, coded, true);
		expect_archive(1000, "PK\5\6\0\0\0\0\2\0\1\0\x60\0\0\0\1\2\3\0\0\0", 22, coded, false);
		expect_archive(1000, "PK\5\6\0\0\0\0\0\0\0\0\x60\0\0\0\1\2\3\0\0\0", 22, coded, false);
		expect_archive(1000, "PK\5\6\0\0\0\0\2\0\2\0\x5B\0\0\0\1\2\3\0\0\0", 22, coded, false);
		expect_archive(1000, "PK\5\6\1\0\0\0\2\0\2\0\x60\0\0\0\1\2\3\0\0\0", 22, coded, false);
	}
	/* One in what may be another's, which is none. */
	struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", NULL});
	put_head(&w, e, TAG_PIXEL_DATA, "OW", 100);
	writer_bytes(&w, "PK\5PK\5\6PPPK\5\6" ZIP_END, 35);
	writer_fill(&w, 7, 65);
	expect(&w, "embedded-archive");
	/* Before the last frame it ends nothing. */
	static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF, 0xDA, 0, 2};
	for (unsigned k = 0; k < 2; k++) {
		w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", "2 "});
		put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
		put_item(&w, e, 0);
		for (unsigned f = 0; f < 2; f++) {
			put_item(&w, e, 30);
			writer_bytes(&w, jpeg, 6);
			writer_bytes(&w, f == k ? ZIP_END : "in the image, no more.", 22);
			writer_bytes(&w, "\xFF\xD9", 2);
		}
		put_sequence_end(&w, e);
		expect_in(JPEG, &w, k ? "embedded-archive" : "");
	}
}

/* However many there are, a few are kept, and all counted. */
static void many_findings(void **state)
{
	struct writer w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_head(&w, e, 0x00400275, "SQ", UNDEFINED_LENGTH);
	for (unsigned k = 0; k < 1000; k++) {
		put_item(&w, e, UNDEFINED_LENGTH);
		put_short(&w, 0x00280002, 1);
		put_head(&w, e, 0x00280010, "US", 3);
		writer_fill(&w, 0, 3);
		put_item_end(&w, e);
	}
	put_sequence_end(&w, e);
	expect(&w, "odd-length value-length");
	assert_int_equal(inspected.counts[CHECK_VALUE_LENGTH], 1000);
	assert_int_equal(inspected.n_findings, 2 * INSPECT_OF_EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(tables),
		cmocka_unit_test(other_fragments),
		cmocka_unit_test(sequences_as_unknown),
		cmocka_unit_test(broken_sequences),
		cmocka_unit_test(nested_documents),
		cmocka_unit_test(in_base64),
		cmocka_unit_test(archives_and_scripts),
		cmocka_unit_test(archives_that_end_in_pixels),
		cmocka_unit_test(many_findings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
