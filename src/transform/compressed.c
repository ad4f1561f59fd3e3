/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/compressed.h"

#include "base/attr.h"

#include <string.h>

#define RUN_LEAST  12 /* bytes that a run of letters becomes; fewer hold nothing that is compressed */
#define RAW_BEHIND 8  /* bytes of a length, or four, or none */
#define WEAK_LEAST 8  /* bytes; shorter than any four that are compressed */
#define ZIP_HEAD   30 /* .ZIP File Format Specification 4.3.7 */

static_assert(COMPRESSED_HEAD >= ZIP_HEAD, "a member's head is looked at whole");

static void feed_look(struct compressed *c, unsigned at, struct span bytes);
static void end_look(struct compressed *c, unsigned at);

/* The value itself is 0, what is in the i-th stream is i + 1. */
static struct compressed_look *look_of(struct compressed *c, unsigned at)
{
	return at == 0 ? &c->value : &c->streams[at - 1].look;
}

static void cannot(struct compressed *c, enum compressed_unread why)
{
	c->unread = why > c->unread ? why : c->unread;
}

/* ---- Streams ---- */

/* 0: there are too many at once, or it lies too deep. */
static unsigned new_stream(struct compressed *c, unsigned parent, int kind)
{
	unsigned depth = look_of(c, parent)->depth + 1;
	for (unsigned i = 0; i < COMPRESSED_STREAMS && depth <= COMPRESSED_DEPTH; i++) {
		struct compressed_stream *s = &c->streams[i];
		if (s->kind == COMPRESSED_IDLE) {
			s->kind = kind;
			c->n_streams++;
			s->parent = parent;
			s->total = 0;
			s->open_start = false;
			s->n = s->n_given = 0;
			s->look = (struct compressed_look){
				.depth = depth, .is_bytes = kind == COMPRESSED_LETTERS};
			return i + 1;
		}
	}
	return 0;
}

static void free_stream(struct compressed *c, unsigned at)
{
	c->streams[at - 1].kind = COMPRESSED_IDLE;
	c->n_streams--;
}

/* Not by chance: such a stream breaks after some bytes. */
static bool is_sure(const struct compressed_stream *s)
{
	return s->kind == COMPRESSED_STRONG || s->total >= COMPRESSED_PIECE ||
	       (s->is_summed && s->inflater.ended);
}

/* What has come of it, with the end of what was given before. */
static void give(struct compressed *c, unsigned at, bool is_all)
{
	struct compressed_stream *s = &c->streams[at - 1];
	const struct encoded_piece p = {span_of(s->bytes, s->n), !is_sure(s), s->open_start, !is_all};
	if (s->n > 0) {
		c->take(c->arg, &p);
	}
	if (s->n > s->n_given && (is_sure(s) || s->inflater.ended)) {
		feed_look(c, at, span_of(s->bytes + s->n_given, s->n - s->n_given));
	}
	size_t keep = s->n < ENCODED_EDGE ? s->n : ENCODED_EDGE;
	memmove(s->bytes, s->bytes + s->n - keep, keep);
	s->open_start = s->open_start || s->n > keep;
	s->n = s->n_given = keep;
}

/* It is over: of what is compressed in it too. */
static void end_stream(struct compressed *c, unsigned at)
{
	if (c->streams[at - 1].kind != COMPRESSED_LETTERS) {
		give(c, at, true);
	}
	end_look(c, at);
	free_stream(c, at);
}

static void count(struct compressed *c, uint64_t n)
{
	c->left -= n < c->left ? n : c->left;
}

static bool is_too_much(const struct compressed *c, const struct compressed_stream *s)
{
	return c->left == 0 ||
	       (s->total > COMPRESSED_FREE && s->total / COMPRESSED_RATIO > s->inflater.z.total_in);
}

static void put(struct compressed *c, unsigned at, struct span bytes)
{
	struct compressed_stream *s = &c->streams[at - 1];
	while (bytes.len > 0) {
		size_t room = sizeof(s->bytes) - s->n, n = bytes.len < room ? bytes.len : room;
		memcpy(s->bytes + s->n, bytes.ptr, n);
		s->n += n;
		bytes = span_of(bytes.ptr + n, bytes.len - n);
		if (s->n == sizeof(s->bytes)) {
			give(c, at, false);
		}
	}
}

/* Bytes of the parent's, the first of them with that offset. */
static void take_bytes(struct compressed *c, unsigned at, uint64_t offset, struct span bytes)
{
	struct compressed_stream *s = &c->streams[at - 1];
	struct span piece;
	int e;
	if (s->from > offset) {
		size_t skip = s->from - offset < bytes.len ? (size_t)(s->from - offset) : bytes.len;
		bytes = span_of(bytes.ptr + skip, bytes.len - skip);
	}
	uint64_t before = s->inflater.z.total_in;
	inflater_feed(&s->inflater, bytes);
	while ((e = inflater_next(&s->inflater, &piece)) == 0) {
		s->total += piece.len;
		count(c, piece.len);
		if (is_too_much(c, s)) {
			cannot(c, COMPRESSED_LIMIT);
			end_stream(c, at);
			return;
		}
		put(c, at, piece);
	}
	count(c, s->inflater.z.total_in - before); /* what becomes nothing takes its time too */
	if (e != ERR_AGAIN && is_sure(s)) {
		cannot(c, COMPRESSED_BROKEN);
	}
	if (e != ERR_AGAIN || s->inflater.ended) {
		end_stream(c, at);
	}
}

/* ---- What begins somewhere ---- */

struct beginning {
	int kind;
	int (*begin)(struct inflater *);
	uint64_t from;
};

/* Other ways, by how they begin; those of a PDF only where it is one. */
static const struct other {
	const char *bytes;
	uint8_t len;
	bool in_pdf;
	enum compressed_unread why;
} others[] = {
	{"\xFD"
	 "7zXZ",
		6, false, COMPRESSED_OTHER},              /* with its NUL */
	{"\x28\xB5\x2F\xFD", 4, false, COMPRESSED_OTHER}, /* RFC 8878 */
	{"\x04\x22\x4D\x18", 4, false, COMPRESSED_OTHER}, /* LZ4's frames */
	{"7z\xBC\xAF\x27\x1C", 6, false, COMPRESSED_OTHER},
	{"Rar!\x1A\x07", 6, false, COMPRESSED_OTHER},
	{"LZIP\x01", 5, false, COMPRESSED_OTHER},
	{"MSCF\0\0\0\0", 8, false, COMPRESSED_OTHER},
	{"Salted__", 8, false, COMPRESSED_ENCRYPTED}, /* openssl enc */
	{"-----BEGIN PGP MESSAGE", 22, false, COMPRESSED_ENCRYPTED},
	{"-----BEGIN CMS", 14, false, COMPRESSED_ENCRYPTED},
	{"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a", 27, false,
		COMPRESSED_ENCRYPTED}, /* [MS-OFFCRYPTO] 2.3.4 */
	{"/Encrypt", 8, true, COMPRESSED_ENCRYPTED},
	{"/LZWDecode", 10, true, COMPRESSED_OTHER},
	{"/ASCII85Decode", 14, true, COMPRESSED_OTHER},
};

static bool begins_with(struct span s, const char *bytes, size_t n)
{
	return s.len >= n && memcmp(s.ptr, bytes, n) == 0;
}

static bool is_bzip2(struct span s)
{
	return begins_with(s, "BZh", 3) && s.len >= 10 && s.ptr[3] >= '1' && s.ptr[3] <= '9' &&
	       memcmp(s.ptr + 4, "1AY&SY", 6) == 0;
}

static unsigned le16(const uint8_t *at)
{
	return (unsigned)at[0] | (unsigned)at[1] << 8;
}

/* A member's local header; what is stored as it is lies in sight. */
static void zip_member(struct compressed *c, struct span s, uint64_t at, struct beginning *ret)
{
	enum { STORED = 0, DEFLATED = 8 };
	unsigned flags = le16(s.ptr + 6), method = le16(s.ptr + 8);
	if (flags & 1) {
		cannot(c, COMPRESSED_ENCRYPTED);
	} else if (method == DEFLATED) {
		*ret = (struct beginning){COMPRESSED_STRONG, inflater_begin,
			at + ZIP_HEAD + le16(s.ptr + 26) + le16(s.ptr + 28)};
	} else if (method != STORED) {
		cannot(c, COMPRESSED_OTHER);
	}
}

/* RFC 1950 2.2; by chance one of two thousand in bytes of any kind. */
static bool is_zlib(struct span s)
{
	unsigned head = (unsigned)s.ptr[0] << 8 | s.ptr[1];
	return (head >> 8 & 0x0F) == 8 && head >> 12 <= 7 && head % 31 == 0 && !(head & 0x20);
}

/* The first bytes of all of them. */
static const bool firsts[256] = {[0x08] = true,
	[0x18] = true,
	[0x28] = true,
	[0x38] = true,
	[0x48] = true,
	[0x58] = true,
	[0x68] = true,
	[0x78] = true,
	[0x1F] = true,
	[0x04] = true,
	[0xFD] = true,
	['P'] = true,
	['B'] = true,
	['7'] = true,
	['R'] = true,
	['L'] = true,
	['M'] = true,
	['S'] = true,
	['-'] = true,
	['E'] = true,
	['/'] = true,
	['%'] = true};

static void hear_others(struct compressed *c, struct compressed_look *look, struct span s)
{
	look->is_pdf = look->is_pdf || begins_with(s, "%PDF-", 5);
	if (is_bzip2(s)) {
		cannot(c, COMPRESSED_OTHER);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (s.ptr[0] == (uint8_t)others[i].bytes[0] &&
			begins_with(s, others[i].bytes, others[i].len) &&
			(look->is_pdf || !others[i].in_pdf)) {
			cannot(c, others[i].why);
		}
	}
}

/* s: what is there from that offset on, COMPRESSED_HEAD bytes or all. */
static struct beginning beginning_at(
	struct compressed *c, struct compressed_look *look, struct span s, uint64_t at)
{
	struct beginning b = {.kind = COMPRESSED_IDLE};
	if (begins_with(s, "\x1F\x8B\x08", 3) && s.len > 3 && (s.ptr[3] & 0xE0) == 0) {
		b = (struct beginning){COMPRESSED_STRONG, inflater_begin_gzip, at};
	} else if (begins_with(s, "PK\x03\x04", 4) && s.len >= ZIP_HEAD) {
		zip_member(c, s, at, &b);
	} else if (s.len >= WEAK_LEAST && is_zlib(s)) {
		b = (struct beginning){COMPRESSED_WEAK, inflater_begin_zlib, at};
	} else {
		hear_others(c, look, s);
	}
	return b;
}

/* What is known of the bytes so far, to begin with: the head's, then those that came. */
struct came {
	uint64_t offset;
	struct span head, bytes;
};

static void start(struct compressed *c, unsigned parent, const struct beginning *b, const struct came *came)
{
	unsigned at = c->left > 0 ? new_stream(c, parent, b->kind) : 0;
	if (at == 0 || b->begin(&c->streams[at - 1].inflater) < 0) {
		if (b->kind == COMPRESSED_STRONG || look_of(c, parent)->depth < COMPRESSED_DEPTH) {
			cannot(c, COMPRESSED_LIMIT);
		}
		if (at > 0) {
			free_stream(c, at);
		}
		return;
	}
	struct compressed_stream *s = &c->streams[at - 1];
	s->from = b->from;
	s->is_summed = b->begin == inflater_begin_zlib;
	if (came->head.len > 0) {
		take_bytes(c, at, came->offset, came->head);
	}
	if (s->kind != COMPRESSED_IDLE && s->parent == parent && s->from == b->from) {
		take_bytes(c, at, came->offset + came->head.len, came->bytes);
	}
}

/* Does something begin there? */
static void decide(struct compressed *c, unsigned at, uint64_t offset, struct span s, const struct came *came)
{
	struct compressed_look *look = look_of(c, at);
	bool may_be_raw = look->is_bytes && offset <= RAW_BEHIND && offset % 4 == 0 && s.len >= WEAK_LEAST;
	if (may_be_raw) {
		const struct beginning raw = {COMPRESSED_WEAK, inflater_begin, offset};
		start(c, at, &raw, came);
	}
	if (!firsts[s.ptr[0]]) {
		return;
	}
	const struct beginning b = beginning_at(c, look, s, offset);
	if (b.kind != COMPRESSED_IDLE) {
		start(c, at, &b, came);
	}
}

/* Those whose head lies in what was kept and in what came. */
static size_t decide_kept(struct compressed *c, unsigned at, const struct came *came, bool is_all)
{
	uint8_t edge[2 * COMPRESSED_HEAD];
	size_t kept = came->head.len, i = 0;
	size_t n = came->bytes.len < COMPRESSED_HEAD ? came->bytes.len : COMPRESSED_HEAD;
	if (kept > 0) {
		memcpy(edge, came->head.ptr, kept);
	}
	if (n > 0) {
		memcpy(edge + kept, came->bytes.ptr, n);
	}
	for (; i < kept && (is_all || kept + n - i >= COMPRESSED_HEAD); i++) {
		const uint64_t offset = came->offset + i;
		if (firsts[edge[i]] || offset <= RAW_BEHIND) {
			decide(c, at, offset, span_of(edge + i, kept + n - i), came);
		}
	}
	return i;
}

static void find(struct compressed *c, unsigned at, struct span bytes, bool is_all)
{
	struct compressed_look *look = look_of(c, at);
	uint8_t head[COMPRESSED_HEAD];
	memcpy(head, look->head, look->n_head);
	const struct came came = {look->at - look->n_head, span_of(head, look->n_head), bytes};
	size_t kept = decide_kept(c, at, &came, is_all), i = 0;
	for (; bytes.len - i >= COMPRESSED_HEAD; i++) {
		const uint64_t offset = look->at + i;
		if (firsts[bytes.ptr[i]] || offset <= RAW_BEHIND) {
			decide(c, at, offset, span_of(bytes.ptr + i, bytes.len - i), &came);
		}
	}
	/* What is left is shorter than a head. */
	size_t n = look->n_head - kept;
	memmove(look->head, look->head + kept, n);
	if (bytes.len > i) {
		memcpy(look->head + n, bytes.ptr + i, bytes.len - i);
	}
	look->n_head = (unsigned)(n + bytes.len - i);
	look->at += bytes.len;
}

/* ---- Letters that stand for bytes ---- */

enum { RUN_BASE64, RUN_DIGITS };

/* -1: it is none of them. */
static int value_of(uint8_t letter, unsigned which)
{
	if (letter >= '0' && letter <= '9') {
		return letter - '0' + (which == RUN_BASE64 ? 52 : 0);
	}
	if (which == RUN_DIGITS) {
		uint8_t small = letter | 0x20;
		return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
	}
	if (letter >= 'A' && letter <= 'Z') {
		return letter - 'A';
	}
	if (letter >= 'a' && letter <= 'z') {
		return letter - 'a' + 26;
	}
	return letter == '+' || letter == '-' ? 62 : letter == '/' || letter == '_' ? 63 : -1;
}

static void flush_run(struct compressed *c, unsigned at, unsigned which)
{
	struct compressed_run *r = &look_of(c, at)->runs[which];
	if (r->child == 0) {
		r->child = new_stream(c, at, COMPRESSED_LETTERS);
		if (r->child == 0 && look_of(c, at)->depth < COMPRESSED_DEPTH) {
			cannot(c, COMPRESSED_LIMIT);
		}
		if (r->child > 0) {
			c->streams[r->child - 1].from = UINT64_MAX; /* it takes no bytes but these */
		}
	}
	if (r->child > 0) {
		feed_look(c, r->child, span_of(r->bytes, r->n));
	}
	r->n = 0;
}

static void end_run(struct compressed *c, unsigned at, unsigned which)
{
	struct compressed_run *r = &look_of(c, at)->runs[which];
	if (r->n >= RUN_LEAST || (r->child > 0 && r->n > 0)) {
		flush_run(c, at, which);
	}
	if (r->child > 0) {
		end_stream(c, r->child);
	}
	*r = (struct compressed_run){0};
}

/* Lines end between letters, as themselves and as \n; behind that one may be set in. JSON has \/ for /. */
static bool is_between(struct compressed_run *r, uint8_t byte)
{
	bool is_end = byte == '\r' || byte == '\n' || (r->escaped && (byte == 'n' || byte == 'r'));
	bool is = is_end || (r->folded && byte == ' ') || (!r->escaped && byte == '\\');
	r->escaped = !r->escaped && byte == '\\';
	r->folded = is_end;
	return is;
}

static void hear_letter(struct compressed *c, unsigned at, unsigned which, uint8_t byte)
{
	static const unsigned widths[] = {[RUN_BASE64] = 6, [RUN_DIGITS] = 4};
	struct compressed_run *r = &look_of(c, at)->runs[which];
	bool was_escaped = r->escaped;
	if (r->n_letters > 0 && is_between(r, byte)) {
		return;
	}
	int v = value_of(byte, which);
	if (v < 0 || (was_escaped && byte != '/')) {
		if (r->n_letters > 0) {
			end_run(c, at, which);
		}
		if (v < 0) {
			return;
		}
	}
	r->n_letters = 1;
	r->bits = r->bits << widths[which] | (unsigned)v;
	r->n_bits += widths[which];
	if (r->n_bits >= 8) {
		r->n_bits -= 8;
		r->bytes[r->n++] = (uint8_t)(r->bits >> r->n_bits);
	}
	if (r->n == sizeof(r->bytes)) {
		flush_run(c, at, which);
	}
}

/* ---- All ---- */

static void feed_look(struct compressed *c, unsigned at, struct span bytes)
{
	struct compressed_look *look = look_of(c, at);
	for (unsigned i = 0; i < COMPRESSED_STREAMS && c->n_streams > 0; i++) {
		struct compressed_stream *s = &c->streams[i];
		if (s->kind >= COMPRESSED_WEAK && s->parent == at) {
			take_bytes(c, i + 1, look->at, bytes);
		}
	}
	find(c, at, bytes, false);
	for (size_t i = 0; i < bytes.len && look->depth < COMPRESSED_DEPTH; i++) {
		bool in_run = look->runs[RUN_BASE64].n_letters + look->runs[RUN_DIGITS].n_letters > 0;
		if (in_run || value_of(bytes.ptr[i], RUN_BASE64) >= 0) { /* digits are such letters too */
			hear_letter(c, at, RUN_BASE64, bytes.ptr[i]);
			hear_letter(c, at, RUN_DIGITS, bytes.ptr[i]);
		}
	}
}

static void end_look(struct compressed *c, unsigned at)
{
	find(c, at, span_of(NULL, 0), true);
	end_run(c, at, RUN_BASE64);
	end_run(c, at, RUN_DIGITS);
	for (unsigned i = 0; i < COMPRESSED_STREAMS && c->n_streams > 0; i++) {
		if (c->streams[i].kind != COMPRESSED_IDLE && c->streams[i].parent == at) {
			end_stream(c, i + 1);
		}
	}
}

void compressed_object(struct compressed *c)
{
	c->left = COMPRESSED_MOST;
}

void compressed_begin(struct compressed *c, bool is_bytes, encoded_take *take, void *arg)
{
	c->unread = COMPRESSED_READ;
	c->take = take;
	c->arg = arg;
	c->value = (struct compressed_look){.is_bytes = is_bytes};
	for (unsigned i = 0; i < COMPRESSED_STREAMS && c->n_streams > 0; i++) {
		c->streams[i].kind = COMPRESSED_IDLE; /* of a value that did not end */
	}
	c->n_streams = 0;
}

void compressed_feed(struct compressed *c, struct span bytes)
{
	feed_look(c, 0, bytes);
}

void compressed_end(struct compressed *c)
{
	end_look(c, 0);
}
