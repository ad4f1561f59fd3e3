/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/video.h"
#include "video_stream.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const struct video_codec *pixels_video(void);

/* The stream of a video, as the module that decodes it is given it: it writes a picture of the size that is said, or has a sentence. A head of three bytes: kind and bits,
 * rows, columns. */
#define HEAD     3
#define PICTURES 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < HEAD) {
		return 0;
	}
	const struct video_codec *codec = pixels_video();
	const struct stream stream = {(void *)(data + HEAD), size - HEAD};
	const struct video_source source = {(void *)&stream, read_stream, stream.len};
	const struct video_shape shape = {data[1] + 1u, data[2] + 1u, data[0] & 4 ? 10 : 8};
	const size_t len = (size_t)shape.rows * shape.columns * 3 * (shape.bits > 8 ? 2 : 1);
	uint8_t *picture = malloc(len);
	struct video_facts facts;
	struct video *v = NULL;
	const char *why = NULL;
	int e = codec->open((enum video_kind)(data[0] % 4 % 3), &shape, &source, &v, &why);
	if (e < 0 && (!why || v)) {
		abort();
	}
	for (unsigned i = 0; e >= 0 && i < PICTURES; i++) {
		why = NULL;
		e = codec->next(v, picture, &why);
		if (e < 0 && !why) {
			abort();
		}
		if (e <= 0) {
			break;
		}
	}
	if (v) {
		codec->facts(v, &facts);
	}
	codec->close(v);
	free(picture);
	return 0;
}
