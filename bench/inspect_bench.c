/* SPDX-License-Identifier: Apache-2.0 */
/* How fast objects are inspected, in CPU time: megabytes (10^6) a second, one line a kind. */
#include "base/writer.h"
#include "inspect/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BYTES    (64u << 20)
#define CHUNK    (128u * 1024) /* the relay's */
#define FRAME    (256u * 1024)

#define EXPLICIT "1.2.840.10008.1.2.1"

static uint8_t *made;
static struct inspect inspected;
static struct inflater inflater;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void put_head(struct writer *w, uint32_t tag, const char *vr, uint32_t length)
{
	writer_u16le(w, (uint16_t)(tag >> 16));
	writer_u16le(w, (uint16_t)tag);
	if (tag >> 16 == 0xFFFE) {
		writer_u32le(w, length);
		return;
	}
	writer_bytes(w, vr, 2);
	if (vr[0] == 'O' || (vr[0] == 'S' && vr[1] == 'Q')) {
		writer_u16le(w, 0);
		writer_u32le(w, length);
	} else {
		writer_u16le(w, (uint16_t)length);
	}
}

/* What enhanced objects have by the thousand: items of a few short elements. */
static size_t make_items(void)
{
	static const struct {
		uint32_t tag;
		char vr[3];
		const char *value;
	} row[] = {{0x00189074, "DT", "20260101120000.000000 "}, {0x00189151, "DT", "20260101120000.000000 "},
		{0x00189220, "FD", "12345678"}, {0x00200032, "DS", "-12.5\\33.25\\100 "},
		{0x00209056, "SH", "1   "}, {0x00209057, "UL", "1234"}, {0x00280030, "DS", "0.75\\0.75 "},
		{0x00281050, "DS", "1024  "}, {0x00281051, "DS", "4096  "},
		{0x00540500, "CS", "ACQUISITION_TIME"}};
	struct writer w = writer_of(made, BYTES);
	put_head(&w, 0x52009230, "SQ", UNDEFINED_LENGTH);
	while (w.len < BYTES - 4096) {
		put_head(&w, TAG_ITEM, "--", UNDEFINED_LENGTH);
		for (size_t i = 0; i < ARRAY_LEN(row); i++) {
			put_head(&w, row[i].tag, row[i].vr, (uint32_t)strlen(row[i].value));
			writer_bytes(&w, row[i].value, strlen(row[i].value));
		}
		put_head(&w, TAG_ITEM_DELIMITER, "--", 0);
	}
	put_head(&w, TAG_SEQUENCE_DELIMITER, "--", 0);
	return w.len;
}

static size_t make_value(uint32_t tag, const char *vr)
{
	struct writer w = writer_of(made, BYTES);
	put_head(&w, tag, vr, BYTES - 12);
	uint32_t chance = 1;
	while (w.len < BYTES) {
		chance = chance * 1664525 + 1013904223;
		writer_u8(&w, (uint8_t)(chance >> 24));
	}
	return w.len;
}

/* A head, then what compression leaves, then an end. rle: runs and literal bytes of all lengths. */
static size_t make_frames(struct span head, struct span end, size_t frame, bool rle)
{
	struct writer w = writer_of(made, BYTES);
	char text[13];
	size_t frames = 0;
	put_head(&w, 0x00280008, "IS", 12);
	uint8_t *number = w.ptr + w.len;
	writer_fill(&w, ' ', 12);
	put_head(&w, 0x00280010, "US", 2);
	writer_u16le(&w, 60000);
	put_head(&w, 0x00280011, "US", 2);
	writer_u16le(&w, 60000);
	put_head(&w, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
	put_head(&w, TAG_ITEM, "OB", 0);
	uint32_t chance = 1;
	while (w.len < BYTES - frame - 64) {
		put_head(&w, TAG_ITEM, "OB", frame);
		size_t stop = w.len + frame - end.len;
		frames++;
		writer_bytes(&w, head.ptr, head.len);
		while (w.len < stop) {
			chance = chance * 1664525 + 1013904223;
			uint8_t c = (uint8_t)(chance >> 24);
			if (rle) {
				/* A third of it runs, as images have them. */
				size_t left = stop - w.len, n = 1 + c % 24u;
				bool run = c % 3 == 0 || left < n + 1;
				writer_u8(&w, run ? (uint8_t)(1 - (int)n) : (uint8_t)(n - 1));
				writer_fill(&w, c, left == 1 ? 0 : run ? 1 : n);
			} else {
				writer_u8(&w, w.ptr[w.len - 1] == 0xFF ? 0 : c);
			}
		}
		writer_bytes(&w, end.ptr, end.len);
	}
	put_head(&w, TAG_SEQUENCE_DELIMITER, "--", 0);
	snprintf(text, sizeof(text), "%-12zu", frames);
	memcpy(number, text, 12);
	return w.len;
}

static size_t make_jpeg(void)
{
	static const uint8_t head[] = {0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 10, 0, 10, 1, 1, 0x11, 0, 0xFF,
		0xDA, 0, 8, 1, 1, 0, 0, 63, 0};
	return make_frames(
		span_of(head, sizeof(head)), span_of((const uint8_t *)"\0\xFF\xD9", 3), FRAME, false);
}

/* ISO/IEC 15444-1 A.4.2: the tile-part is all but what is before its SOT and behind its end. */
static size_t make_j2k(uint32_t frame)
{
	uint8_t head[] = {0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0, 0, 0, 0, 10, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 10, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7, 1, 1, 0xFF, 0x90, 0, 10, 0, 0,
		0, 0, 0, 0, 0, 1, 0xFF, 0x93};
	uint32_t part = frame - 45 - 2;
	for (unsigned k = 0; k < 4; k++) {
		head[51 + k] = (uint8_t)(part >> (24 - 8 * k));
	}
	return make_frames(
		span_of(head, sizeof(head)), span_of((const uint8_t *)"\xFF\xD9", 2), frame, false);
}

static size_t make_rle(void)
{
	static const uint8_t head[64] = {1, 0, 0, 0, 64};
	return make_frames(span_of(head, sizeof(head)), (struct span){0}, FRAME, true);
}

static void run(const char *what, const char *syntax, size_t n)
{
	double began = now(), spent;
	unsigned turns = 0;
	struct inspect_about about = {.transfer_syntax = span_str(syntax)};
	do {
		inspect_begin(&inspected, &about, &inflater);
		for (size_t at = 0; at < n; at += CHUNK) {
			inspect_feed(&inspected, span_of(made + at, CHUNK < n - at ? CHUNK : n - at));
		}
		inspect_end(&inspected);
		turns++;
	} while ((spent = now() - began) < 1);
	printf("%-44s %9.0f MB/s, %u findings\n", what, (double)n * turns / spent / 1e6,
		inspected.n_findings);
	fflush(stdout);
}

int main(void)
{
	made = malloc(BYTES);
	if (!made) {
		return 1;
	}
	run("inspected: small elements", EXPLICIT, make_items());
	run("inspected: pixel data of one value", EXPLICIT, make_value(TAG_PIXEL_DATA, "OW"));
	run("inspected: fragments of 16 KiB, JPEG 2000", "1.2.840.10008.1.2.4.90", make_j2k(16384));
	run("inspected: JPEG", "1.2.840.10008.1.2.4.50", make_jpeg());
	run("inspected: JPEG 2000", "1.2.840.10008.1.2.4.90", make_j2k(FRAME));
	run("inspected: RLE", "1.2.840.10008.1.2.5", make_rle());
	run("inspected: a private value", EXPLICIT, make_value(0x00091001, "OB"));
	run("inspected: an encapsulated document", EXPLICIT, make_value(0x00420011, "OB"));
	free(made);
	return 0;
}
