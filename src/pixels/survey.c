/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/survey.h"

#include "base/limits.h"
#include "dicom/file.h"

#include <stdio.h>
#include <stdlib.h>

#define PIECE          (64u * 1024)
#define REGIONS        0x00186011u
#define FRAMES         0x00280008u
#define BURNED_IN      0x00280301u
#define LOSSY          0x00282110u
#define PIXEL_DATA     0x7FE00010u
#define FLOAT_PIXELS   0x7FE00008u
#define DOUBLE_PIXELS  0x7FE00009u
#define FLOAT_PADDING  0x00280122u
#define DOUBLE_PADDING 0x00280123u
#define ICON           0x00880200u
#define PROVIDER_URL   0x00287FE0u
#define PARAMETERS     0x4FFE0001u
#define SIGNATURES     0xFFFAFFFAu
#define SIGNED         0x04000020u

/* ---- Tables ---- */

static const struct {
	uint32_t tag;
	enum pixels_fact fact;
} texts[] = {
	{0x00020013, PIXELS_IMPLEMENTATION},
	{0x00080008, PIXELS_IMAGE_TYPE},
	{0x00080016, PIXELS_SOP_CLASS},
	{0x00080060, PIXELS_MODALITY},
	{0x00080064, PIXELS_CONVERSION},
	{0x00080070, PIXELS_MANUFACTURER},
	{0x0008103E, PIXELS_SERIES},
	{0x00081090, PIXELS_MODEL},
	{0x00181030, PIXELS_PROTOCOL},
	{BURNED_IN, PIXELS_BURNED_IN},
	{0x00281051, PIXELS_WINDOW_WIDTH},
	{0x00400310, PIXELS_DOSE_COMMENT},
};

static const struct {
	uint32_t tag;
	size_t offset;
} numbers[] = {
	{0x00280002, offsetof(struct pixels_shape, samples)},
	{0x00280006, offsetof(struct pixels_shape, planar)},
	{0x00280010, offsetof(struct pixels_shape, rows)},
	{0x00280011, offsetof(struct pixels_shape, columns)},
	{0x00280100, offsetof(struct pixels_shape, allocated)},
	{0x00280101, offsetof(struct pixels_shape, stored)},
	{0x00280102, offsetof(struct pixels_shape, high_bit)},
	{0x00280103, offsetof(struct pixels_shape, is_signed)},
};

static const uint32_t place_tags[PLACES] = {
	[PLACE_META_LENGTH] = 0x00020000,
	[PLACE_SYNTAX] = 0x00020010,
	[PLACE_FRAME_TIME] = 0x00181063,
	[PLACE_GROUP_LENGTH] = 0x00280000,
	[PLACE_PHOTOMETRIC] = 0x00280004,
	[PLACE_PLANAR] = 0x00280006,
	[PLACE_FRAMES] = FRAMES,
	[PLACE_POINTER] = 0x00280009,
	[PLACE_ASPECT] = 0x00280034,
	[PLACE_BURNED_IN] = BURNED_IN,
	[PLACE_LOSSY] = LOSSY,
	[PLACE_RATIO] = 0x00282112,
	[PLACE_METHOD] = 0x00282114,
	[PLACE_ICON] = ICON,
	[PLACE_PIXEL_LENGTH] = 0x7FE00000,
	[PLACE_OFFSETS] = 0x7FE00001,
	[PLACE_LENGTHS] = 0x7FE00002,
	[PLACE_PIXELS] = PIXEL_DATA,
};

/* Frame Time, Frame Time Vector, Cine Rate, Recommended Display Frame Rate (PS3.3 C.7.6.5, C.7.6.6). */
static const uint32_t rate_tags[] = {0x00181063, 0x00181065, 0x00180040, 0x00082144};

/* Frame Time Vector, Per-Frame Functional Groups Sequence. */
static const uint32_t per_frame_tags[] = {0x00181065, 0x52009230};

/* PS3.3 C.8.5.5.1: the corners of a region, both of them in it. */
enum { MIN_X, MIN_Y, MAX_X, MAX_Y, CORNERS };
static const uint32_t corner_tags[CORNERS] = {0x00186018, 0x0018601A, 0x0018601C, 0x0018601E};

/* ---- What is read ---- */

struct work {
	struct survey *s;
	struct dicom_file file;
	struct inflater inflater;
	int open; /* the place whose end is not known; -1: none */
	bool has_data;
	uint32_t corners[CORNERS];
	unsigned seen;       /* a mask of them */
	uint64_t padding[2]; /* of float, of double */
	uint32_t asked;      /* a mask of what is asked about: what has come */
	uint8_t value[PIXELS_TEXT];
	uint8_t tags[64 * 1024]; /* Data Elements Signed */
	uint8_t piece[PIECE];
};

static uint32_t number(const struct work *w, struct span v)
{
	bool big = dataset_encoding(&w->file.d) == ENCODING_EXPLICIT_BE;
	size_t n = w->file.d.length < 4 ? w->file.d.length : 4;
	uint32_t x = 0;
	if (n != 2 && n != 4) {
		n = n > 2 ? 2 : 0;
	}
	n = w->file.d.length == 4 ? 4 : n; /* several values of 16 bits are not asked for */
	for (size_t i = 0; i < n && i < v.len; i++) {
		x |= (uint32_t)v.ptr[i] << 8 * (big ? n - 1 - i : i);
	}
	return x;
}

/* A number's bits, whatever number they are. */
static uint64_t bits_of(const struct work *w, struct span v)
{
	bool big = dataset_encoding(&w->file.d) == ENCODING_EXPLICIT_BE;
	size_t n = v.len < 8 ? v.len : 8;
	uint64_t x = 0;
	for (size_t i = 0; i < n; i++) {
		x |= (uint64_t)v.ptr[i] << 8 * (big ? n - 1 - i : i);
	}
	return x;
}

static void trimmed(struct span v, char *to, size_t cap)
{
	size_t n = v.len < cap - 1 ? v.len : cap - 1, from = 0;
	while (from < n && v.ptr[from] == ' ') {
		from++;
	}
	while (n > from && (v.ptr[n - 1] == ' ' || v.ptr[n - 1] == 0)) {
		n--;
	}
	memset(to, 0, cap);
	memcpy(to, v.ptr + from, n - from);
}

static void take_top(struct work *w, struct span v)
{
	struct survey *s = w->s;
	uint32_t tag = w->file.d.tag;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].tag == tag) {
			trimmed(v, s->text[texts[i].fact], PIXELS_TEXT);
		}
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].tag == tag) {
			uint32_t x = number(w, v);
			memcpy((char *)&s->shape + numbers[i].offset, &x, sizeof(x));
		}
	}
	if (tag == 0x00020000) {
		s->meta_length = number(w, v);
	} else if (tag == 0x00280004) {
		trimmed(v, s->shape.photometric, sizeof(s->shape.photometric));
	} else if ((tag == FLOAT_PADDING && v.len == 4) || (tag == DOUBLE_PADDING && v.len == 8)) {
		w->padding[tag == DOUBLE_PADDING] = bits_of(w, v);
	} else if (tag == LOSSY) {
		s->is_lossy = v.len >= 2 && memcmp(v.ptr, "01", 2) == 0;
	} else if (tag == FRAMES) {
		char text[16];
		trimmed(v, text, sizeof(text));
		unsigned long n = strtoul(text, NULL, 10);
		s->shape.frames = n <= UINT32_MAX ? (uint32_t)n : 0;
	}
}

static bool is_private(uint32_t tag)
{
	return (tag >> 16) % 2 == 1 && (tag & 0xFFFF) > 0xFF;
}

/* An AT; of use in implicit VR alone, which is little endian. */
static void take_signed(struct survey *s, struct span v)
{
	for (size_t i = 0; i + 4 <= v.len; i += 4) {
		uint32_t group = (uint32_t)v.ptr[i] | (uint32_t)v.ptr[i + 1] << 8;
		uint32_t element = (uint32_t)v.ptr[i + 2] | (uint32_t)v.ptr[i + 3] << 8;
		s->signs_private = s->signs_private || is_private(group << 16 | element);
	}
}

static void take(struct work *w)
{
	const struct dataset *d = &w->file.d;
	if (d->tag == SIGNED && d->depth > 0) {
		take_signed(w->s, d->value);
		return;
	}
	if (d->tag == TAG_ITEM) {
		/* The first bytes of a fragment, or of the offset table. */
		const uint8_t *b = d->value.ptr;
		if (d->number == 0) {
			w->s->has_table = d->value.len > 0;
		} else if (d->value.len >= 2) {
			w->s->fragments[w->s->n_fragments - 1].begins =
				b[0] == 0xFF && (b[1] == 0xD8 || b[1] == 0x4F);
		}
	} else if (d->depth == 0) {
		take_top(w, d->value);
	} else {
		for (unsigned i = 0; i < CORNERS; i++) {
			if (corner_tags[i] == d->tag) {
				w->corners[i] = number(w, d->value);
				w->seen |= 1u << i;
			}
		}
	}
}

static void end_region(struct work *w)
{
	struct survey *s = w->s;
	const uint32_t *c = w->corners;
	bool whole = w->seen == (1u << CORNERS) - 1;
	w->seen = 0;
	if (!whole || c[MAX_X] < c[MIN_X] || c[MAX_Y] < c[MIN_Y] || c[MAX_X] > 65535 || c[MAX_Y] > 65535) {
		return; /* such a region keeps nothing */
	}
	if (s->n_regions == PIXELS_RECTS) {
		s->regions_left_out = true;
		return;
	}
	s->regions[s->n_regions++] =
		(struct pixels_rect){c[MIN_X], c[MIN_Y], c[MAX_X] - c[MIN_X] + 1, c[MAX_Y] - c[MIN_Y] + 1};
}

static int add_fragment(struct work *w)
{
	struct survey *s = w->s;
	if (s->n_fragments == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		struct survey_fragment *more =
			cap <= SURVEY_FRAGMENTS ? realloc(s->fragments, cap * sizeof(*more)) : NULL;
		if (!more) {
			return cap <= SURVEY_FRAGMENTS ? ERR_NO_MEMORY : ERR_LIMIT;
		}
		s->fragments = more;
		s->cap = cap;
	}
	s->fragments[s->n_fragments++] =
		(struct survey_fragment){.offset = w->file.d.offset + 8, .len = w->file.d.length};
	return 0;
}

static size_t head_of(const struct dataset *d, enum encoding encoding)
{
	return encoding == ENCODING_IMPLICIT_LE ? 8 : d->vr[0] == 'O' || strcmp(d->vr, "UN") == 0 ? 12 : 8;
}

/* Which of what is asked about is it? -1: none. */
static int which_asked(uint32_t tag)
{
	const int n_texts = ARRAY_LEN(texts), n_numbers = ARRAY_LEN(numbers);
	for (int i = 0; i < n_texts; i++) {
		if (texts[i].tag == tag) {
			return i;
		}
	}
	for (int i = 0; i < n_numbers; i++) {
		if (numbers[i].tag == tag) {
			return n_texts + i;
		}
	}
	return tag == FRAMES ? n_texts + n_numbers : tag == REGIONS ? n_texts + n_numbers + 1 : -1;
}

/* Of two, readers take which they like. */
static bool is_asked_again(struct work *w, uint32_t tag)
{
	int which = which_asked(tag);
	uint32_t bit = which < 0 ? 0 : 1u << which;
	bool again = (w->asked & bit) != 0;
	w->asked |= bit;
	return again;
}

static bool is_among(uint32_t tag, const uint32_t *tags, size_t n)
{
	bool found = false;
	for (size_t i = 0; i < n; i++) {
		found = found || tags[i] == tag;
	}
	return found;
}

static bool is_pixels(uint32_t tag)
{
	return tag == PIXEL_DATA || tag == FLOAT_PIXELS || tag == DOUBLE_PIXELS;
}

/* The first of what can be an image's pixels (PS3.5 8.1.2: there is one); floating point is never encapsulated (PS3.5 8.2). */
static void begin_pixels(struct work *w, int event)
{
	struct survey *s = w->s;
	const struct dataset *d = &w->file.d;
	s->has_other_pixels = s->has_other_pixels || s->has_pixels || event == DATASET_SEQUENCE ||
	                      (d->tag != PIXEL_DATA && event != DATASET_ELEMENT);
	if (s->has_pixels) {
		return;
	}
	s->has_pixels = true;
	s->tag = d->tag;
	s->encapsulated = event == DATASET_ENCAPSULATED;
	memcpy(s->vr, d->vr, sizeof(s->vr));
	s->value = d->offset + head_of(d, w->file.encoding);
	s->length = d->length;
}

/* Which tag's place it is in: pixels have one. */
static uint32_t place_tag_of(const struct survey *s, uint32_t tag)
{
	bool first = is_pixels(tag) && (!s->has_pixels || s->tag == tag);
	return first ? PIXEL_DATA : is_pixels(tag) ? 0 : tag;
}

/* An element at the top begins: what began before it is over. */
static int begin_top(struct work *w, int event)
{
	struct survey *s = w->s;
	const struct dataset *d = &w->file.d;
	if (w->open >= 0) {
		s->places[w->open].to = d->offset;
		w->open = -1;
	}
	if (!w->file.in_meta && !w->has_data) {
		w->has_data = true;
		s->data = d->offset;
	}
	if (is_asked_again(w, d->tag)) {
		return ERR_DUPLICATE;
	}
	for (int i = 0; i < PLACES; i++) {
		if (!w->file.in_meta && s->places[i].belongs == 0 && d->tag >= place_tags[i]) {
			s->places[i].belongs = d->offset;
		}
		if (place_tags[i] == place_tag_of(s, d->tag)) {
			if (s->places[i].to != 0) {
				return ERR_DUPLICATE;
			}
			s->places[i].from = d->offset;
			w->open = i;
		}
	}
	s->has_rate = s->has_rate || is_among(d->tag, rate_tags, ARRAY_LEN(rate_tags));
	s->has_per_frame = s->has_per_frame || is_among(d->tag, per_frame_tags, ARRAY_LEN(per_frame_tags));
	s->has_regions = s->has_regions || d->tag == REGIONS;
	if (is_pixels(d->tag)) {
		begin_pixels(w, event);
	}
	return 0;
}

static bool is_wanted(const struct dataset *d)
{
	if (d->depth == 1) {
		return d->path[0] == REGIONS && d->tag >= corner_tags[0] &&
		       d->tag <= corner_tags[CORNERS - 1];
	}
	return d->depth == 0 && d->length <= 65535 && d->tag < 0x7FE00000;
}

/* What is in the way of other encodings. */
static void look_for_obstacles(struct survey *s, const struct dataset *d, int event)
{
	s->is_signed = s->is_signed || d->tag == PARAMETERS || d->tag == SIGNATURES;
	s->elsewhere = s->elsewhere || d->tag == PROVIDER_URL;
	s->signs_private =
		s->signs_private || (d->depth > 0 && is_private(d->tag) && (d->path[0] >> 16) % 2 == 0 &&
					    d->path[0] != SIGNATURES);
	if (event == DATASET_ENCAPSULATED && (d->depth > 0 || d->tag != PIXEL_DATA)) {
		bool icon = d->depth == 1 && d->path[0] == ICON;
		s->icon_encoded = s->icon_encoded || icon;
		s->other_encoded = s->other_encoded || !icon;
	}
}

static int event_one(struct work *w, int event)
{
	struct dataset *d = &w->file.d;
	int e = 0;
	switch (event) {
	case DATASET_ELEMENT:
	case DATASET_SEQUENCE:
	case DATASET_ENCAPSULATED:
		look_for_obstacles(w->s, d, event);
		e = d->depth == 0 ? begin_top(w, event) : 0;
		if (e == 0 && event == DATASET_ELEMENT && d->tag == SIGNED && d->depth > 0) {
			dataset_collect(d, w->tags, sizeof(w->tags));
		} else if (e == 0 && event == DATASET_ELEMENT && is_wanted(d)) {
			dataset_collect(d, w->value, sizeof(w->value));
		}
		return e;
	case DATASET_FRAGMENT:
		if (d->path[0] != PIXEL_DATA || d->depth != 1) {
			return 0;
		}
		e = d->number > 0 ? add_fragment(w) : 0;
		dataset_collect(d, w->value, 2);
		return e;
	case DATASET_ITEM:
		w->seen = d->depth == 1 ? 0 : w->seen;
		return 0;
	case DATASET_ITEM_END:
		if (d->depth == 1 && d->path[0] == REGIONS) {
			end_region(w);
		}
		return 0;
	case DATASET_VALUE:
		take(w);
		return 0;
	default:
		return 0;
	}
}

static int events(struct work *w)
{
	int event;
	while ((event = file_next(&w->file)) > 0) {
		int e = event_one(w, event);
		if (e < 0) {
			return e;
		}
		if (event == DATASET_END) {
			return event;
		}
	}
	return event;
}

/* Inflated it may be a thousand times as long, and who waits for his turn would wait for minutes. */
static bool is_too_much(const struct work *w)
{
	return w->file.encoding == ENCODING_DEFLATED_LE && w->inflater.z.total_out > LIMIT_CLEANED;
}

static int read_all(struct work *w, const struct pixels_input *in)
{
	uint64_t at = 0;
	int e = DATASET_MORE;
	while (e == DATASET_MORE) {
		ptrdiff_t n = in->read_at(in->arg, at, w->piece, sizeof(w->piece));
		if (n < 0) {
			return ERR_SYSTEM;
		}
		at += (size_t)n;
		if (n == 0) {
			file_last(&w->file);
			e = events(w);
			return e == DATASET_END ? 0 : e < 0 ? e : ERR_TRUNCATED;
		}
		file_feed(&w->file, span_of(w->piece, (size_t)n));
		e = events(w);
		e = e == DATASET_MORE && is_too_much(w) ? ERR_LIMIT : e;
	}
	return e == DATASET_END ? 0 : e;
}

static void finish(struct work *w)
{
	struct survey *s = w->s;
	size_t n = w->file.transfer_syntax.len;
	if (w->open >= 0) {
		s->places[w->open].to = SURVEY_END;
	}
	s->data = w->has_data ? s->data : SURVEY_END;
	for (int i = 0; i < PLACES; i++) {
		s->places[i].belongs = s->places[i].belongs ? s->places[i].belongs : SURVEY_END;
	}
	s->encoding = w->file.encoding;
	memcpy(s->syntax, w->file.transfer_syntax.ptr, n < sizeof(s->syntax) - 1 ? n : sizeof(s->syntax) - 1);
	s->shape.frames = s->shape.frames ? s->shape.frames : 1;
	if (s->has_pixels && s->tag != PIXEL_DATA) { /* PS3.5 8.1.1: what is stored is not sent */
		s->shape.is_float = true;
		s->shape.stored = s->tag == FLOAT_PIXELS ? 32 : 64;
		s->shape.high_bit = s->shape.stored - 1;
		s->shape.padding = w->padding[s->tag == DOUBLE_PIXELS];
	}
	snprintf(s->text[PIXELS_ROWS], PIXELS_TEXT, "%u", s->shape.rows);
	snprintf(s->text[PIXELS_COLUMNS], PIXELS_TEXT, "%u", s->shape.columns);
}

int survey_read(struct survey *s, const struct pixels_input *in)
{
	struct work *w = malloc(sizeof(*w));
	*s = (struct survey){0};
	if (!w) {
		return ERR_NO_MEMORY;
	}
	w->s = s;
	w->open = -1;
	w->has_data = false;
	w->seen = w->asked = 0;
	w->padding[0] = w->padding[1] = 0;
	file_begin(&w->file, &w->inflater);
	int e = read_all(w, in);
	if (e == 0) {
		finish(w);
	}
	free(w);
	return e;
}

void survey_done(struct survey *s)
{
	free(s->fragments);
	s->fragments = NULL;
	s->n_fragments = s->cap = 0;
}
