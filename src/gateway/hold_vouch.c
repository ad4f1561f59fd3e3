/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/hold_vouch.h"
#include "base/log.h"
#include "gateway/exchange.h"
#include "gateway/hold_parts.h"
#include "gateway/hold_remake.h"
#include "keys/holder.h"
#include "keys/link.h"

#include <stdlib.h>

const struct sign_rules *hold_vouches(const struct association *as, const struct operation *o)
{
	int flow = o->flow;
	/* No flow has allowed what comes by the local door, but it may go by one: what is imported, or released from quarantine. */
	if (as->door.why != 0 && as->route.n_flows > 0) {
		flow = (int)as->route.flows[0];
	}
	const struct flow *f = o->field == C_STORE_RQ && flow >= 0 ? &as->site->flows[flow] : NULL;
	return f && f->sign.yes ? &f->sign : NULL;
}

/* ---- It cannot be signed ---- */

static bool unable(struct association *as, struct side *s, struct hold *h, enum rule rule, const char *why)
{
	struct verdict v;
	verdict_of(as->site, &as->route, h->flow, rule, why, &v);
	if (h->vouching.rules.unable == SIGN_UNABLE_PASS && v.refuse) {
		v.refuse = false;
		v.alarm = true;
	}
	hold_vouch_drop(h);
	if (v.refuse) {
		hold_refuse(as, s, &v);
		return false;
	}
	exchange_remark(as, s, &v);
	return true;
}

bool hold_vouch_give_up(struct association *as, struct side *s, struct hold *h, const char *why)
{
	return !h->vouching.on || unable(as, s, h, RULE_SIGN_KEY, why);
}

/* ---- It comes in ---- */

static int begin_ahead(struct association *as, struct vouching *v, const struct deidentify_rules *anew,
	struct span transfer_syntax)
{
	if (!v->ahead) {
		v->ahead = malloc(sizeof(*v->ahead));
	}
	int e = v->ahead ? deidentify_begin(v->ahead, anew, remake_pseudonyms(&as->holds->names),
				   transfer_syntax, NULL)
	                 : ERR_NO_MEMORY;
	v->is_ahead = e == 0;
	v->failed = 0;
	return e;
}

/* What is signed, of an object in this transfer syntax. */
static int begin_hash(struct vouching *v, struct span transfer_syntax)
{
	static const enum object_hash hashes[] = {[SIGN_HASH_SHA256] = OBJECT_SHA256,
		[SIGN_HASH_SHA384] = OBJECT_SHA384,
		[SIGN_HASH_SHA512] = OBJECT_SHA512};
	vouch_free(v->vouch);
	v->vouch = NULL;
	return vouch_new(transfer_syntax, hashes[v->rules.hash], &v->vouch);
}

bool hold_vouch_begin(struct association *as, struct side *s, struct hold *h, const struct sign_rules *rules,
	const struct deidentify_rules *anew)
{
	struct vouching *v = &h->vouching;
	struct span transfer_syntax = as->context[s->msg.context].transfer;
	hold_vouch_drop(h);
	v->on = true;
	v->rules = *rules;
	bool creates =
		rules->profile == SIGN_PROFILE_CREATOR || (rules->profile == SIGN_PROFILE_OF_FLOW && anew);
	v->profile = creates ? VOUCH_CREATOR : VOUCH_BASE;
	int e = begin_hash(v, transfer_syntax);
	v->later = anew && (h->encrypts || h->cleans);
	e = e == 0 && anew && !v->later ? begin_ahead(as, v, anew, transfer_syntax) : e;
	if (e == ERR_NO_MEMORY) {
		return unable(as, s, h, RULE_SIGN_KEY, "there is no memory for it");
	}
	return e == 0 || unable(as, s, h, RULE_SIGN, "its transfer syntax is none of the standard's");
}

/* What the object becomes, as far as it is known. */
static void go_ahead(struct vouching *v)
{
	struct span made;
	int e = DEIDENTIFY_BYTES;
	while (v->failed == 0 && e == DEIDENTIFY_BYTES) {
		e = deidentify_next(v->ahead, &made);
		v->failed = e < 0 ? e : 0;
		if (e == DEIDENTIFY_BYTES) {
			vouch_feed(v->vouch, made);
		}
	}
}

static void feed(struct vouching *v, struct span bytes)
{
	if (!v->is_ahead) {
		vouch_feed(v->vouch, bytes);
	} else if (v->failed == 0) {
		deidentify_feed(v->ahead, bytes);
		go_ahead(v);
	}
}

void hold_vouch_feed(struct hold *h, struct span bytes)
{
	if (h->vouching.on && !h->vouching.later) {
		feed(&h->vouching, bytes);
	}
}

/* ---- It is complete ---- */

static const char *explain(int e)
{
	switch (e) {
	case ERR_CLOSED:
	case ERR_PEER:
		return "the key holder is away: see its own lines in the log";
	case ERR_TIMEOUT:
		return "the key holder does not answer: is a token slow or gone?";
	case ERR_ORDER:
		return "the certificate of `signatures` is not valid now";
	case ERR_AGAIN:
		return "the key holder signs no more for this association just now";
	case ERR_DENIED:
		return "the key holder has no key for it: the flow signs since a reload";
	case ERR_SYSTEM:
	case ERR_TLS:
		return "the key does not sign: see the log";
	default:
		return err_str(e);
	}
}

/* What is put in where, and who does so when it leaves. */
static int prepare(struct hold *h, const struct vouch_sum *sum)
{
	static uint8_t answer[HOLDER_ANSWER_MOST];
	struct vouching *v = &h->vouching;
	struct vouch_made made;
	enum encoding encoding = vouch_encoding(v->vouch);
	v->edits = malloc(sizeof(*v->edits));
	v->splice = malloc(sizeof(*v->splice));
	int e = v->edits && v->splice ? link_vouch(sum, answer, sizeof(answer), &made) : ERR_NO_MEMORY;
	e = e == 0 ? vouch_edits(v->vouch, &made, v->edits) : e;
	e = e == 0 ? splice_begin(
			     v->splice, v->edits, vouch_length(v->vouch), encoding == ENCODING_DEFLATED_LE)
	           : e;
	if (e < 0) {
		free(v->splice);
		v->splice = NULL;
	}
	return e;
}

/* What is found wrong ahead is what would be found when it leaves, in the same words. */
static bool is_ahead_done(struct association *as, struct side *s, struct hold *h)
{
	struct vouching *v = &h->vouching;
	if (v->is_ahead && v->failed == 0) {
		deidentify_last(v->ahead);
		go_ahead(v);
	}
	if (v->is_ahead && v->failed < 0) {
		hold_remake_fail(as, s, h, v->ahead, v->failed);
		return false;
	}
	return true;
}

static bool sign(struct association *as, struct side *s, struct hold *h)
{
	struct vouching *v = &h->vouching;
	struct vouch_sum sum;
	if (!is_ahead_done(as, s, h)) {
		return false;
	}
	int e = vouch_end(v->vouch, v->profile, &sum);
	if (e < 0) {
		char why[160];
		snprintf(why, sizeof(why), "%s", vouch_why(v->vouch));
		return unable(as, s, h, e == ERR_NO_MEMORY ? RULE_SIGN_KEY : RULE_SIGN, why);
	}
	e = prepare(h, &sum);
	if (e < 0) {
		return unable(as, s, h, RULE_SIGN_KEY, explain(e));
	}
	log_event(LOG_LEVEL_DEBUG, "object.signed", "an object is signed as it passes",
		LOG_NUMBER("association", (int64_t)as->start->id),
		LOG_NUMBER("elements", (int64_t)vouch_count(v->vouch)), LOG_TEXT("signature", v->edits->uid));
	h->remake.splice = v->splice;
	return true;
}

bool hold_vouch_end(struct association *as, struct side *s, struct hold *h)
{
	struct vouching *v = &h->vouching;
	if (!v->on || !v->later) {
		return !v->on || sign(as, s, h);
	}
	int e = begin_hash(v, hold_out_syntax(as, s)); /* it may be another one than it was */
	e = e == 0 ? begin_ahead(as, v, &h->remake.rules, hold_syntax(as, s)) : e;
	if (e < 0) {
		hold_remake_fail(as, s, h, NULL, e);
		return false;
	}
	v->rehearses = true;
	return true;
}

/* ---- It is gone over once more ---- */

void hold_vouch_rehearse(struct association *as, struct side *s, struct hold *h)
{
	struct vouching *v = &h->vouching;
	struct span piece;
	int e = hold_read_next(h, &piece);
	if (e == 0 && piece.len > 0 && v->failed == 0) {
		feed(v, piece);
		return;
	}
	v->rehearses = false;
	hold_read_again(h);
	if (e < 0) {
		hold_lost(as, s, h);
	} else if (!sign(as, s, h) && !as->over) {
		exchange_finish(as, s);
	}
}

void hold_vouch_drop(struct hold *h)
{
	struct vouching *v = &h->vouching;
	h->remake.splice = NULL;
	if (v->splice) {
		splice_done(v->splice);
	}
	if (v->is_ahead) {
		deidentify_done(v->ahead);
	}
	free(v->splice);
	free(v->edits);
	vouch_free(v->vouch);
	*v = (struct vouching){.ahead = v->ahead};
}
