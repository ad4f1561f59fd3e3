/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/hold.h"
#include "base/clock.h"
#include "gateway/exchange.h"
#include "gateway/hold_keep.h"
#include "gateway/hold_originals.h"
#include "gateway/hold_remake.h"
#include "gateway/hold_say.h"
#include "gateway/hold_scan.h"
#include "gateway/hold_sign.h"
#include "gateway/hold_vouch.h"
#include "gateway/relay.h"

#include <stdio.h>
#include <string.h>

/*
 * What is kept of an object that passes unjudged, so that its last fragment is never an empty one, which some
 * receivers take for the end of another.
 */
#define LEAST 2

/* Less than this is not worth a fragment of its own while more may come. */
#define CRUMB (16u * 1024)

/* Who has hung up is not waited for longer while the virus scanner is asked, nor longer than the scanner's own `timeout`. */
#define REST_MS 15000

static bool is_kept(const struct side *s)
{
	return s->msg.phase == IN_DATA && s->msg.disposition == KEEP;
}

/* Bytes that have come and not gone. */
uint64_t hold_waiting(const struct hold *h)
{
	return h->room.stored - h->room.loaded + (h->load_len - h->load_passed) + (h->len - h->passed) +
	       (h->message_len - h->message_passed);
}

void hold_drop(struct association *as, const struct side *s)
{
	struct hold *h = hold_of(as, s);
	if (h->pinned) {
		return;
	}
	if (h->state == HOLD_KEEPING) {
		keep_done(&h->keeping);
	}
	if (h->state != HOLD_NONE || h->inspecting) {
		hold_room_reset(&h->room);
	}
	hold_scan_drop(h);
	hold_sign_drop(h);
	h->state = HOLD_NONE;
	h->inspecting = h->begun = h->failed = false;
	remake_drop(&h->remake);
	hold_originals_drop(h);
	hold_vouch_drop(h);
	h->keep = 0;
	h->len = h->passed = h->load_len = h->load_passed = h->fed = 0;
	h->message_len = h->message_passed = 0;
}

/* ---- It ends in a refusal ---- */

/* Not judged, or judged bad: our own answer, and nothing of it is left at the other side. */
void hold_refuse(struct association *as, struct side *s, const struct verdict *v)
{
	bool begun = hold_of(as, s)->begun;
	hold_drop(as, s);
	exchange_refuse(as, s, v);
	if (begun) {
		exchange_cut_off(as, s, "an object that may not pass was cut off before its end");
	}
}

/* No verdict can be had: the flow says what happens. */
static void unjudged(struct association *as, struct side *s, const char *why)
{
	struct hold *h = hold_of(as, s);
	struct verdict v;
	bool keep = false;
	/* What was found in it already is known, whatever could not be. */
	if (hold_say_verdict(as, s, h, &v, &keep) && v.rule == RULE_CONTENT && v.refuse) {
		hold_refuse(as, s, &v);
		return;
	}
	verdict_of(as->site, &as->route, h->flow, RULE_UNJUDGED, why, &v);
	if (h->content.fail == HOLD_FAIL_PASS && v.refuse) {
		v.refuse = false;
		v.alarm = true;
	}
	if (v.refuse) {
		hold_refuse(as, s, &v);
		return;
	}
	exchange_remark(as, s, &v);
	h->failed = true;
	h->keep = LEAST;
}

/* ---- It comes in ---- */

/* What is refused stays refused: the rest need not be kept, unless it is wanted for the quarantine. */
static void judge_early(struct association *as, struct side *s, unsigned before)
{
	struct hold *h = hold_of(as, s);
	struct verdict v;
	bool keep = false, wants = inspect_policy_strictest(&h->content.policy) == ACTION_QUARANTINE;
	if (h->i.n_findings == before || !is_kept(s) || (wants && !h->failed)) {
		return;
	}
	if (inspect_judge(&h->i, &h->content.policy).action >= ACTION_REFUSE &&
		hold_say_verdict(as, s, h, &v, &keep) && v.refuse) {
		hold_refuse(as, s, &v);
	}
}

void hold_look(struct association *as, struct side *s, struct span bytes)
{
	struct hold *h = hold_of(as, s);
	if (h->inspecting) {
		unsigned before = h->i.n_findings;
		inspect_feed(&h->i, bytes);
		hold_sign_feed(h, bytes);
		hold_scan_feed(h, bytes);
		judge_early(as, s, before);
	}
}

/* What is in the file already goes on there by the block, while the processor's cache has it. */
static size_t capacity(const struct hold *h)
{
	return h->room.stored > 0 ? HOLD_BLOCK : HOLD_MEMORY;
}

size_t hold_space(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	const struct side *to = s == &as->a ? &as->b : &as->a;
	bool lent = to->out.sent < h->borrowed; /* of the object before */
	return h->state == HOLD_TAKING && !lent ? capacity(h) - h->len : 0;
}

uint8_t *hold_place(const struct association *as, const struct side *s)
{
	struct hold *h = hold_of(as, s);
	return h->memory + h->len;
}

static bool is_message_lent(const struct hold *h, const struct side *to)
{
	return h->message && to->out.sent < h->borrowed;
}

bool hold_is_full(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	const struct side *to = s == &as->a ? &as->b : &as->a;
	bool kept = (is_kept(s) && hold_space(as, s) == 0) || is_message_lent(h, to);
	return kept || hold_scan_is_full(h) || h->state == HOLD_ASKING;
}

/* It cannot be held whole any longer. */
static void let_go(struct association *as, struct side *s, const char *why)
{
	struct hold *h = hold_of(as, s);
	if (!hold_originals_give_up(as, s, h, why) || !hold_vouch_give_up(as, s, h, why)) {
		return;
	}
	if (h->judged) {
		unjudged(as, s, why);
	} else {
		h->keep = 0;
		h->until_ms = INT64_MAX;
	}
}

static void make_room(struct association *as, struct side *s)
{
	struct hold *h = hold_of(as, s);
	int e = hold_room_store(as, &h->room, h->memory, h->len);
	if (e == 0) {
		h->len = 0;
		return;
	}
	char why[128];
	snprintf(why, sizeof(why), "it is larger than what is held in memory, and %s",
		e == ERR_LIMIT ? "`hold-quota`, of which one association has half at most, has no room for it"
		: e == ERR_SPACE ? "the disk is full"
				 : "the store does not answer");
	let_go(as, s, why);
}

void hold_take(struct association *as, struct side *s, struct span bytes)
{
	struct hold *h = hold_of(as, s);
	hold_originals_feed(h, bytes);
	hold_vouch_feed(h, bytes);
	if (bytes.ptr != h->memory + h->len) {
		memcpy(h->memory + h->len, bytes.ptr, bytes.len);
	}
	h->len += bytes.len;
	if (h->len == capacity(h) && h->keep == UINT64_MAX) {
		make_room(as, s);
	}
}

/* Nothing is against it. True: it goes on by hold_pump(). */
static bool goes_on(struct association *as, struct side *s)
{
	struct hold *h = hold_of(as, s);
	if (!hold_originals_end(as, s, h) || !hold_vouch_end(as, s, h)) {
		return false;
	}
	h->keep = 0;
	h->state = HOLD_PASSING;
	return true;
}

/* All is known of it. True: it goes on by hold_pump(). */
static bool judge(struct association *as, struct side *s)
{
	struct hold *h = hold_of(as, s);
	struct verdict v;
	bool keep = false, said = hold_say_verdict(as, s, h, &v, &keep);
	if (!is_kept(s)) {
		h->inspecting = false;
		h->state = HOLD_NONE;
		if (said) {
			v.observed = v.observed || v.refuse; /* it has passed, whatever a reload says since */
			v.refuse = false;
			exchange_remark(as, s, &v);
		}
		return false;
	}
	if (said && v.refuse) {
		/* Of what passed unjudged until now the end is still here: it is cut off, and too little is left to be kept. */
		keep = keep && !h->begun && !h->failed;
		if (keep && hold_keep_begin(as, s, h, &v)) {
			return true;
		}
		if (!keep) {
			hold_refuse(as, s, &v);
		}
		return false;
	}
	if (said) {
		exchange_remark(as, s, &v);
	}
	return goes_on(as, s);
}

bool hold_end(struct association *as, struct side *s)
{
	struct hold *h = hold_of(as, s);
	if (!h->inspecting && h->state == HOLD_TAKING && is_kept(s)) {
		return goes_on(as, s); /* nothing is to be judged */
	}
	if (!h->inspecting) {
		return false;
	}
	inspect_end(&h->i);
	inspect_want(&h->i, &h->content.wanted);
	hold_sign_end(as, h);
	if (!hold_scan_end(h)) {
		return judge(as, s);
	}
	/* What is not held has passed: its message is over, and the next one waits. */
	h->state = HOLD_ASKING;
	return is_kept(s);
}

/* ---- The virus scanner ---- */

static void go_on(struct association *as, struct side *s, int64_t now_ms)
{
	struct hold *h = hold_of(as, s);
	bool kept = is_kept(s);
	if (hold_scan_go_on(h, now_ms) && h->state == HOLD_ASKING && !judge(as, s) && kept && !as->over) {
		exchange_finish(as, s);
	}
}

void hold_ready(struct association *as, struct side *s)
{
	go_on(as, s, clock_mono_ms());
}

static int64_t rest_of(const struct association *as)
{
	int64_t ms = (int64_t)as->site->antivirus.timeout_s * 1000;
	return ms < REST_MS ? ms : REST_MS;
}

bool hold_watches(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	return h->state == HOLD_ASKING && h->scanning && !h->left;
}

static bool between_pdus(const struct side *s)
{
	return s->pdu_left == 0 && !s->in_pdv;
}

bool hold_peeks(const struct association *as, const struct side *s)
{
	return hold_watches(as, s) && between_pdus(s) && side_unread(s).len == 0;
}

/* PS3.8 9.2, AA-3: who aborts has left, also if it leaves its connection open. */
static void look_for_abort(struct association *as, struct side *s)
{
	struct span unread = side_unread(s);
	if (hold_watches(as, s) && between_pdus(s) && unread.len > 0 && unread.ptr[0] == PDU_ABORT) {
		hold_left(as, s);
	}
}

void hold_left(struct association *as, struct side *s)
{
	struct hold *h = hold_of(as, s);
	h->left = true;
	scan_hurry(&h->scan, clock_mono_ms(), rest_of(as));
}

/* Who hangs up does not escape the record of what has passed; nor does it keep a process for long. */
void hold_rest(struct association *as)
{
	struct side *sides[] = {&as->a, &as->b};
	int64_t until_ms = clock_mono_ms() + rest_of(as);
	for (unsigned k = 0; k < ARRAY_LEN(sides); k++) {
		struct hold *h = &as->holds->of[k];
		while (h->state == HOLD_ASKING && !is_kept(sides[k]) && clock_mono_ms() < until_ms) {
			struct pollfd p = hold_poll(as, sides[k]);
			(void)poll(&p, 1, 100);
			go_on(as, sides[k], clock_mono_ms());
		}
		if (h->state == HOLD_ASKING && !is_kept(sides[k])) {
			hold_scan_give_up(
				h, "its association ended, and the virus scanner did not answer soon after");
			(void)judge(as, sides[k]);
		}
	}
}

/* ---- It goes on ---- */

bool hold_is_half_way(const struct association *as, const struct side *s)
{
	return is_kept(s) && hold_of(as, s)->begun;
}

bool hold_is_passing(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	bool full = h->state == HOLD_TAKING && hold_space(as, s) == 0;
	return (is_kept(s) && (full || h->state == HOLD_PASSING || h->state == HOLD_KEEPING)) ||
	       h->state == HOLD_ASKING || hold_scan_is_full(h);
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

/* The command, once the first byte may follow. False: not now, or it has been refused. */
bool hold_begin_passing(struct association *as, struct side *s, struct hold *h)
{
	if (h->begun || !hold_may_begin(as, s, h)) {
		return h->begun;
	}
	struct verdict v = {0};
	if (!exchange_may_pass(as, s, &v)) {
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
	if (exchange_pass_command(as, s) != 0) {
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

/* One fragment. False: not now. */
static bool pass_one(struct association *as, struct side *s, struct hold *h, int *ret_e)
{
	struct side *to = other_side(as, s);
	uint64_t all = hold_waiting(h), may = all > h->keep ? all - h->keep : 0;
	size_t most = relay_payload_limit(to) & ~(size_t)1;
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
	relay_put_fragment(to, s->msg.context, span_of(piece.ptr, n), last);
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
	bool pays = h->passed > 0 && (h->len == capacity(h) || h->passed / 4 >= h->len - h->passed);
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

/* What was kept of it is gone. */
static void lost(struct association *as, struct side *s, struct hold *h)
{
	struct verdict v;
	bool whole = h->state == HOLD_PASSING;
	verdict_of(
		as->site, &as->route, h->flow, RULE_UNJUDGED, "what was held of it cannot be read back", &v);
	v.refuse = true;
	hold_refuse(as, s, &v);
	if (whole && !as->over) {
		exchange_finish(as, s);
	}
}

bool hold_is_ready(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	const struct side *to = s == &as->a ? &as->b : &as->a;
	uint64_t all = hold_waiting(h), may = all > h->keep ? all - h->keep : 0;
	if (!is_kept(s) || h->state == HOLD_NONE || h->state == HOLD_KEEPING || as->over) {
		return false;
	}
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
	if (!is_kept(s) || h->state == HOLD_NONE || h->state == HOLD_KEEPING || as->over) {
		return false;
	}
	bool moved = close_up(h, other_side(as, s));
	if (h->remake.on) {
		return hold_remake_pump(as, s, h) || moved;
	}
	if ((hold_waiting(h) <= h->keep && h->state != HOLD_PASSING) || !hold_begin_passing(as, s, h)) {
		return moved;
	}
	while (is_kept(s) && h->state != HOLD_NONE && pass_one(as, s, h, &e)) {
		moved = true;
	}
	if (e != 0) {
		lost(as, s, h);
	}
	return moved;
}

/* ---- What may come in between ---- */

/* It was complete already, and the scanner has not answered: that is one thing more to be judged. */
static void end_of_asking(struct association *as, struct side *s, const char *why)
{
	struct hold *h = hold_of(as, s);
	hold_scan_give_up(h, why);
	if (!judge(as, s) && !as->over) {
		exchange_finish(as, s);
	}
}

int64_t hold_check(struct association *as, int64_t now_ms)
{
	struct side *sides[] = {&as->a, &as->b};
	int64_t next = INT64_MAX;
	for (unsigned k = 0; k < ARRAY_LEN(sides) && !as->over; k++) {
		struct hold *h = &as->holds->of[k];
		look_for_abort(as, sides[k]);
		go_on(as, sides[k], now_ms);
		bool asking = h->state == HOLD_ASKING;
		bool counts = is_kept(sides[k]) && (h->state == HOLD_TAKING || asking) && !h->failed;
		if (h->state == HOLD_KEEPING) {
			int64_t late = hold_keep_check(as, sides[k], h, now_ms);
			next = late < next ? late : next;
		}
		if (counts && h->until_ms <= now_ms) {
			char why[64];
			snprintf(why, sizeof(why), "it was held for %u seconds, `hold-max`",
				h->content.hold_max);
			if (asking) {
				end_of_asking(as, sides[k], why);
			} else {
				let_go(as, sides[k], why);
			}
		} else if (counts && h->until_ms < next) {
			next = h->until_ms;
		}
		next = hold_scan_due(h) < next ? hold_scan_due(h) : next;
	}
	return next;
}
