/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/hold_remake.h"
#include "gateway/exchange.h"
#include "gateway/hold_originals.h"
#include "gateway/hold_parts.h"
#include "gateway/hold_vouch.h"
#include "gateway/relay.h"

#include <stdio.h>

/* What is kept back of what is made, so that the last fragment is not an empty one. */
#define LEAST 2

/* What is released from quarantine leaves as the flow by which it came would have it. */
const struct deidentify_flow *hold_remakes(const struct association *as, const struct operation *o)
{
	if (o->field != C_STORE_RQ) {
		return NULL;
	}
	const struct flow *f = renaming_flow(as, o, ~0u);
	return f ? f->deidentify : NULL;
}

/* Never softened, by observe mode neither: there is nothing else that could pass than the object as it is. */
void hold_remake_refuse(
	struct association *as, struct side *s, const struct hold *h, enum rule rule, const char *why)
{
	struct verdict v;
	verdict_of(as->site, &as->route, h->flow, rule, why, &v);
	v.refuse = true;
	v.observed = v.alarm = false;
	hold_refuse(as, s, &v);
}

static void refuse_for(
	struct association *as, struct side *s, const struct hold *h, const struct deidentify *engine, int e)
{
	char buf[160];
	bool away =
		e == ERR_CLOSED || e == ERR_TIMEOUT || e == ERR_PEER || e == ERR_NO_MEMORY || e == ERR_SPACE;
	enum rule rule = away ? RULE_UNJUDGED : h->remake.anew ? RULE_DEIDENTIFY : RULE_SIGN;
	hold_remake_refuse(as, s, h, rule, remake_why(engine, e, buf, sizeof(buf)));
}

void hold_remake_fail(
	struct association *as, struct side *s, struct hold *h, struct deidentify *engine, int e)
{
	refuse_for(as, s, h, engine, e);
}

static void refuse(struct association *as, struct side *s, struct hold *h, int e)
{
	bool whole = h->state == HOLD_PASSING;
	refuse_for(as, s, h, h->remake.engine, e);
	if (whole && !as->over) {
		exchange_finish(as, s);
	}
}

bool hold_remake_begin(struct association *as, struct side *s, struct hold *h,
	const struct deidentify_flow *flow, struct operation *o)
{
	const struct deidentify_rules *rules = flow ? &flow->rules : NULL;
	renaming_enter(
		as, s == &as->a && o->flow >= 0 && as->site->flows[o->flow].services & 1u << SERVICE_STORE);
	int e = rules ? remake_uid(&as->holds->names, rules, s->msg.command.affected_sop_instance,
				h->new_instance)
	              : 0;
	e = e ? e : remake_begin(&h->remake, rules, &as->holds->names, as->context[s->msg.context].transfer);
	if (e < 0) {
		refuse(as, s, h, e);
		return false;
	}
	o->remade = rules != NULL;
	return true;
}

const char *hold_new_instance(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	return h->remake.on && h->remake.anew ? h->new_instance : NULL;
}

static bool is_lent(const struct hold *h, const struct side *to)
{
	return to->out.sent < h->remake.borrowed && !out_empty(&to->out);
}

/* How many of the bytes that came may be made anew now. */
static uint64_t usable(const struct hold *h)
{
	uint64_t all = hold_waiting(h), rest = all - h->fed;
	return rest > h->keep ? rest - h->keep : 0;
}

static bool can_fill(const struct hold *h, const struct side *to)
{
	const struct remake *r = &h->remake;
	bool more = h->fed > 0 || r->piece.len > 0 || usable(h) > 0 || (h->state == HOLD_PASSING && !r->last);
	return !r->ended && more && !is_lent(h, to) && r->len - r->passed < sizeof(r->made);
}

/* What has left makes place, and what came becomes what leaves, until `made` is full. *ret_lost: what came cannot be read back. */
static int fill(struct hold *h, const struct side *to, bool *ret_lost)
{
	struct remake *r = &h->remake;
	int e = 0;
	if (r->passed > 0) {
		memmove(r->made, r->made + r->passed, r->len - r->passed);
		r->len -= r->passed;
		r->passed = 0;
	}
	for (;;) {
		e = remake_make(r);
		if (e != REMAKE_WANTS) {
			return e < 0 ? e : 0;
		}
		hold_advance(h, h->fed);
		h->fed = 0;
		uint64_t may = usable(h);
		if (may == 0 && (h->state != HOLD_PASSING || hold_waiting(h) > 0)) {
			return 0;
		}
		if (may == 0) {
			remake_last(r);
			continue;
		}
		struct span piece = hold_oldest(h, false, &e);
		if (e < 0) {
			*ret_lost = true;
			return e;
		}
		h->fed = piece.len < may ? piece.len : (size_t)may;
		remake_feed(r, span_of(piece.ptr, h->fed));
	}
}

/* Bytes that are made and may be queued. */
static size_t made(const struct remake *r)
{
	size_t all = r->len - r->passed;
	if (r->ended) {
		return all;
	}
	return r->len == sizeof(r->made) && all > LEAST ? all - LEAST : 0;
}

static bool pass_one(struct association *as, struct side *s, struct hold *h)
{
	struct side *to = other_side(as, s);
	struct remake *r = &h->remake;
	size_t n = made(r), most = relay_payload_limit(to);
	if ((n == 0 && !r->ended) || !relay_room_for_fragment(to)) {
		return false;
	}
	bool last = r->ended && n <= most;
	n = n < most ? n : most;
	relay_put_fragment(to, h->out_context, span_of(r->made + r->passed, n), last);
	r->passed += n;
	r->borrowed = to->out.queued;
	if (last) {
		exchange_finish(as, s);
		hold_drop(as, s);
	}
	return true;
}

bool hold_remake_is_ready(const struct association *as, const struct side *s, const struct hold *h)
{
	const struct side *to = s == &as->a ? &as->b : &as->a;
	const struct remake *r = &h->remake;
	if (h->collects || h->vouching.rehearses || can_fill(h, to)) {
		return true;
	}
	return (made(r) > 0 || r->ended) && relay_room_for_fragment(to) && hold_may_begin(as, s, h);
}

bool hold_remake_pump(struct association *as, struct side *s, struct hold *h)
{
	const struct side *to = other_side(as, s);
	bool moved = false, lost = false;
	if (h->collects) {
		hold_originals_collect(as, s, h);
		return true;
	}
	if (h->vouching.rehearses) {
		hold_vouch_rehearse(as, s, h);
		return true;
	}
	while (h->remake.on && can_fill(h, to)) {
		int e = fill(h, to, &lost);
		if (lost) {
			hold_lost(as, s, h);
			return true;
		}
		if (e < 0) {
			refuse(as, s, h, e);
			return true;
		}
		moved = true;
		if (h->remake.passed == 0 && made(&h->remake) == 0 && !h->remake.ended) {
			return moved;
		}
		break;
	}
	if (!h->remake.on || (made(&h->remake) == 0 && !h->remake.ended)) {
		return moved;
	}
	int e = book_flush(as); /* before anything under a new name leaves */
	if (e < 0) {
		refuse(as, s, h, e);
		return true;
	}
	if (!hold_begin_passing(as, s, h)) {
		return moved;
	}
	while (h->remake.on && pass_one(as, s, h)) {
		moved = true;
	}
	return moved;
}
