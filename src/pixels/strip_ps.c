/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/strip_parts.h"

#include <stdlib.h>

/* ISO 13818-1 2.5.3, ISO 11172-1 2.4.3. */

enum { AT_CODE, AT_ID, AT_PACK, AT_STUFFING, AT_LENGTH, AT_KEPT, AT_VIDEO, AT_OTHER };

#define VIDEOS  16
#define PADDING 0xBE

struct program {
	struct strip *s;
	uint8_t state, zeros, id, seen;
	bool has_video;
	uint32_t left; /* of what these bytes are of */
	struct strip_pes videos[VIDEOS];
};

/* What stands between packets becomes zeros, as decoders look for the next start code. */
static uint8_t take_code(struct program *p, uint8_t byte)
{
	bool one = byte == 1 && p->zeros >= 2;
	p->zeros = byte != 0 ? 0 : p->zeros < 2 ? (uint8_t)(p->zeros + 1) : 2;
	if (one) {
		p->state = AT_ID;
	}
	return one ? 1 : 0;
}

static uint8_t take_id(struct program *p, uint8_t byte)
{
	p->zeros = p->seen = 0;
	p->left = 0;
	p->id = byte;
	if (byte < 0xB9) {
		p->state = AT_CODE;
		return 0;
	}
	p->s->found.streams =
		p->s->found.streams || (byte >= 0xC0 && byte <= 0xDF) || byte == 0xBD || byte == 0xFD;
	p->state = byte == 0xB9 ? AT_CODE : byte == 0xBA ? AT_PACK : AT_LENGTH;
	bool kept = byte <= 0xBB || (byte >= 0xE0 && byte <= 0xEF);
	return kept ? byte : PADDING;
}

/* A pack's head: clock and rate; of MPEG-2 stuffing behind it. */
static int take_pack(struct program *p, uint8_t byte)
{
	if (p->seen == 0) {
		bool mpeg2 = (byte & 0xC0) == 0x40, mpeg1 = (byte & 0xF0) == 0x20;
		if (!mpeg2 && !mpeg1) {
			return strip_refuse(p->s, ERR_VALUE, "its video is damaged");
		}
		p->left = mpeg2 ? 10 : 8;
	}
	p->seen++;
	p->left--;
	if (p->left == 0) {
		p->left = p->seen == 10 ? byte & 7 : 0;
		p->state = p->left > 0 ? AT_STUFFING : AT_CODE;
	}
	return 0;
}

static int begin_body(struct program *p)
{
	bool video = p->id >= 0xE0 && p->id <= 0xEF;
	p->state = p->left == 0 ? AT_CODE : video ? AT_VIDEO : p->id == 0xBB ? AT_KEPT : AT_OTHER;
	if (!video) {
		return 0;
	}
	if (p->left == 0) { /* 2.4.3.7: only in a transport stream */
		return strip_refuse(p->s, ERR_UNSUPPORTED, "a packet of its program stream says no length");
	}
	p->has_video = true;
	strip_pes_packet(&p->videos[p->id - 0xE0], 6);
	return 0;
}

static int take_length(struct program *p, uint8_t byte)
{
	p->left = p->left << 8 | byte;
	p->seen++;
	return p->seen == 2 ? begin_body(p) : 0;
}

static int take_head(struct program *p, uint8_t *byte)
{
	switch (p->state) {
	case AT_ID:
		*byte = take_id(p, *byte);
		return 0;
	case AT_PACK:
		return take_pack(p, *byte);
	case AT_LENGTH:
		return take_length(p, *byte);
	default:
		*byte = take_code(p, *byte);
		return 0;
	}
}

/* n bytes at most of a body; which is over then, or not. */
static size_t take_body(struct program *p, uint8_t *bytes, size_t n, bool *ret_changed)
{
	bool bad = false;
	n = n < p->left ? n : p->left;
	if (p->state == AT_VIDEO) {
		*ret_changed = strip_pes_feed(&p->videos[p->id - 0xE0], bytes, n, &bad) || *ret_changed;
	}
	for (size_t i = 0; i < n && (p->state == AT_OTHER || p->state == AT_STUFFING); i++) {
		*ret_changed = *ret_changed || bytes[i] != 0xFF;
		bytes[i] = 0xFF;
	}
	p->left -= (uint32_t)n;
	p->state = p->left > 0 ? p->state : AT_CODE;
	return n;
}

static int each(void *arg, uint8_t *bytes, size_t n, bool *ret_changed)
{
	struct program *p = arg;
	size_t at = 0;
	while (at < n) {
		bool body = p->state == AT_STUFFING || p->state >= AT_KEPT;
		if (body) {
			at += take_body(p, bytes + at, n - at, ret_changed);
			continue;
		}
		uint8_t before = bytes[at];
		int e = take_head(p, &bytes[at]);
		if (e < 0) {
			return e;
		}
		*ret_changed = *ret_changed || before != bytes[at];
		at++;
	}
	return 0;
}

int strip_program(struct strip *s)
{
	struct program *p = calloc(1, sizeof(*p));
	if (!p) {
		return ERR_NO_MEMORY;
	}
	p->s = s;
	for (unsigned i = 0; i < VIDEOS; i++) {
		strip_pes_begin(&p->videos[i], s->kind);
	}
	int e = strip_walk(s, 0, s->source->len, each, p);
	if (e == 0 && !p->has_video) {
		e = strip_refuse(s, ERR_VALUE, "its program stream has no video");
	}
	free(p);
	return e;
}
