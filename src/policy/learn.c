/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/learn.h"
#include "policy/identity.h"
#include "policy/learn_parts.h"
#include "policy/match.h"
#include "policy/values.h"
#include "policy/vocabulary.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool words_add(struct region *r, struct words *w, const char *s)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (strcmp(w->at[i], s) == 0) {
			return true;
		}
	}
	if (!s[0]) {
		return true;
	}
	if (w->n == w->cap) {
		unsigned cap = w->cap ? 2 * w->cap : 8;
		const char **at = region_array(r, cap, sizeof(*at));
		if (!at) {
			return false;
		}
		if (w->n) {
			memcpy(at, w->at, w->n * sizeof(*at));
		}
		w->at = at;
		w->cap = cap;
	}
	const char *copy = region_str(r, s);
	if (copy) {
		w->at[w->n++] = copy;
	}
	return copy != NULL;
}

struct learn *learn_new(const struct site *site, unsigned flags)
{
	struct region *r = region_new();
	struct learn *l = r ? region_alloc(r, sizeof(*l)) : NULL;
	if (!l) {
		region_free(r);
		return NULL;
	}
	*l = (struct learn){.region = r, .site = site, .flags = flags};
	l->people = region_array(r, LEARN_MOST, sizeof(*l->people));
	l->pairs = region_array(r, LEARN_MOST, sizeof(*l->pairs));
	if (region_failed(r)) {
		region_free(r);
		return NULL;
	}
	return l;
}

void learn_free(struct learn *l)
{
	if (l) {
		region_free(l->region);
	}
}

static int site_node(const struct learn *l, const char *name)
{
	for (unsigned i = 0; l->site && i < l->site->n_nodes; i++) {
		if (strcmp(l->site->nodes[i].name, name) == 0) {
			return (int)i;
		}
	}
	return -1;
}

static bool name_taken(const struct learn *l, const char *name)
{
	bool taken = site_node(l, name) >= 0;
	for (unsigned i = 0; i < l->n_people; i++) {
		taken |= strcmp(l->people[i].name, name) == 0;
	}
	return taken;
}

/* A node's name from an AE title: "CT 1" becomes ct-1; a number keeps it apart from others. */
static const char *new_name(struct learn *l, const char *title)
{
	char base[65] = "node";
	size_t n = 0;
	for (; n < 48 && title[n]; n++) {
		unsigned char c = (unsigned char)title[n];
		base[n] = isalnum(c) || c == '.' || c == '_' ? (char)tolower(c) : '-';
	}
	base[n ? n : 4] = '\0';
	if (base[0] == '-' || base[0] == '.') {
		memcpy(base, "node", 5);
	}
	const char *name = region_str(l->region, base);
	for (unsigned i = 2; name && name_taken(l, name); i++) {
		name = region_printf(l->region, "%s-%u", base, i);
	}
	return name;
}

/* One more, or NULL with the limit reached. */
static struct person *new_person(struct learn *l, int node, const char *name)
{
	if (l->n_people == LEARN_MOST || !name) {
		return NULL;
	}
	struct person *p = &l->people[l->n_people++];
	*p = (struct person){.name = name, .node = node};
	return p;
}

static struct person *person_of_node(struct learn *l, int node)
{
	for (unsigned i = 0; i < l->n_people; i++) {
		if (l->people[i].node == node) {
			return &l->people[i];
		}
	}
	return new_person(l, node, l->site->nodes[node].name);
}

static bool words_have(const struct words *w, const char *s)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (strcmp(w->at[i], s) == 0) {
			return true;
		}
	}
	return false;
}

static struct caller caller_of(const struct refusal *seen, const char *san[4])
{
	struct caller c = {.transport = seen->tls ? TRANSPORT_TLS : TRANSPORT_PLAIN,
		.calling = seen->calling,
		.called = seen->called,
		.san = san,
		.has_certificate = seen->spki[0] || seen->san[0][0]};
	char pin[PIN_TEXT + 8];
	(void)!value_ip(seen->address, &c.ip);
	snprintf(pin, sizeof(pin), "sha256:%s", seen->spki);
	(void)!value_spki(pin, c.spki_sha256);
	for (unsigned i = 0; i < 4 && seen->san[i][0]; i++) {
		san[c.n_san++] = seen->san[i];
	}
	return c;
}

/* A node of the site that has the title and the transport, and would admit the caller with one list made longer. */
static struct person *person_to_extend(struct learn *l, const struct refusal *seen)
{
	const char *san[4];
	struct caller c = caller_of(seen, san);
	for (unsigned i = 0; l->site && i < l->site->n_nodes; i++) {
		const struct node *n = &l->site->nodes[i];
		unsigned misses = n->has_ae ? identity_misses(n, NULL, &c) : MISS_TITLE;
		/* A device that shows another certificate from the same place was renewed; from another place, it moved. */
		bool address = misses == MISS_ADDRESS || misses == MISS_NAMES_NONE;
		bool one = misses == 0 || address || (misses == MISS_CERTIFICATE && c.has_certificate);
		struct person *p = one ? person_of_node(l, (int)i) : NULL;
		if (p && address) {
			p->more_from = true;
		}
		if (p && misses == MISS_CERTIFICATE) {
			p->more_certificate = true;
		}
		if (p) {
			return p;
		}
	}
	return NULL;
}

/* A caller met before, by what would tell it from others: title, transport, and the certificate where it has one. */
static struct person *person_met(struct learn *l, const struct refusal *seen)
{
	for (unsigned i = 0; i < l->n_people; i++) {
		struct person *p = &l->people[i];
		bool named = seen->node[0] && strcmp(p->name, seen->node) == 0;
		bool titled = p->node < 0 && p->tls == seen->tls && words_have(&p->ae, seen->calling);
		bool certificate =
			!seen->tls ||
			(value_is_san(seen->san[0]) ? words_have(&p->san, seen->san[0])
						    : p->san.n == 0 && words_have(&p->spki, seen->spki));
		if (p->calls && p->node < 0 && (named || (titled && certificate && !seen->node[0]))) {
			return p;
		}
	}
	return NULL;
}

static struct person *find_caller(struct learn *l, const struct refusal *seen)
{
	int node = seen->node[0] ? site_node(l, seen->node) : -1;
	struct person *p = node >= 0 ? person_of_node(l, node) : person_met(l, seen);
	if (!p && !seen->node[0]) {
		p = person_to_extend(l, seen);
	}
	if (!p) {
		bool usable = seen->node[0] && !name_taken(l, seen->node);
		p = new_person(
			l, -1, usable ? region_str(l->region, seen->node) : new_name(l, seen->calling));
		if (p) {
			p->tls = seen->tls;
		}
	}
	if (!p) {
		return NULL;
	}
	p->calls = true;
	words_add(l->region, &p->ae, seen->calling);
	words_add(l->region, &p->from, seen->address);
	for (unsigned i = 0; i < 4; i++) {
		/* A name that gantry.yaml cannot write is no use; the key is then what the caller is known by. */
		words_add(l->region, &p->san, value_is_san(seen->san[i]) ? seen->san[i] : "");
	}
	words_add(l->region, &p->spki, seen->spki);
	return p;
}

/* A node by an AE title that it is called by. */
static struct person *person_titled(struct learn *l, const char *title)
{
	for (unsigned i = 0; l->site && i < l->site->n_nodes; i++) {
		if (names_have(&l->site->nodes[i].ae, title, false)) {
			return person_of_node(l, (int)i);
		}
	}
	for (unsigned i = 0; i < l->n_people; i++) {
		if (l->people[i].node < 0 && words_have(&l->people[i].ae, title)) {
			return &l->people[i];
		}
	}
	struct person *p = new_person(l, -1, new_name(l, title));
	if (p) {
		words_add(l->region, &p->ae, title);
	}
	return p;
}

static struct person *find_target(struct learn *l, const struct refusal *seen)
{
	int node = seen->target[0] ? site_node(l, seen->target) : -1;
	struct person *p = node >= 0 ? person_of_node(l, node) : NULL;
	for (unsigned i = 0; !p && seen->target[0] && i < l->n_people; i++) {
		p = l->people[i].node < 0 && strcmp(l->people[i].name, seen->target) == 0 ? &l->people[i]
		                                                                          : NULL;
	}
	if (!p && seen->target[0] && !name_taken(l, seen->target)) {
		p = new_person(l, -1, region_str(l->region, seen->target));
	}
	p = p ? p : person_titled(l, seen->called);
	if (p) {
		p->called = true;
		if (p->node < 0) {
			words_add(l->region, &p->ae, seen->called);
		}
	}
	return p;
}

static struct pair *find_pair(struct learn *l, unsigned from, unsigned to)
{
	for (unsigned i = 0; i < l->n_pairs; i++) {
		if (l->pairs[i].from == from && l->pairs[i].to == to) {
			return &l->pairs[i];
		}
	}
	if (l->n_pairs == LEARN_MOST) {
		return NULL;
	}
	struct pair *p = &l->pairs[l->n_pairs++];
	*p = (struct pair){.from = from, .to = to};
	return p;
}

/* The services a sighting needs: its own, or for a context alone those of its SOP class. */
static unsigned services_of(const struct refusal *seen)
{
	enum service s = word_service(seen->service);
	if (s != SERVICE_COUNT) {
		return SERVICE_BIT(s);
	}
	unsigned of = sop_class_services(seen->sop_class);
	return of & SERVICE_BIT(SERVICE_STORE) ? SERVICE_BIT(SERVICE_STORE) : of;
}

static bool destination_allowed(const struct site *s, const struct flow *f, const char *title)
{
	for (unsigned i = 0; i < f->n_destinations; i++) {
		if (names_have(&s->nodes[f->destinations[i]].ae, title, false)) {
			return true;
		}
	}
	return !title[0];
}

/* Does a flow of the site allow all of it already? */
static bool flow_allows(
	const struct learn *l, const struct flow *f, const struct refusal *seen, unsigned services)
{
	return flow_is_called(l->site, f, seen->called, false) && (f->services & services) == services &&
	       (!seen->sop_class[0] || flow_allows_sop_class(f, seen->sop_class)) &&
	       (!seen->transfer_syntax[0] || flow_allows_transfer_syntax(f, seen->transfer_syntax)) &&
	       destination_allowed(l->site, f, seen->destination);
}

static bool site_allows(const struct learn *l, const struct person *from, const struct person *to,
	const struct refusal *seen, unsigned services, bool *ret_joined)
{
	bool allowed = false;
	*ret_joined = false;
	for (unsigned i = 0; l->site && from->node >= 0 && to->node >= 0 && i < l->site->n_flows; i++) {
		const struct flow *f = &l->site->flows[i];
		bool has = false;
		for (unsigned j = 0; j < f->n_from; j++) {
			has |= (int)f->from[j] == from->node;
		}
		if (has && (int)f->to == to->node) {
			*ret_joined = true;
			allowed |= flow_allows(l, f, seen, services);
		}
	}
	return allowed;
}

static bool title_is_of(const struct learn *l, const struct person *p, const char *title)
{
	return p->node >= 0 ? names_have(&l->site->nodes[p->node].ae, title, false)
	                    : words_have(&p->ae, title);
}

static int add_pair(struct learn *l, struct person *from, struct person *to, const struct refusal *seen)
{
	unsigned services = services_of(seen);
	bool joined;
	if (site_allows(l, from, to, seen, services, &joined)) {
		return 0;
	}
	struct pair *p = find_pair(l, (unsigned)(from - l->people), (unsigned)(to - l->people));
	if (!p) {
		return ERR_LIMIT;
	}
	p->missing = true;
	p->services |= services;
	words_add(l->region, &p->sop_classes, seen->sop_class);
	words_add(l->region, &p->transfer_syntaxes, seen->transfer_syntax);
	if (!title_is_of(l, to, seen->called)) {
		words_add(l->region, &p->called, seen->called);
	}
	if (seen->destination[0]) {
		struct person *d = person_titled(l, seen->destination);
		if (!d) {
			return ERR_LIMIT;
		}
		words_add(l->region, &p->destinations, d->name);
	}
	return 0;
}

static bool name_ok(const char *s)
{
	return s[0] != '-' && s[0] != '.' &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == strlen(s);
}

/* A log is a file that anyone may have written to: only what a site could hold gets into YAML. */
bool learn_can(const struct refusal *seen)
{
	struct in6_addr ip;
	char pin[PIN_TEXT + 8];
	uint8_t hash[32];
	snprintf(pin, sizeof(pin), "sha256:%s", seen->spki);
	return value_is_ae(seen->calling) && value_is_ae(seen->called) && value_ip(seen->address, &ip) == 0 &&
	       name_ok(seen->node) && name_ok(seen->target) &&
	       (!seen->spki[0] || value_spki(pin, hash) == 0) &&
	       (!seen->destination[0] || value_is_ae(seen->destination)) &&
	       (!seen->sop_class[0] || (word_is_uid(seen->sop_class) && word_sop_class(seen->sop_class))) &&
	       (!seen->transfer_syntax[0] ||
		       (word_is_uid(seen->transfer_syntax) && word_transfer_syntax(seen->transfer_syntax)));
}

int learn_add(struct learn *l, const struct refusal *seen)
{
	if (!learn_can(seen)) {
		return 0; /* or refused before it said who it was */
	}
	struct person *from = find_caller(l, seen);
	struct person *to = from ? find_target(l, seen) : NULL;
	int err = to ? add_pair(l, from, to, seen) : ERR_LIMIT;
	return region_failed(l->region) ? ERR_NO_MEMORY : err;
}
