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
#define JPEG_SCAN        0xFFDA
#define JPEG_LS_LOSSLESS "1.2.840.10008.1.2.4.80"

static bool is_frame(uint16_t marker)
{
	return (marker >= 0xFFC0 && marker <= 0xFFCF && marker != 0xFFC4 && marker != 0xFFC8 &&
		       marker != 0xFFCC) ||
	       marker == JPEG_LS;
}

static int take_frame(struct inspect *i, struct span header, struct coded *c)
{
	struct reader r = reader_of(header);
	uint8_t bits = 0, samples = 0;
	uint16_t rows = 0, columns = 0;
	if (reader_u8(&r, &bits) != 0 || reader_u16be(&r, &rows) != 0 || reader_u16be(&r, &columns) != 0 ||
		reader_u8(&r, &samples) != 0) {
		return ERR_TRUNCATED;
	}
	if (bits < 2 || bits > 16 || columns == 0 || samples == 0) {
		found_say(i, CHECK_CODEC_PARAMETERS, "%u bits, %u columns, %u components", bits, columns,
			samples);
		return ERR_VALUE;
	}
	if (header.len != 6u + 3u * samples) {
		found_say(i, CHECK_CODEC_PARAMETERS, "a frame header of %zu bytes, of %u components",
			header.len + 2, samples);
		return ERR_LENGTH;
	}
	*c = (struct coded){columns, rows, samples, bits, -1};
	compare(i, c);
	return 0;
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

/* From marker to marker: to the frame header, and of JPEG-LS to that of its first scan. */
void codestream_jpeg(struct inspect *i, struct span v)
{
	struct reader r = reader_of(v);
	struct coded c = {0};
	uint16_t marker = 0, length = 0;
	int err = reader_skip(&r, 2);
	while (err == 0 && reader_u16be(&r, &marker) == 0 && reader_u16be(&r, &length) == 0) {
		struct span header;
		if (marker < 0xFFC0 || length < 2 || reader_bytes(&r, length - 2u, &header) != 0) {
			return;
		}
		if (is_frame(marker)) {
			err = take_frame(i, header, &c);
			err = err || marker != JPEG_LS ? ERR_NOT_FOUND : 0;
		} else if (marker == JPEG_SCAN) {
			if (c.bits) {
				take_near(i, header, c.bits);
			}
			return;
		}
	}
}
