/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/frame.h"

#include "base/reader.h"
#include "base/writer.h"

#define VERSION 1

static void put_clear(struct writer *w, const struct journal_record *r)
{
	writer_u8(w, VERSION);
	writer_u8(w, r->kind);
	writer_u64be(w, (uint64_t)r->time_ms);
	writer_u8(w, r->outcome);
	writer_u64be(w, r->about);
	writer_u64be(w, r->association);
	writer_u64be(w, r->epoch);
	writer_u32be(w, r->turn);
	writer_u32be(w, r->count);
	writer_u8(w, (uint8_t)r->n_tokens);
	writer_bytes(w, r->tokens, r->n_tokens * sizeof(struct journal_token));
}

static int end(const struct writer *w, size_t *ret_len)
{
	int r = writer_end(w);
	if (r == 0) {
		*ret_len = w->len;
	}
	return r;
}

int record_write_clear(const struct journal_record *r, uint8_t *buf, size_t cap, size_t *ret_len)
{
	if (r->n_tokens > JOURNAL_TOKENS_MOST) {
		return ERR_LIMIT;
	}
	struct writer w = writer_of(buf, cap);
	put_clear(&w, r);
	return end(&w, ret_len);
}

int record_write(const struct journal_record *r, uint8_t *buf, size_t cap, size_t *ret_len)
{
	if (r->n_tokens > JOURNAL_TOKENS_MOST || r->body.len > JOURNAL_BODY_MOST) {
		return ERR_LIMIT;
	}
	if (r->kind == 0) {
		return ERR_VALUE;
	}
	struct writer w = writer_of(buf, cap);
	put_clear(&w, r);
	writer_u32be(&w, (uint32_t)r->body.len);
	writer_span(&w, r->body);
	return end(&w, ret_len);
}

static int read_clear(struct reader *r, struct journal_record *ret_record)
{
	uint8_t version, n_tokens;
	uint64_t time_ms;
	struct span tokens;
	int e = reader_u8(r, &version);
	if (e == 0 && version != VERSION) {
		return ERR_UNSUPPORTED;
	}
	e = e < 0 ? e : reader_u8(r, &ret_record->kind);
	e = e < 0 ? e : reader_u64be(r, &time_ms);
	e = e < 0 ? e : reader_u8(r, &ret_record->outcome);
	e = e < 0 ? e : reader_u64be(r, &ret_record->about);
	e = e < 0 ? e : reader_u64be(r, &ret_record->association);
	e = e < 0 ? e : reader_u64be(r, &ret_record->epoch);
	e = e < 0 ? e : reader_u32be(r, &ret_record->turn);
	e = e < 0 ? e : reader_u32be(r, &ret_record->count);
	e = e < 0 ? e : reader_u8(r, &n_tokens);
	if (e < 0) {
		return e;
	}
	if (n_tokens > JOURNAL_TOKENS_MOST) {
		return ERR_LIMIT;
	}
	if (ret_record->kind == 0) {
		return ERR_VALUE;
	}
	e = reader_bytes(r, n_tokens * sizeof(struct journal_token), &tokens);
	if (e < 0) {
		return e;
	}
	ret_record->time_ms = (int64_t)time_ms;
	ret_record->n_tokens = n_tokens;
	ret_record->tokens = (const struct journal_token *)tokens.ptr;
	return 0;
}

int record_read(struct span payload, struct journal_record *ret_record)
{
	struct reader r = reader_of(payload);
	struct journal_record record = {0};
	uint32_t len;
	int e = read_clear(&r, &record);
	e = e < 0 ? e : reader_u32be(&r, &len);
	if (e == 0 && len > JOURNAL_BODY_MOST) {
		e = ERR_LIMIT;
	}
	e = e < 0 ? e : reader_bytes(&r, len, &record.body);
	e = e < 0 ? e : reader_end(&r);
	if (e == 0) {
		*ret_record = record;
	}
	return e;
}

void frame_close(uint8_t *buf, size_t payload_len, struct merkle_hash *ret_leaf)
{
	struct writer w = writer_of(buf, FRAME_HEAD);
	merkle_leaf(span_of(buf + FRAME_HEAD, payload_len), ret_leaf);
	writer_u32be(&w, (uint32_t)payload_len);
	writer_bytes(&w, ret_leaf->at, 8);
}

const char *journal_kind_name(uint8_t kind)
{
	return kind == JOURNAL_KEY        ? "key"
	       : kind == JOURNAL_HANDOVER ? "hand-over"
	                                  : audit_kind_name((enum audit_kind)kind);
}
