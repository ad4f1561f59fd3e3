/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

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
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /S/SubmitForm ", "pdf-submit"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /S/GoToR ", "pdf-submit"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /Type/RichMedia ",
			"pdf-media"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", "%PDF-1.4 /Type/ObjStm ", "pdf-hidden"},
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
