/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/state.h"
#include "base/clock.h"
#include "base/writer.h"

#include <stdio.h>
#include <string.h>

/*
 * Transfers: the instances of one patient's study that pass in one direction of an association (PS3.15 A.5.3.3,
 * A.5.3.7). It begins with the first instance, before a byte of it goes on, and is ended before the release is answered.
 * Refused ones, also what was cut off of one that passes, are told of when the first instance was refused, so that it stands under
 * its patient whatever dies after that, and once more with their number at the end; there is one for each refusal's number, so
 * that each is tied to whose it was.
 */

/* How far counts may lag behind what has passed. */
#define PROGRESS_MS 100

/* refusal: of a refused one; 0: one that passes. */
static bool same_study(const struct audit_transfer *t, const struct audit_event *ev, uint8_t from,
	bool refused, uint64_t refusal)
{
	return t->open && t->from == from && t->refused == refused &&
	       (!refused || t->ev.refusal == refusal) && t->ev.anonymized == ev->anonymized &&
	       strcmp(t->ev.study, ev->study) == 0 && strcmp(t->ev.patient_id, ev->patient_id) == 0 &&
	       strcmp(t->ev.patient_issuer, ev->patient_issuer) == 0;
}

static uint32_t taken(const struct audit_event *ev)
{
	uint32_t n = 0;
	for (unsigned i = 0; i < ev->n_sop; i++) {
		n += ev->sop[i].instances;
	}
	return n;
}

static void set_outcome(struct audit_event *ev, bool in_order)
{
	ev->outcome = !in_order || (ev->failed > 0 && taken(ev) == 0) ? AUDIT_SERIOUS
	              : ev->failed > 0                                ? AUDIT_MINOR
	                                                              : AUDIT_SUCCESS;
}

/* Is its AUDIT_BEGIN still to be recorded? */
static bool is_beginning(const struct audit *au, const struct audit_transfer *t)
{
	bool found = false;
	for (unsigned i = 0; i < au->n && !found; i++) {
		const struct audit_pending *p = &au->pending[(au->first + i) % AUDIT_PENDING];
		found = p->transfer < AUDIT_TRANSFERS && p->serial == t->serial;
	}
	return found;
}

/* No operation refers to it any more: its place will be another's. */
static void forget_operations(struct association *as, const struct audit_transfer *t)
{
	struct side *s = t->from == 0 ? &as->a : &as->b;
	unsigned place = 1 + (unsigned)(t - as->audit->transfer);
	for (unsigned i = 0; i < s->operations_end; i++) {
		s->operations[i].transfer =
			s->operations[i].transfer == place ? 0 : s->operations[i].transfer;
	}
}

/* PS3.15 A.5.3.5: what came in by a disc is an import beside the transfer that it was to the called node. */
static void tell_import(struct association *as, const struct audit_transfer *t, bool bars_caller)
{
	static struct audit_event ev;
	if (as->door.why != DOOR_IMPORT || t->from != 0 || taken(&t->ev) == 0) {
		return;
	}
	ev = t->ev;
	ev.kind = AUDIT_IMPORT;
	ev.outcome = AUDIT_SUCCESS;
	ev.failed = ev.refusal = 0; /* the end of the transfer has what was not taken */
	ev.text[0] = 0;
	AUDIT_TEXT(ev.object, span_str(as->door.note[0] ? as->door.note : "a medium without a name"));
	audit_tell(as, &ev, MSG_EVENT_NEW,
		(struct audit_pending){.bars = bars_caller ? 0 : BARS_NONE,
			.mark = as->a.out.queued,
			.transfer = AUDIT_TRANSFERS});
}

static void end_transfer(struct association *as, struct audit_transfer *t, const char *why, bool bars_caller)
{
	struct audit_pending how = {.bars = bars_caller ? 0 : BARS_NONE,
		.mark = as->a.out.queued,
		.transfer = AUDIT_TRANSFERS,
		.serial = t->serial};
	how.follows = t->record < 0 && !t->refused && is_beginning(as->audit, t);
	t->open = false;
	as->audit->n_open--;
	forget_operations(as, t);
	if (t->refused && t->ev.failed <= 1) {
		return; /* that was told when it was refused */
	}
	t->ev.failed += t->outstanding; /* nobody has said that they were taken */
	t->ev.kind = AUDIT_TRANSFERRED;
	t->ev.time_ms = clock_wall_ms();
	set_outcome(&t->ev, !why && t->outstanding == 0);
	if (t->refused) {
		t->ev.outcome = AUDIT_SERIOUS;
	} else if (why) {
		snprintf(t->ev.text, sizeof(t->ev.text), "%.400s", why);
	}
	audit_tell(as, &t->ev, t->record < 0 ? MSG_EVENT_NEW : t->record, how);
	tell_import(as, t, bars_caller);
}

/* Which of two is rather ended to make room: one that waits for no answer, and then the one not used for longer. */
static bool rather(const struct audit_transfer *a, const struct audit_transfer *b)
{
	return (a->outstanding > 0) != (b->outstanding > 0) ? a->outstanding == 0 : a->used_ms < b->used_ms;
}

/* A free one, or one that is ended. */
static unsigned make_room(struct association *as)
{
	struct audit *au = as->audit;
	unsigned oldest = 0;
	for (unsigned i = 0; i < au->n_used; i++) {
		if (!au->transfer[i].open) {
			return i;
		}
		oldest = rather(&au->transfer[i], &au->transfer[oldest]) ? i : oldest;
	}
	if (au->n_used < AUDIT_TRANSFERS) {
		return au->n_used++;
	}
	end_transfer(as, &au->transfer[oldest],
		au->transfer[oldest].outstanding > 0
			? "more studies at once than are told apart: its last objects had no answer yet"
			: NULL,
		false);
	return oldest;
}

/* ev may stand in its place already. */
static void begin_transfer(struct association *as, unsigned at, const struct audit_event *ev, uint8_t from,
	const struct audit_look *look)
{
	struct audit_transfer *t = &as->audit->transfer[at];
	t->open = true;
	t->serial = ++as->audit->serial;
	t->refused = look->refused;
	t->from = from;
	t->record = -1;
	t->outstanding = 0;
	t->told = 0;
	t->told_ms = clock_mono_ms();
	if (ev != &t->ev) {
		t->ev = *ev;
	}
	as->audit->n_open++;
	if (look->refused) {
		t->ev.kind = AUDIT_TRANSFERRED;
		t->ev.outcome = AUDIT_SERIOUS;
		t->ev.refusal = look->refusal;
		t->ev.failed = 1;
		snprintf(t->ev.text, sizeof(t->ev.text), "refused");
		audit_tell(as, &t->ev, MSG_EVENT_NEW,
			(struct audit_pending){.bars = BARS_NONE, .transfer = AUDIT_TRANSFERS});
		return;
	}
	audit_tell(as, &t->ev, MSG_EVENT_NEW,
		(struct audit_pending){
			.bars = !from, .mark = look->mark, .transfer = (uint8_t)at, .serial = t->serial});
	t->ev.n_sop = 0;
}

/* It was begun as nobody's, and now is known to be another's. False: it is known no better. */
static bool taken_back(struct association *as, struct operation *o, const struct audit_event *ev)
{
	struct audit_transfer *t = &as->audit->transfer[o->transfer - 1];
	if (same_study(t, ev, t->from, false, 0)) {
		return false;
	}
	o->transfer = 0;
	t->outstanding--;
	if (t->outstanding == 0 && t->ev.failed == 0 && taken(&t->ev) == 0) {
		snprintf(t->ev.text, sizeof(t->ev.text),
			"whose it is was found out later, and is recorded by itself");
		end_transfer(as, t, NULL, false);
	}
	return true;
}

/* ---- Whose an object is ---- */

/* A place for an event that is not the transfer's of anybody: as a rule that of the one that will begin with it. */
static struct audit_event *free_event(struct audit *au)
{
	static struct audit_event spare;
	unsigned at = 0;
	while (at < au->n_used && au->transfer[at].open) {
		at++;
	}
	return at < AUDIT_TRANSFERS ? &au->transfer[at].ev : &spare;
}

/* What same_study() and what was told depend on. 0: it is more than is remembered. */
static size_t whose(const struct header_scan *h, uint8_t *bytes, size_t cap)
{
	static const enum header_field fields[] = {
		HEADER_CHARSET, HEADER_PATIENT_ID, HEADER_ISSUER, HEADER_STUDY};
	struct writer w = writer_of(bytes, cap);
	for (unsigned i = 0; i < ARRAY_LEN(fields); i++) {
		struct span v = header_value(h, fields[i]);
		writer_u16be(&w, (uint16_t)v.len);
		writer_span(&w, v);
	}
	return writer_end(&w) == 0 ? w.len : 0;
}

/* The open transfer of the object before it, if it is this one's too; AUDIT_TRANSFERS. */
static unsigned same_as_before(const struct association *as, uint8_t from, const struct audit_look *look,
	bool anonymized, struct span bytes)
{
	const struct audit_seen *seen = &as->audit->seen;
	const struct audit_transfer *t = &as->audit->transfer[seen->transfer];
	bool same = seen->serial != 0 && t->open && t->serial == seen->serial && t->from == from &&
	            t->refused == look->refused && t->ev.anonymized == anonymized && bytes.len > 0 &&
	            span_eq(bytes, span_of(seen->bytes, seen->len));
	return same ? seen->transfer : AUDIT_TRANSFERS;
}

static void remember(struct audit *au, unsigned at, struct span bytes)
{
	au->seen.serial = bytes.len > 0 ? au->transfer[at].serial : 0;
	au->seen.transfer = (uint8_t)at;
	au->seen.len = (uint16_t)bytes.len;
	memcpy(au->seen.bytes, bytes.ptr, bytes.len);
}

/* The transfer that it belongs to, which begins if there is none. AUDIT_TRANSFERS: the operation has its own already. */
static unsigned transfer_of(struct association *as, struct side *from, const struct audit_look *look)
{
	struct audit *au = as->audit;
	struct operation *o = from->msg.operation;
	uint8_t side = from == &as->b;
	struct audit_event *ev = free_event(au);
	audit_fill(as, AUDIT_BEGIN, ev);
	audit_fill_header(&look->header, ev);
	ev->to_caller = side == 1;
	ev->anonymized = o && o->remade;
	if (o) {
		ev->sop[0].instances = 0;
		snprintf(ev->sop[0].uid, sizeof(ev->sop[0].uid), "%s", o->sop_class);
		ev->n_sop = 1;
	}
	if (o && o->transfer > 0 && !taken_back(as, o, ev)) {
		return AUDIT_TRANSFERS;
	}
	unsigned at = 0;
	while (at < au->n_used && !same_study(&au->transfer[at], ev, side, look->refused, look->refusal)) {
		at++;
	}
	if (at < au->n_used && look->refused) {
		au->transfer[at].ev.failed++;
	} else if (at == au->n_used) {
		at = make_room(as);
		begin_transfer(as, at, ev, side, look);
	}
	return at;
}

void audit_object(struct association *as, struct side *from, const struct audit_look *look)
{
	uint8_t bytes[sizeof(as->audit->seen.bytes)];
	struct audit *au = as->audit;
	struct operation *o = from->msg.operation;
	struct span known = span_of(bytes, whose(&look->header, bytes, sizeof(bytes)));
	bool again = !look->refused && (!o || o->transfer == 0);
	unsigned at =
		again ? same_as_before(as, from == &as->b, look, o && o->remade, known) : AUDIT_TRANSFERS;
	if (at == AUDIT_TRANSFERS) {
		at = transfer_of(as, from, look);
		if (at == AUDIT_TRANSFERS) {
			return;
		}
		remember(au, at, known);
	}
	struct audit_transfer *t = &au->transfer[at];
	t->used_ms = clock_mono_ms();
	if (o && !look->refused) {
		o->transfer = at + 1;
		t->outstanding++;
	}
}

static void count(struct audit_event *ev, const char *sop_class)
{
	unsigned i = 0;
	while (i < ev->n_sop && strcmp(ev->sop[i].uid, sop_class) != 0) {
		i++;
	}
	if (i == ev->n_sop && i < AUDIT_CLASSES) {
		ev->sop[i] = (struct audit_class){0};
		snprintf(ev->sop[i].uid, sizeof(ev->sop[i].uid), "%s", sop_class);
		ev->n_sop++;
	}
	ev->sop[i < AUDIT_CLASSES ? i : AUDIT_CLASSES - 1].instances++;
}

void audit_stored(struct association *as, struct operation *o, bool was_taken)
{
	if (o->transfer == 0) {
		return;
	}
	struct audit_transfer *t = &as->audit->transfer[o->transfer - 1];
	o->transfer = 0;
	if (!t->open || t->outstanding == 0) {
		return; /* it was ended to make room */
	}
	t->outstanding--;
	if (was_taken) {
		count(&t->ev, o->sop_class);
	} else {
		t->ev.failed++;
	}
}

/* What was cut off is of a transfer that is refused by itself, as it is recorded then, not when the one ends that it was of. */
static void refuse_by_itself(
	struct association *as, const struct audit_transfer *t, const char *sop_class, uint64_t refusal)
{
	static struct audit_event ev;
	static struct audit_look look;
	struct audit *au = as->audit;
	uint8_t side = t->from;
	unsigned at = 0;
	audit_event_copy(&ev, &t->ev);
	ev.failed = 0;
	ev.sop[0] = (struct audit_class){0};
	snprintf(ev.sop[0].uid, sizeof(ev.sop[0].uid), "%s", sop_class);
	ev.n_sop = 1;
	look.refused = true;
	look.refusal = refusal;
	while (at < au->n_used && !same_study(&au->transfer[at], &ev, side, true, refusal)) {
		at++;
	}
	if (at < au->n_used) {
		au->transfer[at].ev.failed++;
		return;
	}
	at = make_room(as);
	begin_transfer(as, at, &ev, side, &look);
}

void audit_cut_off(struct association *as, struct operation *o, uint64_t refusal)
{
	struct audit_transfer *t = &as->audit->transfer[o->transfer - 1];
	bool others = t->ev.failed > 0 || taken(&t->ev) > 0;
	o->transfer = 0;
	if (!t->open || t->outstanding == 0) {
		return; /* it was ended to make room */
	}
	t->outstanding--;
	if (others || t->outstanding > 0) {
		refuse_by_itself(as, t, o->sop_class, refusal);
		return;
	}
	/* There was nothing else in it. */
	t->ev.refusal = refusal;
	t->ev.failed = 1;
	snprintf(t->ev.text, sizeof(t->ev.text), "refused");
	end_transfer(as, t, NULL, false);
}

/* Is there something to tell of how far it is? */
static bool lags(const struct audit_transfer *t)
{
	return t->open && !t->refused && t->record >= 0 && taken(&t->ev) != t->told;
}

int64_t audit_progress_due(const struct association *as)
{
	int64_t at = INT64_MAX;
	for (unsigned i = 0; as->audit->n_open > 0 && i < as->audit->n_used; i++) {
		const struct audit_transfer *t = &as->audit->transfer[i];
		if (lags(t) && t->told_ms + PROGRESS_MS < at) {
			at = t->told_ms + PROGRESS_MS;
		}
	}
	return at;
}

void audit_progress(struct association *as, int64_t now_ms)
{
	for (unsigned i = 0; as->audit->n_open > 0 && i < as->audit->n_used; i++) {
		struct audit_transfer *t = &as->audit->transfer[i];
		if (lags(t) && now_ms >= t->told_ms + PROGRESS_MS) {
			t->told = taken(&t->ev);
			t->told_ms = now_ms;
			audit_tell_progress(as, t);
		}
	}
}

void audit_drop_unrecorded(struct association *as)
{
	for (unsigned i = 0; as->audit->n_open > 0 && i < as->audit->n_used; i++) {
		struct audit_transfer *t = &as->audit->transfer[i];
		if (t->open && !t->refused && t->record < 0) {
			forget_operations(as, t);
			t->open = false;
			as->audit->n_open--;
		}
	}
}

void audit_end_unrecorded(struct association *as, const char *why)
{
	for (unsigned i = 0; as->audit->n_open > 0 && i < as->audit->n_used; i++) {
		struct audit_transfer *t = &as->audit->transfer[i];
		if (t->open && !t->refused && t->from == 0 && t->record < 0) {
			end_transfer(as, t, why, false);
		}
	}
}

void audit_end_transfers(struct association *as, const char *why)
{
	for (unsigned i = 0; as->audit->n_open > 0 && i < as->audit->n_used; i++) {
		struct audit_transfer *t = &as->audit->transfer[i];
		if (t->open) {
			/* Known now, it goes in the same message. An import is told of after the end. */
			as->audit->leaving = as->audit->n_open == 1 && as->door.why != DOOR_IMPORT;
			end_transfer(as, t, why, !why);
		}
	}
	audit_leave(as);
}
