/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

/*
 * What may stand by chance where there are many numbers: a mark of few bytes counts there only with what must follow it. How rarely all of that is
 * met is computed when data/inspect_marks.tsv is built in.
 */
#define LONG      200000
#define SHORT     1000

#define STL_CLASS "1.2.840.10008.5.1.4.1.1.104.3"
#define ANY4      "\xD1\xD2\xD3\xD4"
#define ZIP_REST  "\0\0\x08\0" ANY4 ANY4 ANY4 ANY4 "\5\0\0\0a.txt"
#define PE_REST   "\3\0" ANY4 ANY4 ANY4 "\xE0\0\2\1"
#define ELF_REST  ANY4 ANY4 ANY4

static uint8_t whole[LONG + 16384];

static void look_at(
	const char *sop_class, uint32_t tag, const char *vr, size_t n, const void *mark, size_t len)
{
	struct inspect_about about = {.transfer_syntax = span_str(EXPLICIT)};
	struct writer o = object(sop_class), w = writer_of(whole, sizeof(whole));
	put_patient(&o, "Doe^Jane");
	writer_bytes(&w, o.ptr, o.len);
	put_head(&w, e, tag, vr, (uint32_t)(n + len));
	writer_fill(&w, 0x99, n / 2);
	writer_bytes(&w, mark, len);
	writer_fill(&w, 0x99, n - n / 2);
	assert_int_equal(writer_end(&w), 0);
	inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 0, false);
}

static void expect_found(size_t n, const void *mark, size_t len, enum inspect_check check, bool is)
{
	look_at(SECONDARY, 0x00660016, "OF", n / 4 * 4, mark, len);
	if ((inspected.counts[check] == 1) != is) {
		fail_msg("%zu bytes at %zu: %s %s", len, n / 8 * 4, inspect_check_row(check)->name,
			is ? "was not found" : "was found");
	}
}

static const struct {
	const char *mark;
	size_t n;
	enum inspect_check check;
	bool in_short, in_long;
} rows[] = {
	{"PE\0\0\x4C\1", 6, CHECK_EMBEDDED_PROGRAM, true, false},
	{"PE\0\0\x64\x86", 6, CHECK_EMBEDDED_PROGRAM, true, false},
	{"PE\0\0\x4C\1" PE_REST "\x0B\1", 26, CHECK_EMBEDDED_PROGRAM, true, true},
	{"PE\0\0\x64\x86" PE_REST "\x0B\2", 26, CHECK_EMBEDDED_PROGRAM, true, true},
	{"PE\0\0\x64\x86" PE_REST "\x0B\3", 26, CHECK_EMBEDDED_PROGRAM, true, false},
	/* One before the other, in what may be anything. */
	{"PE\0\0\x64\x86\3\0PE\0\0\x64\x86" ANY4 ANY4, 22, CHECK_EMBEDDED_PROGRAM, true, true},
	{"PK\3\4\x14\0", 6, CHECK_EMBEDDED_ARCHIVE, true, false},
	{"PK\3\4\x14\0" ZIP_REST, 35, CHECK_EMBEDDED_ARCHIVE, true, true},
	{"PK\3\4\xFF\7" ZIP_REST, 35, CHECK_EMBEDDED_ARCHIVE, true, true},
	{"PK\3\4\xFF\7", 6, CHECK_EMBEDDED_ARCHIVE, false, false},
	{"<?php", 5, CHECK_EMBEDDED_SCRIPT, true, false},
	{"<?php system($_GET[0]);", 23, CHECK_EMBEDDED_SCRIPT, true, true},
	{"<?php                                  $_POST", 45, CHECK_EMBEDDED_SCRIPT, true, true},
	/* All of it are bytes that stand beside each other in a picture. */
	{"<?php UTVWXWVUTSTUVWXWVUTSTUVWX", 31, CHECK_EMBEDDED_SCRIPT, true, false},
	{"<script", 7, CHECK_EMBEDDED_SCRIPT, true, false},
	{"<script>abcdefghijklmnop", 24, CHECK_EMBEDDED_SCRIPT, true, false},
	{"<script>x=1</script>", 20, CHECK_EMBEDDED_SCRIPT, true, true},
	{"<script src=/0></ScriPt >", 25, CHECK_EMBEDDED_SCRIPT, true, true},
	{"**ACE**", 7, CHECK_EMBEDDED_ARCHIVE, true, false},
	{"**ACE**\x14\x14\2", 10, CHECK_EMBEDDED_ARCHIVE, true, true},
	{"vhdxfile", 8, CHECK_EMBEDDED_ARCHIVE, true, false},
	{"vhdxfileM\0i\0c\0r\0", 16, CHECK_EMBEDDED_ARCHIVE, true, true},
	{"[autorun]abc", 12, CHECK_EMBEDDED_SCRIPT, true, false},
	{"[AutoRun]\r\nopen=x.exe", 21, CHECK_EMBEDDED_SCRIPT, true, true},
	{"MSWIM\0\0\0", 8, CHECK_EMBEDDED_ARCHIVE, true, false},
	{"MSWIM\0\0\0\xD0\0\0\0\0\x0D\1\0", 16, CHECK_EMBEDDED_ARCHIVE, true, true},
	{"MSCF\0\0\0\0" ANY4 "\0\0\0\0" ANY4 "\0\0\0\0\3\1", 26, CHECK_EMBEDDED_ARCHIVE, true, true},
	{"MSCF\0\0\0\0" ANY4 "\0\0\0\0" ANY4 "\0\0\0\0\3\2", 26, CHECK_EMBEDDED_ARCHIVE, true, false},
	{"UEsDBBQAAAAIA", 13, CHECK_EMBEDDED_ARCHIVE, true, true},
	{"UEsDBBQAttttt", 13, CHECK_EMBEDDED_ARCHIVE, true, false},
	{"%PDF-1.4\n", 9, CHECK_EMBEDDED_DOCUMENT, true, true},
	{"%PDF-1.UU", 9, CHECK_EMBEDDED_DOCUMENT, true, false},
	{"#!/bin/sh", 9, CHECK_EMBEDDED_SCRIPT, true, true},
	{"#!/bin/>?", 9, CHECK_EMBEDDED_SCRIPT, true, false},
	/* Words of 16 bits about nought, as waveforms have them. */
	{"\xCF\xFA\xED\xFE\7\0\0\1", 8, CHECK_EMBEDDED_PROGRAM, true, false},
	{"\xCF\xFA\xED\xFE\7\0\0\1\x10\0\xF0\xFF\2\0\0\0", 16, CHECK_EMBEDDED_PROGRAM, true, false},
	{"\xCF\xFA\xED\xFE\7\0\0\1\3\0\0\x80\2\0\0\0", 16, CHECK_EMBEDDED_PROGRAM, true, true},
	{"\xCF\xFA\xED\xFE\x0C\0\0\1\0\0\0\0\6\0\0\0", 16, CHECK_EMBEDDED_PROGRAM, true, true},
	{"\xFE\xED\xFA\xCF\1\0\0\7\0\0\0\3\0\0\0\2", 16, CHECK_EMBEDDED_PROGRAM, true, true},
	{"\xCA\xFE\xBA\xBE\0\0\0\x34\0\x1D\x0A", 11, CHECK_EMBEDDED_PROGRAM, true, false},
	{"\xCA\xFE\xBA\xBE\0\0\0\x34\0\x1D\x0A\0\6java/lang/Object", 29, CHECK_EMBEDDED_PROGRAM, true, true},
	{"\0asm\1\0\0\0\1\4", 10, CHECK_EMBEDDED_PROGRAM, true, false},
	{"\0asm\1\0\0\0\1\4\1\x60\0\0memory", 20, CHECK_EMBEDDED_PROGRAM, true, true},
	{"PK\5\6\0\0\0\0\2\0\2\0\x60\0\0\0\x60\0\0\0\0\0", 22, CHECK_EMBEDDED_ARCHIVE, true, true},
	{"PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22, CHECK_EMBEDDED_ARCHIVE, true, false},
	/* Linux looks at four bytes, the type and the machine. */
	{"\x7F"
	 "ELF",
		4, CHECK_EMBEDDED_PROGRAM, false, false},
	{"\x7F"
	 "ELF\2\1\1\0",
		8, CHECK_EMBEDDED_PROGRAM, true, true},
	{"\x7F"
	 "ELF" ELF_REST "\2\0\x3E\0",
		20, CHECK_EMBEDDED_PROGRAM, true, true},
	{"\x7F"
	 "ELF" ELF_REST "\3\0\xB7\0",
		20, CHECK_EMBEDDED_PROGRAM, true, true},
	{"\x7F"
	 "ELF" ELF_REST "\2\0\x3E\1",
		20, CHECK_EMBEDDED_PROGRAM, false, false},
	{"dex\n035\0", 8, CHECK_EMBEDDED_PROGRAM, true, true},
	{"dex\n03", 6, CHECK_EMBEDDED_PROGRAM, false, false},
	{"Rar!\x1A\7\0", 7, CHECK_EMBEDDED_ARCHIVE, true, true},
	{"Rar!\x1A\7\1\0", 8, CHECK_EMBEDDED_ARCHIVE, true, true},
	{"BZh61AY&SY", 10, CHECK_EMBEDDED_ARCHIVE, true, true},
	{"1AY&SY", 6, CHECK_EMBEDDED_ARCHIVE, false, false},
};

static void in_tables(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		expect_found(SHORT, rows[k].mark, rows[k].n, rows[k].check, rows[k].in_short);
		expect_found(LONG, rows[k].mark, rows[k].n, rows[k].check, rows[k].in_long);
	}
}

/* Wherever the mark and what follows it are cut. */
static void cut(void **state)
{
	static const char mark[] = "PE\0\0\x64\x86" PE_REST "\x0B\2";
	struct inspect_about about = {.transfer_syntax = span_str(EXPLICIT)};
	look_at(SECONDARY, 0x00660016, "OF", LONG, mark, 26);
	size_t at = (size_t)((uint8_t *)memmem(whole, sizeof(whole), mark, 26) - whole),
	       n = (size_t)inspected.facts.bytes;
	for (size_t k = 0; k <= 27; k++) {
		inspect_pieces(&inspected, &about, span_of(whole, n), at + k, 0, false);
		assert_int_equal(inspected.counts[CHECK_EMBEDDED_PROGRAM], 1);
		inspect_pieces(
			&inspected, &about, span_of(whole, at + 20), at + k < at + 20 ? at + k : 1, 0, false);
		assert_int_equal(inspected.counts[CHECK_EMBEDDED_PROGRAM], 0);
	}
}

/* Code counts where it ends within what is looked at, wherever it is cut; and not in what is over before. */
static void code(void **state)
{
	static const char script[] = "<script>123456789012</script";
	for (unsigned far = 0; far < 3; far++) {
		static char text[8192];
		struct inspect_about about = {.transfer_syntax = span_str(EXPLICIT)};
		size_t n = 20, end = 8 + 12 + 4096 + (far == 2);
		memset(text, 'x', sizeof(text));
		memcpy(text, script, n);
		memcpy(text + (far ? end - 8 : n), "</script", 8);
		look_at(SECONDARY, 0x00660016, "OF", LONG, text, sizeof(text));
		assert_int_equal(inspected.counts[CHECK_EMBEDDED_SCRIPT], far < 2);
		size_t at = (size_t)((uint8_t *)memmem(whole, sizeof(whole), script, n) - whole),
		       all = (size_t)inspected.facts.bytes;
		for (size_t k = 0; k < sizeof(script); k++) {
			inspect_pieces(&inspected, &about, span_of(whole, all), at + k, 0, false);
			assert_int_equal(inspected.counts[CHECK_EMBEDDED_SCRIPT], far < 2);
			inspect_pieces(&inspected, &about, span_of(whole, all), at + end - k, 0, false);
			assert_int_equal(inspected.counts[CHECK_EMBEDDED_SCRIPT], far < 2);
		}
	}
}

/* At the very end there is no room for what follows, nor for chance. */
static void at_the_end(void **state)
{
	struct inspect_about about = {.transfer_syntax = span_str(EXPLICIT)};
	look_at(SECONDARY, 0x00660016, "OF", LONG, "PE\0\0\x64\x86\3\0", 8);
	uint8_t *mark = memmem(whole, sizeof(whole), "PE\0\0\x64\x86", 6);
	assert_non_null(mark);
	size_t n = (size_t)inspected.facts.bytes;
	memset(mark, 0x99, 8);
	memcpy(whole + n - 8, "PE\0\0\x64\x86\3\0", 8);
	inspect_pieces(&inspected, &about, span_of(whole, n), 0, 0, false);
	assert_int_equal(inspected.counts[CHECK_EMBEDDED_PROGRAM], 1);
}

/* A megabyte of triangles has any three bytes; a script among them has more. Without control characters it may be a text all the same. */
static void triangles(void **state)
{
	static const struct {
		const char *mark;
		size_t n;
		bool in_numbers;
	} found[] = {{"&#0.", 4, false}, {"&#65;", 5, false}, {"<embed", 6, false}, {"<script", 7, true},
		{"javascript:", 11, true}};
	for (size_t k = 0; k < 2 * ARRAY_LEN(found); k++) {
		uint8_t marked[16] = {0};
		size_t n = found[k / 2].n, text = k % 2;
		memcpy(marked, found[k / 2].mark, n);
		look_at(STL_CLASS, 0x00420011, "OB", SHORT, marked, text ? n : n + 2);
		assert_int_equal(inspected.counts[CHECK_DOCUMENT_SCRIPT], text || found[k / 2].in_numbers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_tables),
		cmocka_unit_test(cut),
		cmocka_unit_test(code),
		cmocka_unit_test(at_the_end),
		cmocka_unit_test(triangles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
