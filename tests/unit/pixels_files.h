/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_FILES_H
#define PIXELS_FILES_H

#include "pixels/clean.h"

#include <stdio.h>
#include <stdlib.h>

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
	return e ? e : pixels_clean(s, r, &in, &out, NULL, native, why);
}

static inline int cleaned(struct memory *from, const struct pixels_regions *r, struct memory *to,
	struct survey *s, const char **why)
{
	return cleaned_as(false, from, r, to, s, why);
}

#endif
