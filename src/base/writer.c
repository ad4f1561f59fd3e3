/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"

#include <endian.h>

void writer_bytes(struct writer *w, const void *ptr, size_t n)
{
	if (w->err) {
		return;
	}
	if (n > w->cap - w->len) {
		w->err = ERR_SPACE;
		return;
	}
	if (n > 0) {
		memcpy(w->ptr + w->len, ptr, n);
		w->len += n;
	}
}

void writer_span(struct writer *w, struct span s)
{
	writer_bytes(w, s.ptr, s.len);
}

void writer_fill(struct writer *w, uint8_t v, size_t n)
{
	if (w->err) {
		return;
	}
	if (n > w->cap - w->len) {
		w->err = ERR_SPACE;
		return;
	}
	memset(w->ptr + w->len, v, n);
	w->len += n;
}

void writer_u8(struct writer *w, uint8_t v)
{
	writer_bytes(w, &v, 1);
}

void writer_u16be(struct writer *w, uint16_t v)
{
	v = htobe16(v);
	writer_bytes(w, &v, sizeof(v));
}

void writer_u32be(struct writer *w, uint32_t v)
{
	v = htobe32(v);
	writer_bytes(w, &v, sizeof(v));
}

void writer_u64be(struct writer *w, uint64_t v)
{
	v = htobe64(v);
	writer_bytes(w, &v, sizeof(v));
}

void writer_u16le(struct writer *w, uint16_t v)
{
	v = htole16(v);
	writer_bytes(w, &v, sizeof(v));
}

void writer_u32le(struct writer *w, uint32_t v)
{
	v = htole32(v);
	writer_bytes(w, &v, sizeof(v));
}

static size_t mark(struct writer *w, size_t width)
{
	size_t at = w->len;
	writer_fill(w, 0, width);
	return at;
}

size_t writer_mark_u16be(struct writer *w)
{
	return mark(w, 2);
}

size_t writer_mark_u32be(struct writer *w)
{
	return mark(w, 4);
}

size_t writer_mark_u32le(struct writer *w)
{
	return mark(w, 4);
}

static void fill(struct writer *w, size_t at, size_t width, bool little)
{
	if (w->err) {
		return;
	}
	size_t n = w->len - at - width;
	if ((width == 2 && n > UINT16_MAX) || n > UINT32_MAX) {
		w->err = ERR_SPACE;
		return;
	}
	if (width == 2) {
		uint16_t v = htobe16((uint16_t)n);
		memcpy(w->ptr + at, &v, sizeof(v));
	} else {
		uint32_t v = little ? htole32((uint32_t)n) : htobe32((uint32_t)n);
		memcpy(w->ptr + at, &v, sizeof(v));
	}
}

void writer_fill_u16be(struct writer *w, size_t at)
{
	fill(w, at, 2, false);
}

void writer_fill_u32be(struct writer *w, size_t at)
{
	fill(w, at, 4, false);
}

void writer_fill_u32le(struct writer *w, size_t at)
{
	fill(w, at, 4, true);
}

int writer_end(const struct writer *w)
{
	return w->err;
}
