/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/state.h"
#include "base/clock.h"
#include "base/log.h"
#include "priv/message.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * The channel to the auditor. Events are answered in their order, each when its record is durable. What has no answer
 * when the channel is lost is sent again on the next one: told twice is better than not told.
 */

#define RETRY_MS      250 /* after a failure */
#define LAST_WORDS_MS 5000

static struct message
	said; /* the one that is sent or was received: a process that has said nothing has not its pages */

/* Only what such a message has: the rest of the struct is never touched. */
static void say(enum message_type type, int64_t number)
{
	said.type = type;
	said.fd = -1;
	said.generation = 0;
	said.number = number;
	said.bytes = (struct span){0};
}

bool audit_on(const struct association *as)
{
	return as->site->audit.has;
}

/* ---- Bars ---- */

static bool awaited(const struct association *as, uint8_t bars)
{
	const struct audit *au = as->audit;
	bool found = false;
	for (unsigned i = 0; i < au->n && !found; i++) {
		found = au->pending[(au->first + i) % AUDIT_PENDING].bars == bars;
	}
	return found;
}

/* Where a queue's part begins that waits for its record; UINT64_MAX: none does. */
static uint64_t mark_of(const struct audit *au, uint8_t side)
{
	const struct audit_look *l = &au->look[!side];
	uint64_t mark = l->what != LOOK_AT_NOTHING && !l->refused && !l->late ? l->mark : UINT64_MAX;
	for (unsigned i = 0; i < au->n; i++) {
		const struct audit_pending *p = &au->pending[(au->first + i) % AUDIT_PENDING];
		mark = p->bars == side && p->mark < mark ? p->mark : mark;
	}
	return mark;
}

void audit_bar(struct association *as)
{
	struct side *sides[] = {&as->a, &as->b};
	for (unsigned i = 0; i < ARRAY_LEN(sides); i++) {
		struct side *s = sides[i];
		uint64_t mark = mark_of(as->audit, (uint8_t)i);
		if (s->bar_mark != UINT64_MAX && mark == UINT64_MAX) {
			s->last_out_ms = clock_mono_ms(); /* its patience begins now */
		}
		s->bar_mark = mark;
	}
}

/* ---- Giving up ---- */

/*
 * Tell the auditor, by way of the gate, of what has happened or passes without a record. all: of what is pending all passes;
 * otherwise what waited for its record goes nowhere, and only what nobody waited for has happened.
 */
static void tell_unrecorded(struct association *as, bool all)
{
	struct audit *au = as->audit;
	unsigned counts[AUDIT_KIND_COUNT] = {0};
	for (unsigned i = 0; i < au->n; i++) {
		const struct audit_pending *p = &au->pending[(au->first + i) % AUDIT_PENDING];
		counts[p->kind] += all || p->bars == BARS_NONE;
	}
	for (unsigned i = 1; i < AUDIT_KIND_COUNT; i++) {
		if (counts[i] > 0) {
			gate_unrecorded(as, i, counts[i]);
		}
	}
}

static void forget_all(struct audit *au)
{
	au->stale += au->n_sent; /* their answers may still come, and are nobody's */
	au->n = au->n_sent = 0;
	au->copies_len = 0;
	au->hopeless = NULL;
}

static void alarm_once(struct association *as, struct verdict *v)
{
	if (as->audit->passing) {
		return;
	}
	as->audit->passing = true;
	v->refuse = false;
	v->alarm = true;
	(void)report_refusal(as, v, &(struct subject){0});
}

/*
 * What passes without its record need not be looked at any more. What is held or refused has told nothing yet, and neither has
 * what waits where nothing may pass: their own records are tried when their time comes.
 */
static void forget_looks(struct association *as)
{
	for (unsigned i = 0; i < ARRAY_LEN(as->audit->look); i++) {
		struct audit_look *l = &as->audit->look[i];
		if (as->site->audit.unrecorded == UNRECORDED_PASS && !l->held && !l->refused) {
			l->what = LOOK_AT_NOTHING;
		}
	}
}

/*
 * What is pending cannot be recorded, or not in time. Only from the loop, never in the midst of a message: sides may be
 * closed by it.
 */
static void give_up(struct association *as, const char *why)
{
	struct audit *au = as->audit;
	struct verdict v;
	bool caller_waits = awaited(as, 0), target_waits = awaited(as, 1);
	verdict_of(as->site, &as->route, -1, RULE_UNRECORDED, why, &v);
	forget_looks(as);
	tell_unrecorded(as, as->site->audit.unrecorded == UNRECORDED_PASS);
	forget_all(au);
	if (as->site->audit.unrecorded == UNRECORDED_PASS) {
		alarm_once(as, &v);
		audit_bar(as);
		return;
	}
	audit_drop_unrecorded(as);
	if (caller_waits || !target_waits) {
		(void)report_refusal(as, &v, &(struct subject){.answered = caller_waits ? "A-ABORT" : ""});
	}
	if (caller_waits) {
		report_ended(as, "%s", why);
		association_abort(as, NULL, NULL);
	} else if (target_waits) {
		/* Nothing of it has left: the request fails, and the next one opens the target again. */
		as->loss = RULE_UNRECORDED;
		target_end(as, true, why);
		as->loss = RULE_UPSTREAM_LOST;
	}
	if (!as->over) {
		audit_bar(as);
	}
}

/* ---- Sending ---- */

static void lost(struct audit *au)
{
	if (au->fd >= 0) {
		close(au->fd);
		au->fd = -1;
		au->moved = true;
	}
	au->n_sent = au->stale = 0;
	au->told = false;
	au->retry_ms = clock_mono_ms() + RETRY_MS;
}

static bool has_begun(const struct audit *au)
{
	bool found = false;
	for (unsigned i = 0; au->n_open > 0 && i < au->n_used && !found; i++) {
		found = au->transfer[i].open && au->transfer[i].record >= 0;
	}
	return found;
}

/* Is there a reason to have a channel? Also who has nothing to say claims its transfers, or they would be ended. */
static bool wants_channel(const struct audit *au)
{
	return au->n_sent < au->n || has_begun(au);
}

/* What can be sent next; NULL: nothing, yet. */
static const struct audit_pending *next_unsent(const struct audit *au)
{
	const struct audit_pending *p =
		au->n_sent < au->n ? &au->pending[(au->first + au->n_sent) % AUDIT_PENDING] : NULL;
	return p && !p->follows ? p : NULL;
}

/* Those who were open before are named again, so that an auditor that is new knows that somebody still has them. */
static void claim_transfers(struct association *as)
{
	for (unsigned i = 0; i < as->audit->n_used; i++) {
		struct audit_transfer *t = &as->audit->transfer[i];
		if (t->open && t->record >= 0) {
			audit_tell_progress(as, t);
		}
	}
}

static void open_channel(struct association *as)
{
	struct audit *au = as->audit;
	struct message *m = &as->ask, *reply = &as->reply;
	*m = (struct message){.type = MSG_AUDIT, .fd = -1};
	int e = gate_ask(as, m, MSG_TELL, reply, GATE_WAIT_MS);
	if (e != 0 || reply->number != 0) {
		au->retry_ms = clock_mono_ms() + RETRY_MS;
		return;
	}
	au->fd = reply->fd;
	au->n_sent = au->stale = 0;
	claim_transfers(as);
}

/*
 * On the line that we were forked with: the auditor need not be told by the gate that we are gone. It may come late, or not at
 * all. As a rule it goes with the last event.
 */
static bool on_line(const struct association *as)
{
	return as->audit->fd >= 0 && !as->audit->moved && as->audit->fd == as->start->audit;
}

static void say_all_told(struct association *as)
{
	struct audit *au = as->audit;
	if (au->leaving && !au->told && on_line(as) && au->n > 0 && au->n_sent == au->n) {
		say(MSG_TOLD, MSG_TOLD_ALL);
		au->told = message_send(au->fd, &said) == 0;
	}
}

void audit_leave(struct association *as)
{
	as->audit->leaving = true;
	say_all_told(as);
}

/* Send what has not been sent. */
static void push(struct association *as)
{
	const struct audit_pending *p;
	struct audit *au = as->audit;
	if (!wants_channel(au) || clock_mono_ms() < au->retry_ms) {
		return;
	}
	if (au->told && next_unsent(au)) {
		lost(au); /* something more after all: on another channel */
	}
	if (au->fd < 0) {
		open_channel(as);
	}
	while (au->fd >= 0 && (p = next_unsent(au)) != NULL) {
		bool last = au->leaving && au->n_sent + 1 == au->n && on_line(as);
		say(last ? MSG_LAST_EVENT : MSG_EVENT, p->number);
		said.bytes = span_of(au->copies + p->at, p->len);
		int e = message_send(au->fd, &said);
		if (e == ERR_AGAIN) {
			return;
		}
		if (e != 0) {
			lost(au);
			return;
		}
		au->n_sent++;
		au->told = last;
	}
	say_all_told(as);
}

/* ---- Answers ---- */

static void drop_first(struct audit *au)
{
	au->first = (au->first + 1) % AUDIT_PENDING;
	au->n--;
	au->n_sent--;
	if (au->n == 0) {
		au->copies_len = 0;
	}
}

/* What waits for that beginning: the rest of it. Goes to the end, after it. */
static void move_follower(struct audit *au, uint32_t serial)
{
	struct audit_pending moved = {0};
	unsigned to = 0;
	for (unsigned i = 0; i < au->n; i++) {
		const struct audit_pending p = au->pending[(au->first + i) % AUDIT_PENDING];
		if (p.follows && p.serial == serial) {
			moved = p;
		} else {
			au->pending[(au->first + to++) % AUDIT_PENDING] = p;
		}
	}
	if (to < au->n) {
		au->pending[(au->first + to) % AUDIT_PENDING] = moved;
	}
}

/* Not recorded: once more, after the others, or to be given up. */
static void not_recorded(struct association *as, int64_t err)
{
	struct audit *au = as->audit;
	struct audit_pending p = au->pending[au->first];
	if (as->site->audit.unrecorded != UNRECORDED_HOLD) {
		au->hopeless = err == ERR_SPACE ? "the journal has no room" : "the journal cannot be written";
	}
	au->told = false; /* the auditor expects it again */
	bool alone = au->n == 1;
	size_t copies_len = au->copies_len;
	drop_first(au);
	au->copies_len = alone ? copies_len : au->copies_len;
	au->pending[(au->first + au->n) % AUDIT_PENDING] = p;
	au->n++;
	if (p.transfer < AUDIT_TRANSFERS) {
		move_follower(au, p.serial);
	}
	au->retry_ms = clock_mono_ms() + RETRY_MS;
}

/* It has begun: what goes on with it can name it. */
static void has_number(struct audit *au, const struct audit_pending *begin, int64_t number)
{
	struct audit_transfer *t = &au->transfer[begin->transfer];
	if (t->serial == begin->serial) {
		t->record = number;
	}
	for (unsigned i = 0; i < au->n; i++) {
		struct audit_pending *p = &au->pending[(au->first + i) % AUDIT_PENDING];
		if (p->follows && p->serial == begin->serial) {
			p->follows = false;
			p->number = number;
		}
	}
}

static void answered(struct association *as, int64_t number)
{
	struct audit *au = as->audit;
	struct audit_pending p = au->pending[au->first];
	if (au->stale > 0) {
		au->stale--;
		return;
	}
	if (au->n_sent == 0) {
		return;
	}
	if (number < 0) {
		not_recorded(as, number);
		return;
	}
	if (p.transfer < AUDIT_TRANSFERS) {
		has_number(au, &p, number);
	}
	au->passing = false;
	drop_first(au);
}

static void take_answers(struct association *as)
{
	struct audit *au = as->audit;
	int e = 0;
	bool more = true; /* not asked for, if nothing is awaited: poll tells when the channel is lost */
	while (au->fd >= 0 && more && (e = message_recv(au->fd, FROM_AUDITOR, &said)) == 0) {
		answered(as, said.number);
		more = au->n_sent > 0 || au->stale > 0;
	}
	if (au->fd >= 0 && e != 0 && e != ERR_AGAIN) {
		lost(au);
	}
	push(as);
	audit_bar(as);
}

void audit_take(struct association *as)
{
	take_answers(as);
	if (as->audit->hopeless) {
		give_up(as, as->audit->hopeless);
	}
}

short audit_events(const struct association *as)
{
	const struct audit *au = as->audit;
	bool unsent = next_unsent(au) && clock_mono_ms() >= au->retry_ms;
	return (short)(POLLIN | (unsent ? POLLOUT : 0));
}

static int64_t hold_most_ms(const struct association *as)
{
	return audit_on(as) ? (int64_t)as->site->audit.hold_most * 1000 : LAST_WORDS_MS;
}

/* By a reload, and the auditor has gone: nobody wants a record any more. */
static void switched_off(struct association *as)
{
	struct audit *au = as->audit;
	au->look[0].what = au->look[1].what = LOOK_AT_NOTHING;
	for (unsigned i = 0; i < au->n_used; i++) {
		au->transfer[i].open = false;
	}
	au->n_open = 0;
	forget_all(au);
	audit_bar(as);
}

int64_t audit_check(struct association *as, int64_t now_ms)
{
	struct audit *au = as->audit;
	int64_t most = hold_most_ms(as);
	if (!audit_on(as) && au->fd < 0) {
		switched_off(as);
	}
	if (au->n == 0 && (au->fd >= 0 || !wants_channel(au))) {
		return INT64_MAX;
	}
	if (au->n == 0) {
		push(as);
		return au->fd < 0 ? au->retry_ms : INT64_MAX;
	}
	int64_t oldest = INT64_MAX;
	for (unsigned i = 0; i < au->n; i++) {
		const struct audit_pending *p = &au->pending[(au->first + i) % AUDIT_PENDING];
		oldest = p->since_ms < oldest ? p->since_ms : oldest;
	}
	bool hold = as->site->audit.unrecorded == UNRECORDED_HOLD;
	if (au->hopeless || now_ms >= oldest + most || (!hold && au->fd < 0 && now_ms < au->retry_ms)) {
		give_up(as, au->hopeless ? au->hopeless
			    : au->fd < 0 ? "the auditor, which keeps the journal, is away"
					 : "the auditor did not record it in time");
		return now_ms; /* there are answers to be given */
	}
	push(as);
	int64_t at = oldest + most;
	return next_unsent(au) && au->retry_ms > now_ms && au->retry_ms < at ? au->retry_ms : at;
}

/* Until there is no more pending than that. */
static void wait_until(struct association *as, unsigned n, size_t copies, int64_t deadline_ms)
{
	struct audit *au = as->audit;
	int64_t left;
	push(as);
	while (!au->hopeless && (au->n > n || au->copies_len > copies) &&
		(left = deadline_ms - clock_mono_ms()) > 0) {
		struct pollfd p = {.fd = au->fd, .events = audit_events(as)};
		(void)poll(&p, 1, (int)(left < RETRY_MS ? left : RETRY_MS));
		take_answers(as);
	}
}

bool audit_room(const struct association *as)
{
	const struct audit *au = as->audit;
	return AUDIT_PENDING - au->n >= AUDIT_SPARE &&
	       AUDIT_COPIES - au->copies_len >= AUDIT_QUERY_MOST + AUDIT_SPARE * AUDIT_EVENT_MOST;
}

/* What has to wait for its record and cannot even be told does not pass. */
static void cannot_tell(struct association *as, const struct audit_event *ev, struct audit_pending how)
{
	struct audit *au = as->audit;
	log_say(LOG_LEVEL_ERROR, "audit.lost", "an event `%s` could not be told", audit_kind_name(ev->kind));
	if (how.bars == BARS_NONE) {
		gate_unrecorded(as, ev->kind, 1);
		return;
	}
	au->hopeless = "it cannot be told to the auditor";
	if (au->n < AUDIT_PENDING) {
		how.follows = true; /* it stays until all is given up */
		how.serial = 0;
		how.len = 0;
		au->pending[(au->first + au->n++) % AUDIT_PENDING] = how;
	}
	audit_bar(as);
}

void audit_tell(
	struct association *as, const struct audit_event *ev, int64_t number, struct audit_pending how)
{
	struct audit *au = as->audit;
	if (au->n == AUDIT_PENDING || AUDIT_COPIES - au->copies_len < AUDIT_QUERY_MOST + sizeof(*ev)) {
		wait_until(as, 0, 0, clock_mono_ms() + hold_most_ms(as));
	}
	how.number = number;
	how.kind = (uint8_t)ev->kind;
	how.since_ms = clock_mono_ms();
	how.at = au->copies_len;
	if (au->n == AUDIT_PENDING ||
		audit_event_write(ev, au->copies + how.at, AUDIT_COPIES - how.at, &how.len) != 0) {
		cannot_tell(as, ev, how);
		return;
	}
	au->pending[(au->first + au->n++) % AUDIT_PENDING] = how;
	au->copies_len += how.len;
	audit_bar(as);
	push(as);
}

void audit_tell_progress(struct association *as, struct audit_transfer *t)
{
	static uint8_t bytes[16u * 1024];
	enum audit_kind kind = t->ev.kind;
	size_t len;
	t->ev.kind = AUDIT_PROGRESS;
	if (as->audit->fd >= 0 && audit_event_write(&t->ev, bytes, sizeof(bytes), &len) == 0) {
		say(MSG_EVENT, t->record);
		said.bytes = span_of(bytes, len);
		/* Not answered, and not missed: the next one has the sums again. */
		(void)!message_send(as->audit->fd, &said);
	}
	t->ev.kind = kind;
}

void audit_rest(struct association *as)
{
	struct audit *au = as->audit;
	if (au->n > 0) {
		wait_until(as, 0, AUDIT_COPIES, clock_mono_ms() + LAST_WORDS_MS);
	}
	if (au->n > 0) {
		tell_unrecorded(as, true);
		log_event(LOG_LEVEL_ERROR, "audit.lost",
			"what this association did last may not be in the journal: the auditor did not answer",
			LOG_NUMBER("association", (int64_t)as->start->id), LOG_NUMBER("events", au->n));
	}
}
