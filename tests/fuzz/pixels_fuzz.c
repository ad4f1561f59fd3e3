/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean.h"
#include "pixels/coded.h"
#include "pixels/rules.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file whose pixels are to be cleaned, by our own code: what is written stays within what may be, and is read again without fault. */
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

static void clean(struct file *from, bool native)
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
		int e = pixels_clean(&s, r, &in, &out, NULL, native, NULL, &why);
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
	clean(&from, false);
	clean(&from, true);
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
