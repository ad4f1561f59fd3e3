/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean_parts.h"

#include "dicom/file.h"

#include <stdlib.h>

/* ---- From place to place ---- */

static int pass(struct clean *c, uint64_t to, bool keep)
{
	while (c->source.at < to) {
		struct span bytes;
		int e = clean_source_next(&c->source, to - c->source.at, &bytes);
		if (e < 0) {
			return e;
		}
		if (bytes.len == 0) {
			return to == SURVEY_END ? 0 : ERR_TRUNCATED;
		}
		e = keep ? clean_put(c, bytes) : 0;
		if (e < 0) {
			return e;
		}
	}
	return 0;
}

static int put_text(struct clean *c, uint32_t tag, const char *vr, const char *text)
{
	char value[72] = {0};
	size_t n = strlen(text);
	if (n >= sizeof(value) - 1) {
		return ERR_VALUE;
	}
	memcpy(value, text, n + 1);
	if (vr[0] != 'U') {
		value[n] = ' ';
	}
	return clean_put_element(c, tag >> 16 == 2 ? ENCODING_EXPLICIT_LE : c->s->encoding, tag, vr,
		span_of(value, n + n % 2));
}

/* ---- What is written in the place of what ---- */

static size_t padded(size_t n)
{
	return n + n % 2;
}

static int put_meta_length(struct clean *c)
{
	uint8_t bytes[4];
	const struct survey_place *p = &c->s->places[PLACE_SYNTAX];
	uint32_t n = c->s->meta_length - (uint32_t)(p->to - p->from) + 8;
	n += (uint32_t)padded(strlen(c->target));
	for (unsigned i = 0; i < 4; i++) {
		bytes[i] = (uint8_t)(n >> 8 * i);
	}
	return clean_put_element(c, ENCODING_EXPLICIT_LE, 0x00020000, "UL", span_of(bytes, 4));
}

/* A table of numbers that are known when all is written (PS3.5 A.4). */
static int put_table(struct clean *c, uint32_t tag, uint64_t *ret_at)
{
	uint8_t *zero = calloc(c->frames, 8);
	if (!zero || c->frames > UINT32_MAX / 16) {
		free(zero);
		return ERR_NO_MEMORY;
	}
	*ret_at = c->written + 12;
	int e = clean_put_element(c, c->s->encoding, tag, "OV", span_of(zero, (size_t)c->frames * 8));
	free(zero);
	return e;
}

static int put_planar(struct clean *c)
{
	const uint8_t planar[2] = {(uint8_t)c->shape.planar, 0};
	return clean_put_element(c, c->s->encoding, 0x00280006, "US", span_of(planar, 2));
}

/* Of native pixels in colour Planar Configuration must be known (PS3.3 C.7.6.3.1.3). */
static int put_photometric(struct clean *c)
{
	const struct survey_place *planar = &c->s->places[PLACE_PLANAR];
	int e = put_text(c, 0x00280004, "CS", c->photometric);
	bool missing = (c->native || c->stream) && c->s->shape.samples > 1 && planar->from == planar->to;
	return e == 0 && missing ? put_planar(c) : e;
}

static bool has_tables(const struct clean *c)
{
	return c->s->encapsulated && !c->native;
}

#define CELL 4 /* bytes of the largest */

static int put_samples(struct clean *c, uint64_t at, uint8_t *bytes, size_t n)
{
	if (c->regions) {
		(void)blank_apply(&c->blanker, at, bytes, n); /* behind the last frame too */
	}
	c->changed = (c->trims && trim_apply(&c->trimmer, at, bytes, n)) || c->changed;
	return clean_put(c, span_of(bytes, n));
}

/* Bytes before `to`, in the source, which gives them once; at least one. */
static int next_bytes(struct clean *c, uint64_t to, size_t most, struct span *ret_bytes)
{
	uint64_t left = to - c->source.at;
	int e = clean_source_next(&c->source, left < most ? left : most, ret_bytes);
	return e == 0 && ret_bytes->len == 0 ? ERR_TRUNCATED : e;
}

/* A cell that lies in two pieces of the source. */
static int put_split(struct clean *c, uint64_t from, uint64_t to, struct span first)
{
	uint8_t cell[CELL];
	size_t n = first.len;
	uint64_t at = c->source.at - n - from;
	memcpy(cell, first.ptr, n);
	while (n < CELL && c->source.at < to) {
		struct span more;
		int e = next_bytes(c, to, CELL - n, &more);
		if (e < 0) {
			return e;
		}
		memcpy(cell + n, more.ptr, more.len);
		n += more.len;
	}
	return put_samples(c, at, cell, n);
}

static int put_native(struct clean *c)
{
	uint64_t from = c->s->value, to = from + c->s->length;
	int e = pass(c, from, true);
	while (e == 0 && c->source.at < to) {
		struct span bytes;
		uint64_t at = c->source.at - from;
		e = next_bytes(c, to, SIZE_MAX, &bytes);
		if (e == 0) {
			size_t n = bytes.len - bytes.len % CELL;
			e = put_samples(c, at, (uint8_t *)bytes.ptr, n);
			bytes = span_of(bytes.ptr + n, bytes.len - n);
		}
		e = e == 0 && bytes.len > 0 ? put_split(c, from, to, bytes) : e;
	}
	return e;
}

static int put_place(struct clean *c, enum pixels_place place, const struct pixels_input *in)
{
	switch (place) {
	case PLACE_META_LENGTH:
		return put_meta_length(c);
	case PLACE_SYNTAX:
		return put_text(c, 0x00020010, "UI", c->target);
	case PLACE_PHOTOMETRIC:
		return put_photometric(c);
	case PLACE_PLANAR:
		/* RLE's segments are by plane whatever this says; JPEG's own are by pixel; what was deflated stays as it lies. */
		return put_planar(c);
	case PLACE_OFFSETS:
		return has_tables(c) ? put_table(c, 0x7FE00001, &c->offsets_at) : 0;
	case PLACE_LENGTHS:
		return has_tables(c) ? put_table(c, 0x7FE00002, &c->lengths_at) : 0;
	case PLACE_PIXELS:
		return c->s->encapsulated ? clean_frames_write(c, in) : put_native(c);
	default:
		return 0; /* left out */
	}
}

/* Only what is said anew goes of these. */
static bool is_of_frames(int place)
{
	return place == PLACE_FRAME_TIME || place == PLACE_FRAMES || place == PLACE_POINTER ||
	       place == PLACE_ASPECT || place == PLACE_LOSSY || place == PLACE_RATIO || place == PLACE_METHOD;
}

/* Of native pixel data these stay; and where no region goes all but itself, and what tells of its length. */
static bool is_kept(const struct clean *c, int place)
{
	if (!c->regions) {
		bool told = place == PLACE_OFFSETS || place == PLACE_LENGTHS || place == PLACE_PIXEL_LENGTH;
		return place != PLACE_PIXELS && !(c->s->encapsulated && told);
	}
	if (c->decodes && (place == PLACE_ICON || place == PLACE_BURNED_IN)) {
		return place == PLACE_BURNED_IN || !c->s->icon_encoded;
	}
	if (is_of_frames(place)) {
		return c->news[place].n == 0;
	}
	return !c->s->encapsulated && (place == PLACE_META_LENGTH || place == PLACE_SYNTAX ||
					      place == PLACE_PHOTOMETRIC || place == PLACE_PLANAR);
}

/* The next place at or after this, or -1. */
static int next_place(const struct clean *c, uint64_t at)
{
	const struct survey *s = c->s;
	int found = -1;
	for (int i = 0; i < PLACES; i++) {
		const struct survey_place *p = &s->places[i];
		if (p->from != p->to && p->from >= at && !is_kept(c, i) &&
			(found < 0 || p->from < s->places[found].from)) {
			found = i;
		}
	}
	return found;
}

/* The next of what is said anew, by where it belongs and its tag, or -1. */
static int next_new(const struct clean *c)
{
	const struct survey_place *p = c->s->places;
	int found = -1;
	for (int i = 0; i < PLACES; i++) {
		if (c->news[i].n > 0 && !c->news[i].written && p[i].belongs != SURVEY_END &&
			(found < 0 || p[i].belongs < p[found].belongs)) {
			found = i;
		}
	}
	return found;
}

static int put_new(struct clean *c, int place)
{
	static const struct {
		uint32_t tag;
		char vr[3];
	} rows[PLACES] = {
		[PLACE_FRAME_TIME] = {0x00181063, "DS"},
		[PLACE_FRAMES] = {0x00280008, "IS"},
		[PLACE_POINTER] = {0x00280009, "AT"},
		[PLACE_ASPECT] = {0x00280034, "IS"},
		[PLACE_BURNED_IN] = {0x00280301, "CS"},
		[PLACE_LOSSY] = {0x00282110, "CS"},
		[PLACE_RATIO] = {0x00282112, "DS"},
		[PLACE_METHOD] = {0x00282114, "CS"},
	};
	c->news[place].written = true;
	return clean_put_element(c, c->s->encoding, rows[place].tag, rows[place].vr,
		span_of(c->news[place].value, c->news[place].n));
}

void clean_say(struct clean *c, enum pixels_place place, const char *text)
{
	size_t n = strlen(text);
	n = n < CLEAN_NEW - 1 ? n : CLEAN_NEW - 1;
	memset(c->news[place].value, ' ', CLEAN_NEW);
	memcpy(c->news[place].value, text, n);
	c->news[place].n = padded(n);
}

/* All before this; what is in the data set deflated, where that is. */
static int reach(struct clean *c, uint64_t at)
{
	int e = 0;
	if (!c->deflating && c->source.deflated && at >= c->s->data) {
		e = pass(c, c->s->data, true);
		e = e ? e : clean_deflate_begin(c);
	}
	return e ? e : pass(c, at, true);
}

/* What else may stand in the preamble (PS3.10 7.1) says where encoded pixels lie. */
static int put_preamble(struct clean *c)
{
	static const uint8_t zeros[FILE_PREAMBLE];
	int e = clean_put(c, span_of(zeros, sizeof(zeros)));
	return e ? e : pass(c, FILE_PREAMBLE, false);
}

static int write_all(struct clean *c, const struct pixels_input *in)
{
	int e = c->decodes ? put_preamble(c) : 0;
	while (e == 0) {
		int place = next_place(c, c->source.at), fresh = next_new(c);
		uint64_t from = place < 0 ? SURVEY_END : c->s->places[place].from;
		if (fresh >= 0 && c->s->places[fresh].belongs <= from) {
			e = reach(c, c->s->places[fresh].belongs);
			e = e ? e : put_new(c, fresh);
		} else if (place >= 0) {
			e = reach(c, from);
			e = e ? e : put_place(c, (enum pixels_place)place, in);
			e = e ? e : pass(c, c->s->places[place].to, false);
		} else {
			e = pass(c, SURVEY_END, true);
			return e == 0 && c->deflating ? clean_deflate_end(c) : e;
		}
	}
	return e;
}

/* ---- All ---- */

static bool begin_trimmer(struct clean *c)
{
	const struct survey *s = c->s;
	bool ow = strcmp(s->vr, "OW") == 0 || s->encoding == ENCODING_IMPLICIT_LE;
	bool native = s->has_pixels && !s->has_other_pixels && !s->encapsulated;
	c->trims = native &&
	           trim_begin(&c->trimmer, &s->shape, s->encoding == ENCODING_EXPLICIT_BE, ow, s->length);
	return c->trims;
}

static int begin_blanker(struct clean *c)
{
	const struct survey *s = c->s;
	bool ow = strcmp(s->vr, "OW") == 0 || s->encoding == ENCODING_IMPLICIT_LE;
	bool known = s->shape.is_float ? strcmp(s->vr, s->shape.stored == 32 ? "OF" : "OD") == 0
	                               : ow || strcmp(s->vr, "OB") == 0;
	if (!known) {
		c->why = "its pixel data has another VR than it can have";
		return ERR_UNSUPPORTED;
	}
	int e = blank_begin(
		&c->blanker, &s->shape, c->regions, s->encoding == ENCODING_EXPLICIT_BE, ow, &c->why);
	if (e == 0 && (!begin_trimmer(c) || c->trimmer.end != blank_length(&c->blanker, s->shape.frames))) {
		c->why = "its pixel data is not as long as it says";
		return ERR_LENGTH;
	}
	return e;
}

static int begin(struct clean *c, const struct pixels_input *in)
{
	const struct survey *s = c->s;
	if (!c->regions && !s->encapsulated) {
		return begin_trimmer(c) ? 0 : ERR_UNSUPPORTED;
	}
	if (!s->has_pixels || s->has_other_pixels) {
		c->why = "it has no pixels, or several sets of them, or such in a form that none can have";
		return ERR_UNSUPPORTED;
	}
	if (s->encapsulated) {
		return clean_frames_begin(c, in);
	}
	if (s->encoding == ENCODING_EXPLICIT_LE && strcmp(s->syntax, SYNTAX_EXPLICIT_LE) != 0) {
		c->why = "its pixel data is not encapsulated, as its transfer syntax says that it is";
		return ERR_UNSUPPORTED;
	}
	return begin_blanker(c);
}

int pixels_beside(
	const struct survey *s, const struct pixels_input *in, const struct codec *codec, bool *ret_any)
{
	struct clean *c = calloc(1, sizeof(*c));
	if (!c) {
		return ERR_NO_MEMORY;
	}
	c->s = s;
	c->codecs.codec = codec;
	c->looks = true;
	clean_source_begin(&c->source, s, in);
	bool coded = s->encapsulated && !s->has_other_pixels;
	int e = coded ? clean_frames_look(c, in) : begin_trimmer(c) ? put_native(c) : 0;
	clean_frames_done(c);
	if (e == 0) {
		*ret_any = c->changed;
	}
	free(c);
	return e;
}

/* Once decoded, nothing else tells of what was lost. */
static void say_kind(struct clean *c)
{
	if (c->decodes && c->syntax->is_lossy && !c->s->is_lossy) {
		clean_say(c, PLACE_LOSSY, "01");
	}
	if (c->regions && !c->decodes) {
		clean_say(c, PLACE_BURNED_IN, "NO");
	}
}

static int run(struct clean *c, const struct pixels_input *in, const char **ret_why)
{
	clean_source_begin(&c->source, c->s, in);
	int e = begin(c, in);
	if (e == 0) {
		say_kind(c);
		e = write_all(c, in);
	}
	if (c->deflating) {
		(void)deflateEnd(&c->deflater);
	}
	clean_frames_done(c);
	if (e < 0) {
		*ret_why = c->why ? c->why : err_str(e);
	}
	return e;
}

static struct clean *clean_new(const struct survey *s, const struct pixels_regions *regions,
	const struct pixels_output *out, const struct pixels_codecs *codecs, const char **ret_why)
{
	struct clean *c = calloc(1, sizeof(*c));
	if (!c) {
		*ret_why = "there is no memory";
		return NULL;
	}
	c->s = s;
	c->regions = regions;
	c->out = out;
	c->codecs = codecs ? *codecs : (struct pixels_codecs){0};
	return c;
}

int pixels_clean(const struct survey *s, const struct pixels_regions *regions, const struct pixels_input *in,
	const struct pixels_output *out, const struct pixels_codecs *codecs, bool native,
	struct pixels_aside *ret_aside, const char **ret_why)
{
	struct clean *c = clean_new(s, regions, out, codecs, ret_why);
	if (!c) {
		return ERR_NO_MEMORY;
	}
	c->native = native && s->encapsulated && regions;
	int e = run(c, in, ret_why);
	if (ret_aside) {
		*ret_aside = c->aside;
	}
	free(c);
	return e;
}

int pixels_decode(const struct survey *s, const struct pixels_input *in, const struct pixels_output *out,
	const struct codec *codec, const char **ret_why)
{
	static const struct pixels_regions none;
	struct clean *c = clean_new(s, &none, out, &(const struct pixels_codecs){.codec = codec}, ret_why);
	if (!c) {
		return ERR_NO_MEMORY;
	}
	c->native = c->decodes = true;
	int e = ERR_UNSUPPORTED;
	if (!s->encapsulated || s->other_encoded) {
		*ret_why = "pixels of a sequence in it are encoded";
	} else {
		e = run(c, in, ret_why);
	}
	free(c);
	return e;
}
