/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GANTRY_TESTS_VIDEO_STREAM_H
#define GANTRY_TESTS_VIDEO_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The stream of a video in memory, as a source of it is read. */
struct stream {
	uint8_t *bytes;
	size_t len;
};

static ptrdiff_t read_stream(void *arg, uint64_t at, void *to, size_t n)
{
	const struct stream *s = arg;
	size_t left = at < s->len ? s->len - (size_t)at : 0;
	n = n < left ? n : left;
	if (n > 0) {
		memcpy(to, s->bytes + at, n);
	}
	return (ptrdiff_t)n;
}

#endif
