/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"

#include <endian.h>

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
