/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_VIDEO_H
#define PIXELS_VIDEO_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Videos: MPEG-2 (and MPEG-1), MPEG-4 AVC/H.264 and HEVC/H.265, in a transport or program stream, an MP4 file or bare (PS3.5 8.2.5 to 8.2.11), decoded by
 * FFmpeg's libraries: a module beside the program (base/module.h) of its own, since these bring a hundred others. It reads what nobody trusts: in a
 * sandbox alone. No threads, no protocols, and no demuxers and decoders but those that are named here.
 *
 * Pictures come in the order in which they are shown, as red, green and blue by pixel, little endian: BT.601, 709 or 2020, limited or full, as the
 * stream says; where it does not, limited, and 601 up to 576 rows, 709 above. Each pixel has the colour of the sample that it shares, of an interlaced picture that
 * of its own field; nothing is interpolated.
 */

enum video_kind { VIDEO_MPEG2, VIDEO_H264, VIDEO_HEVC };

/* The stream's bytes, from any place. ERR_SYSTEM. */
struct video_source {
	void *arg;
	ptrdiff_t (*read)(void *arg, uint64_t at, void *to, size_t n); /* n at most; 0: there are no more */
	uint64_t len;
};

/* As the object says: bits 8, samples of one byte; 10, of two. */
struct video_shape {
	uint32_t rows, columns, bits;
};

/* What else the stream says; 0: nothing. */
struct video_facts {
	uint32_t rate, rate_per;            /* so many pictures in so many seconds */
	uint32_t pixel_height, pixel_width; /* their ratio, in lowest terms */
	bool others;                        /* there is more than pictures: sound, titles */
};

struct video;

struct video_codec {
	/*
	 * source: used to the end. ERR_VALUE, ERR_UNSUPPORTED, ERR_NO_MEMORY, ERR_SYSTEM with a sentence, static. *ret_video: to be closed.
	 */
	int (*open)(enum video_kind kind, const struct video_shape *shape, const struct video_source *source,
		struct video **ret_video, const char **ret_why);

	/* The next picture, all of rows × columns × 3 samples; to NULL: it is passed over. 1; 0: there are no more, and there was one. Errors as above. */
	int (*next)(struct video *v, uint8_t *to, const char **ret_why);

	/* What is known by now: all, when there are no more. */
	void (*facts)(const struct video *v, struct video_facts *ret_facts);

	void (*close)(struct video *v); /* NULL is harmless */
};

/* The module's one function. */
#define VIDEO_MODULE "pixels/gantry-video"
typedef const struct video_codec *video_function(void);

#endif
