/* SPDX-License-Identifier: Apache-2.0 */
/* How fast data sets are read, in CPU time: megabytes (10^6) and elements a second, one line a kind. */
#include "base/writer.h"
#include "dicom/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BYTES (64u << 20)
#define CHUNK (128u * 1024) /* the relay's */

static uint8_t *made, *packed;
static struct dataset d;
static struct inflater inflater;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void put_head(struct writer *w, enum encoding e, uint32_t tag, const char *vr, uint32_t length)
{
	void (*u16)(struct writer *, uint16_t) = e == ENCODING_EXPLICIT_BE ? writer_u16be : writer_u16le;
	void (*u32)(struct writer *, uint32_t) = e == ENCODING_EXPLICIT_BE ? writer_u32be : writer_u32le;
	u16(w, (uint16_t)(tag >> 16));
	u16(w, (uint16_t)tag);
	if (e == ENCODING_IMPLICIT_LE || tag >> 16 == 0xFFFE) {
		u32(w, length);
		return;
	}
	writer_bytes(w, vr, 2);
	if (vr[0] == 'S' && vr[1] == 'Q') {
		u16(w, 0);
		u32(w, length);
	} else {
		u16(w, (uint16_t)length);
	}
}

/* What enhanced objects have by the thousand: items of a few short elements. 11.4 bytes a value in the mean. */
static size_t make_items(enum encoding e)
{
	static const struct {
		uint32_t tag;
		char vr[3];
		uint16_t length;
	} row[] = {{0x00189074, "DT", 22}, {0x00189151, "DT", 22}, {0x00189220, "FD", 8},
		{0x00200032, "DS", 16}, {0x00209056, "SH", 4}, {0x00209057, "UL", 4}, {0x00280030, "DS", 10},
		{0x00281050, "DS", 6}, {0x00281051, "DS", 6}, {0x00540500, "CS", 16}};
	struct writer w = writer_of(made, BYTES);
	put_head(&w, e, 0x52009230, "SQ", UNDEFINED_LENGTH);
	while (w.len < BYTES - 4096) {
		put_head(&w, e, TAG_ITEM, "", UNDEFINED_LENGTH);
		for (size_t i = 0; i < ARRAY_LEN(row); i++) {
			put_head(&w, e, row[i].tag, row[i].vr, row[i].length);
			writer_fill(&w, ' ', row[i].length);
		}
		put_head(&w, e, TAG_ITEM_DELIMITER, "", 0);
	}
	put_head(&w, e, TAG_SEQUENCE_DELIMITER, "", 0);
	return w.len;
}

static size_t make_fragments(uint32_t length)
{
	struct writer w = writer_of(made, BYTES);
	writer_bytes(&w, "\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF", 12);
	while (w.len < BYTES - length - 64) {
		put_head(&w, ENCODING_EXPLICIT_LE, TAG_ITEM, "", length);
		writer_fill(&w, 'x', length);
	}
	put_head(&w, ENCODING_EXPLICIT_LE, TAG_SEQUENCE_DELIMITER, "", 0);
	return w.len;
}

static size_t make_pixels(void)
{
	struct writer w = writer_of(made, BYTES);
	writer_bytes(&w, "\xE0\x7F\x10\x00OW\0\0", 8);
	writer_u32le(&w, BYTES - 12);
	writer_fill(&w, 'x', BYTES - 12);
	return w.len;
}

static void die(const char *what)
{
	fprintf(stderr, "%s failed at %lu\n", what, (unsigned long)d.offset);
	exit(1);
}

enum ask { SKIP, COLLECT, PIECES };

static unsigned long events;

static void pull(const char *what, enum ask ask)
{
	static uint8_t buf[64];
	int event;
	while ((event = dataset_next(&d)) > 0 && event != DATASET_END) {
		events++;
		if (ask != SKIP && (event == DATASET_ELEMENT || event == DATASET_FRAGMENT)) {
			if (ask == COLLECT) {
				dataset_collect(&d, buf, sizeof(buf));
			} else {
				dataset_pieces(&d);
			}
		}
	}
	if (event < 0) {
		die(what);
	}
}

static void run(const char *what, enum encoding e, struct span s, uint64_t bytes, enum ask ask, size_t chunk)
{
	double began = now(), spent;
	unsigned turns = 0;
	events = 0;
	do {
		if (dataset_begin(&d, e, &inflater) != 0) {
			die(what);
		}
		for (size_t at = 0; at < s.len; at += chunk) {
			dataset_feed(&d, span_of(s.ptr + at, chunk < s.len - at ? chunk : s.len - at));
			pull(what, ask);
		}
		dataset_last(&d);
		pull(what, ask);
		turns++;
	} while ((spent = now() - began) < 1);
	printf("%-44s %9.0f MB/s %8.2f million events/s\n", what, (double)bytes * turns / spent / 1e6,
		(double)events / spent / 1e6);
	fflush(stdout);
}

int main(void)
{
	made = malloc(BYTES);
	packed = malloc(BYTES);
	if (!made || !packed) {
		return 1;
	}
	size_t n = make_items(ENCODING_EXPLICIT_LE);
	run("small elements, explicit LE, skipped", ENCODING_EXPLICIT_LE, span_of(made, n), n, SKIP, CHUNK);
	run("small elements, explicit LE, collected", ENCODING_EXPLICIT_LE, span_of(made, n), n, COLLECT,
		CHUNK);
	run("small elements, explicit LE, chunks of 1448", ENCODING_EXPLICIT_LE, span_of(made, n), n, COLLECT,
		1448);
	run("small elements, explicit LE, single bytes", ENCODING_EXPLICIT_LE, span_of(made, n), n, SKIP, 1);
	z_stream z = {0};
	if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		return 1;
	}
	z.next_in = made;
	z.avail_in = (unsigned)n;
	z.next_out = packed;
	z.avail_out = BYTES;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
		return 1;
	}
	size_t m = BYTES - z.avail_out;
	deflateEnd(&z);
	run("small elements, deflated (inflated bytes)", ENCODING_DEFLATED_LE, span_of(packed, m), n, SKIP,
		CHUNK);
	n = make_items(ENCODING_IMPLICIT_LE);
	run("small elements, implicit LE, skipped", ENCODING_IMPLICIT_LE, span_of(made, n), n, SKIP, CHUNK);
	n = make_items(ENCODING_EXPLICIT_BE);
	run("small elements, explicit BE, skipped", ENCODING_EXPLICIT_BE, span_of(made, n), n, SKIP, CHUNK);
	n = make_fragments(16384);
	run("fragments of 16 KiB, skipped", ENCODING_EXPLICIT_LE, span_of(made, n), n, SKIP, CHUNK);
	n = make_pixels();
	run("pixel data of one value, skipped", ENCODING_EXPLICIT_LE, span_of(made, n), n, SKIP, CHUNK);
	run("pixel data of one value, in pieces", ENCODING_EXPLICIT_LE, span_of(made, n), n, PIECES, CHUNK);
	free(made);
	free(packed);
	return 0;
}
