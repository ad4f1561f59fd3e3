/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_FILES_H
#define PIXELS_FILES_H

#include "pixels/clean.h"

#include <stdio.h>
#include <stdlib.h>

/* Is a pixel one that goes? Said plainly, for comparing with what was blanked. */
static inline bool inside(const struct pixels_regions *r, uint32_t x, uint32_t y)
{
	bool in = false, kept = !r->keep_only;
	for (unsigned i = 0; i < r->n_blank; i++) {
		in = in || (x >= r->blank[i].x && x - r->blank[i].x < r->blank[i].width &&
				   y >= r->blank[i].y && y - r->blank[i].y < r->blank[i].height);
	}
	for (unsigned i = 0; i < r->n_keep; i++) {
		kept = kept || (x >= r->keep[i].x && x - r->keep[i].x < r->keep[i].width &&
				       y >= r->keep[i].y && y - r->keep[i].y < r->keep[i].height);
	}
	return in || !kept;
}

/* Files in memory whose pixels are cleaned. */

struct memory {
	uint8_t *bytes;
	size_t len, cap;
};

static inline ptrdiff_t read_at(void *arg, uint64_t offset, void *to, size_t n)
{
	const struct memory *m = arg;
	size_t left = offset < m->len ? m->len - (size_t)offset : 0;
	n = n < left ? n : left;
	if (n > 0) {
		memcpy(to, m->bytes + offset, n);
	}
	return (ptrdiff_t)n;
}

static inline int write_end(void *arg, struct span bytes)
{
	struct memory *m = arg;
	assert_true(bytes.len <= m->cap - m->len);
	memcpy(m->bytes + m->len, bytes.ptr, bytes.len);
	m->len += bytes.len;
	return 0;
}

/* An item, or its delimiter (PS3.5 A.4), padded to an even length. */
static inline void put_fragment(struct memory *m, uint32_t tag, struct span bytes)
{
	uint32_t n = (uint32_t)(bytes.len + bytes.len % 2);
	assert_int_equal(write_end(m, span_of(&tag, 4)), 0);
	assert_int_equal(write_end(m, span_of(&n, 4)), 0);
	assert_int_equal(write_end(m, bytes), 0);
	assert_int_equal(write_end(m, span_of("", bytes.len % 2)), 0);
}

static inline int patch(void *arg, uint64_t offset, struct span bytes)
{
	struct memory *m = arg;
	assert_true(offset <= m->len && bytes.len <= m->len - offset);
	memcpy(m->bytes + offset, bytes.ptr, bytes.len);
	return 0;
}

static inline struct memory opened(const char *name)
{
	char path[512];
	struct memory m = {.cap = 1u << 20};
	snprintf(path, sizeof(path), "%s/dicom/%s", TESTS_DATA, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	m.bytes = malloc(m.cap);
	assert_non_null(m.bytes);
	m.len = fread(m.bytes, 1, m.cap, f);
	fclose(f);
	return m;
}

static inline int cleaned_as(bool native, struct memory *from, const struct pixels_regions *r,
	struct memory *to, struct survey *s, const char **why)
{
	const struct pixels_input in = {from, read_at};
	const struct pixels_output out = {to, write_end, patch};
	int e = survey_read(s, &in);
	return e ? e : pixels_clean(s, r, &in, &out, NULL, native, NULL, why);
}

static inline int cleaned(struct memory *from, const struct pixels_regions *r, struct memory *to,
	struct survey *s, const char **why)
{
	return cleaned_as(false, from, r, to, s, why);
}

#endif
