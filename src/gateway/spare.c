/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/spare.h"
#include "dicom/encoding.h"
#include "dicom/uid.h"
#include "policy/deidentify.h"

/* ---- What is asked for ---- */

static bool cleans(const struct association *as)
{
	for (unsigned i = 0; i < as->route.n_flows; i++) {
		const struct deidentify_flow *d = as->site->flows[as->route.flows[i]].deidentify;
		if (d && d->clean_pixels) {
			return true;
		}
	}
	return false;
}

/* PS3.8 9.3.2.2: odd, and none of the caller's, whatever became of that. 0: there is none. */
static uint8_t unused_id(const struct association *as)
{
	bool used[256] = {false};
	for (unsigned i = 0; i < as->rq->n_contexts; i++) {
		used[as->rq->contexts[i].id] = true;
	}
	for (unsigned i = 0; i < as->proposal->n_contexts; i++) {
		used[as->proposal->contexts[i].id] = true;
	}
	for (unsigned id = 1; id < 256; id += 2) {
		if (!used[id]) {
			return (uint8_t)id;
		}
	}
	return 0;
}

/* Will the target choose it, if it takes it at all? */
static bool is_asked_for(const struct associate *p, struct span abstract, struct span transfer)
{
	for (unsigned i = 0; i < p->n_contexts; i++) {
		const struct context *c = &p->contexts[i];
		if (c->n_transfer == 1 && span_eq(c->abstract, abstract) &&
			span_eq(c->transfer[0], transfer)) {
			return true;
		}
	}
	return false;
}

static const char *const native[] = {SYNTAX_EXPLICIT_LE, SYNTAX_IMPLICIT_LE};

static bool is_native(struct span transfer)
{
	return span_eq(transfer, span_str(native[0])) || span_eq(transfer, span_str(native[1]));
}

/* Is there a context by which it leaves uncompressed, if the target takes this transfer syntax? */
static bool leads_to_native(const struct associate *p, struct span abstract, struct span transfer)
{
	for (unsigned i = 0; i < p->n_contexts; i++) {
		const struct context *c = &p->contexts[i];
		bool has = false, no_other = span_eq(c->abstract, abstract);
		for (unsigned k = 0; k < c->n_transfer; k++) {
			has = has || span_eq(c->transfer[k], transfer);
			no_other = no_other && is_native(c->transfer[k]);
		}
		if (has && no_other) {
			return true;
		}
	}
	return false;
}

/* With those of the transfer syntaxes that policy lets pass. */
static void propose(struct association *as, const struct context *wanted)
{
	static struct context c; /* one association a process */
	struct associate *p = as->proposal;
	bool allowed[LIMIT_TRANSFER_SYNTAXES] = {false};
	struct verdict v;
	c = *wanted;
	c.id = unused_id(as);
	if (c.n_transfer == 0 || c.id == 0 || p->n_contexts == LIMIT_CONTEXTS ||
		decide_context(as->site, &as->route, &c, allowed, &v) != 0) {
		return;
	}
	struct context *to = &p->contexts[p->n_contexts++];
	to->id = c.id;
	to->result = 0;
	to->abstract = c.abstract;
	to->n_transfer = 0;
	for (unsigned k = 0; k < c.n_transfer; k++) {
		if (allowed[k]) {
			to->transfer[to->n_transfer++] = c.transfer[k];
		}
	}
	as->context[c.id].spare = true;
}

static void propose_kin(struct association *as, struct span abstract, const char *kin)
{
	static struct context c;
	c.abstract = abstract;
	c.n_transfer = !is_asked_for(as->proposal, abstract, span_str(kin));
	c.transfer[0] = span_str(kin);
	propose(as, &c);
}

static void propose_native(struct association *as, struct span abstract, const char *kin)
{
	static struct context c;
	(void)kin;
	c.abstract = abstract;
	c.n_transfer = 0;
	for (unsigned i = 0; i < ARRAY_LEN(native); i++) {
		if (!leads_to_native(as->proposal, abstract, span_str(native[i]))) {
			c.transfer[c.n_transfer++] = span_str(native[i]);
		}
	}
	propose(as, &c);
}

/* For each transfer syntax of the caller's that an object cannot keep when it was cleaned. */
static void for_lossy(struct association *as, unsigned n,
	void (*ask)(struct association *as, struct span abstract, const char *kin))
{
	for (unsigned i = 0; i < n; i++) {
		const struct context *c = &as->proposal->contexts[i];
		for (unsigned k = 0; k < c->n_transfer; k++) {
			const char *kin = encoding_lossless(c->transfer[k]);
			if (kin && !span_eq(c->transfer[k], span_str(kin))) {
				ask(as, c->abstract, kin);
			}
		}
	}
}

void spare_propose(struct association *as)
{
	unsigned n = cleans(as) ? as->proposal->n_contexts : 0; /* of the caller's */
	/* There may not be room for all. */
	for_lossy(as, n, propose_kin);
	for_lossy(as, n, propose_native);
}

/* ---- What is used of it ---- */

static bool serves(const struct agreed *c, struct span abstract, struct span transfer)
{
	return c->accepted && !c->reopened_out && span_eq(c->abstract, abstract) &&
	       span_eq(c->transfer, transfer);
}

bool spare_find(const struct association *as, const struct side *s, uint8_t context, struct span transfer,
	uint8_t *ret_context)
{
	struct span abstract = as->context[context].abstract;
	transfer = uid_trim(transfer);
	uint8_t found = serves(&as->context[context], abstract, transfer) ? context : 0;
	for (unsigned id = 1; id < 256 && found == 0; id += 2) {
		/* What the caller did not ask for cannot lead to it. */
		bool leads = !as->context[id].spare || s == &as->a;
		found = leads && serves(&as->context[id], abstract, transfer) ? (uint8_t)id : 0;
	}
	*ret_context = found ? found : *ret_context;
	return found != 0;
}

static bool is_proposed(const struct associate *p, struct span abstract, struct span transfer)
{
	for (unsigned i = 0; i < p->n_contexts; i++) {
		const struct context *c = &p->contexts[i];
		for (unsigned k = 0; span_eq(c->abstract, abstract) && k < c->n_transfer; k++) {
			if (span_eq(c->transfer[k], transfer)) {
				return true;
			}
		}
	}
	return false;
}

const char *spare_why_not(
	const struct association *as, const struct side *s, uint8_t context, struct span transfer)
{
	if (s != &as->a) {
		return "which the caller has not accepted for this SOP class";
	}
	if (is_proposed(as->proposal, as->context[context].abstract, uid_trim(transfer))) {
		return "which the called node has not accepted for this SOP class, nor an uncompressed one: have it accept either";
	}
	return unused_id(as) == 0
	               ? "for which the called node could not be asked: the caller proposes all of the 128 "
	                 "presentation contexts that there can be; have it propose less"
	               : "for which the called node was not asked: the flow's `transfer-syntaxes` do not allow "
	                 "it, or did not when the association began";
}
