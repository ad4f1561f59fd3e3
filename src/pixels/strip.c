/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/strip_parts.h"

#include <stdlib.h>

int strip_refuse(struct strip *s, int err, const char *why)
{
	s->why = why;
	return err;
}

/* ---- Bytes ---- */

int strip_read(struct strip *s, uint64_t at, void *to, size_t n)
{
	uint8_t *bytes = to;
	while (n > 0) {
		ptrdiff_t got = s->source->read(s->source->arg, at, bytes, n);
		if (got <= 0) {
			return got < 0 ? ERR_SYSTEM : ERR_TRUNCATED;
		}
		bytes += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int put(struct strip *s, uint64_t at, struct span bytes)
{
	s->found.any = true;
	return s->out ? s->out->put(s->out->arg, at, bytes) : 0;
}

int strip_walk(struct strip *s, uint64_t from, uint64_t to, strip_each *each, void *arg)
{
	int e = 0;
	while (from < to && e == 0) {
		size_t n = to - from < STRIP_PIECE ? (size_t)(to - from) : STRIP_PIECE;
		bool changed = false;
		e = strip_read(s, from, s->piece, n);
		e = e ? e : each(arg, s->piece, n, &changed);
		e = e == 0 && changed ? put(s, from, span_of(s->piece, n)) : e;
		from += n;
	}
	return e;
}

static int fill(void *arg, uint8_t *bytes, size_t n, bool *ret_changed)
{
	const uint8_t with = *(const uint8_t *)arg;
	for (size_t i = 0; i < n; i++) {
		*ret_changed = *ret_changed || bytes[i] != with;
		bytes[i] = with;
	}
	return 0;
}

int strip_fill(struct strip *s, uint64_t from, uint64_t to, uint8_t with)
{
	return strip_walk(s, from, to, fill, &with);
}

static int replace(void *arg, uint8_t *bytes, size_t n, bool *ret_changed)
{
	struct span *by = arg;
	*ret_changed = memcmp(bytes, by->ptr, n) != 0;
	memcpy(bytes, by->ptr, n);
	*by = span_of(by->ptr + n, by->len - n);
	return 0;
}

int strip_write(struct strip *s, uint64_t at, struct span bytes)
{
	return strip_walk(s, at, at + bytes.len, replace, &bytes);
}

/* ---- The stream alone ---- */

static int each_of_units(void *arg, uint8_t *bytes, size_t n, bool *ret_changed)
{
	*ret_changed = strip_units_feed(arg, bytes, n);
	return 0;
}

static int strip_bare(struct strip *s)
{
	struct strip_units u;
	strip_units_begin(&u, s->kind, 0);
	return strip_walk(s, 0, s->source->len, each_of_units, &u);
}

/* ---- PES packets ---- */

void strip_pes_begin(struct strip_pes *p, enum video_kind kind)
{
	*p = (struct strip_pes){0};
	strip_units_begin(&p->units, kind, 0);
}

void strip_pes_packet(struct strip_pes *p, unsigned from)
{
	p->in_header = true;
	p->mpeg1 = p->has_private = false;
	p->at = from;
	p->end = p->ext = 0;
}

/* Where the extension stands: behind times, rates and the like, of which the second byte of flags says which there are. */
static unsigned extension_of(uint8_t flags)
{
	return 9 + (flags & 0x80 ? 5 : 0) + (flags & 0x40 ? 5 : 0) + (flags & 0x20 ? 6 : 0) +
	       (flags & 0x10 ? 3 : 0) + (flags & 0x08 ? 1 : 0) + (flags & 0x04 ? 1 : 0) +
	       (flags & 0x02 ? 2 : 0);
}

/* Stuffing, a buffer's size, times; its last byte, of which `end` is known when it is seen. */
static void take_mpeg1(struct strip_pes *p, uint8_t byte)
{
	if (p->end > 0 || byte == 0xFF) {
		return;
	}
	if ((byte & 0xC0) == 0x40) {
		p->ext = p->at + 2; /* the next that is looked at */
	} else {
		p->end = p->at + ((byte & 0xF0) == 0x20 ? 5 : (byte & 0xF0) == 0x30 ? 10 : 1);
	}
}

static bool is_start(unsigned at, uint8_t byte)
{
	static const uint8_t start[3] = {0, 0, 1};
	return at < 3 ? byte == start[at] : (byte >= 0xE0 && byte <= 0xEF) || byte == 0xFD;
}

static uint8_t take_header(struct strip_pes *p, uint8_t byte, bool *ret_bad)
{
	uint8_t to = byte;
	unsigned at = p->at;
	if (at < 4) {
		*ret_bad = *ret_bad || !is_start(at, byte);
	} else if (at == 6) {
		p->mpeg1 = (byte & 0xC0) != 0x80;
	}
	if (p->mpeg1 && at >= 6 && at >= p->ext) {
		take_mpeg1(p, byte);
	} else if (!p->mpeg1 && at == 7) {
		p->ext = byte & 1 ? extension_of(byte) : 0;
	} else if (!p->mpeg1 && at == 8) {
		p->end = 9u + byte;
	} else if (!p->mpeg1 && p->ext > 0 && at == p->ext) {
		p->has_private = (byte & 0x80) != 0;
	} else if (p->has_private && at > p->ext && at <= p->ext + 16) {
		to = 0xFF;
	}
	p->at++;
	p->in_header = p->end == 0 || p->at < p->end;
	return to;
}

bool strip_pes_feed(struct strip_pes *p, uint8_t *bytes, size_t n, bool *ret_bad)
{
	bool changed = false;
	size_t i = 0;
	for (; i < n && p->in_header; i++) {
		uint8_t to = take_header(p, bytes[i], ret_bad);
		changed = changed || to != bytes[i];
		bytes[i] = to;
	}
	return strip_units_feed(&p->units, bytes + i, n - i) || changed;
}

/* ---- Which it is ---- */

#define HEAD 1024

static bool is_transport(const uint8_t *head, size_t n, unsigned size)
{
	unsigned seen = 0;
	for (size_t at = size - 188; at + 188 <= n; at += size) {
		if (head[at] != 0x47) {
			return false;
		}
		seen++;
	}
	return seen > 0;
}

/* A box that an MP4 file begins with (ISO 14496-12 4.2, QuickTime). */
static bool is_box(const uint8_t *head, size_t n)
{
	static const char types[][5] = {"ftyp", "moov", "mdat", "free", "skip", "wide", "pnot"};
	bool found = false;
	for (size_t i = 0; i < ARRAY_LEN(types) && n >= 8; i++) {
		found = found || memcmp(head + 4, types[i], 4) == 0;
	}
	return found;
}

/* The first start code, behind zeros: -1: there is none. */
static int first_code(const uint8_t *head, size_t n)
{
	size_t at = 0;
	while (at < n && head[at] == 0) {
		at++;
	}
	return at >= 2 && at + 1 < n && head[at] == 1 ? head[at + 1] : -1;
}

static int strip_any(struct strip *s)
{
	uint8_t head[HEAD];
	size_t n = s->source->len < HEAD ? (size_t)s->source->len : HEAD;
	int e = strip_read(s, 0, head, n);
	if (e < 0) {
		return e;
	}
	if (is_transport(head, n, 188)) {
		return strip_transport(s, 188);
	}
	if (is_box(head, n)) {
		return strip_mp4(s);
	}
	int code = first_code(head, n);
	if (code == 0xBA) {
		return strip_program(s);
	}
	if (code >= 0 && (s->kind != VIDEO_MPEG2 || code == 0xB3)) {
		return strip_bare(s);
	}
	if (is_transport(head, n, 192)) {
		return strip_transport(s, 192);
	}
	return strip_refuse(s, ERR_UNSUPPORTED, "its video is in a container that is not known here");
}

/* ---- All ---- */

int strip_video(enum video_kind kind, const struct video_source *source, const struct strip_output *out,
	struct strip_found *ret_found, const char **ret_why)
{
	struct strip *s = calloc(1, sizeof(*s));
	if (!s) {
		*ret_why = "there is no memory";
		return ERR_NO_MEMORY;
	}
	s->kind = kind;
	s->source = source;
	s->out = out;
	int e = strip_any(s);
	if (e < 0) {
		*ret_why = s->why               ? s->why
		           : e == ERR_SYSTEM    ? "its video could not be read"
		           : e == ERR_NO_MEMORY ? "there is no memory"
		                                : "its video is damaged";
	} else {
		*ret_found = s->found;
	}
	free(s);
	return e;
}
