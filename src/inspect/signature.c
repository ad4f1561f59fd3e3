/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/signature.h"

#include "base/attr.h"
#include "base/reader.h"

/* Bytes at the beginning; text is compared without case, behind white space and a byte order mark. */
static const struct {
	const char *bytes;
	uint8_t len;
	bool text;
	enum signature is;
} table[] = {
	{"\x7f"
	 "ELF",
		4, false, SIGNATURE_ELF},
	{"\xfe\xed\xfa\xce", 4, false, SIGNATURE_MACHO},
	{"\xfe\xed\xfa\xcf", 4, false, SIGNATURE_MACHO},
	{"\xce\xfa\xed\xfe", 4, false, SIGNATURE_MACHO},
	{"\xcf\xfa\xed\xfe", 4, false, SIGNATURE_MACHO},
	{"\xca\xfe\xba\xbe", 4, false, SIGNATURE_MACHO},
	{"\xca\xfe\xba\xbf", 4, false, SIGNATURE_MACHO},
	{"\0asm\1\0\0\0", 8, false, SIGNATURE_ELF},
	{"PE\0\0\x4c\1", 6, false, SIGNATURE_PE},
	{"PE\0\0\x64\x86", 6, false, SIGNATURE_PE},
	{"PE\0\0\x64\xaa", 6, false, SIGNATURE_PE},
	{"L\0\0\0\1\x14\2\0", 8, false, SIGNATURE_PE}, /* a shortcut of Windows, which starts programs */
	{"PK\3\4", 4, false, SIGNATURE_ARCHIVE},
	{"PK\5\6", 4, false, SIGNATURE_ARCHIVE},
	{"PK\1\2", 4, false, SIGNATURE_ARCHIVE},
	{"Rar!\x1a\7", 6, false, SIGNATURE_ARCHIVE},
	{"7z\xbc\xaf\x27\x1c", 6, false, SIGNATURE_ARCHIVE},
	{"\x1f\x8b\x08", 3, false, SIGNATURE_ARCHIVE},
	{"\xfd"
	 "7zXZ\0",
		6, false, SIGNATURE_ARCHIVE},
	{"MSCF\0\0\0\0", 8, false, SIGNATURE_ARCHIVE},
	{"\x28\xb5\x2f\xfd", 4, false, SIGNATURE_ARCHIVE}, /* Zstandard */
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8, false, SIGNATURE_DOCUMENT},
	{"{\\rtf", 5, true, SIGNATURE_DOCUMENT},
	{"%pdf-", 5, true, SIGNATURE_PDF},
	{"#!/", 3, true, SIGNATURE_SCRIPT},
	{"#! /", 4, true, SIGNATURE_SCRIPT},
	{"@echo off", 9, true, SIGNATURE_SCRIPT},
	{"<?php", 5, true, SIGNATURE_SCRIPT},
	{"<script", 7, true, SIGNATURE_HTML},
	{"<!doctype html", 14, true, SIGNATURE_HTML},
	{"<html", 5, true, SIGNATURE_HTML},
	{"<head", 5, true, SIGNATURE_HTML},
	{"<body", 5, true, SIGNATURE_HTML},
	{"<svg", 4, true, SIGNATURE_HTML},
	{"<!--", 4, true, SIGNATURE_HTML},
	{"<?xml", 5, true, SIGNATURE_XML},
	{"II*\0", 4, false, SIGNATURE_TIFF},
	{"MM\0*", 4, false, SIGNATURE_TIFF},
	{"II+\0\x08\0\0\0", 8, false, SIGNATURE_TIFF},
	{"MM\0+\0\x08\0\0", 8, false, SIGNATURE_TIFF},
};

static const char *const names[] = {
	[SIGNATURE_NONE] = "unknown bytes",
	[SIGNATURE_PE] = "a Windows program",
	[SIGNATURE_ELF] = "a Linux program",
	[SIGNATURE_MACHO] = "a macOS program or Java class",
	[SIGNATURE_SCRIPT] = "a script",
	[SIGNATURE_ARCHIVE] = "an archive",
	[SIGNATURE_PDF] = "a PDF document",
	[SIGNATURE_DOCUMENT] = "an office document",
	[SIGNATURE_HTML] = "a web page",
	[SIGNATURE_XML] = "XML",
	[SIGNATURE_TIFF] = "a TIFF image",
};
static_assert(ARRAY_LEN(names) == SIGNATURE_N, "a name for each");

const char *signature_name(enum signature s)
{
	return names[s];
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool begins(struct span s, const char *with, size_t len, bool text)
{
	if (s.len < len) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if ((text ? lower(s.ptr[i]) : s.ptr[i]) != (uint8_t)with[i]) {
			return false;
		}
	}
	return true;
}

static struct span behind_space(struct span s)
{
	if (s.len >= 3 && memcmp(s.ptr, "\xef\xbb\xbf", 3) == 0) {
		s = span_of(s.ptr + 3, s.len - 3);
	}
	while (s.len > 0 && (s.ptr[0] == ' ' || (s.ptr[0] >= '\t' && s.ptr[0] <= '\r'))) {
		s = span_of(s.ptr + 1, s.len - 1);
	}
	return s;
}

/* Two letters are found anywhere by chance: what DOS reads behind them must make sense too. */
static bool is_dos(struct span s)
{
	if (!begins(s, "MZ", 2, false) && !begins(s, "ZM", 2, false)) {
		return false;
	}
	struct reader r = reader_of(s);
	uint32_t header = 0;
	uint16_t last = 0, pages = 0;
	bool dos = reader_skip(&r, 2) == 0 && reader_u16le(&r, &last) == 0 && reader_u16le(&r, &pages) == 0 &&
	           last <= 512 && pages > 0 && pages < 0x4000;
	r.pos = 0;
	bool windows = reader_skip(&r, 0x3C) == 0 && reader_u32le(&r, &header) == 0 && header >= 4 &&
	               header < 0x1000000;
	return dos || windows;
}

/* Three bytes begin a fragment of a compressed image by chance: what RFC 1952 2.3.1 leaves of flags and of the system must be there too. */
static bool is_gzip(struct span s)
{
	return s.len < 10 || ((s.ptr[3] & 0xE0) == 0 && (s.ptr[8] == 0 || s.ptr[8] == 2 || s.ptr[8] == 4) &&
				     (s.ptr[9] <= 13 || s.ptr[9] == 255));
}

/* Of the shortest in the table. Most numbers are shorter. */
#define LEAST 3

/* Most values begin with a byte with which nothing of the table does, nor a program of DOS, nor what stands before texts. */
static bool may_begin(struct span s)
{
	static const bool first[256] = {
		[0] = true,
		['\t' ... '\r'] = true,
		[0x1f] = true,
		[' '] = true,
		['#'] = true,
		['%'] = true,
		['('] = true,
		['7'] = true,
		['<'] = true,
		['@'] = true,
		['I'] = true,
		['L' ... 'M'] = true,
		['P'] = true,
		['R'] = true,
		['Z'] = true,
		['{'] = true,
		[0x7f] = true,
		[0xca] = true,
		[0xce ... 0xd0] = true,
		[0xef] = true,
		[0xfd ... 0xfe] = true,
	};
	return s.len >= LEAST && first[s.ptr[0]] && (s.ptr[0] != 0 || s.ptr[1] == 'a');
}

enum signature signature_of(struct span of)
{
	if (!may_begin(of)) {
		return SIGNATURE_NONE;
	}
	of.len = of.len < SIGNATURE_BYTES ? of.len : SIGNATURE_BYTES;
	struct span text = behind_space(of);
	uint8_t first = of.len > 0 ? of.ptr[0] : 0;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		/* Nearly all are told by one byte. */
		if (!table[i].text && (uint8_t)table[i].bytes[0] != first) {
			continue;
		}
		if (begins(table[i].text ? text : of, table[i].bytes, table[i].len, table[i].text)) {
			return first == 0x1f && !is_gzip(of) ? SIGNATURE_NONE : table[i].is;
		}
	}
	return is_dos(of) ? SIGNATURE_PE : SIGNATURE_NONE;
}
