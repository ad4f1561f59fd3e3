/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean_parts.h"

#include <stdlib.h>

/* Where each fragment begins in the stream that they are parts of (PS3.5 A.4.5 to A.4.10). */
struct clean_fragments {
	const struct pixels_input *in;
	const struct survey *s;
	uint64_t *begins; /* of each, and the end */
	struct video_source source;
};

static size_t fragment_at(const struct clean_fragments *t, uint64_t at)
{
	size_t low = 0, high = t->s->n_fragments;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (t->begins[middle] <= at) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return low;
}

uint64_t clean_fragments_place(const struct clean_fragments *t, uint64_t at, uint64_t *ret_left)
{
	size_t i = fragment_at(t, at);
	*ret_left = t->begins[i + 1] - at;
	return t->s->fragments[i].offset + (at - t->begins[i]);
}

static ptrdiff_t on_read(void *arg, uint64_t at, void *to, size_t n)
{
	const struct clean_fragments *t = arg;
	uint64_t left;
	if (at >= t->source.len) {
		return 0;
	}
	uint64_t place = clean_fragments_place(t, at, &left);
	ptrdiff_t got = t->in->read_at(t->in->arg, place, to, n < left ? n : (size_t)left);
	return got == 0 ? ERR_SYSTEM : got; /* it was there when it was surveyed */
}

struct clean_fragments *clean_fragments_new(const struct survey *s, const struct pixels_input *in)
{
	struct clean_fragments *t = calloc(1, sizeof(*t));
	uint64_t *begins = calloc(s->n_fragments + 1, sizeof(*begins));
	if (!t || !begins) {
		free(t);
		free(begins);
		return NULL;
	}
	for (size_t i = 0; i < s->n_fragments; i++) {
		begins[i + 1] = begins[i] + s->fragments[i].len;
	}
	*t = (struct clean_fragments){
		.in = in, .s = s, .begins = begins, .source = {t, on_read, begins[s->n_fragments]}};
	return t;
}

const struct video_source *clean_fragments_source(const struct clean_fragments *t)
{
	return &t->source;
}

void clean_fragments_free(struct clean_fragments *t)
{
	if (t) {
		free(t->begins);
		free(t);
	}
}
