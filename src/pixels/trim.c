/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/trim.h"

#include <endian.h>
#include <string.h>

/* ---- Where what is ---- */

static bool shares_colour(const struct pixels_shape *s)
{
	return s->samples == 3 && s->allocated == 8 && strstr(s->photometric, "_422") != NULL;
}

/* Bytes of a frame, but of one bit a pixel, whose frames may share a byte: in bits. */
static uint64_t size_of_frame(const struct pixels_shape *s, uint64_t length)
{
	uint64_t pixels = (uint64_t)s->rows * s->columns;
	/* Some that say so have a colour for each pixel all the same. */
	if (shares_colour(s) && length / s->frames != 3 * pixels) {
		return 2 * pixels;
	}
	return pixels * s->samples * (s->allocated == 1 ? 1 : s->allocated / 8);
}

static bool is_sound(const struct pixels_shape *s)
{
	bool cells = s->allocated == 1 || s->allocated == 8 || s->allocated == 16 || s->allocated == 32 ||
	             (s->is_float && s->allocated == 64) || (s->allocated == 24 && s->stored == 24);
	return cells && s->rows > 0 && s->rows <= 65535 && s->columns > 0 && s->columns <= 65535 &&
	       s->samples > 0 && s->samples <= 4 && s->is_signed <= 1 && s->stored > 0 &&
	       s->stored <= s->allocated && s->high_bit < s->allocated && s->high_bit >= s->stored - 1 &&
	       s->frames > 0 && !strstr(s->photometric, "_420");
}

bool trim_begin(struct trimmer *t, const struct pixels_shape *s, bool big_endian, bool ow, uint64_t length)
{
	if (!is_sound(s)) {
		return false;
	}
	uint64_t frame = size_of_frame(s, length);
	if (frame > UINT64_MAX / 2 / s->frames) {
		return false;
	}
	uint64_t end = frame * s->frames;
	unsigned odd = s->allocated == 1 ? end % 8 : 0;
	end = s->allocated == 1 ? end / 8 + (odd != 0) : end;
	if (s->is_float) { /* all of its bits are */
		*t = (struct trimmer){.end = end, .last = 0xFF};
		return end <= length;
	}
	uint32_t cell = s->allocated == 32 ? UINT32_MAX : (1u << s->allocated) - 1;
	uint32_t stored = s->stored == 32 ? UINT32_MAX : (1u << s->stored) - 1;
	uint32_t keep = stored << (s->high_bit + 1 - s->stored), sign = 1u << s->high_bit;
	*t = (struct trimmer){.bytes = keep == cell ? 0 : s->allocated / 8,
		.big_endian = big_endian,
		.swapped = big_endian && ow && s->allocated <= 8,
		.keep = keep,
		.sign = s->is_signed ? sign : 0,
		.above = cell & ~(sign | (sign - 1)),
		.end = end,
		.last = odd ? (uint8_t)((1u << odd) - 1) : 0xFF};
	return end <= length;
}

/* ---- Samples ---- */

static uint32_t trimmed(const struct trimmer *t, uint32_t v)
{
	return (v & t->keep) | (v & t->sign ? t->above : 0);
}

static bool trim_8(const struct trimmer *t, uint8_t *bytes, size_t n)
{
	uint32_t changed = 0;
	for (size_t i = 0; i < n; i++) {
		uint8_t v = (uint8_t)trimmed(t, bytes[i]);
		changed |= (uint32_t)(v ^ bytes[i]);
		bytes[i] = v;
	}
	return changed != 0;
}

static bool trim_16(const struct trimmer *t, uint8_t *bytes, size_t n)
{
	uint32_t changed = 0;
	for (size_t i = 0; i + 2 <= n; i += 2) {
		uint16_t was, is;
		memcpy(&was, bytes + i, 2);
		uint32_t v = trimmed(t, t->big_endian ? be16toh(was) : le16toh(was));
		is = t->big_endian ? htobe16((uint16_t)v) : htole16((uint16_t)v);
		changed |= (uint32_t)(was ^ is);
		memcpy(bytes + i, &is, 2);
	}
	return changed != 0;
}

static bool trim_32(const struct trimmer *t, uint8_t *bytes, size_t n)
{
	uint32_t changed = 0;
	for (size_t i = 0; i + 4 <= n; i += 4) {
		uint32_t was, is;
		memcpy(&was, bytes + i, 4);
		uint32_t v = trimmed(t, t->big_endian ? be32toh(was) : le32toh(was));
		is = t->big_endian ? htobe32(v) : htole32(v);
		changed |= was ^ is;
		memcpy(bytes + i, &is, 4);
	}
	return changed != 0;
}

static bool trim_samples(const struct trimmer *t, uint8_t *bytes, size_t n)
{
	switch (t->bytes) {
	case 1:
		return trim_8(t, bytes, n);
	case 2:
		return trim_16(t, bytes, n);
	case 4:
		return trim_32(t, bytes, n);
	default:
		return false;
	}
}

/* Bits that the last frame leaves of its last byte. */
static bool trim_last(const struct trimmer *t, uint64_t offset, uint8_t *bytes, size_t len)
{
	uint64_t at = t->swapped ? (t->end - 1) ^ 1 : t->end - 1;
	if (at < offset || at - offset >= len) {
		return false;
	}
	uint8_t was = bytes[at - offset];
	bytes[at - offset] = was & t->last;
	return (was & ~t->last) != 0;
}

bool trim_apply(const struct trimmer *t, uint64_t offset, uint8_t *bytes, size_t len)
{
	uint64_t whole = t->swapped ? t->end - t->end % 2 : t->end;
	size_t n = offset >= whole ? 0 : whole - offset < len ? (size_t)(whole - offset) : len;
	bool changed = trim_samples(t, bytes, n);
	changed = trim_last(t, offset, bytes, len) || changed;
	for (size_t i = n; i < len; i++) {
		uint64_t at = t->swapped ? (offset + i) ^ 1 : offset + i;
		if (at < t->end) {
			changed = trim_samples(t, bytes + i, 1) || changed;
		} else {
			changed = bytes[i] != 0 || changed;
			bytes[i] = 0;
		}
	}
	return changed;
}
