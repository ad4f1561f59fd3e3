/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decide.h"
#include "policy/identity.h"
#include "policy/match.h"
#include "policy/nearest.h"
#include "policy/rules.h"

#include <stdio.h>
#include <string.h>

int verdict_settle(struct verdict *v, bool observe)
{
	bool passes = observe && rule_is_policy(v->rule);
	v->refuse = !passes;
	v->observed = passes;
	return passes ? 0 : ERR_DENIED;
}

/* A flow's own word counts first, then the caller's node, the called node, the site. */
static enum site_mode first_mode(const struct site *s, const struct route *r, int flow)
{
	enum site_mode modes[] = {
		flow >= 0 && (unsigned)flow < s->n_flows ? s->flows[flow].mode : MODE_INHERIT,
		r->from >= 0 ? s->nodes[r->from].mode : MODE_INHERIT,
		r->from >= 0 && r->to >= 0 ? s->nodes[r->to].mode : MODE_INHERIT,
	};
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (modes[i] != MODE_INHERIT) {
			return modes[i];
		}
	}
	return s->mode;
}

bool route_observes(const struct site *s, const struct route *r, int flow)
{
	if (r->local) {
		return false;
	}
	if (flow >= 0 || r->n_flows == 0) {
		return first_mode(s, r, flow) == MODE_OBSERVE;
	}
	for (unsigned i = 0; i < r->n_flows; i++) {
		if (first_mode(s, r, (int)r->flows[i]) == MODE_OBSERVE) {
			return true;
		}
	}
	return false;
}

int verdict_end(const struct site *s, const struct route *r, struct verdict *v)
{
	return verdict_settle(v, r && route_observes(s, r, v->flow));
}

int verdict_over(const struct site *s, const struct route *r, enum over over, struct verdict *v)
{
	if (over == OVER_ALARM) {
		v->alarm = true;
		v->refuse = v->observed = false;
		return 0;
	}
	return verdict_end(s, r, v);
}

static bool flow_from(const struct flow *f, int node)
{
	for (unsigned i = 0; i < f->n_from; i++) {
		if ((int)f->from[i] == node) {
			return true;
		}
	}
	return false;
}

static bool callable(const struct node *n)
{
	return n->n_address > 0;
}

/* The node that a title means when no flow says so: one that can be called and has it, else a flow's other title. */
static int target_of_title(const struct site *s, const char *called, bool any_case)
{
	for (unsigned i = 0; i < s->n_nodes; i++) {
		if (callable(&s->nodes[i]) && names_have(&s->nodes[i].ae, called, any_case)) {
			return (int)i;
		}
	}
	for (unsigned i = 0; i < s->n_flows; i++) {
		if (callable(&s->nodes[s->flows[i].to]) &&
			names_have(&s->flows[i].called, called, any_case)) {
			return (int)s->flows[i].to;
		}
	}
	return -1;
}

/* The target that the caller's flows give the title, and every flow that joins the two. */
static void find_flows(const struct site *s, struct route *r, const char *called, bool any_case)
{
	for (unsigned i = 0; i < s->n_flows && r->to < 0; i++) {
		if (flow_from(&s->flows[i], r->from) && flow_is_called(s, &s->flows[i], called, any_case)) {
			r->to = (int)s->flows[i].to;
		}
	}
	for (unsigned i = 0; i < s->n_flows && r->to >= 0 && r->n_flows < ARRAY_LEN(r->flows); i++) {
		if ((int)s->flows[i].to == r->to && flow_from(&s->flows[i], r->from)) {
			r->flows[r->n_flows++] = i;
		}
	}
}

static void say_called_unknown(const struct site *s, const struct caller *c, int from, struct verdict *v)
{
	struct nearest near = nearest_to(c->called);
	for (unsigned i = 0; i < s->n_nodes; i++) {
		for (unsigned j = 0; callable(&s->nodes[i]) && j < s->nodes[i].ae.n; j++) {
			nearest_offer(&near, s->nodes[i].ae.at[j]);
		}
	}
	v->rule = RULE_CALLED_UNKNOWN;
	v->line = from >= 0 ? s->nodes[from].line : 0;
	snprintf(v->sentence, sizeof(v->sentence),
		"no node that can be called has the AE title `%s`, which %s called%s%s%s Correct the called AE title in the "
		"device, or list it under `called` in its flow",
		c->called, from >= 0 ? s->nodes[from].name : c->calling, near.best ? "; did it mean `" : "",
		near.best ? near.best : "", near.best ? "`?" : ".");
}

/* Both are known and nothing joins them. */
static void say_no_flow(
	const struct site *s, const struct route *r, const struct caller *c, struct verdict *v)
{
	const struct node *from = &s->nodes[r->from], *to = &s->nodes[r->to];
	v->rule = RULE_NO_FLOW;
	v->line = from->line;
	snprintf(v->sentence, sizeof(v->sentence),
		"node %s called `%s`, which is node %s, but no flow has %s under `from` and %s under `to`",
		from->name, c->called, to->name, from->name, to->name);
}

/* What the parser let pass must be tolerated by the node that sent it: PS3.8 9.3.2 pads with spaces. */
static int check_tolerated(const struct site *s, const struct caller *c, struct route *r, struct verdict *v)
{
	unsigned granted = r->from >= 0 ? s->nodes[r->from].tolerate : 0;
	unsigned missing = c->tolerated & ~granted;
	r->tolerated |= c->tolerated & granted;
	if (!missing) {
		return 0;
	}
	v->rule = RULE_MALFORMED;
	v->line = r->from >= 0 ? s->nodes[r->from].line : 0;
	snprintf(v->sentence, sizeof(v->sentence),
		"the association request of `%s` is malformed: %s. If the device cannot be corrected, its node may "
		"`tolerate: [ %s ]`",
		c->calling,
		missing & TOLERATE_NUL_PADDING
			? "its AE titles are padded with NUL bytes (PS3.8 9.3.2 asks for spaces)"
			: "its AE titles are not in the case or form that the standard asks for",
		missing & TOLERATE_NUL_PADDING ? "nul-padding" : "ae-case");
	v->refuse = true;
	return ERR_DENIED;
}

static void note_case(const struct site *s, const struct caller *c, struct route *r)
{
	const struct node *from = &s->nodes[r->from];
	if (!(from->tolerate & TOLERATE_AE_CASE)) {
		return;
	}
	bool called = names_have(&s->nodes[r->to].ae, c->called, false);
	for (unsigned i = 0; i < r->n_flows; i++) {
		called |= names_have(&s->flows[r->flows[i]].called, c->called, false);
	}
	if ((from->has_ae && !names_have(&from->ae, c->calling, false)) || !called) {
		r->tolerated |= TOLERATE_AE_CASE;
	}
}

/* Nobody known: an observing site lets him through to a node that can be called. */
static int route_unknown(
	const struct site *s, const struct caller *c, int near, struct route *r, struct verdict *v)
{
	/* A node that is set to enforce does not lend its name to a stranger. */
	bool observe = s->mode == MODE_OBSERVE && (near < 0 || s->nodes[near].mode != MODE_ENFORCE);
	r->to = target_of_title(s, c->called, false);
	if (!observe) {
		return verdict_settle(v, false);
	}
	if (r->to < 0) {
		*v = (struct verdict){.flow = -1};
		say_called_unknown(s, c, -1, v);
		return verdict_settle(v, false);
	}
	int err = check_tolerated(s, c, r, v);
	return err < 0 ? err : verdict_settle(v, true);
}

static int route_known(const struct site *s, const struct caller *c, struct route *r, struct verdict *v)
{
	bool any_case = s->nodes[r->from].tolerate & TOLERATE_AE_CASE;
	int err = check_tolerated(s, c, r, v);
	if (err < 0) {
		return err;
	}
	find_flows(s, r, c->called, any_case);
	if (r->to >= 0) {
		note_case(s, c, r);
		return 0;
	}
	r->to = target_of_title(s, c->called, any_case);
	if (r->to < 0) {
		say_called_unknown(s, c, r->from, v);
		return verdict_settle(v, false);
	}
	note_case(s, c, r);
	say_no_flow(s, r, c, v);
	return verdict_end(s, r, v);
}

/*
 * Revocation, where TLS has not ended it already: a list that came since, a session that was resumed, a list that is not
 * there. Observe mode does not soften it: the key may be in anybody's hands.
 */
static int check_revocation(
	const struct site *s, const struct caller *c, const struct route *r, struct verdict *v)
{
	const struct node *n = r->from >= 0 ? &s->nodes[r->from] : NULL;
	bool closed = n && n->revocation == REVOCATION_CLOSED;
	if (!c->revoked && !c->unrevoked) {
		return 0;
	}
	*v = (struct verdict){.rule = RULE_REVOKED, .flow = -1, .line = n ? n->line : 0};
	snprintf(v->sentence, sizeof(v->sentence), "the certificate of %s %.100s %s%s",
		n ? "node" : "the caller", n ? n->name : c->calling, c->revoked ? c->revoked : c->unrevoked,
		c->revoked ? ""
		: closed   ? "; the node's entry says `revocation: closed`"
			   : "; put a current list in `tls: crl`");
	if (c->revoked || closed) {
		v->refuse = true;
		return ERR_DENIED;
	}
	v->alarm = true;
	return 0;
}

/* TLS lets nobody in with one that has expired; of an association that lives longer than its certificate only we know. */
static int check_expired(
	const struct site *s, const struct caller *c, const struct route *r, struct verdict *v)
{
	const struct node *n = r->from >= 0 ? &s->nodes[r->from] : NULL;
	if (!c->expired) {
		return 0;
	}
	*v = (struct verdict){.rule = RULE_EXPIRED, .flow = -1, .line = n ? n->line : 0};
	snprintf(v->sentence, sizeof(v->sentence),
		"the certificate of %s %.100s %s, while the association is open: renew it, or the device cannot call again",
		n ? "node" : "the caller", n ? n->name : c->calling, c->expired);
	return verdict_over(s, r, n ? n->expired : OVER_ALARM, v);
}

static bool over_end(const struct ending *e, int64_t wall_s)
{
	return e->until_s > 0 && wall_s >= e->until_s;
}

/* Old transports that were to be gone: the listener's, the caller's, the target's. */
static int check_endings(
	const struct site *s, const struct caller *c, const struct route *r, struct verdict *v)
{
	const struct node *nodes[] = {r->from >= 0 ? &s->nodes[r->from] : NULL, &s->nodes[r->to]};
	const char *what = c->listener ? c->listener->name : "", *kind = "listener";
	const struct ending *e = c->listener ? &c->listener->transport_until : NULL;
	unsigned line = c->listener ? c->listener->line : 0;
	bool plain = c->listener && c->listener->transport == TRANSPORT_PLAIN;
	for (unsigned i = 0; (!e || !over_end(e, c->wall_s)) && i < ARRAY_LEN(nodes); i++) {
		if (nodes[i]) {
			e = &nodes[i]->transport_until;
			what = nodes[i]->name;
			kind = "node";
			line = nodes[i]->line;
			plain = nodes[i]->transport == TRANSPORT_PLAIN;
		}
	}
	if (c->wall_s == 0 || !e || !over_end(e, c->wall_s)) {
		return 0;
	}
	*v = (struct verdict){.rule = RULE_TRANSPORT_UNTIL, .flow = -1, .line = line};
	snprintf(v->sentence, sizeof(v->sentence),
		"%s of %s %s was to end by now (`transport-until`, line %u): set it to TLS with a profile that is not retired, "
		"or give it another date",
		plain ? "plain DICOM" : "the retired TLS profile", kind, what, line);
	return verdict_over(s, r, e->over, v);
}

int decide_route(const struct site *s, const struct hosts *h, const struct caller *c, struct route *ret_route,
	struct verdict *ret_verdict)
{
	struct route r = {.from = -1, .to = -1};
	struct verdict v = {.flow = -1};
	int near = -1;
	int err = identity_of(s, h, c, &r.from, &near, &v);
	err = err < 0 ? route_unknown(s, c, near, &r, &v) : route_known(s, c, &r, &v);
	if (err == 0 && (v.rule == RULE_NONE || c->revoked)) {
		err = check_revocation(s, c, &r, &v);
	}
	if (err == 0 && v.rule == RULE_NONE) {
		err = check_expired(s, c, &r, &v);
	}
	if (err == 0 && v.rule == RULE_NONE) {
		err = check_endings(s, c, &r, &v);
	}
	*ret_route = r;
	*ret_verdict = v;
	return err;
}

/* Objects came by it to this node, or, where somebody asked for them by C-GET, from the other one. */
static bool flow_joins(const struct flow *f, int node)
{
	return (int)f->to == node || flow_from(f, node);
}

static int find_flow_again(const struct site *s, const char *name, struct route *r, struct verdict *v)
{
	const struct flow *f = NULL;
	for (unsigned i = 0; i < s->n_flows && !f; i++) {
		f = strcmp(s->flows[i].name, name) == 0 ? &s->flows[i] : NULL;
	}
	if (f && flow_joins(f, r->to)) {
		r->flows[r->n_flows++] = (uint32_t)(f - s->flows);
		return 0;
	}
	v->rule = RULE_NO_FLOW;
	v->line = f ? f->line : 0;
	if (!name[0]) {
		snprintf(v->sentence, sizeof(v->sentence),
			"it is not known by which flow the object came, so it cannot be told what may leave: take a copy with "
			"`gantry quarantine show N --export FILE`");
		return verdict_settle(v, false);
	}
	snprintf(v->sentence, sizeof(v->sentence),
		"the flow `%.64s`, by which the object came, %s%.64s, so it cannot be told what may leave: have a flow of that "
		"name lead there, or take a copy with `gantry quarantine show N --export FILE`",
		name, f ? "no longer joins node " : "is no longer in the configuration",
		f ? s->nodes[r->to].name : "");
	return verdict_settle(v, false);
}

/* The node of that name. */
static int find_local(const struct site *s, const char *node, struct route *r, struct verdict *v)
{
	*r = (struct route){.from = -1, .to = -1, .local = true};
	*v = (struct verdict){.flow = -1};
	for (unsigned i = 0; i < s->n_nodes; i++) {
		if (strcmp(s->nodes[i].name, node) == 0 && callable(&s->nodes[i])) {
			r->to = (int)i;
		}
	}
	if (r->to >= 0) {
		return 0;
	}
	v->rule = RULE_CALLED_UNKNOWN;
	snprintf(v->sentence, sizeof(v->sentence), "no node `%.64s` that has an `address`", node);
	return verdict_settle(v, false);
}

int decide_release(const struct site *s, const char *node, const char *flow, struct route *ret_route,
	struct verdict *ret_verdict)
{
	int err = find_local(s, node, ret_route, ret_verdict);
	return err ? err : find_flow_again(s, flow, ret_route, ret_verdict);
}

/* Objects come by it to this node: stored, or by C-GET if the node asks for them. */
static bool flow_brings(const struct flow *f, int node)
{
	return ((int)f->to == node && (f->services & (1u << SERVICE_STORE))) ||
	       (flow_from(f, node) && (f->services & (1u << SERVICE_GET)));
}

/* Flows that bring objects to a node. */
struct bringing {
	unsigned n, last; /* how many, and one of them */
	bool changes;     /* one of them does not let objects pass as they are */
	char names[200];
};

static void find_bringing(const struct site *s, int node, struct bringing *b)
{
	size_t used = 0;
	for (unsigned i = 0; i < s->n_flows; i++) {
		const struct flow *f = &s->flows[i];
		if (!flow_brings(f, node)) {
			continue;
		}
		if (used < sizeof(b->names)) {
			int n = snprintf(b->names + used, sizeof(b->names) - used, "%s%.64s",
				b->n ? ", " : "", f->name);
			used += n > 0 ? (size_t)n : 0;
		}
		b->n++;
		b->last = i;
		b->changes = b->changes || f->deidentify || f->sign.yes;
	}
}

static int find_import_flow(const struct site *s, const char *name, struct route *r, struct verdict *v)
{
	struct bringing b = {0};
	for (unsigned i = 0; name[0] && i < s->n_flows; i++) {
		if (strcmp(s->flows[i].name, name) == 0 && flow_brings(&s->flows[i], r->to)) {
			r->flows[r->n_flows++] = i;
			return 0;
		}
	}
	find_bringing(s, r->to, &b);
	if (!name[0] && !b.changes) {
		return 0;
	}
	if (!name[0] && b.n == 1) {
		r->flows[r->n_flows++] = b.last;
		return 0;
	}
	v->rule = RULE_NO_FLOW;
	if (name[0]) {
		snprintf(v->sentence, sizeof(v->sentence), "no flow `%.64s` brings objects to node %.64s%s%s",
			name, s->nodes[r->to].name, b.n ? "; these do: " : "", b.names);
	} else {
		snprintf(v->sentence, sizeof(v->sentence),
			"several flows bring objects to node %.64s, and not all of them let objects pass as they are: "
			"name the one by which these go, `gantry media import --flow NAME` (%s)",
			s->nodes[r->to].name, b.names);
	}
	return verdict_settle(v, false);
}

int decide_import(const struct site *s, const char *node, const char *flow, struct route *ret_route,
	struct verdict *ret_verdict)
{
	int err = find_local(s, node, ret_route, ret_verdict);
	return err ? err : find_import_flow(s, flow, ret_route, ret_verdict);
}
