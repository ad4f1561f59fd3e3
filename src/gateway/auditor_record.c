/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/auditor_state.h"
#include "audit/body.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* One event: its message, the sealed body of its record, the record's place in the journal, and the message in the spool. */

static int get_index_envelope(struct auditor *a)
{
	if (a->has_index_envelope) {
		return 0;
	}
	/* None where it is on a token, which does not give it away. */
	int e = link_audit_envelope(
		&a->keys, a->index_envelope, sizeof(a->index_envelope), &a->index_envelope_len);
	a->has_index_envelope = e == 0;
	return e;
}

static int begin_epoch(struct auditor *a, int64_t time_ms)
{
	static uint8_t body[SEAL_KEY_BODY_MOST];
	size_t len;
	int e = get_index_envelope(a);
	e = e == 0 ? seal_begin(a->seal, span_of(a->index_envelope, a->index_envelope_len), clock_mono_ms(),
			     body, sizeof(body), &len)
	           : e;
	if (e != 0) {
		return e;
	}
	const struct journal_record r = {.kind = JOURNAL_KEY,
		.time_ms = time_ms, /* not later than what comes after it */
		.about = JOURNAL_NONE,
		.epoch = JOURNAL_NONE,
		.count = BLIND_RULES,
		.body = span_of(body, len)};
	a->epoch_new = true;
	return journal_append(a->journal, &r, &a->epoch);
}

static uint32_t taken(const struct audit_event *ev)
{
	uint32_t n = 0;
	for (unsigned i = 0; i < ev->n_sop; i++) {
		n += ev->sop[i].instances;
	}
	return n;
}

/* A record to be, and its message. */
struct made {
	uint8_t kind, outcome;
	int64_t time_ms;
	uint64_t association;
	uint32_t count;
	size_t body_len, xml_len;
	uint8_t bytes[]; /* the body, and the message if it is sent on */
};

static uint8_t *message_of(struct made *m)
{
	return m->bytes + m->body_len + SEAL_TAG;
}

static int seal_and_append(struct auditor *a, struct work *w, struct made *m)
{
	static uint8_t head[FRAME_CLEAR_MOST];
	uint8_t *sealed = m->bytes; /* where it was, so that no more memory is gone through */
	size_t head_len, len;
	struct journal_record r = {.kind = m->kind,
		.outcome = m->outcome,
		.time_ms = m->time_ms,
		.about = w->of ? w->of->record : JOURNAL_NONE,
		.association = m->association,
		.epoch = a->epoch,
		.turn = seal_turn(a->seal),
		.count = m->kind == AUDIT_INTERRUPTED && w->of ? w->of->count : m->count,
		.n_tokens = w->tokens.n,
		.tokens = w->tokens.at};
	int e = record_write_clear(&r, head, sizeof(head), &head_len);
	e = e == 0 ? seal_body(a->seal, span_of(head, head_len), span_of(m->bytes, m->body_len), sealed,
			     m->body_len + SEAL_TAG, &len)
	           : e;
	if (e != 0) {
		return e;
	}
	r.body = span_of(sealed, len);
	return journal_append(a->journal, &r, &w->index);
}

/* Also with each segment, so that one that goes to a cold folder can be read without those before it. */
static int key_if_due(struct auditor *a, int64_t time_ms)
{
	bool due = seal_due(a->seal, clock_mono_ms()) || journal_at_head(a->journal, time_ms);
	return due ? begin_epoch(a, time_ms) : 0;
}

int record_key(struct auditor *a, int64_t time_ms)
{
	return journal_at_head(a->journal, time_ms) ? begin_epoch(a, time_ms) : 0;
}

/* The wire form and the message of an event, packed where they stay, with the message behind it if it is sent on. */
static int pack(struct auditor *a, struct span wire, struct span xml, struct made **ret_made)
{
	/* Most of this is never touched. */
	size_t most = BODY_MOST_OF(wire.len, xml.len) + SEAL_TAG, len = 0;
	size_t sent = send_wants(a) ? xml.len : 0;
	struct made *m = malloc(sizeof(*m) + most + sent);
	int e = m ? body_write(a->packer, wire, xml, m->bytes, most, &len) : ERR_NO_MEMORY;
	if (e != 0) {
		free(m);
		return e;
	}
	m->body_len = len;
	m->xml_len = sent;
	memcpy(message_of(m), xml.ptr, sent);
	*ret_made = m;
	return 0;
}

static int make(struct auditor *a, const struct audit_event *ev, struct made **ret_made)
{
	static uint8_t wire[BODY_WIRE_MOST], xml[AUDIT_XML_MOST];
	size_t wire_len, xml_len;
	struct made *m = NULL;
	int e = a->xml(ev, &a->source, xml, sizeof(xml), &xml_len);
	e = e == 0 ? audit_event_write(ev, wire, sizeof(wire), &wire_len) : e;
	e = e == 0 ? pack(a, span_of(wire, wire_len), span_of(xml, xml_len), &m) : e;
	if (e != 0) {
		return e;
	}
	m->kind = (uint8_t)ev->kind;
	m->outcome = (uint8_t)ev->outcome;
	m->time_ms = ev->time_ms;
	m->association = ev->association;
	m->count = taken(ev);
	*ret_made = m;
	return 0;
}

void record_make(struct auditor *a, struct work *w)
{
	static struct audit_event failed;
	/* PS3.15 A.5.2: what succeeded in part is two messages. The one that succeeded ends the transfer. */
	bool both = audit_event_split(&w->ev, &failed);
	w->err = make(a, &w->ev, &w->made[0]);
	if (both && w->err == 0) {
		w->err = make(a, &failed, &w->made[1]);
	}
}

void record_forget(struct work *w)
{
	for (unsigned i = 0; i < ARRAY_LEN(w->made); i++) {
		if (w->made[i]) {
			struct made *m = w->made[i];
			explicit_bzero(m->bytes, m->body_len + SEAL_TAG + m->xml_len);
			free(w->made[i]);
			w->made[i] = NULL;
		}
	}
}

int record_append(struct auditor *a, struct work *w)
{
	struct journal_place before;
	uint64_t first = 0;
	int e = 0;
	journal_place(a->journal, &before);
	for (unsigned i = 0; e == 0 && i < ARRAY_LEN(w->made) && w->made[i]; i++) {
		e = key_if_due(a, w->made[i]->time_ms);
		e = e == 0 ? seal_and_append(a, w, w->made[i]) : e;
		first = i == 0 ? w->index : first;
	}
	w->index = first;
	if (e == ERR_LIMIT) {
		/* All of it or nothing, or the part would be recorded again with each time that it is told. */
		journal_back(a->journal, &before);
		seal_drop(a->seal); /* its key may have been in it */
		w->err = e;
		return 0;
	}
	for (unsigned i = 0; e == 0 && i < ARRAY_LEN(w->made) && w->made[i]; i++) {
		struct made *m = w->made[i];
		send_message(a, m->time_ms, span_of(message_of(m), m->xml_len));
	}
	return e;
}

int record_progress(struct auditor *a, struct open_transfer *t, int64_t now_ms)
{
	const struct journal_record r = {.kind = AUDIT_PROGRESS,
		.time_ms = clock_wall_ms(),
		.about = t->record,
		.association = t->association,
		.epoch = JOURNAL_NONE,
		.count = t->count};
	uint64_t ignored;
	int e = record_key(a, r.time_ms);
	e = e == 0 ? journal_append(a->journal, &r, &ignored) : e;
	t->written_ms = now_ms; /* no sooner again, if it failed */
	if (e == 0) {
		t->written = t->count;
	}
	return e;
}
