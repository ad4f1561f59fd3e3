/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/cleaner.h"

#include "base/reader.h"
#include "base/writer.h"

/* ---- Heads ---- */

void cleaner_put_head(const struct cleaner_head *h, uint8_t ret_bytes[CLEANER_HEAD])
{
	struct writer w = writer_of(ret_bytes, CLEANER_HEAD);
	writer_u8(&w, (uint8_t)h->kind);
	writer_u8(&w, h->code);
	writer_u16be(&w, 0);
	writer_u32be(&w, h->len);
}

struct span cleaner_put_end(
	enum cleaner_outcome outcome, const char *why, uint8_t ret_bytes[CLEANER_END_MOST])
{
	size_t n = strnlen(why, CLEANER_TEXT - 1);
	cleaner_put_head(&(struct cleaner_head){CLEANER_END, (uint8_t)outcome, (uint32_t)n}, ret_bytes);
	memcpy(ret_bytes + CLEANER_HEAD, why, n);
	return span_of(ret_bytes, CLEANER_HEAD + n);
}

#define TO_JOB   (1u << CLEANER_TO_JOB)
#define FROM_JOB (1u << CLEANER_FROM_JOB)
#define FROM_BOX (1u << CLEANER_FROM_BOX)

/* Each that can be said: by whom, with which codes and how many bytes. */
static const struct {
	enum cleaner_kind kind;
	unsigned ways;
	uint8_t least_code, most_code;
	uint32_t least, most;
} frames[] = {
	{CLEANER_RULES, TO_JOB, 0, 0, 1, CLEANER_PIECE},
	{CLEANER_OPTIONS, TO_JOB, 0, CLEANER_ALL, 0, 0},
	{CLEANER_DATA, TO_JOB | FROM_JOB | FROM_BOX, 0, 0, 1, CLEANER_PIECE},
	{CLEANER_PATCH, FROM_BOX, 0, 0, 9, CLEANER_PIECE},
	{CLEANER_END, TO_JOB, 0, 0, 0, 0},
	{CLEANER_END, FROM_JOB | FROM_BOX, CLEANER_PENDING + 1, CLEANER_OUTCOMES - 1, 0, CLEANER_TEXT - 1},
};

int cleaner_read_head(enum cleaner_way way, struct span bytes, struct cleaner_head *ret_head)
{
	struct reader r = reader_of(bytes);
	uint8_t kind = 0, code = 0;
	uint16_t zero = 0;
	uint32_t len = 0;
	int e = reader_u8(&r, &kind);
	e = e ? e : reader_u8(&r, &code);
	e = e ? e : reader_u16be(&r, &zero);
	e = e ? e : reader_u32be(&r, &len);
	if (e < 0) {
		return e;
	}
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		if (frames[i].kind == (enum cleaner_kind)kind && frames[i].ways & 1u << way && zero == 0 &&
			code >= frames[i].least_code && code <= frames[i].most_code &&
			len >= frames[i].least && len <= frames[i].most) {
			*ret_head = (struct cleaner_head){frames[i].kind, code, len};
			return 0;
		}
	}
	return ERR_PEER;
}

void cleaner_read_text(struct span bytes, char *ret_text, size_t cap)
{
	size_t i = 0;
	for (; i < bytes.len && i + 1 < cap; i++) {
		ret_text[i] = (char)(bytes.ptr[i] >= ' ' && bytes.ptr[i] < 127 ? bytes.ptr[i] : '?');
	}
	ret_text[i] = '\0';
}

/* ---- To the job ---- */

void cleaner_order_begin(struct cleaner_order *o, int (*data)(void *arg, struct span bytes), void *arg)
{
	o->arg = arg;
	o->data = data;
	o->features = o->native = o->strips = o->keeps_videos = false;
	o->n_rules = 0;
	o->n_data = 0;
	o->left = 0;
	o->last = CLEANER_RULES;
}

static bool may_follow(enum cleaner_kind last, enum cleaner_kind next)
{
	bool before = next == CLEANER_RULES || next == CLEANER_OPTIONS;
	return last == CLEANER_RULES ? before : !before && last != CLEANER_END;
}

static int begin_frame(struct cleaner_order *o, struct span bytes)
{
	struct cleaner_head h;
	int e = cleaner_read_head(CLEANER_TO_JOB, bytes, &h);
	if (e < 0) {
		return e;
	}
	if (!may_follow(o->last, h.kind) ||
		(h.kind == CLEANER_RULES && h.len > LIMIT_PIXEL_RULES - o->n_rules)) {
		return ERR_PEER;
	}
	if (h.kind == CLEANER_DATA && h.len > LIMIT_CLEANED - o->n_data) {
		return ERR_LIMIT;
	}
	if (h.kind == CLEANER_OPTIONS) {
		o->features = (h.code & CLEANER_FEATURES) != 0;
		o->native = (h.code & CLEANER_NATIVE) != 0;
		o->strips = (h.code & CLEANER_STRIP) != 0;
		o->keeps_videos = (h.code & CLEANER_VIDEOS) != 0;
	}
	o->last = h.kind;
	o->left = h.len;
	return h.kind == CLEANER_END ? ERR_CLOSED : 0;
}

static int take_bytes(struct cleaner_order *o, struct span bytes)
{
	o->left -= (uint32_t)bytes.len;
	if (o->last == CLEANER_RULES) {
		memcpy(o->rules + o->n_rules, bytes.ptr, bytes.len);
		o->n_rules += bytes.len;
		return 0;
	}
	o->n_data += bytes.len;
	return o->data(o->arg, bytes);
}

int cleaner_order_take(struct cleaner_order *o, struct span bytes, size_t *ret_used)
{
	size_t at = 0;
	while (at < bytes.len) {
		struct span rest = span_of(bytes.ptr + at, bytes.len - at);
		int e;
		if (o->left == 0) {
			e = begin_frame(o, rest);
			if (e == ERR_TRUNCATED) {
				break;
			}
			at += CLEANER_HEAD;
		} else {
			size_t n = rest.len < o->left ? rest.len : o->left;
			e = take_bytes(o, span_of(rest.ptr, n));
			at += n;
		}
		if (e < 0) {
			return e;
		}
	}
	*ret_used = at;
	return 0;
}

/* ---- From it ---- */

void cleaner_reply_begin(struct cleaner_reply *r)
{
	r->outcome = CLEANER_PENDING;
	r->text[0] = '\0';
	r->n_data = 0;
	r->left = 0;
}

static int take_end(
	struct cleaner_reply *r, const struct cleaner_head *h, struct span bytes, size_t *ret_used)
{
	enum cleaner_outcome outcome = (enum cleaner_outcome)h->code;
	/* A process may be lost after it began to say what it made; what it made is a file only where it says so. */
	bool fits = cleaner_has_file(outcome) ? r->n_data > 0 : r->n_data == 0 || outcome == CLEANER_LOST;
	if (!fits) {
		return ERR_PEER;
	}
	if (bytes.len - CLEANER_HEAD < h->len) {
		*ret_used = 0;
		return ERR_AGAIN;
	}
	cleaner_read_text(span_of(bytes.ptr + CLEANER_HEAD, h->len), r->text, sizeof(r->text));
	r->outcome = outcome;
	*ret_used = CLEANER_HEAD + h->len;
	return 0;
}

int cleaner_reply_next(struct cleaner_reply *r, struct span bytes, size_t *ret_used, struct span *ret_data)
{
	size_t head = 0;
	if (r->left == 0) {
		struct cleaner_head h;
		int e = r->outcome == CLEANER_PENDING ? cleaner_read_head(CLEANER_FROM_JOB, bytes, &h)
		                                      : ERR_PEER;
		if (e == ERR_TRUNCATED) {
			*ret_used = 0;
			return ERR_AGAIN;
		}
		if (e < 0 || (h.kind == CLEANER_DATA && h.len > LIMIT_CLEANED - r->n_data)) {
			return ERR_PEER;
		}
		if (h.kind == CLEANER_END) {
			e = take_end(r, &h, bytes, ret_used);
			*ret_data = e == 0 ? span_of(NULL, 0) : *ret_data;
			return e;
		}
		r->left = h.len;
		head = CLEANER_HEAD;
	}
	size_t n = bytes.len - head < r->left ? bytes.len - head : r->left;
	*ret_used = head + n;
	if (n == 0) {
		return ERR_AGAIN;
	}
	*ret_data = span_of(bytes.ptr + head, n);
	r->left -= (uint32_t)n;
	r->n_data += n;
	return 0;
}
