/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/video_colour.h"

#define ONE     65536
#define UNSAID  2u
#define BT_709  1u
#define BT_601  6u
#define SD_ROWS 576 /* ITU-R BT.601; what has more is BT.709's */

/* Shares of red and blue in luminance, in 10000ths (ISO 23091-2 8.3). */
static const struct {
	unsigned matrix;
	int32_t red, blue;
} shares[] = {
	{BT_709, 2126, 722},
	{4, 3000, 1100},
	{5, 2990, 1140},
	{BT_601, 2990, 1140},
	{7, 2120, 870},
	{9, 2627, 593},
};

/* n / d, the nearest; of two the larger. */
static int32_t nearest(int64_t n, int64_t d)
{
	int64_t twice = 2 * n + d;
	return (int32_t)(twice >= 0 ? twice / (2 * d) : -((-twice + 2 * d - 1) / (2 * d)));
}

static void fill(struct colours *c, int64_t kr, int64_t kb)
{
	const int64_t kg = 10000 - kr - kb;
	const int64_t scale = c->bits == 8 ? 1 : 4;
	const int64_t black = c->full ? 0 : 16 * scale, middle = 128 * scale;
	const int64_t range = c->full ? c->most : 219 * scale, wide = c->full ? c->most : 224 * scale;
	for (int64_t i = 0; i <= c->most; i++) {
		const int64_t y = (i - black) * c->most * ONE, d = (i - middle) * c->most * ONE * 2;
		c->luminance[i] = nearest(y, range);
		c->red[i] = nearest(d * (10000 - kr), wide * 10000);
		c->blue[i] = nearest(d * (10000 - kb), wide * 10000);
		c->green_r[i] = nearest(d * kr * (10000 - kr), wide * 10000 * kg);
		c->green_b[i] = nearest(d * kb * (10000 - kb), wide * 10000 * kg);
	}
}

bool colours_begin(struct colours *c, unsigned matrix, uint32_t rows, unsigned bits, bool full)
{
	matrix = matrix != UNSAID ? matrix : rows > SD_ROWS ? BT_709 : BT_601;
	if (c->bits != 0 && c->matrix == matrix && c->bits == bits && c->full == full) {
		return true;
	}
	c->bits = 0;
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]) && (bits == 8 || bits == 10); i++) {
		if (shares[i].matrix == matrix) {
			c->matrix = matrix;
			c->bits = bits;
			c->full = full;
			c->most = (1 << bits) - 1;
			fill(c, shares[i].red, shares[i].blue);
		}
	}
	return c->bits != 0;
}

static unsigned sample(const struct colours *c, const uint8_t *row, uint32_t x)
{
	if (c->bits == 8) {
		return row[x];
	}
	unsigned v = row[2 * (size_t)x] | (unsigned)row[2 * (size_t)x + 1] << 8;
	return v & (COLOURS_VALUES - 1);
}

static uint8_t *put(const struct colours *c, int32_t value, uint8_t *to)
{
	int32_t v = value + ONE / 2 < 0 ? 0 : (value + ONE / 2) / ONE;
	v = v > c->most ? c->most : v;
	*to++ = (uint8_t)v;
	if (c->bits > 8) {
		*to++ = (uint8_t)(v >> 8);
	}
	return to;
}

/* Of interlaced pictures each field has colours of its own (ISO 13818-2 6.1.1.8). */
static uint32_t row_of_colour(const struct colours_picture *p, uint32_t row)
{
	uint32_t rows = (p->rows + (1u << p->shift_y) - 1) >> p->shift_y;
	uint32_t at = p->fields && p->shift_y == 1 ? (row >> 2) << 1 | (row & 1) : row >> p->shift_y;
	return at < rows ? at : rows - 1;
}

void colours_convert(const struct colours *c, const struct colours_picture *p, uint8_t *to)
{
	const unsigned middle = 1u << (c->bits - 1);
	for (uint32_t y = 0; y < p->rows; y++) {
		const ptrdiff_t at = row_of_colour(p, y);
		const uint8_t *luminance = p->planes[0] + p->strides[0] * (ptrdiff_t)y;
		const uint8_t *blue = p->grey ? NULL : p->planes[1] + p->strides[1] * at;
		const uint8_t *red = p->grey ? NULL : p->planes[2] + p->strides[2] * at;
		for (uint32_t x = 0; x < p->columns; x++) {
			int32_t l = c->luminance[sample(c, luminance, x)];
			unsigned b = p->grey ? middle : sample(c, blue, x >> p->shift_x);
			unsigned r = p->grey ? middle : sample(c, red, x >> p->shift_x);
			to = put(c, l + c->red[r], to);
			to = put(c, l - c->green_b[b] - c->green_r[r], to);
			to = put(c, l + c->blue[b], to);
		}
	}
}
