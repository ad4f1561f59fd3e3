/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"
#include "policy/values.h"
#include "policy/vocabulary.h"

#include <stdio.h>
#include <string.h>

int parse_node_index(struct parse *p, const struct tree *v)
{
	struct nearest near = nearest_to(v->text);
	for (unsigned i = 0; i < p->site->n_nodes; i++) {
		if (strcmp(p->site->nodes[i].name, v->text) == 0) {
			return (int)i;
		}
		nearest_offer(&near, p->site->nodes[i].name);
	}
	/* An AE title in a node's place is the commonest slip after a misspelling. */
	for (unsigned i = 0; !near.best && i < p->site->n_nodes; i++) {
		const struct names *ae = &p->site->nodes[i].ae;
		for (unsigned j = 0; j < ae->n; j++) {
			near.best = strcmp(ae->at[j], v->text) == 0 ? p->site->nodes[i].name : near.best;
		}
	}
	if (near.best) {
		mistake_error(p->mistakes, v->line, v->column, "no node `%.80s`%s; did you mean `%s`?",
			v->text, p->in, near.best);
	} else {
		mistake_error(p->mistakes, v->line, v->column, "no node `%.80s`%s", v->text, p->in);
	}
	return -1;
}

static void read_node_list(
	struct parse *p, const struct key *k, const struct tree *v, unsigned **ret_at, unsigned *ret_n)
{
	struct tree *const *at;
	unsigned n;
	if (parse_items(p, k, v, &at, &n) < 0) {
		return;
	}
	unsigned *to = region_array(p->region, n, sizeof(*to));
	*ret_at = to;
	*ret_n = 0;
	for (unsigned i = 0; to && i < n; i++) {
		int node = parse_node_index(p, at[i]);
		bool again = false;
		for (unsigned j = 0; j < *ret_n; j++) {
			again |= (int)to[j] == node;
		}
		if (again) {
			mistake_warning(p->mistakes, at[i]->line, at[i]->column,
				"`%s` stands twice in `%s`%s", at[i]->text, k->name, p->in);
		} else if (node >= 0) {
			to[(*ret_n)++] = (unsigned)node;
		}
	}
}

void read_flow_from(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	read_node_list(p, k, v, &f->from, &f->n_from);
}

void read_destinations(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	read_node_list(p, k, v, &f->destinations, &f->n_destinations);
}

void read_flow_to(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	const struct tree *one =
		v->kind == TREE_LIST && v->n == 1 && v->at[0]->kind == TREE_TEXT ? v->at[0] : v;
	if (v->kind == TREE_LIST && v->n > 1) {
		mistake_error(p->mistakes, v->line, v->column,
			"`to`%s takes one node; write a flow for each node that is called", p->in);
		return;
	}
	if (parse_word(p, k, one)) {
		f->to = (unsigned)parse_node_index(p, one);
	}
}

void read_services(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	struct tree *const *at;
	unsigned n;
	if (parse_items(p, k, v, &at, &n) < 0) {
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		enum service s = word_service(at[i]->text);
		struct nearest near = nearest_to(at[i]->text);
		for (int j = 0; j < SERVICE_COUNT; j++) {
			nearest_offer(&near, word_of_service((enum service)j));
		}
		if (s == SERVICE_COUNT) {
			mistake_error(p->mistakes, at[i]->line, at[i]->column,
				"no service `%.80s`%s%s%s%s (one of echo, store, find, move, get, worklist, mpps, commit, "
				"n-services)",
				at[i]->text, p->in, near.best ? "; did you mean `" : "",
				near.best ? near.best : "", near.best ? "`?" : "");
		} else if (f->services & 1u << s) {
			mistake_warning(p->mistakes, at[i]->line, at[i]->column,
				"`%s` stands twice in `services`%s", at[i]->text, p->in);
		} else {
			f->services |= 1u << s;
		}
	}
}

#define MOST_TITLES 256

void read_move_titles(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	if (v->kind != TREE_MAP || v->n > MOST_TITLES) {
		mistake_error(p->mistakes, v->line, v->column,
			"`move-titles`%s takes a map of at most %u lines, OLD: NEW", p->in, MOST_TITLES);
		return;
	}
	f->move_titles = region_array(p->region, v->n, sizeof(*f->move_titles));
	for (unsigned i = 0; f->move_titles && i < v->n; i++) {
		const struct tree *from = v->at[2 * i];
		const char *to = parse_word(p, k, v->at[2 * i + 1]);
		if (parse_is_duplicate(p, v, i) || !to) {
			continue;
		}
		if (!value_is_ae(from->text) || !value_is_ae(to)) {
			mistake_error(p->mistakes, from->line, from->column,
				"`%.80s: %.80s`%s: AE titles have 1 to 16 characters and no backslash",
				from->text, to, p->in);
			continue;
		}
		f->move_titles[f->n_move_titles++] = (struct title_map){.from = from->text, .to = to};
	}
}

#define MOST_HOURS 32

void read_hours(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	struct tree *const *at;
	unsigned n;
	if (parse_items(p, k, v, &at, &n) < 0) {
		return;
	}
	if (n == 0 || n > MOST_HOURS) {
		mistake_error(p->mistakes, v->line, v->column, "`hours`%s takes 1 to %u spans of time", p->in,
			MOST_HOURS);
		return;
	}
	f->hours = region_array(p->region, n, sizeof(*f->hours));
	for (unsigned i = 0; f->hours && i < n; i++) {
		if (value_hours(at[i]->text, &f->hours[f->n_hours]) < 0) {
			mistake_error(p->mistakes, at[i]->line, at[i]->column,
				"`%.80s`%s is no span of hours: expected one such as \"mon-fri 07:00-19:00\"",
				at[i]->text, p->in);
			continue;
		}
		f->n_hours++;
	}
}

/* { most: 5000, over: refuse }, or 5000 alone. */
void read_limit(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct limit *l = (struct limit *)((uint8_t *)base + k->offset);
	if (v->kind != TREE_TEXT) {
		key_read_map(p, k->inner, v, l);
		return;
	}
	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].in == k->inner && strcmp(keys[i].name, "most") == 0) {
			keys[i].read(p, &keys[i], v, l);
		}
	}
}

void read_over_both(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	struct key one = *k;
	one.offset = 0;
	one.size = sizeof(enum over);
	enum over over = OVER_REFUSE;
	read_word(p, &one, v, &over);
	f->associations_at_once.over = f->associations_per_minute.over = over;
}

void read_query(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	key_read_map(p, k->inner, v, base);
}

#define MOST_TAGS 64

void read_tags(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	/* Both lists are a pointer and, elsewhere in the struct, a number. */
	struct flow *f = base;
	bool all = strcmp(k->name, "require-all") == 0;
	uint32_t **ret_at = all ? &f->require_all : &f->require_any;
	unsigned *ret_n = all ? &f->n_require_all : &f->n_require_any;
	struct tree *const *at;
	unsigned n;
	if (parse_items(p, k, v, &at, &n) < 0) {
		return;
	}
	if (n > MOST_TAGS) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s has more than %u attributes", k->name,
			p->in, MOST_TAGS);
		return;
	}
	*ret_at = region_array(p->region, n, sizeof(**ret_at));
	*ret_n = 0;
	for (unsigned i = 0; *ret_at && i < n; i++) {
		uint32_t tag;
		if (word_tag(at[i]->text, &tag) < 0) {
			struct nearest near = nearest_to(at[i]->text);
			word_nearest_tag(&near);
			mistake_error(p->mistakes, at[i]->line, at[i]->column,
				"`%.80s`%s is no attribute that queries use%s%s%s; others are written (gggg,eeee)",
				at[i]->text, p->in, near.best ? "; did you mean `" : "",
				near.best ? near.best : "", near.best ? "`?" : "");
			continue;
		}
		(*ret_at)[(*ret_n)++] = tag;
	}
}
