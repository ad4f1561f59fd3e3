/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/strip_parts.h"

#include "base/reader.h"
#include "base/writer.h"

#include <stdlib.h>

/* ISO 13818-1 2.4.3, 2.4.4. */

#define PACKET       188u
#define PIDS         8192u
#define PID_NONE     0x1FFFu
#define VIDEOS       8
#define TABLE_PAT    0
#define TABLE_PMT    2
#define SECTION_HEAD 8 /* and 4 bytes of a checksum behind it */

enum role { ROLE_NONE, ROLE_PAT, ROLE_MAP, ROLE_VIDEO, ROLE_OTHER };

struct transport {
	struct strip *s;
	unsigned size;
	bool learns; /* which PIDs there are: nothing is changed */
	uint8_t roles[PIDS];
	bool clock[PIDS]; /* a program's is in its packets */
	unsigned n_videos;
	struct {
		unsigned pid;
		bool begun;
		struct strip_pes pes;
	} videos[VIDEOS];
};

/* ---- Sections ---- */

static uint32_t checksum(struct span bytes)
{
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < bytes.len; i++) {
		crc ^= (uint32_t)bytes.ptr[i] << 24;
		for (unsigned k = 0; k < 8; k++) {
			crc = crc << 1 ^ (crc & 1u << 31 ? 0x04C11DB7u : 0);
		}
	}
	return crc;
}

static bool is_video(enum video_kind kind, uint8_t type)
{
	static const struct {
		enum video_kind kind;
		uint8_t type;
	} rows[] = {{VIDEO_MPEG2, 1}, {VIDEO_MPEG2, 2}, {VIDEO_H264, 0x1B}, {VIDEO_H264, 0x1F},
		{VIDEO_H264, 0x20}, {VIDEO_HEVC, 0x24}, {VIDEO_HEVC, 0x25}};
	bool found = false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		found = found || (rows[i].kind == kind && rows[i].type == type);
	}
	return found;
}

static int set_role(struct transport *t, unsigned pid, enum role role)
{
	if (t->roles[pid] != ROLE_NONE && t->roles[pid] != role) {
		return strip_refuse(t->s, ERR_UNSUPPORTED,
			"its video's transport stream has different things under one number (PID)");
	}
	bool fresh = t->roles[pid] == ROLE_NONE;
	t->roles[pid] = (uint8_t)role;
	t->s->found.streams = t->s->found.streams || role == ROLE_OTHER;
	if (fresh && role == ROLE_VIDEO) {
		if (t->n_videos == VIDEOS) {
			return strip_refuse(
				t->s, ERR_LIMIT, "its transport stream has more videos than are looked at");
		}
		t->videos[t->n_videos].pid = pid;
		strip_pes_begin(&t->videos[t->n_videos++].pes, t->s->kind);
	}
	return 0;
}

/* What decoders may go by stays: what kind of video, registration (its four letters), alignment, rates. All else may say anything. */
static bool is_wanted(uint8_t tag, size_t len)
{
	static const uint8_t tags[] = {0x02, 0x06, 0x0E, 0x10, 0x28, 0x2A, 0x31, 0x38};
	bool found = tag == 0x05 && len == 4;
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		found = found || (tags[i] == tag && len <= 16);
	}
	return found;
}

static int copy_descriptors(struct reader *from, struct writer *to)
{
	struct writer before = *to;
	writer_u16be(to, 0);
	size_t begin = to->len;
	while (reader_left(from) > 0) {
		uint8_t tag, len;
		struct span body;
		int e = reader_u8(from, &tag);
		e = e ? e : reader_u8(from, &len);
		e = e ? e : reader_bytes(from, len, &body);
		if (e < 0) {
			return e;
		}
		if (is_wanted(tag, len)) {
			writer_u8(to, tag);
			writer_u8(to, len);
			writer_span(to, body);
		}
	}
	writer_u16be(&before, (uint16_t)(0xF000 | (to->len - begin)));
	return 0;
}

static int take_program(struct transport *t, struct reader *r, struct writer *to)
{
	uint16_t number, pid;
	int e = reader_u16be(r, &number);
	e = e ? e : reader_u16be(r, &pid);
	if (e < 0 || number == 0) { /* where the network is told of, which nobody needs */
		return e;
	}
	writer_u16be(to, number);
	writer_u16be(to, pid);
	return t->learns ? set_role(t, pid & PID_NONE, ROLE_MAP) : 0;
}

static int take_stream(struct transport *t, struct reader *r, struct writer *to)
{
	uint8_t type;
	uint16_t pid, len;
	struct reader descriptors;
	int e = reader_u8(r, &type);
	e = e ? e : reader_u16be(r, &pid);
	e = e ? e : reader_u16be(r, &len);
	e = e ? e : reader_child(r, len & 0xFFFu, &descriptors);
	if (e < 0) {
		return e;
	}
	bool video = is_video(t->s->kind, type);
	if (video) {
		writer_u8(to, type);
		writer_u16be(to, pid);
		e = copy_descriptors(&descriptors, to);
	}
	return e == 0 && t->learns ? set_role(t, pid & PID_NONE, video ? ROLE_VIDEO : ROLE_OTHER) : e;
}

static int take_map(struct transport *t, struct reader *r, struct writer *to)
{
	uint16_t clock, len;
	struct reader descriptors;
	int e = reader_u16be(r, &clock);
	e = e ? e : reader_u16be(r, &len);
	e = e ? e : reader_child(r, len & 0xFFFu, &descriptors);
	if (e < 0) {
		return e;
	}
	writer_u16be(to, clock);
	e = copy_descriptors(&descriptors, to);
	t->clock[clock & PID_NONE] = true;
	while (e == 0 && reader_left(r) > 0) {
		e = take_stream(t, r, to);
	}
	return e;
}

/* One section, written again. whole: with its head and its checksum. One with a wrong checksum nobody takes: nor is it written. */
static int take_section(struct transport *t, uint8_t table, struct span whole, struct writer *to)
{
	struct reader r = reader_of(span_of(whole.ptr, whole.len - 4));
	struct span head = {0};
	struct writer begin = *to;
	if (whole.ptr[0] != table || checksum(whole) != 0) {
		return 0;
	}
	int e = reader_bytes(&r, SECTION_HEAD, &head);
	if (e == 0) {
		writer_span(to, head);
	}
	if (table == TABLE_PMT) {
		e = e ? e : take_map(t, &r, to);
	}
	while (e == 0 && reader_left(&r) > 0) {
		e = take_program(t, &r, to);
	}
	if (e < 0) {
		return e;
	}
	size_t n = to->len - begin.len;
	struct writer length = begin;
	writer_u8(&length, whole.ptr[0]);
	writer_u16be(&length, (uint16_t)((whole.ptr[1] & 0xF0) << 8 | (n + 4 - 3)));
	writer_u32be(to, checksum(span_of(to->ptr + begin.len, n)));
	return 0;
}

/* Sections of a packet, the first at its pointer; what follows them is 0xFF. */
static int take_sections(struct transport *t, uint8_t table, uint8_t *bytes, size_t n)
{
	uint8_t again[PACKET] = {0};
	struct writer to = writer_of(again, n);
	struct reader r = reader_of(span_of(bytes, n));
	uint8_t pointer = 0;
	int e = reader_u8(&r, &pointer);
	e = e ? e : reader_skip(&r, pointer);
	writer_u8(&to, 0);
	while (e == 0 && reader_left(&r) >= 3 && r.ptr[r.pos] != 0xFF) {
		size_t len = 3 + (((size_t)r.ptr[r.pos + 1] & 0x0F) << 8 | r.ptr[r.pos + 2]);
		struct span whole = {0};
		if (len < SECTION_HEAD + 4 || len > reader_left(&r)) {
			return strip_refuse(t->s, len < SECTION_HEAD + 4 ? ERR_VALUE : ERR_UNSUPPORTED,
				"a table of its video's transport stream is longer than a packet, or broken");
		}
		e = reader_bytes(&r, len, &whole);
		e = e ? e : take_section(t, table, whole, &to);
	}
	if (e == 0 && !t->learns) {
		writer_fill(&to, 0xFF, n - to.len);
		memcpy(bytes, again, n);
	}
	return e ? e : writer_end(&to);
}

/* ---- Packets ---- */

/* Of a packet that goes what tells the time of others stays: an adaptation field that is all of it. */
static void make_null(const struct transport *t, uint8_t *packet, unsigned pid)
{
	bool clock = t->clock[pid] && packet[3] & 0x20 && packet[4] >= 7 && packet[5] & 0x10;
	if (clock) {
		packet[1] &= 0x1F;
		packet[3] = (uint8_t)((packet[3] & 0x0F) | 0x20);
		packet[4] = PACKET - 5;
		packet[5] &= 0x90; /* its clock alone, and whether that goes on */
		memset(packet + 12, 0xFF, PACKET - 12);
		return;
	}
	packet[1] = PID_NONE >> 8;
	packet[2] = PID_NONE & 0xFF;
	packet[3] = 0x10;
	memset(packet + 4, 0xFF, PACKET - 4);
}

/* Private data of an adaptation field (2.4.3.4). */
static void take_adaptation(uint8_t *field, size_t n)
{
	uint8_t flags = n > 1 ? field[1] : 0;
	size_t at = 2u + (flags & 0x10 ? 6 : 0) + (flags & 0x08 ? 6 : 0) + (flags & 0x04 ? 1 : 0);
	if (flags & 0x02 && at < n) {
		size_t len = field[at] < n - at - 1 ? field[at] : n - at - 1;
		memset(field + at + 1, 0xFF, len);
	}
}

static int take_video(struct transport *t, uint8_t *packet, unsigned pid, size_t at)
{
	for (unsigned i = 0; i < t->n_videos; i++) {
		if (t->videos[i].pid != pid) {
			continue;
		}
		bool bad = false;
		if (packet[1] & 0x40) {
			strip_pes_packet(&t->videos[i].pes, 0);
			t->videos[i].begun = true;
		}
		if (!t->videos[i].begun) { /* of a packet that began before */
			make_null(t, packet, pid);
			return 0;
		}
		(void)strip_pes_feed(&t->videos[i].pes, packet + at, PACKET - at, &bad);
		return bad ? strip_refuse(t->s, ERR_VALUE, "its video is damaged") : 0;
	}
	return 0;
}

static int take_payload(struct transport *t, uint8_t *packet, unsigned pid, size_t at)
{
	enum role role = (enum role)t->roles[pid];
	bool table = role == ROLE_PAT || role == ROLE_MAP;
	bool none = !table && role != ROLE_VIDEO;
	if (!none && packet[3] & 0xC0) {
		return strip_refuse(t->s, ERR_UNSUPPORTED, "its video is encrypted");
	}
	if (table && packet[1] & 0x40) {
		return take_sections(t, role == ROLE_PAT ? TABLE_PAT : TABLE_PMT, packet + at, PACKET - at);
	}
	if (t->learns) {
		return 0;
	}
	if (none || table) {
		make_null(t, packet, pid);
		return 0;
	}
	take_adaptation(packet + 4, at - 4);
	return take_video(t, packet, pid, at);
}

static int take_packet(struct transport *t, uint8_t *packet)
{
	unsigned pid = (packet[1] & 0x1Fu) << 8 | packet[2];
	size_t at = 4;
	if (packet[0] != 0x47) {
		return strip_refuse(t->s, ERR_VALUE, "its video is damaged");
	}
	if (packet[3] & 0x20) {
		at += 1u + packet[4];
	}
	if (at > PACKET || !(packet[3] & 0x10) || at == PACKET) {
		bool field = t->roles[pid] == ROLE_VIDEO && at <= PACKET && packet[3] & 0x20;
		if (field && !t->learns) {
			take_adaptation(packet + 4, at - 4);
		} else if (!t->learns) {
			make_null(t, packet, pid);
		}
		return 0;
	}
	return take_payload(t, packet, pid, at);
}

/* Of 192 bytes four are before it: when it came. Behind the last one is what fills up the value. */
static int each_of_packets(void *arg, uint8_t *bytes, size_t n, bool *ret_changed)
{
	struct transport *t = arg;
	uint8_t before[PACKET];
	for (size_t at = 0; n - at >= t->size; at += t->size) {
		uint8_t *packet = bytes + at + (t->size - PACKET);
		memcpy(before, packet, PACKET);
		int e = take_packet(t, packet);
		if (e < 0) {
			return e;
		}
		*ret_changed = *ret_changed || memcmp(before, packet, PACKET) != 0;
	}
	return 0;
}

static int run(struct transport *t)
{
	struct strip *s = t->s;
	uint64_t end = s->source->len - s->source->len % t->size;
	t->roles[0] = ROLE_PAT;
	t->learns = true;
	int e = strip_walk(s, 0, end, each_of_packets, t);
	if (e == 0 && t->n_videos == 0) {
		e = strip_refuse(s, ERR_VALUE,
			"its transport stream has no video of the kind that its transfer syntax says");
	}
	t->learns = false;
	e = e ? e : strip_walk(s, 0, end, each_of_packets, t);
	return e ? e : strip_fill(s, end, s->source->len, 0);
}

int strip_transport(struct strip *s, unsigned size)
{
	struct transport *t = calloc(1, sizeof(*t));
	if (!t) {
		return ERR_NO_MEMORY;
	}
	t->s = s;
	t->size = size;
	int e = run(t);
	free(t);
	return e;
}
