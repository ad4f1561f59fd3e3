/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/blank.h"

#include <stdlib.h>
#include <string.h>

#define NO_ROW UINT32_MAX

/* ---- What black is ---- */

enum black { BLACK_ZERO, BLACK_DARKEST, BLACK_BRIGHTEST, BLACK_YBR };

/* PS3.3 C.7.6.3.1.2. In a palette the first colour stands for black: what was there is gone, whatever colour that is. */
static const struct {
	char name[16];
	uint8_t samples, pixels;
	enum black black;
} kinds[] = {
	{"MONOCHROME1", 1, 1, BLACK_BRIGHTEST},
	{"MONOCHROME2", 1, 1, BLACK_DARKEST},
	{"PALETTE COLOR", 1, 1, BLACK_ZERO},
	{"RGB", 3, 1, BLACK_ZERO},
	{"YBR_FULL", 3, 1, BLACK_YBR},
	{"YBR_FULL_422", 3, 2, BLACK_YBR},
};

static uint64_t value_of(const struct pixels_shape *s, enum black black, unsigned sample)
{
	if (s->is_float) {
		return s->padding; /* PS3.3 C.7.6.24: what is no part of the image; or 0 */
	}
	uint32_t all = s->stored == 32 ? UINT32_MAX : (1u << s->stored) - 1, half = 1u << (s->stored - 1);
	switch (black) {
	case BLACK_ZERO:
		return 0;
	case BLACK_DARKEST:
		return s->is_signed ? ~(half - 1) : 0; /* the sign in the bits above too */
	case BLACK_BRIGHTEST:
		return s->is_signed ? half - 1 : all;
	default:
		return sample == 0 ? 0 : half;
	}
}

static void put(uint8_t *to, uint64_t value, unsigned bytes, bool big_endian)
{
	for (unsigned i = 0; i < bytes; i++) {
		to[big_endian ? bytes - 1 - i : i] = (uint8_t)(value >> 8 * i);
	}
}

static void paint(struct blanker *b, enum black black, bool big_endian)
{
	/* PS3.3 C.7.6.3.1.2: of two pixels, both luminances, and then what they share. */
	static const uint8_t pair[] = {0, 0, 1, 2};
	unsigned bytes = b->bits ? 1 : b->shape.allocated / 8;
	unsigned n = b->cell_bytes / bytes;
	for (unsigned plane = 0; plane < b->planes; plane++) {
		for (unsigned i = 0; i < n; i++) {
			unsigned sample = b->planes > 1 ? plane : b->cell_pixels == 2 ? pair[i] : i;
			put(b->black[plane] + i * bytes, value_of(&b->shape, black, sample), bytes,
				big_endian);
		}
	}
}

static int check(const struct pixels_shape *s, const char **ret_why)
{
	if (s->is_float && (s->allocated != s->stored || s->samples != 1)) {
		*ret_why = "what it says of its pixels contradicts itself";
		return ERR_VALUE;
	}
	if (s->allocated != 1 && s->allocated != 8 && s->allocated != 16 && s->allocated != 24 &&
		s->allocated != 32 && !s->is_float) {
		*ret_why = "its pixels have neither 1, 8, 16, 24 nor 32 bits allocated";
		return ERR_UNSUPPORTED;
	}
	if (s->rows == 0 || s->rows > 65535 || s->columns == 0 || s->columns > 65535 || s->planar > 1 ||
		s->is_signed > 1 || s->stored == 0 || s->stored > s->allocated) {
		*ret_why = "what it says of its pixels contradicts itself";
		return ERR_VALUE;
	}
	if (s->high_bit != s->stored - 1) {
		*ret_why = "its pixels do not lie in the lowest bits";
		return ERR_UNSUPPORTED;
	}
	return 0;
}

int blank_begin(struct blanker *b, const struct pixels_shape *s, const struct pixels_regions *regions,
	bool big_endian, bool ow, const char **ret_why)
{
	size_t k = 0, n = sizeof(kinds) / sizeof(kinds[0]);
	int e = check(s, ret_why);
	if (e < 0) {
		return e;
	}
	while (k < n && strcmp(kinds[k].name, s->photometric) != 0) {
		k++;
	}
	if (k == n || kinds[k].samples != s->samples || (s->allocated == 1 && s->samples > 1) ||
		(kinds[k].pixels == 2 && (s->planar || s->columns % 2 || s->allocated != 8))) {
		*ret_why = "its photometric interpretation is none that can be cleaned here";
		return ERR_UNSUPPORTED;
	}
	if (s->allocated == 24 && big_endian) {
		*ret_why = "its pixels of 24 bits are in words of 16";
		return ERR_UNSUPPORTED;
	}
	bool bits = s->allocated == 1;
	unsigned bytes = bits ? 1 : s->allocated / 8;
	bool planar = s->planar && s->samples > 1;
	*b = (struct blanker){.shape = *s,
		.regions = regions,
		.bits = bits,
		.lines = bits ? (uint64_t)s->rows * s->frames : UINT64_MAX,
		.swapped = big_endian && ow && bytes == 1,
		.planes = planar ? s->samples : 1,
		.cell_pixels = kinds[k].pixels,
		.row = NO_ROW};
	b->cell_bytes = kinds[k].pixels == 2 ? 4 : (planar ? 1 : s->samples) * bytes;
	b->line = (uint64_t)s->columns / b->cell_pixels * b->cell_bytes;
	b->frame = blank_length(b, 1);
	paint(b, kinds[k].black, big_endian);
	return 0;
}

uint64_t blank_length(const struct blanker *b, uint32_t frames)
{
	uint64_t n = b->line * b->shape.rows * b->planes * frames;
	return b->bits ? n / 8 + (n % 8 != 0) : n;
}

/* ---- Which columns of a row ---- */

static bool spans_row(const struct pixels_rect *r, uint32_t row)
{
	return row >= r->y && row - r->y < r->height;
}

static uint32_t end_of(const struct pixels_rect *r, uint32_t columns)
{
	return r->x >= columns ? columns : r->width < columns - r->x ? r->x + r->width : columns;
}

static bool in_any(const struct pixels_rect *rects, unsigned n, uint32_t row, uint32_t column)
{
	for (unsigned i = 0; i < n; i++) {
		if (spans_row(&rects[i], row) && column >= rects[i].x &&
			column - rects[i].x < rects[i].width) {
			return true;
		}
	}
	return false;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static void add_edges(uint32_t *edges, unsigned *n, const struct blanker *b, const struct pixels_rect *r)
{
	if (spans_row(r, b->row) && r->x < b->shape.columns) {
		edges[(*n)++] = r->x;
		edges[(*n)++] = end_of(r, b->shape.columns);
	}
}

/* Between two edges of rectangles all columns are alike. Pixels that share a cell go together. */
static void find_runs(struct blanker *b)
{
	const struct pixels_regions *r = b->regions;
	uint32_t edges[4 * PIXELS_RECTS + 2] = {0, b->shape.columns};
	unsigned n = 2;
	for (unsigned i = 0; i < r->n_blank; i++) {
		add_edges(edges, &n, b, &r->blank[i]);
	}
	for (unsigned i = 0; i < r->n_keep; i++) {
		add_edges(edges, &n, b, &r->keep[i]);
	}
	qsort(edges, n, sizeof(edges[0]), by_value);
	b->n_runs = 0;
	for (unsigned i = 0; i + 1 < n; i++) {
		uint32_t from = edges[i], to = edges[i + 1];
		if (from == to || !(in_any(r->blank, r->n_blank, b->row, from) ||
					  (r->keep_only && !in_any(r->keep, r->n_keep, b->row, from)))) {
			continue;
		}
		from -= from % b->cell_pixels;
		to += to % b->cell_pixels;
		if (b->n_runs > 0 && b->runs[b->n_runs - 1].to >= from) {
			b->runs[b->n_runs - 1].to = to;
		} else {
			b->runs[b->n_runs].from = from;
			b->runs[b->n_runs++].to = to;
		}
	}
}

static_assert(sizeof(((struct blanker *)0)->runs) / sizeof(((struct blanker *)0)->runs[0]) >=
		      (4 * PIXELS_RECTS + 2) / 2,
	"runs do not touch, so that there is at most one for two edges");

bool blank_any(struct blanker *b)
{
	for (b->row = 0; b->row < b->shape.rows; b->row++) {
		find_runs(b);
		if (b->n_runs > 0) {
			return true;
		}
	}
	b->row = NO_ROW;
	return false;
}

/* ---- Bytes ---- */

/* Bytes of the pixel data from `from` to `to`, at a cell's beginning, as far as they are in the piece. */
static bool fill(const struct blanker *b, const uint8_t *black, uint64_t from, uint64_t to, uint64_t offset,
	uint8_t *bytes, size_t len)
{
	bool changed = false;
	uint64_t first = from, end = offset + len;
	if (first < offset) {
		uint64_t low = b->swapped && offset > 0 ? offset - 1 : offset;
		first = low > from ? low : from;
	}
	for (uint64_t at = first; at < to && at <= end; at++) {
		uint64_t where = b->swapped ? at ^ 1 : at;
		uint8_t value = black[(at - from) % b->cell_bytes];
		if (where >= offset && where < end && bytes[where - offset] != value) {
			bytes[where - offset] = value;
			changed = true;
		}
	}
	return changed;
}

/* The same, bits of it. */
static bool fill_bits(const struct blanker *b, bool one, uint64_t from, uint64_t to, uint64_t offset,
	uint8_t *bytes, size_t len)
{
	bool changed = false;
	uint64_t low = offset - (b->swapped && offset > 0), end = offset + len;
	uint64_t first = from / 8 < low ? low : from / 8, last = (to - 1) / 8;
	for (uint64_t at = first; at <= last && at <= end; at++) {
		unsigned mask = at == from / 8 ? 0xFFu << from % 8 : 0xFF;
		mask &= at == last ? 0xFFu >> (7 - (to - 1) % 8) : 0xFF;
		uint64_t where = b->swapped ? at ^ 1 : at;
		if (where >= offset && where < end) {
			uint8_t was = bytes[where - offset];
			uint8_t is = (uint8_t)(one ? was | mask : was & ~mask);
			bytes[where - offset] = is;
			changed = changed || is != was;
		}
	}
	return changed;
}

bool blank_apply(struct blanker *b, uint64_t offset, uint8_t *bytes, size_t len)
{
	bool changed = false;
	/* One byte to each side may be the other of a swapped pair. */
	uint64_t unit = b->bits ? 8 : 1, last = (offset + len + b->swapped) * unit;
	uint64_t line = (offset - (b->swapped && offset > 0)) * unit / b->line;
	for (; line < b->lines && line * b->line < last; line++) {
		uint64_t begin = line * b->line;
		uint32_t row = (uint32_t)(line % b->shape.rows);
		unsigned plane = (unsigned)(line / b->shape.rows % b->planes);
		if (row != b->row) {
			b->row = row;
			find_runs(b);
		}
		for (uint32_t i = 0; i < b->n_runs; i++) {
			uint64_t from = begin + (uint64_t)b->runs[i].from / b->cell_pixels * b->cell_bytes;
			uint64_t to = begin + (uint64_t)b->runs[i].to / b->cell_pixels * b->cell_bytes;
			bool filled =
				b->bits ? fill_bits(b, b->black[plane][0] & 1, from, to, offset, bytes, len)
					: fill(b, b->black[plane], from, to, offset, bytes, len);
			changed = filled || changed;
		}
	}
	return changed;
}
