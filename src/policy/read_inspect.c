/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/content.h"
#include "policy/keys.h"

#include <stdio.h>
#include <string.h>

/* `inspect` of a flow: what is done about what is found in its objects. */

void read_inspect(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	if (!parse_yes_or_map(p, k, v, "note, warning, danger, checks…")) {
		return;
	}
	f->inspect = region_alloc(p->region, sizeof(*f->inspect));
	if (f->inspect) {
		key_defaults(p, k->inner, f->inspect);
	}
	if (f->inspect && v->kind == TREE_MAP) {
		key_read_map(p, k->inner, v, f->inspect);
	}
	if (f->inspect) {
		f->inspect->strictest = inspect_policy_strictest(&f->inspect->policy);
	}
}

/* A row for each check that is named: the action's words are those of the severities. */
static void read_check(struct parse *p, const struct tree *name, const struct tree *action, struct content *c)
{
	enum inspect_check check;
	if (name->kind != TREE_TEXT || inspect_check_by_name(name->text, &check) != 0) {
		struct nearest near = nearest_to(name->text);
		for (unsigned i = 0; i < CHECK_N; i++) {
			nearest_offer(&near, inspect_check_row((enum inspect_check)i)->name);
		}
		mistake_error(p->mistakes, name->line, name->column, "no check `%.80s`%s%s%s%s", name->text,
			p->in, near.best ? "; did you mean `" : "", near.best ? near.best : "",
			near.best ? "`?" : "; `gantry inspect --checks` lists them");
		return;
	}
	for (unsigned a = ACTION_ALLOW; action->kind == TREE_TEXT && a < ACTION_N; a++) {
		if (strcmp(action->text, inspect_action_name((enum inspect_action)a)) == 0) {
			c->policy.by_check[check] = (uint8_t)a;
			return;
		}
	}
	mistake_error(p->mistakes, action->line, action->column,
		"`%s`%s: expected one of allow, log, refuse, quarantine", name->text, p->in);
}

void read_checks(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	if (v->kind != TREE_MAP) {
		mistake_error(p->mistakes, v->line, v->column,
			"`checks`%s takes a map: CHECK: allow, log, refuse or quarantine", p->in);
		return;
	}
	for (unsigned i = 0; i < v->n; i++) {
		if (!parse_is_duplicate(p, v, i)) {
			read_check(p, v->at[2 * i], v->at[2 * i + 1], base);
		}
	}
}

/* A word of a DICOM Code String (PS3.5 6.2). */
static bool is_code(const char *s)
{
	size_t n = strlen(s);
	return n > 0 && n <= 16 && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ") == n;
}

void read_wanted(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	char *words = (char *)base + k->offset;
	struct tree *const *at;
	unsigned n;
	size_t used = 1;
	if (parse_items(p, k, v, &at, &n) < 0) {
		return;
	}
	snprintf(words, INSPECT_WORDS, "%s", n > 0 ? "\\" : "");
	for (unsigned i = 0; i < n; i++) {
		if (!is_code(at[i]->text)) {
			mistake_error(p->mistakes, at[i]->line, at[i]->column,
				"`%.80s`%s is no code such as CT or CHEST: capital letters, digits, _ and spaces, 16 at most",
				at[i]->text, p->in);
			return;
		}
		if (used + strlen(at[i]->text) + 2 > INSPECT_WORDS) {
			mistake_error(p->mistakes, v->line, v->column, "`%s`%s is too long", k->name, p->in);
			return;
		}
		used += (size_t)snprintf(words + used, INSPECT_WORDS - used, "%s\\", at[i]->text);
	}
}
