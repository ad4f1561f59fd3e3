/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean_parts.h"

#include "base/attr.h"
#include "dicom/encoding.h"
#include "pixels/coded.h"
#include "pixels/deflated.h"
#include "pixels/rle.h"

#include <stdlib.h>

/* What decodes and encodes them; RLE and what is deflated are our own. */
static enum codec_kind kind_of(enum coding coding)
{
	static const enum codec_kind kinds[] = {[CODING_JPEG] = CODEC_JPEG,
		[CODING_JPEG_LOSSLESS_14] = CODEC_JPEG_LOSSLESS_14,
		[CODING_JPEG_LOSSLESS] = CODEC_JPEG_LOSSLESS,
		[CODING_JPEG_LS] = CODEC_JPEG_LS,
		[CODING_JPEG_2000] = CODEC_JPEG_2000,
		[CODING_JPEG_XL] = CODEC_JPEG_XL,
		[CODING_RLE] = CODEC_JPEG, /* never asked for, nor the next */
		[CODING_DEFLATED] = CODEC_JPEG};
	static_assert(ARRAY_LEN(kinds) == CODING_N, "one for each");
	return kinds[coding];
}

static bool is_rle(const struct clean *c)
{
	return c->syntax->coding == CODING_RLE;
}

static bool is_deflated(const struct clean *c)
{
	return c->syntax->coding == CODING_DEFLATED;
}

static bool is_xl(const struct clean *c)
{
	return c->syntax->coding == CODING_JPEG_XL;
}

static bool is_ours(const struct clean *c)
{
	return is_rle(c) || is_deflated(c);
}

static int refuse(struct clean *c, int err, const char *why)
{
	c->why = why;
	return err;
}

/* ---- Which fragments are a frame ---- */

/*
 * May a frame have several fragments? Its stream's first marker says where it begins. What is deflated has no marker, and neither it nor JPEG XL has
 * several for a frame (PS3.5 A.4.12, A.4.13).
 */
static bool has_markers(const struct clean *c)
{
	return c->s->shape.frames > 1 && !is_deflated(c) && !is_xl(c);
}

/* PS3.5 A.4. Offset tables are not believed. */
static int find_frames(struct clean *c)
{
	const struct survey *s = c->s;
	size_t frames = s->shape.frames, n = 0;
	if (frames > s->n_fragments) {
		return refuse(c, ERR_VALUE, "it has fewer fragments of pixel data than frames");
	}
	c->first = calloc(frames + 1, sizeof(*c->first));
	c->offsets = calloc(frames, sizeof(*c->offsets));
	c->lengths = calloc(frames, sizeof(*c->lengths));
	if (!c->first || !c->offsets || !c->lengths) {
		return ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < s->n_fragments; i++) {
		bool begins =
			i == 0 || s->n_fragments == frames || (has_markers(c) && s->fragments[i].begins);
		if (begins && n == frames) {
			return refuse(c, ERR_VALUE, "it has more frames of pixel data than it says");
		}
		if (begins) {
			c->first[n++] = i;
		}
	}
	c->first[frames] = s->n_fragments;
	return n == frames ? 0
	                   : refuse(c, ERR_VALUE, "it is not known which of its fragments are which frame");
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

static struct rle_shape rle_of(const struct clean *c)
{
	return (struct rle_shape){.pixels = (size_t)c->shape.rows * c->shape.columns,
		.columns = c->shape.columns,
		.samples = c->shape.samples,
		.bytes = c->shape.allocated / 8};
}

static struct codec_frame codec_of(const struct clean *c, const char *photometric)
{
	struct codec_frame f = {.rows = c->shape.rows,
		.columns = c->shape.columns,
		.samples = c->shape.samples,
		.allocated = c->shape.allocated,
		.stored = c->shape.stored,
		.is_signed = c->shape.is_signed};
	memcpy(f.photometric, photometric, sizeof(f.photometric));
	return f;
}

/* JPEG XL gives red, green and blue of all that it may be called (PS3.5 8.2.15). */
static bool is_colour_of_xl(const char *photometric)
{
	return strcmp(photometric, "XYB") == 0 || strcmp(photometric, "YBR_RCT") == 0 ||
	       strcmp(photometric, "YBR_FULL_422") == 0 || strcmp(photometric, "RGB") == 0;
}

/* JPEG 2000's own transforms (PS3.5 8.2.4) are undone by decoding, and shared colour is given to both (8.2.1). */
static void name_decoded(const struct clean *c, struct codec_frame *f)
{
	bool its_own = c->syntax->coding == CODING_JPEG_2000 &&
	               (strcmp(f->photometric, "YBR_ICT") == 0 || strcmp(f->photometric, "YBR_RCT") == 0);
	if (its_own || (is_xl(c) && is_colour_of_xl(f->photometric))) {
		memcpy(f->photometric, "RGB", 4);
	} else if (strcmp(f->photometric, "YBR_FULL_422") == 0) {
		f->photometric[8] = '\0';
	}
}

static int decode_ours(const struct clean *c, struct span in, uint8_t *to)
{
	const struct rle_shape shape = rle_of(c);
	return is_rle(c) ? rle_decode(&shape, in, to) : deflated_decode(in, to, c->frame_len);
}

static int decode(const struct clean *c, enum codec_kind kind, const char *photometric, struct span in,
	uint8_t *to, char ret_photometric[17])
{
	if (is_ours(c)) {
		memcpy(ret_photometric, photometric, 17);
		return decode_ours(c, in, to);
	}
	struct codec_frame f = codec_of(c, photometric);
	if (c->codec->decode(kind, &f, in.ptr, in.len, to, c->frame_len) < 0) {
		return ERR_VALUE;
	}
	name_decoded(c, &f);
	memcpy(ret_photometric, f.photometric, 17);
	return 0;
}

static int encode_ours(struct clean *c, struct span *ret_bytes)
{
	const struct rle_shape shape = rle_of(c);
	size_t n = 0;
	int e = 0;
	if (is_rle(c)) {
		n = rle_encode(&shape, c->frame, c->coded);
	} else {
		e = deflated_encode(span_of(c->frame, c->frame_len), c->coded, &n);
	}
	*ret_bytes = span_of(c->coded, n);
	return e;
}

static int encode(struct clean *c, struct span *ret_bytes, char ret_photometric[17])
{
	if (is_ours(c)) {
		memcpy(ret_photometric, c->shape.photometric, 17);
		return encode_ours(c, ret_bytes);
	}
	struct codec_frame f = codec_of(c, c->shape.photometric);
	const uint8_t *bytes;
	size_t n;
	if (c->codec->encode(kind_of(c->syntax->lossless_coding), &f, c->frame, c->frame_len, &bytes, &n) <
		0) {
		return ERR_UNSUPPORTED;
	}
	memcpy(ret_photometric, f.photometric, 17);
	*ret_bytes = span_of(bytes, n);
	return 0;
}

/* Encoded, and shown to be without loss. */
static int encode_checked(struct clean *c, struct span *ret_bytes, char ret_photometric[17])
{
	char again[17];
	int e = encode(c, ret_bytes, ret_photometric);
	if (e < 0) {
		return refuse(c, e, "its pixels could not be encoded again");
	}
	e = decode(c, kind_of(c->syntax->lossless_coding), ret_photometric, *ret_bytes, c->again, again);
	if (e < 0 || memcmp(c->frame, c->again, c->frame_len) != 0) {
		return refuse(c, ERR_UNSUPPORTED, "its pixels could not be encoded again without loss");
	}
	return 0;
}

/* No decoder is asked for another frame than the one that it is given. */
static bool is_as_said(struct clean *c, struct span in)
{
	const struct pixels_shape *s = &c->s->shape;
	struct coded_shape is = {.bits = s->allocated};
	bool good = is_ours(c) || is_xl(c) || /* whose decoder looks for itself */
	            (coded_read(kind_of(c->syntax->coding), in, &is) == 0 && is.rows == s->rows &&
			    is.columns == s->columns && is.samples == s->samples && is.bits <= s->allocated);
	c->trims = good && (is.bits > s->stored || s->allocated == 1); /* its last byte has other bits */
	return good;
}

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

/* The frame, decoded. */
static int load(
	struct clean *c, const struct pixels_input *in, size_t frame, size_t *ret_n, char photometric[17])
{
	int e = read_frame(c, in, frame, ret_n);
	if (e < 0) {
		return e;
	}
	if (!is_as_said(c, span_of(c->coded, *ret_n))) {
		return refuse(c, ERR_VALUE,
			"its pixels could not be decoded: a frame is not what it says that it is");
	}
	e = decode(c, kind_of(c->syntax->coding), c->s->shape.photometric, span_of(c->coded, *ret_n),
		c->frame, photometric);
	return e < 0 ? refuse(c, e, "its pixels could not be decoded") : 0;
}

/* ---- Before they are written ---- */

/* Bytes of one, decoded. What is deflated is as native pixels are: two may share their colour (PS3.3 C.7.6.3.1.2). */
static uint64_t frame_of(const struct clean *c)
{
	const struct pixels_shape *s = &c->s->shape;
	bool shared = is_deflated(c) && strcmp(s->photometric, "YBR_FULL_422") == 0;
	uint64_t samples = (uint64_t)s->rows * s->columns * (shared ? 2 : s->samples);
	return s->allocated == 1 ? (samples + 7) / 8 : samples * (s->allocated / 8);
}

/* Can pixels of such kinds have been encoded so, and be again? */
static bool is_kind_of_coding(const struct clean *c)
{
	const struct pixels_shape *s = &c->s->shape;
	bool whole = s->allocated == 8 || s->allocated == 16 || (is_ours(c) && s->allocated == 32);
	bool bits = is_deflated(c) && s->allocated == 1;
	/* Of signed samples nobody says how libjxl is to have them. */
	bool xl = !is_xl(c) || (!s->is_signed && (s->samples == 1 || is_colour_of_xl(s->photometric)));
	return (whole || bits) && xl && (s->samples == 1 || s->samples == 3);
}

static const char *not_here(const struct clean *c)
{
	return c->decodes ? "its pixels are encoded in a way that is not decoded here"
	                  : "its pixels are encoded in a way that cannot be cleaned here";
}

static int check(struct clean *c)
{
	const struct pixels_shape *s = &c->s->shape;
	c->syntax = encoding_coded(span_str(c->s->syntax));
	c->target = c->native ? SYNTAX_EXPLICIT_LE : c->syntax ? c->syntax->lossless : NULL;
	if (!c->syntax || !c->target || c->s->encoding != ENCODING_EXPLICIT_LE) {
		return refuse(c, ERR_UNSUPPORTED, not_here(c));
	}
	if (!is_ours(c) && !c->codec) {
		return refuse(c, ERR_UNSUPPORTED, "the module that decodes its pixels is not there");
	}
	if (!is_kind_of_coding(c)) {
		return refuse(c, ERR_UNSUPPORTED, not_here(c));
	}
	uint64_t n = frame_of(c);
	if (s->rows > 65535 || s->columns > 65535 || n == 0 || n > CLEAN_FRAME) {
		return refuse(c, ERR_LIMIT, "a frame of it is larger than is held in memory");
	}
	c->frame_len = (size_t)n;
	c->shape = *s;
	c->shape.planar = is_deflated(c) ? s->planar : 0;
	return find_frames(c);
}

static int allocate(struct clean *c)
{
	uint64_t most = 0;
	for (size_t i = 0; i < c->s->shape.frames; i++) {
		uint64_t n = size_of(c, i);
		most = n > most ? n : most;
	}
	if (most > 2 * (uint64_t)CLEAN_FRAME) {
		return refuse(c, ERR_LIMIT, "a frame of it is larger than is held in memory");
	}
	if (is_ours(c)) {
		const struct rle_shape shape = rle_of(c);
		size_t n = is_rle(c) ? rle_most(&shape) : deflated_most(c->frame_len);
		most = n > most ? n : most;
	}
	c->coded = malloc((size_t)most + 1);
	c->frame = calloc(1, c->frame_len);
	c->again = calloc(1, c->frame_len);
	return c->coded && c->frame && c->again ? 0 : ERR_NO_MEMORY;
}

int clean_frames_begin(struct clean *c, const struct pixels_input *in)
{
	struct span bytes;
	size_t n;
	struct pixels_shape one;
	int e = check(c);
	e = e ? e : allocate(c);
	e = e ? e : load(c, in, 0, &n, c->shape.photometric);
	/* Samples are little endian bytes here, whatever VR their encapsulation has. */
	one = c->shape;
	one.frames = 1;
	e = e ? e : blank_begin(&c->blanker, &one, c->regions, false, false, &c->why);
	if (e == 0 && c->blanker.frame != c->frame_len) {
		e = refuse(c, ERR_VALUE, "what it says of its pixels contradicts itself");
	}
	if (e == 0) {
		(void)apply(c);
	}
	if (e == 0 && c->native) {
		memcpy(c->photometric, c->shape.photometric, sizeof(c->photometric));
		return 0;
	}
	return e ? e : encode_checked(c, &bytes, c->photometric);
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
	bool table = c->offsets_at == 0 && (c->s->has_table || c->s->shape.frames > 1);
	uint32_t n = table ? c->s->shape.frames : 0;
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
	char photometric[17];
	int e = load(c, in, i, ret_n, photometric);
	if (e == 0 && strcmp(photometric, c->shape.photometric) != 0) {
		e = refuse(c, ERR_VALUE, "its frames are of several kinds");
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
	size_t n;
	bool changed;
	int e = load_blanked(c, in, i, &n, &changed);
	if (e < 0) {
		return e;
	}
	/* What was not touched stays as it came, if its colours are called the same. */
	if (!changed && strcmp(c->syntax->uid, c->target) == 0 &&
		strcmp(c->s->shape.photometric, c->photometric) == 0) {
		bytes = span_of(c->coded, n);
	} else {
		e = encode_checked(c, &bytes, photometric);
		if (e == 0 && strcmp(photometric, c->photometric) != 0) {
			e = refuse(c, ERR_VALUE, "its frames are of several kinds");
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
	for (size_t i = 0; at > 0 && i < c->s->shape.frames; i++) {
		uint8_t bytes[8];
		for (unsigned k = 0; k < 8; k++) {
			bytes[k] = (uint8_t)(values[i] >> 8 * k);
		}
		if (width == 4 && values[i] > UINT32_MAX) {
			return refuse(
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
	uint64_t pixels = (uint64_t)c->shape.rows * c->shape.columns, frames = c->s->shape.frames;
	return c->shape.allocated == 1 ? (pixels * frames + 7) / 8 : c->frame_len * frames;
}

/* PS3.5 A.2: samples of more than 8 bits are OW. */
static int write_native(struct clean *c, const struct pixels_input *in)
{
	uint64_t all = native_length(c), len = all + all % 2;
	uint8_t head[12] = {0xE0, 0x7F, 0x10, 0, 'O', c->shape.allocated > 8 ? 'W' : 'B'};
	if (len >= UINT32_MAX) {
		return refuse(c, ERR_LIMIT, "decoded its pixels are longer than an element can be");
	}
	for (unsigned i = 0; i < 4; i++) {
		head[8 + i] = (uint8_t)(len >> 8 * i);
	}
	int e = clean_put(c, span_of(head, sizeof(head)));
	for (size_t i = 0; i < c->s->shape.frames && e == 0; i++) {
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
	for (size_t i = 0; i < c->s->shape.frames && e == 0; i++) {
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
	free(c->first);
	free(c->offsets);
	free(c->lengths);
	free(c->frame);
	free(c->again);
	free(c->coded);
}
