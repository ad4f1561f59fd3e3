/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/hold_originals.h"
#include "gateway/exchange.h"
#include "gateway/hold_parts.h"
#include "gateway/hold_remake.h"
#include "keys/attributes.h"
#include "transform/originals.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

/* One for each direction, made when first needed. */
struct hold_originals {
	struct attributes_recipients *to; /* of the object under way: a reload may take the site's away */
	struct originals collected;
	uint8_t cms[DEIDENTIFY_ENCRYPTED], mark[ORIGINALS_MARK];
	int failed; /* of the first run */
};

/* ---- To whom ---- */

static int recipients_of(
	const struct deidentify_flow *d, struct attributes_recipients **ret_to, char *why, size_t cap)
{
	struct span pems[ATTRIBUTES_RECIPIENTS_MOST];
	for (unsigned i = 0; i < d->n_originals_to && i < ARRAY_LEN(pems); i++) {
		pems[i] = d->originals_to[i].bytes;
	}
	return attributes_recipients_new(pems, d->n_originals_to, ret_to, why, cap);
}

/* Each by itself, so that the sentence can say which. */
static int try_one(const struct blob *b, char *why, size_t cap)
{
	static uint8_t cms[4096 + LIMIT_CONFIG_FILE];
	char reason[160];
	size_t n;
	int e = attributes_encrypt(
		span_str("tried"), &b->bytes, 1, cms, sizeof(cms), &n, reason, sizeof(reason));
	if (e < 0) {
		snprintf(why, cap, "`originals-to`: %s: %s", b->path, reason);
	}
	return e;
}

int hold_originals_check(const struct site *s, const struct blob **ret_at, char *why, size_t cap)
{
	for (unsigned i = 0; i < s->n_flows; i++) {
		const struct deidentify_flow *d = s->flows[i].deidentify;
		if (d && d->n_originals_to > ATTRIBUTES_RECIPIENTS_MOST) {
			*ret_at = &d->originals_to[0];
			snprintf(why, cap, "`originals-to` in flow %s has more than %d certificates",
				s->flows[i].name, ATTRIBUTES_RECIPIENTS_MOST);
			return ERR_LIMIT;
		}
		for (unsigned k = 0; d && k < d->n_originals_to; k++) {
			int e = try_one(&d->originals_to[k], why, cap);
			if (e < 0) {
				*ret_at = &d->originals_to[k];
				return e;
			}
		}
	}
	return 0;
}

/* ---- An object ---- */

static bool refuse(struct association *as, struct side *s, struct hold *h, const char *reason)
{
	char why[240];
	snprintf(why, sizeof(why), "what it was could not be encrypted, `deidentify: originals-to`: %s",
		reason);
	hold_remake_refuse(as, s, h, RULE_DEIDENTIFY, why);
	return false;
}

/* The run in which what it was is collected. */
static int begin_first(const struct association *as, const struct side *s, struct hold *h)
{
	struct hold_originals *o = h->originals;
	const struct deidentify_log log = {NULL, originals_take, &o->collected};
	o->failed = 0;
	originals_begin(&o->collected);
	return remake_again(&h->remake, span_of(NULL, 0), span_of(NULL, 0), &log, hold_syntax(as, s));
}

bool hold_originals_begin(
	struct association *as, struct side *s, struct hold *h, const struct deidentify_flow *flow)
{
	char why[160];
	hold_originals_drop(h);
	if (!flow || flow->n_originals_to == 0) {
		return true;
	}
	if (!h->originals) {
		h->originals = calloc(1, sizeof(*h->originals));
	}
	struct hold_originals *o = h->originals;
	if (!o) {
		hold_remake_fail(as, s, h, NULL, ERR_NO_MEMORY);
		return false;
	}
	h->encrypts = true;
	if (recipients_of(flow, &o->to, why, sizeof(why)) < 0) {
		return refuse(as, s, h, why);
	}
	int e = begin_first(as, s, h);
	if (e < 0) {
		hold_remake_fail(as, s, h, NULL, e);
	}
	return e == 0;
}

int hold_originals_again(struct association *as, struct side *s, struct hold *h)
{
	int e = begin_first(as, s, h);
	h->collects = e == 0;
	return e;
}

void hold_originals_feed(struct hold *h, struct span bytes)
{
	if (h->encrypts && h->originals->failed == 0) {
		remake_feed(&h->remake, bytes);
		int e = remake_look(&h->remake);
		h->originals->failed = e < 0 ? e : 0;
	}
}

/* What is found wrong in the first run is what would be found in the second, in the same words. */
static int end_of_first(struct hold *h)
{
	int e = h->originals->failed;
	if (e == 0) {
		remake_last(&h->remake);
		e = remake_look(&h->remake);
	}
	return e < 0 ? e : e == DEIDENTIFY_END ? 0 : ERR_ORDER;
}

/* The key holder may be away, as in any run. */
static int mark(struct hold *h, struct span plain)
{
	struct hold_originals *o = h->originals;
	uint8_t digest[ATTRIBUTES_DIGEST];
	int e = attributes_recipients_digest(o->to, digest);
	return e < 0 ? e
	             : originals_mark(remake_pseudonyms(h->remake.names), plain,
			       span_of(digest, sizeof(digest)), o->mark);
}

bool hold_originals_end(struct association *as, struct side *s, struct hold *h)
{
	struct hold_originals *o = h->originals;
	struct span plain;
	char why[160];
	size_t n = 0;
	if (!h->encrypts) {
		return true;
	}
	int e = end_of_first(h);
	if (e < 0) {
		hold_remake_fail(as, s, h, h->remake.engine, e);
		return false;
	}
	snprintf(why, sizeof(why), "it is more than %u KiB", ORIGINALS_MOST / 1024);
	e = originals_end(&o->collected, header_value(&h->remake.engine->head_scan, HEADER_CHARSET), &plain);
	int marked = e == 0 ? mark(h, plain) : 0;
	if (e == 0 && marked == 0) {
		e = attributes_encrypt_to(plain, o->to, o->cms, sizeof(o->cms), &n, why, sizeof(why));
	}
	OPENSSL_cleanse(o->collected.bytes, sizeof(o->collected.bytes));
	if (marked < 0) {
		hold_remake_fail(as, s, h, h->remake.engine, marked);
		return false;
	}
	if (e < 0 && e != ERR_MISSING) { /* MISSING: nothing of it was removed */
		return refuse(as, s, h, why);
	}
	e = remake_again(&h->remake, span_of(o->cms, n), span_of(o->mark, n > 0 ? sizeof(o->mark) : 0), NULL,
		hold_syntax(as, s));
	if (e < 0) {
		hold_remake_fail(as, s, h, NULL, e);
	}
	return e == 0;
}

void hold_originals_collect(struct association *as, struct side *s, struct hold *h)
{
	struct span piece;
	int e = hold_read_next(h, &piece);
	if (e == 0 && piece.len > 0 && h->originals->failed == 0) {
		hold_originals_feed(h, piece);
		return;
	}
	h->collects = false;
	hold_read_again(h);
	if (e < 0) {
		hold_lost(as, s, h);
	} else if (!hold_go_on(as, s) && !as->over) {
		exchange_finish(as, s);
	}
}

bool hold_originals_give_up(struct association *as, struct side *s, struct hold *h, const char *why)
{
	if (!h->encrypts) {
		return true;
	}
	hold_remake_refuse(as, s, h, RULE_UNJUDGED, why);
	return false;
}

void hold_originals_drop(struct hold *h)
{
	if (h->encrypts) {
		attributes_recipients_free(h->originals->to);
		h->originals->to = NULL;
	}
	h->encrypts = h->collects = false;
}
