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

static bool is_allowed(const struct association *as, const struct context *c)
{
	bool allowed[LIMIT_TRANSFER_SYNTAXES] = {false};
	struct verdict v;
	return decide_context(as->site, &as->route, c, allowed, &v) == 0 && allowed[0];
}

static void propose(struct association *as, struct span abstract, const char *transfer)
{
	static struct context c; /* one association a process */
	struct associate *p = as->proposal;
	c.id = unused_id(as);
	c.abstract = abstract;
	c.n_transfer = 1;
	c.transfer[0] = span_str(transfer);
	if (c.id == 0 || p->n_contexts == LIMIT_CONTEXTS || is_asked_for(p, abstract, c.transfer[0]) ||
		!is_allowed(as, &c)) {
		return;
	}
	struct context *to = &p->contexts[p->n_contexts++];
	to->id = c.id;
	to->result = 0;
	to->abstract = c.abstract;
	to->n_transfer = 1;
	to->transfer[0] = c.transfer[0];
	as->context[c.id].spare = true;
}

void spare_propose(struct association *as)
{
	const struct associate *p = as->proposal;
	unsigned n = cleans(as) ? p->n_contexts : 0; /* of the caller's */
	for (unsigned i = 0; i < n; i++) {
		const struct context *c = &p->contexts[i];
		for (unsigned k = 0; k < c->n_transfer; k++) {
			const char *to = encoding_lossless(c->transfer[k]);
			if (to && !span_eq(c->transfer[k], span_str(to))) {
				propose(as, c->abstract, to);
			}
		}
	}
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
		return "which the called node has not accepted for this SOP class: have it accept that";
	}
	return unused_id(as) == 0
	               ? "for which the called node could not be asked: the caller proposes all of the 128 "
	                 "presentation contexts that there can be; have it propose less"
	               : "for which the called node was not asked: the flow's `transfer-syntaxes` do not allow "
	                 "it, or did not when the association began";
}
