/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/identity.h"
#include "policy/match.h"
#include "policy/nearest.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *ip_text(const struct in6_addr *ip, char buf[IP_TEXT])
{
	const char *text = IN6_IS_ADDR_V4MAPPED(ip) ? inet_ntop(AF_INET, &ip->s6_addr[12], buf, IP_TEXT)
	                                            : inet_ntop(AF_INET6, ip, buf, IP_TEXT);
	return text ? text : "?";
}

unsigned identity_criteria(const struct node *n)
{
	return (n->has_ae ? 1u : 0) + (n->has_from && !n->from_any ? 1u : 0) + (n->has_san ? 1u : 0) +
	       (n->has_spki ? 1u : 0);
}

static bool networks_overlap(const struct network *a, const struct network *b)
{
	if (a->host[0] || b->host[0]) {
		return strcasecmp(a->host, b->host) == 0;
	}
	return a->prefix <= b->prefix ? network_has(a, &b->ip) : network_has(b, &a->ip);
}

static bool from_overlap(const struct node *a, const struct node *b)
{
	if (!a->has_from || !b->has_from) {
		return true;
	}
	for (unsigned i = 0; i < a->n_from; i++) {
		for (unsigned j = 0; j < b->n_from; j++) {
			if (networks_overlap(&a->from[i], &b->from[j])) {
				return true;
			}
		}
	}
	return false;
}

static bool names_overlap(const struct names *a, const struct names *b, bool any_case)
{
	for (unsigned i = 0; i < a->n; i++) {
		if (names_have(b, a->at[i], any_case)) {
			return true;
		}
	}
	return false;
}

static bool spki_overlap(const struct node *a, const struct node *b)
{
	for (unsigned i = 0; i < a->n_spki; i++) {
		for (unsigned j = 0; j < b->n_spki; j++) {
			if (memcmp(a->spki[i].sha256, b->spki[j].sha256, sizeof(a->spki[i].sha256)) == 0) {
				return true;
			}
		}
	}
	return false;
}

bool identity_overlap(const struct node *a, const struct node *b)
{
	bool any_case = ((a->tolerate | b->tolerate) & TOLERATE_AE_CASE) != 0;
	return a->transport == b->transport &&
	       (!a->has_ae || !b->has_ae || names_overlap(&a->ae, &b->ae, any_case)) && from_overlap(a, b) &&
	       (!a->has_san || !b->has_san || names_overlap(&a->san, &b->san, true)) &&
	       (!a->has_spki || !b->has_spki || spki_overlap(a, b));
}

static bool from_has(const struct node *n, const struct hosts *h, const struct in6_addr *ip)
{
	for (unsigned i = 0; i < n->n_from; i++) {
		const struct network *net = &n->from[i];
		if (net->host[0] ? hosts_has(h, net->host, ip) : network_has(net, ip)) {
			return true;
		}
	}
	return false;
}

static bool certificate_has(const struct node *n, const struct caller *c)
{
	bool san = !n->has_san, spki = !n->has_spki;
	for (unsigned i = 0; !san && i < c->n_san; i++) {
		san = names_have(&n->san, c->san[i], true);
	}
	for (unsigned i = 0; !spki && i < n->n_spki; i++) {
		spki = memcmp(n->spki[i].sha256, c->spki_sha256, sizeof(c->spki_sha256)) == 0;
	}
	return c->has_certificate && san && spki;
}

unsigned identity_misses(const struct node *n, const struct hosts *h, const struct caller *c)
{
	unsigned misses = 0;
	if (n->has_ae && !names_have(&n->ae, c->calling, n->tolerate & TOLERATE_AE_CASE)) {
		misses |= MISS_TITLE;
	}
	if (n->transport != c->transport) {
		misses |= MISS_TRANSPORT;
	}
	if (n->transport == TRANSPORT_TLS && c->outside & 1u << n->profile) {
		misses |= MISS_TRANSPORT;
	}
	if (n->has_from && !from_has(n, h, &c->ip)) {
		misses |= MISS_ADDRESS;
	}
	if (n->has_certificate && !certificate_has(n, c)) {
		misses |= MISS_CERTIFICATE;
	}
	if (!n->has_from && !n->has_certificate) {
		misses |= MISS_NAMES_NONE;
	}
	return misses;
}

/* Sentences of a near miss: what was seen, what the entry expects. */

static void list_names(char *buf, size_t cap, const struct names *names)
{
	size_t used = 0;
	buf[0] = '\0';
	for (unsigned i = 0; i < names->n && used < cap; i++) {
		if (i == 4) {
			snprintf(buf + used, cap - used, ", …");
			return;
		}
		int n = snprintf(buf + used, cap - used, "%s%.64s", i ? ", " : "", names->at[i]);
		used += n > 0 ? (size_t)n : 0;
	}
}

static void list_from(char *buf, size_t cap, const struct node *n)
{
	size_t used = 0;
	snprintf(buf, cap, "no address at all");
	for (unsigned i = 0; i < n->n_from && used < cap; i++) {
		const struct network *net = &n->from[i];
		char ip[IP_TEXT];
		bool v4 = IN6_IS_ADDR_V4MAPPED(&net->ip);
		unsigned prefix = v4 && net->prefix >= 96 ? net->prefix - 96u : net->prefix;
		int k;
		if (i == 4) {
			snprintf(buf + used, cap - used, ", …");
			return;
		}
		if (net->host[0]) {
			k = snprintf(buf + used, cap - used, "%s%.64s", i ? ", " : "", net->host);
		} else if (net->prefix == 128) {
			k = snprintf(buf + used, cap - used, "%s%s", i ? ", " : "", ip_text(&net->ip, ip));
		} else {
			k = snprintf(buf + used, cap - used, "%s%s/%u", i ? ", " : "", ip_text(&net->ip, ip),
				prefix);
		}
		used += k > 0 ? (size_t)k : 0;
	}
}

static void say_transport(const struct node *n, const struct caller *c, struct verdict *v)
{
	bool tls = n->transport == TRANSPORT_TLS;
	v->rule = RULE_CALLER_TRANSPORT;
	if (n->transport == c->transport) {
		const char *profile = tls_profile_words[n->profile];
		snprintf(v->sentence, sizeof(v->sentence),
			"this looks like node %s, but its connection, %s, is outside %s%s. Set the device to what the "
			"profile has, or let it call a listener of its own profile",
			n->name, c->suite ? c->suite : "TLS",
			profile[0] ? "profile " : "every profile that is not retired", profile);
		return;
	}
	snprintf(v->sentence, sizeof(v->sentence),
		"this looks like node %s, but it called by %s; its entry says `transport: %s`. %s", n->name,
		tls ? "plain DICOM" : "TLS", tls ? "tls" : "plain",
		tls ? "Set the device to TLS and to a TLS listener's port"
		    : "Set its entry to `transport: tls`, or the device to the plain port");
}

static void say_address(const struct node *n, const struct caller *c, unsigned misses, struct verdict *v)
{
	char seen[IP_TEXT], expected[200];
	v->rule = RULE_CALLER_ADDRESS;
	ip_text(&c->ip, seen);
	if (misses & MISS_NAMES_NONE) {
		snprintf(v->sentence, sizeof(v->sentence),
			"AE title `%s` is node %s, whose entry names neither `from` nor `certificate`: it can be called, but "
			"nobody is known as it. If %s is its address, give it `from: [ %s ]`",
			c->calling, n->name, seen, seen);
		return;
	}
	list_from(expected, sizeof(expected), n);
	snprintf(v->sentence, sizeof(v->sentence),
		"AE title `%s` is node %s, but the call came from %s; its entry allows %s. Has its address changed?",
		c->calling, n->name, seen, expected);
}

static void say_certificate(const struct node *n, const struct caller *c, struct verdict *v)
{
	char seen[160] = "none", expected[160];
	struct names san = {.at = (const char **)(uintptr_t)c->san, .n = c->n_san};
	v->rule = RULE_CALLER_CERTIFICATE;
	if (!c->has_certificate) {
		snprintf(v->sentence, sizeof(v->sentence),
			"AE title `%s` is node %s, whose entry names a certificate, but the caller showed none",
			c->calling, n->name);
		return;
	}
	if (c->n_san) {
		list_names(seen, sizeof(seen), &san);
	}
	list_names(expected, sizeof(expected), &n->san);
	bool pin = n->has_spki && (!n->has_san || names_overlap(&n->san, &san, true));
	if (pin) {
		snprintf(v->sentence, sizeof(v->sentence),
			"AE title `%s` is node %s, but the certificate's key is not one of its pins (`spki`). Was its "
			"certificate renewed with a new key?",
			c->calling, n->name);
		return;
	}
	snprintf(v->sentence, sizeof(v->sentence),
		"AE title `%s` is node %s, but the certificate is for %s; its entry names %s", c->calling,
		n->name, seen, n->san.n ? expected : "none");
}

/* A node has the title, and something else is amiss. */
static void say_near(const struct node *n, const struct caller *c, unsigned misses, struct verdict *v)
{
	v->line = n->line;
	if (misses & MISS_TRANSPORT) {
		say_transport(n, c, v);
	} else if (misses & (MISS_ADDRESS | MISS_NAMES_NONE)) {
		say_address(n, c, misses, v);
	} else {
		say_certificate(n, c, v);
	}
}

/* No node has the title. Does the connection otherwise look like one, or is a title nearly the same? */
static int say_unknown(const struct site *s, const struct hosts *h, const struct caller *c, struct verdict *v)
{
	struct nearest near = nearest_to(c->calling);
	char ip[IP_TEXT];
	int other = -1, owner = -1;
	for (unsigned i = 0; i < s->n_nodes; i++) {
		const struct node *n = &s->nodes[i];
		bool else_same = identity_misses(n, h, c) == MISS_TITLE && !n->from_any;
		other = other < 0 && else_same && n->ae.n > 0 ? (int)i : other;
		for (unsigned j = 0; j < n->ae.n; j++) {
			unsigned before = near.distance;
			nearest_offer(&near, n->ae.at[j]);
			owner = near.distance < before ? (int)i : owner;
		}
	}
	v->rule = RULE_CALLER_UNKNOWN;
	ip_text(&c->ip, ip);
	if (near.best && owner >= 0 && (other < 0 || names_have(&s->nodes[other].ae, near.best, false))) {
		const struct node *n = &s->nodes[owner];
		v->line = n->line;
		snprintf(v->sentence, sizeof(v->sentence),
			"no node has the AE title `%s` (called from %s); node %s has `%s`: %s", c->calling,
			ip, n->name, near.best,
			near.distance == 0
				? "AE titles compare with case; correct the device, or let the node "
				  "`tolerate: [ ae-case ]`"
				: "was the device's title changed or misspelt?");
		return owner;
	}
	if (other >= 0) {
		const struct node *n = &s->nodes[other];
		v->line = n->line;
		snprintf(v->sentence, sizeof(v->sentence),
			"no node has the AE title `%s`; the connection from %s otherwise matches node %s, whose title is "
			"`%s`: was the device's title changed?",
			c->calling, ip, n->name, n->ae.at[0]);
		return other;
	}
	snprintf(v->sentence, sizeof(v->sentence),
		"no node has the AE title `%s` (called from %s by %s, called title `%s`); add a node for it if it belongs here",
		c->calling, ip, c->transport == TRANSPORT_TLS ? "TLS" : "plain DICOM", c->called);
	return -1;
}

static unsigned bits(unsigned v)
{
	return (unsigned)__builtin_popcount(v);
}

int identity_of(const struct site *s, const struct hosts *h, const struct caller *c, int *ret_node,
	int *ret_near, struct verdict *ret_verdict)
{
	int best = -1, near = -1;
	unsigned near_misses = 0;
	for (unsigned i = 0; i < s->n_nodes; i++) {
		const struct node *n = &s->nodes[i];
		unsigned misses = identity_misses(n, h, c);
		if (misses == 0 && (best < 0 || identity_criteria(n) > identity_criteria(&s->nodes[best]))) {
			best = (int)i;
		}
		/* Only a node that was named by its title can be nearly met; one without titles must match otherwise. */
		bool named = n->has_ae && !(misses & MISS_TITLE);
		if (misses && named && (near < 0 || bits(misses) < bits(near_misses))) {
			near = (int)i;
			near_misses = misses;
		}
	}
	if (best >= 0) {
		*ret_node = best;
		return 0;
	}
	struct verdict v = {.refuse = true, .flow = -1};
	if (near >= 0) {
		say_near(&s->nodes[near], c, near_misses, &v);
	} else {
		near = say_unknown(s, h, c, &v);
	}
	*ret_near = near;
	*ret_verdict = v;
	return ERR_DENIED;
}
