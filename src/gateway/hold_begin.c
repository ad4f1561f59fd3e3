/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "gateway/exchange.h"
#include "gateway/hold_clean.h"
#include "gateway/hold_originals.h"
#include "gateway/hold_parts.h"
#include "gateway/hold_remake.h"
#include "gateway/hold_scan.h"
#include "gateway/hold_sign.h"
#include "gateway/hold_vouch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An object begins: what is looked for in it, what is made of it, and does it wait for that? */

/* What a tail is: receivers keep nothing of an object that lacks so much when its association is aborted. */
#define TAIL (64u * 1024)

/*
 * What a disc brings is looked into as a flow with `inspect: yes` would, and scanned where the site has a scanner: nothing that
 * comes in is from farther away.
 */
static struct content imported(const struct site *s)
{
	struct inspect_policy policy = inspect_policy_default();
	return (struct content){.policy = policy,
		.strictest = inspect_policy_strictest(&policy),
		.antivirus = s->antivirus.has ? ANTIVIRUS_VALUES : ANTIVIRUS_OFF,
		.hold_max = HOLD_MAX_S};
}

/* The flow's, or what it leaves room for; NULL: none. */
static const struct content *find_content(
	const struct association *as, const struct operation *o, struct content *room)
{
	const struct flow *f = o->flow >= 0 ? &as->site->flows[o->flow] : NULL;
	if (f && f->inspect) {
		return f->inspect;
	}
	if (as->door.why == DOOR_IMPORT) {
		*room = imported(as->site);
		return room;
	}
	return NULL;
}

/* Its command waits, and its bytes are kept: as long as the verdict may be against it, or until they are made anew. */
static void keep(struct association *as, struct side *s, struct hold *h, struct operation *o, bool judged)
{
	h->state = HOLD_TAKING;
	h->judged = judged;
	snprintf(h->flow_name, sizeof(h->flow_name), "%s", o->flow >= 0 ? as->site->flows[o->flow].name : "");
	bool whole = h->vouching.on || h->encrypts || h->cleans;
	h->keep = whole ? UINT64_MAX : !judged ? 0 : h->content.hold == HOLD_TAIL ? TAIL : UINT64_MAX;
	h->content.hold_max =
		h->content.hold_max ? h->content.hold_max : HOLD_MAX_S; /* it is not looked into */
	h->until_ms = judged || whole ? clock_mono_ms() + (int64_t)h->content.hold_max * 1000 : INT64_MAX;
	s->msg.disposition = KEEP;
	o->held = true;
	audit_hold(as, s);
}

/* Can what is found in it refuse it? */
static bool is_judged(const struct association *as, const struct side *s, struct hold *h)
{
	if (!h->inspecting || h->content.strictest < ACTION_REFUSE ||
		route_observes(as->site, &as->route, h->flow)) {
		return false;
	}
	/* Of what has left nothing could be kept; and who asked by C-GET could not be spared the abort of its association. */
	if (h->content.strictest == ACTION_QUARANTINE || s == &as->b) {
		h->content.hold = HOLD_WHOLE;
	}
	return true;
}

static void inspect(struct association *as, struct side *s, struct hold *h)
{
	h->inspecting = true;
	h->left = false;
	inspect_begin(&h->i,
		&(struct inspect_about){.transfer_syntax = as->context[s->msg.context].transfer,
			.sop_class = s->msg.command.affected_sop_class,
			.sop_instance = s->msg.command.affected_sop_instance},
		&h->inflater);
	hold_sign_begin(as, s, h);
	hold_scan_begin(as, s, h);
}

bool hold_begin(struct association *as, struct side *s, struct operation *o)
{
	struct hold *h = hold_of(as, s);
	if (o->field != C_STORE_RQ || !command_has_data_set(&s->msg.command)) {
		return false;
	}
	const struct deidentify_flow *anew = hold_remakes(as, o);
	bool back = false;
	int e = anew ? renaming_comes_back(as, s, &back) : 0;
	anew = back ? NULL : anew;
	struct content room;
	const struct content *inspects = find_content(as, o, &room);
	const struct sign_rules *signs = hold_vouches(as, o);
	if (e == 0 && !inspects && !anew && !signs) {
		return false;
	}
	hold_drop(as, s);
	h->content = inspects ? *inspects : (struct content){0};
	h->flow = o->flow;
	h->out_context = s->msg.context;
	if (e < 0) {
		hold_remake_fail(as, s, h, NULL, e);
		return true;
	}
	const struct deidentify_rules *rules = anew ? &anew->rules : NULL;
	if ((anew || signs) &&
		(!hold_remake_begin(as, s, h, anew, o) || !hold_originals_begin(as, s, h, anew) ||
			!hold_clean_begin(as, s, h, anew) ||
			(signs && !hold_vouch_begin(as, s, h, signs, rules)))) {
		return true;
	}
	if (inspects) {
		inspect(as, s, h);
	}
	bool judged = is_judged(as, s, h);
	if (judged || anew || signs) {
		keep(as, s, h, o, judged);
	}
	return judged || anew || signs;
}

int hold_message(struct association *as, struct side *s, struct span bytes)
{
	struct hold *h = hold_of(as, s);
	hold_drop(as, s);
	free(h->message); /* of the one before: hold_is_full() has waited for it to leave */
	h->message = malloc(bytes.len);
	if (!h->message) {
		return ERR_NO_MEMORY;
	}
	memcpy(h->message, bytes.ptr, bytes.len);
	h->message_len = bytes.len;
	h->content = (struct content){0};
	h->flow = s->msg.flow;
	h->out_context = s->msg.context;
	h->state = HOLD_PASSING;
	s->msg.disposition = KEEP;
	return 0;
}

/* ---- Its target is lost ---- */

void hold_target_lost(struct association *as, bool half_way)
{
	enum hold_state state = as->holds->of[0].state;
	bool whole = state == HOLD_PASSING || state == HOLD_ASKING;
	const struct hold *from_target = &as->holds->of[1];
	/* What was not held has passed, and what the virus scanner says of it is said all the same. */
	if (from_target->state != HOLD_ASKING || from_target->keep > 0) {
		hold_drop(as, &as->b);
	}
	/* Of an object that has not begun to go, the next target may have all. */
	if (half_way) {
		hold_drop(as, &as->a);
	}
	if (half_way && whole) {
		exchange_finish(as, &as->a);
	}
}
