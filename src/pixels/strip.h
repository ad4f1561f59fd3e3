/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_STRIP_H
#define PIXELS_STRIP_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "pixels/video.h"

/*
 * What a video has beside its pictures goes, where it stands: sound, titles, times, what an encoder or a camera says. Nothing is decoded, no length changes and no byte
 * of a picture. What stays is what is known to be needed for the pictures; all else goes, known or not:
 *
 *	transport stream (ISO 13818-1 2.4)  packets of other PIDs become null packets; the program's map loses their entries and all but known descriptors
 *	program stream (2.5)                packets of other streams become padding
 *	MP4 (ISO 14496-12)                  boxes become `free`, with zeros; in `mdat` what is of no picture becomes zeros; times, names and the like in boxes that stay, too
 *	the stream itself                   user data of MPEG-2, and the time in a GOP's head; of H.264 and HEVC, SEI messages but those that are about how pictures are shown
 *	                                    and buffered, filler, and units of kinds that nobody knows
 *
 * Done again with what became of it, it finds nothing.
 */
struct strip_output {
	void *arg;
	/* Over what stands there, at the stream's byte `at`: in no order, and never behind its end. */
	int (*put)(void *arg, uint64_t at, struct span bytes);
};

/* What there was of it. */
struct strip_found {
	bool any;
	bool streams; /* whole ones, beside the pictures: as sound */
};

/*
 * out: NULL: it is looked at alone. ERR_UNSUPPORTED, ERR_VALUE, ERR_LIMIT, ERR_NO_MEMORY, ERR_SYSTEM with a sentence, static: what was
 * put then is worth nothing. Who looks first, hears it before anything is put.
 */
MUST_USE int strip_video(enum video_kind kind, const struct video_source *source,
	const struct strip_output *out, struct strip_found *ret_found, const char **ret_why);

#endif
