/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "base/reader.h"

/*
 * A video, by its container (PS3.5 8.2): it is searched as what a compressed image has beside the image is. Whatever part of it can be looked at before the
 * tables are known that say which of its bytes are shown is searched whole, as what has no container is: the media data of MP4 (ISO/IEC 14496-12 8.1.1),
 * the tables of which may come last, and can be longer than what is kept, and the packets of a program stream, of which a player takes what it likes. There is
 * so much of it that marks count only with what must follow them. Only the payload of what the tables of a transport stream have as video or
 * sound (ISO/IEC 13818-1 2.4) is stepped over: no file is in one piece there.
 */
enum { AT_FIRST, MP4_HEAD, MP4_BOX, MP4_MEDIA, TS_PACKET, PS_HEAD, PS_BODY };

#define PACKET 188

void video_begin(struct inspect *i)
{
	memset(&i->video, 0, sizeof(i->video));
	i->s.strict = true;
}

static size_t smaller(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

/* So many more bytes of the head are wanted: all that of them is there. */
static size_t fill(struct inspect_video *v, struct span s, size_t want)
{
	size_t n = smaller(want - v->n, s.len);
	memcpy(v->head + v->n, s.ptr, n);
	v->n = (uint8_t)(v->n + n);
	return n;
}

/* What is searched, so many bytes of it. */
static size_t body(struct inspect *i, struct span s)
{
	struct inspect_video *v = &i->video;
	size_t n = smaller(v->left, s.len);
	coded_search(i, span_of(s.ptr, n));
	v->left -= v->left == UINT64_MAX ? 0 : n;
	return n;
}

/* The head is of none: from it on it is what stands behind the container. n: bytes of the head that came before this piece. */
static size_t behind(struct inspect *i, size_t n)
{
	struct inspect_video *v = &i->video;
	coded_behind(i, span_of(v->head, n));
	return 0;
}

/* ---- MP4 (ISO/IEC 14496-12 4.2) ---- */

static bool is_type(const uint8_t type[4])
{
	bool good = true;
	for (unsigned k = 0; k < 4; k++) {
		good &= type[k] >= ' ' && type[k] != 0x7F;
	}
	return good;
}

/* before: bytes of its head that came before the present piece. */
static void begin_box(struct inspect *i, uint64_t length, size_t before)
{
	struct inspect_video *v = &i->video;
	bool media = memcmp(v->head + 4, "mdat", 4) == 0;
	coded_search_anew(i);
	if (!media) { /* text may look like a head, too */
		i->s.at -= before;
		coded_search(i, span_of(v->head, v->n));
		i->s.at += before;
		i->s.n_head = 0;
	}
	v->left = length ? length - v->n : UINT64_MAX;
	v->n = 0;
	v->state = v->left == 0 ? MP4_HEAD : media ? MP4_MEDIA : MP4_BOX;
}

/* Bytes of the head by what is there of it. */
static size_t mp4_length(const struct inspect_video *v)
{
	if (v->n < 8) {
		return 8;
	}
	bool is_long = memcmp(v->head, "\0\0\0\1", 4) == 0, is_named = memcmp(v->head + 4, "uuid", 4) == 0;
	return (is_long ? 16u : 8u) + (is_named ? 16u : 0u);
}

static size_t mp4_head(struct inspect *i, struct span s)
{
	struct inspect_video *v = &i->video;
	uint32_t length = 0;
	uint64_t whole = 0;
	size_t before = v->n, want = mp4_length(v), n = fill(v, s, want);
	if (v->n < want) {
		return n;
	}
	struct reader r = {.ptr = v->head, .len = v->n};
	int err = reader_u32be(&r, &length);
	if (err || !is_type(v->head + 4) || (length > 1 && length < 8)) {
		return behind(i, before);
	}
	if (v->n < mp4_length(v)) {
		return n;
	}
	whole = length;
	r.pos = 8;
	if (length == 1 && reader_u64be(&r, &whole) != 0) {
		return n; /* it is there */
	}
	if (whole > 0 && whole < v->n) {
		return behind(i, before);
	}
	begin_box(i, whole, before);
	return n;
}

/* Samples begin with any bytes, but not as more of a file than its first four. */
static void media_end(struct inspect *i)
{
	struct span head = span_of(i->s.head, i->s.n_head);
	if (fragment_is_file(head, signature_of(head))) {
		binary_end(i);
	}
}

static size_t mp4_body(struct inspect *i, struct span s)
{
	struct inspect_video *v = &i->video;
	size_t n = body(i, s);
	if (v->left == 0) {
		(v->state == MP4_MEDIA ? media_end : binary_end)(i);
		v->state = MP4_HEAD;
	}
	return n;
}

/* ---- Transport streams ---- */

/* ISO/IEC 13818-1 table 2-34, ATSC A/53: video and sound, as PS3.5 8.2.12 allows it. */
static bool is_shown(uint8_t type)
{
	return (type >= 1 && type <= 4) || (type >= 0x0F && type <= 0x11) || type == 0x1B || type == 0x24 ||
	       type == 0x80 || type == 0x81 || type == 0x83;
}

static uint16_t pid_at(const uint8_t *p)
{
	return (uint16_t)((p[0] & 0x1F) << 8 | p[1]);
}

static bool is_map(const struct inspect_video *v, uint16_t pid)
{
	for (unsigned k = 0; k < v->n_maps; k++) {
		if (v->maps[k] == pid) {
			return true;
		}
	}
	return false;
}

/* 2.4.4.3: where the maps of programs are. */
static void take_programs(struct inspect_video *v, struct span s)
{
	for (size_t k = 8; k + 4 <= s.len; k += 4) {
		bool program = s.ptr[k] != 0 || s.ptr[k + 1] != 0;
		if (program && v->n_maps < ARRAY_LEN(v->maps)) {
			v->maps[v->n_maps++] = pid_at(s.ptr + k + 2);
		}
	}
}

/* 2.4.4.8 */
static void take_map(struct inspect_video *v, struct span s)
{
	size_t k = s.len < 12 ? s.len : 12 + (size_t)((s.ptr[10] & 0x0F) << 8 | s.ptr[11]);
	while (k + 5 <= s.len) {
		uint16_t pid = pid_at(s.ptr + k + 1);
		if (is_shown(s.ptr[k])) {
			v->shown[pid / 8] |= (uint8_t)(1u << pid % 8);
		}
		k += 5 + (size_t)((s.ptr[k + 3] & 0x0F) << 8 | s.ptr[k + 4]);
	}
}

/* The tables come in sections; those of a DICOM video have room in one packet, and streams that none of these has are searched. */
static void take_section(struct inspect_video *v, uint16_t pid, struct span s)
{
	size_t from = s.len > 0 ? 1 + (size_t)s.ptr[0] : 0;
	if (from + 12 > s.len) {
		return;
	}
	s = span_of(s.ptr + from, s.len - from);
	size_t length = 3 + (size_t)((s.ptr[1] & 0x0F) << 8 | s.ptr[2]);
	length = length < 4 ? 0 : length - 4; /* without its checksum */
	s.len = length < s.len ? length : s.len;
	if (pid == 0 && s.ptr[0] == 0) {
		v->n_maps = 0;
		take_programs(v, s);
	} else if (pid != 0 && s.ptr[0] == 2) {
		take_map(v, s);
	}
}

static void packet(struct inspect *i, const uint8_t *p)
{
	struct inspect_video *v = &i->video;
	uint16_t pid = pid_at(p + 1);
	bool shown = v->shown[pid / 8] >> pid % 8 & 1, adapts = p[3] & 0x20, payload = p[3] & 0x10;
	size_t from = adapts ? 5 + (size_t)p[4] : 4;
	from = from < PACKET && payload ? from : PACKET;
	if (!shown) {
		coded_search(i, span_of(p + 4, PACKET - 4));
	} else if (from > 5) {
		coded_search(i, span_of(p + 5, from - 5));
	}
	if ((p[1] & 0x40) && from < PACKET && (pid == 0 || is_map(v, pid))) {
		take_section(v, pid, span_of(p + from, PACKET - from));
	}
}

/* Packets that chunks cut are put together. */
static size_t ts_packet(struct inspect *i, struct span s)
{
	struct inspect_video *v = &i->video;
	size_t size = PACKET + (size_t)v->before, before = v->n;
	const uint8_t *p = s.ptr;
	size_t n = size;
	if (before > 0 || s.len < size) {
		n = fill(v, s, size);
		if (v->n < size) {
			return n;
		}
		p = v->head;
	}
	if (p[v->before] != 0x47) {
		v->n = 0;
		coded_behind(i, span_of(v->head, before));
		return 0;
	}
	/* As if all of it had come at once. */
	i->s.at -= before;
	packet(i, p + v->before);
	i->s.at += before;
	v->n = 0;
	return n;
}

/* ---- Program streams (ISO/IEC 13818-1 2.5.3, 11172-1 2.4.3) ---- */

/* Bytes of the head by what is there of it; 0: it is none. */
static size_t ps_length(const struct inspect_video *v)
{
	const uint8_t *h = v->head;
	if (v->n < 5) {
		return 5;
	}
	if (h[0] != 0 || h[1] != 0 || h[2] != 1 || h[3] < 0xB9) {
		return 0;
	}
	if (h[3] != 0xBA) {
		return 6;
	}
	return (h[4] & 0xC0) == 0x40 ? 14 : (h[4] & 0xF0) == 0x20 ? 12 : 0;
}

static size_t ps_head(struct inspect *i, struct span s)
{
	struct inspect_video *v = &i->video;
	size_t before = v->n, want = ps_length(v), n = fill(v, s, want);
	if (v->n >= 4 && memcmp(v->head, "\0\0\1\xB9", 4) == 0) { /* its end */
		n -= v->n - 4u;
		coded_behind(i, (struct span){0});
		return n;
	}
	if (v->n < want) {
		return n;
	}
	if (ps_length(v) == 0) {
		return behind(i, before);
	}
	if (v->n < ps_length(v)) {
		return n;
	}
	/* A pack's header ends in stuffing. */
	v->left = v->head[3] == 0xBA ? (v->n == 14 ? v->head[13] & 7 : 0)
	                             : (uint64_t)v->head[4] << 8 | v->head[5];
	v->n = 0;
	v->state = v->left == 0 ? PS_HEAD : PS_BODY;
	return n;
}

static size_t ps_body(struct inspect *i, struct span s)
{
	struct inspect_video *v = &i->video;
	size_t n = body(i, s);
	v->state = v->left == 0 ? PS_HEAD : v->state;
	return n;
}

/* ---- All ---- */

/* s: as much of the beginning as is held at once. */
static size_t first(struct inspect *i, struct span s)
{
	struct inspect_video *v = &i->video;
	const uint8_t *p = s.ptr;
	bool packets = s.len > 0 && p[0] == 0x47 && (s.len <= PACKET || p[PACKET] == 0x47),
	     timed = s.len > PACKET + 8 && p[4] == 0x47 && p[PACKET + 8] == 0x47;
	if (s.len >= 8 && memcmp(p + 4, "ftyp", 4) == 0) {
		v->state = MP4_HEAD;
	} else if (packets || timed) {
		v->state = TS_PACKET;
		v->before = packets ? 0 : 4;
	} else if (s.len >= 4 && memcmp(p, "\0\0\1\xBA", 4) == 0) {
		v->state = PS_HEAD;
	} else {
		coded_unread(i);
	}
	return 0;
}

/* What may be a packet, or a head, when more comes is behind the last one when nothing does. */
void video_end(struct inspect *i)
{
	struct inspect_video *v = &i->video;
	if (v->n > 0) {
		coded_behind(i, span_of(v->head, v->n));
		coded_end(i);
	}
}

size_t video_step(struct inspect *i, struct span s)
{
	static size_t (*const steps[])(struct inspect *, struct span) = {
		[AT_FIRST] = first,
		[MP4_HEAD] = mp4_head,
		[MP4_BOX] = mp4_body,
		[MP4_MEDIA] = mp4_body,
		[TS_PACKET] = ts_packet,
		[PS_HEAD] = ps_head,
		[PS_BODY] = ps_body,
	};
	return steps[i->video.state](i, s);
}
