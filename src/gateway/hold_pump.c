/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/exchange.h"
#include "gateway/hold_clean.h"
#include "gateway/hold_parts.h"
#include "gateway/hold_remake.h"
#include "gateway/relay.h"
#include "gateway/spare.h"

#include <string.h>

/* What is held leaves: of an object that is made anew by gateway/hold_remake.h, of others as it came. */

/* Less than this is not worth a fragment of its own while more may come. */
#define CRUMB (16u * 1024)

/* Bytes that have come and not gone. */
uint64_t hold_waiting(const struct hold *h)
{
	return h->room.stored - h->room.loaded + (h->load_len - h->load_passed) + (h->len - h->passed) +
	       (h->message_len - h->message_passed);
}

/* With `hold: tail` the window towards the archive is one: aborting it for one object must not cost another. */
static bool must_wait(const struct association *as, const struct side *s, const struct hold *h)
{
	for (unsigned i = 0; h->content.hold == HOLD_TAIL && i < s->operations_end; i++) {
		if (s->operations[i].state == OPERATION_FORWARDED) {
			return true;
		}
	}
	return false;
}

bool hold_may_begin(const struct association *as, const struct side *s, const struct hold *h)
{
	const struct side *to = s == &as->a ? &as->b : &as->a;
	return h->begun || (!must_wait(as, s, h) && relay_room_for_command(to));
}

/* A target that was opened again may have accepted other contexts than before. False: refuse it with *ret_v. */
static bool may_leave_so(struct association *as, struct side *s, struct hold *h, struct verdict *ret_v)
{
	if (!h->syntax[0] || spare_find(as, s, s->msg.context, hold_out_syntax(as, s), &h->out_context)) {
		return true;
	}
	verdict_of(as->site, &as->route, h->flow, RULE_UPSTREAM_CONTEXT,
		"the target, opened again, did not accept the context of cleaned pixels again", ret_v);
	ret_v->refuse = true;
	return false;
}

/* The command, once the first byte may follow. False: not now, or it has been refused. */
bool hold_begin_passing(struct association *as, struct side *s, struct hold *h)
{
	if (h->begun || !hold_may_begin(as, s, h)) {
		return h->begun;
	}
	struct verdict v = {0};
	if (!exchange_may_pass(as, s, &v) || !may_leave_so(as, s, h, &v)) {
		bool whole = h->state == HOLD_PASSING;
		hold_refuse(as, s, &v);
		if (whole && !as->over) {
			exchange_finish(as, s);
		}
		return false;
	}
	if (h->remake.on && h->remake.anew && s == &as->a) {
		renaming_note(as, h->new_instance, uid_trim(s->msg.command.affected_sop_instance));
	}
	audit_pass(as, s);
	if (exchange_pass_command(as, s, h->out_context) != 0) {
		return false; /* cannot be: there was room */
	}
	h->begun = true;
	if (s->msg.operation) {
		s->msg.operation->held = false;
	}
	return true;
}

/* The oldest bytes that are in memory; read back, where they come from the file. */
struct span hold_oldest(struct hold *h, bool lent, int *ret_e)
{
	if (h->load_passed == h->load_len && h->room.loaded < h->room.stored && !lent) {
		size_t n = 0;
		*ret_e = hold_room_load(&h->room, hold_load(h), HOLD_LOAD, &n);
		h->load_len = *ret_e == 0 ? n : 0;
		h->load_passed = 0;
	}
	if (h->message_len > 0) {
		return span_of(h->message + h->message_passed, h->message_len - h->message_passed);
	}
	if (h->load_passed < h->load_len) {
		return span_of(hold_load(h) + h->load_passed, h->load_len - h->load_passed);
	}
	if (h->room.loaded < h->room.stored) {
		return (struct span){0}; /* when what was read back has left */
	}
	return span_of(h->memory + h->passed, h->len - h->passed);
}

void hold_advance(struct hold *h, size_t n)
{
	if (h->message_len > 0) {
		h->message_passed += n;
	} else if (h->load_passed < h->load_len) {
		h->load_passed += n;
	} else {
		h->passed += n;
	}
}

int hold_read_next(struct hold *h, struct span *ret_piece)
{
	size_t n = 0;
	int e = 0;
	*ret_piece = span_of(NULL, 0);
	if (h->room.loaded < h->room.stored) {
		e = hold_room_load(&h->room, hold_load(h), HOLD_LOAD, &n);
		*ret_piece = span_of(hold_load(h), e == 0 ? n : 0);
	} else if (!h->rest_read) {
		h->rest_read = true;
		*ret_piece = span_of(h->memory, h->len);
	}
	if (ret_piece->len == 0) {
		hold_read_again(h);
	}
	return e;
}

void hold_read_again(struct hold *h)
{
	hold_room_again(&h->room);
	h->rest_read = false;
}

/* One fragment. False: not now. */
static bool pass_one(struct association *as, struct side *s, struct hold *h, int *ret_e)
{
	struct side *to = other_side(as, s);
	uint64_t all = hold_waiting(h), may = all > h->keep ? all - h->keep : 0;
	size_t most = relay_payload_limit(to);
	bool whole = h->state == HOLD_PASSING;
	if ((may == 0 && !(whole && all == 0)) || !relay_room_for_fragment(to)) {
		return false;
	}
	struct span piece = hold_oldest(h, to->out.borrows, ret_e);
	if (*ret_e != 0 || (piece.len == 0 && all > 0)) {
		return false;
	}
	size_t n = piece.len < may ? piece.len : (size_t)may;
	n = n < most ? n : most;
	/* Not in crumbs: what has just come waits for more. PS3.8 Annex E: of even length. */
	if (!whole && n == may && n < most && n < CRUMB) {
		return false;
	}
	n = whole ? n : n & ~(size_t)1;
	bool last = whole && n == all;
	relay_put_fragment(to, h->out_context, span_of(piece.ptr, n), last);
	hold_advance(h, n);
	h->borrowed = to->out.queued;
	if (last) {
		exchange_finish(as, s);
		hold_drop(as, s);
	}
	return true;
}

/* What is left is moved when it is little beside what has gone, or when there is no room for more: a tail stays, and is much. */
static bool may_close_up(const struct hold *h, const struct side *to)
{
	bool pays = h->passed > 0 && (h->len == hold_capacity(h) || h->passed / 4 >= h->len - h->passed);
	return pays && (h->remake.on ? h->fed == 0 : !to->out.borrows);
}

/* What has left makes place for what comes. True: it did. */
static bool close_up(struct hold *h, const struct side *to)
{
	if (!may_close_up(h, to)) {
		return false;
	}
	memmove(h->memory, h->memory + h->passed, h->len - h->passed);
	h->len -= h->passed;
	h->passed = 0;
	return true;
}

void hold_lost(struct association *as, struct side *s, struct hold *h)
{
	bool whole = h->state == HOLD_PASSING;
	hold_remake_refuse(as, s, h, RULE_UNJUDGED, "what was held of it cannot be read back");
	if (whole && !as->over) {
		exchange_finish(as, s);
	}
}

bool hold_is_ready(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	const struct side *to = s == &as->a ? &as->b : &as->a;
	if (!hold_is_kept(s) || h->state == HOLD_NONE || h->state == HOLD_KEEPING || as->over) {
		return false; /* as mostly: this is asked at each turn of the loop */
	}
	if (h->state == HOLD_CLEANING) {
		return hold_clean_is_ready(h);
	}
	uint64_t all = hold_waiting(h), may = all > h->keep ? all - h->keep : 0;
	if (may_close_up(h, to)) {
		return true;
	}
	if (h->remake.on) {
		return hold_remake_is_ready(as, s, h);
	}
	if ((h->state != HOLD_PASSING && may < CRUMB) || !relay_room_for_fragment(to) ||
		!hold_may_begin(as, s, h)) {
		return false;
	}
	bool loads = h->load_passed == h->load_len && h->room.loaded < h->room.stored;
	return !loads || !to->out.borrows;
}

bool hold_pump(struct association *as, struct side *s)
{
	struct hold *h = hold_of(as, s);
	int e = 0;
	/* What goes into the quarantine lends its memory, and leaves nowhere else. */
	if (!hold_is_kept(s) || h->state == HOLD_NONE || h->state == HOLD_KEEPING || as->over) {
		return false;
	}
	if (h->state == HOLD_CLEANING) {
		hold_clean_step(as, s, h);
		return h->state != HOLD_CLEANING;
	}
	bool moved = close_up(h, other_side(as, s));
	if (h->remake.on) {
		return hold_remake_pump(as, s, h) || moved;
	}
	if ((hold_waiting(h) <= h->keep && h->state != HOLD_PASSING) || !hold_begin_passing(as, s, h)) {
		return moved;
	}
	while (hold_is_kept(s) && h->state != HOLD_NONE && pass_one(as, s, h, &e)) {
		moved = true;
	}
	if (e != 0) {
		hold_lost(as, s, h);
	}
	return moved;
}
