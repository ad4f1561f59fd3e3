/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_deflate.h"
#include "inspect_made.h"

/* What would be found in the open, where somebody hides it. */
#define DEFLATED "1.2.840.10008.1.2.1.99"

static const char elf[] = "\x7f"
			  "ELF\2\1\1\0 and so on, and so on";

static struct writer picture(void)
{
	struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", NULL});
	put_head(&w, e, TAG_PIXEL_DATA, "OW", 100);
	writer_fill(&w, 0x55, 100);
	return w;
}

static uint8_t deflated[8192];

static void expect_deflated(struct span inside, const char *behind, size_t n, const char *checks)
{
	size_t len = deflate_raw(inside, deflated, sizeof(deflated));
	struct writer w = writer_of(deflated, sizeof(deflated));
	w.len = len;
	writer_bytes(&w, behind, n);
	expect_in(DEFLATED, &w, checks);
}

static void behind_deflated(void **state)
{
	struct writer w = picture();
	expect_deflated(writer_span_of(&w), "", 0, "");
	expect_deflated(writer_span_of(&w), "", 1, "");
	expect_deflated(writer_span_of(&w), "rubbish", 7, "trailing-bytes");
	expect_deflated(writer_span_of(&w), elf, sizeof(elf), "trailing-bytes trailing-content");
	expect_deflated(writer_span_of(&w), "\0\0\0#!/bin/sh\n", 13, "trailing-bytes trailing-content");
}

/* A megabyte that becomes more than a gigabyte; as much that does not is seen to its end. */
static void bombs(void **state)
{
	static uint8_t zeros[1 << 20], packed[1 << 23];
	for (unsigned more = 0; more < 2; more++) {
		struct writer w = object(SECONDARY);
		put_patient(&w, "Doe^Jane");
		put_head(&w, e, TAG_PIXEL_DATA, "OW", (1023 + 2 * more) * (uint32_t)sizeof(zeros));
		z_stream z = {.next_out = packed,
			.avail_out = sizeof(packed),
			.next_in = w.ptr,
			.avail_in = (unsigned)w.len};
		assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
		assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
		for (unsigned k = 0; k < 1023 + 2 * more; k++) {
			z.next_in = zeros;
			z.avail_in = sizeof(zeros);
			assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
		}
		assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
		struct inspect_about about = {.transfer_syntax = span_str(DEFLATED)};
		inspect_pieces(
			&inspected, &about, span_of(packed, sizeof(packed) - z.avail_out), 0, 1 << 17, false);
		deflateEnd(&z);
		assert_int_equal(inspected.counts[CHECK_INFLATES_TOO_FAR], more);
		assert_int_equal(inspected.counts[CHECK_TRUNCATED], 0);
	}
}

/* Behind the pixels, and deflated with them. */
static void behind_pixels_deflated(void **state)
{
	struct writer w = picture();
	writer_bytes(&w, "not an element, nor zeros", 25);
	expect_deflated(writer_span_of(&w), "", 0, "trailing-bytes");
	writer_bytes(&w, elf, sizeof(elf));
	expect_deflated(writer_span_of(&w), "", 0, "trailing-bytes trailing-content");
	expect_deflated(writer_span_of(&w), "and more", 8, "trailing-bytes trailing-content");
}

/* Fragments in a private element are neither pixel data, nor is what comes after them behind it. */
static void private_fragments(void **state)
{
	static const struct {
		const char *bytes, *checks;
	} rows[] = {
		{"some bytes", "undefined-length"},
		{"MZ\x90.This program cannot be run in DOS mode", "undefined-length embedded-program"},
		{"....%PDF-1.4 and so on", "undefined-length embedded-document"},
		{"#!/bin/sh\n", "undefined-length embedded-script"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_head(&w, e, 0x00091001, "OB", UNDEFINED_LENGTH);
		put_item(&w, e, 0);
		put_fragment(&w, rows[k].bytes, strlen(rows[k].bytes),
			(uint32_t)(strlen(rows[k].bytes) + 1) / 2 * 2);
		put_sequence_end(&w, e);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

/* Behind an object without pixels it is read as one more element, whose head it then is. */
static void behind_documents(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		bool unread; /* as the parser finds no VR there */
	} rows[] = {{elf, sizeof(elf), true}, {"#!/bin/sh\nexit\n", 15, false},
		{"%PDF-1.4 and so on", 18, false}, {"<html><script>x</script>", 24, false},
		{"\xCF\xFA\xED\xFE\x07\0\0\1.......", 16, true}};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_patient(&w, "Doe^Jane");
		writer_bytes(&w, rows[k].bytes, rows[k].n);
		const char *checks =
			rows[k].unread ? "not-in-transfer-syntax trailing-content" : "trailing-content";
		expect(&w, checks);
		size_t n = deflate_raw(writer_span_of(&w), deflated, sizeof(deflated));
		w = writer_of(deflated, sizeof(deflated));
		w.len = n;
		expect_in(DEFLATED, &w, rows[k].unread ? "deflate-broken trailing-content" : checks);
	}
}

/* ---- Documents ---- */

#define PDF_CLASS "1.2.840.10008.5.1.4.1.1.104.1"
#define CDA_CLASS "1.2.840.10008.5.1.4.1.1.104.2"
#define OBJ_CLASS "1.2.840.10008.5.1.4.1.1.104.4"

static void put_document(struct writer *w, const void *value, size_t n, const char *mime)
{
	put_value(w, 0x00420011, "OB", value, n);
	put_string(w, 0x00420012, "LO", mime);
}

/* A PDF document with an object stream; header: as RFC 1950 has it, or without. */
static size_t object_stream(const char *objects, bool header, uint8_t *to, size_t cap)
{
	static const char before[] = "%PDF-1.5\n1 0 obj <</Type/O#62jStm/N 1/First 4>>\nstream\r\n",
			  behind[] = "\nendstream endobj trailer<</Root 2 0 R>>";
	struct writer w = writer_of(to, cap);
	uint8_t small[512];
	uLongf n = sizeof(small);
	assert_int_equal(compress2(small, &n, (const uint8_t *)objects, strlen(objects), 9), Z_OK);
	writer_bytes(&w, before, strlen(before));
	writer_bytes(&w, small + (header ? 0 : 2), n - (header ? 0 : 2));
	writer_bytes(&w, behind, strlen(behind));
	return w.len;
}

static void object_streams(void **state)
{
	static const struct {
		const char *objects;
		bool header;
		const char *checks;
	} rows[] = {
		{"2 0 <</Type/Catalog>>", true, ""},
		{"2 0 <</OpenAction<</S/JavaScript/JS(x)>>>>", true, "pdf-javascript pdf-open-action"},
		{"2 0 <</S/L#61unch>>", true, "pdf-launch"},
		{"2 0 <</S/JavaScript>>", false, "pdf-hidden"},
		{"\2predicted, so that names differ", true, "pdf-hidden"},
		{"2 0 <</Type/ObjStm>>", true, "pdf-hidden"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		uint8_t pdf[1024];
		size_t n = object_stream(rows[k].objects, rows[k].header, pdf, sizeof(pdf));
		/* A second one, behind the first. */
		n += object_stream(rows[0].objects, true, pdf + n, sizeof(pdf) - n);
		struct writer w = object(PDF_CLASS);
		put_patient(&w, "Doe^Jane");
		put_document(&w, pdf, n, "application/pdf");
		expect(&w, rows[k].checks);
	}
}

/* The second of two object streams is looked into as the first is; and in a deflated data set none can be. */
static void second_object_stream(void **state)
{
	uint8_t pdf[1024];
	size_t n = object_stream("2 0 <</Type/Catalog>>", true, pdf, sizeof(pdf));
	n += object_stream("3 0 <</S/JavaScript>>", true, pdf + n, sizeof(pdf) - n);
	struct writer w = object(PDF_CLASS);
	put_patient(&w, "Doe^Jane");
	put_document(&w, pdf, n, "application/pdf");
	expect(&w, "pdf-javascript");
	expect_deflated(writer_span_of(&w), "", 0, "pdf-hidden");
}

/* Millions of zeros are no object stream; of one that is too long the rest is not looked at. */
static void endless_object_stream(void **state)
{
	static uint8_t many[1 << 16], small[1 << 18], pdf[1 << 18];
	memset(many, ' ', sizeof(many));
	z_stream z = {.next_out = small, .avail_out = sizeof(small)};
	assert_int_equal(deflateInit(&z, 9), Z_OK);
	for (unsigned k = 0; k <= INSPECT_PDF_INFLATED / sizeof(many); k++) {
		z.next_in = many;
		z.avail_in = sizeof(many);
		assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
	}
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	struct writer w = writer_of(pdf, sizeof(pdf));
	writer_bytes(&w, "%PDF-1.5 <</Type/ObjStm>>stream\n", 32);
	writer_bytes(&w, small, sizeof(small) - z.avail_out);
	deflateEnd(&z);
	uint8_t *all = malloc(w.len + 1024);
	assert_non_null(all);
	struct writer o = object(PDF_CLASS);
	put_patient(&o, "Doe^Jane");
	struct writer whole = writer_of(all, w.len + 1024);
	writer_bytes(&whole, o.ptr, o.len);
	put_document(&whole, pdf, w.len, "application/pdf");
	struct inspect_about about = {.transfer_syntax = span_str(EXPLICIT)};
	char is[256];
	inspect_pieces(&inspected, &about, writer_span_of(&whole), 0, 0, false);
	said_checks(&inspected, is, sizeof(is));
	assert_string_equal(is, "pdf-hidden");
	free(all);
}

/* A PDF document is one wherever it begins. */
static void pdf_elsewhere(void **state)
{
	static const char pdf[] = "....%PDF-1.4 <</S/J#61vaScript>>";
	static const struct {
		uint32_t tag;
		const char *vr;
	} rows[] = {{0x00091001, "OB"}, {0x00091001, "UN"}, {0x00091001, "OW"}, {0x00091001, "LT"},
		{0x00091001, "OF"}};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_string(&w, rows[k].tag, rows[k].vr, pdf);
		put_patient(&w, "Doe^Jane");
		expect(&w, "embedded-document pdf-javascript");
	}
	struct writer w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_document(&w, pdf, sizeof(pdf) - 1, "application/octet-stream");
	expect(&w, "embedded-document pdf-javascript");
}

/* Of two documents in the same object both count, whichever a viewer takes. */
static void two_documents(void **state)
{
	struct writer w = object(PDF_CLASS);
	put_patient(&w, "Doe^Jane");
	put_string(&w, 0x00420011, "OB", "%PDF-1.4 /S/JavaScript ");
	put_document(&w, "%PDF-1.4 ", 9, "application/pdf");
	expect(&w, "tag-duplicate embedded-document pdf-javascript");
}

static void documents_by_name(void **state)
{
	static const struct {
		const char *sop_class, *mime, *bytes;
		size_t n;
		const char *checks;
	} rows[] = {
		{SECONDARY, "image/jpeg", "%PDF-1.4 ", 9, "document-type"},
		{OBJ_CLASS, "model/obj", "call x.obj", 10, "document-script"},
		{PDF_CLASS, "text/javascript", "%PDF-1.4 ", 9, "document-type"},
		{PDF_CLASS, "application/pdf", "%PDF-1.4 PK\3\4\x14\0.", 16, "embedded-archive"},
		{PDF_CLASS, "application/pdf", "%PDF-1.4 \n#!/bin/sh\n", 20, "embedded-script"},
		{CDA_CLASS, "text/xml", "\xFF\xFE<\0a\0>\0<\0s\0c\0r\0i\0p\0t\0>\0", 24, "document-script"},
		{CDA_CLASS, "text/xml", "<\0s\0c\0r\0i\0p\0t\0>\0", 16, "document-script"},
		{CDA_CLASS, "text/xml", "\xFE\xFF\0<\0!\0E\0N\0T\0I\0T\0Y", 18, "document-entity"},
		{CDA_CLASS, "text/xml", "<a>\xFF\xFE <b/></a>", 14, ""},
		{CDA_CLASS, "text/xml", "\x4C\xA2\x83\x99\x89\x97\xA3\x6E", 8, "document-type"},
		{CDA_CLASS, "text/xml", "<?xml encoding=\"UTF-7\"?>+ADw-", 29, "document-script"},
		{CDA_CLASS, "text/xml", "<!DOCTYPE a SYSTEM 'http://b'><a/>", 34, "document-entity"},
		{CDA_CLASS, "text/xml", "<a><h:script>x</h:script></a>", 29, "document-script"},
		{CDA_CLASS, "text/xml", "<a b='j&#97;vascript:x'/>", 25, "document-script"},
		{CDA_CLASS, "text/xml", "<?xml-stylesheet href='a'?><a/>", 31, "document-stylesheet"},
		{CDA_CLASS, "text/xml", "<td onMouseOver='x'>", 20, "document-script"},
		{OBJ_CLASS, "model/obj", "v 0 0 0\ncsh -rm x\n", 18, "document-script"},
		{OBJ_CLASS, "model/obj", "mtllib ../../x\n", 15, "model"},
		{OBJ_CLASS, "model/obj", "mtllib \\\\host\\x\n", 16, "model"},
		{OBJ_CLASS, "model/obj", "mtllib a.mtl\nusemtl b\n", 22, ""},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(rows[k].sop_class);
		put_patient(&w, "Doe^Jane");
		put_document(&w, rows[k].bytes, rows[k].n, rows[k].mime);
		expect(&w, rows[k].checks);
	}
}

/* ---- Programs, in whatever kind of value ---- */

static void programs(void **state)
{
	static const struct {
		const char *vr, *bytes;
		size_t n;
		const char *checks;
	} rows[] = {
		{"OB", "....\xCF\xFA\xED\xFE\x07\0\0\1", 12, "embedded-program"},
		{"OB", "....\xCA\xFE\xBA\xBE\0\0\0\2", 12, "embedded-program"},
		{"OB", "....\xCA\xFE\xBA\xBE....", 12, ""},
		{"OB", "....#!/usr/bin/env sh", 21, "embedded-script"},
		{"UL",
			"....\x7f"
			"ELF\2\1\1\0",
			12, "embedded-program"},
		{"FD",
			"....\x7f"
			"ELF\2\1\1\0....",
			16, "embedded-program"},
	};
	for (size_t k = 0; k < 2 * ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_value(&w, 0x00091001, rows[k / 2].vr, rows[k / 2].bytes, rows[k / 2].n);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k / 2].checks);
	}
	/* Padding and overlays are no place for one either. */
	struct writer w = picture();
	put_value(&w, 0xFFFCFFFC, "OW", elf, sizeof(elf));
	expect(&w, "embedded-program");
}

/* ---- Texts ---- */

static void texts_that_look_otherwise(void **state)
{
	static const struct {
		const char *charset, *text, *checks;
	} rows[] = {
		{"\\ISO 2022 IR 87", "<\x1b(Bscr\x1b(Bipt>", "text-markup"},
		{"\\ISO 2022 IR 149", "\x1b$)C<\x1b(Bscript>", "text-markup"},
		{"ISO_IR 100", "<\x1b(Bscr\x1b(Bipt>", "text-markup text-control text-charset"},
		{"GB18030", "\x81\x30<script>", "text-markup text-charset"},
		{"GB18030", "\xB5\x7C\xB5\x7C", ""},
		{"ISO_IR 100", "<details open ontoggle=x>", "text-markup"},
		{"ISO_IR 100", "<FormatVersion/><BodyPart/><ActionStart=1", ""},
		{"ISO_IR 100", "=cmd|' /C calc'!A0", "text-shell"},
		{"ISO_IR 100", "x&&reboot", "text-shell"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = writer_of(bytes, sizeof(bytes));
		put_string(&w, 0x00080005, "CS", rows[k].charset);
		put_string(&w, 0x00080016, "UI", SECONDARY);
		put_string(&w, 0x00080018, "UI", "1.2.3.4");
		put_string(&w, 0x00081030, "LO", rows[k].text);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

/* In implicit VR a private text has no VR, and is shown as text all the same. */
static void unknown_texts(void **state)
{
	static const struct {
		const char *text, *checks;
	} rows[] = {{"a plain text", ""}, {"<img src=x onerror=y>", "text-markup"},
		{"a; rm -rf b", "text-shell"}, {"\1\2\3<img src=x", ""}};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_string(&w, 0x00091001, "UN", rows[k].text);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

/* The beginning of a long text is held against its character set, and all of it searched for control characters. */
static void long_texts(void **state)
{
	static const struct {
		const char *head, *tail, *checks;
	} rows[] = {
		{"a", "z", ""},
		{"a", "z\0", ""},
		{"a", "\7z", "text-control"},
		{"a", "\x1b[31mz", "text-control text-charset"},
		{"\xE2\x80\xAE", "z", "text-direction"},
		{"\xFF\xFE\xFF", "z", "text-charset"},
		{"\xC3\xA4", "\xC3\xA4", ""},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		size_t n = strlen(rows[k].tail) + (k == 1);
		struct writer w = writer_of(bytes, sizeof(bytes));
		put_string(&w, 0x00080005, "CS", "ISO_IR 192");
		put_string(&w, 0x00080016, "UI", SECONDARY);
		put_string(&w, 0x00080018, "UI", "1.2.3.4");
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_head(&w, e, 0x00091001, "UT", 6000);
		writer_bytes(&w, rows[k].head, strlen(rows[k].head));
		writer_fill(&w, 'x', 6000 - n - strlen(rows[k].head));
		writer_bytes(&w, rows[k].tail, n);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

/* ---- What cannot be looked into ---- */

static void sealed_files(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *checks;
	} rows[] = {
		{"\x30\x80\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x03\xA0\x80", 15, "sealed"},
		{"\x30\x82\x10\x00\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02\xA0", 16, "sealed"},
		{"\x30\x80\x06\x0B\x2A\x86\x48\x86\xF7\x0D\x01\x09\x10\x01\x17\xA0", 16, "sealed"},
		{"\x30\x82\x10\x00\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x01\xA0", 16, "not-dicom"},
		{"\x30\x80\x06\x09\x2A\x86\x48\x86\xF7\x0D", 10, "not-dicom"},
		{"\x30\xFF", 2, "not-dicom"},
	};
	struct inspect_about about = {.file = true};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		char is[256];
		inspect_pieces(
			&inspected, &about, span_of((const uint8_t *)rows[k].bytes, rows[k].n), 0, 1, true);
		said_checks(&inspected, is, sizeof(is));
		assert_string_equal(is, rows[k].checks);
	}
}

/* ---- Preambles ---- */

static void inside_preambles(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum inspect_check check;
	} rows[] = {
		{"a maker's name", 14, CHECK_PREAMBLE_NONZERO},
		{"\0\1\2%PDF-1.4", 11, CHECK_PREAMBLE_DOCUMENT},
		{"\xFF\1<script>", 10, CHECK_PREAMBLE_TEXT},
		{"start calc.exe & exit", 21, CHECK_PREAMBLE_TEXT},
		{":\nrm -rf x\nexit\n", 16, CHECK_PREAMBLE_TEXT},
		{"[autorun]\nopen=a.exe\n", 21, CHECK_PREAMBLE_TEXT},
		{"import os;os.remove('a')", 24, CHECK_PREAMBLE_TEXT},
		{"Maker Inc. (TM), v1.0 #2", 24, CHECK_PREAMBLE_NONZERO},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		uint8_t file[160] = {[128] = 'D', 'I', 'C', 'M'};
		memcpy(file, rows[k].bytes, rows[k].n);
		struct inspect_about about = {.file = true};
		inspect_pieces(&inspected, &about, span_of(file, sizeof(file)), 0, 0, false);
		for (unsigned c = CHECK_PREAMBLE_PE; c <= CHECK_PREAMBLE_NONZERO; c++) {
			assert_int_equal(inspected.counts[c], c == rows[k].check);
		}
	}
}

/* Programs, scripts and documents of rarer kinds, inside a private value. */
static void rarer_kinds(void **state)
{
	static const char pe[] = "\3\0\1\2\3\4\1\2\3\4\1\2\3\4\xE0\0\2\1\x0B\1";
	static const struct {
		const char *bytes;
		size_t n;
		bool program;
		const char *checks;
	} rows[] = {
		{"\x7F"
		 "ELF\1\2\1\0",
			8, false, "embedded-program"},
		{"\x7F"
		 "ELF\2\2\1\0",
			8, false, "embedded-program"},
		{"\xFE\xED\xFA\xCE\0\0\0\x12", 8, false, "embedded-program"},
		{"PE\0\0\xC0\1", 6, true, "embedded-program"},
		{"PE\0\0\xC2\1", 6, true, "embedded-program"},
		{"PE\0\0\0\2", 6, true, "embedded-program"},
		{"#! /usr/bin/env python3\n", 24, false, "embedded-script"},
		{"<?=`$_GET[0]`?>", 15, false, "embedded-script"},
		{"<?=$_GET[0]($_GET[1])?>", 23, false, "embedded-script"},
		{"<% Runtime.getRuntime().exec(\"x\"); %>", 38, false, "embedded-script"},
		{"<%@ page language=\"java\" %>", 28, false, "embedded-script"},
		{"{\\rtf1\\ansi{\\object", 19, false, "embedded-document"},
		{"\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D\xAE\xB1\x53\x78\xD0\x29\x96\xD3", 16, false,
			"embedded-document"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		uint8_t value[128] = {0};
		memcpy(value + 17, rows[k].bytes, rows[k].n);
		memcpy(value + 17 + rows[k].n, pe, rows[k].program ? sizeof(pe) - 1 : 0);
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_value(&w, 0x00091001, "OB", value, sizeof(value));
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

/* A mark that two fragments of a private element have between them, wherever it is cut; not one of two elements. */
static void in_two_fragments(void **state)
{
	for (uint32_t at = 2; at < 8; at += 2) {
		for (unsigned apart = 0; apart < 2; apart++) {
			struct writer w = object(SECONDARY);
			put_string(&w, 0x00090010, "LO", "MAKER");
			put_head(&w, e, 0x00091001, "OB", UNDEFINED_LENGTH);
			put_item(&w, e, 0);
			put_fragment(&w, elf, at, at);
			if (apart) {
				put_sequence_end(&w, e);
				put_head(&w, e, 0x00091002, "OB", UNDEFINED_LENGTH);
				put_item(&w, e, 0);
			}
			put_fragment(&w, elf + at, 30 - at, 30 - at);
			put_sequence_end(&w, e);
			put_patient(&w, "Doe^Jane");
			/* Four bytes at the beginning of a value tell all by themselves. */
			bool found = !apart || at >= 4;
			expect(&w, found ? "undefined-length embedded-program" : "undefined-length");
		}
	}
}

/* What nothing describes is no image, of an icon as of the object: nothing that decodes it is given it. */
static void in_no_image(void **state)
{
	uint8_t samples[200] = {0};
	memcpy(samples + 101, elf, sizeof(elf));
	for (unsigned icon = 0; icon < 2; icon++) {
		struct writer w = object(SECONDARY);
		put_patient(&w, "Doe^Jane");
		if (icon) {
			put_head(&w, e, 0x00880200, "SQ", UNDEFINED_LENGTH);
			put_item(&w, e, 12 + sizeof(samples));
		}
		put_value(&w, TAG_PIXEL_DATA, "OW", samples, sizeof(samples));
		if (icon) {
			put_sequence_end(&w, e);
		}
		expect(&w, "pixel-description-missing embedded-program");
	}
}

/* A text of unknown kind that is longer than what is held at once is shown as one, too; what is no text is not. */
static void in_long_unknowns(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *checks;
	} rows[] = {
		{"<img src=x onerror=alert(1)>", 28, "text-markup"},
		{"<q id=1 onbeforetoggle =x>", 26, "text-markup"},
		{"${jndi:ldap://x}", 16, "text-template"},
		{"no more than a text", 19, ""},
		{"<img src=x>\1", 12, ""},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		char text[9000];
		memset(text, 'x', sizeof(text));
		memcpy(text + sizeof(text) - 100, rows[k].text, rows[k].n);
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_head(&w, e, 0x00091001, "UN", sizeof(text));
		writer_bytes(&w, text, sizeof(text));
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rarer_kinds),
		cmocka_unit_test(in_two_fragments),
		cmocka_unit_test(in_no_image),
		cmocka_unit_test(in_long_unknowns),
		cmocka_unit_test(behind_deflated),
		cmocka_unit_test(bombs),
		cmocka_unit_test(behind_pixels_deflated),
		cmocka_unit_test(private_fragments),
		cmocka_unit_test(behind_documents),
		cmocka_unit_test(object_streams),
		cmocka_unit_test(second_object_stream),
		cmocka_unit_test(endless_object_stream),
		cmocka_unit_test(pdf_elsewhere),
		cmocka_unit_test(two_documents),
		cmocka_unit_test(documents_by_name),
		cmocka_unit_test(programs),
		cmocka_unit_test(texts_that_look_otherwise),
		cmocka_unit_test(unknown_texts),
		cmocka_unit_test(long_texts),
		cmocka_unit_test(sealed_files),
		cmocka_unit_test(inside_preambles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
