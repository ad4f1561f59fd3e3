/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/rle.h"

#include "base/reader.h"

#define HEAD     64 /* PS3.5 G.5: how many segments, and where they begin */
#define SEGMENTS 15

/* Where the n-th segment's bytes go: the most significant byte of each sample first (PS3.5 G.2). */
static size_t place_of(const struct rle_shape *s, unsigned segment)
{
	return (size_t)(segment / s->bytes) * s->bytes + (s->bytes - 1 - segment % s->bytes);
}

/* PS3.5 G.3.2 */
static int decode_segment(const struct rle_shape *s, struct reader *r, uint8_t *to)
{
	size_t step = (size_t)s->samples * s->bytes, at = 0;
	while (at < s->pixels) {
		uint8_t n = 0, value = 0;
		struct span literal = {0};
		int e = reader_u8(r, &n);
		if (e == 0 && n == 128) {
			continue;
		}
		size_t count = n < 128 ? (size_t)n + 1 : 257 - (size_t)n;
		e = e ? e : n < 128 ? reader_bytes(r, count, &literal) : reader_u8(r, &value);
		if (e < 0) {
			return e;
		}
		if (s->whole && count > s->pixels - at) {
			return ERR_LENGTH;
		}
		for (size_t i = 0; i < count && at < s->pixels; i++) {
			to[at++ * step] = literal.ptr ? literal.ptr[i] : value;
		}
	}
	return 0;
}

int rle_decode(const struct rle_shape *s, struct span in, uint8_t *ret_samples)
{
	struct reader head = reader_of(in);
	uint32_t n, offsets[SEGMENTS + 1];
	if (in.len < HEAD || reader_u32le(&head, &n) < 0) {
		return ERR_TRUNCATED;
	}
	if (n != s->samples * s->bytes || n == 0 || n > SEGMENTS) {
		return ERR_VALUE;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (reader_u32le(&head, &offsets[i]) < 0 || offsets[i] < HEAD || offsets[i] > in.len ||
			(i > 0 && offsets[i] < offsets[i - 1])) {
			return ERR_LENGTH;
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		size_t end = i + 1 < n ? offsets[i + 1] : in.len;
		struct reader r = reader_of(span_of(in.ptr + offsets[i], end - offsets[i]));
		int e = decode_segment(s, &r, ret_samples + place_of(s, i));
		e = e == 0 && s->whole && reader_left(&r) > 1 ? ERR_LENGTH : e;
		if (e < 0) {
			return e;
		}
	}
	return 0;
}

size_t rle_most(const struct rle_shape *s)
{
	size_t rows = s->columns ? (s->pixels + s->columns - 1) / s->columns : 0;
	/* A literal of 128 bytes has a head of one; a row begins a new one; a segment is padded. */
	return HEAD + (size_t)s->samples * s->bytes * (s->pixels + s->pixels / 128 + rows + 1);
}

static size_t run_at(const uint8_t *row, size_t step, size_t at, size_t columns)
{
	size_t n = 1;
	while (n < 128 && at + n < columns && row[(at + n) * step] == row[at * step]) {
		n++;
	}
	return n;
}

static size_t encode_row(const uint8_t *row, size_t step, size_t columns, uint8_t *to)
{
	size_t n = 0;
	for (size_t at = 0; at < columns;) {
		size_t run = run_at(row, step, at, columns);
		if (run > 2) {
			to[n++] = (uint8_t)(257 - run);
			to[n++] = row[at * step];
			at += run;
			continue;
		}
		uint8_t *head = &to[n++];
		size_t count = 0;
		while (count < 128 && at < columns && (count == 0 || run_at(row, step, at, columns) < 3)) {
			to[n++] = row[at++ * step];
			count++;
		}
		*head = (uint8_t)(count - 1);
	}
	return n;
}

size_t rle_encode(const struct rle_shape *s, const uint8_t *samples, uint8_t *to)
{
	unsigned segments = s->samples * s->bytes;
	size_t n = HEAD;
	memset(to, 0, HEAD);
	to[0] = (uint8_t)segments;
	for (unsigned i = 0; i < segments; i++) {
		for (unsigned k = 0; k < 4; k++) {
			to[4 + 4 * i + k] = (uint8_t)(n >> 8 * k);
		}
		for (size_t at = 0; at < s->pixels; at += s->columns) {
			const uint8_t *row = samples + at * segments + place_of(s, i);
			size_t columns = s->pixels - at < s->columns ? s->pixels - at : s->columns;
			n += encode_row(row, segments, columns, to + n);
		}
		if (n % 2) {
			to[n++] = 0;
		}
	}
	return n;
}
