/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/strip.h"

#include "pixels/strip_units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "pixels_files.h"

/* What goes out of streams, byte by byte. That FFmpeg decodes the same pictures afterwards, and finds no sound, is tests/e2e/test_video.py's. */

static ptrdiff_t read_stream(void *arg, uint64_t at, void *to, size_t n)
{
	return read_at(arg, at, to, n);
}

static int put_over(void *arg, uint64_t at, struct span bytes)
{
	struct memory *m = arg;
	assert_true(at <= m->len && bytes.len <= m->len - at);
	memcpy(m->bytes + at, bytes.ptr, bytes.len);
	return 0;
}

/* In place. A look alone says the same, and changes nothing; done again there is nothing. */
static int strip(enum video_kind kind, struct memory *m, struct strip_found *found, const char **why)
{
	struct video_source source = {m, read_stream, m->len};
	const struct strip_output out = {m, put_over};
	struct strip_found looked = {0}, again = {0};
	uint8_t *before = malloc(m->len + 1);
	memcpy(before, m->bytes, m->len);
	*why = NULL;
	int e = strip_video(kind, &source, NULL, &looked, why);
	assert_memory_equal(before, m->bytes, m->len);
	free(before);
	if (e < 0) {
		assert_non_null(*why);
		assert_true(strlen(*why) > 10);
		return e;
	}
	assert_int_equal(strip_video(kind, &source, &out, found, why), 0);
	assert_int_equal(found->any, looked.any);
	assert_int_equal(found->streams, looked.streams);
	assert_int_equal(strip_video(kind, &source, &out, &again, why), 0);
	assert_false(again.any);
	return 0;
}

static bool has(const struct memory *m, const char *text)
{
	return memmem(m->bytes, m->len, text, strlen(text)) != NULL;
}

/* ---- Files of others ---- */

static const struct {
	const char *name;
	enum video_kind kind;
	bool streams;
	const char *gone; /* in it before, and not after; NULL: none that is known */
} files[] = {
	{"mpeg2.ts", VIDEO_MPEG2, false, "FFmpeg"},
	{"mpeg2-sound.mpg", VIDEO_MPEG2, true, NULL},
	{"mpeg2-fields.m2v", VIDEO_MPEG2, false, NULL},
	{"avc-sound.mp4", VIDEO_H264, true, "SoundHandler"},
	{"avc-fields.ts", VIDEO_H264, false, "x264"},
	{"avc-odd.ts", VIDEO_H264, false, "Service01"},
	{"avc-turned.mp4", VIDEO_H264, false, "VideoHandler"},
	{"avc-two.ts", VIDEO_H264, false, "x264"},
	{"hevc.mp4", VIDEO_HEVC, false, "x265"},
	{"hevc-10.ts", VIDEO_HEVC, false, "x265"},
};

static struct memory stream_of(const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "../video/%s", name);
	return opened(path);
}

static void files_lose_it(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(files); i++) {
		struct memory m = stream_of(files[i].name);
		struct strip_found found = {0};
		const char *why;
		print_message("%s\n", files[i].name);
		assert_true(!files[i].gone || has(&m, files[i].gone));
		assert_int_equal(strip(files[i].kind, &m, &found, &why), 0);
		assert_true(found.any);
		assert_int_equal(found.streams, files[i].streams);
		assert_false(files[i].gone && has(&m, files[i].gone));
		free(m.bytes);
	}
}

static void other_kinds_are_refused(void **state)
{
	static const struct {
		const char *name;
		enum video_kind kind;
		const char *why;
	} rows[] = {
		{"mpeg2.ts", VIDEO_H264, "no video of the kind"},
		{"avc-sound.mp4", VIDEO_HEVC, "of a kind that its transfer syntax does not say"},
		{"hevc.mp4", VIDEO_MPEG2, "of a kind that its transfer syntax does not say"},
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct memory m = stream_of(rows[i].name);
		struct strip_found found = {0};
		const char *why;
		assert_true(strip(rows[i].kind, &m, &found, &why) < 0);
		assert_non_null(strstr(why, rows[i].why));
		free(m.bytes);
	}
}

/* Cut off anywhere, and with any byte another: it is done, or refused; never is anything read or put behind its end. */
static void broken_files(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(files); i++) {
		struct memory whole = stream_of(files[i].name);
		const size_t head = whole.len < 4000 ? whole.len : 4000, step = 1 + whole.len / 400;
		struct memory m = {.bytes = malloc(whole.len), .cap = whole.len};
		struct strip_found found = {0};
		const char *why;
		for (size_t n = 0; n < whole.len; n += step) {
			memcpy(m.bytes, whole.bytes, n);
			m.len = n;
			(void)strip(files[i].kind, &m, &found, &why);
		}
		for (size_t at = 0; at < whole.len; at += at < head ? 7 : step) {
			m.len = whole.len;
			memcpy(m.bytes, whole.bytes, whole.len);
			m.bytes[at] ^= (uint8_t)(1u << at % 8);
			(void)strip(files[i].kind, &m, &found, &why);
		}
		free(m.bytes);
		free(whole.bytes);
	}
}

/* ---- Units ---- */

struct unit {
	enum video_kind kind;
	const char *before, *after;
	size_t len;
};

#define UNIT(kind, before, after)                                                                            \
	{                                                                                                    \
		kind, before, after, sizeof(before) - 1                                                      \
	}

static const struct unit units[] = {
	/* User data that is not registered, and behind it when pictures can be shown from. */
	UNIT(VIDEO_H264, "\0\0\1\x06\5\4Jane\6\1\xC4\x80\0\0\1\x65Jane",
		"\0\0\1\x06\5\4\xFF\xFF\xFF\xFF\6\1\xC4\x80\0\0\1\x65Jane"),
	/* What keeps zeros apart is not counted, and stays. */
	UNIT(VIDEO_H264, "\0\0\1\x06\4\6J\0\0\3\1\2a\x80\0\0\1\x41J",
		"\0\0\1\x06\4\6\xFF\0\0\3\1\xFF\xFF\x80\0\0\1\x41J"),
	UNIT(VIDEO_H264, "\0\0\1\x06\4\5\0\0\3\2ab\x80", "\0\0\1\x06\4\5\0\0\3\1\xFF\xFF\x80"),
	/* Filler, and kinds that nobody knows; not what stands behind them. */
	UNIT(VIDEO_H264, "\0\0\1\x0CJane\x80\0\0\1\x1EJane\0\0\1\x67Jane",
		"\0\0\1\x0C\xFF\xFF\xFF\xFF\xFF\0\0\1\x1E\xFF\xFF\xFF\xFF\0\0\1\x67Jane"),
	/* A second view stays, with what says how to decode it. */
	UNIT(VIDEO_H264, "\0\0\1\x0FJane\0\0\1\x0EJane\0\0\1\x14Jane\0\0\1\x06\5\4Jane",
		"\0\0\1\x0FJane\0\0\1\x0EJane\0\0\1\x14Jane\0\0\1\x06\5\4\xFF\xFF\xFF\xFF"),
	/* HEVC: prefix and suffix; a hash of the picture stays, a clock goes. */
	UNIT(VIDEO_HEVC, "\0\0\1\x4E\1\x88\3abc\x81\1x\x80\0\0\1\x50\1\x84\2hs\x80",
		"\0\0\1\x4E\1\x88\3\xFF\xFF\xFF\x81\1x\x80\0\0\1\x50\1\x84\2hs\x80"),
	UNIT(VIDEO_HEVC, "\0\0\1\x60\1Jane\0\0\1\x26\1Jane", "\0\0\1\x60\1\xFF\xFF\xFF\xFF\0\0\1\x26\1Jane"),
	/* MPEG-2: user data; the time of a group of pictures becomes another, whether it is closed stays; what is behind the end. */
	UNIT(VIDEO_MPEG2, "\0\0\1\xB2Jane\0\0\1\xB8\x2A\xCD\xEF\xC0\0\0\1\1Jane\0\0\1\xB7Jane",
		"\0\0\1\xB2\0\0\0\0\0\0\1\xB8\4\x08 \x40\0\0\1\1Jane\0\0\1\xB7\0\0\0\0"),
};

/* However it is cut. */
static void units_lose_it(void **state)
{
	uint8_t bytes[128];
	for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
		for (size_t step = 1; step <= units[i].len; step++) {
			struct strip_units u;
			bool changed = false;
			memcpy(bytes, units[i].before, units[i].len);
			strip_units_begin(&u, units[i].kind, 0);
			for (size_t at = 0; at < units[i].len; at += step) {
				size_t n = units[i].len - at < step ? units[i].len - at : step;
				changed = strip_units_feed(&u, bytes + at, n) || changed;
			}
			assert_true(changed);
			assert_memory_equal(bytes, units[i].after, units[i].len);
		}
	}
}

/* As in MP4: lengths before them, of one, two or four bytes. */
static void units_with_lengths(void **state)
{
	static const char message[] = "\x06\5\4Jane\x80", picture[] = "\x65Jane\0\0\1\x06\5\4Jane";
	for (unsigned size = 1; size <= 4; size++) {
		uint8_t bytes[64] = {0};
		size_t n = size + sizeof(message) - 1;
		bytes[size - 1] = sizeof(message) - 1;
		memcpy(bytes + size, message, sizeof(message) - 1);
		bytes[n + size - 1] = sizeof(picture) - 1;
		memcpy(bytes + n + size, picture, sizeof(picture) - 1);
		for (size_t step = 1; step < 32; step++) {
			uint8_t again[64];
			struct strip_units u;
			size_t len = n + size + sizeof(picture) - 1;
			memcpy(again, bytes, sizeof(bytes));
			strip_units_begin(&u, VIDEO_H264, size);
			for (size_t at = 0; at < len; at += step) {
				(void)strip_units_feed(&u, again + at, len - at < step ? len - at : step);
				assert_int_equal(strip_units_end(&u), at + step >= len || at + step == n);
			}
			assert_memory_equal(again + size, "\x06\5\4\xFF\xFF\xFF\xFF\x80", 8);
			assert_memory_equal(again + n + size, picture, sizeof(picture) - 1);
		}
	}
}

/* ---- Containers ---- */

/* A transport stream of one packet more, with this payload. */
static void add_packet(struct memory *m, unsigned pid, bool begins, const char *payload, size_t n)
{
	uint8_t *p = m->bytes + m->len;
	memset(p, 0xFF, 188);
	p[0] = 0x47;
	p[1] = (uint8_t)((begins ? 0x40 : 0) | pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = 0x10;
	memcpy(p + 4, payload, n);
	m->len += 188;
}

static void a_table_over_two_packets_is_refused(void **state)
{
	struct memory m = stream_of("mpeg2.ts");
	struct strip_found found = {0};
	const char *why;
	/* A program map of 512 bytes, on the number that the first packets say (0x1000). */
	add_packet(&m, 0x1000, true, "\0\2\xB2\0", 4);
	assert_int_equal(strip(VIDEO_MPEG2, &m, &found, &why), ERR_UNSUPPORTED);
	assert_non_null(strstr(why, "longer than a packet"));
	free(m.bytes);
}

static void what_is_encrypted_is_refused(void **state)
{
	struct memory m = stream_of("mpeg2.ts");
	struct strip_found found = {0};
	const char *why;
	m.bytes[m.len - 188 + 3] |= 0x80;
	assert_int_equal(m.bytes[m.len - 188], 0x47);
	assert_int_equal(strip(VIDEO_MPEG2, &m, &found, &why), ERR_UNSUPPORTED);
	assert_non_null(strstr(why, "encrypted"));
	free(m.bytes);
}

/* A packet of any other number is a null packet then, all of it. */
static void other_packets_become_null(void **state)
{
	struct memory m = stream_of("mpeg2.ts");
	struct strip_found found = {0};
	const char *why;
	uint8_t null[188];
	size_t at = m.len;
	add_packet(&m, 0x1234, true, "Doe^Jane", 8);
	assert_int_equal(strip(VIDEO_MPEG2, &m, &found, &why), 0);
	memset(null, 0xFF, sizeof(null));
	memcpy(null, "\x47\x1F\xFF\x10", 4);
	assert_memory_equal(m.bytes + at, null, sizeof(null));
	free(m.bytes);
}

/* Boxes, from their texts: a type, and what is in it. */
static void put_box(struct memory *m, const char *type, struct span body)
{
	uint8_t head[8] = {0, 0, (uint8_t)((8 + body.len) >> 8), (uint8_t)(8 + body.len)};
	memcpy(head + 4, type, 4);
	assert_int_equal(write_end(m, span_of(head, 8)), 0);
	assert_int_equal(write_end(m, body), 0);
}

static void boxes_of_others_become_free(void **state)
{
	struct memory m = stream_of("hevc.mp4");
	struct strip_found found = {0};
	const char *why;
	size_t at = m.len;
	put_box(&m, "udta", span_str("Doe^Jane"));
	put_box(&m, "mdat", span_str("Doe^Jane"));
	assert_int_equal(strip(VIDEO_HEVC, &m, &found, &why), 0);
	assert_memory_equal(m.bytes + at,
		"\0\0\0\x10"
		"free\0\0\0\0\0\0\0\0\0\0\0\x10mdat\0\0\0\0\0\0\0\0",
		32);
	put_box(&m, "moof", span_str("Doe^Jane"));
	assert_int_equal(strip(VIDEO_HEVC, &m, &found, &why), ERR_UNSUPPORTED);
	assert_non_null(strstr(why, "fragmented"));
	free(m.bytes);
}

/* In 2 bytes of what is no media, and in nothing. */
static void what_is_no_video_is_refused(void **state)
{
	static const char *const no[] = {"", "\0", "\0\0\1", "RIFF....AVI LIST", "\x1A\x45\xDF\xA3matroska"};
	for (unsigned i = 0; i < ARRAY_LEN(no); i++) {
		struct memory m = {.bytes = (uint8_t *)strdup(no[i]), .len = strlen(no[i])};
		struct strip_found found = {0};
		const char *why;
		assert_int_equal(strip(VIDEO_H264, &m, &found, &why), ERR_UNSUPPORTED);
		assert_non_null(strstr(why, "container that is not known"));
		free(m.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_lose_it),
		cmocka_unit_test(other_kinds_are_refused),
		cmocka_unit_test(broken_files),
		cmocka_unit_test(units_lose_it),
		cmocka_unit_test(units_with_lengths),
		cmocka_unit_test(a_table_over_two_packets_is_refused),
		cmocka_unit_test(what_is_encrypted_is_refused),
		cmocka_unit_test(other_packets_become_null),
		cmocka_unit_test(boxes_of_others_become_free),
		cmocka_unit_test(what_is_no_video_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
