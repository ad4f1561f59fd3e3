/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/state.h"
#include "base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Messages as they pass: whose object it is, what was asked, whom the answer showed. */

static struct audit_look *look_of(struct association *as, const struct side *from)
{
	return &as->audit->look[from == &as->b];
}

static void begin(struct association *as, struct side *from, enum audit_what what)
{
	struct audit_look *l = look_of(as, from);
	memset(l, 0, offsetof(struct audit_look, header));
	l->what = what;
	l->mark = other_side(as, from)->out.queued;
	l->unreadable = header_scan_begin(&l->header, as->context[from->msg.context].transfer,
				&as->audit->inflater[from == &as->b]) != 0;
	audit_bar(as);
}

void audit_request(struct association *as, struct side *from, const struct operation *o)
{
	static const struct {
		uint16_t field;
		enum audit_what what;
	} kinds[] = {{C_STORE_RQ, LOOK_AT_OBJECT}, {C_FIND_RQ, LOOK_AT_QUERY}, {C_MOVE_RQ, LOOK_AT_QUERY},
		{C_GET_RQ, LOOK_AT_QUERY}};
	for (unsigned i = 0; audit_on(as) && i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].field == o->field && command_has_data_set(&from->msg.command)) {
			begin(as, from, kinds[i].what);
		}
	}
}

void audit_refused(struct association *as, struct side *from, struct operation *o, uint64_t number)
{
	struct audit_look *l = look_of(as, from);
	if (o->transfer) {
		audit_cut_off(as, o, number); /* it had begun to pass */
		l->what = LOOK_AT_NOTHING;
		audit_bar(as);
		return;
	}
	if (l->what == LOOK_AT_NOTHING && from->msg.phase == IN_COMMAND) {
		audit_request(as, from, o);
	}
	l->refused = true;
	l->refusal = number;
	audit_bar(as);
}

void audit_response(struct association *as, struct side *from, const struct operation *o)
{
	if (audit_on(as) && o->field == C_FIND_RQ && status_is_pending(from->msg.command.status) &&
		command_has_data_set(&from->msg.command)) {
		begin(as, from, LOOK_AT_ANSWER);
	}
}

/* ---- What is known at the end ---- */

static void tell_query(struct association *as, const struct side *from, const struct audit_look *l)
{
	static struct audit_event ev;
	const struct agreed *c = &as->context[from->msg.context];
	audit_fill(as, AUDIT_QUERY, &ev);
	audit_fill_header(&l->header, &ev);
	ev.by_to = from == &as->b;
	AUDIT_TEXT(ev.query_class, c->abstract);
	AUDIT_TEXT(ev.query_syntax, c->transfer);
	ev.query = span_of(as->audit->query[from == &as->b], l->query_len);
	ev.refusal = l->refusal;
	ev.outcome = l->refused ? AUDIT_SERIOUS : AUDIT_SUCCESS;
	snprintf(ev.text, sizeof(ev.text), "%s%s", l->refused ? "refused" : "",
		l->query_cut ? "only the beginning of the query is recorded" : "");
	if (from->msg.command.field == C_MOVE_RQ) {
		AUDIT_TEXT(ev.object, span_str(from->msg.command.move_destination));
	}
	as->audit->n_shown = 0;
	audit_tell(as, &ev, MSG_EVENT_NEW,
		(struct audit_pending){.bars = l->refused ? BARS_NONE : from == &as->a,
			.mark = l->mark,
			.transfer = AUDIT_TRANSFERS});
}

/* FNV-1a: only to say a patient once a query; who collides is said twice, or not at all in one of 2^64. */
static uint64_t hash_text(uint64_t h, const char *s)
{
	for (; *s; s++) {
		h = (h ^ (uint8_t)*s) * 1099511628211u;
	}
	return (h ^ 0xff) * 1099511628211u;
}

static bool was_shown(struct audit *au, const struct audit_event *ev)
{
	uint64_t h = 14695981039346656037u;
	h = hash_text(h, ev->patient_id);
	h = hash_text(h, ev->patient_issuer);
	h = hash_text(h, ev->patient_name);
	h = hash_text(h, ev->study);
	/* A worklist has one study, or none yet, for several of a patient's orders. */
	for (unsigned i = 0; i < ev->n_accession; i++) {
		h = hash_text(h, ev->accession[i]);
	}
	for (unsigned i = 0; i < au->n_shown && i < ARRAY_LEN(au->shown); i++) {
		if (au->shown[i] == h) {
			return true;
		}
	}
	au->shown[au->n_shown++ % ARRAY_LEN(au->shown)] = h;
	return false;
}

static void tell_shown(struct association *as, const struct side *from, const struct audit_look *l)
{
	static struct audit_event ev;
	audit_fill(as, AUDIT_PATIENT_SHOWN, &ev);
	audit_fill_header(&l->header, &ev);
	ev.by_to = from == &as->a; /* who asked is the other side */
	AUDIT_TEXT(ev.query_class, as->context[from->msg.context].abstract);
	bool names = ev.patient_id[0] || ev.patient_name[0] || ev.study[0] || ev.n_accession > 0;
	if (names && !was_shown(as->audit, &ev)) {
		audit_tell(as, &ev, MSG_EVENT_NEW,
			(struct audit_pending){
				.bars = from == &as->a, .mark = l->mark, .transfer = AUDIT_TRANSFERS});
	}
}

/* Enough is known, or no more can be had. */
static void known(struct association *as, struct side *from)
{
	struct audit_look *l = look_of(as, from);
	enum audit_what what = l->what;
	if (l->late) {
		l->mark = other_side(as, from)->out.queued;
	}
	l->what = LOOK_AT_NOTHING;
	switch (what) {
	case LOOK_AT_OBJECT:
		audit_object(as, from, l);
		break;
	case LOOK_AT_QUERY:
		tell_query(as, from, l);
		break;
	case LOOK_AT_ANSWER:
		tell_shown(as, from, l);
		break;
	case LOOK_AT_NOTHING:
		return;
	}
	audit_bar(as);
}

/* ---- As bytes come ---- */

static void keep_query(struct audit_look *l, uint8_t query[AUDIT_QUERY_MOST], struct span s)
{
	size_t room = AUDIT_QUERY_MOST - l->query_len, n = s.len < room ? s.len : room;
	memcpy(query + l->query_len, s.ptr, n);
	l->query_len += n;
	l->query_cut = l->query_cut || n < s.len;
}

void audit_hold(struct association *as, struct side *from)
{
	look_of(as, from)->held = true;
}

void audit_pass(struct association *as, struct side *from)
{
	struct audit_look *l = look_of(as, from);
	l->held = false;
	if (l->what != LOOK_AT_NOTHING) {
		l->mark = other_side(as, from)->out.queued;
		audit_bar(as);
	}
	if (l->enough) {
		known(as, from);
	}
}

void audit_data(struct association *as, struct side *from, struct span fragment)
{
	struct audit_look *l = look_of(as, from);
	if (l->what == LOOK_AT_NOTHING || l->enough) {
		return;
	}
	if (l->what == LOOK_AT_QUERY) {
		keep_query(l, as->audit->query[from == &as->b], fragment);
	}
	/* A query goes on to its end, which is part of what is recorded. */
	bool more = !l->unreadable && header_scan_feed(&l->header, fragment) == HEADER_MORE;
	l->enough = !more && l->held;
	if (!more && !l->held && (l->what == LOOK_AT_OBJECT || l->late)) {
		known(as, from);
	}
}

void audit_message_end(struct association *as, struct side *from)
{
	known(as, from);
}

bool audit_wants_more(const struct association *as, const struct side *from)
{
	const struct audit_look *l = &as->audit->look[from == &as->b];
	return l->what != LOOK_AT_NOTHING && !l->refused && !l->late && !l->held &&
	       from->in_len < SIDE_BUFFER;
}

void audit_target_lost(struct association *as)
{
	struct audit *au = as->audit;
	struct audit_look *l = &au->look[0];
	l->what = l->refused || l->held ? l->what : LOOK_AT_NOTHING;
	au->look[1].what = LOOK_AT_NOTHING;
	/* Its queue is gone, and with it what waited there. */
	for (unsigned i = 0; i < au->n; i++) {
		struct audit_pending *p = &au->pending[(au->first + i) % AUDIT_PENDING];
		p->bars = p->bars == 1 ? BARS_NONE : p->bars;
	}
	audit_end_unrecorded(as, "the called side was lost before it was recorded");
	audit_bar(as);
}

void audit_no_room(struct association *as, struct side *from)
{
	struct audit_look *l = look_of(as, from);
	struct side *to = other_side(as, from);
	/* What stands before it in the queue may still leave; a full list of events empties itself. */
	if (l->what == LOOK_AT_NOTHING || l->refused || l->late || l->held || to->out.sent < l->mark ||
		!audit_room(as)) {
		return;
	}
	if (from->in_len == SIDE_BUFFER && !from->blocked && side_make_room(from, &to->out)) {
		return;
	}
	const struct audit_look before = *l;
	l->query_cut = true;
	known(as, from);
	if (as->over || before.what == LOOK_AT_QUERY || before.unreadable) {
		return;
	}
	/* Whoever puts megabytes before a patient's name does not keep it from the record: the look goes on as it passes. */
	*l = before;
	l->late = true;
	l->mark = to->out.queued;
	audit_bar(as);
}
