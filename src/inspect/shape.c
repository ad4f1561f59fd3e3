/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "dicom/vr.h"

#define WAVEFORM 0x54000000u

static const uint8_t waveform = 1u << SHAPE_CHANNELS | 1u << SHAPE_SAMPLES | 1u << SHAPE_BITS;
static const uint8_t overlay = 1u << SHAPE_ROWS | 1u << SHAPE_COLUMNS;

/* A decimal number; what is none, or more than fits, is 0. */
static uint64_t decimal(struct span value)
{
	struct span v = vr_trim("IS", value);
	uint64_t n = 0;
	for (size_t k = 0; k < v.len; k++) {
		if (v.ptr[k] < '0' || v.ptr[k] > '9' || n > UINT32_MAX) {
			return 0;
		}
		n = n * 10 + (v.ptr[k] - '0');
	}
	return n;
}

/* Each group of overlays, and each item of a waveform, begins anew. */
static struct inspect_shape *shape_of(struct inspect *i, bool is_overlay)
{
	struct inspect_shape *s = &i->shape;
	uint32_t group = is_overlay ? i->e.tag & 0xFFFF0000 : WAVEFORM;
	if (s->group != group) {
		*s = (struct inspect_shape){.group = group};
	}
	return s;
}

void shape_element(struct inspect *i, enum shape_element which, struct span value)
{
	struct inspect_shape *s = shape_of(i, which <= SHAPE_FRAMES);
	if (which == SHAPE_CHANNELS) {
		s->seen = 0; /* the first of an item's */
	}
	s->seen |= (uint8_t)(1u << which);
	s->numbers[which] = which == SHAPE_FRAMES ? decimal(value) : number_of(i, value);
}

/* PS3.3 C.9.2.1.1: a bit a pixel; C.10.9.1: samples of all channels. */
void shape_data(struct inspect *i)
{
	bool is_overlay = i->e.tag >> 16 != 0x5400;
	const struct inspect_shape *s = shape_of(i, is_overlay);
	const uint64_t *n = s->numbers;
	uint8_t need = is_overlay ? overlay : waveform;
	if ((s->seen & need) != need) {
		return;
	}
	uint64_t frames = s->seen & 1u << SHAPE_FRAMES ? n[SHAPE_FRAMES] : 1;
	unsigned __int128 bits =
		is_overlay ? (unsigned __int128)n[SHAPE_ROWS] * n[SHAPE_COLUMNS] * frames
			   : (unsigned __int128)n[SHAPE_CHANNELS] * n[SHAPE_SAMPLES] * n[SHAPE_BITS];
	if (bits > (unsigned __int128)i->e.length * 8) {
		found_say(i, is_overlay ? CHECK_OVERLAY : CHECK_WAVEFORM, "%u bytes, and %llu are needed",
			i->e.length, (unsigned long long)((bits + 7) / 8));
	}
}
