/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/strip.h"
#include "video_stream.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a video has beside its pictures goes in place: what is looked at and what is done say the same, and once it is done there is nothing more. A head of one byte: the kind. */

static int put_over(void *arg, uint64_t at, struct span bytes)
{
	struct stream *s = arg;
	if (at > s->len || bytes.len > s->len - at) {
		abort();
	}
	memcpy(s->bytes + at, bytes.ptr, bytes.len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1) {
		return 0;
	}
	enum video_kind kind = (enum video_kind)(data[0] % 3);
	struct stream s = {malloc(size), size - 1};
	if (!s.bytes) {
		abort();
	}
	memcpy(s.bytes, data + 1, s.len);
	const struct video_source source = {&s, read_stream, s.len};
	const struct strip_output out = {&s, put_over};
	struct strip_found looked = {0}, found = {0}, again = {0};
	const char *why = NULL;
	int e = strip_video(kind, &source, NULL, &looked, &why);
	if ((e < 0 && !why) || memcmp(s.bytes, data + 1, s.len) != 0) {
		abort();
	}
	if (e == 0) {
		int done = strip_video(kind, &source, &out, &found, &why);
		int more = strip_video(kind, &source, &out, &again, &why);
		if (done != 0 || found.any != looked.any || more != 0 || again.any) {
			abort();
		}
	}
	free(s.bytes);
	return 0;
}
