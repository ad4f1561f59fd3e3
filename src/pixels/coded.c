/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/coded.h"

#include "base/reader.h"

/* ---- JPEG 2000 (ISO 15444-1 A.5.1): SIZ is the second marker ---- */

static int take_component(struct reader *r, struct coded_shape *s)
{
	uint8_t bits = 0, x = 0, y = 0;
	int e = reader_u8(r, &bits);
	e = e ? e : reader_u8(r, &x);
	e = e ? e : reader_u8(r, &y);
	bits = (uint8_t)((bits & 0x7F) + 1);
	s->bits = bits > s->bits ? bits : s->bits;
	return e ? e : x == 1 && y == 1 ? 0 : ERR_VALUE;
}

static int read_2000(struct span frame, struct coded_shape *s)
{
	struct reader r = reader_of(frame);
	uint32_t begin = 0, size[4] = {0};
	uint16_t n = 0;
	int e = reader_u32be(&r, &begin);
	e = e == 0 && begin != 0xFF4FFF51 ? ERR_VALUE : e;
	e = e ? e : reader_skip(&r, 4); /* its length, and what it wants of decoders */
	for (unsigned i = 0; i < 4 && e == 0; i++) {
		e = reader_u32be(&r, &size[i]);
	}
	e = e ? e : reader_skip(&r, 16); /* tiles */
	e = e ? e : reader_u16be(&r, &n);
	e = e == 0 && (size[0] < size[2] || size[1] < size[3]) ? ERR_VALUE : e;
	*s = (struct coded_shape){.columns = size[0] - size[2], .rows = size[1] - size[3], .samples = n};
	for (unsigned i = 0; i < n && e == 0; i++) {
		e = take_component(&r, s);
	}
	return e;
}

/* ---- JPEG (ISO 10918-1 B.2.2), JPEG-LS (ISO 14495-1 C.2.2) ---- */

static int next_marker(struct reader *r, uint8_t *ret_marker)
{
	uint8_t b = 0;
	int e = reader_u8(r, &b);
	e = e == 0 && b != 0xFF ? ERR_VALUE : e;
	while (e == 0 && b == 0xFF) { /* as many as one likes */
		e = reader_u8(r, &b);
	}
	*ret_marker = b;
	return e;
}

static bool begins_frame(enum codec_kind kind, uint8_t marker)
{
	bool tables = marker == 0xC4 || marker == 0xC8 || marker == 0xCC;
	return kind == CODEC_JPEG_LS ? marker == 0xF7 : marker >= 0xC0 && marker <= 0xCF && !tables;
}

/* Has it neither length nor bytes, or does what is coded begin behind it? */
static bool ends_head(uint8_t marker)
{
	return marker <= 0x01 || (marker >= 0xD0 && marker <= 0xDA);
}

static int read_frame_head(struct reader *r, struct coded_shape *s)
{
	uint8_t bits = 0, samples = 0;
	uint16_t rows = 0, columns = 0;
	int e = reader_skip(r, 2);
	e = e ? e : reader_u8(r, &bits);
	e = e ? e : reader_u16be(r, &rows);
	e = e ? e : reader_u16be(r, &columns);
	e = e ? e : reader_u8(r, &samples);
	*s = (struct coded_shape){rows, columns, samples, bits};
	return e;
}

static int read_jpeg(enum codec_kind kind, struct span frame, struct coded_shape *s)
{
	struct reader r = reader_of(frame);
	uint16_t len = 0;
	uint8_t marker = 0;
	int e = reader_u16be(&r, &len);
	e = e == 0 && len != 0xFFD8 ? ERR_VALUE : e;
	for (;;) {
		e = e ? e : next_marker(&r, &marker);
		if (e == 0 && begins_frame(kind, marker)) {
			return read_frame_head(&r, s);
		}
		e = e == 0 && ends_head(marker) ? ERR_VALUE : e;
		e = e ? e : reader_u16be(&r, &len);
		e = e == 0 && len < 2 ? ERR_VALUE : e;
		e = e ? e : reader_skip(&r, len - 2u);
		if (e < 0) {
			return e;
		}
	}
}

int coded_read(enum codec_kind kind, struct span frame, struct coded_shape *ret_shape)
{
	struct coded_shape s = {0};
	int e = kind == CODEC_JPEG_2000 ? read_2000(frame, &s) : read_jpeg(kind, frame, &s);
	if (e == 0) {
		*ret_shape = s;
	}
	return e;
}
