/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/rules_parts.h"
#include "policy/tree.h"

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

static int read_when(const struct reading *r, const struct tree *t, struct pixels_rule *to)
{
	const size_t n = sizeof(keys) / sizeof(keys[0]);
	if (t->kind != TREE_MAP || t->n == 0) {
		return wrong(r, t, "`when` is a map of what must hold, and not empty");
	}
	for (unsigned i = 0; i < t->n; i++) {
		const struct tree *key = t->at[2 * i], *value = t->at[2 * i + 1];
		size_t k = 0;
		while (k < n && strcmp(keys[k].key, key->text) != 0) {
			k++;
		}
		if (k == n || value->kind != TREE_TEXT || !value->text[0]) {
			return wrong(r, key, "no such key in `when`, or it is no text");
		}
		to->when[keys[k].fact] = value->text;
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
	return wrong(r, key,
		"a rule has `name`, `when`, and `blank`, `keep` or `pass: yes`, and `recognizable: no`");
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

static int read_all(struct reading *r, struct span yaml, struct pixels_rules *to)
{
	struct tree *root;
	struct mistake_list m;
	int e = mistakes_begin(&m);
	if (e < 0) {
		return e;
	}
	e = tree_parse(r->region, yaml, &m, &root);
	region_free(m.region);
	if (e < 0) {
		snprintf(r->why, r->cap, "%s", e == ERR_VALUE ? "it is no YAML" : err_str(e));
		return e;
	}
	const struct tree *list = root && root->kind == TREE_MAP ? tree_get(root, "rules") : NULL;
	if (!list || list->kind != TREE_LIST || root->n != 1 || list->n == 0) {
		snprintf(r->why, r->cap, "it has no list `rules`, or something else beside it");
		return ERR_VALUE;
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
