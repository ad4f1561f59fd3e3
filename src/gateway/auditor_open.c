/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/auditor_state.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Transfers that have begun. One whose association ends without a word is ended here; one that was found when the journal
 * was opened waits a moment for an association that still has it, and is then recorded as interrupted.
 */

/* How far counts in the journal may lag behind. */
#define PROGRESS_MS 100

/* Associations that outlived an auditor before claim what is theirs as soon as they have a channel again. */
#define CLAIM_MS 10000

struct open_transfer *open_find(struct auditor *a, uint64_t record)
{
	struct open_transfer *t = a->open;
	while (t && t->record != record) {
		t = t->next;
	}
	return t;
}

void open_remove(struct auditor *a, struct open_transfer *t)
{
	for (struct open_transfer **at = &a->open; *at; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			audit_event_wipe(&t->ev);
			explicit_bzero(t, offsetof(struct open_transfer, ev));
			free(t);
			return;
		}
	}
}

void open_recovered(struct auditor *a, const struct journal_recovered *r, int64_t now_ms)
{
	for (size_t i = 0; i < r->n_open; i++) {
		const struct journal_transfer *from = &r->open[i];
		struct open_transfer *t = calloc(1, sizeof(*t));
		if (!t) {
			log_say(LOG_LEVEL_ERROR, "audit.failed", "out of memory: transfer %llu stays open",
				(unsigned long long)from->begin);
			return;
		}
		*t = (struct open_transfer){.record = from->begin,
			.association = from->association,
			.count = from->count,
			.written = from->count,
			.durable = from->count,
			.next = a->open};
		t->tokens.n = from->n_tokens;
		memcpy(t->tokens.at, from->tokens, sizeof(from->tokens[0]) * from->n_tokens);
		a->open = t;
	}
	a->claim_by_ms = r->n_open > 0 ? now_ms + CLAIM_MS : 0;
	a->n_closed = r->n_closed;
	if (r->n_closed > 0) {
		memcpy(a->closed, r->closed, sizeof(r->closed[0]) * r->n_closed);
	}
}

static uint32_t taken(const struct audit_event *ev)
{
	uint32_t n = 0;
	for (unsigned i = 0; i < ev->n_sop; i++) {
		n += ev->sop[i].instances;
	}
	return n;
}

/* The gate's word for who began it was not kept, so its number must do. */
bool open_may_claim(const struct open_transfer *t, const struct teller *teller)
{
	return t->teller == teller || (!t->teller && t->association == teller->association);
}

void open_progress(struct auditor *a, struct teller *teller, int64_t number, const struct audit_event *ev)
{
	struct open_transfer *t = number < 0 ? NULL : open_find(a, (uint64_t)number);
	if (!t || !open_may_claim(t, teller)) {
		return; /* ended already */
	}
	t->moved = false; /* its record is known */
	if (!t->teller) {
		/* A gateway that was started anew counts its associations anew: then it is ended as interrupted. */
		t->teller = teller;
		t->ev = *ev;
		t->ev.kind = AUDIT_BEGIN;
		t->has_event = true;
	}
	for (unsigned i = 0; i < ev->n_sop; i++) {
		t->ev.sop[i] = ev->sop[i];
	}
	t->ev.n_sop = ev->n_sop;
	t->count = taken(ev);
}

static void interrupted(struct auditor *a, struct open_transfer *t)
{
	struct audit_event ev = {.kind = AUDIT_INTERRUPTED,
		.outcome = AUDIT_MAJOR,
		.time_ms = clock_wall_ms(),
		.association = t->association};
	snprintf(ev.text, sizeof(ev.text),
		"The transfer that began in record %llu was interrupted: the gateway ended. At least %u instances had been "
		"passed on; those of the last 100 ms before may be missing in this count.",
		(unsigned long long)t->record, t->count);
	t->ending = true;
	struct work *w = &a->batch[a->n_batch];
	batch_add(a, &ev);
	w->of = t;
	w->tokens = t->tokens;
}

/* The association ended, and said nothing of it. */
static void abandoned(struct auditor *a, struct open_transfer *t)
{
	struct audit_event ev = t->ev;
	ev.kind = AUDIT_TRANSFERRED;
	ev.outcome = AUDIT_SERIOUS;
	ev.time_ms = clock_wall_ms();
	snprintf(ev.text, sizeof(ev.text),
		"The association's process ended without a word. Instances of its last 100 ms may be missing in this count.");
	t->ending = true;
	struct work *w = &a->batch[a->n_batch];
	batch_add(a, &ev);
	w->of = t;
	w->tokens = t->tokens;
	explicit_bzero(&ev, sizeof(ev));
}

static void end_one(struct auditor *a, struct open_transfer *t)
{
	if (a->n_batch == BATCH_MOST) {
		batch_write(a);
	}
	if (t->has_event) {
		abandoned(a, t);
	} else {
		interrupted(a, t);
	}
}

/* Those of the batch that is done with: ended, or not ended after all. */
void open_settle(struct auditor *a, bool committed)
{
	struct open_transfer *next;
	for (struct open_transfer *t = a->open; t; t = next) {
		next = t->next;
		if (t->ending && committed) {
			open_remove(a, t);
		} else {
			t->ending = false;
			t->durable = committed ? t->written : t->durable;
			t->written = t->durable;
		}
	}
}

/* Again until it is done: what could not be written now is tried at the next check. */
static bool is_orphan(const struct auditor *a, const struct open_transfer *t, int64_t now_ms)
{
	return !t->ending && !t->teller && (now_ms >= a->claim_by_ms || a->stopping);
}

unsigned open_count(const struct auditor *a, const struct teller *teller)
{
	unsigned n = 0;
	for (const struct open_transfer *t = a->open; t; t = t->next) {
		n += t->teller == teller && !t->ending;
	}
	for (unsigned i = 0; i < a->n_batch; i++) {
		n += a->batch[i].teller == teller && a->batch[i].ev.kind == AUDIT_BEGIN;
	}
	return n;
}

static bool is_in_batch(const struct auditor *a, const struct teller *t)
{
	bool found = false;
	for (unsigned i = 0; i < a->n_batch && !found; i++) {
		found = a->batch[i].teller == t;
	}
	return found;
}

void open_teller_moved(struct auditor *a, struct teller *from, struct teller *to)
{
	if (is_in_batch(a, from)) {
		batch_write(a);
	}
	for (struct open_transfer *t = a->open; t; t = t->next) {
		t->moved = t->moved || t->teller == from;
		t->teller = t->teller == from ? to : t->teller;
	}
}

struct open_transfer *open_told_again(
	struct auditor *a, const struct teller *teller, const struct audit_event *ev)
{
	struct open_transfer *t = a->open;
	while (t &&
		!(t->teller == teller && t->moved && !t->ending && t->has_event &&
			t->ev.to_caller == ev->to_caller && strcmp(t->ev.patient_id, ev->patient_id) == 0 &&
			strcmp(t->ev.patient_issuer, ev->patient_issuer) == 0 &&
			strcmp(t->ev.patient_name, ev->patient_name) == 0 &&
			strcmp(t->ev.study, ev->study) == 0)) {
		t = t->next;
	}
	return t;
}

void open_teller_gone(struct auditor *a, const struct teller *teller)
{
	for (struct open_transfer *t = a->open; t; t = t->next) {
		if (t->teller != teller) {
			continue;
		}
		t->teller =
			NULL; /* that struct goes, also if the end that is in the batch cannot be recorded */
		if (!t->ending) {
			end_one(a, t);
		}
	}
}

void open_check(struct auditor *a, int64_t now_ms)
{
	bool tries = !a->failing || now_ms >= a->retry_ms;
	for (struct open_transfer *t = a->open; t && tries; t = t->next) {
		if (is_orphan(a, t, now_ms)) {
			end_one(a, t);
			tries = !a->failing; /* while it fails, one is tried for all */
		} else if (t->teller && !t->ending && t->count != t->written &&
			   now_ms >= t->written_ms + PROGRESS_MS) {
			int e = record_progress(a, t, now_ms);
			if (e != 0) {
				return;
			}
		}
	}
	if (a->n_batch > 0 || journal_pending(a->journal) > 0) {
		batch_write(a);
	}
}

int64_t open_next_ms(const struct auditor *a)
{
	int64_t next = INT64_MAX;
	for (const struct open_transfer *t = a->open; t; t = t->next) {
		int64_t at = !t->teller               ? a->claim_by_ms
		             : t->count != t->written ? t->written_ms + PROGRESS_MS
		                                      : INT64_MAX;
		next = at < next ? at : next;
	}
	/* While nothing can be recorded one try a second is enough. */
	return a->failing && next < a->retry_ms ? a->retry_ms : next;
}
