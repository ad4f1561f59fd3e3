/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/video_units.h"

#include "base/reader.h"

#define H264_SUBSET    15
#define H264_EXTENSION 20
#define H264_DEPTH     21
#define AVC_SIZE_AT    4
#define HEVC_SIZE_AT   21

static bool is_of_layer(enum video_kind kind, struct span unit)
{
	if (unit.len < 2) {
		return false;
	}
	if (kind == VIDEO_HEVC) {
		return ((unit.ptr[0] & 1) << 5 | unit.ptr[1] >> 3) != 0;
	}
	unsigned type = unit.ptr[0] & 0x1F;
	return type == H264_SUBSET || type == H264_EXTENSION || type == H264_DEPTH;
}

static bool in_sized(enum video_kind kind, unsigned size, struct span packet)
{
	struct reader r = reader_of(packet);
	bool found = false;
	while (!found && reader_left(&r) > size) {
		uint32_t n = 0;
		uint8_t b = 0;
		struct span unit = {0};
		int e = 0;
		for (unsigned i = 0; i < size && e == 0; i++) {
			e = reader_u8(&r, &b);
			n = n << 8 | b;
		}
		e = e ? e : reader_bytes(&r, n, &unit);
		if (e < 0) {
			return false; /* the decoder says what it makes of that */
		}
		found = is_of_layer(kind, unit);
	}
	return found;
}

static bool in_stream(enum video_kind kind, struct span packet)
{
	bool found = false;
	for (size_t i = 0; i + 3 < packet.len && !found; i++) {
		const uint8_t *p = packet.ptr + i;
		if (p[0] == 0 && p[1] == 0 && p[2] == 1) {
			found = is_of_layer(kind, span_of(p + 3, packet.len - i - 3));
		}
	}
	return found;
}

bool units_have_layers(enum video_kind kind, unsigned size, struct span packet)
{
	if (kind == VIDEO_MPEG2) {
		return false;
	}
	return size > 0 ? in_sized(kind, size, packet) : in_stream(kind, packet);
}

unsigned units_size(enum video_kind kind, struct span before)
{
	size_t at = kind == VIDEO_HEVC ? HEVC_SIZE_AT : AVC_SIZE_AT;
	bool sized = kind != VIDEO_MPEG2 && before.len > at && before.ptr[0] == 1;
	return sized ? (before.ptr[at] & 3u) + 1 : 0;
}
