/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/strip_units.h"

#include "base/attr.h"

enum {
	IN_STAY, /* it stays, up to the next start code */
	IN_CODE, /* behind 00 00 01 */
	IN_ZERO, /* of MPEG-2: it becomes zeros */
	IN_TIME, /* of a GOP's head */
	IN_SIZE, /* of a unit */
	IN_HEAD,
	IN_BLANK,
	IN_TYPE, /* of an SEI message, and its size, and its bytes */
	IN_LENGTH,
	IN_MESSAGE
};

void strip_units_begin(struct strip_units *u, enum video_kind kind, unsigned unit_size)
{
	*u = (struct strip_units){
		.kind = kind, .unit_size = unit_size, .mode = unit_size > 0 ? IN_SIZE : IN_STAY};
}

/* ---- What is known ---- */

/* Messages that pictures are shown, or kept for others, by: ISO 14496-10 D.1, ISO 23008-2 D.2.1. */
static bool is_wanted(enum video_kind kind, uint32_t type)
{
	static const uint8_t h264[] = {0 /* buffering period */, 1 /* picture timing */,
		6 /* recovery point */, 7 /* marking, again */, 45 /* frame packing */,
		47 /* display orientation */, 137 /* mastering display */, 144 /* light level */,
		147 /* transfer characteristics */};
	static const uint8_t hevc[] = {0, 1, 6, 45, 47, 129 /* active parameter sets */,
		130 /* decoding unit */, 132 /* hash of a picture */, 137, 144, 147};
	const uint8_t *of = kind == VIDEO_HEVC ? hevc : h264;
	size_t n = kind == VIDEO_HEVC ? ARRAY_LEN(hevc) : ARRAY_LEN(h264);
	for (size_t i = 0; i < n; i++) {
		if (of[i] == type) {
			return true;
		}
	}
	return false;
}

static unsigned type_of(enum video_kind kind, uint8_t first)
{
	return kind == VIDEO_HEVC ? first >> 1 & 0x3Fu : first & 0x1Fu;
}

bool strip_unit_is_message(enum video_kind kind, uint8_t first)
{
	unsigned type = type_of(kind, first);
	return kind == VIDEO_HEVC ? type == 39 || type == 40 : type == 6;
}

/* ISO 14496-10 7.4.1, ISO 23008-2 7.4.2.2; filler has nothing in it. Of HEVC kinds of pictures that are reserved stay: decoders pass over them as pictures. */
static unsigned mode_of(enum video_kind kind, uint8_t first)
{
	unsigned type = type_of(kind, first);
	if (strip_unit_is_message(kind, first)) {
		return IN_TYPE;
	}
	bool known = kind == VIDEO_HEVC
	                     ? type <= 37
	                     : (type >= 1 && type <= 15 && type != 12) || (type >= 19 && type <= 21);
	return known ? IN_STAY : IN_BLANK;
}

/* ---- Bytes of MPEG-2: ISO 13818-2 6.2 ---- */

static unsigned mode_of_code(uint8_t code)
{
	switch (code) {
	case 0xB8:
		return IN_TIME;
	case 0xB3: /* sequence header */
	case 0xB4: /* sequence error */
	case 0xB5: /* extension */
		return IN_STAY;
	default: /* pictures and slices; else user data, the end, what is reserved, or of a system */
		return code <= 0xAF ? IN_STAY : IN_ZERO;
	}
}

/* Time code (6.3.8): one that says nothing, with the marker in it. Where there are zeros they stay, and elsewhere none come to be: they could be a start code's. */
static uint8_t without_time(struct strip_units *u, uint8_t byte)
{
	static const uint8_t times[] = {0x04, 0x08, 0x20};
	size_t at = u->seen++;
	if (at < ARRAY_LEN(times)) {
		return byte == 0 ? 0 : times[at];
	}
	u->mode = IN_STAY;
	return byte & 0x7F ? byte & 0x7F : byte; /* whether pictures can be decoded without those before */
}

static uint8_t take_mpeg2(struct strip_units *u, uint8_t byte)
{
	switch (u->mode) {
	case IN_CODE:
		u->mode = (uint8_t)mode_of_code(byte);
		u->seen = 0;
		return byte;
	case IN_TIME:
		return without_time(u, byte);
	case IN_ZERO:
		return 0;
	default:
		return byte;
	}
}

/* ---- Bytes of units ---- */

static uint8_t blanked(const struct strip_units *u, uint8_t byte)
{
	return byte == 0 ? 0 : u->escaped ? 1 : 0xFF;
}

static void end_message_head(struct strip_units *u)
{
	u->blanks = !is_wanted(u->kind, u->type);
	u->mode = u->size > 0 ? IN_MESSAGE : IN_TYPE;
	u->type = 0;
}

/* Numbers of bytes 0xFF and one that is less (7.3.2.3.1): those of nonsense grow to an end. */
static void add(uint32_t *to, uint8_t byte)
{
	*to = *to < UINT32_MAX - 0xFF ? *to + byte : *to;
}

static uint8_t take_message(struct strip_units *u, uint8_t byte)
{
	if (u->mode == IN_TYPE) {
		add(&u->type, byte);
		if (byte != 0xFF) {
			u->mode = IN_LENGTH;
			u->size = 0;
		}
		return byte;
	}
	if (u->mode == IN_LENGTH) {
		add(&u->size, byte);
		if (byte != 0xFF) {
			end_message_head(u);
		}
		return byte;
	}
	uint8_t to = u->blanks ? blanked(u, byte) : byte;
	u->size--;
	u->mode = u->size > 0 ? IN_MESSAGE : IN_TYPE;
	return to;
}

static uint8_t take_unit(struct strip_units *u, uint8_t byte)
{
	switch (u->mode) {
	case IN_CODE:
	case IN_HEAD:
		if (u->seen == 0) {
			u->head[0] = byte;
		}
		u->seen++;
		u->mode = IN_HEAD;
		if (u->seen == (u->kind == VIDEO_HEVC ? 2 : 1)) {
			u->mode = (uint8_t)mode_of(u->kind, u->head[0]);
			u->type = 0;
		}
		return byte;
	case IN_BLANK:
		return blanked(u, byte);
	case IN_TYPE:
	case IN_LENGTH:
	case IN_MESSAGE:
		return take_message(u, byte);
	default:
		return byte;
	}
}

/* A byte that keeps zeros apart is none of the message's. */
static uint8_t take(struct strip_units *u, uint8_t byte)
{
	bool escapes = u->kind != VIDEO_MPEG2 && u->zeros >= 2 && byte == 3;
	uint8_t to = u->kind == VIDEO_MPEG2 ? take_mpeg2(u, byte) : escapes ? byte : take_unit(u, byte);
	u->escaped = escapes;
	u->zeros = byte != 0 ? 0 : u->zeros < 2 ? (uint8_t)(u->zeros + 1) : 2;
	return to;
}

/* ---- Units ---- */

/* How many of these bytes stay, whatever they are: up to a zero, where a start code may begin, or all that the unit has. */
static size_t staying(const struct strip_units *u, const uint8_t *bytes, size_t n)
{
	if (u->mode != IN_STAY) {
		return 0;
	}
	if (u->unit_size > 0) {
		return n < u->left ? n : u->left;
	}
	const uint8_t *zero = u->zeros == 0 ? memchr(bytes, 0, n) : bytes;
	return zero ? (size_t)(zero - bytes) : n;
}

static void begin_unit(struct strip_units *u)
{
	u->mode = u->left > 0 ? IN_HEAD : IN_SIZE;
	u->zeros = u->seen = 0;
	u->escaped = false;
}

static void take_size(struct strip_units *u, uint8_t byte)
{
	u->left = (u->seen == 0 ? 0 : u->left << 8) | byte;
	u->seen++;
	if (u->seen == u->unit_size) {
		begin_unit(u);
	}
}

static void end_unit(struct strip_units *u)
{
	if (u->left == 0) {
		u->mode = IN_SIZE;
		u->seen = 0;
	}
}

static uint8_t take_any(struct strip_units *u, uint8_t byte)
{
	if (u->unit_size == 0 && u->zeros >= 2 && byte == 1) {
		u->mode = IN_CODE;
		u->zeros = u->seen = 0;
		u->escaped = false;
		return byte;
	}
	if (u->unit_size == 0) {
		return take(u, byte);
	}
	if (u->mode == IN_SIZE) {
		take_size(u, byte);
		return byte;
	}
	uint8_t to = take(u, byte);
	u->left--;
	end_unit(u);
	return to;
}

bool strip_units_feed(struct strip_units *u, uint8_t *bytes, size_t n)
{
	bool changed = false;
	size_t at = 0;
	while (at < n) {
		size_t some = staying(u, bytes + at, n - at);
		if (some > 0) {
			at += some;
			if (u->unit_size > 0) {
				u->left -= (uint32_t)some;
				end_unit(u);
			}
			continue;
		}
		uint8_t to = take_any(u, bytes[at]);
		changed = changed || to != bytes[at];
		bytes[at++] = to;
	}
	return changed;
}

bool strip_units_end(const struct strip_units *u)
{
	return u->mode == IN_SIZE && u->seen == 0;
}

bool strip_unit(enum video_kind kind, uint8_t *bytes, size_t n)
{
	struct strip_units u;
	strip_units_begin(&u, kind, 1);
	u.left = (uint32_t)n;
	begin_unit(&u);
	return strip_units_feed(&u, bytes, n);
}
