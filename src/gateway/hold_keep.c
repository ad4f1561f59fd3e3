/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/hold_keep.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/exchange.h"
#include "gateway/hold_parts.h"

#include <stdio.h>

/* The store that has done nothing for so long will do nothing more. */
#define STILL_MS 30000

/* ---- What is known of it ---- */

static void set(char *to, size_t cap, const char *from)
{
	audit_text_set(to, cap, span_str(from));
}

#define SET(field, from) set((field), sizeof(field), (from))

static void fill_finding(const struct inspect_finding *from, struct facts_finding *to)
{
	char path[INSPECT_PATH];
	const struct inspect_check_row *row = inspect_check_row((enum inspect_check)from->check);
	inspect_path(from, path);
	to->severity = (uint8_t)row->severity;
	to->offset = from->offset;
	SET(to->check, row->name);
	SET(to->sentence, row->sentence);
	SET(to->path, path);
	SET(to->excerpt, from->excerpt);
}

/* Whose data it has stands in its first bytes; what they do not tell is not known. */
static void fill_patient(
	struct association *as, const struct side *s, struct hold *h, struct span first, struct facts *f)
{
	static struct header_scan scan;
	static struct audit_event ev;
	ev = (struct audit_event){0};
	/* The inflater is free: the inspection is over. */
	if (header_scan_begin(&scan, as->context[s->msg.context].transfer, &h->inflater) != 0) {
		return;
	}
	(void)!header_scan_feed(&scan, first);
	audit_fill_header(&scan, &ev);
	SET(f->patient_id, ev.patient_id);
	SET(f->patient_name, ev.patient_name);
	SET(f->study, ev.study);
}

/* Of C-GET the object goes from the called side to the caller. */
static void fill_parties(struct association *as, const struct side *s, struct facts *f)
{
	static struct audit_event ev;
	audit_fill(as, AUDIT_ALERT, &ev);
	const struct audit_party *from = s == &as->a ? &ev.from : &ev.to,
				 *to = s == &as->a ? &ev.to : &ev.from;
	const struct audit_fingerprint *certificate = s == &as->a ? &ev.from_certificate : &ev.to_certificate;
	SET(f->from, from->node);
	SET(f->to, to->node);
	SET(f->calling, from->ae);
	SET(f->called, to->ae);
	SET(f->address, from->address);
	SET(f->subject, from->subject);
	static_assert(sizeof(f->certificate) >= AUDIT_FINGERPRINT_TEXT, "it is not cut");
	audit_fingerprint_text(certificate, f->certificate);
	SET(f->serial, from->serial);
	SET(f->issuer, from->issuer);
	SET(f->user, ev.user);
	f->user_proved = ev.user_proved;
}

static void fill(struct association *as, const struct side *s, struct hold *h, const struct verdict *v,
	struct span first, struct facts *f)
{
	const struct command *c = &s->msg.command;
	struct span transfer = as->context[s->msg.context].transfer;
	*f = (struct facts){.time_ms = clock_wall_ms(), .association = as->start->id};
	SET(f->why, v->sentence);
	SET(f->flow, h->flow_name);
	fill_parties(as, s, f);
	audit_text_set(f->sop_class, sizeof(f->sop_class), c->affected_sop_class);
	audit_text_set(f->sop_instance, sizeof(f->sop_instance), c->affected_sop_instance);
	audit_text_set(f->transfer_syntax, sizeof(f->transfer_syntax), transfer);
	fill_patient(as, s, h, first, f);
	for (unsigned i = 0; i < h->i.n_findings && i < FACTS_FINDINGS; i++) {
		fill_finding(&h->i.findings[i], &f->finding[i]);
	}
	f->n_findings = h->i.n_findings < FACTS_FINDINGS ? h->i.n_findings : FACTS_FINDINGS;
}

/* ---- Its bytes ---- */

/* The next of them, which stay until they have been sent; none: it was all. */
static int next_piece(struct hold *h, struct span *ret_piece)
{
	int e = 0;
	*ret_piece = hold_oldest(h, false, &e);
	ret_piece->len = ret_piece->len < KEEPER_PIECE ? ret_piece->len : KEEPER_PIECE;
	hold_advance(h, ret_piece->len);
	return e;
}

/* ---- Its end ---- */

static void say(const struct association *as, const struct keep *k, int e)
{
	char text[160];
	const struct keep failed = {.error = e};
	const struct keep *what = e == 0 && k ? k : &failed;
	bool kept = what->error == 0 && what->answer.result < KEEPER_FULL;
	keep_text(what, text, sizeof(text));
	/* The store logs what it did; what it did not do must not be missed here. */
	log_event(kept ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
		kept ? "object.quarantined" : "object.not-quarantined", text,
		LOG_NUMBER("association", (int64_t)as->start->id), LOG_TEXT("from", as->caller_text),
		LOG_NUMBER("quarantine", kept ? (int64_t)what->answer.number : 0));
}

static void finish(struct association *as, struct side *s, struct hold *h, int e)
{
	say(as, &h->keeping, e);
	hold_drop(as, s);
	s->msg.disposition = DRAIN;
	exchange_finish(as, s);
}

/* ---- The loop ---- */

bool hold_keep_begin(struct association *as, struct side *s, struct hold *h, const struct verdict *v)
{
	static struct facts f;
	struct span first = {0};
	int e = next_piece(h, &first);
	fill(as, s, h, v, first, &f);
	h->pinned = true;
	f.refusal = exchange_refuse(as, s, v);
	h->pinned = false;
	e = e == 0 ? keep_begin(as, &f, &h->keeping) : e;
	explicit_bzero(&f, sizeof(f));
	if (e != 0) {
		say(as, NULL, e);
		hold_drop(as, s);
		return false;
	}
	s->msg.disposition = KEEP;
	h->state = HOLD_KEEPING;
	h->inspecting = false;
	h->first = first;
	h->until_ms = clock_mono_ms() + STILL_MS;
	return true;
}

struct pollfd hold_keep_poll(const struct hold *h)
{
	bool on = h->state == HOLD_KEEPING;
	return (struct pollfd){.fd = on ? h->keeping.fd : -1, .events = on ? keep_events(&h->keeping) : 0};
}

/* Give the next piece, or say that there is none. */
static int give(struct hold *h)
{
	struct span piece = h->first;
	int e = piece.len > 0 ? 0 : next_piece(h, &piece);
	h->first = span_of(NULL, 0);
	if (e == 0 && piece.len > 0) {
		keep_give(&h->keeping, piece);
	} else if (e == 0) {
		keep_end(&h->keeping);
	}
	return e;
}

void hold_keep_step(struct association *as, struct side *s, struct hold *h)
{
	struct keep *k = &h->keeping;
	int e = 0;
	if (h->state != HOLD_KEEPING) {
		return;
	}
	keep_step(k);
	while (e == 0 && keep_wants(k)) {
		e = give(h);
		keep_step(k);
	}
	h->until_ms = clock_mono_ms() + STILL_MS;
	if (e != 0 || k->state == KEEP_OVER) {
		finish(as, s, h, e != 0 ? e : k->error);
	}
}

int64_t hold_keep_check(struct association *as, struct side *s, struct hold *h, int64_t now_ms)
{
	if (h->until_ms > now_ms) {
		return h->until_ms;
	}
	finish(as, s, h, ERR_TIMEOUT);
	return INT64_MAX;
}
