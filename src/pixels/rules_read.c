/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/rules_parts.h"
#include "policy/nearest.h"
#include "policy/tree.h"
#include "policy/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *key;
	enum pixels_fact fact;
} keys[] = {
	{"modality", PIXELS_MODALITY},
	{"manufacturer", PIXELS_MANUFACTURER},
	{"model", PIXELS_MODEL},
	{"rows", PIXELS_ROWS},
	{"columns", PIXELS_COLUMNS},
	{"image-type", PIXELS_IMAGE_TYPE},
	{"series", PIXELS_SERIES},
	{"protocol", PIXELS_PROTOCOL},
	{"implementation", PIXELS_IMPLEMENTATION},
	{"sop-class", PIXELS_SOP_CLASS},
};

struct reading {
	struct region *region;
	char *why;
	size_t cap;
};

static int wrong(const struct reading *r, const struct tree *t, const char *what)
{
	snprintf(r->why, r->cap, "line %u: %s", t->line, what);
	return ERR_VALUE;
}

static int unknown(const struct reading *r, const struct tree *key, const char *where, struct nearest near)
{
	snprintf(r->why, r->cap, "line %u: unknown key `%.40s` in %s%s%s%s", key->line, key->text, where,
		near.best ? "; did you mean `" : "", near.best ? near.best : "", near.best ? "`?" : "");
	return ERR_VALUE;
}

/* One alternative of a value, as images have it. NULL: no image can have it. */
static const char *alternative(enum pixels_fact fact, const char *word)
{
	if (fact == PIXELS_SOP_CLASS) {
		return word_sop_class(word);
	}
	bool number = fact == PIXELS_ROWS || fact == PIXELS_COLUMNS;
	return word[0] && (!number || word[strspn(word, "0123456789")] == 0) ? word : NULL;
}

/* A rule that never holds leaves text in images: what cannot hold is a mistake. */
static int read_alternatives(
	const struct reading *r, const struct tree *t, enum pixels_fact fact, const char **ret)
{
	const char *all = NULL, *from = t->text;
	for (bool more = true; more;) {
		size_t n = strcspn(from, "|"), left = strspn(from, " ");
		more = from[n] != 0;
		size_t begin = left < n ? left : n, end = n;
		while (end > begin && from[end - 1] == ' ') {
			end--;
		}
		const char *word = region_strn(r->region, from + begin, end - begin);
		const char *as = word ? alternative(fact, word) : NULL;
		if (!word) {
			return ERR_NO_MEMORY;
		}
		if (!as) {
			return wrong(r, t,
				fact == PIXELS_SOP_CLASS
					? "`sop-class` is a SOP class of the standard, or a UID"
				: word[0] ? "`rows` and `columns` are numbers"
					  : "beside `|` stands nothing");
		}
		all = all ? region_printf(r->region, "%s|%s", all, as) : as;
		from += n + more;
	}
	*ret = all;
	return all ? 0 : ERR_NO_MEMORY;
}

static int read_when(const struct reading *r, const struct tree *t, struct pixels_rule *to)
{
	const size_t n = sizeof(keys) / sizeof(keys[0]);
	if (t->kind != TREE_MAP || t->n == 0) {
		return wrong(r, t, "`when` is a map of what must hold, and not empty");
	}
	for (unsigned i = 0; i < t->n; i++) {
		const struct tree *key = t->at[2 * i], *value = t->at[2 * i + 1];
		struct nearest near = nearest_to(key->text);
		size_t k = 0;
		while (k < n && strcmp(keys[k].key, key->text) != 0) {
			nearest_offer(&near, keys[k++].key);
		}
		if (k == n) {
			return unknown(r, key, "`when`", near);
		}
		if (value->kind != TREE_TEXT || !value->text[0]) {
			return wrong(
				r, key, "what stands in `when` has a text, alternatives with `|` between");
		}
		int e = read_alternatives(r, value, keys[k].fact, &to->when[keys[k].fact]);
		if (e < 0) {
			return e;
		}
	}
	return 0;
}

static bool read_number(const struct tree *t, uint32_t *ret)
{
	char *end;
	if (t->kind != TREE_TEXT || t->text[0] < '0' || t->text[0] > '9') {
		return false;
	}
	unsigned long n = strtoul(t->text, &end, 10);
	if (*end || n > 65535) {
		return false;
	}
	*ret = (uint32_t)n;
	return true;
}

static int read_rects(const struct reading *r, const struct tree *t, struct pixels_rect *to, unsigned *ret_n)
{
	if (t->kind != TREE_LIST || t->n == 0 || t->n > PIXELS_RECTS) {
		return wrong(r, t, "here stands a list of one to 64 rectangles, [x, y, width, height]");
	}
	for (unsigned i = 0; i < t->n; i++) {
		const struct tree *one = t->at[i];
		if (one->kind != TREE_LIST || one->n != 4 || !read_number(one->at[0], &to[i].x) ||
			!read_number(one->at[1], &to[i].y) || !read_number(one->at[2], &to[i].width) ||
			!read_number(one->at[3], &to[i].height) || to[i].width == 0 || to[i].height == 0) {
			return wrong(r, one, "a rectangle is [x, y, width, height], of numbers up to 65535");
		}
	}
	*ret_n = t->n;
	return 0;
}

static int read_key(
	const struct reading *r, const struct tree *key, const struct tree *value, struct pixels_rule *to)
{
	if (strcmp(key->text, "name") == 0 && value->kind == TREE_TEXT && value->text[0]) {
		to->name = value->text;
		return 0;
	}
	if (strcmp(key->text, "when") == 0) {
		return read_when(r, value, to);
	}
	if (strcmp(key->text, "blank") == 0) {
		return read_rects(r, value, to->regions.blank, &to->regions.n_blank);
	}
	if (strcmp(key->text, "keep") == 0) {
		to->regions.keep_only = true;
		return read_rects(r, value, to->regions.keep, &to->regions.n_keep);
	}
	if (strcmp(key->text, "pass") == 0 && value->kind == TREE_TEXT && strcmp(value->text, "yes") == 0) {
		to->pass = true;
		return 0;
	}
	if (strcmp(key->text, "recognizable") == 0 && value->kind == TREE_TEXT &&
		strcmp(value->text, "no") == 0) {
		to->regions.unrecognizable = true;
		return 0;
	}
	static const char *const known[] = {"name", "when", "blank", "keep", "pass", "recognizable"};
	struct nearest near = nearest_to(key->text);
	bool is_known = false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		is_known = is_known || strcmp(known[i], key->text) == 0;
		nearest_offer(&near, known[i]);
	}
	return is_known ? wrong(r, key,
				  "a rule has `name`, `when`, and `blank`, `keep` or `pass: yes`, and "
				  "`recognizable: no`")
	                : unknown(r, key, "a rule", near);
}

static int read_rule(const struct reading *r, const struct tree *t, struct pixels_rule *to)
{
	bool when = false;
	if (t->kind != TREE_MAP) {
		return wrong(r, t, "a rule is a map");
	}
	to->name = "a rule of the site's";
	for (unsigned i = 0; i < t->n; i++) {
		when = when || strcmp(t->at[2 * i]->text, "when") == 0;
		int e = read_key(r, t->at[2 * i], t->at[2 * i + 1], to);
		if (e < 0) {
			return e;
		}
	}
	bool regions = to->regions.n_blank > 0 || to->regions.keep_only;
	if (!when || regions == to->pass) {
		return wrong(r, t, "a rule has `when`, and either rectangles or `pass: yes`");
	}
	return 0;
}

/* The text's first mistake, with its line. */
static int read_yaml(const struct reading *r, struct span yaml, struct tree **ret_root)
{
	struct mistake_list m;
	struct mistakes found = {0};
	int e = mistakes_begin(&m);
	if (e < 0) {
		return e;
	}
	e = tree_parse(r->region, yaml, &m, ret_root);
	int ended = mistakes_end(&m, &found);
	if (e == ERR_VALUE && ended == 0 && found.n > 0) {
		snprintf(r->why, r->cap, "line %u: %s", found.at[0].line, found.at[0].text);
	} else if (e < 0) {
		snprintf(r->why, r->cap, "%s", err_str(e));
	}
	mistakes_done(&found);
	return e;
}

/* root: NULL where the text has nothing in it. */
static int find_list(const struct reading *r, const struct tree *root, const struct tree **ret_list)
{
	static const struct tree nothing = {.line = 1};
	const struct tree *list = root && root->kind == TREE_MAP ? tree_get(root, "rules") : NULL;
	if (!list) {
		return wrong(r, root ? root : &nothing, "there is no list `rules`");
	}
	for (unsigned i = 0; root->n > 1 && i < root->n; i++) {
		const struct tree *key = root->at[2 * i];
		if (strcmp(key->text, "rules") != 0) {
			return wrong(r, key, "beside `rules` stands nothing else");
		}
	}
	if (root->n > 1) {
		return wrong(r, root->at[2], "`rules` stands twice");
	}
	if (list->kind != TREE_LIST || list->n == 0) {
		return wrong(r, list, "`rules` is a list of rules, and not empty");
	}
	*ret_list = list;
	return 0;
}

static int read_all(struct reading *r, struct span yaml, struct pixels_rules *to)
{
	struct tree *root;
	int e = read_yaml(r, yaml, &root);
	if (e < 0) {
		return e;
	}
	const struct tree *list = NULL;
	e = find_list(r, root, &list);
	if (e < 0) {
		return e;
	}
	to->rules = region_array(r->region, list->n, sizeof(*to->rules));
	if (!to->rules) {
		return ERR_NO_MEMORY;
	}
	to->n = list->n;
	for (unsigned i = 0; i < list->n; i++) {
		e = read_rule(r, list->at[i], &to->rules[i]);
		if (e < 0) {
			return e;
		}
	}
	return region_failed(r->region) ? ERR_NO_MEMORY : 0;
}

int pixels_rules_read(struct span yaml, struct pixels_rules **ret_rules, char *why, size_t cap)
{
	struct pixels_rules *to = calloc(1, sizeof(*to));
	if (!to) {
		return ERR_NO_MEMORY;
	}
	to->region = region_new();
	struct reading r = {to->region, why, cap};
	int e = to->region ? read_all(&r, yaml, to) : ERR_NO_MEMORY;
	if (e < 0) {
		pixels_rules_free(to);
		return e;
	}
	*ret_rules = to;
	return 0;
}

void pixels_rules_free(struct pixels_rules *r)
{
	if (r) {
		region_free(r->region);
		free(r);
	}
}
