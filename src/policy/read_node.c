/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"
#include "policy/values.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* More values in one list are a mistake: what is compared on every association stays short. */
#define MOST_VALUES 256

static int some_items(struct parse *p, const struct key *k, const struct tree *v, struct tree *const **ret_at,
	unsigned *ret_n)
{
	if (parse_items(p, k, v, ret_at, ret_n) < 0) {
		return ERR_VALUE;
	}
	if (*ret_n > MOST_VALUES) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s has more than %u values", k->name,
			p->in, MOST_VALUES);
		return ERR_VALUE;
	}
	return 0;
}

typedef bool word_ok(const char *s);

/* A list of words, each of which passes `ok`. The same word twice is a slip, and harmless. */
static void read_words(struct parse *p, const struct key *k, const struct tree *v, void *base, word_ok *ok,
	const char *expected)
{
	struct names *names = (struct names *)((uint8_t *)base + k->offset);
	struct tree *const *at;
	unsigned n;
	if (some_items(p, k, v, &at, &n) < 0) {
		return;
	}
	names->at = region_array(p->region, n, sizeof(*names->at));
	for (unsigned i = 0; names->at && i < n; i++) {
		bool again = false;
		for (unsigned j = 0; j < names->n; j++) {
			again |= strcmp(names->at[j], at[i]->text) == 0;
		}
		if (!ok(at[i]->text)) {
			mistake_error(p->mistakes, at[i]->line, at[i]->column, "`%.80s`%s is no %s",
				at[i]->text, p->in, expected);
		} else if (again) {
			mistake_warning(p->mistakes, at[i]->line, at[i]->column,
				"`%s` stands twice in `%s`%s", at[i]->text, k->name, p->in);
		} else {
			names->at[names->n++] = at[i]->text;
		}
	}
}

void read_ae_titles(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	read_words(p, k, v, base, value_is_ae, "AE title: 1 to 16 characters, no backslash");
}

void read_environment(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	read_words(p, k, v, base, value_is_environment, "variable with a value: NAME=value");
}

void read_users(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	read_words(p, k, v, base, value_is_user, "user name (or @group): 1 to 255 characters, no comma");
}

/* RFC 4120 6.1, of the style that domain names have. */
static bool is_realm(const char *s)
{
	return s[0] && strlen(s) < 256 && !strpbrk(s, "@/\\ ");
}

void read_realms(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	read_words(p, k, v, base, is_realm, "realm, such as HOSPITAL.EXAMPLE");
}

void read_san(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	read_words(p, k, v, base, value_is_san,
		"subject alternative name: a host name, address, URI or mail address");
}

static bool network_same(const struct network *a, const struct network *b)
{
	if (a->host[0] || b->host[0]) {
		return strcasecmp(a->host, b->host) == 0;
	}
	return a->prefix == b->prefix && memcmp(&a->ip, &b->ip, sizeof(a->ip)) == 0;
}

/* One source. ERR_VALUE after saying why. */
static int parse_network(
	struct parse *p, const struct key *k, const struct tree *v, bool names, struct network *ret)
{
	bool stray = false;
	if (value_network(v->text, ret, &stray) == 0) {
		if (stray) {
			mistake_warning(p->mistakes, v->line, v->column,
				"`%s`%s has address bits after its prefix; the whole network is meant",
				v->text, p->in);
		}
		return 0;
	}
	if (names && strcmp(v->text, "any") == 0) {
		mistake_error(p->mistakes, v->line, v->column, "`any`%s stands alone: `from: any`", p->in);
		return ERR_VALUE;
	}
	if (names && value_is_host(v->text)) {
		*ret = (struct network){.host = v->text};
		return 0;
	}
	mistake_error(p->mistakes, v->line, v->column, "`%.80s` in `%s`%s is no address, network%s", v->text,
		k->name, p->in, names ? " or host name" : "");
	return ERR_VALUE;
}

static void read_network_list(struct parse *p, const struct key *k, const struct tree *v,
	struct network **ret_at, unsigned *ret_n, bool names)
{
	struct tree *const *at;
	unsigned n;
	if (some_items(p, k, v, &at, &n) < 0) {
		return;
	}
	struct network *to = region_array(p->region, n, sizeof(*to));
	*ret_at = to;
	*ret_n = 0;
	for (unsigned i = 0; to && i < n; i++) {
		struct network net = {.host = ""};
		bool again = false;
		if (parse_network(p, k, at[i], names, &net) < 0) {
			continue;
		}
		for (unsigned j = 0; j < *ret_n; j++) {
			again |= network_same(&to[j], &net);
		}
		if (again) {
			mistake_warning(p->mistakes, at[i]->line, at[i]->column,
				"`%s` stands twice in `%s`%s", at[i]->text, k->name, p->in);
			continue;
		}
		to[(*ret_n)++] = net;
	}
}

void read_networks(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct node *n = base;
	bool word = v->kind == TREE_TEXT && strcmp(v->text, "any") == 0;
	bool item = v->kind == TREE_LIST && v->n == 1 && v->at[0]->kind == TREE_TEXT &&
	            strcmp(v->at[0]->text, "any") == 0;
	if (word || item) {
		n->from_any = true;
		n->from = region_array(p->region, 1, sizeof(*n->from));
		if (n->from) {
			n->from[0] = (struct network){.host = ""};
			n->n_from = 1;
		}
		return;
	}
	read_network_list(p, k, v, &n->from, &n->n_from, true);
}

void read_proxy_from(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct listener *l = base;
	read_network_list(p, k, v, &l->proxy_from, &l->n_proxy_from, false);
}

void read_certificate(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct node *n = base;
	key_read_map(p, k->inner, v, base);
	if (v->kind == TREE_MAP && !n->has_san && !n->has_spki) {
		mistake_error(
			p->mistakes, v->line, v->column, "`certificate`%s needs `san` or `spki`", p->in);
	}
}

void read_spki(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct node *node = base;
	struct tree *const *at;
	unsigned n;
	if (some_items(p, k, v, &at, &n) < 0) {
		return;
	}
	node->spki = region_array(p->region, n, sizeof(*node->spki));
	for (unsigned i = 0; node->spki && i < n; i++) {
		if (value_spki(at[i]->text, node->spki[node->n_spki].sha256) < 0) {
			mistake_error(p->mistakes, at[i]->line, at[i]->column,
				"`%.100s`%s is no key pin: expected sha256: and 64 hex digits", at[i]->text,
				p->in);
			continue;
		}
		node->n_spki++;
	}
}

/* "host:port" or "folder:/path". */
static int parse_endpoint(struct parse *p, const struct tree *v, struct endpoint *ret)
{
	char host[254];
	struct endpoint e = {.text = v->text, .host = "", .folder = "", .line = v->line, .column = v->column};
	if (strncmp(v->text, "folder:", 7) == 0 && v->text[7]) {
		e.folder = parse_path(p, v->text + 7);
		*ret = e;
		return 0;
	}
	if (value_host_port(v->text, host, sizeof(host), &e.port) < 0) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%.80s`%s cannot be called: expected address:port, [IPv6]:port, name:port or folder:path",
			v->text, p->in);
		return ERR_VALUE;
	}
	e.host = region_str(p->region, host);
	e.host = e.host ? e.host : "";
	*ret = e;
	return 0;
}

void read_addresses(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct node *node = base;
	struct tree *const *at;
	unsigned n, folders = 0;
	if (some_items(p, k, v, &at, &n) < 0) {
		return;
	}
	node->address = region_array(p->region, n, sizeof(*node->address));
	for (unsigned i = 0; node->address && i < n; i++) {
		if (parse_endpoint(p, at[i], &node->address[node->n_address]) == 0) {
			folders += node->address[node->n_address++].folder[0] != '\0';
		}
	}
	if (folders > 0 && node->n_address > 1) {
		mistake_error(p->mistakes, v->line, v->column,
			"`address`%s mixes a folder with other addresses; a folder stands alone", p->in);
	}
}

void read_tolerate(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	static const struct {
		const char *name;
		unsigned bit;
	} words[] = {{"nul-padding", TOLERATE_NUL_PADDING}, {"ae-case", TOLERATE_AE_CASE},
		{"pdu-overrun", TOLERATE_PDU_OVERRUN}, {"odd-fragments", TOLERATE_ODD_FRAGMENTS}};
	struct node *node = base;
	struct tree *const *at;
	unsigned n;
	if (some_items(p, k, v, &at, &n) < 0) {
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		struct nearest near = nearest_to(at[i]->text);
		unsigned bit = 0;
		for (size_t j = 0; j < ARRAY_LEN(words); j++) {
			bit |= strcmp(words[j].name, at[i]->text) == 0 ? words[j].bit : 0;
			nearest_offer(&near, words[j].name);
		}
		if (!bit) {
			mistake_error(p->mistakes, at[i]->line, at[i]->column,
				"`%.80s`%s cannot be tolerated%s%s%s; expected nul-padding, ae-case, pdu-overrun or odd-fragments",
				at[i]->text, p->in, near.best ? "; did you mean `" : "",
				near.best ? near.best : "", near.best ? "`?" : "");
		}
		node->tolerate |= bit;
	}
}

void read_node_timeouts(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct node *n = base;
	key_read_map(p, k->inner, v, &n->timeouts);
}
