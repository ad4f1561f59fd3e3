/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean_parts.h"

#include "base/attr.h"
#include "dicom/encoding.h"
#include "pixels/coded.h"
#include "pixels/deflated.h"
#include "pixels/rle.h"

/* ---- What decodes and encodes which ---- */

/* RLE, what is deflated, and frames as they are, are our own. */
static enum codec_kind kind_of(enum coding coding)
{
	static const enum codec_kind kinds[] = {[CODING_JPEG] = CODEC_JPEG,
		[CODING_JPEG_LOSSLESS_14] = CODEC_JPEG_LOSSLESS_14,
		[CODING_JPEG_LOSSLESS] = CODEC_JPEG_LOSSLESS,
		[CODING_JPEG_LS] = CODEC_JPEG_LS,
		[CODING_JPEG_2000] = CODEC_JPEG_2000,
		[CODING_JPEG_XL] = CODEC_JPEG_XL,
		[CODING_RLE] = CODEC_JPEG, /* never asked for, nor the next */
		[CODING_DEFLATED] = CODEC_JPEG,
		[CODING_PLAIN] = CODEC_JPEG,
		[CODING_MPEG2] = CODEC_JPEG,
		[CODING_H264] = CODEC_JPEG,
		[CODING_HEVC] = CODEC_JPEG};
	static_assert(ARRAY_LEN(kinds) == CODING_N, "one for each");
	return kinds[coding];
}

static bool is_of(const struct clean *c, enum coding coding)
{
	return c->syntax->coding == coding;
}

bool clean_coding_is_ours(const struct clean *c)
{
	return encoding_is_ours(c->syntax->coding);
}

bool clean_coding_is_native(const struct clean *c)
{
	return encoding_is_unpacked(c->syntax->coding);
}

bool clean_coding_is_video(const struct clean *c)
{
	return encoding_is_video(c->syntax->coding);
}

bool clean_coding_is_single(const struct clean *c)
{
	return clean_coding_is_native(c) || is_of(c, CODING_JPEG_XL);
}

const char *clean_coding_unknown(const struct clean *c)
{
	if (c->decodes && c->syntax && clean_coding_is_video(c)) {
		return "it is a video, which is not converted";
	}
	const char *why = c->syntax ? NULL : encoding_why_not(span_str(c->s->syntax));
	if (why) {
		return why;
	}
	return c->decodes ? "its pixels are encoded in a way that is not decoded here"
	                  : "its pixels are encoded in a way that cannot be cleaned here";
}

/* JPEG XL gives red, green and blue of all that it may be called (PS3.5 8.2.15). */
static bool is_colour_of_xl(const char *photometric)
{
	return strcmp(photometric, "XYB") == 0 || strcmp(photometric, "YBR_RCT") == 0 ||
	       strcmp(photometric, "YBR_FULL_422") == 0 || strcmp(photometric, "RGB") == 0;
}

/* PS3.5 8.2.15 */
static const char *why_not_xl(const struct pixels_shape *s)
{
	bool colour = s->samples == 3;
	return (colour && !is_colour_of_xl(s->photometric)) || (colour && s->is_signed)
	               ? "JPEG XL has no pixels of this kind (PS3.5 8.2.15)"
	               : NULL;
}

/* Of one bit each (PS3.5 8.2.1, 8.2.3). */
static const char *why_not_bits(const struct clean *c)
{
	const struct pixels_shape *s = &c->s->shape;
	if (s->samples != 1) {
		return clean_coding_unknown(c);
	}
	switch (c->syntax->coding) {
	case CODING_JPEG_2000:
	case CODING_JPEG_XL:
		return s->is_signed ? clean_coding_unknown(c) : NULL;
	case CODING_JPEG_LS:
		return "JPEG-LS has no pixels of one bit (PS3.5 8.2.3)";
	case CODING_RLE:
	case CODING_DEFLATED:
	case CODING_PLAIN:
		return NULL;
	default:
		return "JPEG has no pixels of one bit (PS3.5 8.2.1)";
	}
}

/* All that decoders of videos give here (PS3.5 8.2.5 to 8.2.11). */
static const char *why_not_video(const struct clean *c)
{
	const struct pixels_shape *s = &c->s->shape;
	bool of_8 = s->allocated == 8 && s->stored == 8 && s->high_bit == 7;
	bool of_10 = s->allocated == 16 && s->stored == 10 && s->high_bit == 9;
	bool known = !c->decodes && s->samples == 3 && !s->is_signed && (of_8 || of_10);
	return known ? NULL : clean_coding_unknown(c);
}

const char *clean_coding_why_not(const struct clean *c)
{
	const struct pixels_shape *s = &c->s->shape;
	if (clean_coding_is_video(c)) {
		return why_not_video(c);
	}
	bool whole = s->allocated == 8 || s->allocated == 16 ||
	             (clean_coding_is_ours(c) && s->allocated == 32) ||
	             (is_of(c, CODING_JPEG_XL) && s->allocated == 24) ||
	             (is_of(c, CODING_JPEG_2000) && (s->samples == 1 || !s->is_signed) &&
			     (s->allocated == 24 || s->allocated == 32));
	const char *why = is_of(c, CODING_JPEG_XL) ? why_not_xl(s) : NULL;
	if (why) {
		return why;
	}
	if (s->allocated == 1) {
		return why_not_bits(c);
	}
	return whole && (s->samples == 1 || s->samples == 3) ? NULL : clean_coding_unknown(c);
}

/* What is deflated, or as it is, is as native pixels are: two may share their colour (PS3.3 C.7.6.3.1.2). */
uint64_t clean_coding_frame(const struct clean *c)
{
	const struct pixels_shape *s = &c->s->shape;
	bool shared = clean_coding_is_native(c) && strcmp(s->photometric, "YBR_FULL_422") == 0;
	uint64_t samples = (uint64_t)s->rows * s->columns * (shared ? 2 : s->samples);
	return s->allocated == 1 ? (samples + 7) / 8 : samples * (s->allocated / 8);
}

/* Of one bit each the bytes of a frame are what is run-length encoded; where rows do not begin with a byte there are none (PS3.5 G.3.1). */
static struct rle_shape rle_of(const struct clean *c)
{
	size_t columns = c->shape.columns, pixels = c->shape.rows * columns;
	if (c->shape.allocated > 1) {
		return (struct rle_shape){pixels, columns, c->shape.samples, c->shape.allocated / 8, false};
	}
	return (struct rle_shape){c->frame_len, columns % 8 == 0 ? columns / 8 : c->frame_len, 1, 1, true};
}

size_t clean_coding_most(const struct clean *c)
{
	const struct rle_shape shape = rle_of(c);
	switch (c->syntax->coding) {
	case CODING_RLE:
		return rle_most(&shape);
	case CODING_DEFLATED:
		return deflated_most(c->frame_len);
	case CODING_PLAIN:
		return c->frame_len;
	default:
		return 0;
	}
}

/* ---- One bit each: codecs of others have a byte for each ---- */

static void pack(const uint8_t *wide, size_t pixels, uint8_t *to)
{
	memset(to, 0, (pixels + 7) / 8);
	for (size_t i = 0; i < pixels; i++) {
		to[i / 8] |= (uint8_t)((wide[i] & 1) << i % 8);
	}
}

static void unpack(const uint8_t *bits, size_t pixels, uint8_t *to_wide)
{
	for (size_t i = 0; i < pixels; i++) {
		to_wide[i] = bits[i / 8] >> i % 8 & 1;
	}
}

static size_t pixels_of(const struct clean *c)
{
	return (size_t)c->shape.rows * c->shape.columns;
}

size_t clean_coding_wide(const struct clean *c)
{
	return c->shape.allocated == 1 && !clean_coding_is_ours(c) ? pixels_of(c) : 0;
}

/* ---- One frame ---- */

static struct codec_frame codec_of(const struct clean *c, const char *photometric)
{
	struct codec_frame f = {.rows = c->shape.rows,
		.columns = c->shape.columns,
		.samples = c->shape.samples,
		.allocated = c->shape.allocated == 1 ? 8 : c->shape.allocated,
		.stored = c->shape.stored,
		.is_signed = c->shape.is_signed};
	memcpy(f.photometric, photometric, sizeof(f.photometric));
	return f;
}

/* JPEG 2000's own transforms (PS3.5 8.2.4) are undone by decoding, and shared colour is given to both (8.2.1). */
static void name_decoded(const struct clean *c, struct codec_frame *f)
{
	bool its_own = is_of(c, CODING_JPEG_2000) &&
	               (strcmp(f->photometric, "YBR_ICT") == 0 || strcmp(f->photometric, "YBR_RCT") == 0);
	if (its_own || (is_of(c, CODING_JPEG_XL) && is_colour_of_xl(f->photometric))) {
		memcpy(f->photometric, "RGB", 4);
	} else if (strcmp(f->photometric, "YBR_FULL_422") == 0) {
		f->photometric[8] = '\0';
	}
}

/* A frame as it is, and a byte of padding (PS3.5 A.4.11). */
static int copy_frame(const struct clean *c, struct span in, uint8_t *to)
{
	bool padded = in.len == c->frame_len + c->frame_len % 2;
	if (in.len != c->frame_len && !padded) {
		return ERR_LENGTH;
	}
	memcpy(to, in.ptr, c->frame_len);
	return 0;
}

static int decode_ours(const struct clean *c, struct span in, uint8_t *to)
{
	const struct rle_shape shape = rle_of(c);
	return is_of(c, CODING_RLE)        ? rle_decode(&shape, in, to)
	       : is_of(c, CODING_DEFLATED) ? deflated_decode(in, to, c->frame_len)
	                                   : copy_frame(c, in, to);
}

/* stored: bits of a sample; GDCM clears the others. */
static int decode(const struct clean *c, enum codec_kind kind, uint32_t stored, const char *photometric,
	struct span in, uint8_t *to, char ret_photometric[17])
{
	if (clean_coding_is_ours(c)) {
		memcpy(ret_photometric, photometric, 17);
		return decode_ours(c, in, to);
	}
	struct codec_frame f = codec_of(c, photometric);
	size_t wide = clean_coding_wide(c);
	f.stored = stored;
	if (c->codecs.codec->decode(
		    kind, &f, in.ptr, in.len, wide ? c->wide : to, wide ? wide : c->frame_len) < 0) {
		return ERR_VALUE;
	}
	if (wide) {
		pack(c->wide, wide, to);
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
	if (is_of(c, CODING_RLE)) {
		n = rle_encode(&shape, c->frame, c->coded);
	} else if (is_of(c, CODING_DEFLATED)) {
		e = deflated_encode(span_of(c->frame, c->frame_len), c->coded, &n);
	} else {
		n = c->frame_len;
		memcpy(c->coded, c->frame, n);
	}
	*ret_bytes = span_of(c->coded, n);
	return e;
}

static int encode(struct clean *c, struct span *ret_bytes, char ret_photometric[17])
{
	if (clean_coding_is_ours(c)) {
		memcpy(ret_photometric, c->shape.photometric, 17);
		return encode_ours(c, ret_bytes);
	}
	struct codec_frame f = codec_of(c, c->shape.photometric);
	const uint8_t *bytes;
	size_t n, wide = clean_coding_wide(c);
	if (wide) {
		unpack(c->frame, wide, c->wide);
	}
	if (c->codecs.codec->encode(kind_of(c->syntax->lossless_coding), &f, wide ? c->wide : c->frame,
		    wide ? wide : c->frame_len, &bytes, &n) < 0) {
		return ERR_UNSUPPORTED;
	}
	memcpy(ret_photometric, f.photometric, 17);
	*ret_bytes = span_of(bytes, n);
	return 0;
}

int clean_coding_encode(struct clean *c, struct span *ret_bytes, char ret_photometric[17])
{
	char again[17];
	int e = encode(c, ret_bytes, ret_photometric);
	if (e < 0) {
		return clean_refuse(c, e, "its pixels could not be encoded again");
	}
	e = decode(c, kind_of(c->syntax->lossless_coding), c->shape.stored, ret_photometric, *ret_bytes,
		c->again, again);
	if (e < 0 || memcmp(c->frame, c->again, c->frame_len) != 0) {
		return clean_refuse(c, ERR_UNSUPPORTED, "its pixels could not be encoded again without loss");
	}
	return 0;
}

/* No decoder is asked for another frame than the one that it is given. */
static bool is_as_said(struct clean *c, struct span in)
{
	const struct pixels_shape *s = &c->s->shape;
	struct coded_shape is = {.bits = s->allocated};
	bool good = clean_coding_is_ours(c) ||
	            is_of(c, CODING_JPEG_XL) || /* whose decoder looks for itself */
	            (coded_read(kind_of(c->syntax->coding), in, &is) == 0 && is.rows == s->rows &&
			    is.columns == s->columns && is.samples == s->samples && is.bits <= s->allocated);
	c->coded_bits = is.bits;
	c->trims = good && (is.bits > s->stored || s->allocated == 1); /* its last byte has other bits */
	return good;
}

bool clean_coding_may_trim(struct clean *c, struct span in)
{
	return is_as_said(c, in) && c->trims;
}

int clean_coding_decode(struct clean *c, struct span in, char ret_photometric[17])
{
	if (!is_as_said(c, in)) {
		return clean_refuse(c, ERR_VALUE,
			"its pixels could not be decoded: a frame is not what it says that it is");
	}
	uint32_t stored = c->s->shape.stored;
	if (c->trims && !c->decodes && !is_of(c, CODING_JPEG_XL) && c->s->shape.allocated > 1) {
		stored = c->coded_bits; /* to be seen */
	}
	int e = decode(c, kind_of(c->syntax->coding), stored, c->s->shape.photometric, in, c->frame,
		ret_photometric);
	return e < 0 ? clean_refuse(c, e, "its pixels could not be decoded") : 0;
}
