/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

/* What of a video is neither pictures nor sound, by its container. */
#define MPEG2 "1.2.840.10008.1.2.4.100"
#define AVC   "1.2.840.10008.1.2.4.102"
#define ELF                                                                                                  \
	"\x7F"                                                                                               \
	"ELF\2\1\1\0and so on"
#define ZIP "PK\3\4\x14\0\0\0\x08\0\1\2\3\4\1\2\3\4\1\2\3\4\1\2\3\4\5\0\0\0a.txt"

static uint8_t video[40000];
static size_t n_video;

static void load(const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), TESTS_DATA "/video/%s", name);
	FILE *file = fopen(path, "rbe");
	assert_non_null(file);
	n_video = fread(video, 1, sizeof(video), file);
	fclose(file);
	assert_in_range(n_video, 1000, sizeof(video) - 1000);
}

static void insert(size_t at, const void *bytes_in, size_t n)
{
	assert_true(at <= n_video && n_video + n <= sizeof(video));
	memmove(video + at + n, video + at, n_video - at);
	memcpy(video + at, bytes_in, n);
	n_video += n;
}

/* In fragments of so many bytes; cut in several ways, the findings are the same. */
static void expect_video(const char *syntax, size_t size, const char *checks)
{
	static const size_t steps[] = {1, 7, 187, 189, 1000};
	struct inspect_about about = {.transfer_syntax = span_str(syntax)};
	char is[256], all[SAID_MOST], cut[SAID_MOST];
	struct writer w = image((struct image){3, 10, 10, 8, 8, 7, "YBR_PARTIAL_420", "10"});
	put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
	put_item(&w, e, 0);
	for (size_t at = 0; at < n_video; at += size) {
		size_t n = size < n_video - at ? size : n_video - at;
		put_item(&w, e, (uint32_t)(n + n % 2));
		writer_bytes(&w, video + at, n);
		writer_fill(&w, 0, n % 2);
	}
	put_sequence_end(&w, e);
	assert_int_equal(writer_end(&w), 0);
	inspect_pieces(&inspected, &about, writer_span_of(&w), 0, 0, true);
	said_checks(&inspected, is, sizeof(is));
	assert_string_equal(is, checks);
	said_text(&inspected, all);
	for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
		inspect_pieces(&inspected, &about, writer_span_of(&w), 0, steps[k], false);
		said_text(&inspected, cut);
		assert_string_equal(cut, all);
	}
}

static void expect_everywhere(const char *syntax, const char *checks)
{
	expect_video(syntax, sizeof(video), checks);
	expect_video(syntax, 1234, checks);
	expect_video(syntax, 130, checks);
}

static void as_they_are(void **state)
{
	static const char *const names[] = {"avc-fields.ts", "avc-large.ts", "avc-odd.ts", "avc-sound.mp4",
		"avc-turned.mp4", "avc-two.ts", "hevc-10.ts", "hevc.mp4", "mpeg2-fields.m2v",
		"mpeg2-sound.mpg", "mpeg2.ts"};
	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		load(names[k]);
		expect_everywhere(k < 8 ? AVC : MPEG2, "");
	}
}

/* ---- MP4 ---- */

static void boxes(void **state)
{
	static const struct {
		const char *box;
		size_t n;
		const char *checks;
	} rows[] = {
		{"\0\0\0\x1C"
		 "free...." ELF,
			28, "embedded-program"},
		{"\0\0\0\x1C"
		 "skip...." ELF,
			28, "embedded-program"},
		{"\0\0\0\x2C"
		 "uuid0123456789abcdef...." ELF,
			44, "embedded-program"},
		{"\0\0\0\x2A"
		 "uuid0123456789abcdef#!/bin/zsh\nexit 1\n",
			42, "embedded-script"},
		{"\0\0\0\x24"
		 "udta"
		 "\0\0\0\x1C"
		 "name...." ELF,
			36, "embedded-program"},
		{"\0\0\0\1"
		 "free"
		 "\0\0\0\0\0\0\0\x20" ELF,
			32, "embedded-program"},
		{"\0\0\0\x2F"
		 "what...." ZIP,
			47, "embedded-archive"},
		/* Media data, whether or not a table points there; two letters, or a mark without what must follow it, are no sign. */
		{"\0\0\0\x1C"
		 "mdat...." ELF,
			28, "embedded-program"},
		{"\0\0\0\1"
		 "mdat"
		 "\0\0\0\0\0\0\0\x20" ELF,
			32, "embedded-program"},
		{"\0\0\0\x2F"
		 "mdat...." ZIP,
			47, "embedded-archive"},
		{"\0\0\0\x1A"
		 "mdat#!/bin/zsh\nexit 1\n",
			26, "embedded-script"},
		{"\0\0\0\x26"
		 "mdat.... <script>alert(1)</script>",
			38, "embedded-script"},
		{"\0\0\0\x48"
		 "mdatMZ\x90\0\3\0\0\0\4\0\0\0\xFF\xFF\0\0\xB8\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0"
		 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\0\0\0",
			72, ""},
		{"\0\0\0\x40"
		 "mdat....PE\0\0\x4C\1................................................",
			64, ""},
		{"\0\0\0\x12"
		 "mdat\x7F"
		 "ELF......",
			18, ""},
		{"\0\0\0\x08"
		 "free",
			8, ""},
	};
	for (size_t k = 0; k < 2 * ARRAY_LEN(rows); k++) {
		load("avc-sound.mp4");
		insert(k % 2 ? 32 : n_video, rows[k / 2].box, rows[k / 2].n);
		expect_everywhere(AVC, rows[k / 2].checks);
	}
}

static void boxes_at_the_end(void **state)
{
	/* What makes an archive of the object. */
	load("hevc.mp4");
	insert(n_video,
		"\0\0\0\x1E"
		"mdatPK\5\6\0\0\0\0\2\0\2\0\x60\0\0\0\1\2\3\0\0\0",
		30);
	expect_video(AVC, sizeof(video), "embedded-archive");
	/* A box that reaches to the end of all. */
	load("hevc.mp4");
	insert(n_video, "\0\0\0\0free", 8);
	insert(n_video, video + 32, 999);
	insert(n_video, ELF, 17);
	expect_everywhere(AVC, "embedded-program");
}

static void behind_boxes(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *checks;
	} rows[] = {
		{"\0\0\0\0\0\0\0\0\0\0\0\0", 12, ""},
		{"\1\2\3\4\5\6\7\x08\x09", 9, "pixel-data-padded"},
		{"\0\0\0\7free....", 12, "pixel-data-padded"},
		{"\0\0\0\1free\0\0\0\0\0\0\0\x0F", 16, "pixel-data-padded"},
		{"#!/bin/", 7, "pixel-data-padded embedded-script"},
		{ELF, 17, "pixel-data-padded embedded-program"},
		{ZIP, 35, "pixel-data-padded embedded-archive"},
		/* What may be the head of a box. */
		{"#!/bin/sh\nexit 1\n", 17, "embedded-script"},
		{"%PDF-1.4 /S/JavaScript ", 23, "embedded-document pdf-javascript"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		load("avc-turned.mp4");
		insert(n_video, rows[k].bytes, rows[k].n);
		expect_video(AVC, sizeof(video), rows[k].checks);
	}
}

/* ---- Transport streams ---- */

static void make_packet(uint8_t to[188], uint16_t pid, const void *bytes_in, size_t n)
{
	memset(to, 0xFF, 188);
	to[0] = 0x47;
	to[1] = (uint8_t)(pid >> 8);
	to[2] = (uint8_t)pid;
	to[3] = 0x10;
	memcpy(to + 20, bytes_in, n);
}

static void packets(void **state)
{
	static const struct {
		uint16_t pid;
		const char *checks;
	} rows[] = {{0x100, ""}, /* the video's */ {0x1FFF, "embedded-program"}, {0x555, "embedded-program"},
		{0x11, "embedded-program"}, {0, "embedded-program"}};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		uint8_t p[188];
		load("avc-odd.ts");
		make_packet(p, rows[k].pid, ELF, 17);
		insert(188 * 5, p, 188);
		expect_everywhere(AVC, rows[k].checks);
	}
	/* In the field before the payload. */
	uint8_t p[188];
	load("avc-odd.ts");
	make_packet(p, 0x100, ELF, 17);
	p[3] = 0x30;
	p[4] = 100;
	insert(188 * 5, p, 188);
	expect_everywhere(AVC, "embedded-program");
	/* A stream that is declared, as data. */
	load("avc-odd.ts");
	make_packet(p, 0x100, ELF, 17);
	insert(188 * 5, p, 188);
	uint8_t *type = memmem(video, n_video, "\x1B\xE1\0\xF0", 4);
	assert_non_null(type);
	*type = 6;
	expect_everywhere(AVC, "embedded-program");
}

static void behind_packets(void **state)
{
	load("mpeg2.ts");
	insert(n_video, ELF, 17);
	expect_video(MPEG2, sizeof(video), "pixel-data-padded embedded-program");
	insert(n_video, video, 2000);
	expect_video(MPEG2, sizeof(video), "pixel-data-long embedded-program");
	load("mpeg2.ts");
	insert(n_video, "\0\0\0", 3);
	expect_video(MPEG2, sizeof(video), "");
}

/* Packets with their time before them, as Blu-ray Discs have them. */
static void timed_packets(void **state)
{
	for (unsigned k = 0; k < 2; k++) {
		uint8_t p[188];
		load("avc-odd.ts");
		make_packet(p, 0x1FFF, ELF, 17);
		insert(188 * 5, p, k ? 188 : 0);
		for (size_t at = 0; at < n_video; at += 192) {
			insert(at, "time", 4);
		}
		expect_video(AVC, sizeof(video), k ? "embedded-program" : "");
		expect_video(AVC, 1234, k ? "embedded-program" : "");
	}
}

/* ---- Program streams, and none ---- */

static void program_streams(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		bool behind;
		const char *checks;
	} rows[] = {
		{"\0\0\1\xBE\0\x11" ELF, 23, false, "embedded-program"},
		{"\0\0\1\xBF\0\x11" ELF, 23, false, "embedded-program"},
		{"\0\0\1\xE5\0\x11" ELF, 23, false,
			"embedded-program"}, /* of a stream that no player shows */
		{"\0\0\1\xC5\0\x11" ELF, 23, false, "embedded-program"},
		{"\0\0\1\xB9", 4, true, ""},
		{"\0\0\1\xB9" ELF, 21, true, "pixel-data-padded embedded-program"},
		{"\0\0\2\xB9" ELF, 21, true, "pixel-data-padded embedded-program"},
		{ELF, 17, true, "pixel-data-padded embedded-program"},
		{"#!/bi", 5, true, "pixel-data-padded embedded-script"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		load("mpeg2-sound.mpg");
		uint8_t *pack = memmem(video + 1, n_video - 1, "\0\0\1\xBA", 4);
		assert_non_null(pack);
		uint8_t *end = memmem(video, n_video, "\0\0\1\xB9", 4);
		n_video = end ? (size_t)(end - video) : n_video;
		insert(rows[k].behind ? n_video : (size_t)(pack - video), rows[k].bytes, rows[k].n);
		expect_video(MPEG2, sizeof(video), rows[k].checks);
		if (!rows[k].behind) {
			expect_everywhere(MPEG2, rows[k].checks);
		}
	}
}

static void no_container(void **state)
{
	load("mpeg2-fields.m2v");
	insert(2000, ELF, 17);
	expect_everywhere(MPEG2, "embedded-program");
	load("mpeg2-fields.m2v");
	insert(2000, "PE\0\0\x4C\1", 6); /* by chance */
	expect_everywhere(MPEG2, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_they_are),
		cmocka_unit_test(boxes),
		cmocka_unit_test(boxes_at_the_end),
		cmocka_unit_test(behind_boxes),
		cmocka_unit_test(packets),
		cmocka_unit_test(behind_packets),
		cmocka_unit_test(timed_packets),
		cmocka_unit_test(program_streams),
		cmocka_unit_test(no_container),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
