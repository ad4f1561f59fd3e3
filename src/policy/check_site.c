/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/content.h"
#include "policy/keys.h"
#include "base/clock.h"
#include "policy/identity.h"
#include "policy/match.h"
#include "policy/values.h"
#include "policy/vocabulary.h"

#include <stdio.h>
#include <string.h>

/* What must hold between the entries of a site. Each check is one function over one entry. */

/* Where a key's value stands, or its entry. */
static const struct tree *place(const struct tree *entry, const char *key)
{
	const struct tree *v = tree_get(entry, key);
	return v ? v : entry;
}

static bool flow_has_caller(const struct flow *f, unsigned node)
{
	for (unsigned i = 0; i < f->n_from; i++) {
		if (f->from[i] == node) {
			return true;
		}
	}
	return false;
}

/* What the flows make of a node. */
struct use {
	bool calls, used;
};

static void find_uses(const struct site *s, struct use *uses)
{
	for (unsigned i = 0; i < s->n_flows; i++) {
		const struct flow *f = &s->flows[i];
		if (f->to < s->n_nodes) {
			uses[f->to].used = true;
		}
		for (unsigned j = 0; j < f->n_from; j++) {
			uses[f->from[j]].calls = uses[f->from[j]].used = true;
		}
		for (unsigned j = 0; j < f->n_destinations; j++) {
			uses[f->destinations[j]].used = true;
		}
	}
}

static bool listens(const struct site *s, enum transport t)
{
	for (unsigned i = 0; i < s->n_listeners; i++) {
		if (s->listeners[i].transport == t) {
			return true;
		}
	}
	return false;
}

static void check_caller(struct parse *p, unsigned i)
{
	const struct node *n = &p->site->nodes[i];
	const struct tree *at = p->node_at[i];
	if (!n->has_from && !n->has_certificate) {
		mistake_error(p->mistakes, n->line, n->column,
			"node %s names neither `from` nor `certificate`: it would be known by its AE title alone, which "
			"anyone can write into a call; name its addresses, its certificate, or `from: any` if that is meant",
			n->name);
	}
	if (n->from_any && !n->has_certificate) {
		mistake_warning(p->mistakes, place(at, "from")->line, place(at, "from")->column,
			"node %s is `from: any` without a certificate: anyone who knows its AE title is taken for it",
			n->name);
	}
	if (n->has_certificate && n->transport == TRANSPORT_PLAIN) {
		mistake_error(p->mistakes, place(at, "certificate")->line, place(at, "certificate")->column,
			"node %s is `transport: plain` and names a certificate: plain connections have none, so nobody "
			"could be known as it",
			n->name);
	}
	if (p->site->n_listeners > 0 && !listens(p->site, n->transport)) {
		mistake_warning(p->mistakes, n->line, n->column,
			"node %s calls by %s, but no listener is `transport: %s`", n->name,
			n->transport == TRANSPORT_TLS ? "TLS" : "plain DICOM",
			n->transport == TRANSPORT_TLS ? "tls" : "plain");
	}
}

static bool old_transport(enum transport t, enum tls_profile p)
{
	return t == TRANSPORT_PLAIN || p == PROFILE_LEGACY_NON_DOWNGRADING;
}

/* What listeners and nodes have in common. */
static void check_profile(struct parse *p, const struct tree *at, const char *what, const char *name,
	enum transport transport, enum tls_profile profile, const struct ending *end)
{
	const struct tree *here = place(at, "profile");
	if (transport == TRANSPORT_PLAIN && tree_get(at, "profile")) {
		mistake_error(p->mistakes, here->line, here->column,
			"%s %s is `transport: plain`: it has no TLS profile", what, name);
	}
	if (end->until_s > 0 && !old_transport(transport, profile)) {
		here = place(at, "transport-until");
		mistake_error(p->mistakes, here->line, here->column,
			"`transport-until` of %s %s has nothing to end: only plain transport and a legacy profile do",
			what, name);
	}
}

/* Written as a list of nothing. One whose items were all mistakes is empty too, and they are the mistakes to mend. */
static bool is_empty_list(const struct tree *at, const char *key)
{
	const struct tree *list = at ? tree_get(at, key) : NULL;
	return list && list->kind == TREE_LIST && list->n == 0;
}

static const char *empty_list(const struct tree *at)
{
	static const char *const lists[] = {"from", "ae"};
	const struct tree *pins = tree_get(at, "certificate");
	for (unsigned i = 0; i < ARRAY_LEN(lists); i++) {
		if (is_empty_list(at, lists[i])) {
			return lists[i];
		}
	}
	return pins && pins->kind == TREE_MAP && (is_empty_list(pins, "san") || is_empty_list(pins, "spki"))
	               ? "certificate"
	               : NULL;
}

static void check_node(struct parse *p, unsigned i, const struct use *use)
{
	const struct node *n = &p->site->nodes[i];
	const struct tree *at = p->node_at[i];
	const char *empty = empty_list(at);
	if (use->calls) {
		check_caller(p, i);
	}
	/* A node that is only called may say so by an empty list. */
	if (empty && (use->calls || !use->used)) {
		const struct tree *list = place(at, empty);
		mistake_warning(p->mistakes, list->line, list->column,
			"node %s has an empty list in `%s`: it admits no one", n->name, empty);
	}
	check_profile(p, at, "node", n->name, n->transport, n->profile, &n->transport_until);
	if (p->site->n_flows > 0 && !use->used) {
		mistake_warning(p->mistakes, n->line, n->column,
			"node %s is in no flow: it can neither call nor be called", n->name);
	}
	if (n->source_is_caller && n->n_address > 0 && n->address[0].folder[0]) {
		mistake_warning(p->mistakes, place(at, "source")->line, place(at, "source")->column,
			"node %s is a folder: `source` has no meaning", n->name);
	}
}

static void check_target(struct parse *p, unsigned i)
{
	const struct flow *f = &p->site->flows[i];
	const struct tree *at = place(p->flow_at[i], "to");
	if (!tree_get(p->flow_at[i], "to") || f->to >= p->site->n_nodes) {
		return; /* said already */
	}
	const struct node *to = &p->site->nodes[f->to];
	if (to->n_address == 0 && !tree_get(p->node_at[f->to], "address")) {
		mistake_error(p->mistakes, at->line, at->column,
			"flow %s goes to node %s, which has no `address` (line %u), so it cannot be called",
			f->name, to->name, to->line);
	} else if (is_empty_list(p->node_at[f->to], "address")) {
		mistake_warning(p->mistakes, at->line, at->column,
			"flow %s goes to node %s, whose `address` list is empty", f->name, to->name);
	}
	bool no_title = !tree_get(p->node_at[f->to], "ae") || is_empty_list(p->node_at[f->to], "ae");
	if (no_title && f->called.n == 0) {
		mistake_error(p->mistakes, at->line, at->column,
			"flow %s can never be meant: node %s has no AE title, and the flow has no `called`",
			f->name, to->name);
	}
}

/* A SOP class that none of the flow's services uses was meant for something. */
static void check_sop_classes(struct parse *p, unsigned i)
{
	const struct flow *f = &p->site->flows[i];
	const struct tree *at = place(p->flow_at[i], "sop-classes");
	if (f->has_sop_classes && !f->any_sop_class && f->sop_classes.n == 0 && at->kind == TREE_LIST &&
		at->n == 0) {
		mistake_warning(p->mistakes, at->line, at->column,
			"flow %s has an empty `sop-classes`: it allows none", f->name);
	}
	for (unsigned j = 0; j < f->sop_classes.n; j++) {
		unsigned of = sop_class_services(f->sop_classes.at[j]);
		if (f->services && of && !(of & f->services)) {
			mistake_warning(p->mistakes, at->line, at->column,
				"flow %s lists %s, which none of its services uses", f->name,
				word_of_uid(f->sop_classes.at[j]));
		}
	}
}

static void check_destinations(struct parse *p, unsigned i)
{
	const struct flow *f = &p->site->flows[i];
	const struct tree *entry = p->flow_at[i], *at = place(entry, "destinations");
	bool move = f->services & 1u << SERVICE_MOVE;
	if (move && f->n_destinations == 0) {
		mistake_warning(p->mistakes, at->line, at->column,
			"flow %s allows move, but no `destinations`: every C-MOVE will be refused", f->name);
	}
	if (!move && f->n_destinations > 0) {
		mistake_warning(p->mistakes, at->line, at->column,
			"flow %s has `destinations`, but `move` is not among its services", f->name);
	}
	for (unsigned j = 0; j < f->n_destinations; j++) {
		const struct node *n = &p->site->nodes[f->destinations[j]];
		if (n->ae.n == 0) {
			mistake_error(p->mistakes, at->line, at->column,
				"destination %s of flow %s has no AE title, so no C-MOVE can name it",
				n->name, f->name);
		}
	}
}

static void check_user(struct parse *p, const struct flow *f, const struct tree *entry)
{
	const struct tree *at = tree_get(entry, "user-identity");
	if (!at) {
		return;
	}
	if (f->user_caller == USER_VERIFY && !parse_can_prove(&p->site->users)) {
		mistake_error(p->mistakes, at->line, at->column,
			"flow %s verifies users, and `users` names no way to do that", f->name);
	}
	if (f->has_users && f->user_caller != USER_VERIFY) {
		mistake_error(p->mistakes, at->line, at->column,
			"flow %s lists `users`, who are known only with `caller: verify`", f->name);
	}
	if (f->user_called == USER_REPLACE && !f->user_as[0]) {
		mistake_error(p->mistakes, at->line, at->column,
			"flow %s replaces the user identity, and `as` does not say by whose", f->name);
	}
}

/* A word of the one list that stands in the other, too. */
static bool meet(const char *words, const char *others)
{
	char word[INSPECT_WORDS];
	for (const char *at = words; at[0] && at[1]; at += strcspn(at + 1, "\\") + 1) {
		snprintf(word, sizeof(word), "%.*s\\", (int)(strcspn(at + 1, "\\") + 1), at);
		if (strstr(others, word)) {
			return true;
		}
	}
	return false;
}

static void check_inspect(struct parse *p, const struct flow *f, const struct tree *entry)
{
	const struct content *c = f->inspect;
	const struct tree *in = place(entry, "inspect");
	if (c && c->antivirus != ANTIVIRUS_OFF && !p->site->antivirus.has) {
		mistake_error(p->mistakes, place(in, "antivirus")->line, place(in, "antivirus")->column,
			"flow %s has its objects scanned for viruses, and there is no `antivirus:` that says where",
			f->name);
	}
	if (c && c->hold == HOLD_TAIL && c->strictest == ACTION_QUARANTINE) {
		mistake_warning(p->mistakes, place(in, "hold")->line, place(in, "hold")->column,
			"flow %s quarantines, so that its objects are held whole: `hold: tail` does nothing",
			f->name);
	}
	if (c && (meet(c->wanted.modalities, c->wanted.not_modalities) ||
			 meet(c->wanted.body_parts, c->wanted.not_body_parts))) {
		mistake_warning(p->mistakes, in->line, in->column,
			"flow %s takes what it does not take: the same code stands in both lists", f->name);
	}
}

static void check_sign(struct parse *p, const struct flow *f, const struct tree *entry)
{
	const struct tree *at = place(entry, "sign");
	if (f->sign.yes && !p->site->signatures.certificate.path) {
		mistake_error(p->mistakes, at->line, at->column,
			"flow %s signs its objects, and there is no `key` and `certificate` in `signatures` for it",
			f->name);
	}
	if (f->sign.yes && !(f->services & (1u << SERVICE_STORE | 1u << SERVICE_GET))) {
		mistake_warning(p->mistakes, at->line, at->column,
			"flow %s has no service by which objects pass: `sign` does nothing", f->name);
	}
	if (f->sign.yes && f->inspect && f->inspect->hold == HOLD_TAIL) {
		mistake_warning(p->mistakes, at->line, at->column,
			"flow %s signs, so that its objects are held whole: `hold: tail` does nothing",
			f->name);
	}
}

static void check_flow(struct parse *p, unsigned i)
{
	const struct flow *f = &p->site->flows[i];
	const struct tree *entry = p->flow_at[i], *limits = tree_get(entry, "limits");
	const struct tree *from = tree_get(entry, "from"), *services = tree_get(entry, "services");
	check_user(p, f, entry);
	check_inspect(p, f, entry);
	check_deidentify(p, f, place(entry, "deidentify"), place(entry, "services"));
	check_sign(p, f, entry);
	if (from && from->kind == TREE_LIST && from->n == 0) {
		mistake_warning(p->mistakes, from->line, from->column,
			"flow %s has an empty `from`: it admits no one", f->name);
	}
	if (services && services->kind == TREE_LIST && services->n == 0) {
		mistake_warning(p->mistakes, services->line, services->column,
			"flow %s has empty `services`: it allows nothing", f->name);
	}
	check_target(p, i);
	check_sop_classes(p, i);
	check_destinations(p, i);
	if (f->has_query && !(f->services & (1u << SERVICE_FIND | 1u << SERVICE_WORKLIST))) {
		mistake_warning(p->mistakes, place(entry, "query")->line, place(entry, "query")->column,
			"flow %s has a `query` guard, but neither find nor worklist among its services",
			f->name);
	}
	if (tree_get(limits, "hours") && f->n_hours == 0) {
		mistake_warning(p->mistakes, limits->line, limits->column,
			"flow %s limits `hours`, but has no `hours`", f->name);
	}
	if (tree_get(limits, "until") && f->until_s == 0) {
		mistake_warning(p->mistakes, limits->line, limits->column,
			"flow %s limits `until`, but has no `until`", f->name);
	}
	if (f->until_s && f->until_s <= clock_wall_ms() / 1000) {
		mistake_warning(p->mistakes, place(entry, "until")->line, place(entry, "until")->column,
			"flow %s has ended: its `until` is in the past", f->name);
	}
}

static bool is_loopback(const char *address)
{
	struct in6_addr ip;
	if (value_ip(address, &ip) < 0) {
		return false;
	}
	return IN6_IS_ADDR_LOOPBACK(&ip) || (IN6_IS_ADDR_V4MAPPED(&ip) && ip.s6_addr[12] == 127);
}

static void check_listener(struct parse *p, unsigned i)
{
	const struct site *s = p->site;
	const struct listener *l = &s->listeners[i];
	const struct tree *at = p->listener_at[i];
	check_profile(p, at, "listener", l->name, l->transport, l->profile, &l->transport_until);
	if (l->transport == TRANSPORT_PLAIN && !is_loopback(l->address)) {
		mistake_warning(p->mistakes, at->line, at->column,
			"listener %s takes plain DICOM from the network: images and names cross it readable by anyone on the "
			"way; keep such a network to the scanners that cannot do TLS",
			l->name);
	}
	if (l->transport == TRANSPORT_TLS && s->n_identities == 0) {
		mistake_error(p->mistakes, at->line, at->column,
			"listener %s is `transport: tls`, but `tls: identities:` has no certificate",
			l->name);
	}
	if (l->transport == TRANSPORT_TLS && s->n_trust == 0) {
		mistake_error(p->mistakes, at->line, at->column,
			"listener %s is `transport: tls`, but `tls: trust:` names no authority, so no caller could be verified",
			l->name);
	}
	for (unsigned j = 0; j < i; j++) {
		const struct listener *o = &s->listeners[j];
		if (strcmp(o->name, l->name) == 0) {
			mistake_error(p->mistakes, at->line, at->column,
				"a second listener %s; the first is in line %u", l->name, o->line);
		}
		if (o->port && o->port == l->port && strcmp(o->address, l->address) == 0) {
			mistake_error(p->mistakes, at->line, at->column,
				"listeners %s and %s have the same address and port", o->name, l->name);
		}
	}
}

/* A target that is called by TLS must be verified against something. */
static void check_trust(struct parse *p)
{
	const struct site *s = p->site;
	for (unsigned i = 0; i < s->n_flows; i++) {
		const struct node *to = s->flows[i].to < s->n_nodes ? &s->nodes[s->flows[i].to] : NULL;
		if (to && to->transport == TRANSPORT_TLS && to->n_address > 0 && !to->address[0].folder[0] &&
			s->n_trust == 0) {
			mistake_error(p->mistakes, to->line, to->column,
				"node %s is called by TLS, but `tls: trust:` names no authority to verify it by (or is it "
				"`transport: plain`?)",
				to->name);
			return;
		}
	}
}

/* Could one connection be both? Then the first in the file wins, which may not be what was meant. */
static void check_pair(struct parse *p, unsigned i, unsigned j)
{
	const struct node *a = &p->site->nodes[i], *b = &p->site->nodes[j];
	if (!identity_overlap(a, b) || identity_criteria(a) != identity_criteria(b)) {
		return;
	}
	mistake_warning(p->mistakes, b->line, b->column,
		"nodes %s and %s can be matched by the same caller, with equally many criteria; the first in the file, %s "
		"(line %u), wins: tell them apart by certificate, AE title or address",
		a->name, b->name, a->name, a->line);
}

static bool flows_share_caller(const struct flow *a, const struct flow *b)
{
	for (unsigned i = 0; i < b->n_from; i++) {
		if (flow_has_caller(a, b->from[i])) {
			return true;
		}
	}
	return false;
}

/* The same callers and called title, two targets: the second is never meant by that title. */
static void check_targets(struct parse *p, unsigned i, unsigned j)
{
	const struct site *s = p->site;
	const struct flow *a = &s->flows[i], *b = &s->flows[j];
	if (a->to == b->to || a->to >= s->n_nodes || b->to >= s->n_nodes || !flows_share_caller(a, b)) {
		return;
	}
	const struct names *lists[2] = {&s->nodes[b->to].ae, &b->called};
	for (unsigned l = 0; l < 2; l++) {
		for (unsigned t = 0; t < lists[l]->n; t++) {
			if (flow_is_called(s, a, lists[l]->at[t], false)) {
				mistake_warning(p->mistakes, b->line, b->column,
					"flows %s and %s share callers and the called AE title `%s`, but go to %s and %s: the "
					"first, %s (line %u), wins",
					a->name, b->name, lists[l]->at[t], s->nodes[a->to].name,
					s->nodes[b->to].name, a->name, a->line);
				return;
			}
		}
	}
}

static void check_flow_pairs(struct parse *p)
{
	const struct site *s = p->site;
	for (unsigned j = 0; j < s->n_flows; j++) {
		unsigned same_pair = 1;
		for (unsigned i = 0; i < j; i++) {
			if (strcmp(s->flows[i].name, s->flows[j].name) == 0) {
				mistake_error(p->mistakes, s->flows[j].line, s->flows[j].column,
					"a second flow %s; the first is in line %u", s->flows[j].name,
					s->flows[i].line);
			}
			check_targets(p, i, j);
			same_pair += s->flows[i].to == s->flows[j].to &&
			             flows_share_caller(&s->flows[i], &s->flows[j]);
		}
		if (same_pair == ROUTE_FLOWS + 1) {
			mistake_error(p->mistakes, s->flows[j].line, s->flows[j].column,
				"more than %u flows join the same nodes; write them together", ROUTE_FLOWS);
		}
	}
}

void parse_check(struct parse *p)
{
	struct site *s = p->site;
	if (!s->quarantine.folder) {
		s->quarantine.folder = region_printf(p->region, "%s/quarantine", s->state);
	}
	struct use *uses = region_array(p->region, s->n_nodes, sizeof(*uses));
	if (!uses || !s->quarantine.folder) {
		return;
	}
	find_uses(s, uses);
	for (unsigned i = 0; i < s->n_listeners; i++) {
		check_listener(p, i);
	}
	for (unsigned i = 0; i < s->n_nodes; i++) {
		check_node(p, i, &uses[i]);
		for (unsigned j = 0; j < i; j++) {
			if (uses[i].calls && uses[j].calls) {
				check_pair(p, j, i);
			}
		}
	}
	for (unsigned i = 0; i < s->n_flows; i++) {
		check_flow(p, i);
	}
	check_flow_pairs(p);
	check_trust(p);
	parse_check_users(p);
}
