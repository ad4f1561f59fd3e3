/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

/* A first frame of one compression, and what its headers say. */
static void expect_coded(const char *syntax, const void *head, uint32_t n, const char *checks)
{
	struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", NULL});
	put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
	put_item(&w, e, 0);
	put_fragment(&w, head, n, 90);
	put_sequence_end(&w, e);
	expect_in(syntax, &w, checks);
}

/* ISO/IEC 10918-1 B.2, ISO/IEC 14495-1 C.2 */
static void jpeg_headers(void **state)
{
	static const struct {
		uint8_t bits, samples, near;
		const char *syntax, *checks;
	} rows[] = {
		{8, 1, 0, "80", ""},
		{8, 1, 1, "80", "codec-description"},
		{8, 1, 1, "81", ""},
		{8, 1, 127, "81", ""},
		{8, 1, 128, "81", "codec-parameters"},
		{8, 1, 255, "80", "codec-parameters"},
		{2, 1, 1, "81", ""},
		{2, 1, 2, "81", "codec-parameters"},
		{9, 1, 0, "80", "codec-description"},
		{16, 1, 0, "80", "codec-description"},
		{17, 1, 0, "80", "codec-parameters"},
		{1, 1, 0, "80", "codec-parameters"},
		{8, 0, 0, "80", "codec-parameters"},
		{8, 2, 0, "80", "codec-parameters"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		char syntax[UID_MAX + 1];
		uint8_t head[] = {0xFF, 0xD8, 0xFF, 0xF7, 0, 11, rows[k].bits, 0, 10, 0, 10, rows[k].samples,
			1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, rows[k].near, 0, 0};
		snprintf(syntax, sizeof(syntax), "1.2.840.10008.1.2.4.%s", rows[k].syntax);
		expect_coded(syntax, head, sizeof(head), rows[k].checks);
	}
	/* Its length is what its components take. */
	expect_coded("1.2.840.10008.1.2.4.80", "\xFF\xD8\xFF\xF7\0\16\10\0\12\0\12\1\1\21\0\xFF\xDA\0", 18,
		"codec-parameters");
	/* Baseline has neither NEAR nor a check of it; no columns are none. */
	uint8_t head[] = {0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 10, 0, 10, 1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1,
		1, 0, 255, 0, 0};
	expect_coded(JPEG, head, sizeof(head), "");
	head[10] = 0;
	expect_coded(JPEG, head, sizeof(head), "codec-parameters");
}

#define SOI  "\xFF\xD8"
#define SOF  "\xFF\xC0\0\13\10\0\12\0\12\1\1\21\0"
#define SOS  "\xFF\xDA\0\10\1\1\0\0\77\0abc"
#define EOI  "\xFF\xD9"
#define MANY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ISO/IEC 10918-1 B.2.2, B.2.4: what decoders of any age have choked on. */
static void jpeg_segments(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *checks;
	} rows[] = {
#define ROW(bytes, checks) {bytes, sizeof(bytes) - 1, checks}
		ROW(SOI SOF SOS EOI, ""),
		ROW(SOI SOF SOF SOS EOI, "codec-parameters"),
		ROW(SOI "\xFF\xC0\0\13\10\0\12\0\12\1\1\0\0" SOS EOI, "codec-parameters"),
		ROW(SOI "\xFF\xC0\0\13\10\0\12\0\12\1\1\25\0" SOS EOI, "codec-parameters"),
		ROW(SOI "\xFF\xC0\0\13\10\0\12\0\12\1\1\21\4" SOS EOI, "codec-parameters"),
		ROW(SOI "\xFF\xC0\0\5\10\0\12" SOS EOI, "codec-parameters"),
		/* Behind more than is held of a frame at once. */
		ROW(SOI "\xFF\xE2\3\2" MANY MANY MANY MANY MANY MANY MANY MANY MANY MANY MANY MANY SOF SOS
				EOI,
			""),
		ROW(SOI "\xFF\xE2\3\2" MANY MANY MANY MANY MANY MANY MANY MANY MANY MANY MANY MANY
			"\xFF\xC0\0\13\10\x7F\xFF\0\12\1\1\21\0" SOS EOI,
			"codec-description"),
		/* The number of lines, said at the end. */
		ROW(SOI SOF SOS "\xFF\xDC\0\4\0\12" EOI, ""),
		ROW(SOI SOF SOS "\xFF\xDC\0\4\xEA\x60" EOI, "codec-description"),
		/* Tables. */
		ROW(SOI "\xFF\xDB\0\x43\0" MANY SOF SOS EOI, ""),
		ROW(SOI "\xFF\xDB\0\x84\0" MANY "\1" MANY SOF SOS EOI, ""),
		ROW(SOI "\xFF\xDB\0\x83\x11" MANY MANY SOF SOS EOI, ""),
		ROW(SOI "\xFF\xDB\0\x43\4" MANY SOF SOS EOI, "codec-parameters"),
		ROW(SOI "\xFF\xDB\0\x43\x20" MANY SOF SOS EOI, "codec-parameters"),
		ROW(SOI "\xFF\xDB\0\x43\x10" MANY SOF SOS EOI, "codec-parameters"),
		ROW(SOI "\xFF\xC4\0\x15\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0ab" SOF SOS EOI, ""),
		ROW(SOI "\xFF\xC4\0\x15\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0ab" SOF SOS EOI, "codec-parameters"),
		ROW(SOI "\xFF\xC4\0\x15\x20\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0ab" SOF SOS EOI,
			"codec-parameters"),
		ROW(SOI "\xFF\xC4\0\x15\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
			"ab" SOF SOS EOI,
			"codec-parameters"),
		ROW(SOI "\xFF\xC4\0\7abcde" SOF SOS EOI, "codec-parameters"),
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", NULL});
		put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
		put_item(&w, e, 0);
		put_fragment(&w, rows[k].bytes, rows[k].n, (uint32_t)(rows[k].n));
		put_sequence_end(&w, e);
		struct inspect_about about = {.transfer_syntax = span_str(JPEG)};
		char is[256];
		inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 7, true);
		said_checks(&inspected, is, sizeof(is));
		const char *checks = strncmp(is, "odd-length ", 11) == 0 ? is + 11
		                     : strcmp(is, "odd-length") == 0     ? ""
		                                                         : is;
		if (strcmp(checks, rows[k].checks) != 0) {
			fail_msg("%zu: %s, expected: %s", k, checks, rows[k].checks);
		}
	}
}

/* ISO/IEC 15444-1 A.5.1 */
static void j2k_headers(void **state)
{
	static const struct {
		uint32_t grid[8];
		uint16_t n;
		uint8_t depth, dx;
		const char *checks;
	} rows[] = {
		{{10, 10, 0, 0, 10, 10, 0, 0}, 1, 7, 1, ""},
		{{30, 25, 20, 15, 8, 4, 20, 13}, 1, 7, 1, ""},
		{{10, 10, 0, 0, 4000000000, 4000000000, 0, 0}, 1, 7, 1, ""},
		{{10, 10, 0, 0, 10, 10, 0, 0}, 1, 0x87, 1, "codec-description"}, /* signed */
		{{10, 10, 0, 0, 10, 10, 0, 0}, 3, 7, 1, "codec-description"},
		{{10, 10, 0, 0, 10, 10, 0, 0}, 1, 8, 1, "codec-description"},
		{{11, 10, 0, 0, 11, 10, 0, 0}, 1, 7, 1, "codec-description"},
		{{10, 10, 10, 0, 10, 10, 0, 0}, 1, 7, 1, "codec-parameters"}, /* nothing of it */
		{{10, 10, 0, 0, 0, 10, 0, 0}, 1, 7, 1, "codec-parameters"},
		{{10, 10, 0, 0, 10, 0, 0, 0}, 1, 7, 1, "codec-parameters"},
		{{10, 10, 0, 0, 10, 10, 1, 0}, 1, 7, 1, "codec-parameters"},   /* tiles begin behind it */
		{{30, 30, 20, 20, 10, 10, 0, 0}, 1, 7, 1, "codec-parameters"}, /* and a first one before it */
		{{100000, 100000, 0, 0, 1, 1, 0, 0}, 1, 7, 1, "codec-parameters"},
		{{4000000000, 4000000000, 0, 0, 1, 1, 0, 0}, 1, 7, 1, "codec-parameters"},
		{{10, 10, 0, 0, 10, 10, 0, 0}, 0, 7, 1, "codec-parameters"},
		{{10, 10, 0, 0, 10, 10, 0, 0}, 16385, 7, 1, "codec-parameters"},
		{{10, 10, 0, 0, 10, 10, 0, 0}, 1, 38, 1, "codec-parameters"},
		{{10, 10, 0, 0, 10, 10, 0, 0}, 1, 7, 0, "codec-parameters"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		uint8_t head[64];
		struct writer w = writer_of(head, sizeof(head));
		writer_bytes(&w, "\xFF\x4F\xFF\x51\0\51\0\0", 8);
		for (size_t g = 0; g < 8; g++) {
			writer_u32be(&w, rows[k].grid[g]);
		}
		writer_u16be(&w, rows[k].n);
		for (unsigned c = 0; c < 3; c++) {
			writer_u8(&w, rows[k].depth);
			writer_fill(&w, rows[k].dx, 2);
		}
		expect_coded(
			"1.2.840.10008.1.2.4.90", head, (uint32_t)writer_span_of(&w).len, rows[k].checks);
	}
}

/* PS3.3 C.11.2.1.2 */
static void windows(void **state)
{
	static const struct {
		const char *center, *width, *checks;
	} rows[] = {
		{"40", "400", ""},
		{"-1024.5", "0.5", ""},
		{"65536", "1", ""}, /* anywhere, also where no pixel is */
		{"40\\40", "100\\200", ""},
		{"40\\40", "100\\0", "window"},
		{"40", "0.0", "window"},
		{"40", "0e1", "window"},
		{"40", "-1", "window"},
		{"40", "2147483647", ""},
		{"40", "4294967295", "window"},
		{"40", "1e300", "window"},
		{"-2147483649", "1", "window"},
		{"0", "1", ""},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_patient(&w, "Doe^Jane");
		put_string(&w, 0x00281050, "DS", rows[k].center);
		put_string(&w, 0x00281051, "DS", rows[k].width);
		expect(&w, rows[k].checks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jpeg_headers),
		cmocka_unit_test(jpeg_segments),
		cmocka_unit_test(j2k_headers),
		cmocka_unit_test(windows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
