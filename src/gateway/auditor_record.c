/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/auditor_state.h"
#include "audit/body.h"
#include "base/clock.h"
#include "base/log.h"

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

static int seal_and_append(struct auditor *a, struct work *w, const struct audit_event *ev, struct span plain)
{
	static uint8_t head[FRAME_CLEAR_MOST], sealed[JOURNAL_BODY_MOST];
	size_t head_len, len;
	struct journal_record r = {.kind = (uint8_t)ev->kind,
		.outcome = (uint8_t)ev->outcome,
		.time_ms = ev->time_ms,
		.about = w->of ? w->of->record : JOURNAL_NONE,
		.association = ev->association,
		.epoch = a->epoch,
		.turn = seal_turn(a->seal),
		.count = ev->kind == AUDIT_INTERRUPTED && w->of ? w->of->count : taken(ev),
		.n_tokens = w->tokens.n,
		.tokens = w->tokens.at};
	int e = record_write_clear(&r, head, sizeof(head), &head_len);
	e = e == 0 ? seal_body(a->seal, span_of(head, head_len), plain, sealed, sizeof(sealed), &len) : e;
	if (e != 0) {
		return e;
	}
	r.body = span_of(sealed, len);
	return journal_append(a->journal, &r, &w->index);
}

/* Also with each segment, so that one that goes to a cold folder can be read without those before it. */
static bool epoch_due(const struct auditor *a, int64_t time_ms)
{
	return seal_due(a->seal, clock_mono_ms()) ||
	       (journal_pending(a->journal) == 0 && journal_rolls(a->journal, time_ms));
}

/* w->err: what is wrong with this event. Other errors are nobody's fault, and concern all. */
static int record_one(struct auditor *a, struct work *w, const struct audit_event *ev)
{
	static uint8_t xml[AUDIT_XML_MOST], wire[BODY_WIRE_MOST], body[BODY_MOST];
	size_t xml_len, wire_len, body_len;
	int e = epoch_due(a, ev->time_ms) ? begin_epoch(a, ev->time_ms) : 0;
	if (e != 0) {
		return e;
	}
	e = a->xml(ev, &a->source, xml, sizeof(xml), &xml_len);
	e = e == 0 ? audit_event_write(ev, wire, sizeof(wire), &wire_len) : e;
	e = e == 0 ? body_write(a->packer, span_of(wire, wire_len), span_of(xml, xml_len), body, sizeof(body),
			     &body_len)
	           : e;
	if (e != 0) {
		w->err = e;
		return 0;
	}
	e = seal_and_append(a, w, ev, span_of(body, body_len));
	if (e == ERR_LIMIT) {
		w->err = e;
		return 0;
	}
	if (e == 0 && a->spool && a->site->audit.n_repositories > 0 &&
		spool_append(a->spool, SPOOL_MESSAGE, ev->time_ms, span_of(xml, xml_len)) != 0 &&
		a->lost_in_spool++ == 0) {
		log_say(LOG_LEVEL_ERROR, "audit.unsent",
			"the spool is full: messages are not sent to the repositories; the journal has them");
	}
	return e;
}

int record_event(struct auditor *a, struct work *w)
{
	static struct audit_event failed;
	uint64_t first;
	/* PS3.15 A.5.2: what succeeded in part is two messages. The one that succeeded ends the transfer. */
	bool both = audit_event_split(&w->ev, &failed);
	int e = record_one(a, w, &w->ev);
	if (e == 0 && w->err == 0 && both) {
		first = w->index;
		e = record_one(a, w, &failed);
		w->index = first;
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
	int e = journal_append(a->journal, &r, &ignored);
	if (e == 0) {
		t->written = t->count;
		t->written_ms = now_ms;
	}
	return e;
}
