/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean.h"
#include "pixels/coded.h"
#include "pixels/rules.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file whose pixels are to be cleaned, by our own code, and with codecs of others that are none: what is written stays within what may be, and is read again without fault. */
#define ENOUGH (1u << 22)

struct file {
	uint8_t *bytes;
	size_t len;
};

static ptrdiff_t read_at(void *arg, uint64_t offset, void *to, size_t n)
{
	const struct file *f = arg;
	size_t left = offset < f->len ? f->len - (size_t)offset : 0;
	n = n < left ? n : left;
	if (n > 0) {
		memcpy(to, f->bytes + offset, n);
	}
	return (ptrdiff_t)n;
}

static int write_end(void *arg, struct span bytes)
{
	struct file *f = arg;
	if (bytes.len > ENOUGH - f->len) {
		return ERR_SPACE;
	}
	memcpy(f->bytes + f->len, bytes.ptr, bytes.len);
	f->len += bytes.len;
	return 0;
}

static int patch(void *arg, uint64_t offset, struct span bytes)
{
	struct file *f = arg;
	if (offset > f->len || bytes.len > f->len - offset) {
		abort();
	}
	memcpy(f->bytes + offset, bytes.ptr, bytes.len);
	return 0;
}

/* What lies beside the pixels: once it is gone, nothing is there. */
static void trim(struct file *from)
{
	static uint8_t room[ENOUGH];
	struct file to = {room, 0};
	const struct pixels_input in = {from, read_at}, result = {&to, read_at};
	const struct pixels_output out = {&to, write_end, patch};
	struct survey s, again;
	const char *why = NULL;
	bool any = false;
	if (survey_read(&s, &in) == 0 && (uint64_t)s.shape.rows * s.shape.columns <= 1u << 18 &&
		pixels_beside(&s, &in, NULL, &any) == 0 && any &&
		pixels_clean(&s, NULL, &in, &out, NULL, false, NULL, &why) == 0) {
		any = false;
		if (survey_read(&again, &result) < 0 || pixels_beside(&again, &result, NULL, &any) < 0 ||
			any) {
			abort();
		}
		survey_done(&again);
	}
	survey_done(&s);
}

/* ---- Codecs that are none: frames are what they are, and the pictures of a video are its bytes ---- */

static uint8_t kept[ENOUGH];

static int fake_decode(enum codec_kind kind, struct codec_frame *frame, const uint8_t *in, size_t n_in,
	uint8_t *ret_samples, size_t len)
{
	if (n_in < len || kind == CODEC_JPEG_XL || frame->photometric[16] != 0) {
		return -1;
	}
	memcpy(ret_samples, in, len);
	return 0;
}

static int fake_encode(enum codec_kind kind, struct codec_frame *frame, const uint8_t *samples, size_t len,
	const uint8_t **ret_bytes, size_t *ret_n)
{
	(void)kind;
	if (len > sizeof(kept) || frame->photometric[16] != 0) {
		return -1;
	}
	memcpy(kept, samples, len);
	*ret_bytes = kept;
	*ret_n = len;
	return 0;
}

struct video {
	const struct video_source *source;
	struct video_shape shape;
	uint64_t at;
	uint8_t left;
};

static int fake_open(enum video_kind kind, const struct video_shape *shape, const struct video_source *source,
	struct video **ret_video, const char **ret_why)
{
	uint8_t first;
	struct video *v = calloc(1, sizeof(*v));
	if (!v || kind > VIDEO_HEVC || source->read(source->arg, source->len, &first, 1) != 0) {
		abort();
	}
	*v = (struct video){.source = source, .shape = *shape, .at = 1};
	if (source->read(source->arg, 0, &first, 1) != 1 || first == 0) {
		free(v);
		*ret_why = "none";
		return ERR_VALUE;
	}
	v->left = first & 7;
	*ret_video = v;
	return 0;
}

static int fake_next(struct video *v, uint8_t *to, const char **ret_why)
{
	size_t len = (size_t)v->shape.rows * v->shape.columns * 3 * (v->shape.bits > 8 ? 2 : 1), n = 0;
	if (v->left == 0) {
		return 0;
	}
	v->left--;
	while (to && n < len && v->at < v->source->len) {
		ptrdiff_t got = v->source->read(v->source->arg, v->at, to + n, len - n);
		if (got <= 0 || (size_t)got > len - n) {
			abort();
		}
		n += (size_t)got;
		v->at += (uint64_t)got;
	}
	*ret_why = "never";
	return 1;
}

static void fake_facts(const struct video *v, struct video_facts *ret_facts)
{
	uint8_t b[5] = {0};
	if (v->source->read(v->source->arg, v->source->len / 2, b, sizeof(b)) < 0) {
		abort();
	}
	*ret_facts = (struct video_facts){b[0], b[1] + 1u, b[2], b[3], b[4] & 1};
}

static void fake_close(struct video *v)
{
	free(v);
}

static const struct codec fake_codec = {fake_decode, fake_encode};
static const struct video_codec fake_video = {fake_open, fake_next, fake_facts, fake_close};
static const struct pixels_codecs fakes = {&fake_codec, &fake_video, ENOUGH};

/* ---- What is cleaned ---- */

static void clean(struct file *from, bool native, const struct pixels_codecs *codecs)
{
	static const struct pixels_regions always = {.n_blank = 2, .blank = {{0, 0, 3, 2}, {2, 1, 9, 65535}}};
	static uint8_t room[ENOUGH];
	struct file to = {room, 0};
	const struct pixels_input in = {from, read_at}, result = {&to, read_at};
	const struct pixels_output out = {&to, write_end, patch};
	struct pixels_regions regions = always;
	struct survey s, again;
	const char *why = NULL;
	if (survey_read(&s, &in) == 0 && (uint64_t)s.shape.rows * s.shape.columns <= 1u << 18) {
		enum pixels_decision d = pixels_decide(&s, NULL, &regions, &why);
		if (!why || regions.n_blank > PIXELS_RECTS || regions.n_keep > PIXELS_RECTS) {
			abort();
		}
		const struct pixels_regions *r = d == PIXELS_CLEAN ? &regions : &always;
		why = NULL;
		int e = pixels_clean(&s, r, &in, &out, codecs, native, NULL, &why);
		if (e < 0 && !why) {
			abort();
		}
		if (e == 0) {
			if (survey_read(&again, &result) < 0 || again.shape.rows != s.shape.rows) {
				abort();
			}
			survey_done(&again);
		}
	}
	survey_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct file from = {malloc(size + 1), size};
	if (!from.bytes) {
		return 0;
	}
	memcpy(from.bytes, data, size);
	for (unsigned i = 0; i < 4; i++) {
		clean(&from, i % 2, i < 2 ? NULL : &fakes);
	}
	trim(&from);
	for (enum codec_kind kind = CODEC_JPEG; kind <= CODEC_JPEG_2000; kind++) {
		struct coded_shape shape;
		if (coded_read(kind, span_of(from.bytes, size), &shape) == 0 && shape.bits > UINT8_MAX) {
			abort();
		}
	}
	free(from.bytes);
	return 0;
}
