/* SPDX-License-Identifier: Apache-2.0 */
#include "antivirus/scanner.h"

#include "base/clock.h"
#include "base/reader.h"

void scanner_begin(struct scanner *s, const struct clamd *clamd, uint64_t most)
{
	memset(s, 0, offsetof(struct scanner, rest_buffer));
	s->clamd = clamd;
	s->most = most;
	s->rest.fd = s->part.fd = s->whole.fd = -1;
}

/* What is known to be bad, or not to be known, does not get better. */
static bool is_settled(const struct scanner *s)
{
	return s->sum.verdict == SCAN_FOUND || s->sum.verdict == SCAN_NOT_SCANNED;
}

static bool is_too_large(struct scanner *s, uint64_t *n, size_t more)
{
	*n += more;
	if (*n <= s->most) {
		return false;
	}
	struct scan_answer a;
	answer_say(&a, SCAN_PARTLY, "it has more than %llu bytes to be scanned at once",
		(unsigned long long)s->most);
	answer_add(&s->sum, &a);
	return true;
}

static void settle(struct scanner *s, struct clamd_stream *stream, bool *open)
{
	clamd_end(stream);
	answer_add(&s->sum, &stream->answer);
	*open = false;
}

/* clamd may have spoken before its time. */
static void send_to(struct scanner *s, struct clamd_stream *stream, bool *open, struct span bytes)
{
	if (!*open) {
		clamd_begin(stream, s->clamd);
		*open = true;
	}
	clamd_send(stream, bytes);
	if (stream->fd < 0) {
		answer_add(&s->sum, &stream->answer);
	}
}

/* ---- The rest ---- */

static void flush_rest(struct scanner *s)
{
	size_t from = s->rest_open ? s->rest_old : 0;
	if (s->rest_len > from) {
		send_to(s, &s->rest, &s->rest_open, span_of(s->rest_buffer + from, s->rest_len - from));
		s->rest_ms = clock_mono_ms();
	}
	size_t keep = s->rest_len < SCANNER_OVERLAP ? s->rest_len : SCANNER_OVERLAP;
	memmove(s->rest_buffer, s->rest_buffer + s->rest_len - keep, keep);
	s->rest_len = s->rest_old = keep;
}

static void take_rest(struct scanner *s, struct span bytes)
{
	if (is_too_large(s, &s->n_rest, bytes.len)) {
		clamd_drop(&s->rest);
		return;
	}
	while (bytes.len > 0) {
		size_t room = SCANNER_REST - s->rest_len, n = bytes.len < room ? bytes.len : room;
		memcpy(s->rest_buffer + s->rest_len, bytes.ptr, n);
		s->rest_len += n;
		bytes = span_of(bytes.ptr + n, bytes.len - n);
		if (s->rest_len == SCANNER_REST) {
			flush_rest(s);
		}
	}
}

void scanner_idle(struct scanner *s)
{
	if (s->rest_open && !is_settled(s) && clock_mono_ms() - s->rest_ms >= SCANNER_IDLE_MS) {
		flush_rest(s);
		settle(s, &s->rest, &s->rest_open);
	}
}

/* ---- Parts, and the whole ---- */

static void take_part(struct scanner *s, struct span bytes)
{
	if (s->n_part < SCANNER_PART && bytes.len > 0) {
		size_t room = SCANNER_PART - (size_t)s->n_part, n = bytes.len < room ? bytes.len : room;
		memcpy(s->part_buffer + s->n_part, bytes.ptr, n);
	}
	if (is_too_large(s, &s->n_part, bytes.len)) {
		clamd_drop(&s->part);
		return;
	}
	send_to(s, &s->part, &s->part_open, bytes);
}

static void end_part(struct scanner *s)
{
	uint64_t n = s->n_part;
	if (s->part_open) {
		settle(s, &s->part, &s->part_open);
	}
	s->n_part = 0;
	if (!is_settled(s) && n > 1 && n <= SCANNER_PART && s->part_buffer[n - 1] == 0) {
		struct scan_answer a;
		clamd_scan(s->clamd, span_of(s->part_buffer, (size_t)n - 1), &a);
		answer_add(&s->sum, &a);
	}
}

static void take_whole(struct scanner *s, struct span bytes)
{
	if (is_too_large(s, &s->n_whole, bytes.len)) {
		clamd_drop(&s->whole);
		return;
	}
	send_to(s, &s->whole, &s->whole_open, bytes);
}

void scanner_take(struct scanner *s, enum scan_to to, struct span bytes)
{
	struct scan_answer a;
	if (is_settled(s)) {
		return;
	}
	switch (to) {
	case SCAN_TO_REST:
		take_rest(s, bytes);
		break;
	case SCAN_TO_PART:
		take_part(s, bytes);
		break;
	case SCAN_PART_END:
		end_part(s);
		break;
	case SCAN_TO_WHOLE:
		take_whole(s, bytes);
		break;
	case SCAN_UNREAD:
		answer_say(&a, SCAN_PARTLY, "%.*s", (int)bytes.len, (const char *)bytes.ptr);
		answer_add(&s->sum, &a);
		break;
	case SCAN_END:
		break;
	}
}

void scanner_end(struct scanner *s)
{
	static const struct scan_answer nothing_found = {.verdict = SCAN_CLEAN};
	if (!is_settled(s) && s->n_part > 0) {
		end_part(s);
	}
	if (!is_settled(s)) {
		size_t unsent = s->rest_len - (s->rest_open ? s->rest_old : 0);
		if (unsent > 0 && s->n_rest <= s->most) {
			flush_rest(s);
		}
	}
	if (!is_settled(s) && s->rest_open) {
		settle(s, &s->rest, &s->rest_open);
	}
	if (!is_settled(s) && s->whole_open) {
		settle(s, &s->whole, &s->whole_open);
	}
	clamd_drop(&s->rest);
	clamd_drop(&s->part);
	clamd_drop(&s->whole);
	answer_add(&s->sum, &nothing_found);
}

int scanner_read(struct scanner *s, struct span bytes, size_t *ret_used)
{
	struct reader r = reader_of(bytes);
	int e = 0;
	while (e == 0) {
		struct reader piece = r;
		struct span data;
		uint8_t to;
		uint32_t n;
		if (reader_u8(&piece, &to) != 0 || reader_u32be(&piece, &n) != 0) {
			break;
		}
		if (to < SCAN_TO_REST || to > SCAN_END || n > SCAN_PIECE) {
			return ERR_PEER;
		}
		if (reader_bytes(&piece, n, &data) != 0) {
			break;
		}
		scanner_take(s, (enum scan_to)to, data);
		e = to == SCAN_END ? ERR_CLOSED : 0;
		r = piece;
	}
	*ret_used = r.pos;
	return e;
}
