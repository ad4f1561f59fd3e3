/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_CLEAN_H
#define PIXELS_CLEAN_H

#include "base/span.h"
#include "pixels/codec.h"
#include "pixels/survey.h"
#include "pixels/video.h"

/* Where the cleaned file goes. */
struct pixels_output {
	void *arg;
	int (*write)(void *arg, struct span bytes);                  /* at the end */
	int (*patch)(void *arg, uint64_t offset, struct span bytes); /* over what was written */
};

/* What decodes, each NULL where there is none; RLE and deflated frames want none. */
struct pixels_codecs {
	const struct codec *codec;
	const struct video_codec *video;
	uint64_t video_most; /* bytes of all frames of a video, decoded; 0: CLEAN_VIDEO */
};

/* What a video had beside its frames, and what it said that was not so. */
struct pixels_aside {
	bool others;           /* sound, titles: they are gone */
	uint32_t said, frames; /* Number of Frames, as it was and is; 0: they are the same */
};

/* Of 1920 × 1080 some 2700 frames, of 720 × 576 13800; and where others wait, 345 and 1700: in three minutes, and half of that or less when it is encoded. */
#define CLEAN_VIDEO         (16ull << 30)
#define CLEAN_VIDEO_IN_FLOW (2ull << 30)

/* A frame, in bytes: more is not held in memory. */
#define CLEAN_FRAME (256u << 20)

/*
 * Write the file again, with what regions say made black (PS3.15 E.3.1), Burned In Annotation NO, and without the icon, which is a
 * picture of what was there. Native pixel data streams past; its transfer syntax stays. Encapsulated frames are decoded,
 * and encoded without loss, one at a time: where the transfer syntax has a lossless sibling that becomes it, and frames in which nothing
 * changed stay as they were where it does not change. Each encoded frame is decoded again and compared. native: encapsulated pixel data
 * becomes native instead, by pixel, in Explicit VR Little Endian.
 *
 * A video becomes frames of JPEG-LS without loss, in red, green and blue, or native ones. It is decoded twice, a frame at a time: how many frames there are is known
 * when all were decoded, and stands before them. Number of Frames is what there are, Lossy Image Compression is 01, and where nothing is said of its ratio and its
 * method, of the frames' time, or of pixels that are not square, what is known of that is. What else is in the stream, such as sound, goes: *ret_aside.
 *
 * What lies beside the pixels (trim.h) goes from all of native pixel data, and of what was decoded of frames that can have it.
 * regions: NULL: that goes, where the transfer syntax can stay (pixels_beside()), and all else stays as it is, Burned In Annotation and the icon too.
 *
 * codecs: NULL where there are none. ret_aside may be NULL. ERR_UNSUPPORTED, ERR_VALUE, ERR_LIMIT, ERR_TRUNCATED…, with a sentence in
 * *ret_why (static); what was written then is worth nothing.
 */
MUST_USE int pixels_clean(const struct survey *s, const struct pixels_regions *regions,
	const struct pixels_input *in, const struct pixels_output *out, const struct pixels_codecs *codecs,
	bool native, struct pixels_aside *ret_aside, const char **ret_why);

/*
 * Write the file again with its encapsulated pixels native, by pixel, in Explicit VR Little Endian, and nothing else changed but what says how
 * they lie. Lossy Image Compression is said where the transfer syntax alone did (PS3.3 C.7.6.1.1.5). An icon that is encapsulated too is left out: it has no place beside native pixels (PS3.5 A.4). codec and errors as above.
 */
MUST_USE int pixels_decode(const struct survey *s, const struct pixels_input *in,
	const struct pixels_output *out, const struct codec *codec, const char **ret_why);

/*
 * Of a video that stays one: what is in its stream beside the pictures goes, where it stands (strip.h). *ret_any: there was something, and out has the whole new file; of what is no
 * video there is not. ret_aside->others: sound and the like was among it. Errors as above, where nothing was written that counts.
 */
MUST_USE int pixels_strip(const struct survey *s, const struct pixels_input *in,
	const struct pixels_output *out, bool *ret_any, struct pixels_aside *ret_aside, const char **ret_why);

/*
 * Is there anything beside the pixels, that goes? Of encapsulated ones in a lossless transfer syntax frames are decoded that may have it: our own
 * codings, and others of one sample a pixel coded with more bits than are stored. Of other frames, of those that cannot be decoded, and where what the object
 * says of its pixels contradicts itself, there is not. codec as of pixels_clean(). ERR_SYSTEM, ERR_NO_MEMORY, ERR_TRUNCATED….
 */
MUST_USE int pixels_beside(
	const struct survey *s, const struct pixels_input *in, const struct codec *codec, bool *ret_any);

#endif
