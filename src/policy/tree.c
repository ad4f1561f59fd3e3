/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/tree.h"

#include <string.h>
#include <yaml.h>

struct anchor {
	const char *name;
	struct tree *node;
};

/* A list or map that is being filled: items are kept newest first until it closes. */
struct cell {
	struct cell *next;
	struct tree *node;
};

struct level {
	struct tree *node;
	struct cell *cells;
	unsigned n;
};

struct build {
	struct region *region;
	struct mistake_list *mistakes;
	struct tree *root;
	struct level levels[TREE_DEPTH];
	unsigned depth;
	struct anchor anchors[TREE_ANCHORS];
	unsigned n_anchors;
	unsigned total; /* nodes that a walk would meet */
	unsigned documents;
	bool failed;
};

static void fail(struct build *b, const yaml_mark_t *at, const char *text)
{
	mistake_error(b->mistakes, (unsigned)at->line + 1, (unsigned)at->column + 1, "%s", text);
	b->failed = true;
}

static struct tree *new_node(struct build *b, enum tree_kind kind, const yaml_mark_t *at)
{
	struct tree *t = region_alloc(b->region, sizeof(*t));
	if (t) {
		*t = (struct tree){.kind = kind,
			.line = (unsigned)at->line + 1,
			.column = (unsigned)at->column + 1,
			.text = "",
			.size = 1};
	}
	return t;
}

static void count(struct build *b, unsigned n, const yaml_mark_t *at)
{
	if (n > TREE_NODES - b->total) {
		fail(b, at, "too much: the file, its aliases expanded, has more values than a site can need");
		return;
	}
	b->total += n;
}

/* Put a finished or just opened node where it belongs. */
static void attach(struct build *b, struct tree *t, const yaml_mark_t *at)
{
	if (b->depth == 0) {
		b->root = t;
		return;
	}
	struct level *l = &b->levels[b->depth - 1];
	if (l->node->kind == TREE_MAP && l->n % 2 == 0 && t->kind != TREE_TEXT) {
		fail(b, at, "a key must be a plain word");
		return;
	}
	struct cell *c = region_alloc(b->region, sizeof(*c));
	if (c) {
		*c = (struct cell){.next = l->cells, .node = t};
		l->cells = c;
		l->n++;
	}
}

static void anchor(struct build *b, const yaml_char_t *name, struct tree *t, const yaml_mark_t *at)
{
	if (!name) {
		return;
	}
	if (b->n_anchors == TREE_ANCHORS) {
		fail(b, at, "too many anchors (&name) in one file");
		return;
	}
	const char *copy = region_str(b->region, (const char *)name);
	if (copy) {
		b->anchors[b->n_anchors++] = (struct anchor){.name = copy, .node = t};
	}
}

static void on_alias(struct build *b, const yaml_event_t *e)
{
	const char *name = (const char *)e->data.alias.anchor;
	for (unsigned i = b->n_anchors; i-- > 0;) {
		struct tree *t = b->anchors[i].node;
		if (strcmp(b->anchors[i].name, name) != 0) {
			continue;
		}
		if (t->open) {
			fail(b, &e->start_mark, "an alias (*name) stands inside the value that it names");
			return;
		}
		count(b, t->size, &e->start_mark);
		attach(b, t, &e->start_mark);
		return;
	}
	fail(b, &e->start_mark, "an alias (*name) names no anchor (&name) above it");
}

static void on_scalar(struct build *b, const yaml_event_t *e)
{
	const char *v = (const char *)e->data.scalar.value;
	size_t n = e->data.scalar.length;
	if (n > TREE_SCALAR) {
		fail(b, &e->start_mark, "a value is longer than 1024 characters");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)v[i] < 0x20 || v[i] == 0x7f) {
			fail(b, &e->start_mark, "a value has a control character or runs over several lines");
			return;
		}
	}
	struct tree *t = new_node(b, TREE_TEXT, &e->start_mark);
	char *text = region_strn(b->region, v, n);
	if (!t || !text) {
		return;
	}
	t->text = text;
	t->quoted = e->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
	            e->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	count(b, 1, &e->start_mark);
	attach(b, t, &e->start_mark);
	anchor(b, e->data.scalar.anchor, t, &e->start_mark);
}

static void on_open(struct build *b, const yaml_event_t *e, enum tree_kind kind, const yaml_char_t *name)
{
	if (b->depth == TREE_DEPTH) {
		fail(b, &e->start_mark, "nested too deeply");
		return;
	}
	struct tree *t = new_node(b, kind, &e->start_mark);
	if (!t) {
		return;
	}
	t->open = true;
	count(b, 1, &e->start_mark);
	attach(b, t, &e->start_mark);
	anchor(b, name, t, &e->start_mark);
	b->levels[b->depth++] = (struct level){.node = t};
}

static bool map_has(const struct tree *t, unsigned pairs, const char *key)
{
	for (unsigned i = 0; i < pairs; i++) {
		if (strcmp(t->at[2 * i]->text, key) == 0) {
			return true;
		}
	}
	return false;
}

static unsigned merged_pairs(const struct tree *t)
{
	unsigned n = 0;
	for (unsigned i = 0; i < t->n; i++) {
		const struct tree *v = t->at[2 * i + 1];
		n += strcmp(t->at[2 * i]->text, "<<") == 0 && v->kind == TREE_MAP ? v->n : 0;
	}
	return n;
}

/* `<<: *defaults`: pairs of the other map whose keys are not here (YAML 1.1's merge key). */
static void merge(struct build *b, struct tree *t, const yaml_mark_t *at)
{
	unsigned extra = merged_pairs(t);
	if (extra == 0) {
		return;
	}
	struct tree **to = region_array(b->region, (size_t)(t->n + extra) * 2, sizeof(*to));
	if (!to) {
		return;
	}
	unsigned n = 0;
	for (unsigned i = 0; i < t->n; i++) {
		if (strcmp(t->at[2 * i]->text, "<<") != 0) {
			to[2 * n] = t->at[2 * i];
			to[2 * n + 1] = t->at[2 * i + 1];
			n++;
		}
	}
	struct tree own = {.at = to, .n = n};
	for (unsigned i = 0; i < t->n; i++) {
		const struct tree *v = t->at[2 * i + 1];
		bool from = strcmp(t->at[2 * i]->text, "<<") == 0 && v->kind == TREE_MAP;
		for (unsigned j = 0; from && j < v->n; j++) {
			if (!map_has(&own, n, v->at[2 * j]->text)) {
				to[2 * n] = v->at[2 * j];
				to[2 * n + 1] = v->at[2 * j + 1];
				n++;
			}
		}
	}
	t->at = to;
	t->n = n;
}

static void on_close(struct build *b, const yaml_event_t *e)
{
	if (b->depth == 0) {
		return; /* libyaml balances its events */
	}
	struct level *l = &b->levels[--b->depth];
	struct tree *t = l->node;
	t->open = false;
	t->at = region_array(b->region, l->n, sizeof(struct tree *));
	if (!t->at) {
		return;
	}
	unsigned i = l->n;
	for (struct cell *c = l->cells; c; c = c->next) {
		t->at[--i] = c->node;
		t->size += c->node->size;
	}
	t->n = t->kind == TREE_MAP ? l->n / 2 : l->n;
	if (t->kind == TREE_MAP) {
		merge(b, t, &e->start_mark);
	}
}

static void on_event(struct build *b, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++b->documents > 1) {
			fail(b, &e->start_mark, "a second YAML document (---) in one file");
		}
		break;
	case YAML_ALIAS_EVENT:
		on_alias(b, e);
		break;
	case YAML_SCALAR_EVENT:
		on_scalar(b, e);
		break;
	case YAML_SEQUENCE_START_EVENT:
		on_open(b, e, TREE_LIST, e->data.sequence_start.anchor);
		break;
	case YAML_MAPPING_START_EVENT:
		on_open(b, e, TREE_MAP, e->data.mapping_start.anchor);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_close(b, e);
		break;
	default:
		break;
	}
}

/* The two slips that libyaml's words do not explain. */
static const char *hint(const yaml_parser_t *y, struct span yaml)
{
	size_t at = y->problem_mark.index;
	if (at < yaml.len && yaml.ptr[at] == '\t') {
		return "; indent with spaces, YAML takes no tabs";
	}
	if (y->context && strstr(y->context, "alias")) {
		return "; a lone * is written \"*\"";
	}
	return "";
}

static void no_yaml(struct build *b, const yaml_parser_t *y, struct span yaml)
{
	const char *problem = y->problem ? y->problem : "not readable";
	mistake_error(b->mistakes, (unsigned)y->problem_mark.line + 1, (unsigned)y->problem_mark.column + 1,
		"this is not YAML: %s%s%s%s", problem, y->context ? ", " : "", y->context ? y->context : "",
		hint(y, yaml));
	b->failed = true;
}

int tree_parse(struct region *r, struct span yaml, struct mistake_list *m, struct tree **ret_root)
{
	struct build b = {.region = r, .mistakes = m};
	yaml_parser_t y;
	bool more = true;
	if (!yaml_parser_initialize(&y)) {
		return ERR_NO_MEMORY;
	}
	yaml_parser_set_input_string(&y, yaml.ptr ? yaml.ptr : (const unsigned char *)"", yaml.len);
	while (more && !b.failed && !region_failed(r)) {
		yaml_event_t e;
		if (!yaml_parser_parse(&y, &e)) {
			no_yaml(&b, &y, yaml);
			break;
		}
		on_event(&b, &e);
		more = e.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&e);
	}
	bool memory = y.error == YAML_MEMORY_ERROR || region_failed(r);
	yaml_parser_delete(&y);
	if (memory) {
		return ERR_NO_MEMORY;
	}
	if (b.failed) {
		return ERR_VALUE;
	}
	if (!b.root) {
		yaml_mark_t start = {0};
		b.root = new_node(&b, TREE_MAP, &start);
		if (!b.root) {
			return ERR_NO_MEMORY;
		}
	}
	*ret_root = b.root;
	return 0;
}

const struct tree *tree_get(const struct tree *map, const char *key)
{
	for (unsigned i = 0; map && map->kind == TREE_MAP && i < map->n; i++) {
		if (strcmp(map->at[2 * i]->text, key) == 0) {
			return map->at[2 * i + 1];
		}
	}
	return NULL;
}
