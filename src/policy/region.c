/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/region.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)16 * 1024)

struct chunk {
	struct chunk *next;
	size_t cap, used;
	max_align_t bytes[];
};

struct region {
	struct chunk *chunks; /* the newest first */
	size_t total;
	bool failed;
};

struct region *region_new(void)
{
	return calloc(1, sizeof(struct region));
}

void region_free(struct region *r)
{
	if (!r) {
		return;
	}
	while (r->chunks) {
		struct chunk *next = r->chunks->next;
		explicit_bzero(r->chunks->bytes, r->chunks->used); /* a site's region holds private keys */
		free(r->chunks);
		r->chunks = next;
	}
	free(r);
}

static struct chunk *more(struct region *r, size_t n)
{
	size_t cap = n > CHUNK ? n : CHUNK;
	if (cap > REGION_LIMIT - r->total) {
		return NULL;
	}
	struct chunk *c = calloc(1, sizeof(*c) + cap);
	if (!c) {
		return NULL;
	}
	c->cap = cap;
	c->next = r->chunks;
	r->chunks = c;
	r->total += cap;
	return c;
}

void *region_alloc(struct region *r, size_t n)
{
	const size_t align = sizeof(max_align_t);
	if (r->failed || n > REGION_LIMIT) {
		r->failed = true;
		return NULL;
	}
	n = n ? (n + align - 1) / align * align : align;
	struct chunk *c = r->chunks;
	if (!c || n > c->cap - c->used) {
		c = more(r, n);
	}
	if (!c) {
		r->failed = true;
		return NULL;
	}
	void *p = (uint8_t *)c->bytes + c->used;
	c->used += n;
	return p;
}

void *region_array(struct region *r, size_t count, size_t size)
{
	size_t n;
	if (__builtin_mul_overflow(count, size, &n)) {
		r->failed = true;
		return NULL;
	}
	return region_alloc(r, n);
}

char *region_strn(struct region *r, const char *s, size_t n)
{
	char *p = region_alloc(r, n + 1);
	if (p) {
		memcpy(p, s, n);
	}
	return p;
}

char *region_str(struct region *r, const char *s)
{
	return region_strn(r, s, strlen(s));
}

char *region_printf(struct region *r, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	char *p = n < 0 ? NULL : region_alloc(r, (size_t)n + 1);
	if (p) {
		vsnprintf(p, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	va_end(ap);
	return p;
}

bool region_failed(const struct region *r)
{
	return r->failed;
}
