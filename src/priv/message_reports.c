/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/message_reports.h"
#include "antivirus/answer.h"
#include "priv/message_values.h"

#include <string.h>

/* The larger shapes of messages: what roles tell the gate for its reports. */

void message_write_refusal(struct writer *w, const struct message *m)
{
	const struct refusal *f = &m->refusal;
	writer_u64be(w, f->number);
	writer_u64be(w, f->count);
	writer_u64be(w, (uint64_t)f->first_ms);
	writer_u64be(w, (uint64_t)f->last_ms);
	writer_u8(w, f->rule);
	writer_u8(w, f->observed);
	writer_u8(w, f->alarm);
	writer_u8(w, f->minor);
	writer_u8(w, f->tls);
	PUT_TEXT(w, f->address);
	writer_u16be(w, f->port);
	PUT_TEXT(w, f->calling);
	PUT_TEXT(w, f->called);
	PUT_TEXT(w, f->node);
	PUT_TEXT(w, f->target);
	PUT_TEXT(w, f->flow);
	PUT_TEXT(w, f->listener);
	writer_u32be(w, f->line);
	PUT_TEXT(w, f->subject);
	for (unsigned i = 0; i < ARRAY_LEN(f->san); i++) {
		PUT_TEXT(w, f->san[i]);
	}
	PUT_TEXT(w, f->spki);
	PUT_TEXT(w, f->certificate);
	PUT_TEXT(w, f->serial);
	PUT_TEXT(w, f->issuer);
	PUT_TEXT(w, f->service);
	PUT_TEXT(w, f->sop_class);
	PUT_TEXT(w, f->transfer_syntax);
	PUT_TEXT(w, f->destination);
	PUT_TEXT(w, f->answered);
	PUT_TEXT(w, f->sentence);
}

static int read_refusal_head(struct reader *r, struct refusal *f)
{
	int e = reader_u64be(r, &f->number);
	e = GET(e, reader_u64be, r, &f->count);
	e = GET(e, get_i64, r, &f->first_ms);
	e = GET(e, get_i64, r, &f->last_ms);
	e = GET(e, reader_u8, r, &f->rule);
	if (e == 0 && f->rule >= RULE_COUNT) {
		e = ERR_VALUE;
	}
	e = GET(e, get_bool, r, &f->observed);
	e = GET(e, get_bool, r, &f->alarm);
	e = GET(e, get_bool, r, &f->minor);
	return GET(e, get_bool, r, &f->tls);
}

int message_read_refusal(struct reader *r, struct message *m)
{
	struct refusal *f = &m->refusal;
	int e = read_refusal_head(r, f);
	e = GET_TEXT(e, r, f->address);
	e = GET(e, reader_u16be, r, &f->port);
	e = GET_TEXT(e, r, f->calling);
	e = GET_TEXT(e, r, f->called);
	e = GET_TEXT(e, r, f->node);
	e = GET_TEXT(e, r, f->target);
	e = GET_TEXT(e, r, f->flow);
	e = GET_TEXT(e, r, f->listener);
	e = GET(e, reader_u32be, r, &f->line);
	e = GET_TEXT(e, r, f->subject);
	for (unsigned i = 0; i < ARRAY_LEN(f->san); i++) {
		e = GET_TEXT(e, r, f->san[i]);
	}
	e = GET_TEXT(e, r, f->spki);
	e = GET_TEXT(e, r, f->certificate);
	e = GET_TEXT(e, r, f->serial);
	e = GET_TEXT(e, r, f->issuer);
	e = GET_TEXT(e, r, f->service);
	e = GET_TEXT(e, r, f->sop_class);
	e = GET_TEXT(e, r, f->transfer_syntax);
	e = GET_TEXT(e, r, f->destination);
	e = GET_TEXT(e, r, f->answered);
	return GET_TEXT(e, r, f->sentence);
}

void message_write_courier(struct writer *w, const struct message *m)
{
	const struct msg_courier *c = &m->courier;
	const uint64_t counts[] = {c->waiting, c->bytes, c->delivered, c->resent, c->lost, c->cut, c->damaged,
		(uint64_t)c->delivered_ms, (uint64_t)c->failed_ms};
	writer_u8(w, c->index);
	writer_u8(w, c->total);
	writer_u8(w, c->witness);
	writer_u8(w, c->state);
	PUT_TEXT(w, c->name);
	PUT_TEXT(w, c->address);
	for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
		writer_u64be(w, counts[i]);
	}
	PUT_TEXT(w, c->error);
}

int message_read_courier(struct reader *r, struct message *m)
{
	struct msg_courier *c = &m->courier;
	uint64_t *const counts[] = {
		&c->waiting, &c->bytes, &c->delivered, &c->resent, &c->lost, &c->cut, &c->damaged};
	int e = reader_u8(r, &c->index);
	e = GET(e, reader_u8, r, &c->total);
	e = GET(e, get_bool, r, &c->witness);
	e = GET(e, reader_u8, r, &c->state);
	e = GET_TEXT(e, r, c->name);
	e = GET_TEXT(e, r, c->address);
	for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
		e = GET(e, reader_u64be, r, counts[i]);
	}
	e = GET(e, get_i64, r, &c->delivered_ms);
	e = GET(e, get_i64, r, &c->failed_ms);
	e = GET_TEXT(e, r, c->error);
	bool sound =
		e == 0 && c->total <= MSG_COURIERS_MOST && c->index < c->total && c->state < COURIER_STATES;
	return e == 0 && !sound ? ERR_VALUE : e;
}

void message_write_journal(struct writer *w, const struct message *m)
{
	const struct msg_journal *j = &m->journal;
	const uint64_t numbers[] = {
		(uint64_t)j->since_ms, j->records, j->open, j->vouched, (uint64_t)j->signed_ms, j->unsent};
	writer_u8(w, j->failing);
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		writer_u64be(w, numbers[i]);
	}
	PUT_TEXT(w, j->why);
	PUT_TEXT(w, j->unsigned_why);
	PUT_TEXT(w, j->uncopied_why);
	PUT_TEXT(w, j->cold_why);
}

int message_read_journal(struct reader *r, struct message *m)
{
	struct msg_journal *j = &m->journal;
	int e = get_bool(r, &j->failing);
	e = GET(e, get_i64, r, &j->since_ms);
	e = GET(e, reader_u64be, r, &j->records);
	e = GET(e, reader_u64be, r, &j->open);
	e = GET(e, reader_u64be, r, &j->vouched);
	e = GET(e, get_i64, r, &j->signed_ms);
	e = GET(e, reader_u64be, r, &j->unsent);
	e = GET_TEXT(e, r, j->why);
	e = GET_TEXT(e, r, j->unsigned_why);
	e = GET_TEXT(e, r, j->uncopied_why);
	e = GET_TEXT(e, r, j->cold_why);
	return e == 0 && j->failing != (j->why[0] != 0) ? ERR_VALUE : e;
}

void message_write_keeping(struct writer *w, const struct message *m)
{
	const struct msg_keeping *k = &m->keeping;
	writer_u64be(w, k->most_bytes);
	writer_u64be(w, k->most_objects);
	writer_u64be(w, k->association);
	writer_u64be(w, k->refusal);
	put_ip(w, &k->ip);
	PUT_TEXT(w, k->flow);
	PUT_TEXT(w, k->from);
	PUT_TEXT(w, k->to);
	PUT_TEXT(w, k->calling);
	PUT_TEXT(w, k->subject);
	PUT_TEXT(w, k->certificate);
	PUT_TEXT(w, k->serial);
	PUT_TEXT(w, k->issuer);
}

int message_read_keeping(struct reader *r, struct message *m)
{
	struct msg_keeping *k = &m->keeping;
	int e = reader_u64be(r, &k->most_bytes);
	e = GET(e, reader_u64be, r, &k->most_objects);
	e = GET(e, reader_u64be, r, &k->association);
	e = GET(e, reader_u64be, r, &k->refusal);
	e = GET(e, get_ip, r, &k->ip);
	e = GET_TEXT(e, r, k->flow);
	e = GET_TEXT(e, r, k->from);
	e = GET_TEXT(e, r, k->to);
	e = GET_TEXT(e, r, k->calling);
	e = GET_TEXT(e, r, k->subject);
	e = GET_TEXT(e, r, k->certificate);
	e = GET_TEXT(e, r, k->serial);
	return GET_TEXT(e, r, k->issuer);
}

void message_write_quarantined(struct writer *w, const struct message *m)
{
	const struct msg_quarantined *q = &m->quarantined;
	const uint64_t numbers[] = {q->objects, q->bytes, q->released, (uint64_t)q->oldest_ms, q->not_kept,
		(uint64_t)q->not_kept_ms};
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		writer_u64be(w, numbers[i]);
	}
	PUT_TEXT(w, q->why);
}

int message_read_quarantined(struct reader *r, struct message *m)
{
	struct msg_quarantined *q = &m->quarantined;
	int e = reader_u64be(r, &q->objects);
	e = GET(e, reader_u64be, r, &q->bytes);
	e = GET(e, reader_u64be, r, &q->released);
	e = GET(e, get_i64, r, &q->oldest_ms);
	e = GET(e, reader_u64be, r, &q->not_kept);
	e = GET(e, get_i64, r, &q->not_kept_ms);
	e = GET_TEXT(e, r, q->why);
	return e == 0 && (q->not_kept > 0) != (q->why[0] != 0) ? ERR_VALUE : e;
}

void message_write_antivirus(struct writer *w, const struct message *m)
{
	const struct msg_antivirus *a = &m->antivirus;
	const uint64_t numbers[] = {
		(uint64_t)a->since_ms, a->most, a->scanned, a->found, a->partly, a->not_scanned};
	writer_u8(w, a->good);
	writer_u8(w, a->verdict);
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		writer_u64be(w, numbers[i]);
	}
	PUT_TEXT(w, a->version);
	PUT_TEXT(w, a->why);
}

int message_read_antivirus(struct reader *r, struct message *m)
{
	struct msg_antivirus *a = &m->antivirus;
	uint64_t *const counts[] = {&a->most, &a->scanned, &a->found, &a->partly, &a->not_scanned};
	int e = get_bool(r, &a->good);
	e = GET(e, reader_u8, r, &a->verdict);
	e = GET(e, get_i64, r, &a->since_ms);
	for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
		e = GET(e, reader_u64be, r, counts[i]);
	}
	e = GET_TEXT(e, r, a->version);
	e = GET_TEXT(e, r, a->why);
	return e == 0 && (a->verdict >= SCAN_VERDICTS || (!a->good && !a->why[0])) ? ERR_VALUE : e;
}
