/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/learn.h"
#include "policy/identity.h"
#include "policy/learn_parts.h"
#include "policy/match.h"
#include "policy/vocabulary.h"

#include <stdlib.h>
#include <string.h>

void yaml_word(FILE *f, const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-");
	if (s[0] && s[n] == '\0' && s[0] != '-' && s[0] != '.') {
		fputs(s, f);
		return;
	}
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\') {
			fputc('\\', f);
		}
		fputc(*s, f);
	}
	fputc('"', f);
}

const char *network_text(const struct network *n, char buf[64])
{
	char ip[IP_TEXT];
	bool v4 = IN6_IS_ADDR_V4MAPPED(&n->ip) && n->prefix >= 96;
	if (n->host[0]) {
		return n->host;
	}
	if (n->prefix == 128) {
		snprintf(buf, 64, "%s", ip_text(&n->ip, ip));
	} else {
		snprintf(buf, 64, "%s/%u", ip_text(&n->ip, ip), v4 ? n->prefix - 96u : n->prefix);
	}
	return buf;
}

const char *pin_text(const struct spki_pin *pin, char buf[PIN_TEXT])
{
	size_t used = (size_t)snprintf(buf, PIN_TEXT, "sha256:");
	for (unsigned i = 0; i < sizeof(pin->sha256); i++) {
		used += (size_t)snprintf(buf + used, PIN_TEXT - used, "%02x", pin->sha256[i]);
	}
	return buf;
}

static void list_open(FILE *f, const char *key, unsigned *n)
{
	fprintf(f, "%s: [", key);
	*n = 0;
}

static void list_item(FILE *f, const char *s, unsigned *n)
{
	fputs((*n)++ ? ", " : " ", f);
	yaml_word(f, s);
}

static void list_close(FILE *f, unsigned n)
{
	fputs(n ? " ]" : "]", f);
}

static void list_words(FILE *f, const char *key, const struct words *w)
{
	unsigned n;
	list_open(f, key, &n);
	for (unsigned i = 0; i < w->n; i++) {
		list_item(f, w->at[i], &n);
	}
	list_close(f, n);
}

/* A new node: what tells it apart, and for one that is called what is not known. */
static void write_new(FILE *f, const struct person *p)
{
	fprintf(f, "  %s:\n    ", p->name);
	list_words(f, "ae", &p->ae);
	fputc('\n', f);
	if (p->calls) {
		fputs("    ", f);
		list_words(f, "from", &p->from);
		fputc('\n', f);
	}
	if (p->calls && p->tls && p->san.n) {
		fputs("    certificate: { ", f);
		list_words(f, "san", &p->san);
		fputs(" }\n", f);
	} else if (p->calls && p->tls && p->spki.n) {
		unsigned n;
		fputs("    certificate: { ", f);
		list_open(f, "spki", &n);
		for (unsigned i = 0; i < p->spki.n; i++) {
			fprintf(f, "%s\"sha256:%s\"", n++ ? ", " : " ", p->spki.at[i]);
		}
		list_close(f, n);
		fputs(" }\n", f);
	}
	if (p->calls) {
		fprintf(f, "    transport: %s\n", p->tls ? "tls" : "plain");
	}
	if (p->called) {
		fputs("    # address: [ \"HOST:PORT\" ]    fill in where it is called; the log does not know it\n",
			f);
	}
}

/* Addresses that a node of the site admits, and those it must. */
static void write_from(FILE *f, const struct node *n, const struct person *p)
{
	char buf[64];
	unsigned k;
	fputs("    ", f);
	list_open(f, "from", &k);
	for (unsigned i = 0; i < n->n_from; i++) {
		list_item(f, network_text(&n->from[i], buf), &k);
	}
	for (unsigned i = 0; i < p->from.n; i++) {
		list_item(f, p->from.at[i], &k);
	}
	list_close(f, k);
	fputc('\n', f);
}

static void write_certificate(FILE *f, const struct node *n, const struct person *p)
{
	char pin[PIN_TEXT];
	unsigned k;
	fputs("    certificate: { ", f);
	if (n->has_san) {
		list_open(f, "san", &k);
		for (unsigned i = 0; i < n->san.n; i++) {
			list_item(f, n->san.at[i], &k);
		}
		for (unsigned i = 0; i < p->san.n; i++) {
			if (!names_have(&n->san, p->san.at[i], true)) {
				list_item(f, p->san.at[i], &k);
			}
		}
		list_close(f, k);
		fputs(n->has_spki ? ", " : "", f);
	}
	if (n->has_spki) {
		list_open(f, "spki", &k);
		for (unsigned i = 0; i < n->n_spki; i++) {
			list_item(f, pin_text(&n->spki[i], pin), &k);
		}
		for (unsigned i = 0; i < p->spki.n; i++) {
			snprintf(pin, sizeof(pin), "sha256:%.64s", p->spki.at[i]);
			list_item(f, pin, &k);
		}
		list_close(f, k);
	}
	fputs(" }\n", f);
}

/* Is it worth a line? */
static bool is_new(const struct person *p)
{
	return p->node < 0 || p->more_from || p->more_certificate;
}

static void write_nodes(FILE *f, const struct learn *l)
{
	bool any = false;
	for (unsigned i = 0; i < l->n_people; i++) {
		const struct person *p = &l->people[i];
		if (!is_new(p)) {
			continue;
		}
		fputs(any ? "" : "nodes:\n", f);
		any = true;
		if (p->node < 0) {
			write_new(f, p);
			continue;
		}
		const struct node *n = &l->site->nodes[p->node];
		fprintf(f, "  %s:    # in line %u: these lines in place of its own\n", n->name, n->line);
		if (p->more_from) {
			write_from(f, n, p);
		}
		if (p->more_certificate) {
			write_certificate(f, n, p);
		}
	}
}

/* SOP classes that the flow must list: those its services do not bring along. */
static void write_sop_classes(FILE *f, const struct pair *p)
{
	struct flow bare = {.services = p->services, .has_sop_classes = true};
	unsigned n = 0, listed = 0;
	bare.implied = p->services & (SERVICE_BIT(SERVICE_ECHO) | SERVICE_BIT(SERVICE_WORKLIST) |
					     SERVICE_BIT(SERVICE_MPPS) | SERVICE_BIT(SERVICE_COMMIT));
	for (unsigned i = 0; i < p->sop_classes.n; i++) {
		listed += !flow_allows_sop_class(&bare, p->sop_classes.at[i]);
	}
	if (listed == 0 && (p->services & ~bare.implied) == 0) {
		return;
	}
	fputs("    ", f);
	list_open(f, "sop-classes", &n);
	for (unsigned i = 0; i < p->sop_classes.n; i++) {
		if (!flow_allows_sop_class(&bare, p->sop_classes.at[i])) {
			list_item(f, word_of_uid(p->sop_classes.at[i]), &n);
		}
	}
	list_close(f, n);
	fputc('\n', f);
}

static bool flow_named(const struct site *s, const char *name)
{
	for (unsigned i = 0; s && i < s->n_flows; i++) {
		if (strcmp(s->flows[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

static void write_flow_name(FILE *f, const struct learn *l, const char *from, const char *to)
{
	char name[65];
	snprintf(name, sizeof(name), "%.28s-to-%.28s", from, to);
	for (unsigned i = 2; flow_named(l->site, name); i++) {
		snprintf(name, sizeof(name), "%.26s-to-%.26s-%u", from, to, i);
	}
	fprintf(f, "  - name: %s\n", name);
}

static void write_flow(FILE *f, const struct learn *l, const struct pair *p)
{
	unsigned services = p->services, n;
	if (!services && (l->flags & LEARN_ECHO)) {
		services = SERVICE_BIT(SERVICE_ECHO);
	}
	write_flow_name(f, l, l->people[p->from].name, l->people[p->to].name);
	fprintf(f, "    from: [ %s ]\n    to: %s\n", l->people[p->from].name, l->people[p->to].name);
	if (p->called.n) {
		fputs("    ", f);
		list_words(f, "called", &p->called);
		fputc('\n', f);
	}
	fputs("    ", f);
	list_open(f, "services", &n);
	for (int s = 0; s < SERVICE_COUNT; s++) {
		if (services & SERVICE_BIT(s)) {
			list_item(f, word_of_service((enum service)s), &n);
		}
	}
	list_close(f, n);
	fputs(p->services  ? "\n"
		: services ? "    # add what else it is to do: store, find, …\n"
			   : "    # nothing was seen\n",
		f);
	if (p->services) {
		write_sop_classes(f, p);
	}
	if ((l->flags & LEARN_TRANSFER_SYNTAXES) && p->transfer_syntaxes.n) {
		fputs("    ", f);
		list_open(f, "transfer-syntaxes", &n);
		for (unsigned i = 0; i < p->transfer_syntaxes.n; i++) {
			list_item(f, word_of_uid(p->transfer_syntaxes.at[i]), &n);
		}
		list_close(f, n);
		fputc('\n', f);
	}
	if (p->destinations.n) {
		fputs("    ", f);
		list_words(f, "destinations", &p->destinations);
		fputc('\n', f);
	}
}

int learn_write(struct learn *l, char **ret_text)
{
	char *text = NULL;
	size_t len = 0;
	bool any = false;
	FILE *f = open_memstream(&text, &len);
	if (!f) {
		return ERR_NO_MEMORY;
	}
	write_nodes(f, l);
	for (unsigned i = 0; i < l->n_pairs; i++) {
		if (l->pairs[i].missing) {
			fputs(any ? "" : "flows:\n", f);
			any = true;
			write_flow(f, l, &l->pairs[i]);
		}
	}
	bool bad = ferror(f) != 0;
	if (fclose(f) != 0 || bad) {
		free(text);
		return ERR_NO_MEMORY;
	}
	*ret_text = text;
	return 0;
}
