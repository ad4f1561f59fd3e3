/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

/* What of compressed frames is not the image: segments, and what is behind the end. */
#define JPEG_LS "1.2.840.10008.1.2.4.80"
#define J2K     "1.2.840.10008.1.2.4.90"
#define JXL     "1.2.840.10008.1.2.4.110"
#define ELF                                                                                                  \
	"\x7f"                                                                                               \
	"ELF\2\1\1\0"
#define ZIP "PK\3\4\x14\0"

struct bytes {
	const char *ptr;
	size_t n;
};
#define BYTES(literal)                                                                                       \
	{                                                                                                    \
		literal, sizeof(literal) - 1                                                                 \
	}

/* One frame, in as many fragments as there are pieces, which are of even length. */
static void expect_fragments(const char *syntax, const struct bytes *pieces, size_t n, const char *checks)
{
	struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", NULL});
	put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
	put_item(&w, e, 0);
	for (size_t k = 0; k < n; k++) {
		put_fragment(&w, pieces[k].ptr, pieces[k].n, (uint32_t)(pieces[k].n));
	}
	put_sequence_end(&w, e);
	expect_in(syntax, &w, checks);
}

static void expect_frame(const char *syntax, const struct bytes *parts, size_t n, const char *checks)
{
	static char frame[4096];
	struct writer w = writer_of(frame, sizeof(frame));
	for (size_t k = 0; k < n; k++) {
		writer_bytes(&w, parts[k].ptr, parts[k].n);
	}
	writer_fill(&w, 0, w.len % 2);
	expect_fragments(syntax, &(struct bytes){frame, w.len}, 1, checks);
}

/* ---- JPEG ---- */

#define SOF    "\xFF\xC0\0\13\10\0\12\0\12\1\1\21\0"
#define LS_SOF "\xFF\xF7\0\13\10\0\12\0\12\1\1\21\0"
#define SOS    "\xFF\xDA\0\10\1\1\0\0\77\0"
#define LS_SOS "\xFF\xDA\0\10\1\1\0\0\0\0"
#define SCAN   "abc\xFF\0def\xFF\xD0ghi\xFF\0"
#define LS_SCAN                                                                                              \
	"abc\xFF\x7F"                                                                                        \
	"def\xFF\1ghi"

static void jpeg(void **state)
{
	static const struct {
		const char *syntax;
		struct bytes segment, image, behind;
		const char *checks;
	} rows[] = {
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES(""), ""},
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN "\xFF\xFF\xFF\xD9"), BYTES(""), ""},
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES("\0\0\0\0\0\0"), ""},
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES("\xFF"), ""},
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES("some more"), "pixel-data-padded"},
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES("\0\0#!/bin/sh\n"),
			"pixel-data-padded embedded-script"},
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES("\0" ZIP),
			"pixel-data-padded embedded-archive"},
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES("\0MZ\x90\0\3\0\0\0\4\0"),
			"pixel-data-padded embedded-program"},
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES("...%PDF-1.4 /S/JavaScript "),
			"pixel-data-padded embedded-document pdf-javascript"},
		/* An end that is one only for the last bytes. */
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES(ELF "\xFF\xD9"),
			"pixel-data-padded embedded-program"},
		/* Two scans, tables between them. */
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN "\xFF\xDD\0\4\0\1" SOS SCAN "\xFF\xD9"), BYTES(ELF),
			"pixel-data-padded embedded-program"},
		/* Within the image nothing is looked for, and it need not end. */
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN ELF "\xFF\xD9"), BYTES(""), ""},
		{JPEG, BYTES(""), BYTES(SOF SOS SCAN), BYTES(""), ""},
		{JPEG, BYTES("\xFF\xFE\0\17<script>x.y"), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES(""),
			"embedded-script text-markup"},
		{JPEG, BYTES("\xFF\xFE\0\15<img src=a"), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES(""),
			"text-markup"},
		{JPEG, BYTES("\xFF\xFE\0\15a&&b$(c)../"), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES(""), ""},
		{JPEG, BYTES("\xFF\xE1\0\15<img src=a"), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES(""), ""},
		{JPEG,
			BYTES("\xFF\xE1\0\21"
			      "Exif\0\0." ELF),
			BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES(""), "embedded-program"},
		{JPEG, BYTES("\xFF\xE2\0\12" ZIP ".."), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES(""),
			"embedded-archive"},
		{JPEG, BYTES("\xFF\xE2\0\2\xFF\xE2\0\7MSCF\0"), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES(""),
			""},
		/* Where a marker must stand something else does. */
		{JPEG, BYTES("\xFF\xE2\0\2" ELF), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES(""),
			"embedded-program"},
		{JPEG, BYTES("\xFF\xE2\0\1" ELF), BYTES(SOF SOS SCAN "\xFF\xD9"), BYTES(""),
			"embedded-program"},
		/* JPEG-LS, whatever it is called. */
		{JPEG, BYTES(""), BYTES(LS_SOF LS_SOS LS_SCAN "\xFF\xD9"), BYTES(ELF),
			"pixel-data-padded embedded-program"},
		{JPEG, BYTES(""), BYTES(LS_SOF LS_SOS LS_SCAN "\xFF\x59" ELF), BYTES(""), ""},
		{JPEG_LS, BYTES(""), BYTES(LS_SOF LS_SOS LS_SCAN "\xFF\xD9"), BYTES(""), ""},
		{JPEG_LS, BYTES(""), BYTES(LS_SOF LS_SOS LS_SCAN "\xFF\xD9"), BYTES(ELF),
			"pixel-data-padded embedded-program"},
		{JPEG_LS, BYTES("\xFF\xE8\0\14" ELF "\r\n"), BYTES(LS_SOF LS_SOS LS_SCAN "\xFF\xD9"),
			BYTES(""), "embedded-program"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct bytes parts[] = {BYTES("\xFF\xD8"), rows[k].segment, rows[k].image, rows[k].behind};
		/* What is looked at begins as a frame does: FF D8 FF. */
		if (rows[k].segment.n == 0) {
			parts[1] = (struct bytes)BYTES("\xFF\xE2\0\6"
						       "abcd");
		}
		expect_frame(rows[k].syntax, parts, ARRAY_LEN(parts), rows[k].checks);
	}
}

/* More than a few bytes is told by what it is. */
static void much_behind(void **state)
{
	static char more[600];
	memset(more, 'a', sizeof(more));
	struct bytes parts[] = {BYTES("\xFF\xD8" SOF SOS SCAN "\xFF\xD9"), {more, sizeof(more)}};
	expect_frame(JPEG, parts, 2, "pixel-data-long");
	memset(more, 0, sizeof(more));
	expect_frame(JPEG, parts, 2, "");
}

static void more_fragments(void **state)
{
	static const struct {
		struct bytes pieces[3];
		size_t n;
		const char *checks;
	} rows[] = {
		/* A frame may be in any number of fragments, cut anywhere. */
		{{BYTES("\xFF\xD8" SOF SOS "ab\xFF"), BYTES("\0defgh"), BYTES("ghij\xFF\xD9")}, 3, ""},
		{{BYTES("\xFF\xD8" SOF SOS "ab\xFF"), BYTES("\xD9\0" ELF)}, 2,
			"pixel-data-padded embedded-program"},
		{{BYTES("\xFF\xD8\xFF\xE2\0\22abcd"), BYTES("abcd" ELF), BYTES(SOF SOS SCAN)}, 3,
			"embedded-program"},
		/* One more, behind the last. */
		{{BYTES("\xFF\xD8" SOF SOS SCAN "\xFF\xD9"), BYTES("a script: #!/bin/sh\n")}, 2,
			"pixel-data-padded embedded-script"},
		{{BYTES("\xFF\xD8" SOF SOS SCAN "\xFF\xD9"),
			 BYTES("\x7f"
			       "ELF\2\1"),
			 BYTES("\1\0")},
			3, "pixel-data-padded embedded-program"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		expect_fragments(JPEG, rows[k].pieces, rows[k].n, rows[k].checks);
	}
}

/* ---- JPEG 2000 ---- */

#define SIZ                                                                                                  \
	"\xFF\x4F\xFF\x51\0\51\0\0\0\0\0\12\0\0\0\12\0\0\0\0\0\0\0\0\0\0\0\12\0\0\0\12\0\0\0\0\0\0\0\0\0\1\7\1\1"

static void j2k(void **state)
{
	static const struct {
		struct bytes rest;
		const char *checks;
	} rows[] = {
		/* A tile-part of 20 bytes: twelve of SOT, two of SOD, six. */
		{BYTES("\xFF\x90\0\12\0\0\0\0\0\24\0\1\xFF\x93"
		       "abcdef\xFF\xD9"),
			""},
		{BYTES("\xFF\x90\0\12\0\0\0\0\0\24\0\1\xFF\x93"
		       "abcdef\xFF\xD9" ELF),
			"pixel-data-padded embedded-program"},
		/* What looks as an end within it is none. */
		{BYTES("\xFF\x90\0\12\0\0\0\0\0\24\0\1\xFF\x93"
		       "ab\xFF\xD9"
		       "ef\xFF\xD9" ZIP),
			"pixel-data-padded embedded-archive"},
		/* To the end of the codestream. */
		{BYTES("\xFF\x90\0\12\0\0\0\0\0\0\0\1\xFF\x93"
		       "ab\xFF\x8F"
		       "ef\xFF\xD9" ELF),
			"pixel-data-padded embedded-program"},
		/* Two tile-parts, comments in the main header and in that of a tile-part. */
		{BYTES("\xFF\x90\0\12\0\0\0\0\0\24\0\1\xFF\x93"
		       "abcdef\xFF\x90\0\12\0\0\0\0\0\20\1\1\xFF\x93"
		       "ab\xFF\xD9"),
			""},
		{BYTES("\xFF\x64\0\17\0\1<script>.\xFF\x90\0\12\0\0\0\0\0\24\0\1\xFF\x93"
		       "abcdef\xFF\xD9"),
			"embedded-script text-markup"},
		{BYTES("\xFF\x90\0\12\0\0\0\0\0\40\0\1\xFF\x64\0\12" ELF "\xFF\x93"
		       "abcdef\xFF\xD9"),
			"embedded-program"},
		/* Longer than it is; shorter; what is behind it is no marker. */
		{BYTES("\xFF\x90\0\12\0\0\0\1\0\0\0\1\xFF\x93"
		       "abcdef\xFF\xD9"),
			""},
		{BYTES("\xFF\x90\0\12\0\0\0\0\0\1\0\1\xFF\x93" ELF "ab\xFF\xD9"), "embedded-program"},
		{BYTES("\xFF\x90\0\12\0\0\0\0\0\24\0\1\xFF\x93"
		       "abcdef" ELF "\xFF\xD9"),
			"embedded-program"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct bytes parts[] = {BYTES(SIZ), rows[k].rest};
		expect_frame(J2K, parts, ARRAY_LEN(parts), rows[k].checks);
	}
}

/* ---- JPEG XL: where its codestream ends is not known ---- */

static void jxl(void **state)
{
	static const struct {
		struct bytes frame;
		const char *checks;
	} rows[] = {
		{BYTES("\xFF\x0A"
		       "an image, or so"),
			""},
		{BYTES("\xFF\x0A"
		       "an image, or so" ELF),
			"embedded-program"},
		{BYTES("\xFF\x0A"
		       "an image <?php"),
			""}, /* of five bytes: by chance */
		{BYTES("\xFF\x0A"
		       "an image <script"),
			"embedded-script"},
		{BYTES("\0\0\0\x0CJXL \r\n\x87\n\0\0\0\x12"
		       "xml <script>...."),
			"embedded-script"},
		{BYTES("no image, or so"), "codec-signature"},
		{BYTES("no image, " ZIP), "codec-signature embedded-archive"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		expect_frame(JXL, &rows[k].frame, 1, rows[k].checks);
	}
}

static void deflated_frames(void **state)
{
	static const struct bytes rows[] = {BYTES("\1\2\0\xFD\xFF"
						  "ab."),
		BYTES("\1\2\0\xFD\xFF"
		      "ab" ELF)};
	expect_frame("1.2.840.10008.1.2.8.1", &rows[0], 1, "");
	expect_frame("1.2.840.10008.1.2.8.1", &rows[1], 1, "embedded-program");
}

/* ---- RLE: 100 bytes a segment ---- */

static void rle(void **state)
{
	static const struct {
		uint8_t n;
		uint32_t second;
		struct bytes unused, runs;
		const char *checks;
	} rows[] = {
		{1, 0, BYTES(""),
			BYTES("\x9D"
			      "a"),
			""},
		{1, 0, BYTES(""),
			BYTES("\x9D"
			      "a" ELF),
			"pixel-data-padded embedded-program"},
		{1, 0, BYTES(""),
			BYTES("\x9E"
			      "a\0b" ELF),
			"pixel-data-padded embedded-program"},
		{1, 0, BYTES(""),
			BYTES("\x80\x80\xCF"
			      "a\xCF"
			      "b" ZIP),
			"pixel-data-padded embedded-archive"},
		/* Bytes of an image that needs them. */
		{1, 0, BYTES(""),
			BYTES("\7" ELF "\xA5"
			      "b"),
			""},
		{1, 0, BYTES("...." ELF),
			BYTES("\x9D"
			      "a"),
			"embedded-program"},
		{2, 66, BYTES(""),
			BYTES("\x9D"
			      "a\x9D"
			      "b"),
			""},
		{2, 68, BYTES(""),
			BYTES("\x9E"
			      "a\0b\x9D"
			      "b"),
			""},
		{2, 68, BYTES(""),
			BYTES("\x9E"
			      "\1\1a\x9D"
			      "b"),
			""}, /* the run is cut off */
		{2, 74, BYTES(""),
			BYTES("\x9D"
			      "a" ELF "\x9D"
			      "b"),
			"pixel-data-padded embedded-program"},
		{2, 74, BYTES(""),
			BYTES("\x9D"
			      "a\0\0\0\0\0\0\0\0\x9D"
			      "b"),
			""},
		{2, 66, BYTES(""),
			BYTES("\x9D"
			      "a\x9D"
			      "b" ZIP),
			"pixel-data-padded embedded-archive"},
		{1, 0, BYTES(""), BYTES("\x9D"), ""},
		{16, 66, BYTES(""),
			BYTES("\x9D"
			      "a\x9D"
			      "b" ELF),
			"rle-header embedded-program"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		char head[64] = {(char)rows[k].n, 0, 0, 0, 64, 0, 0, 0, (char)rows[k].second};
		memcpy(head + 12, rows[k].unused.ptr, rows[k].unused.n);
		struct bytes parts[] = {{head, sizeof(head)}, rows[k].runs};
		expect_frame(RLE, parts, ARRAY_LEN(parts), rows[k].checks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jpeg),
		cmocka_unit_test(much_behind),
		cmocka_unit_test(more_fragments),
		cmocka_unit_test(j2k),
		cmocka_unit_test(jxl),
		cmocka_unit_test(deflated_frames),
		cmocka_unit_test(rle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
