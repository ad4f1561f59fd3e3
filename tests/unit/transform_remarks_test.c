/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/remarks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those before it */
#include <cmocka.h>

/* Streams in parts, which stay (K) or become zeros (B). */

struct part {
	const char *bytes;
	size_t len;
	bool blank;
};

#define K(text)                                                                                              \
	{                                                                                                    \
		text, sizeof(text) - 1, false                                                                \
	}
#define B(text)                                                                                              \
	{                                                                                                    \
		text, sizeof(text) - 1, true                                                                 \
	}
#define TEXT     "Zebedee Magic^Florence" /* 22 bytes */
#define MOST     1024
#define PARTS(p) p, ARRAY_LEN(p)

struct stream {
	uint8_t bytes[MOST], want[MOST];
	size_t n;
};

static void add(struct stream *s, const struct part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(s->n + parts[i].len <= MOST);
		memcpy(s->bytes + s->n, parts[i].bytes, parts[i].len);
		if (parts[i].blank) {
			memset(s->want + s->n, 0, parts[i].len);
		} else {
			memcpy(s->want + s->n, parts[i].bytes, parts[i].len);
		}
		s->n += parts[i].len;
	}
}

static void begin(struct remarks *r, uint32_t frames)
{
	remarks_begin(r, REMARKS_STREAMS, &(struct remarks_about){.frames = frames});
}

/* Bytes in pieces of at most `step`. */
static void apply(struct remarks *r, uint8_t *bytes, size_t len, size_t step)
{
	for (size_t at = 0; at < len;) {
		bool blank = false;
		size_t most = len - at < step ? len - at : step;
		size_t n = remarks_run(r, span_of(bytes + at, most), &blank);
		assert_true(n > 0 && n <= most);
		if (blank) {
			memset(bytes + at, 0, n);
		}
		at += n;
	}
}

/* As one fragment, in pieces of any size. */
static void check_pieces(const struct stream *s, uint32_t frames)
{
	uint8_t is[MOST];
	struct remarks r;
	bool any = memcmp(s->bytes, s->want, s->n) != 0;
	for (size_t step = 1; step <= s->n; step++) {
		memcpy(is, s->bytes, s->n);
		begin(&r, frames);
		remarks_fragment(&r, MOST);
		apply(&r, is, s->n, step);
		assert_memory_equal(is, s->want, s->n);
		assert_int_equal(r.any, any);
	}
	/* What is clean stays as it is. */
	memcpy(is, s->want, s->n);
	begin(&r, frames);
	remarks_fragment(&r, MOST);
	apply(&r, is, s->n, s->n);
	assert_memory_equal(is, s->want, s->n);
	assert_false(r.any);
}

/* In two fragments. */
static void check_fragments(const struct stream *s)
{
	uint8_t is[MOST];
	struct remarks r;
	for (size_t cut = 12; cut < s->n; cut++) {
		memcpy(is, s->bytes, s->n);
		begin(&r, 1);
		remarks_fragment(&r, MOST);
		apply(&r, is, cut, s->n);
		remarks_fragment(&r, MOST);
		apply(&r, is + cut, s->n - cut, s->n);
		assert_memory_equal(is, s->want, s->n);
	}
}

static void check_parts(const struct part *parts, size_t n)
{
	struct stream s = {.n = 0};
	add(&s, parts, n);
	check_pieces(&s, 1);
	check_fragments(&s);
}

/* ---- JPEG and JPEG-LS ---- */

static const struct part jpeg[] = {
	K("\xFF\xD8\xFF\xE0\x00\x13JFIF\0\x01\x02\x00\x00\x01\x00\x01\x01\x01"),
	B("pic"),                /* its thumbnail */
	K("\xFF\xE0\x00\x0CJF"), /* its other thumbnail */
	B("XX\0\x10\x01\x02\x03\x04"),
	K("\xFF\xE1\x00\x18"),
	B(TEXT),
	K("\xFF\xE2\x00\x14ICC_PROFILE\0\x01\x01prof"),
	K("\xFF\xE2\x00\x0C"),
	B("FPXR\0nothin"), /* FlashPix */
	K("\xFF\xFF\xFF\xEE\x00\x12"
	  "Adobe\x00\x64\x00\x00\x00\x00\x01"),
	B("more"),
	K("\xFF\xED\x00\x02\xFF\xFE\x00\x18"),
	B(TEXT),
	K("\xFF\xDB\x00\x05\x00\xFF\xFE\xFF\xC0\x00\x05\x08\x00\x00"),
	B("between"), /* no decoder sees it */
	K("\xFF\xDA\x00\x03\x01"
	  "ab\xFF\x00\xFE\xFF\xD0"
	  "cd\xFF\xD7\xFF\x00"),
	K("\xFF\xFE\x00\x18"),
	B(TEXT),
	K("\xFF\xDA\x00\x03\x02"
	  "efg\xFF\xFF\xD9"),
	B(TEXT),
};

static const struct part jpeg_ls[] = {
	K("\xFF\xD8\xFF\xE8\x00\x20SPIFF\0\x01\x02\x00\x03\x00\x00\x00\x20\x00\x00\x00\x20\x02\x08\x06\x01\x00\x00\x00\x48\x00\x00\x00\x48"),
	K("\xFF\xE8\x00\x08\x00\x00\x00"), /* an entry of its directory: the image's title */
	B("\x05Zeb"),
	K("\xFF\xE8\x00\x08\x00\x00\x00\x01\xFF\xD8"), /* the end of it */
	K("\xFF\xE8\x00\x07mrfx\x01"),
	K("\xFF\xF7\x00\x05\x08\x00\x04\xFF\xF8\x00\x05\x02\x01\x7F\xFF\xDA\x00\x04\x01\x00"),
	K("\xFF\x7F"
	  "ab\xFF\x00"
	  "cd\xFF\x79"
	  "e\xFF\xD9"),
	B("\0\0" TEXT),
};

static void jpeg_remarks(void **state)
{
	(void)state;
	check_parts(PARTS(jpeg));
	check_parts(PARTS(jpeg_ls));
}

/* ---- JPEG 2000 ---- */

#define TILE "\xFF\x90\x00\x0A\x00\x00\x00\x00\x00"
#define TRAILER                                                                                              \
	"\xFF\x93"                                                                                           \
	"ab\xFF\x64\x00\x04xy\xFF\x4F"

static const struct part codestream[] = {
	K("\xFF\x4F\xFF\x51\x00\x06\x00\x00\xFF\xD9\xFF\x64\x00\x1A\x00\x01"),
	B(TEXT),
	K("\xFF\x52\x00\x04\x00\xFF" TILE "\x31\x00\x01\xFF\x64\x00\x1A\x00\x00"), /* of 49 bytes */
	B(TEXT),
	K("\xFF\x93\x01\xFF\x64\x00\x04xy"), /* coded, whatever it looks like */
	K("\xFF\x90\x00\x0A\x00\x00\x00\x00\x00\x00\x01\x01\xFF\x93"
	  "ab\xFF\x64\x00\x08xy\xFF\x4F\xFF\xD9"), /* to the end */
	B("\0" TEXT),
};

static void codestream_remarks(void **state)
{
	(void)state;
	check_parts(PARTS(codestream));
}

/* A tile-part that contradicts itself, and markers that are none: from there on it stays. */
static void codestream_broken(void **state)
{
	static const struct part short_tile[] = {
		K("\xFF\x4F\xFF\x51\x00\x04\x00\x00" TILE "\x10\x00\x01\xFF\x64\x00\x1A\x00\x01" TEXT)};
	static const struct part no_marker[] = {
		K("\xFF\x4F\xFF\x51\x00\x04\x00\x00zz\xFF\x64\x00\x1A\x00\x01" TEXT)};
	static const struct part low_marker[] = {
		K("\xFF\x4F\xFF\x51\x00\x04\x00\x00\xFF\x20\xFF\x64\x00\x1A\x00\x01" TEXT)};
	static const struct part nothing[] = {K(TEXT "\xFF\xD8\xFF\xFE\x00\x18" TEXT)};
	static const struct part bare_jxl[] = {K("\xFF\x0A" TEXT)};
	struct stream s = {.n = 0};
	(void)state;
	check_parts(PARTS(short_tile));
	check_parts(PARTS(no_marker));
	check_parts(PARTS(low_marker));
	add(&s, PARTS(nothing));
	check_pieces(&s, 1); /* a fragment that began with what is in it would be a stream */
	check_parts(PARTS(bare_jxl));
}

/* ---- Boxes ---- */

static const struct part jp2[] = {
	K("\0\0\0\x0CjP  \x0D\x0A\x87\x0A\0\0\0\x14"
	  "ftypjp2 \0\0\0\0jp2 "),
	K("\0\0\0\x2C"),
	B("xml " TEXT "and some more"),
	K("\0"),
};

static const struct part jp2_more[] = {
	K("\0\0\0\x0CjP  \x0D\x0A\x87\x0A\0\0\0\x14"
	  "ftypjp2 \0\0\0\0jp2 \0\0\0\x14jp2h\0\0\0\x0CihdrABCD"),
	K("\0\0\0\x01"),
	B("uuid"),
	K("\0\0\0\0\0\0\0\x26"),
	B(TEXT),
	K("\0\0\0\x32jp2c\xFF\x4F\xFF\x51\x00\x04\x00\x00\xFF\x64\x00\x0B\x00\x01"),
	B("Zebedee"),
	K(TILE "\x0F\x00\x01\xFF\x93z\xFF\xD9"),
	B("tail"),
	K("\0\0\0\x1Ei"),
	B("nfo" TEXT),
};

static const struct part jxl[] = {
	K("\0\0\0\x0CJXL \x0D\x0A\x87\x0A\0\0\0\x14"
	  "ftypjxl \0\0\0\0jxl \0\0\0\x09jxll\x0A\0\0\0\x1E"),
	B("Exif" TEXT),
	K("\0\0\0\x1Ej"),
	B("brd" TEXT),
	K("\0\0\0\x0Ejxlp\0\0\0\0ab\0\0\0\x0Ejxlp\x80\0\0\x01"
	  "cd\0\0\0\0b"),
	B("rob" TEXT),
};

static void boxes(void **state)
{
	(void)state;
	check_parts(PARTS(jp2));
	check_parts(PARTS(jp2_more));
	check_parts(PARTS(jxl));
}

/* A box that says it is shorter than its own head, before the codestream and behind it. */
static void boxes_broken(void **state)
{
	static const struct part early[] = {K("\0\0\0\x0CJXL \x0D\x0A\x87\x0A\0\0\0\x07jxlc" TEXT)};
	static const struct part late[] = {
		K("\0\0\0\x0CJXL \x0D\x0A\x87\x0A\0\0\0\x0Ajxlcab\0\0\0\x03jxlc"), B(TEXT)};
	static const struct part long_one[] = {
		K("\0\0\0\x0CJXL \x0D\x0A\x87\x0A\0\0\0\x0Ajxlcab\0\0\0\x01jxlc\0\0\0\0\0\0\0\x0F"), B(TEXT)};
	(void)state;
	check_parts(PARTS(early));
	check_parts(PARTS(late));
	check_parts(PARTS(long_one));
}

/* ---- Frames and fragments ---- */

/* So many streams in one fragment as there are frames; another one is behind the end. */
static void frames_in_one(void **state)
{
	static const struct part frame[] = {
		K("\xFF\xD8\xFF\xFE\x00\x18"), B(TEXT), K("\xFF\xDA\x00\x02z\xFF\xD9")};
	static const struct part extra[] = {B("\xFF\xD8\xFF\xFE\x00\x18" TEXT "\xFF\xDA\x00\x02z\xFF\xD9")};
	struct stream s = {.n = 0};
	(void)state;
	add(&s, PARTS(frame));
	add(&s, PARTS(frame));
	add(&s, PARTS(frame));
	check_pieces(&s, 3);
	struct stream more = {.n = 0};
	uint8_t is[MOST];
	struct remarks r;
	add(&more, PARTS(frame));
	add(&more, PARTS(extra));
	memcpy(is, more.bytes, more.n);
	begin(&r, 1);
	remarks_fragment(&r, MOST);
	apply(&r, is, more.n, 7);
	assert_memory_equal(is, more.want, more.n);
}

/* Each fragment may begin a stream, also where the one before it ended too soon; and what begins none is behind the end. */
static void frames_in_fragments(void **state)
{
	static const struct part begun[] = {K("\xFF\xD8\xFF\xDA\x00\x02zzzz")};
	static const struct part whole[] = {
		K("\xFF\xD8\xFF\xFE\x00\x18"), B(TEXT), K("\xFF\xDA\x00\x02z\xFF\xD9")};
	static const struct part junk[] = {B(TEXT)};
	static const struct {
		const struct part *parts;
		size_t n;
	} fragments[] = {{PARTS(begun)}, {PARTS(whole)}, {PARTS(junk)}, {PARTS(whole)}, {PARTS(codestream)},
		{PARTS(jxl)}, {PARTS(jp2)}, {PARTS(jpeg_ls)}};
	struct remarks r;
	(void)state;
	begin(&r, 2);
	for (size_t i = 0; i < ARRAY_LEN(fragments); i++) {
		struct stream s = {.n = 0};
		add(&s, fragments[i].parts, fragments[i].n);
		remarks_fragment(&r, MOST);
		apply(&r, s.bytes, s.n, 5);
		assert_memory_equal(s.bytes, s.want, s.n);
	}
}

/* ---- RLE ---- */

/* Two samples of 8 bits, of 20 pixels. */
static void rle_remarks(void **state)
{
	static const struct part frame[] = {K("\2\0\0\0\x46\0\0\0\x57\0\0\0"),
		B("Zebedee Magic^Florence, of the roundabout, of the tv"), B("before"), /* offset 0x46 */
		K("\xF7"
		  "a\x80\x07"
		  "bcdefghi\xFF"
		  "b"),
		B("end"), /* 10, 8 and 2; offset 0x57 */
		K("\x12"
		  "abcdefghijklmnopqrs\x05"
		  "z"),
		B("zzzzz" TEXT)};
	struct stream s = {.n = 0};
	struct remarks r;
	uint8_t is[MOST];
	(void)state;
	add(&s, PARTS(frame));
	for (unsigned i = 0; i < 6; i++) {
		struct remarks_about about = {.rows = 4, .columns = 5, .samples = 2, .allocated = 8};
		static const uint8_t wrong[] = {0, 1, 0x45, 0x40, 0xF0};
		static const size_t at[] = {0, 0, 8, 8,
			8}; /* too few segments, and offsets that do not ascend, or are behind the end */
		if (i > 0) {
			s.bytes[at[i - 1]] = wrong[i - 1];
		}
		for (size_t step = 1; step <= s.n; step++) {
			remarks_begin(&r, REMARKS_RLE, &about);
			memcpy(is, s.bytes, s.n);
			remarks_fragment(&r, (uint32_t)s.n);
			apply(&r, is, s.n, step);
			assert_memory_equal(is, i == 0 ? s.want : s.bytes, s.n);
			assert_int_equal(r.any, i == 0);
		}
		s.bytes[0] = 2;
		s.bytes[8] = 0x57;
	}
	/* What the object says of its pixels is no such frame. */
	static const struct remarks_about others[] = {
		{1, 4, 5, 1, 8}, {1, 0, 5, 2, 8}, {1, 4, 5, 2, 12}, {1, 4, 5, 2, 128}};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		remarks_begin(&r, REMARKS_RLE, &others[i]);
		memcpy(is, s.bytes, s.n);
		remarks_fragment(&r, (uint32_t)s.n);
		apply(&r, is, s.n, s.n);
		assert_memory_equal(is, s.bytes, s.n);
	}
}

static void rle_bits(void **state)
{
	static const struct part frame[] = {K("\1\0\0\0\x40\0\0\0"),
		B("Zebedee Magic^Florence, of the roundabout, and the dog D"),
		K("\x02"
		  "abc"),
		B(TEXT)};
	struct stream s = {.n = 0};
	struct remarks r;
	(void)state;
	add(&s, PARTS(frame));
	remarks_begin(&r, REMARKS_RLE, &(struct remarks_about){1, 3, 7, 1, 1});
	remarks_fragment(&r, (uint32_t)s.n);
	apply(&r, s.bytes, s.n, 5);
	assert_memory_equal(s.bytes, s.want, s.n);
}

static void syntaxes(void **state)
{
	static const struct {
		const char *uid;
		enum remarks_kind kind;
	} rows[] = {{"1.2.840.10008.1.2.4.50", REMARKS_STREAMS}, {"1.2.840.10008.1.2.4.70", REMARKS_STREAMS},
		{"1.2.840.10008.1.2.4.81", REMARKS_STREAMS}, {"1.2.840.10008.1.2.4.93", REMARKS_STREAMS},
		{"1.2.840.10008.1.2.4.202", REMARKS_STREAMS}, {"1.2.840.10008.1.2.4.112", REMARKS_STREAMS},
		{"1.2.840.10008.1.2.5", REMARKS_RLE}, {"1.2.840.10008.1.2.1", REMARKS_NONE},
		{"1.2.840.10008.1.2.4.100", REMARKS_NONE}, {"1.2.840.10008.1.2.4.107", REMARKS_NONE},
		{"1.2.840.10008.1.2.8.1", REMARKS_NONE}, {"", REMARKS_NONE}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(remarks_in(span_str(rows[i].uid)), rows[i].kind);
	}
	assert_int_equal(remarks_in(span_of("1.2.840.10008.1.2.4.201\0", 24)), REMARKS_STREAMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jpeg_remarks),
		cmocka_unit_test(codestream_remarks),
		cmocka_unit_test(codestream_broken),
		cmocka_unit_test(boxes),
		cmocka_unit_test(boxes_broken),
		cmocka_unit_test(frames_in_one),
		cmocka_unit_test(frames_in_fragments),
		cmocka_unit_test(rle_remarks),
		cmocka_unit_test(rle_bits),
		cmocka_unit_test(syntaxes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
