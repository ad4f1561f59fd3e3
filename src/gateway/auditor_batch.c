/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/auditor_state.h"
#include "base/clock.h"
#include "base/log.h"
#include "priv/message.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_MS 1000

/* Batches: what came in one turn, made durable by one commit. */

/* ---- Writing ---- */

static void answer(struct auditor *a, struct work *w, int e)
{
	/* Only what such a message has: the rest of the struct is never touched. */
	static struct message m = {.type = MSG_RECORDED, .fd = -1};
	e = e == 0 ? w->err : e;
	m.number = e == 0 ? (int64_t)w->index : e;
	if (e != 0 && w->teller) {
		line_failed(w->teller);
	}
	/* A channel that takes no answer is one whose end is about to be seen. */
	if (w->answer && w->teller && w->teller->fd >= 0) {
		(void)!message_send(w->teller->fd, &m);
	}
	(void)a;
}

/* A transfer that began with this record is known from now on. */
static void begun(struct auditor *a, const struct work *w)
{
	struct open_transfer *t = malloc(sizeof(*t));
	if (!t) {
		log_say(LOG_LEVEL_ERROR, "audit.failed",
			"out of memory: the end of transfer %llu may be missing",
			(unsigned long long)w->index);
		return;
	}
	memset(t, 0, offsetof(struct open_transfer, ev));
	t->record = w->index;
	/* Who is gone already has nothing more to say of it. */
	t->teller = w->teller->fd >= 0 ? w->teller : NULL;
	t->has_event = true;
	t->association = w->ev.association;
	t->written_ms = clock_mono_ms();
	t->tokens = w->tokens;
	audit_event_copy(&t->ev, &w->ev);
	memset(t->ev.sop, 0,
		t->ev.n_sop * sizeof(t->ev.sop[0])); /* as audit_event_wipe() does not see them then */
	t->ev.n_sop = 0;
	t->next = a->open;
	a->open = t;
}

static void said(struct auditor *a, int e)
{
	if (e != 0 && !a->failing) {
		log_event(LOG_LEVEL_ERROR, "audit.failed",
			"records cannot be made; what `unrecorded` in audit says happens now to what would be recorded",
			LOG_TEXT("why", health_why(e)), LOG_TEXT("journal", a->site->audit.journal));
	} else if (e == 0 && a->failing) {
		log_say(LOG_LEVEL_NOTICE, "audit.mended", "records are made again");
	}
	a->failing = e != 0;
	a->retry_ms = clock_mono_ms() + RETRY_MS;
	health_of_records(a, e == 0 ? NULL : health_why(e));
}

/* What is wrong with one event is no reason to refuse the others that came with it. */
static void leave_out(struct work *w)
{
	log_event(LOG_LEVEL_ERROR, "audit.malformed", "an event cannot be recorded",
		LOG_TEXT("kind", audit_kind_name(w->ev.kind)), LOG_TEXT("why", err_str(w->err)),
		LOG_NUMBER("association", (int64_t)w->ev.association));
	if (w->of) {
		w->of->ending = false;
	}
}

/* While the key holder makes the tokens, the messages are written. */
static int make_all(struct auditor *a)
{
	int e = tokens_ask(a);
	for (unsigned i = 0; e == 0 && i < a->n_batch; i++) {
		struct work *w = &a->batch[i];
		if (!w->has_index && w->err == 0) {
			record_make(a, w);
		}
	}
	return e == 0 ? tokens_take(a) : e;
}

static int append_all(struct auditor *a)
{
	int e = 0;
	for (unsigned i = 0; e == 0 && i < a->n_batch; i++) {
		struct work *w = &a->batch[i];
		bool good = !w->has_index && w->err == 0;
		e = good ? record_append(a, w) : 0;
		if (e == 0 && w->err != 0 && w->ev.kind != 0) {
			leave_out(w);
		}
	}
	return e;
}

static int write_all(struct auditor *a)
{
	int e = a->keys.fd < 0 ? ERR_CLOSED : make_all(a);
	send_begin(a);
	e = e == 0 ? append_all(a) : e;
	if (e != 0) {
		/* All are told that it failed, and tell it again: what went before the failure must not be there as well. */
		journal_drop(a->journal);
		send_forget(a);
		return e;
	}
	send_prepare(a);
	e = journal_commit(a->journal);
	send_decide(a, e == 0);
	return e;
}

static void wipe(struct work *w)
{
	audit_event_wipe(&w->ev);
	const size_t rest = offsetof(struct work, teller);
	explicit_bzero((uint8_t *)w + rest, sizeof(*w) - rest);
}

void batch_write(struct auditor *a)
{
	int e = write_all(a);
	if (e != 0) {
		seal_drop(a->seal); /* its key may not be there */
		kept_take(a);
	}
	a->epoch_new = false;
	said(a, e);
	for (unsigned i = 0; i < a->n_batch; i++) {
		struct work *w = &a->batch[i];
		if (e == 0 && w->err == 0 && w->ev.kind == AUDIT_BEGIN && w->teller && !w->has_index) {
			begun(a, w);
		}
		answer(a, w, e);
		record_forget(w);
		free(w->query);
		a->records += e == 0;
	}
	open_settle(a, e == 0);
	for (unsigned i = 0; i < a->n_batch; i++) {
		wipe(&a->batch[i]);
	}
	a->n_batch = 0;
}

void batch_add(struct auditor *a, const struct audit_event *ev)
{
	if (a->n_batch == BATCH_MOST) {
		batch_write(a);
	}
	a->batch[a->n_batch++] = (struct work){.ev = *ev};
}

/* ---- Taking ---- */

/* As inet_ntop(), which goes through all of printf for it. */
static void ipv4_text(const uint8_t at[4], char *to)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned v = at[i];
		if (v >= 100) {
			*to++ = (char)('0' + v / 100);
		}
		if (v >= 10) {
			*to++ = (char)('0' + v / 10 % 10);
		}
		*to++ = (char)('0' + v % 10);
		*to++ = i < 3 ? '.' : '\0';
	}
}

static void set_facts(const struct teller *t, struct audit_event *ev)
{
	if (t->kind != TELLER_ASSOCIATION) {
		return;
	}
	/* Nobody makes records in another's name. */
	ev->association = t->association;
	if (IN6_IS_ADDR_V4MAPPED(&t->ip)) {
		ipv4_text(&t->ip.s6_addr[12], ev->from.address);
	} else {
		(void)inet_ntop(AF_INET6, &t->ip, ev->from.address, sizeof(ev->from.address));
	}
}

/* The query is of the message's buffer, which the next message uses. */
static bool keep_query(struct work *w)
{
	if (w->ev.query.len == 0) {
		return true;
	}
	w->query = malloc(w->ev.query.len);
	if (!w->query) {
		return false;
	}
	memcpy(w->query, w->ev.query.ptr, w->ev.query.len);
	w->ev.query.ptr = w->query;
	return true;
}

/* What only we say, and what another may not say of itself. */
static bool may_tell(const struct teller *t, const struct audit_event *ev)
{
	switch (ev->kind) {
	case AUDIT_BEGIN:
	case AUDIT_TRANSFERRED:
	case AUDIT_PROGRESS:
	case AUDIT_QUERY:
	case AUDIT_PATIENT_SHOWN:
	case AUDIT_LOGIN:
		return t->kind == TELLER_ASSOCIATION;
	case AUDIT_ALERT:
		return t->kind != TELLER_ASSOCIATION;
	case AUDIT_IMPORT: /* of one that came through the local door */
		return t->kind != TELLER_SUPERVISOR;
	case AUDIT_LOG_USED:
	case AUDIT_EXPORT:
		return t->kind == TELLER_GATE;
	default:
		return t->kind == TELLER_SUPERVISOR;
	}
}

/* Answered with the others, as answers come in the order of events. */
static void refuse(struct auditor *a, struct work *w, int e)
{
	log_event(LOG_LEVEL_ERROR, "audit.malformed",
		"an event was told that is none, or that is one too many", LOG_TEXT("why", err_str(e)),
		LOG_NUMBER("association", (int64_t)w->teller->association));
	w->ev = (struct audit_event){0};
	w->err = e;
	a->n_batch++;
}

/* The transfer that this ends. */
static void find_begun(struct auditor *a, struct work *w, int64_t number)
{
	struct open_transfer *t = open_find(a, (uint64_t)number);
	if (t && !t->ending && open_may_claim(t, w->teller)) {
		w->of = t;
		t->ending = true;
		w->tokens = t->tokens;
	}
	/* It was recorded by the process before, whose answer was lost. */
	for (size_t i = 0; i < a->n_closed && !t; i++) {
		const struct journal_closed *c = &a->closed[i];
		if (c->begin == (uint64_t)number && c->association == w->teller->association) {
			w->has_index = true;
			w->index = c->end;
		}
	}
}

void batch_take(struct auditor *a, struct teller *t, int64_t number, struct span bytes)
{
	if (a->n_batch == BATCH_MOST) {
		batch_write(a);
	}
	struct work *w = &a->batch[a->n_batch];
	static_assert(offsetof(struct work, ev) == 0, "the event is cleared when it is read");
	memset(&w->teller, 0, sizeof(*w) - offsetof(struct work, teller));
	w->teller = t;
	w->answer = t->answers;
	int e = audit_event_read_into(bytes, &w->ev);
	e = e == 0 && !may_tell(t, &w->ev) ? ERR_DENIED : e;
	if (e != 0) {
		refuse(a, w, e);
		return;
	}
	set_facts(t, &w->ev);
	int64_t now = clock_wall_ms();
	/* The supervisor may have had to wait for us. */
	w->ev.time_ms = t->kind == TELLER_SUPERVISOR && w->ev.time_ms < now ? w->ev.time_ms : now;
	if (w->ev.kind == AUDIT_PROGRESS) {
		open_progress(a, t, number, &w->ev);
		audit_event_wipe(&w->ev);
		return;
	}
	struct open_transfer *again = w->ev.kind == AUDIT_BEGIN ? open_told_again(a, t, &w->ev) : NULL;
	if (again) {
		again->moved = false;
		w->has_index = true;
		w->index = again->record;
		a->n_batch++;
		return;
	}
	if (w->ev.kind == AUDIT_BEGIN && open_count(a, t) >= OPEN_MOST) {
		refuse(a, w, ERR_LIMIT);
		return;
	}
	if (w->ev.kind == AUDIT_TRANSFERRED && number >= 0) {
		find_begun(a, w, number);
	}
	if (!keep_query(w)) {
		if (w->of) {
			w->of->ending = false;
			w->of = NULL;
		}
		refuse(a, w, ERR_NO_MEMORY);
		return;
	}
	a->n_batch++;
}
