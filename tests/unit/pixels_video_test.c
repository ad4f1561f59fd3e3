/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/cleaner_run.h"
#include "pixels/video_colour.h"
#include "pixels/video_units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "pixels_files.h"

/* Videos in their module, and objects of them. What is decoded is compared with FFmpeg's own by tests/e2e/test_pixels_video.py. */

static const struct video_codec *videos(void)
{
	static const struct video_codec *video;
	char why[256] = "";
	if (!video) {
		assert_int_equal(cleaner_video(PIXELS_VIDEO, &video, why, sizeof(why)), 0);
	}
	return video;
}

static ptrdiff_t read_stream(void *arg, uint64_t at, void *to, size_t n)
{
	return read_at(arg, at, to, n);
}

static struct memory stream_of(const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "../video/%s", name);
	return opened(path);
}

/* All pictures of a stream, decoded: their number, or an error with a sentence. */
static int decode_all(enum video_kind kind, const struct video_shape *shape, const struct memory *stream,
	struct video_facts *facts, const char **why)
{
	struct video_source source = {(void *)stream, read_stream, stream->len};
	struct video *v = NULL;
	size_t len = (size_t)shape->rows * shape->columns * 3 * (shape->bits > 8 ? 2 : 1);
	uint8_t *samples = malloc(len);
	int n = 0;
	*why = NULL;
	int e = videos()->open(kind, shape, &source, &v, why);
	while (e == 0) {
		e = videos()->next(v, n % 2 ? NULL : samples, why);
		if (e == 0) {
			break;
		}
		n += e > 0;
		e = e > 0 ? 0 : e;
	}
	if (v) {
		videos()->facts(v, facts);
		videos()->close(v);
	}
	free(samples);
	if (e < 0) {
		assert_non_null(*why);
		assert_true(strlen(*why) > 10);
	}
	return e < 0 ? e : n;
}

static const struct {
	const char *name;
	enum video_kind kind;
	struct video_shape shape;
	bool others;
	uint32_t pixel_height, pixel_width;
} files[] = {
	{"mpeg2.ts", VIDEO_MPEG2, {48, 64, 8}, false, 1, 1},
	{"mpeg2-sound.mpg", VIDEO_MPEG2, {48, 64, 8}, true, 1, 1},
	{"mpeg2-fields.m2v", VIDEO_MPEG2, {48, 64, 8}, false, 3, 4},
	{"avc-sound.mp4", VIDEO_H264, {48, 64, 8}, true, 1, 1},
	{"avc-fields.ts", VIDEO_H264, {48, 64, 8}, false, 1, 1},
	{"avc-odd.ts", VIDEO_H264, {46, 62, 8}, false, 1, 1},
	{"hevc.mp4", VIDEO_HEVC, {48, 64, 8}, false, 1, 1},
	{"hevc-10.ts", VIDEO_HEVC, {48, 64, 10}, false, 1, 1},
};

static void each_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct memory m = stream_of(files[i].name);
		struct video_facts facts = {0};
		const char *why;
		assert_int_equal(decode_all(files[i].kind, &files[i].shape, &m, &facts, &why), 10);
		assert_int_equal(facts.rate, 25 * facts.rate_per);
		assert_int_equal(facts.others, files[i].others);
		assert_int_equal(facts.pixel_height, files[i].pixel_height);
		assert_int_equal(facts.pixel_width, files[i].pixel_width);
		free(m.bytes);
	}
}

/* Nothing is decoded that is another video than the object says. */
static void another_than_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct memory m = stream_of(files[i].name);
		struct video_facts facts;
		const char *why;
		struct video_shape bad[] = {files[i].shape, files[i].shape, files[i].shape};
		bad[0].rows--;
		bad[1].columns += 2;
		bad[2].bits = 18 - bad[2].bits;
		for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
			assert_true(decode_all(files[i].kind, &bad[k], &m, &facts, &why) < 0);
			assert_non_null(strstr(why, k == 2 ? "number of bits" : "size"));
		}
		for (enum video_kind k = VIDEO_MPEG2; k <= VIDEO_HEVC; k++) {
			if (k != files[i].kind) {
				assert_int_equal(decode_all(k, &files[i].shape, &m, &facts, &why), ERR_VALUE);
				assert_non_null(strstr(why, "kind"));
			}
		}
		free(m.bytes);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *name, *sentence;
	} rows[] = {{"avc-two.ts", "more than one video"}, {"avc-turned.mp4", "turned"},
		{"avc-large.ts", "size"}, {"SOURCE.md", "there is no video"}};
	const struct video_shape shape = {48, 64, 8};
	struct video_facts facts;
	const char *why;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct memory m = stream_of(rows[i].name);
		assert_true(decode_all(VIDEO_H264, &shape, &m, &facts, &why) < 0);
		assert_non_null(strstr(why, rows[i].sentence));
		free(m.bytes);
	}
	struct memory none = {(uint8_t *)"", 0, 0};
	assert_int_equal(decode_all(VIDEO_H264, &shape, &none, &facts, &why), ERR_VALUE);
}

/* One after another: as many as are in both. One of another size ends it. */
static void two_in_a_row(void **state)
{
	struct memory m = stream_of("mpeg2-fields.m2v");
	const size_t n = m.len;
	struct video_facts facts;
	const char *why;
	(void)state;
	memcpy(m.bytes + n, m.bytes, n);
	m.len = 2 * n;
	assert_int_equal(decode_all(VIDEO_MPEG2, &files[2].shape, &m, &facts, &why), 20);
	/* ISO 13818-2 6.2.2.1: twelve bits of its width behind the first start code. */
	m.bytes[n + 5] ^= 0x20;
	assert_true(decode_all(VIDEO_MPEG2, &files[2].shape, &m, &facts, &why) < 0);
	free(m.bytes);
}

/* Cut anywhere, and with bits that are others: decoded, or refused with a sentence, and never more than there was. */
static void damaged(void **state)
{
	unsigned refusals = 0;
	uint32_t chance = 1;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct memory m = stream_of(files[i].name);
		struct video_facts facts;
		const char *why;
		for (size_t cut = 1; cut < m.len; cut += m.len / 12) {
			uint8_t *exact = malloc(cut);
			assert_non_null(exact);
			memcpy(exact, m.bytes, cut);
			const struct memory some = {exact, cut, cut};
			int n = decode_all(files[i].kind, &files[i].shape, &some, &facts, &why);
			assert_true(n <= 10);
			refusals += n < 0;
			free(exact);
		}
		for (unsigned k = 0; k < 12; k++) {
			chance = chance * 1664525 + 1013904223;
			size_t at = chance % m.len;
			m.bytes[at] ^= (uint8_t)(1 << k % 8);
			int n = decode_all(files[i].kind, &files[i].shape, &m, &facts, &why);
			assert_true(n <= 20);
			refusals += n < 0;
			m.bytes[at] ^= (uint8_t)(1 << k % 8);
		}
		free(m.bytes);
	}
	assert_true(refusals > 50);
}

static ptrdiff_t read_nothing(void *arg, uint64_t at, void *to, size_t n)
{
	const uint64_t *until = arg;
	memset(to, 0, n);
	return at >= *until ? ERR_SYSTEM : (ptrdiff_t)n;
}

/* Where it cannot be read it is not the video's fault. */
static void unread(void **state)
{
	uint64_t until = 1 << 17;
	const struct video_source source = {&until, read_nothing, 1 << 20};
	struct video *v = NULL;
	const char *why = NULL;
	(void)state;
	assert_int_equal(videos()->open(VIDEO_MPEG2, &files[0].shape, &source, &v, &why), ERR_SYSTEM);
	assert_non_null(why);
	assert_null(v);
}

/* ---- Colours ---- */

static int clamped(double v, int most)
{
	return v < 0 ? 0 : v > most ? most : (int)(v + 0.5);
}

/* The standard's formulas, by floating point: all differ by one at most, and nearly all not at all. */
static void colours(void **state)
{
	static const struct {
		unsigned matrix;
		double red, blue;
	} kinds[] = {{1, 0.2126, 0.0722}, {5, 0.299, 0.114}, {6, 0.299, 0.114}, {9, 0.2627, 0.0593}};
	static struct colours c;
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(kinds) * 4; i++) {
		const int bits = i / 4 % 2 ? 10 : 8, most = (1 << bits) - 1, scale = 1 << (bits - 8);
		const bool full = i % 4 >= 2;
		const double r = kinds[i / 4].red, b = kinds[i / 4].blue;
		unsigned off = 0, n = 0;
		assert_true(colours_begin(&c, kinds[i / 4].matrix, 1080, (unsigned)bits, full));
		for (int y = 0; y <= most; y += 5 * scale) {
			for (int k = 0; k <= most * 4; k += 7 * scale) {
				const int cb = k % (most + 1), cr = k * 3 % (most + 1);
				uint8_t planes[3][2], rgb[6];
				const int v[3] = {y, cb, cr};
				for (unsigned p = 0; p < 3; p++) {
					planes[p][0] = (uint8_t)v[p];
					planes[p][1] = (uint8_t)(v[p] >> 8);
				}
				const struct colours_picture one = {{planes[0], planes[1], planes[2]},
					{2, 2, 2}, 1, 1, 1, 1, false, false};
				colours_convert(&c, &one, rgb);
				const double l = (y - (full ? 0 : 16.0 * scale)) * most /
				                 (full ? most : 219.0 * scale);
				const double wide = full ? most : 224.0 * scale;
				const double pb = (cb - 128.0 * scale) * most / wide,
					     pr = (cr - 128.0 * scale) * most / wide;
				const int want[3] = {clamped(l + 2 * (1 - r) * pr, most),
					clamped(l - (2 * (1 - r) * r * pr + 2 * (1 - b) * b * pb) /
								(1 - r - b),
						most),
					clamped(l + 2 * (1 - b) * pb, most)};
				for (unsigned p = 0; p < 3; p++) {
					int is = bits == 8 ? rgb[p] : rgb[2 * p] | rgb[2 * p + 1] << 8;
					assert_in_range(is - want[p] + 1, 0, 2);
					off += is != want[p];
					n++;
				}
			}
		}
		assert_true(off * 1000 <= n);
	}
	assert_false(colours_begin(&c, 8, 1080, 8, false)); /* YCgCo */
	assert_false(colours_begin(&c, 1, 1080, 12, false));
	assert_true(colours_begin(&c, 2, 576, 8, false) && c.matrix == 6);
	assert_true(colours_begin(&c, 2, 577, 8, false) && c.matrix == 1);
}

/* Which line of colours a row has: of an odd number of rows too. */
static void colours_of_fields(void **state)
{
	static const uint8_t whole[9] = {0, 0, 1, 1, 2, 2, 3, 3, 4}, woven[9] = {0, 1, 0, 1, 2, 3, 2, 3, 4};
	static struct colours c;
	const uint8_t grey[9] = {128, 128, 128, 128, 128, 128, 128, 128, 128},
		      red[5] = {128, 138, 148, 158, 168};
	(void)state;
	assert_true(colours_begin(&c, 6, 9, 8, true));
	for (unsigned fields = 0; fields < 2; fields++) {
		uint8_t rgb[9 * 3];
		const struct colours_picture p = {
			{grey, grey, red}, {1, 1, 1}, 9, 1, 1, 1, false, fields == 1};
		colours_convert(&c, &p, rgb);
		for (unsigned y = 0; y < 9; y++) {
			const unsigned line = fields ? woven[y] : whole[y];
			assert_int_equal(rgb[3 * y], 128 + (1402 * 10 * line + 500) / 1000);
		}
	}
}

/* ---- A second view ---- */

static void layers(void **state)
{
	static const uint8_t avc[] = {0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 2, 3},
			     stereo[] = {0, 0, 1, 0x65, 2, 0, 0, 1, 0x74, 9}, subset[] = {0, 0, 1, 0x6F, 1},
			     hevc[] = {0, 0, 1, 0x40, 1, 7, 0, 0, 1, 0x26, 1, 7},
			     second[] = {0, 0, 1, 0x40, 1, 7, 0, 0, 1, 0x02, 0x09, 7},
			     sized[] = {0, 2, 0x65, 1, 0, 3, 0x74, 2, 3},
			     broken[] = {0, 2, 0x65, 1, 0, 9, 0x74, 2, 3},
			     before[] = {1, 100, 0, 41, 0xFD, 0xE1}, before_hevc[22] = {1, [21] = 0x0B};
	(void)state;
	assert_false(units_have_layers(VIDEO_H264, 0, span_of(avc, sizeof(avc))));
	assert_true(units_have_layers(VIDEO_H264, 0, span_of(stereo, sizeof(stereo))));
	assert_false(units_have_layers(VIDEO_MPEG2, 0, span_of(stereo, sizeof(stereo))));
	assert_true(units_have_layers(VIDEO_H264, 0, span_of(subset, sizeof(subset))));
	assert_false(units_have_layers(VIDEO_HEVC, 0, span_of(hevc, sizeof(hevc))));
	assert_true(units_have_layers(VIDEO_HEVC, 0, span_of(second, sizeof(second))));
	assert_true(units_have_layers(VIDEO_H264, 2, span_of(sized, sizeof(sized))));
	assert_false(units_have_layers(VIDEO_H264, 2, span_of(broken, sizeof(broken))));
	for (size_t n = 0; n < sizeof(stereo); n++) {
		uint8_t *exact = malloc(n + 1);
		assert_non_null(exact);
		memcpy(exact, stereo, n);
		(void)units_have_layers(VIDEO_H264, 0, span_of(exact, n));
		(void)units_have_layers(VIDEO_H264, 4, span_of(exact, n));
		free(exact);
	}
	assert_int_equal(units_size(VIDEO_H264, span_of(before, sizeof(before))), 2);
	assert_int_equal(units_size(VIDEO_H264, span_of(before, 4)), 0);
	assert_int_equal(units_size(VIDEO_H264, span_of(avc, sizeof(avc))), 0);
	assert_int_equal(units_size(VIDEO_HEVC, span_of(before_hevc, sizeof(before_hevc))), 4);
	assert_int_equal(units_size(VIDEO_MPEG2, span_of(before, sizeof(before))), 0);
}

/* ---- Objects ---- */

static int clean_object(struct memory *from, struct memory *to, bool native, uint64_t most,
	struct pixels_aside *aside, const char **why)
{
	static const struct pixels_regions regions = {.n_blank = 1, .blank = {{0, 0, 20, 10}}};
	struct pixels_codecs codecs = {.video = videos(), .video_most = most};
	const struct pixels_input in = {from, read_at};
	const struct pixels_output out = {to, write_end, patch};
	struct survey s;
	char text[256];
	*why = NULL;
	to->len = 0;
	assert_int_equal(cleaner_codec(PIXELS_MODULE, &codecs.codec, text, sizeof(text)), 0);
	int e = survey_read(&s, &in);
	e = e ? e : pixels_clean(&s, &regions, &in, &out, &codecs, native, aside, why);
	survey_done(&s);
	return e;
}

/* In three fragments, with sound: as frames and as native pixels the same, and no more than is allowed. */
static void objects(void **state)
{
	struct memory from = stream_of("mpeg2-sound.dcm"), to = {malloc(1 << 20), 0, 1 << 20};
	const size_t frame = 48 * 64 * 3;
	struct pixels_aside aside = {0};
	const char *why;
	struct survey s;
	(void)state;
	assert_int_equal(clean_object(&from, &to, false, 0, &aside, &why), 0);
	assert_true(aside.others && aside.frames == 0);
	assert_int_equal(survey_read(&s, &(const struct pixels_input){&to, read_at}), 0);
	assert_int_equal(s.n_fragments, 10);
	assert_int_equal(s.shape.frames, 10);
	assert_string_equal(s.shape.photometric, "RGB");
	survey_done(&s);
	assert_int_equal(clean_object(&from, &to, true, 0, &aside, &why), 0);
	assert_int_equal(survey_read(&s, &(const struct pixels_input){&to, read_at}), 0);
	assert_false(s.encapsulated);
	assert_int_equal(s.length, 10 * frame);
	for (size_t i = 0; i < 20 * 3; i++) {
		assert_int_equal(to.bytes[s.value + 9 * frame + i], 0);
	}
	survey_done(&s);
	assert_int_equal(clean_object(&from, &to, false, 10 * frame, &aside, &why), 0);
	assert_int_equal(clean_object(&from, &to, false, 10 * frame - 1, &aside, &why), ERR_LIMIT);
	assert_non_null(strstr(why, "more frames"));
	free(from.bytes);
	free(to.bytes);
}

/* Bits of it that are others: cleaned, or refused with a sentence. */
static void objects_damaged(void **state)
{
	struct memory from = stream_of("mpeg2-sound.dcm"), to = {malloc(1 << 20), 0, 1 << 20};
	struct pixels_aside aside;
	unsigned refusals = 0;
	uint32_t chance = 7;
	const char *why;
	(void)state;
	for (unsigned k = 0; k < 60; k++) {
		chance = chance * 1664525 + 1013904223;
		size_t at = 132 + chance % (from.len - 132);
		from.bytes[at] ^= (uint8_t)(1 << k % 8);
		int e = clean_object(&from, &to, k % 2, 1 << 22, &aside, &why);
		refusals += e < 0;
		from.bytes[at] ^= (uint8_t)(1 << k % 8);
	}
	assert_true(refusals > 5);
	free(from.bytes);
	free(to.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind),
		cmocka_unit_test(another_than_said),
		cmocka_unit_test(refused),
		cmocka_unit_test(two_in_a_row),
		cmocka_unit_test(damaged),
		cmocka_unit_test(unread),
		cmocka_unit_test(colours),
		cmocka_unit_test(colours_of_fields),
		cmocka_unit_test(layers),
		cmocka_unit_test(objects),
		cmocka_unit_test(objects_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
