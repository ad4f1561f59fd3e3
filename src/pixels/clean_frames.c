/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean_parts.h"

#include "base/attr.h"
#include "dicom/encoding.h"
#include "pixels/colour.h"

#include <stdlib.h>

int clean_refuse(struct clean *c, int err, const char *why)
{
	c->why = why;
	return err;
}

/* ---- Which fragments are a frame ---- */

/*
 * May a frame have several fragments? Its stream's first marker says where it begins. What is deflated, or as it is, has no marker, and neither
 * these nor JPEG XL have several for a frame (PS3.5 A.4.11 to A.4.13).
 */
static bool has_markers(const struct clean *c)
{
	return c->s->shape.frames > 1 && !clean_coding_is_single(c);
}

/* PS3.5 A.4. Offset tables are not believed. */
static int find_frames(struct clean *c)
{
	const struct survey *s = c->s;
	size_t frames = s->shape.frames, n = 0;
	if (frames > s->n_fragments) {
		return clean_refuse(c, ERR_VALUE, "it has fewer fragments of pixel data than frames");
	}
	c->frames = s->shape.frames;
	c->first = calloc(frames + 1, sizeof(*c->first));
	if (!c->first) {
		return ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < s->n_fragments; i++) {
		bool begins =
			i == 0 || s->n_fragments == frames || (has_markers(c) && s->fragments[i].begins);
		if (begins && n == frames) {
			return clean_refuse(c, ERR_VALUE, "it has more frames of pixel data than it says");
		}
		if (begins) {
			c->first[n++] = i;
		}
	}
	c->first[frames] = s->n_fragments;
	return n == frames
	               ? 0
	               : clean_refuse(c, ERR_VALUE, "it is not known which of its fragments are which frame");
}

static uint64_t size_of(const struct clean *c, size_t frame)
{
	uint64_t n = 0;
	for (size_t i = c->first[frame]; i < c->first[frame + 1]; i++) {
		n += c->s->fragments[i].len;
	}
	return n;
}

static int read_frame(const struct clean *c, const struct pixels_input *in, size_t frame, size_t *ret_n)
{
	size_t n = 0;
	for (size_t i = c->first[frame]; i < c->first[frame + 1]; i++) {
		const struct survey_fragment *f = &c->s->fragments[i];
		for (size_t at = 0; at < f->len;) {
			ptrdiff_t got = in->read_at(in->arg, f->offset + at, c->coded + n, f->len - at);
			if (got <= 0) {
				return got < 0 ? ERR_SYSTEM : ERR_TRUNCATED;
			}
			at += (size_t)got;
			n += (size_t)got;
		}
	}
	*ret_n = n;
	return 0;
}

/* ---- One frame ---- */

/* What is to go of a frame that was decoded. True: it was there. */
static bool apply(struct clean *c)
{
	if (c->decodes) {
		return false;
	}
	struct pixels_shape one = c->shape;
	one.frames = 1;
	bool trims = c->trims && trim_begin(&c->trimmer, &one, false, false, c->frame_len);
	bool trimmed = trims && trim_apply(&c->trimmer, 0, c->frame, c->frame_len);
	return blank_apply(&c->blanker, 0, c->frame, c->frame_len) || trimmed;
}

/*
 * Native images are seldom anything but red, green and blue (PS3.3 C.8.5.6.1.2 and others), and their readers too. Rounding costs nothing of what
 * is lossy anyway; of all else the samples stay what they are.
 */
static void make_rgb(struct clean *c, char photometric[17])
{
	if (c->decodes && c->syntax->coding == CODING_JPEG && c->shape.samples == 3 &&
		c->shape.allocated == 8 && strcmp(photometric, "YBR_FULL") == 0) {
		colour_to_rgb(c->frame, c->frame_len / 3);
		memcpy(photometric, "RGB", 4);
	}
}

/* The frame, decoded. */
static int load(
	struct clean *c, const struct pixels_input *in, size_t frame, size_t *ret_n, char photometric[17])
{
	int e = read_frame(c, in, frame, ret_n);
	if (e < 0) {
		return e;
	}
	e = clean_coding_decode(c, span_of(c->coded, *ret_n), photometric);
	if (e == 0) {
		make_rgb(c, photometric);
	}
	return e;
}

/* ---- Before they are written ---- */

static int check(struct clean *c)
{
	const struct pixels_shape *s = &c->s->shape;
	c->syntax = encoding_coded(span_str(c->s->syntax));
	c->target = c->native ? SYNTAX_EXPLICIT_LE : c->syntax ? c->syntax->lossless : NULL;
	if (!c->syntax || !c->target || c->s->encoding != ENCODING_EXPLICIT_LE) {
		return clean_refuse(c, ERR_UNSUPPORTED, clean_coding_unknown(c));
	}
	bool video = clean_coding_is_video(c);
	if (!clean_coding_is_ours(c) && (!c->codecs.codec || (video && !c->decodes && !c->codecs.video))) {
		return clean_refuse(c, ERR_UNSUPPORTED, "the module that decodes its pixels is not there");
	}
	const char *why = clean_coding_why_not(c);
	if (why) {
		return clean_refuse(c, ERR_UNSUPPORTED, why);
	}
	uint64_t n = clean_coding_frame(c);
	if (s->rows > 65535 || s->columns > 65535 || n == 0 || n > CLEAN_FRAME) {
		return clean_refuse(c, ERR_LIMIT, "a frame of it is larger than is held in memory");
	}
	c->frame_len = (size_t)n;
	c->shape = *s;
	c->shape.planar = clean_coding_is_native(c) ? s->planar : 0;
	return video ? 0 : find_frames(c);
}

static int allocate(struct clean *c)
{
	uint64_t most = 0;
	for (size_t i = 0; i < c->frames; i++) {
		uint64_t n = size_of(c, i);
		most = n > most ? n : most;
	}
	if (most > 2 * (uint64_t)CLEAN_FRAME) {
		return clean_refuse(c, ERR_LIMIT, "a frame of it is larger than is held in memory");
	}
	size_t ours = clean_coding_most(c), wide = clean_coding_wide(c);
	most = ours > most ? ours : most;
	c->coded = malloc((size_t)most + 1);
	c->wide = malloc(wide + 1);
	c->frame = calloc(1, c->frame_len);
	c->again = calloc(1, c->frame_len);
	return c->coded && c->wide && c->frame && c->again ? 0 : ERR_NO_MEMORY;
}

/* What lies beside the pixels of a frame goes, and nothing else: it is decoded where there may be anything. */
static int load_trimmed(
	struct clean *c, const struct pixels_input *in, size_t i, size_t *ret_n, bool *ret_changed)
{
	char photometric[17];
	struct pixels_shape one = c->shape;
	int e = read_frame(c, in, i, ret_n);
	if (e < 0) {
		return e;
	}
	bool may = clean_coding_may_trim(c, span_of(c->coded, *ret_n));
	e = may ? clean_coding_decode(c, span_of(c->coded, *ret_n), photometric) : 0;
	one.frames = 1;
	*ret_changed = e == 0 && may && trim_begin(&c->trimmer, &one, false, false, c->frame_len) &&
	               trim_apply(&c->trimmer, 0, c->frame, c->frame_len);
	return e;
}

static int allocate_tables(struct clean *c)
{
	c->offsets = calloc(c->frames, sizeof(*c->offsets));
	c->lengths = calloc(c->frames, sizeof(*c->lengths));
	return c->offsets && c->lengths ? 0 : ERR_NO_MEMORY;
}

/* Only where the transfer syntax and what its colours are called stay. */
static int begin_trimming(struct clean *c)
{
	int e = check(c);
	if (e == 0 && (strcmp(c->syntax->uid, c->target) != 0 ||
			      (!clean_coding_is_ours(c) && c->s->shape.samples != 1))) {
		e = ERR_UNSUPPORTED;
	}
	memcpy(c->photometric, c->s->shape.photometric, sizeof(c->photometric));
	e = e ? e : allocate(c);
	return e ? e : allocate_tables(c);
}

int clean_frames_look(struct clean *c, const struct pixels_input *in)
{
	bool changed = false;
	size_t n;
	int e = begin_trimming(c);
	for (size_t i = 0; i < c->s->shape.frames && e == 0 && !changed; i++) {
		e = load_trimmed(c, in, i, &n, &changed);
	}
	c->changed = e == 0 && changed;
	return e == ERR_SYSTEM || e == ERR_NO_MEMORY ? e : 0;
}

/* The frame before others, or all frames of a video, decoded. */
static int look(struct clean *c, const struct pixels_input *in)
{
	size_t n;
	if (!clean_coding_is_video(c)) {
		return load(c, in, 0, &n, c->shape.photometric);
	}
	memcpy(c->shape.photometric, "RGB", 4);
	memcpy(c->photometric, "RGB", 4);
	return clean_video_begin(c, in);
}

int clean_frames_begin(struct clean *c, const struct pixels_input *in)
{
	if (!c->regions) {
		return begin_trimming(c);
	}
	struct span bytes;
	struct pixels_shape one;
	int e = check(c);
	e = e ? e : allocate(c);
	e = e ? e : look(c, in);
	e = e ? e : allocate_tables(c);
	/* Samples are little endian bytes here, whatever VR their encapsulation has. */
	one = c->shape;
	one.frames = 1;
	e = e ? e : blank_begin(&c->blanker, &one, c->regions, false, false, &c->why);
	if (e == 0 && c->blanker.frame != c->frame_len) {
		e = clean_refuse(c, ERR_VALUE, "what it says of its pixels contradicts itself");
	}
	if (e == 0 && clean_coding_is_video(c)) {
		return 0;
	}
	if (e == 0) {
		(void)apply(c);
	}
	if (e == 0 && c->native) {
		memcpy(c->photometric, c->shape.photometric, sizeof(c->photometric));
		return 0;
	}
	return e ? e : clean_coding_encode(c, &bytes, c->photometric);
}

/* ---- Writing ---- */

static int put_item(struct clean *c, uint32_t tag, uint32_t len)
{
	const uint8_t head[8] = {0xFE, 0xFF, (uint8_t)tag, (uint8_t)(tag >> 8), (uint8_t)len,
		(uint8_t)(len >> 8), (uint8_t)(len >> 16), (uint8_t)(len >> 24)};
	return clean_put(c, span_of(head, sizeof(head)));
}

/* The head of the pixel data, and its offset table, which is filled in later. */
static int put_head(struct clean *c)
{
	static const uint8_t head[12] = {0xE0, 0x7F, 0x10, 0, 'O', 'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF};
	bool table = c->offsets_at == 0 && (c->s->has_table || c->frames > 1);
	uint32_t n = table ? c->frames : 0;
	int e = clean_put(c, span_of(head, sizeof(head)));
	e = e ? e : put_item(c, 0xFFFEE000, 4 * n);
	c->table_at = n ? c->written : 0;
	for (uint32_t i = 0; i < n && e == 0; i++) {
		e = clean_put(c, span_of("\0\0\0", 4));
	}
	return e;
}

/* The next frame, decoded and made black: of the kind that the first one was. */
static int load_blanked(
	struct clean *c, const struct pixels_input *in, size_t i, size_t *ret_n, bool *ret_changed)
{
	if (!c->regions) {
		return load_trimmed(c, in, i, ret_n, ret_changed);
	}
	char photometric[17] = "RGB";
	int e = clean_coding_is_video(c) ? clean_video_next(c) : load(c, in, i, ret_n, photometric);
	if (e == 0 && strcmp(photometric, c->shape.photometric) != 0) {
		e = clean_refuse(c, ERR_VALUE, "its frames are of several kinds");
	}
	if (e == 0) {
		*ret_changed = apply(c);
	}
	return e;
}

static int put_frame(struct clean *c, const struct pixels_input *in, size_t i)
{
	char photometric[17];
	struct span bytes;
	size_t n = 0;
	bool changed = false;
	int e = load_blanked(c, in, i, &n, &changed);
	if (e < 0) {
		return e;
	}
	/* What was not touched stays as it came, if its colours are called the same. */
	if (!changed && strcmp(c->syntax->uid, c->target) == 0 &&
		strcmp(c->s->shape.photometric, c->photometric) == 0) {
		bytes = span_of(c->coded, n);
	} else {
		e = clean_coding_encode(c, &bytes, photometric);
		if (e == 0 && strcmp(photometric, c->photometric) != 0) {
			e = clean_refuse(c, ERR_VALUE, "its frames are of several kinds");
		}
	}
	if (e < 0 || bytes.len > UINT32_MAX - 2) {
		return e < 0 ? e : ERR_LIMIT;
	}
	e = put_item(c, 0xFFFEE000, (uint32_t)(bytes.len + bytes.len % 2));
	c->lengths[i] = bytes.len + bytes.len % 2;
	e = e ? e : clean_put(c, bytes);
	return e == 0 && bytes.len % 2 ? clean_put(c, span_of("", 1)) : e;
}

static int patch(struct clean *c, uint64_t at, const uint64_t *values, unsigned width)
{
	for (size_t i = 0; at > 0 && i < c->frames; i++) {
		uint8_t bytes[8];
		for (unsigned k = 0; k < 8; k++) {
			bytes[k] = (uint8_t)(values[i] >> 8 * k);
		}
		if (width == 4 && values[i] > UINT32_MAX) {
			return clean_refuse(
				c, ERR_LIMIT, "its frames are more than their offset table can tell of");
		}
		int e = c->out->patch(c->out->arg, at + i * width, span_of(bytes, width));
		if (e < 0) {
			return e;
		}
	}
	return 0;
}

/* Of one bit a pixel: the next frame begins where this one ends, within a byte (PS3.5 8.1.1). */
static int put_bits(struct clean *c)
{
	unsigned last = (unsigned)(((uint64_t)c->shape.rows * c->shape.columns - 1) % 8 + 1);
	size_t n = 0;
	for (size_t i = 0; i < c->frame_len; i++) {
		uint8_t b = c->frame[i];
		unsigned had = c->n_bits;
		c->bits |= (uint8_t)(b << had);
		c->n_bits += i + 1 < c->frame_len ? 8 : last;
		if (c->n_bits >= 8) {
			c->frame[n++] = c->bits;
			c->bits = (uint8_t)(b >> (8 - had));
			c->n_bits -= 8;
		}
	}
	return clean_put(c, span_of(c->frame, n));
}

static int put_decoded(struct clean *c)
{
	return c->shape.allocated == 1 ? put_bits(c) : clean_put(c, span_of(c->frame, c->frame_len));
}

/* Bytes of all frames. */
static uint64_t native_length(const struct clean *c)
{
	uint64_t pixels = (uint64_t)c->shape.rows * c->shape.columns, frames = c->frames;
	return c->shape.allocated == 1 ? (pixels * frames + 7) / 8 : c->frame_len * frames;
}

/* PS3.5 A.2: samples of more than 8 bits are OW. */
static int write_native(struct clean *c, const struct pixels_input *in)
{
	uint64_t all = native_length(c), len = all + all % 2;
	uint8_t head[12] = {0xE0, 0x7F, 0x10, 0, 'O', c->shape.allocated > 8 ? 'W' : 'B'};
	if (len >= UINT32_MAX) {
		return clean_refuse(c, ERR_LIMIT, "decoded its pixels are longer than an element can be");
	}
	for (unsigned i = 0; i < 4; i++) {
		head[8 + i] = (uint8_t)(len >> 8 * i);
	}
	int e = clean_put(c, span_of(head, sizeof(head)));
	for (size_t i = 0; i < c->frames && e == 0; i++) {
		size_t n;
		bool changed;
		e = load_blanked(c, in, i, &n, &changed);
		e = e ? e : put_decoded(c);
	}
	e = e == 0 && c->n_bits > 0 ? clean_put(c, span_of(&c->bits, 1)) : e;
	return e == 0 && all % 2 ? clean_put(c, span_of("", 1)) : e;
}

int clean_frames_write(struct clean *c, const struct pixels_input *in)
{
	if (c->native) {
		return write_native(c, in);
	}
	int e = put_head(c);
	uint64_t from = c->written;
	for (size_t i = 0; i < c->frames && e == 0; i++) {
		c->offsets[i] = c->written - from;
		e = put_frame(c, in, i);
	}
	e = e ? e : put_item(c, 0xFFFEE0DD, 0);
	e = e ? e : patch(c, c->table_at, c->offsets, 4);
	e = e ? e : patch(c, c->offsets_at, c->offsets, 8);
	return e ? e : patch(c, c->lengths_at, c->lengths, 8);
}

void clean_frames_done(struct clean *c)
{
	clean_video_done(c);
	free(c->first);
	free(c->offsets);
	free(c->lengths);
	free(c->frame);
	free(c->again);
	free(c->coded);
	free(c->wide);
}
