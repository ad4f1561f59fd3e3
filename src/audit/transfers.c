/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/transfers.h"

#include "base/reader.h"

#include <stdlib.h>

/* u32be open | each: u64 begin, i64 time, u64 association, u64 epoch, u32 count, u8 tokens, tokens | u32be closed | each: 3 u64 */
#define OPEN_FIXED 37
#define CLOSED     24

int transfers_reserve(struct transfers *t, size_t more)
{
	if (more > TRANSFERS_OPEN_MOST || t->n_open > TRANSFERS_OPEN_MOST - more) {
		return ERR_LIMIT;
	}
	if (t->n_open + more <= t->cap) {
		return 0;
	}
	size_t cap = t->cap ? t->cap : 16;
	while (cap < t->n_open + more) {
		cap *= 2;
	}
	struct journal_transfer *open = realloc(t->open, cap * sizeof(*open));
	if (!open) {
		return ERR_NO_MEMORY;
	}
	t->open = open;
	t->cap = cap;
	return 0;
}

/* Where it is, or where it would be. */
static size_t place(const struct transfers *t, uint64_t begin)
{
	size_t low = 0, high = t->n_open;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (t->open[mid].begin < begin) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low;
}

static void begin(struct transfers *t, uint64_t index, const struct journal_record *record)
{
	if (t->n_open == t->cap || record->n_tokens > JOURNAL_TOKENS_MOST) {
		return;
	}
	struct journal_transfer *open = &t->open[t->n_open++];
	*open = (struct journal_transfer){.begin = index,
		.time_ms = record->time_ms,
		.association = record->association,
		.epoch = record->epoch,
		.n_tokens = record->n_tokens};
	if (record->n_tokens > 0) {
		memcpy(open->tokens, record->tokens, record->n_tokens * sizeof(open->tokens[0]));
	}
}

static void end(struct transfers *t, size_t at, uint64_t index)
{
	if (t->n_closed == TRANSFERS_CLOSED_MOST) {
		memmove(t->closed, t->closed + 1, (TRANSFERS_CLOSED_MOST - 1) * sizeof(t->closed[0]));
		t->n_closed--;
	}
	t->closed[t->n_closed++] = (struct journal_closed){
		.begin = t->open[at].begin, .end = index, .association = t->open[at].association};
	memmove(&t->open[at], &t->open[at + 1], (t->n_open - at - 1) * sizeof(t->open[0]));
	t->n_open--;
}

void transfers_take(struct transfers *t, uint64_t index, const struct journal_record *record)
{
	if (record->kind == AUDIT_BEGIN) {
		begin(t, index, record);
		return;
	}
	if (record->about == JOURNAL_NONE) {
		return;
	}
	size_t at = place(t, record->about);
	if (at == t->n_open || t->open[at].begin != record->about) {
		return;
	}
	if (record->kind == AUDIT_PROGRESS) {
		t->open[at].count = record->count;
	} else if (record->kind == AUDIT_TRANSFERRED || record->kind == AUDIT_INTERRUPTED) {
		end(t, at, index);
	}
}

size_t transfers_len(const struct transfers *t)
{
	size_t len = 8 + t->n_open * OPEN_FIXED + t->n_closed * CLOSED;
	for (size_t i = 0; i < t->n_open; i++) {
		len += t->open[i].n_tokens * sizeof(struct journal_token);
	}
	return len;
}

void transfers_write(const struct transfers *t, struct writer *w)
{
	writer_u32be(w, (uint32_t)t->n_open);
	for (size_t i = 0; i < t->n_open; i++) {
		const struct journal_transfer *o = &t->open[i];
		writer_u64be(w, o->begin);
		writer_u64be(w, (uint64_t)o->time_ms);
		writer_u64be(w, o->association);
		writer_u64be(w, o->epoch);
		writer_u32be(w, o->count);
		writer_u8(w, (uint8_t)o->n_tokens);
		writer_bytes(w, o->tokens, o->n_tokens * sizeof(o->tokens[0]));
	}
	writer_u32be(w, (uint32_t)t->n_closed);
	for (size_t i = 0; i < t->n_closed; i++) {
		writer_u64be(w, t->closed[i].begin);
		writer_u64be(w, t->closed[i].end);
		writer_u64be(w, t->closed[i].association);
	}
}

static int read_open(struct reader *r, struct journal_transfer *o)
{
	uint64_t time_ms;
	uint8_t n_tokens;
	struct span tokens;
	int e = reader_u64be(r, &o->begin);
	e = e < 0 ? e : reader_u64be(r, &time_ms);
	e = e < 0 ? e : reader_u64be(r, &o->association);
	e = e < 0 ? e : reader_u64be(r, &o->epoch);
	e = e < 0 ? e : reader_u32be(r, &o->count);
	e = e < 0 ? e : reader_u8(r, &n_tokens);
	if (e == 0 && n_tokens > JOURNAL_TOKENS_MOST) {
		e = ERR_LIMIT;
	}
	e = e < 0 ? e : reader_bytes(r, n_tokens * sizeof(struct journal_token), &tokens);
	if (e == 0) {
		o->time_ms = (int64_t)time_ms;
		o->n_tokens = n_tokens;
		if (tokens.len > 0) {
			memcpy(o->tokens, tokens.ptr, tokens.len);
		}
	}
	return e;
}

static int read_all(struct reader *r, struct transfers *t)
{
	uint32_t n;
	int e = reader_u32be(r, &n);
	/* Room is made as they come: the number is only what the file says. */
	for (uint32_t i = 0; e == 0 && i < n; i++) {
		e = transfers_reserve(t, 1);
		e = e < 0 ? e : read_open(r, &t->open[t->n_open]);
		if (e == 0 && t->n_open > 0 && t->open[t->n_open].begin <= t->open[t->n_open - 1].begin) {
			e = ERR_ORDER;
		}
		t->n_open += e == 0;
	}
	e = e < 0 ? e : reader_u32be(r, &n);
	if (e == 0 && n > TRANSFERS_CLOSED_MOST) {
		e = ERR_LIMIT;
	}
	for (uint32_t i = 0; e == 0 && i < n; i++) {
		struct journal_closed *c = &t->closed[t->n_closed++];
		e = reader_u64be(r, &c->begin);
		e = e < 0 ? e : reader_u64be(r, &c->end);
		e = e < 0 ? e : reader_u64be(r, &c->association);
	}
	return e < 0 ? e : reader_end(r);
}

int transfers_read(struct span bytes, struct transfers *ret_transfers)
{
	struct reader r = reader_of(bytes);
	struct transfers t = {0};
	int e = read_all(&r, &t);
	if (e < 0) {
		transfers_done(&t);
		return e;
	}
	*ret_transfers = t;
	return 0;
}

void transfers_done(struct transfers *t)
{
	free(t->open);
	*t = (struct transfers){0};
}
