/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/remarks_rle.h"

#define HEAD 64u /* PS3.5 G.5 */

void remarks_rle_begin(
	struct remarks_rle *r, uint32_t rows, uint32_t columns, uint32_t samples, uint32_t allocated)
{
	uint64_t pixels = (uint64_t)rows * columns;
	bool bits = allocated == 1 && samples == 1;
	bool sound = rows <= 65535 && columns <= 65535 && samples <= REMARKS_SEGMENTS && allocated <= 64;
	uint32_t segments = bits ? 1 : allocated % 8 == 0 && sound ? samples * (allocated / 8) : 0;
	*r = (struct remarks_rle){
		.segments = sound && pixels > 0 && segments <= REMARKS_SEGMENTS ? segments : 0,
		.per_segment = bits ? (pixels + 7) / 8 : pixels};
}

void remarks_rle_fragment(struct remarks_rle *r, uint32_t length)
{
	r->known = r->segments > 0;
	r->next = 0;
	r->at = 0;
	r->length = length;
	r->word = r->literal = r->run = 0;
	r->left = 0;
}

static void take_head(struct remarks_rle *r, uint8_t byte, bool *ret_blank)
{
	uint32_t i = (uint32_t)r->at / 4;
	*ret_blank = i > r->segments;
	r->word |= (uint32_t)byte << 8 * (r->at % 4);
	if (r->at++ % 4 < 3 || i > r->segments) {
		return;
	}
	if (i == 0) {
		r->known = r->word == r->segments;
	} else {
		r->offsets[i - 1] = r->word;
		r->known = r->word >= HEAD && r->word <= r->length && (i == 1 || r->word > r->offsets[i - 2]);
	}
	r->word = 0;
}

/* As far as the segment has pixels. */
static size_t take_packed(struct remarks_rle *r, const uint8_t *bytes, size_t len)
{
	size_t n = 0;
	while (n < len && r->left > 0) {
		uint64_t count = 1;
		if (r->literal > 0) {
			count = len - n < r->literal ? len - n : r->literal;
			count = count < r->left ? count : r->left;
			r->literal -= (uint32_t)count;
			r->left -= count;
		} else if (r->run > 0) {
			r->left -= r->run < r->left ? r->run : r->left;
			r->run = 0;
		} else if (bytes[n] < 128) {
			r->literal = bytes[n] + 1u;
		} else if (bytes[n] > 128) {
			r->run = 257u - bytes[n];
		}
		n += (size_t)count;
	}
	return n;
}

size_t remarks_rle_take(struct remarks_rle *r, struct span bytes, bool *ret_blank)
{
	*ret_blank = false;
	if (!r->known) {
		return bytes.len;
	}
	if (r->at < HEAD) {
		take_head(r, bytes.ptr[0], ret_blank);
		return 1;
	}
	if (r->next < r->segments && r->at == r->offsets[r->next]) {
		r->next++;
		r->left = r->per_segment;
		r->literal = r->run = 0;
	}
	uint64_t end = r->next < r->segments ? r->offsets[r->next] : UINT64_MAX;
	size_t n = end - r->at < bytes.len ? (size_t)(end - r->at) : bytes.len;
	if (r->left > 0) {
		n = take_packed(r, bytes.ptr, n);
	} else {
		*ret_blank = true;
	}
	r->at += n;
	return n;
}
