/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/strip_parts.h"

#include <stdlib.h>

/* ISO 14496-12: boxes in boxes. What is not in the table goes. */

#define TRACKS 16
#define CONFIG (64u * 1024) /* bytes of what is said of units */

struct box {
	uint64_t at, body, end;
	char type[5];
};

struct mp4 {
	struct strip *s;
	bool has_video;
	unsigned unit_size; /* of the track that is gone through */
	struct strip_tables tables;
	unsigned seen; /* which of them, by a mask */
	struct strip_samples samples;
};

static const char other_kind[] = "its MP4 file has a video of a kind that its transfer syntax does not say";

/* ---- Boxes ---- */

static uint64_t number(const uint8_t *bytes, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < n; i++) {
		v = v << 8 | bytes[i];
	}
	return v;
}

/* 1; 0: there are no more. last: the file's, which may say that it goes to the end. */
static int next_box(struct mp4 *m, uint64_t at, uint64_t end, bool top, struct box *ret_box)
{
	uint8_t head[16];
	if (end - at < 8) {
		return 0;
	}
	int e = strip_read(m->s, at, head, 8);
	uint64_t size = number(head, 4), n = 8;
	if (e == 0 && size == 1) {
		e = end - at < 16 ? ERR_VALUE : strip_read(m->s, at + 8, head + 8, 8);
		size = number(head + 8, 8);
		n = 16;
	} else if (e == 0 && size == 0 && top) {
		size = end - at;
	}
	if (e < 0 || size < n || size > end - at) {
		return e < 0 ? e : strip_refuse(m->s, ERR_VALUE, "its MP4 file is damaged or cut off");
	}
	*ret_box = (struct box){.at = at, .body = at + n, .end = at + size};
	memcpy(ret_box->type, head + 4, 4);
	return 1;
}

static bool is(const struct box *b, const char *type)
{
	return memcmp(b->type, type, 4) == 0;
}

/* The first of this type. 1; 0: there is none. */
static int find(struct mp4 *m, const struct box *in, const char *type, struct box *ret_box)
{
	uint64_t at = in->body;
	struct box b = {0};
	int e;
	while ((e = next_box(m, at, in->end, false, &b)) > 0) {
		if (is(&b, type)) {
			*ret_box = b;
			return 1;
		}
		at = b.end;
	}
	return e;
}

/* What nobody needs: of the same size. */
static int set_free(struct mp4 *m, const struct box *b)
{
	int e = strip_write(m->s, b->at + 4, span_str("free"));
	return e ? e : strip_fill(m->s, b->body, b->end, 0);
}

/* From `from` on, n bytes at most, zeros. */
static int clear(struct mp4 *m, const struct box *b, uint64_t from, uint64_t n)
{
	uint64_t left = b->end - b->body;
	if (from >= left) {
		return 0;
	}
	n = n < left - from ? n : left - from;
	return strip_fill(m->s, b->body + from, b->body + from + n, 0);
}

/* ---- What stays of some ---- */

/* When it was made, and changed (8.2.2, 8.3.2, 8.4.2). */
static int clear_times(struct mp4 *m, const struct box *b)
{
	uint8_t version = 0;
	int e = b->end > b->body ? strip_read(m->s, b->body, &version, 1) : ERR_VALUE;
	return e ? e : clear(m, b, 4, version == 1 ? 16 : 8);
}

/* Who made it, and what it is called (8.4.3). */
static int clear_name(struct mp4 *m, const struct box *b)
{
	return clear(m, b, 12, UINT64_MAX);
}

/* Where its bytes are: here, or it is refused (8.7.2). */
static int check_place(struct mp4 *m, const struct box *b)
{
	uint64_t at = b->body + 8;
	struct box entry = {0};
	int e = 1;
	while (at <= b->end && (e = next_box(m, at, b->end, false, &entry)) > 0) {
		uint8_t flags[4] = {0};
		e = entry.end - entry.body < 4 ? ERR_VALUE : strip_read(m->s, entry.body, flags, 4);
		if (e == 0 && !(flags[3] & 1)) {
			e = strip_refuse(
				m->s, ERR_UNSUPPORTED, "its MP4 file says that its video is in another one");
		}
		e = e ? e : clear(m, &entry, 4, UINT64_MAX);
		if (e < 0) {
			return e;
		}
		at = entry.end;
	}
	return e < 0 ? e : 0;
}

/* A profile of colours has texts, and ours go by numbers (12.1.5). */
static int check_colour(struct mp4 *m, const struct box *b)
{
	char type[4] = "";
	int e = b->end - b->body < 4 ? ERR_VALUE : strip_read(m->s, b->body, type, 4);
	bool numbers = memcmp(type, "nclx", 4) == 0 || memcmp(type, "nclc", 4) == 0;
	return e < 0 || numbers ? e : set_free(m, b);
}

/* ---- What is said of units: ISO 14496-15 5.3.3.1, 8.3.3.1 ---- */

#define AVC_SIZE_AT  4
#define HEVC_SIZE_AT 21
#define HEVC_UNITS   22

/* Of HEVC messages may be among them. */
static int strip_arrays(struct mp4 *m, uint8_t *bytes, size_t n)
{
	size_t at = HEVC_UNITS + 1u;
	for (unsigned i = 0; n > HEVC_UNITS && i < bytes[HEVC_UNITS]; i++) {
		if (n < at || n - at < 3) {
			return ERR_VALUE;
		}
		unsigned units = (unsigned)number(bytes + at + 1, 2);
		at += 3;
		for (unsigned k = 0; k < units; k++) {
			size_t len = n - at < 2 ? n : (size_t)number(bytes + at, 2);
			if (len > n - at - (n - at < 2 ? 0 : 2)) {
				return ERR_VALUE;
			}
			at += 2;
			(void)strip_unit(m->s->kind, bytes + at, len);
			at += len;
		}
	}
	return 0;
}

static int take_config(struct mp4 *m, const struct box *b)
{
	bool hevc = m->s->kind == VIDEO_HEVC;
	uint64_t n = b->end - b->body;
	size_t size_at = hevc ? HEVC_SIZE_AT : AVC_SIZE_AT;
	if (n <= size_at || n > CONFIG) {
		return ERR_VALUE;
	}
	uint8_t *bytes = malloc((size_t)n);
	if (!bytes) {
		return ERR_NO_MEMORY;
	}
	int e = strip_read(m->s, b->body, bytes, (size_t)n);
	if (e == 0) {
		m->unit_size = (bytes[size_at] & 3u) + 1;
		e = hevc ? strip_arrays(m, bytes, (size_t)n) : 0;
	}
	e = e ? e : strip_write(m->s, b->body, span_of(bytes, (size_t)n));
	free(bytes);
	return e;
}

/* ---- Sample descriptions: 8.5.2, 12.1.3 ---- */

#define ENTRY_HEAD 78 /* bytes of one of a video, before its boxes */

static bool is_entry(enum video_kind kind, const struct box *b)
{
	static const struct {
		enum video_kind kind;
		char type[5];
	} rows[] = {{VIDEO_H264, "avc1"}, {VIDEO_H264, "avc3"}, {VIDEO_HEVC, "hvc1"}, {VIDEO_HEVC, "hev1"}};
	bool found = false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		found = found || (rows[i].kind == kind && is(b, rows[i].type));
	}
	return found;
}

static int take_of_entry(struct mp4 *m, const struct box *b)
{
	static const char kept[][5] = {"pasp", "clap", "btrt", "fiel", "mvcC"};
	if (is(b, m->s->kind == VIDEO_HEVC ? "hvcC" : "avcC")) {
		return take_config(m, b);
	}
	if (is(b, "colr")) {
		return check_colour(m, b);
	}
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		if (is(b, kept[i])) {
			return 0;
		}
	}
	return set_free(m, b);
}

/* Its maker, and what compressed it, by name; and boxes. */
static int take_entry(struct mp4 *m, const struct box *entry)
{
	uint64_t at = entry->body + ENTRY_HEAD;
	struct box b = {0};
	bool known = entry->end - entry->body >= ENTRY_HEAD && is_entry(m->s->kind, entry);
	int e = known ? 0 : strip_refuse(m->s, ERR_UNSUPPORTED, other_kind);
	e = e ? e : clear(m, entry, 8, 16);
	e = e ? e : clear(m, entry, 42, 32);
	while (e == 0) {
		e = next_box(m, at, entry->end, false, &b);
		if (e <= 0) {
			break;
		}
		e = take_of_entry(m, &b);
		at = b.end;
	}
	return e ? e : strip_fill(m->s, at, entry->end, 0);
}

static int take_descriptions(struct mp4 *m, const struct box *b)
{
	uint64_t at = b->body + 8;
	unsigned before = 0;
	struct box entry = {0};
	int e = at > b->end ? ERR_VALUE : 1;
	while (e > 0 && (e = next_box(m, at, b->end, false, &entry)) > 0) {
		m->unit_size = 0;
		e = take_entry(m, &entry);
		if (e == 0 && (m->unit_size == 0 || (before > 0 && before != m->unit_size))) {
			e = strip_refuse(m->s, ERR_UNSUPPORTED,
				"its MP4 file does not say how long its pictures' units are");
		}
		before = m->unit_size;
		at = entry.end;
		e = e < 0 ? e : 1;
	}
	return e;
}

/* ---- The tree ---- */

enum what {
	SET_FREE,
	KEEP,
	ENTER,
	TIMES,
	NAME,
	PLACE,
	DESCRIPTIONS,
	TRACK,
	SIZES,
	CHUNKS,
	OFFSETS,
	OFFSETS_WIDE
};

static const struct {
	char in[5], type[5];
	enum what what;
} rows[] = {
	{"moov", "mvhd", TIMES},
	{"moov", "trak", TRACK},
	{"trak", "tkhd", TIMES},
	{"trak", "edts", ENTER},
	{"edts", "elst", KEEP},
	{"trak", "mdia", ENTER},
	{"mdia", "mdhd", TIMES},
	{"mdia", "hdlr", NAME},
	{"mdia", "minf", ENTER},
	{"minf", "vmhd", KEEP},
	{"minf", "hdlr", NAME},
	{"minf", "dinf", ENTER},
	{"dinf", "dref", PLACE},
	{"minf", "stbl", ENTER},
	{"stbl", "stsd", DESCRIPTIONS},
	{"stbl", "stts", KEEP},
	{"stbl", "ctts", KEEP},
	{"stbl", "cslg", KEEP},
	{"stbl", "stss", KEEP},
	{"stbl", "sdtp", KEEP},
	{"stbl", "sgpd", KEEP},
	{"stbl", "sbgp", KEEP},
	{"stbl", "stsz", SIZES},
	{"stbl", "stsc", CHUNKS},
	{"stbl", "stco", OFFSETS},
	{"stbl", "co64", OFFSETS_WIDE},
};

static enum what what_of(const struct box *in, const struct box *b)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (is(in, rows[i].in) && is(b, rows[i].type)) {
			return rows[i].what;
		}
	}
	return SET_FREE;
}

static int take_box(struct mp4 *m, const struct box *in, const struct box *b);

/* 0, where all in it was gone through; what is too short for a box becomes zeros. */
static int enter(struct mp4 *m, const struct box *in)
{
	uint64_t at = in->body;
	struct box b = {0};
	int e;
	while ((e = next_box(m, at, in->end, false, &b)) > 0) {
		e = take_box(m, in, &b);
		if (e < 0) {
			return e;
		}
		at = b.end;
	}
	return e ? e : strip_fill(m->s, at, in->end, 0);
}

/* Is it a video, of a kind that pictures have? A cover or a thumbnail is none. 1, 0. */
static int is_video(struct mp4 *m, const struct box *track)
{
	struct box media = {0}, b = {0}, entry = {0};
	uint8_t type[4] = {0};
	int e = find(m, track, "mdia", &media);
	e = e > 0 ? find(m, &media, "hdlr", &b) : e;
	if (e > 0) {
		e = b.end - b.body < 12 ? ERR_VALUE : strip_read(m->s, b.body + 8, type, 4);
		e = e < 0 ? e : memcmp(type, "vide", 4) == 0;
	}
	e = e > 0 ? find(m, &media, "minf", &b) : e;
	e = e > 0 ? find(m, &b, "stbl", &b) : e;
	e = e > 0 ? find(m, &b, "stsd", &b) : e;
	e = e > 0 && b.end - b.body >= 8 ? next_box(m, b.body + 8, b.end, false, &entry) : e;
	if (e <= 0 || is(&entry, "jpeg") || is(&entry, "png ")) {
		return e < 0 ? e : 0;
	}
	return is_entry(m->s->kind, &entry) ? 1 : strip_refuse(m->s, ERR_UNSUPPORTED, other_kind);
}

#define HAS_SIZES   1u
#define HAS_CHUNKS  2u
#define HAS_OFFSETS 4u

static int take_track(struct mp4 *m, const struct box *track)
{
	int e = is_video(m, track);
	if (e <= 0) {
		m->s->found.streams = true;
		return e < 0 ? e : set_free(m, track);
	}
	m->has_video = true;
	m->seen = m->unit_size = 0;
	e = enter(m, track);
	if (e == 0 && (m->seen != (HAS_SIZES | HAS_CHUNKS | HAS_OFFSETS) || m->unit_size == 0)) {
		e = strip_refuse(m->s, ERR_UNSUPPORTED, "its MP4 file does not say where its pictures are");
	}
	return e ? e : strip_samples_add(m->s, &m->tables, m->unit_size, &m->samples);
}

static int take_table(struct mp4 *m, const struct box *b, unsigned which, struct strip_table *to)
{
	if (m->seen & which) {
		return strip_refuse(m->s, ERR_VALUE, "its MP4 file says twice where its pictures are");
	}
	m->seen |= which;
	*to = (struct strip_table){b->body, b->end - b->body};
	return 0;
}

/* The table has no circle: trees are as deep as it is. */
static int take_box(struct mp4 *m, const struct box *in, const struct box *b)
{
	enum what what = what_of(in, b);
	switch (what) {
	case KEEP:
		return 0;
	case ENTER:
		return enter(m, b);
	case TIMES:
		return clear_times(m, b);
	case NAME:
		return clear_name(m, b);
	case PLACE:
		return check_place(m, b);
	case DESCRIPTIONS:
		return take_descriptions(m, b);
	case TRACK:
		return take_track(m, b);
	case SIZES:
		return take_table(m, b, HAS_SIZES, &m->tables.sizes);
	case CHUNKS:
		return take_table(m, b, HAS_CHUNKS, &m->tables.chunks);
	case OFFSETS:
	case OFFSETS_WIDE:
		m->tables.wide = what == OFFSETS_WIDE;
		return take_table(m, b, HAS_OFFSETS, &m->tables.offsets);
	default:
		return set_free(m, b);
	}
}

/* ---- What is coded ---- */

static int each_of_sample(void *arg, uint8_t *bytes, size_t n, bool *ret_changed)
{
	*ret_changed = strip_units_feed(arg, bytes, n);
	return 0;
}

static int take_sample(struct mp4 *m, const struct strip_sample *sample)
{
	struct strip_units u;
	strip_units_begin(&u, m->s->kind, sample->unit_size);
	int e = strip_walk(m->s, sample->at, sample->at + sample->len, each_of_sample, &u);
	return e ? e : strip_units_end(&u) ? 0 : strip_refuse(m->s, ERR_VALUE, "its video is damaged");
}

/* From *next on; what is none of them becomes zeros. */
static int take_data(struct mp4 *m, const struct box *b, size_t *next)
{
	uint64_t at = b->body;
	while (*next < m->samples.n && m->samples.of[*next].at < b->end) {
		const struct strip_sample *sample = &m->samples.of[*next];
		if (sample->at < b->body || sample->len > b->end - sample->at) {
			return strip_refuse(
				m->s, ERR_VALUE, "its MP4 file has pictures where there can be none");
		}
		int e = strip_fill(m->s, at, sample->at, 0);
		e = e ? e : take_sample(m, sample);
		if (e < 0) {
			return e;
		}
		at = sample->at + sample->len;
		(*next)++;
	}
	return strip_fill(m->s, at, b->end, 0);
}

/* ---- The file ---- */

static int each_of_file(
	struct mp4 *m, int (*take)(struct mp4 *m, const struct box *b, size_t *next), size_t *next)
{
	uint64_t at = 0, end = m->s->source->len;
	struct box b = {0};
	int e;
	while ((e = next_box(m, at, end, true, &b)) > 0) {
		e = take(m, &b, next);
		if (e < 0) {
			return e;
		}
		at = b.end;
	}
	return e ? e : strip_fill(m->s, at, end, 0);
}

static int take_top(struct mp4 *m, const struct box *b, size_t *next)
{
	(void)next;
	if (is(b, "ftyp") || is(b, "mdat")) {
		return 0;
	}
	if (is(b, "moof")) {
		return strip_refuse(m->s, ERR_UNSUPPORTED,
			"its MP4 file is in pieces (fragmented), which are not looked into");
	}
	return is(b, "moov") ? enter(m, b) : set_free(m, b);
}

static int take_mdat(struct mp4 *m, const struct box *b, size_t *next)
{
	return is(b, "mdat") ? take_data(m, b, next) : 0;
}

int strip_mp4(struct strip *s)
{
	struct mp4 m = {.s = s};
	size_t next = 0;
	int e = each_of_file(&m, take_top, NULL);
	if (e == 0 && !m.has_video) {
		e = strip_refuse(
			s, ERR_VALUE, "its MP4 file has no video of the kind that its transfer syntax says");
	}
	e = e ? e : strip_samples_sort(s, &m.samples);
	e = e ? e : each_of_file(&m, take_mdat, &next);
	if (e == 0 && next < m.samples.n) {
		e = strip_refuse(s, ERR_VALUE, "its MP4 file has pictures where there can be none");
	}
	free(m.samples.of);
	return e;
}
