/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"
#include "policy/vocabulary.h"

#include <stdlib.h>
#include <string.h>

/* Groups of SOP classes, and the lists that name them. A list is a sorted set of UIDs. */
#define MOST_UIDS 2000 /* of one list, groups expanded; the standard has about 400 SOP classes */

struct gather {
	struct names set;
	unsigned cap;
	bool full;
};

static int by_text(const void *pa, const void *pb)
{
	return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

static void gather_add(struct parse *p, struct gather *g, const char *uid)
{
	if (g->set.n == g->cap) {
		unsigned cap = g->cap ? g->cap * 2 : 16;
		const char **at = region_array(p->region, cap, sizeof(*at));
		if (!at) {
			return;
		}
		if (g->set.n) {
			memcpy(at, g->set.at, g->set.n * sizeof(*at));
		}
		g->set.at = at;
		g->cap = cap;
	}
	if (g->set.n >= 2 * MOST_UIDS) {
		g->full = true;
		return;
	}
	g->set.at[g->set.n++] = uid;
}

static void gather_sort(struct gather *g)
{
	unsigned n = 0;
	if (g->set.n == 0) {
		return;
	}
	qsort(g->set.at, g->set.n, sizeof(*g->set.at), by_text);
	for (unsigned i = 0; i < g->set.n; i++) {
		if (n == 0 || strcmp(g->set.at[n - 1], g->set.at[i]) != 0) {
			g->set.at[n++] = g->set.at[i];
		}
	}
	g->set.n = n;
}

static int group_index(const struct parse *p, const char *name)
{
	for (unsigned i = 0; p->groups && i < p->groups->n; i++) {
		if (strcmp(p->groups->at[2 * i]->text, name) == 0) {
			return (int)i;
		}
	}
	return -1;
}

static void unknown_sop_class(struct parse *p, const struct tree *v)
{
	struct nearest near = nearest_to(v->text);
	word_nearest_sop_class(&near);
	for (unsigned i = 0; p->groups && i < p->groups->n; i++) {
		nearest_offer(&near, p->groups->at[2 * i]->text);
	}
	mistake_error(p->mistakes, v->line, v->column, "`%.80s`%s is no SOP class, UID or group%s%s%s",
		v->text, p->in, near.best ? "; did you mean `" : "", near.best ? near.best : "",
		near.best ? "`?" : "");
}

static const struct names *group_uids(struct parse *p, unsigned i, const struct tree *asked, unsigned depth);

static void gather_item(struct parse *p, struct gather *g, const struct tree *v, unsigned depth)
{
	const char *uid = word_sop_class(v->text);
	int group = uid ? -1 : group_index(p, v->text);
	if (uid) {
		gather_add(p, g, uid);
		return;
	}
	if (group < 0) {
		unknown_sop_class(p, v);
		return;
	}
	const struct names *from = group_uids(p, (unsigned)group, v, depth);
	for (unsigned i = 0; from && i < from->n; i++) {
		gather_add(p, g, from->at[i]);
	}
}

static void gather_end(struct parse *p, struct gather *g, const struct tree *v)
{
	gather_sort(g);
	if (g->full || g->set.n > MOST_UIDS) {
		mistake_error(
			p->mistakes, v->line, v->column, "more than %u SOP classes%s", MOST_UIDS, p->in);
	}
}

#define GROUP_DEPTH 32 /* of groups within groups */

/* A group's UIDs, resolved once. asked: where it is named, for mistakes. */
static const struct names *group_uids(struct parse *p, unsigned i, const struct tree *asked, unsigned depth)
{
	static const struct key key = {.name = "groups"};
	const struct tree *value = p->groups->at[2 * i + 1];
	struct gather g = {0};
	struct tree *const *at;
	unsigned n;
	if (p->group_uids[i].at) {
		return &p->group_uids[i];
	}
	if (p->group_open[i] || depth == GROUP_DEPTH) {
		mistake_error(p->mistakes, asked->line, asked->column,
			p->group_open[i] ? "group `%s` contains itself" : "group `%s` is nested too deeply",
			asked->text);
		return NULL;
	}
	p->group_open[i] = true;
	if (parse_items(p, &key, value, &at, &n) == 0) {
		for (unsigned j = 0; j < n && !g.full; j++) {
			gather_item(p, &g, at[j], depth + 1);
		}
	}
	gather_end(p, &g, value);
	p->group_open[i] = false;
	p->group_uids[i] = g.set;
	if (!g.set.at) {
		/* Resolved, and empty. */
		p->group_uids[i].at = region_array(p->region, 1, sizeof(char *));
	}
	return &p->group_uids[i];
}

void parse_groups(struct parse *p)
{
	for (unsigned i = 0; i < p->groups->n; i++) {
		(void)group_uids(p, i, p->groups->at[2 * i], 0);
	}
}

static bool is_any(const struct tree *v)
{
	return (v->kind == TREE_TEXT && strcmp(v->text, "any") == 0) ||
	       (v->kind == TREE_LIST && v->n == 1 && v->at[0]->kind == TREE_TEXT &&
		       strcmp(v->at[0]->text, "any") == 0);
}

void read_sop_classes(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	struct gather g = {0};
	struct tree *const *at;
	unsigned n;
	if (is_any(v)) {
		f->any_sop_class = true;
		return;
	}
	if (parse_items(p, k, v, &at, &n) < 0) {
		return;
	}
	for (unsigned i = 0; i < n && !g.full; i++) {
		gather_item(p, &g, at[i], 0);
	}
	gather_end(p, &g, v);
	f->sop_classes = g.set;
}

void read_transfer_syntaxes(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	struct gather g = {0};
	struct tree *const *at;
	unsigned n;
	if (is_any(v)) {
		f->has_transfer_syntaxes = false;
		return;
	}
	if (parse_items(p, k, v, &at, &n) < 0) {
		return;
	}
	for (unsigned i = 0; i < n && !g.full; i++) {
		const char *uid = word_transfer_syntax(at[i]->text);
		if (uid) {
			gather_add(p, &g, uid);
			continue;
		}
		struct nearest near = nearest_to(at[i]->text);
		word_nearest_transfer_syntax(&near);
		mistake_error(p->mistakes, at[i]->line, at[i]->column,
			"`%.80s`%s is no transfer syntax or UID%s%s%s", at[i]->text, p->in,
			near.best ? "; did you mean `" : "", near.best ? near.best : "",
			near.best ? "`?" : "");
	}
	gather_end(p, &g, v);
	f->transfer_syntaxes = g.set;
}
