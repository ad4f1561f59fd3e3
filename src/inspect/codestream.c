/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "base/reader.h"

/* What the headers of a compressed image say, beside what the elements and the transfer syntax do. */
struct coded {
	uint32_t columns, rows; /* rows 0: told later */
	unsigned samples, bits;
	int representation; /* as Pixel Representation; -1: the compression does not say */
};

static void compare(struct inspect *i, const struct coded *c)
{
	const struct inspect_pixels *p = pixels_of(i);
	if (!p) {
		return;
	}
	if (p->rows && p->columns && c->rows && (p->rows != c->rows || p->columns != c->columns)) {
		found_say(i, CHECK_CODEC_DESCRIPTION, "%u by %u compressed, %u by %u described", c->columns,
			c->rows, p->columns, p->rows);
	}
	if (p->seen & 1u << PIXEL_SAMPLES && p->samples != c->samples) {
		found_say(i, CHECK_CODEC_DESCRIPTION, "%u samples compressed, %u described", c->samples,
			p->samples);
	}
	if (p->seen & 1u << PIXEL_ALLOCATED && c->bits > p->allocated) {
		found_say(i, CHECK_CODEC_DESCRIPTION, "%u bits compressed, %u allocated", c->bits,
			p->allocated);
	}
	/* PS3.5 8.2.4 */
	if (p->seen & 1u << PIXEL_REPRESENTATION && c->representation >= 0 &&
		c->representation != p->representation) {
		found_say(i, CHECK_CODEC_DESCRIPTION, "%s compressed, %s described",
			c->representation ? "signed" : "unsigned", p->representation ? "signed" : "unsigned");
	}
}

/* ---- ISO/IEC 15444-1 A.5.1: SIZ stands first ---- */

#define J2K_BITS       38
#define J2K_COMPONENTS 16384
#define J2K_TILES      65535

/* Where the image and the tiles begin and end on the reference grid, in the order in which they are written. */
enum { X_END, Y_END, X_AT, Y_AT, X_TILE, Y_TILE, X_TILE_AT, Y_TILE_AT, GRID_N };

static bool is_grid(const uint32_t g[GRID_N])
{
	bool image = g[X_END] > g[X_AT] && g[Y_END] > g[Y_AT];
	bool tile = g[X_TILE] > 0 && g[Y_TILE] > 0 && g[X_TILE_AT] <= g[X_AT] && g[Y_TILE_AT] <= g[Y_AT] &&
	            (uint64_t)g[X_TILE_AT] + g[X_TILE] > g[X_AT] &&
	            (uint64_t)g[Y_TILE_AT] + g[Y_TILE] > g[Y_AT];
	if (!image || !tile) {
		return false;
	}
	uint64_t across = ((uint64_t)g[X_END] - g[X_TILE_AT] + g[X_TILE] - 1) / g[X_TILE],
		 down = ((uint64_t)g[Y_END] - g[Y_TILE_AT] + g[Y_TILE] - 1) / g[Y_TILE];
	return across <= J2K_TILES && down <= J2K_TILES && across * down <= J2K_TILES;
}

void codestream_j2k(struct inspect *i, struct span v)
{
	struct reader r = reader_of(v);
	uint32_t g[GRID_N];
	uint16_t n = 0;
	int err = reader_skip(&r, 8);
	for (size_t k = 0; err == 0 && k < GRID_N; k++) {
		err = reader_u32be(&r, &g[k]);
	}
	if (err || reader_u16be(&r, &n) != 0) {
		return;
	}
	if (!is_grid(g) || n == 0 || n > J2K_COMPONENTS) {
		found_say(i, CHECK_CODEC_PARAMETERS, "%u by %u, tiles of %u by %u, %u components", g[X_END],
			g[Y_END], g[X_TILE], g[Y_TILE], n);
		return;
	}
	struct coded c = {.columns = g[X_END] - g[X_AT],
		.rows = g[Y_END] - g[Y_AT],
		.samples = n,
		.representation = -1};
	uint8_t depth = 0, dx = 0, dy = 0;
	for (unsigned k = 0;
		k < n && reader_u8(&r, &depth) == 0 && reader_u8(&r, &dx) == 0 && reader_u8(&r, &dy) == 0;
		k++) {
		unsigned bits = (depth & 0x7Fu) + 1;
		c.bits = bits > c.bits ? bits : c.bits;
		c.representation = k == 0 ? depth >> 7 : c.representation;
		if (bits > J2K_BITS || dx == 0 || dy == 0) {
			found_say(i, CHECK_CODEC_PARAMETERS, "component %u: %u bits, each %u by %u", k, bits,
				dx, dy);
			return;
		}
	}
	compare(i, &c);
}

/* ---- ISO/IEC 10918-1 B.2, ISO/IEC 14495-1 C.2 ---- */

#define JPEG_LS          0xFFF7
#define JPEG_LS_LOSSLESS "1.2.840.10008.1.2.4.80"

static bool is_frame(unsigned marker)
{
	return (marker >= 0xFFC0 && marker <= 0xFFCF && marker != 0xFFC4 && marker != 0xFFC8 &&
		       marker != 0xFFCC) ||
	       marker == JPEG_LS;
}

/* B.2.2. */
static void take_components(struct inspect *i, struct span all, unsigned samples)
{
	for (unsigned k = 0; k < samples && 3 * k + 2 < all.len; k++) {
		unsigned h = all.ptr[3 * k + 1] >> 4, v = all.ptr[3 * k + 1] & 15, table = all.ptr[3 * k + 2];
		if (h < 1 || h > 4 || v < 1 || v > 4 || table > 3) {
			found_say(i, CHECK_CODEC_PARAMETERS,
				"component %u is sampled %u by %u, with table %u", k, h, v, table);
			return;
		}
	}
}

/* head: what is held of a header of so many bytes. */
static void take_frame(struct inspect *i, struct span head, size_t length)
{
	struct reader r = reader_of(head);
	uint8_t bits = 0, samples = 0;
	uint16_t rows = 0, columns = 0;
	if (reader_u8(&r, &bits) != 0 || reader_u16be(&r, &rows) != 0 || reader_u16be(&r, &columns) != 0 ||
		reader_u8(&r, &samples) != 0) {
		found_say(i, CHECK_CODEC_PARAMETERS, "a frame header of %zu bytes", length + 2);
		return;
	}
	if (bits < 2 || bits > 16 || columns == 0 || samples == 0) {
		found_say(i, CHECK_CODEC_PARAMETERS, "%u bits, %u columns, %u components", bits, columns,
			samples);
		return;
	}
	if (length != 6u + 3u * samples) {
		found_say(i, CHECK_CODEC_PARAMETERS, "a frame header of %zu bytes, of %u components",
			length + 2, samples);
		return;
	}
	if (i->coded.bits) {
		found_say(i, CHECK_CODEC_PARAMETERS, "a second frame header in the same image");
	}
	i->coded.bits = bits;
	take_components(i, span_of(head.ptr + r.pos, head.len - r.pos), samples);
	struct coded c = {columns, rows, samples, bits, -1};
	compare(i, &c);
}

/* B.2.4.1, B.2.4.2: what class and number a table has, and whether it is there as it says. Those whose beginning is held are looked at. */
static void take_tables(struct inspect *i, struct span head, size_t length, bool huffman)
{
	for (size_t at = 0; at < length && at < head.len;) {
		unsigned class = head.ptr[at] >> 4, number = head.ptr[at] & 15, codes = 0;
		size_t n = huffman ? 17 : class ? 129 : 65;
		if (huffman && at + n > head.len && at + n <= length) {
			return;
		}
		for (size_t k = 1; huffman && k < n && at + k < head.len; k++) {
			codes += head.ptr[at + k];
		}
		if (class > 1 || number > 3 || codes > 256 || n + codes > length - at) {
			found_say(i, CHECK_CODEC_PARAMETERS, "table %u of class %u, %u codes, in %zu bytes",
				number, class, codes, length - at);
			return;
		}
		at += n + codes;
	}
}

/* B.2.5: the number of lines, where the frame header did not say it. */
static void take_lines(struct inspect *i, struct span head)
{
	struct reader r = reader_of(head);
	uint16_t rows = 0;
	const struct inspect_pixels *p = pixels_of(i);
	if (reader_u16be(&r, &rows) == 0 && p && (p->seen & 1u << PIXEL_ROWS) && rows != p->rows) {
		found_say(i, CHECK_CODEC_DESCRIPTION, "%u rows compressed, %u described", rows, p->rows);
	}
}

/* How far values may be from what they were: not at all where nothing may be lost. ISO/IEC 14495-1 C.2.3 */
static void take_near(struct inspect *i, struct span header, unsigned bits)
{
	struct reader r = reader_of(header);
	uint8_t n = 0, near = 0;
	unsigned half = ((1u << bits) - 1) / 2, most = half < 255 ? half : 255;
	if (reader_u8(&r, &n) != 0 || reader_skip(&r, 2u * n) != 0 || reader_u8(&r, &near) != 0) {
		return;
	}
	if (near > most) {
		found_say(i, CHECK_CODEC_PARAMETERS, "NEAR is %u, at most %u with %u bits", near, most, bits);
	} else if (near > 0 && strcmp(i->syntax, JPEG_LS_LOSSLESS) == 0) {
		found_say(i, CHECK_CODEC_DESCRIPTION, "NEAR is %u in a lossless transfer syntax", near);
	}
}

void codestream_jpeg(struct inspect *i, unsigned code, struct span head, size_t length)
{
	switch (code) {
	case 0xC4:
	case 0xDB:
		take_tables(i, head, length, code == 0xC4);
		break;
	case 0xDA:
		if (i->coded.ls && i->coded.bits) {
			take_near(i, head, i->coded.bits);
		}
		break;
	case 0xDC:
		take_lines(i, head);
		break;
	default:
		if (is_frame(0xFF00 | code)) {
			take_frame(i, head, length);
		}
		break;
	}
}
