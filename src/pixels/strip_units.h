/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_STRIP_UNITS_H
#define PIXELS_STRIP_UNITS_H

#include "base/span.h"
#include "pixels/video.h"

/*
 * The stream of a video itself, cut as it comes: what is no picture, and says nothing that one is shown or decoded by, is overwritten, with as many bytes. What units consist
 * of stays legal: in H.264 and HEVC no start code comes to be, nor goes (ISO 14496-10 7.4.1, B.1; ISO 23008-2 7.4.2): zeros stay, and bytes that keep
 * them apart; others become 0xFF.
 */
struct strip_units {
	enum video_kind kind;
	unsigned unit_size; /* bytes of the length before each unit; 0: start codes */

	/* ---- Its own ---- */
	uint8_t mode, zeros, seen; /* zeros: that came in a row; seen: bytes of a head so far */
	bool escaped;              /* the last byte kept zeros apart */
	bool blanks;               /* the SEI message that these bytes are of */
	uint8_t head[4];
	uint32_t type, size; /* of the SEI message */
	uint32_t left;       /* of the unit, where its length is known */
};

/* unit_size: 0 to 4. */
void strip_units_begin(struct strip_units *u, enum video_kind kind, unsigned unit_size);

/* True: something was changed. */
bool strip_units_feed(struct strip_units *u, uint8_t *bytes, size_t n);

/* Where lengths stand before units: was the last one whole? */
bool strip_units_end(const struct strip_units *u);

/* One unit, without what stands before it. */
bool strip_unit(enum video_kind kind, uint8_t *bytes, size_t n);

/* Is a unit with this first byte about messages (SEI)? */
bool strip_unit_is_message(enum video_kind kind, uint8_t first);

#endif
