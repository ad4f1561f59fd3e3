/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/association.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/exchange.h"
#include "gateway/hold.h"
#include "gateway/hold_clean.h"
#include "gateway/hold_keep.h"
#include "gateway/relay.h"
#include "gateway/release.h"
#include "keys/link.h"
#include "priv/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * One association after its negotiation: a loop over three descriptors (caller, target, gate). Each turn takes what
 * came, sends what is owed, and looks at the clocks.
 */

/* A caller that says nothing for so long while the gateway stops has nothing in hand. */
#define STOP_IDLE_MS 2000

/* Longer than a slow token needs for one signature. */
#define KEYS_WAIT_MS 10000

enum {
	FD_A,
	FD_B,
	FD_GATE,
	FD_AUDIT,
	FD_KEEP_A,
	FD_KEEP_B,
	FD_SCAN_A,
	FD_SCAN_B,
	FD_CLEAN_A,
	FD_CLEAN_B,
	FD_COUNT
};

void association_abort(struct association *as, struct side *culprit, const struct parse_fail *fail)
{
	struct side *sides[] = {&as->a, &as->b};
	for (unsigned i = 0; i < ARRAY_LEN(sides); i++) {
		struct side *s = sides[i];
		if (!s->up) {
			continue;
		}
		struct pdu_abort why = {.source = 2, .reason = 0};
		if (s == culprit && fail) {
			why = pdu_abort_for(fail);
		}
		side_send_abort(s, why.source, why.reason);
		side_goodbye(s);
	}
	/* Both have been told before either is closed; what they still send is not ours to read. */
	side_close(&as->b);
	side_close(&as->a);
	as->over = true;
}

static void broke(struct association *as, struct side *s, const struct parse_fail *fail)
{
	char detail[192];
	struct verdict v;
	snprintf(detail, sizeof(detail), "the %s broke the protocol: %s (%s)", s->name, err_str(fail->code),
		fail->spec ? fail->spec : "");
	verdict_of(as->site, &as->route, -1, RULE_MALFORMED, detail, &v);
	(void)report_refusal(as, &v, &(struct subject){.answered = "A-ABORT"});
	report_ended(as, "%s", detail);
	if (s == &as->b) {
		struct pdu_abort why = pdu_abort_for(fail);
		side_send_abort(s, why.source, why.reason);
		side_goodbye(s);
		target_end(as, false, detail);
		return;
	}
	association_abort(as, s, fail);
}

/* ---- Clocks ---- */

static bool in_message(const struct side *s)
{
	return s->msg.phase != BETWEEN_MESSAGES || s->in_pdv || s->pdu_left > 0 || side_unread(s).len > 0;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When the oldest request that waits for this side's answer has waited too long. */
static int64_t response_deadline(const struct side *asker, const struct timeouts *t)
{
	int64_t at = INT64_MAX;
	for (unsigned i = 0; asker->n_operations > 0 && i < asker->operations_end; i++) {
		const struct operation *o = &asker->operations[i];
		if (o->state == OPERATION_FORWARDED || o->state == OPERATION_CUT) {
			at = sooner(at, o->since_ms + (int64_t)t->response * 1000);
		}
	}
	return at;
}

/* When this side must have moved, and what it has failed to do if it has not. */
static int64_t side_deadline(
	const struct association *as, const struct side *s, const struct timeouts *t, const char **ret_what)
{
	const struct side *o = s == &as->a ? &as->b : &as->a;
	int64_t message = (int64_t)t->message * 1000;
	if (!s->up || side_barred(s)) {
		return INT64_MAX; /* what waits for its record has a deadline of its own */
	}
	if (s->ul.state == UL_STA13 && as->stop_ms != 0) {
		return 0;
	}
	if (s->ul.state == UL_STA13) {
		*ret_what = "did not close after the release";
		return s->last_out_ms + (int64_t)t->artim * 1000;
	}
	if (s->ul.state != UL_STA6 && s->ul.state != UL_STA8) {
		*ret_what = "did not answer the release";
		return s->last_out_ms + message;
	}
	if (!out_empty(&s->out) || s->t.flush_pending) {
		*ret_what = "took no bytes";
		return (s->last_out_ms > s->last_in_ms ? s->last_out_ms : s->last_in_ms) + message;
	}
	if (in_message(s) && (!o->up || out_empty(&o->out)) && !hold_is_passing(as, s)) {
		*ret_what = "did not go on with a message";
		return s->last_in_ms + message;
	}
	*ret_what = "did not answer a request";
	return response_deadline(o, t);
}

static int64_t idle_deadline(const struct association *as)
{
	if (as->a.n_operations > 0 || as->b.n_operations > 0 || in_message(&as->a) || in_message(&as->b)) {
		return INT64_MAX;
	}
	int64_t last = as->a.last_in_ms > as->b.last_in_ms ? as->a.last_in_ms : as->b.last_in_ms;
	/* When the gateway stops, what is in hand is finished; silence is not waited out. */
	return last + (as->stop_ms != 0 ? STOP_IDLE_MS : (int64_t)as->timeouts_a.idle * 1000);
}

static void late_side(struct association *as, struct side *s, const char *what)
{
	char text[160];
	if (s->ul.state == UL_STA13) {
		side_close(s);
		as->over = s == &as->a;
		return;
	}
	snprintf(text, sizeof(text), "the %s %s in time", s->name, what);
	if (s == &as->b && as->a.ul.state == UL_STA6) {
		target_end(as, true, text);
		return;
	}
	report_ended(as, "%s", text);
	association_abort(as, NULL, NULL);
}

/* What was in hand is finished and answered: it may be ended without a loss. */
static bool is_at_rest(const struct association *as)
{
	return as->a.ul.state == UL_STA6 && idle_deadline(as) != INT64_MAX && out_empty(&as->a.out) &&
	       !as->a.t.flush_pending;
}

/*
 * The gate has died. A new one knows nothing of us: no reload would reach us, no limit would count us, no refusal would
 * have a number. What is in hand is finished and answered, then the caller is told to call again.
 */
static bool is_orphan(const struct association *as)
{
	return as->gate_lost && is_at_rest(as);
}

/* Who waits for us is late only once we have listened again. */
static void be_patient(struct association *as, int64_t now)
{
	struct side *sides[] = {&as->a, &as->b};
	for (unsigned i = 0; i < ARRAY_LEN(sides); i++) {
		if (in_message(sides[i]) && hold_is_passing(as, sides[i])) {
			sides[i]->last_in_ms = now;
		}
	}
}

/* Act on what is overdue; return how long poll may wait. */
static int check_clocks(struct association *as)
{
	int64_t now = clock_tick_ms();
	be_patient(as, now);
	const char *what_a = "", *what_b = "";
	int64_t audit = sooner(audit_check(as, now), audit_progress_due(as));
	int64_t held = as->over ? INT64_MAX : hold_check(as, now);
	if (as->over) {
		return 0;
	}
	int64_t a = side_deadline(as, &as->a, &as->timeouts_a, &what_a);
	int64_t b = side_deadline(as, &as->b, &as->timeouts_b, &what_b);
	int64_t idle = idle_deadline(as);
	int64_t stop = as->stop_ms ? as->stop_ms : INT64_MAX;
	if (b <= now) {
		late_side(as, &as->b, what_b);
	} else if (a <= now) {
		late_side(as, &as->a, what_a);
	} else if (is_orphan(as)) {
		report_ended(as, "the gate ended: a new association is needed");
		association_abort(as, NULL, NULL);
	} else if (expiry_refuses(as) && is_at_rest(as)) {
		expiry_end(as);
	} else if (idle <= now) {
		if (as->stop_ms != 0) {
			report_ended(as, "the gateway stops");
		} else {
			report_ended(as, "nothing was said for %u seconds", as->timeouts_a.idle);
		}
		association_abort(as, NULL, NULL);
	} else if (stop <= now) {
		report_ended(as, "the gateway stops");
		association_abort(as, NULL, NULL);
	}
	int64_t next = sooner(sooner(sooner(a, b), sooner(audit, held)), sooner(idle, stop));
	if (as->progress_due) {
		next = sooner(next, as->progress_ms + 1000);
	}
	int64_t expiry = expiry_left_ms(as);
	next = expiry < INT64_MAX ? sooner(next, now + expiry) : next;
	return next <= now ? 0 : (int)sooner(next - now, 60000);
}

/* ---- The loop ---- */

static bool may_read(const struct association *as, const struct side *s)
{
	const struct side *o = s == &as->a ? &as->b : &as->a;
	return s->up && (!s->blocked || hold_peeks(as, s)) &&
	       (!o->out.borrows || (side_barred(o) && audit_wants_more(as, s)));
}

/* Read more. False: nothing came, or it broke, or the side is lost. */
static bool fill(struct association *as, struct side *s)
{
	struct parse_fail fail = {0};
	int wrong = 0, e = relay_fill(as, s, &fail, &wrong);
	if (e == 0 && wrong != 0) {
		broke(as, s, &fail);
	}
	if (e != 0 && e != ERR_AGAIN && e != ERR_SPACE) {
		release_lost(as, s, e);
	}
	return e == 0 && wrong == 0;
}

static void take_side(struct association *as, struct side *s)
{
	struct parse_fail fail = {0};
	struct side *o = other_side(as, s);
	bool again = true;
	while (again && s->up && !as->over) {
		int e = relay_take(as, s, &fail);
		if (e != ERR_AGAIN) {
			broke(as, s, &fail);
			return;
		}
		if (s->blocked || s->in_len == SIDE_BUFFER) {
			audit_no_room(as, s);
		}
		bool moved = hold_pump(as, s);
		/* Nothing may stay queued that the next read would overwrite. */
		exchange_owed(as);
		if (o->up && (!out_empty(&o->out) || o->t.flush_pending)) {
			e = side_flush(o);
			if (e != 0 && e != ERR_AGAIN) {
				release_lost(as, o, e);
			}
		}
		again = moved || (s->blocked && relay_room(as, s));
		if (!again && s->up && s->t.more && may_read(as, s)) {
			again = fill(as, s);
		}
	}
}

static void serve_side(struct association *as, struct side *s, short revents)
{
	if (!s->up || as->over) {
		return;
	}
	if ((revents & (POLLRDHUP | POLLHUP | POLLERR)) && hold_watches(as, s)) {
		hold_left(as, s);
	}
	if ((revents & POLLOUT) || s->t.want_write) {
		int e = side_flush(s);
		if (e != 0 && e != ERR_AGAIN) {
			release_lost(as, s, e);
			return;
		}
	}
	if ((revents & (POLLIN | POLLHUP | POLLERR)) && may_read(as, s)) {
		(void)fill(as, s);
		as->progress_due = true;
	}
	if (!s->up || as->over) {
		return;
	}
	/* Also without new bytes: room may have come for what was left. */
	take_side(as, s);
}

static void clean_pixels(struct association *as, struct side *s, struct hold *h, short revents)
{
	if (revents && h->state == HOLD_CLEANING && !as->over) {
		hold_clean_step(as, s, h);
	}
}

static void flush_both(struct association *as)
{
	struct side *sides[] = {&as->a, &as->b};
	exchange_owed(as);
	for (unsigned i = 0; i < ARRAY_LEN(sides) && !as->over; i++) {
		struct side *s = sides[i];
		if (s->up && (!out_empty(&s->out) || s->t.flush_pending)) {
			int e = side_flush(s);
			if (e != 0 && e != ERR_AGAIN) {
				release_lost(as, s, e);
			}
		}
	}
}

/* A side that may neither read nor write is left out: a peer that hung up would else wake us without end. */
static struct pollfd side_poll(const struct association *as, const struct side *s)
{
	short events = s->up ? side_events(s, may_read(as, s)) : 0;
	events = (short)(events | (s->up && hold_watches(as, s) ? POLLRDHUP : 0));
	return (struct pollfd){.fd = events ? s->t.fd : -1, .events = events};
}

static bool has_work(const struct association *as, const struct side *s)
{
	return s->up &&
	       ((s->blocked && relay_room(as, s)) || (s->t.more && may_read(as, s)) || hold_is_ready(as, s));
}

/* Without those behind the last that is in use: the kernel goes over all it is given, twice. */
static nfds_t count_of(const struct pollfd *p)
{
	nfds_t n = FD_COUNT;
	while (n > 0 && p[n - 1].fd < 0) {
		n--;
	}
	return n;
}

/* It has said what it had to, and nothing more of it is on its way before the other side has answered. */
static bool is_others_turn(const struct association *as, const struct side *s)
{
	const struct side *o = s == &as->a ? &as->b : &as->a;
	return !in_message(s) && !as->ac->async.has && (s->n_operations > 0 || o->n_operations == 0);
}

/* What follows carries the acknowledgement where it can: one alone would be a packet more for each message. */
static void acknowledge(struct association *as)
{
	struct side *sides[] = {&as->a, &as->b};
	for (unsigned i = 0; i < ARRAY_LEN(sides); i++) {
		struct side *s = sides[i];
		if (is_others_turn(as, s)) {
			s->t.ack_due = false;
		}
		stream_ack(&s->t);
	}
}

static void relay_loop(struct association *as)
{
	while (!as->over) {
		int wait = check_clocks(as);
		if (as->over) {
			break;
		}
		if (has_work(as, &as->a) || has_work(as, &as->b)) {
			wait = 0;
		}
		struct pollfd p[FD_COUNT] = {
			[FD_A] = side_poll(as, &as->a),
			[FD_B] = side_poll(as, &as->b),
			[FD_GATE] = {.fd = as->gate_lost ? -1 : as->start->channel, .events = POLLIN},
			[FD_AUDIT] = {.fd = as->audit->fd, .events = audit_events(as)},
			[FD_KEEP_A] = hold_keep_poll(&as->holds->of[0]),
			[FD_KEEP_B] = hold_keep_poll(&as->holds->of[1]),
			[FD_SCAN_A] = hold_poll(as, &as->a),
			[FD_SCAN_B] = hold_poll(as, &as->b),
			[FD_CLEAN_A] = hold_clean_poll(&as->holds->of[0]),
			[FD_CLEAN_B] = hold_clean_poll(&as->holds->of[1]),
		};
		acknowledge(as);
		if (poll(p, count_of(p), wait) < 0 && errno != EINTR) {
			report_ended(as, "poll: %s", strerror(errno));
			association_abort(as, NULL, NULL);
			break;
		}
		be_patient(as, clock_tick_ms());
		if (p[FD_GATE].revents) {
			gate_take(as);
		}
		gate_apply(as);
		if (p[FD_AUDIT].revents) {
			audit_take(as);
		}
		if (p[FD_KEEP_A].revents) {
			hold_keep_step(as, &as->a, &as->holds->of[0]);
		}
		if (p[FD_KEEP_B].revents && !as->over) {
			hold_keep_step(as, &as->b, &as->holds->of[1]);
		}
		if (p[FD_SCAN_A].revents) {
			hold_ready(as, &as->a);
		}
		if (p[FD_SCAN_B].revents) {
			hold_ready(as, &as->b);
		}
		clean_pixels(as, &as->a, &as->holds->of[0], p[FD_CLEAN_A].revents);
		clean_pixels(as, &as->b, &as->holds->of[1], p[FD_CLEAN_B].revents);
		serve_side(as, &as->b, p[FD_B].revents);
		serve_side(as, &as->a, p[FD_A].revents);
		flush_both(as);
		audit_progress(as, clock_tick_ms());
		if (as->progress_due && clock_tick_ms() - as->progress_ms >= 1000) {
			as->progress_due = false;
			gate_progress(as, as->a.n_operations || in_message(&as->a) ? PROGRESS_IN_MESSAGE
										   : PROGRESS_IDLE);
		}
	}
}

/* ---- From the gate's fork to the end ---- */

/*
 * All the memory of an association but what its messages need. Untouched pages of it are the gate's zero page: large,
 * mostly empty structs cost what is used of them.
 */
static struct {
	struct association association;
	struct associate rq, proposal, ac;
	struct side_memory a, b;
	struct audit audit;
	struct holds holds;
} one;

static void prepare(struct association *as, const struct association_start *start)
{
	as->start = start;
	as->site = start->site;
	as->begun_ms = clock_mono_ms();
	as->progress_ms = as->begun_ms;
	as->timeouts_a = as->timeouts_b = site_timeouts(start->site, NULL);
	as->unreported_flow = -1;
	as->route.from = as->route.to = -1;
	as->caller.ip = start->peer_ip;
	as->caller.port = start->peer_port;
	as->caller.transport = TRANSPORT_PLAIN;
	as->caller.listener = &start->site->listeners[start->listener];
	as->caller.wall_s = clock_wall_ms() / 1000;
	netaddr_text(&as->caller.ip, as->caller_text);
	as->rq = &one.rq;
	as->proposal = &one.proposal;
	as->ac = &one.ac;
	as->audit = &one.audit;
	as->audit->fd = start->audit;
	as->holds = &one.holds;
	as->loss = RULE_UPSTREAM_LOST;
	side_init(&as->a, "caller", &one.a);
	side_init(&as->b, "target", &one.b);
}

/* The last counts, so that an hour's limit has every byte. */
static void report_rest(struct association *as)
{
	struct message *m = &as->ask;
	if (as->unreported_bytes > 0 && as->unreported_flow >= 0 && !as->gate_lost) {
		*m = (struct message){.type = MSG_OBJECT, .fd = -1, .generation = as->generation};
		m->object = (struct msg_object){.flow = as->unreported_flow, .bytes = as->unreported_bytes};
		if (message_send(as->start->channel, m) != 0) {
			log_say(LOG_LEVEL_NOTICE, "association.uncounted",
				"the gate did not take the last counts");
		}
	}
	gate_progress(as, PROGRESS_CLOSING);
}

void association_main(const struct association_start *start)
{
	/* Its process has one association and then ends: nothing is freed. */
	struct association *as = &one.association;
	log_role("association");
	prepare(as, start);
	/* Before the first byte of the network is read. */
	if (sandbox_load(start->sandbox) != 0) {
		log_say(LOG_LEVEL_ERROR, "association.failed", "the sandbox could not be entered: %s",
			strerror(errno));
		return;
	}
	link_use(start->keys, KEYS_WAIT_MS);
	standing_prepare(as);
	stream_open(&as->a.t, start->socket);
	as->a.up = true;
	if (negotiate(as) == 0) {
		as->a.last_in_ms = as->a.last_out_ms = as->b.last_in_ms = as->b.last_out_ms = clock_mono_ms();
		relay_loop(as);
	}
	/* A target that was open when the caller's negotiation failed is not left in doubt. */
	if (as->b.up) {
		association_abort(as, NULL, NULL);
	}
	hold_rest(as);
	audit_end_transfers(as, as->ended[0] ? as->ended : "the association ended");
	audit_rest(as);
	report_rest(as);
	if (as->caller.calling) {
		hold_report(as);
		report_end(as);
	}
	side_close(&as->a);
}
