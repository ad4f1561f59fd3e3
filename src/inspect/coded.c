/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "base/reader.h"

/*
 * A compressed frame, from its first marker to its end and what is behind that. Of the image no more is read than tells where it
 * ends: of JPEG the bytes 0xFF, of JPEG 2000 nothing where tile-parts have lengths, of RLE the lengths of runs. All that a decoder steps
 * over is searched, as private values are: segments, comments among them, and what is behind the end. JPEG XL and deflated frames say
 * nowhere how long they are, and are searched whole; so is what does not have the form of its compression.
 */
enum coded_state {
	AT_MARKER,
	AT_LENGTH,
	IN_SEGMENT,
	IN_SCAN,
	IN_TILE,
	RLE_HEADER,
	RLE_SEGMENT,
	RLE_GAP,
	VIDEO,
	BEHIND,
	UNREAD
};

/* Text has marks of two bytes, which in a comment, that hardly anybody prints, say nothing. */
#define LEAST_OF_COMMENT 4

#define EOI              0xD9 /* of JPEG 2000 too */
#define JPEG_SOS         0xDA
#define JPEG_COM         0xFE
#define JPEG_LS_SOF      0xF7
#define J2K_SOT          0x90
#define J2K_SOD          0x93
#define J2K_COM          0x64

/* ---- What is searched ---- */

void coded_search_anew(struct inspect *i)
{
	i->s.marks = i->s.wide_marks = 0;
	i->s.n_head = 0;
	i->s.claim = NULL;
}

void coded_search(struct inspect *i, struct span piece)
{
	struct inspect_stream *s = &i->s;
	size_t room = sizeof(s->head) - s->n_head, n = piece.len < room ? piece.len : room;
	if (n > 0) {
		memcpy(s->head + s->n_head, piece.ptr, n);
	}
	s->n_head = (uint8_t)(s->n_head + n);
	value_search(i, piece);
}

void coded_unread(struct inspect *i)
{
	i->coded.state = UNREAD;
	coded_search_anew(i);
	i->s.strict = true; /* any bytes may stand in what is compressed */
}

static void behind(struct inspect *i)
{
	i->coded.state = BEHIND;
	coded_search_anew(i);
}

static size_t smaller(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

/* What stands there begins behind padding. */
static size_t step_behind(struct inspect *i, struct span s)
{
	struct inspect_coded *c = &i->coded;
	size_t padding = 0;
	while (!c->dirty && padding < s.len) {
		c->dirty = s.ptr[padding] != 0 && s.ptr[padding] != 0xFF;
		padding += !c->dirty;
	}
	c->behind += s.len;
	value_search(i, span_of(s.ptr, padding));
	i->s.at += padding;
	coded_search(i, span_of(s.ptr + padding, s.len - padding));
	i->s.at -= padding;
	return s.len;
}

void coded_behind(struct inspect *i, struct span s)
{
	behind(i);
	i->s.at -= s.len;
	(void)step_behind(i, s);
	i->s.at += s.len;
}

static size_t step_unread(struct inspect *i, struct span s)
{
	coded_search(i, s);
	return s.len;
}

/* ---- JPEG, JPEG-LS, JPEG 2000: from marker to marker ---- */

static void at_marker(struct inspect *i)
{
	i->coded.state = AT_MARKER;
	i->coded.n = 0;
}

/* Markers without a length: ISO/IEC 10918-1 B.1.1.3, 15444-1 A.2. */
static bool is_alone(const struct inspect *i, uint8_t code)
{
	return i->codec == CODEC_J2K ? code == 0x4F || (code >= 0x30 && code <= 0x3F)
	                             : code == 0x01 || (code >= 0xD0 && code <= 0xD8);
}

static size_t step_marker(struct inspect *i, struct span s)
{
	struct inspect_coded *c = &i->coded;
	uint8_t code = s.ptr[0];
	if (c->n == 0) {
		if (code != 0xFF) {
			coded_unread(i);
			return 0;
		}
		c->head[c->n++] = code;
		return 1;
	}
	if (code == 0xFF && i->codec == CODEC_JPEG) {
		return 1; /* ISO/IEC 10918-1 B.1.1.2: any number of them may stand before a marker */
	}
	c->n = 0;
	c->ls |= code == JPEG_LS_SOF && i->codec == CODEC_JPEG;
	if (code == EOI) {
		behind(i);
	} else if (code == J2K_SOD && i->codec == CODEC_J2K) {
		c->left = c->tile_end > c->at + 1 ? c->tile_end - c->at - 1 : 0;
		c->state = c->tile_end == 0 ? IN_SCAN : c->left > 0 ? IN_TILE : AT_MARKER;
	} else if (!is_alone(i, code)) {
		c->head[1] = code;
		c->n = 2;
		c->state = AT_LENGTH;
	}
	return 1;
}

static bool is_comment(const struct inspect *i)
{
	return i->coded.head[1] == (i->codec == CODEC_J2K ? J2K_COM : JPEG_COM);
}

/* ISO/IEC 15444-1 A.4.2: from the first byte of its marker on; 0: to the end of the codestream. */
static void take_tile(struct inspect_coded *c)
{
	struct reader r = {.ptr = c->head, .len = c->n, .pos = 6};
	uint32_t length = 0;
	uint64_t from = c->at - 2 - ((uint64_t)c->head[2] << 8 | c->head[3]);
	if (reader_u32be(&r, &length) == 0) {
		c->tile_end = length ? from + length : 0;
	}
}

static void segment_end(struct inspect *i)
{
	struct inspect_coded *c = &i->coded;
	uint8_t code = c->head[1];
	binary_end(i);
	if (i->codec == CODEC_JPEG) {
		unsigned length = (unsigned)c->head[2] << 8 | c->head[3];
		codestream_jpeg(i, code, span_of(i->s.head, i->s.n_head), length - 2);
	}
	for (unsigned k = 0; c->texts >> k; k++) {
		if (c->texts >> k & 1) {
			found(i, (enum inspect_check)(CHECK_EMBEDDED_PROGRAM + k),
				span_of(i->s.head, i->s.n_head));
		}
	}
	i->s.said |= c->texts;
	c->texts = 0;
	if (code == J2K_SOT && i->codec == CODEC_J2K) {
		take_tile(c);
	}
	at_marker(i);
	if (code == JPEG_SOS && i->codec == CODEC_JPEG) {
		c->state = IN_SCAN;
	}
}

static size_t step_length(struct inspect *i, struct span s)
{
	struct inspect_coded *c = &i->coded;
	c->head[c->n++] = s.ptr[0];
	if (c->n < 4) {
		return 1;
	}
	unsigned length = (unsigned)c->head[2] << 8 | c->head[3];
	if (length < 2) {
		coded_unread(i);
		return 1;
	}
	c->state = IN_SEGMENT;
	c->left = length - 2;
	coded_search_anew(i);
	if (c->left == 0) {
		c->at++;
		segment_end(i);
		c->at--;
	}
	return 1;
}

/* What looks like markup, or commands, in a comment; said at its end. */
static void search_comment(struct inspect *i, struct span s)
{
	struct inspect_stream *t = &i->s;
	while (s.len > 0) {
		const struct mark *m;
		size_t n = marks_find(&t->wide_marks, MARK_IN_TEXT, s, &m);
		s = span_of(s.ptr + n, s.len - n);
		uint64_t bit = m ? 1ull << (m->check - CHECK_EMBEDDED_PROGRAM) : 0;
		i->coded.texts |= m && m->len >= LEAST_OF_COMMENT ? bit & ~t->said : 0;
	}
}

static size_t step_segment(struct inspect *i, struct span s)
{
	struct inspect_coded *c = &i->coded;
	size_t n = smaller(c->left, s.len), room = sizeof(c->head) - c->n;
	memcpy(c->head + c->n, s.ptr, n < room ? n : room);
	c->n = (uint8_t)(c->n + (n < room ? n : room));
	coded_search(i, span_of(s.ptr, n));
	if (is_comment(i)) {
		search_comment(i, span_of(s.ptr, n));
	}
	c->left -= n;
	if (c->left == 0) {
		c->at += n;
		segment_end(i);
		c->at -= n;
	}
	return n;
}

/* Behind 0xFF in entropy-coded bytes (ISO/IEC 10918-1 B.1.1.5, 14495-1 A.1, 15444-1 B.10.1). */
static bool is_coded(const struct inspect *i, uint8_t code)
{
	if (i->codec == CODEC_J2K) {
		return code != EOI;
	}
	return code == 0 || (code >= 0xD0 && code <= 0xD7) || (code < 0x80 && i->coded.ls);
}

/* c->n: whether the last byte was 0xFF. */
static size_t step_scan(struct inspect *i, struct span s)
{
	struct inspect_coded *c = &i->coded;
	for (size_t k = 0; k < s.len;) {
		if (c->n == 0) {
			const uint8_t *next = memchr(s.ptr + k, 0xFF, s.len - k);
			if (!next) {
				return s.len;
			}
			c->n = 1;
			k = (size_t)(next - s.ptr) + 1;
		} else if (is_coded(i, s.ptr[k])) {
			c->n = 0;
			k++;
		} else if (s.ptr[k] == 0xFF) {
			k++;
		} else {
			c->head[0] = 0xFF;
			c->state = AT_MARKER;
			return k;
		}
	}
	return s.len;
}

static size_t step_tile(struct inspect *i, struct span s)
{
	struct inspect_coded *c = &i->coded;
	size_t n = smaller(c->left, s.len);
	c->left -= n;
	if (c->left == 0) {
		at_marker(i);
	}
	return n;
}

/* ---- RLE (PS3.5 G) ---- */

#define RLE_BYTES 64

static size_t step_rle_header(struct inspect *i, struct span s)
{
	struct inspect_coded *c = &i->coded;
	struct reader r = reader_of(s);
	const struct inspect_pixels *p = pixels_of(i);
	uint32_t n = 0, last = 0;
	uint64_t bits = p && p->allocated == 1 ? 1 : 8; /* packed, or a byte of each pixel */
	c->want = p ? ((uint64_t)p->rows * p->columns * bits + 7) / 8 : 0;
	bool bad = c->want == 0 || s.len < RLE_BYTES || reader_u32le(&r, &n) != 0 || n == 0 || n > 15;
	for (uint32_t k = 0; !bad && k < n; k++) {
		bad = reader_u32le(&r, &c->segments[k]) != 0 || c->segments[k] < last ||
		      c->segments[0] != RLE_BYTES;
		last = c->segments[k];
	}
	if (bad) {
		coded_unread(i);
		return 0;
	}
	c->segments[n] = UINT32_MAX;
	c->n_segments = (uint8_t)n;
	c->segment = 0;
	c->out = c->left = 0;
	c->state = RLE_SEGMENT;
	coded_search(i, span_of(s.ptr + r.pos, RLE_BYTES - r.pos));
	return RLE_BYTES;
}

/* The end of the segment's runs, or where the next one begins, which need not be the same. */
static size_t segment_done(struct inspect *i, size_t n)
{
	struct inspect_coded *c = &i->coded;
	bool is_next = c->at + n == c->segments[c->segment + 1];
	c->left = 0;
	if (!is_next) {
		coded_search_anew(i);
		c->state = c->segment + 1 == c->n_segments ? BEHIND : RLE_GAP;
		return n;
	}
	c->segment++;
	c->out = 0;
	c->state = RLE_SEGMENT;
	return n;
}

/* c->left: bytes of a run that are still to come. */
static size_t step_rle_segment(struct inspect *i, struct span s)
{
	struct inspect_coded *c = &i->coded;
	uint64_t room = c->segments[c->segment + 1] - c->at, want = c->want;
	size_t end = smaller(room, s.len), k = smaller(c->left, end);
	uint64_t out = c->out;
	c->left -= k;
	while (k < end && out < want) {
		unsigned code = s.ptr[k++];
		size_t bytes = code < 128 ? code + 1 : code > 128;
		out += code < 128 ? code + 1 : code > 128 ? 257 - code : 0;
		c->left = bytes - smaller(bytes, end - k);
		k += bytes - c->left;
	}
	c->out = out;
	if (k == room || (out >= want && c->left == 0)) {
		return segment_done(i, k);
	}
	return k;
}

static size_t step_rle_gap(struct inspect *i, struct span s)
{
	struct inspect_coded *c = &i->coded;
	size_t n = smaller(c->segments[c->segment + 1] - c->at, s.len);
	/* A byte that makes its length even. */
	bool even = n == 1 && s.ptr[0] == 0 && c->at % 2 == 1 && c->at + 1 == c->segments[c->segment + 1];
	if (!even) {
		(void)step_behind(i, span_of(s.ptr, n));
	}
	return c->at + n == c->segments[c->segment + 1] ? segment_done(i, n) : n;
}

/* ---- A fragment ---- */

void coded_fragment(struct inspect *i)
{
	i->coded.begins = true;
	i->coded.n_begin = 0;
}

/* One that does not begin a frame goes on with what the one before it ended in. */
void coded_begin(struct inspect *i, bool frame)
{
	struct inspect_coded *c = &i->coded;
	bool first = i->f.d.number == 1;
	c->behind = 0;
	c->dirty = false;
	c->fresh = false;
	i->s.at = i->codec == CODEC_VIDEO ? c->at : 0;
	bool alone = i->codec == CODEC_RLE || i->codec == CODEC_DEFLATED || i->codec == CODEC_OTHER;
	if (!first && !frame && !alone) {
		return;
	}
	i->s.kind = VALUE_BINARY;
	i->s.where = MARK_IN_BINARY;
	value_anew(i, i->e.length);
	c->at = c->tile_end = c->texts = 0;
	c->ls = false;
	c->bits = 0;
	c->fresh = true;
	coded_search_anew(i);
	if (i->codec == CODEC_RLE) {
		c->state = RLE_HEADER;
	} else if (i->codec == CODEC_VIDEO) {
		c->state = VIDEO;
		video_begin(i);
	} else if (i->codec == CODEC_JXL || i->codec == CODEC_DEFLATED || !frame) {
		coded_unread(i);
	} else {
		at_marker(i);
	}
}

void coded_piece(struct inspect *i, struct span s)
{
	static size_t (*const steps[])(struct inspect *, struct span) = {
		[AT_MARKER] = step_marker,
		[AT_LENGTH] = step_length,
		[IN_SEGMENT] = step_segment,
		[IN_SCAN] = step_scan,
		[IN_TILE] = step_tile,
		[RLE_HEADER] = step_rle_header,
		[RLE_SEGMENT] = step_rle_segment,
		[RLE_GAP] = step_rle_gap,
		[VIDEO] = video_step,
		[BEHIND] = step_behind,
		[UNREAD] = step_unread,
	};
	while (s.len > 0) {
		size_t n = steps[i->coded.state](i, s);
		i->coded.at += n;
		i->s.at += n;
		s = span_of(s.ptr + n, s.len - n);
	}
}

void coded_end(struct inspect *i)
{
	const struct inspect_coded *c = &i->coded;
	/* A segment that is not complete has no beginning, nor has what goes on; and two letters are no sign where there may be any. */
	bool begins = c->state == BEHIND || (c->state == UNREAD && c->fresh),
	     any = c->state == UNREAD && i->codec != CODEC_OTHER;
	if (!begins || (any && signature_of(span_of(i->s.head, i->s.n_head)) == SIGNATURE_PE)) {
		i->s.n_head = 0;
	}
	value_end(i);
	i->s.n_head = 0;
	/* Padding is nothing to anyone, and a byte may make the length even (PS3.5 A.4). */
	if (c->behind > 1 && c->dirty) {
		found_say(i, c->behind <= 512 ? CHECK_PIXEL_DATA_PADDED : CHECK_PIXEL_DATA_LONG,
			"%llu bytes behind the end of the compressed image", (unsigned long long)c->behind);
	}
}

void coded_video_end(struct inspect *i)
{
	if (i->coded.state == VIDEO) {
		video_end(i);
	}
}
