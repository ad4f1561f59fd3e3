/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_VIDEO_UNITS_H
#define PIXELS_VIDEO_UNITS_H

#include "base/span.h"
#include "pixels/video.h"

/*
 * Has a packet of H.264 or HEVC units of a second view or layer, as of stereo videos (ISO 14496-10 H, ISO 23008-2 F)? Decoders that do not know these leave them
 * out, and nobody would hear of it.
 *
 * size: bytes of the length before each unit (ISO 14496-15); 0: units begin with start codes (ISO 14496-10 B).
 */
bool units_have_layers(enum video_kind kind, unsigned size, struct span packet);

/* The same size, of what a container says of the stream before it (ISO 14496-15 5.3.3.1, 8.3.3.1). */
unsigned units_size(enum video_kind kind, struct span before);

#endif
