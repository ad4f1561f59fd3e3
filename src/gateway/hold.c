/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/hold.h"
#include "gateway/exchange.h"
#include "gateway/hold_clean.h"
#include "gateway/hold_keep.h"
#include "gateway/hold_originals.h"
#include "gateway/hold_parts.h"
#include "gateway/hold_say.h"
#include "gateway/hold_scan.h"
#include "gateway/hold_sign.h"
#include "gateway/hold_vouch.h"

#include <stdio.h>
#include <string.h>

/*
 * What is kept of an object that passes unjudged, so that its last fragment is never an empty one, which some
 * receivers take for the end of another.
 */
#define LEAST 2

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
	h->inspecting = h->begun = h->failed = h->too_large = false;
	remake_drop(&h->remake);
	hold_clean_drop(h);
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
	const struct hold *h = hold_of(as, s);
	bool begun = h->begun;
	struct verdict is = *v;
	is.lasting = h->too_large;
	hold_drop(as, s);
	exchange_refuse(as, s, &is);
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
	bool keep = false, wants = h->content.strictest == ACTION_QUARANTINE;
	if (h->i.n_findings == before || !hold_is_kept(s) || (wants && !h->failed)) {
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

size_t hold_space(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	const struct side *to = s == &as->a ? &as->b : &as->a;
	bool lent = to->out.sent < h->borrowed; /* of the object before */
	return h->state == HOLD_TAKING && !lent ? hold_capacity(h) - h->len : 0;
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
	if (h->state == HOLD_NONE && !h->message && !h->scanning && !hold_is_kept(s)) {
		return false; /* as mostly: this is asked at each step of the relay */
	}
	bool kept = (hold_is_kept(s) && hold_space(as, s) == 0) || is_message_lent(h, to);
	return kept || hold_scan_is_full(h) || h->state == HOLD_ASKING || h->state == HOLD_CLEANING;
}

bool hold_is_half_way(const struct association *as, const struct side *s)
{
	return hold_is_kept(s) && hold_of(as, s)->begun;
}

bool hold_is_passing(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	bool full = h->state == HOLD_TAKING && hold_space(as, s) == 0;
	bool ours = full || h->state == HOLD_CLEANING || h->state == HOLD_PASSING || h->state == HOLD_KEEPING;
	return (hold_is_kept(s) && ours) || h->state == HOLD_ASKING || hold_scan_is_full(h);
}

void hold_let_go(struct association *as, struct side *s, const char *why)
{
	struct hold *h = hold_of(as, s);
	if (!hold_clean_give_up(as, s, h, why) || !hold_originals_give_up(as, s, h, why) ||
		!hold_vouch_give_up(as, s, h, why)) {
		return;
	}
	if (h->judged) {
		unjudged(as, s, why);
	} else {
		h->keep = 0;
		h->until_ms = INT64_MAX;
	}
}

void hold_make_room(struct association *as, struct side *s)
{
	struct hold *h = hold_of(as, s);
	h->room.waits = true;
	int e = hold_room_store(as, &h->room, h->memory, h->len);
	if (e == ERR_AGAIN) {
		return; /* memory is full: nothing more is read of it until there is room */
	}
	if (e == 0) {
		h->len = 0;
		return;
	}
	char why[160];
	h->too_large = e == ERR_LENGTH;
	snprintf(why, sizeof(why), "it is larger than what is held in memory, and %s", hold_room_why(e));
	hold_let_go(as, s, why);
}

void hold_take(struct association *as, struct side *s, struct span bytes)
{
	struct hold *h = hold_of(as, s);
	if (!h->cleans) {
		hold_originals_feed(h, bytes);
	}
	hold_vouch_feed(h, bytes);
	if (bytes.ptr != h->memory + h->len) {
		memcpy(h->memory + h->len, bytes.ptr, bytes.len);
	}
	h->len += bytes.len;
	if (h->len == hold_capacity(h) && h->keep == UINT64_MAX) {
		hold_make_room(as, s);
	}
}

bool hold_go_on(struct association *as, struct side *s)
{
	struct hold *h = hold_of(as, s);
	if (!h->collects && (!hold_originals_end(as, s, h) || !hold_vouch_end(as, s, h))) {
		return false;
	}
	h->keep = 0;
	h->state = HOLD_PASSING;
	return true;
}

/* Nothing is against it. True: it goes on, by hold_pump() or hold_clean_step(). */
static bool goes_on(struct association *as, struct side *s)
{
	struct hold *h = hold_of(as, s);
	return h->cleans ? hold_clean_start(as, s, h) : hold_go_on(as, s);
}

bool hold_judge(struct association *as, struct side *s)
{
	struct hold *h = hold_of(as, s);
	struct verdict v;
	bool keep = false, said = hold_say_verdict(as, s, h, &v, &keep);
	if (!hold_is_kept(s)) {
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
	if (!h->inspecting && h->state == HOLD_TAKING && hold_is_kept(s)) {
		return goes_on(as, s); /* nothing is to be judged */
	}
	if (!h->inspecting) {
		return false;
	}
	inspect_end(&h->i);
	inspect_want(&h->i, &h->content.wanted);
	hold_sign_end(as, h);
	if (!hold_scan_end(h)) {
		return hold_judge(as, s);
	}
	/* What is not held has passed: its message is over, and the next one waits. */
	h->state = HOLD_ASKING;
	return hold_is_kept(s);
}
