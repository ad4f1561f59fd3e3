/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/state.h"
#include "dicom/implementation.h"
#include "gateway/spare.h"
#include "policy/content.h"

#include <stdio.h>
#include <strings.h>

/* What the target is asked: the caller's request, narrowed by policy and written in the flow's names. */

static bool is_proposed(const struct associate *p, struct span abstract)
{
	for (unsigned i = 0; i < p->n_contexts; i++) {
		if (span_eq(p->contexts[i].abstract, abstract)) {
			return true;
		}
	}
	return false;
}

/* Proposed before with a result of policy: many devices propose a class once for each transfer syntax. */
static bool was_refused(const struct association *as, unsigned n, const uint8_t results[256])
{
	const struct context *c = as->rq->contexts;
	for (unsigned i = 0; i < n; i++) {
		if (results[c[i].id] == results[c[n].id] && span_eq(c[i].abstract, c[n].abstract)) {
			return true;
		}
	}
	return false;
}

static void record_context(struct association *as, const struct context *c, const struct verdict *v)
{
	char answered[32];
	/* Of a SOP class that is not allowed the transfer syntax does not matter: one record, however often proposed. */
	bool syntax = v->rule != RULE_SOP_CLASS && c->n_transfer > 0;
	snprintf(answered, sizeof(answered), "context result %u", rule_context_result(v->rule));
	(void)report_refusal(as, v,
		&(struct subject){.sop_class = c->abstract,
			.transfer_syntax = syntax ? c->transfer[0] : (struct span){0},
			.answered = answered,
			.minor = as->proposal->n_contexts > 0});
}

/* After all of them are decided: a refusal beside contexts that pass is a lesser matter than one that leaves none. */
static void record_contexts(struct association *as, const uint8_t results[256])
{
	for (unsigned i = 0; i < as->rq->n_contexts; i++) {
		const struct context *c = &as->rq->contexts[i];
		bool allowed[LIMIT_TRANSFER_SYNTAXES] = {false};
		struct verdict v;
		(void)!decide_context(as->site, &as->route, c, allowed, &v);
		/* Where no flow joins the two, that was said once; what is proposed says little, what is used is recorded then. */
		if (v.refuse || ((v.observed || v.alarm) && as->route.n_flows > 0)) {
			if (v.rule != RULE_SOP_CLASS || !was_refused(as, i, results)) {
				record_context(as, c, &v);
			}
		}
	}
}

/* The contexts that policy lets through, each with the transfer syntaxes that it lets through. */
static void narrow_contexts(struct association *as, uint8_t results[256])
{
	struct associate *p = as->proposal;
	bool remarks = false;
	for (unsigned i = 0; i < as->rq->n_contexts; i++) {
		const struct context *c = &as->rq->contexts[i];
		bool allowed[LIMIT_TRANSFER_SYNTAXES] = {false};
		struct verdict v;
		int e = decide_context(as->site, &as->route, c, allowed, &v);
		remarks |= v.refuse || v.observed || v.alarm;
		if (e != 0) {
			results[c->id] = rule_context_result(v.rule);
			continue;
		}
		struct context *to = &p->contexts[p->n_contexts++];
		to->id = c->id;
		to->result = 0;
		to->abstract = c->abstract;
		to->n_transfer = 0;
		for (unsigned k = 0; k < c->n_transfer; k++) {
			if (allowed[k]) {
				to->transfer[to->n_transfer++] = c->transfer[k];
			}
		}
	}
	if (remarks) {
		record_contexts(as, results);
	}
}

/* What is released may go the other way than its flow, to who had asked by C-GET: that node is not the one the flow speaks to. */
static const struct flow *leading_flow(const struct association *as)
{
	const struct flow *f = as->route.n_flows ? &as->site->flows[as->route.flows[0]] : NULL;
	return f && (int)f->to == as->route.to ? f : NULL;
}

static bool holds_tails(const struct association *as)
{
	for (unsigned i = 0; i < as->route.n_flows; i++) {
		const struct content *c = as->site->flows[as->route.flows[i]].inspect;
		if (c && c->hold == HOLD_TAIL) {
			return true;
		}
	}
	return false;
}

/* Roles and extended negotiation go on for the classes that are proposed, and for no other. */
static void narrow_user_items(struct association *as)
{
	const struct associate *rq = as->rq;
	struct associate *p = as->proposal;
	for (unsigned i = 0; i < rq->n_roles; i++) {
		if (is_proposed(p, rq->roles[i].sop)) {
			p->roles[p->n_roles++] = rq->roles[i];
		}
	}
	for (unsigned i = 0; i < rq->n_extended; i++) {
		if (is_proposed(p, rq->extended[i].sop)) {
			p->extended[p->n_extended++] = rq->extended[i];
		}
	}
	for (unsigned i = 0; i < rq->n_common_extended; i++) {
		if (is_proposed(p, rq->common_extended[i].sop)) {
			p->common_extended[p->n_common_extended++] = rq->common_extended[i];
		}
	}
	/* An association that may be aborted for one object has no others under way. */
	if (!holds_tails(as)) {
		p->async = rq->async;
	}
	user_told(as, leading_flow(as), &p->identity);
}

static void set_title(char to[17], const char *title)
{
	snprintf(to, 17, "%s", title);
}

static bool has_title(const struct node *n, const char *title)
{
	for (unsigned i = 0; i < n->ae.n; i++) {
		if (strcmp(n->ae.at[i], title) == 0) {
			return true;
		}
	}
	return false;
}

/* A title that was tolerated in the wrong case goes on as its node writes it: archives compare with case. */
static const char *own_spelling(const struct node *n, const char *title)
{
	for (unsigned i = 0; n && !has_title(n, title) && i < n->ae.n; i++) {
		if (strcasecmp(n->ae.at[i], title) == 0) {
			return n->ae.at[i];
		}
	}
	return title;
}

/* The titles that the target sees: the flow's, else the caller's own; an alias of the target becomes its title. */
static void name_titles(struct association *as, const struct flow *f)
{
	const struct node *to = &as->site->nodes[as->route.to];
	const struct node *from = as->route.from >= 0 ? &as->site->nodes[as->route.from] : NULL;
	set_title(as->proposal->calling,
		f && f->title_calling[0] ? f->title_calling : own_spelling(from, as->rq->calling));
	const char *called = as->rq->called;
	if (f && f->title_called[0]) {
		called = f->title_called;
	} else if (!has_title(to, called) && to->ae.n > 0) {
		called = to->ae.at[0];
	}
	set_title(as->proposal->called, called);
}

static void own_implementation(const struct association *as, struct associate *to)
{
	const struct site *s = as->site;
	to->implementation_class =
		span_str(s->implementation_class[0] ? s->implementation_class : GANTRY_IMPLEMENTATION_CLASS);
	snprintf(to->implementation_version, sizeof(to->implementation_version), "%s",
		s->implementation_version[0] ? s->implementation_version : GANTRY_IMPLEMENTATION_VERSION);
}

void proposal_implementation(const struct association *as, const struct associate *peer, struct associate *to)
{
	const struct flow *f = leading_flow(as);
	if (!peer || (f && f->implementation_is_gateway) || peer->implementation_class.len == 0) {
		own_implementation(as, to);
		return;
	}
	to->implementation_class = peer->implementation_class;
	memcpy(to->implementation_version, peer->implementation_version, sizeof(to->implementation_version));
}

void proposal_build(struct association *as, uint8_t results[256])
{
	struct associate *p = as->proposal;
	const struct flow *f = leading_flow(as);
	p->protocol_version = 1;
	p->application_context = as->rq->application_context;
	p->has_max_pdu = true;
	p->max_pdu = as->site->nodes[as->route.to].max_pdu;
	name_titles(as, f);
	proposal_implementation(as, as->rq, p);
	narrow_contexts(as, results);
	spare_propose(as);
	narrow_user_items(as);
}
