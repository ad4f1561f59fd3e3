/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/strip_parts.h"

#include <stdlib.h>

/* ISO 14496-12 8.7. */

#define SAMPLES (4u << 20) /* of all videos: a day and a half of them */
#define TABLE   (64u << 20)

/* Numbers of a table, a cell at a time. */
struct cells {
	struct strip *s;
	struct strip_table table;
	unsigned size; /* of a number */
	uint64_t at;   /* of the buffer, in the table */
	size_t n;      /* bytes in it */
	uint8_t bytes[4096];
};

/* *ret_v: number i behind `head` bytes. ERR_TRUNCATED: there is none. */
static int cell(struct cells *c, unsigned head, uint64_t i, uint64_t *ret_v)
{
	uint64_t at = head + i * c->size;
	if (at > c->table.len || c->size > c->table.len - at) {
		return ERR_TRUNCATED;
	}
	if (c->n == 0 || at < c->at || at + c->size > c->at + c->n) {
		uint64_t left = c->table.len - at;
		c->n = left < sizeof(c->bytes) ? (size_t)left : sizeof(c->bytes);
		c->at = at;
		int e = strip_read(c->s, c->table.at + at, c->bytes, c->n);
		if (e < 0) {
			return e;
		}
	}
	uint64_t v = 0;
	for (unsigned k = 0; k < c->size; k++) {
		v = v << 8 | c->bytes[at - c->at + k];
	}
	*ret_v = v;
	return 0;
}

static int grow(struct strip *s, struct strip_samples *to)
{
	if (to->n < to->cap) {
		return 0;
	}
	size_t cap = to->cap > 0 ? to->cap * 2 : 1024;
	if (cap > SAMPLES) {
		return strip_refuse(s, ERR_LIMIT, "its MP4 file has more samples than are looked at");
	}
	struct strip_sample *more = realloc(to->of, cap * sizeof(*more));
	if (!more) {
		return ERR_NO_MEMORY;
	}
	to->of = more;
	to->cap = cap;
	return 0;
}

/* The tables of a track as they are read along. */
struct track {
	struct strip *s;
	struct cells sizes, chunks, offsets;
	uint64_t all, one;               /* samples there are; the size that all have, or 0 */
	uint64_t n_runs, run, per, next; /* of stsc: chunks from here on have so many samples, up to `next` */
};

static int read_heads(struct track *t)
{
	int e = cell(&t->sizes, 4, 0, &t->one);
	e = e ? e : cell(&t->sizes, 8, 0, &t->all);
	e = e ? e : cell(&t->chunks, 4, 0, &t->n_runs);
	t->offsets.size = 4;
	return e;
}

/* How many samples the chunk has, counted from 1. */
static int samples_of(struct track *t, uint64_t chunk, uint64_t *ret_n)
{
	uint64_t first = 0;
	while (t->run < t->n_runs && (t->run == 0 || chunk >= t->next)) {
		int e = cell(&t->chunks, 8, t->run * 3, &first);
		e = e ? e : cell(&t->chunks, 8, t->run * 3 + 1, &t->per);
		if (e < 0 || first > chunk || (t->run > 0 && first != t->next)) {
			return e < 0 ? e : ERR_VALUE;
		}
		t->run++;
		t->next = UINT64_MAX;
		e = t->run < t->n_runs ? cell(&t->chunks, 8, t->run * 3, &t->next) : 0;
		if (e < 0 || t->next <= first) {
			return e < 0 ? e : ERR_VALUE;
		}
	}
	*ret_n = t->per;
	return t->run > 0 ? 0 : ERR_VALUE;
}

static int add_chunk(struct track *t, uint64_t at, uint64_t n, uint64_t *done, unsigned unit_size,
	struct strip_samples *to)
{
	for (uint64_t i = 0; i < n && *done < t->all; i++, (*done)++) {
		uint64_t len = t->one;
		int e = len > 0 ? 0 : cell(&t->sizes, 12, *done, &len);
		e = e ? e : grow(t->s, to);
		if (e == 0 && (at > t->s->source->len || len > t->s->source->len - at)) {
			e = strip_refuse(t->s, ERR_VALUE, "its video is cut off");
		}
		if (e < 0) {
			return e;
		}
		to->of[to->n++] = (struct strip_sample){at, (uint32_t)len, (uint8_t)unit_size};
		at += len;
	}
	return 0;
}

static int add_all(
	struct track *t, const struct strip_tables *tables, unsigned unit_size, struct strip_samples *to)
{
	uint64_t n_chunks = 0, done = 0;
	int e = read_heads(t);
	e = e ? e : cell(&t->offsets, 4, 0, &n_chunks);
	t->offsets.size = tables->wide ? 8 : 4;
	t->offsets.n = 0;
	for (uint64_t i = 0; i < n_chunks && e == 0 && done < t->all; i++) {
		uint64_t at = 0, n = 0;
		e = cell(&t->offsets, 8, i, &at);
		e = e ? e : samples_of(t, i + 1, &n);
		e = e ? e : add_chunk(t, at, n, &done, unit_size, to);
	}
	return e ? e : done == t->all ? 0 : ERR_VALUE;
}

int strip_samples_add(
	struct strip *s, const struct strip_tables *tables, unsigned unit_size, struct strip_samples *samples)
{
	struct track *t = calloc(1, sizeof(*t));
	if (!t) {
		return ERR_NO_MEMORY;
	}
	t->s = s;
	t->sizes = (struct cells){.s = s, .table = tables->sizes, .size = 4};
	t->chunks = (struct cells){.s = s, .table = tables->chunks, .size = 4};
	t->offsets = (struct cells){.s = s, .table = tables->offsets, .size = 4};
	int e = tables->sizes.len > TABLE
	                ? strip_refuse(s, ERR_LIMIT, "its MP4 file has more samples than are looked at")
	                : add_all(t, tables, unit_size, samples);
	free(t);
	return e;
}

static int compare(const void *a, const void *b)
{
	const struct strip_sample *x = a, *y = b;
	return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->len < y->len ? -1 : x->len > y->len;
}

int strip_samples_sort(struct strip *s, struct strip_samples *samples)
{
	if (samples->n > 0) {
		qsort(samples->of, samples->n, sizeof(*samples->of), compare);
	}
	for (size_t i = 1; i < samples->n; i++) {
		if (samples->of[i].at - samples->of[i - 1].at < samples->of[i - 1].len) {
			return strip_refuse(s, ERR_VALUE, "pictures of its video lie in one another");
		}
	}
	return 0;
}
