/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean_parts.h"
#include "pixels/strip.h"

#include <stdlib.h>

/* Where a new file's bytes go, of a video that is otherwise the same. */
struct target {
	const struct clean_fragments *fragments;
	const struct pixels_output *out;
};

static int on_put(void *arg, uint64_t at, struct span bytes)
{
	const struct target *t = arg;
	int e = 0;
	while (bytes.len > 0 && e == 0) {
		uint64_t left, place = clean_fragments_place(t->fragments, at, &left);
		size_t n = bytes.len < left ? bytes.len : (size_t)left;
		e = t->out->patch(t->out->arg, place, span_of(bytes.ptr, n));
		bytes = span_of(bytes.ptr + n, bytes.len - n);
		at += n;
	}
	return e;
}

static int copy(const struct pixels_input *in, const struct pixels_output *out)
{
	uint8_t *piece = malloc(CLEAN_PIECE);
	uint64_t at = 0;
	int e = piece ? 0 : ERR_NO_MEMORY;
	while (e == 0) {
		ptrdiff_t n = in->read_at(in->arg, at, piece, CLEAN_PIECE);
		if (n <= 0) {
			e = n < 0 ? ERR_SYSTEM : 0;
			break;
		}
		e = out->write(out->arg, span_of(piece, (size_t)n));
		at += (uint64_t)n;
	}
	free(piece);
	return e;
}

static int strip(const struct survey *s, enum video_kind kind, const struct pixels_input *in,
	const struct pixels_output *out, struct strip_found *ret_found, const char **ret_why)
{
	struct clean_fragments *f = clean_fragments_new(s, in);
	if (!f) {
		*ret_why = "there is no memory";
		return ERR_NO_MEMORY;
	}
	struct target target = {f, out};
	const struct strip_output to = {&target, on_put};
	int e = strip_video(kind, clean_fragments_source(f), NULL, ret_found, ret_why);
	if (e == 0 && ret_found->any) {
		struct strip_found again;
		e = copy(in, out);
		*ret_why = e < 0 ? err_str(e) : *ret_why;
		e = e ? e : strip_video(kind, clean_fragments_source(f), &to, &again, ret_why);
	}
	clean_fragments_free(f);
	return e;
}

int pixels_strip(const struct survey *s, const struct pixels_input *in, const struct pixels_output *out,
	bool *ret_any, struct pixels_aside *ret_aside, const char **ret_why)
{
	const struct encoding_coded *coded = encoding_coded(span_str(s->syntax));
	struct strip_found found = {0};
	int e = 0;
	if (!coded || !encoding_is_video(coded->coding) || (!s->has_pixels && !s->has_other_pixels)) {
		*ret_any = false;
		return 0;
	}
	if (s->has_other_pixels || !s->encapsulated) {
		*ret_why = "it has several sets of pixels, or such as its transfer syntax has none";
		return ERR_UNSUPPORTED;
	}
	e = strip(s, clean_video_kind(coded->coding), in, out, &found, ret_why);
	if (e == 0) {
		*ret_any = found.any;
		*ret_aside = (struct pixels_aside){.others = found.streams};
	}
	return e;
}
