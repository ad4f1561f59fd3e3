/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/tree.h"

#include <stdio.h>
#include <string.h>

static int index_of(const struct tree *map, const char *key)
{
	for (unsigned i = 0; i < map->n; i++) {
		if (strcmp(map->at[2 * i]->text, key) == 0) {
			return (int)i;
		}
	}
	return -1;
}

/* One more item or pair. The old array stays behind in the region. */
static int append(struct region *r, struct tree *t, struct tree *key, struct tree *value)
{
	unsigned width = key ? 2 : 1;
	struct tree **at = region_array(r, ((size_t)t->n + 1) * width, sizeof(*at));
	if (!at) {
		return ERR_NO_MEMORY;
	}
	if (t->n) {
		memcpy(at, t->at, (size_t)t->n * width * sizeof(*at));
	}
	if (key) {
		at[2 * t->n] = key;
	}
	at[width * t->n + width - 1] = value;
	t->at = at;
	t->n++;
	return 0;
}

/* A copy of the node itself: anchors make one map stand in several places, and only one is meant. */
static struct tree *own(struct region *r, const struct tree *t)
{
	struct tree *copy = region_alloc(r, sizeof(*copy));
	struct tree **at = region_array(r, (size_t)t->n * 2, sizeof(*at));
	if (!copy || !at) {
		return NULL;
	}
	*copy = *t;
	if (t->n) {
		memcpy(at, t->at, (size_t)t->n * (t->kind == TREE_MAP ? 2 : 1) * sizeof(*at));
	}
	copy->at = at;
	return copy;
}

static int replace_keys(struct region *r, struct tree *map, const struct tree *over)
{
	for (unsigned i = 0; i < over->n; i++) {
		int at = index_of(map, over->at[2 * i]->text);
		if (at >= 0) {
			map->at[2 * at + 1] = over->at[2 * i + 1];
		} else if (append(r, map, over->at[2 * i], over->at[2 * i + 1]) < 0) {
			return ERR_NO_MEMORY;
		}
	}
	return 0;
}

static int lay_map(struct region *r, struct tree *map, const struct tree *over)
{
	for (unsigned i = 0; i < over->n; i++) {
		struct tree *key = over->at[2 * i], *value = over->at[2 * i + 1];
		int at = index_of(map, key->text);
		int err;
		if (at >= 0 && map->at[2 * at + 1]->kind == TREE_MAP && value->kind == TREE_MAP) {
			struct tree *copy = own(r, map->at[2 * at + 1]);
			err = copy ? replace_keys(r, copy, value) : ERR_NO_MEMORY;
			map->at[2 * at + 1] = copy ? copy : map->at[2 * at + 1];
		} else if (at >= 0) {
			map->at[2 * at + 1] = value;
			err = 0;
		} else {
			err = append(r, map, key, value);
		}
		if (err < 0) {
			return err;
		}
	}
	return 0;
}

static const char *name_of(const struct tree *entry)
{
	const struct tree *name = tree_get(entry, "name");
	return name && name->kind == TREE_TEXT ? name->text : "";
}

static int lay_flow(struct region *r, struct tree *flows, struct tree *over)
{
	const char *name = name_of(over);
	char number[24];
	for (unsigned i = 0; i < flows->n && name[0] && over->kind == TREE_MAP; i++) {
		const char *is = name_of(flows->at[i]);
		snprintf(number, sizeof(number), "flow-%u",
			i + 1); /* as read_flows() names one without a name */
		if (flows->at[i]->kind == TREE_MAP && strcmp(is[0] ? is : number, name) == 0) {
			struct tree *copy = own(r, flows->at[i]);
			if (!copy) {
				return ERR_NO_MEMORY;
			}
			flows->at[i] = copy;
			return replace_keys(r, copy, over);
		}
	}
	return append(r, flows, NULL, over);
}

static int lay_flows(struct region *r, struct tree *flows, const struct tree *over)
{
	for (unsigned i = 0; i < over->n; i++) {
		int err = lay_flow(r, flows, over->at[i]);
		if (err < 0) {
			return err;
		}
	}
	return 0;
}

int tree_overlay(struct region *r, struct tree *base, const struct tree *over)
{
	if (base->kind != TREE_MAP || over->kind != TREE_MAP) {
		return 0; /* neither is a site: the reader says so */
	}
	for (unsigned i = 0; i < over->n; i++) {
		struct tree *key = over->at[2 * i], *value = over->at[2 * i + 1];
		int at = index_of(base, key->text);
		struct tree *old = at < 0 ? NULL : base->at[2 * at + 1];
		bool map = strcmp(key->text, "nodes") == 0 || strcmp(key->text, "groups") == 0;
		bool list = strcmp(key->text, "flows") == 0;
		int err = 0;
		if (old && map && old->kind == TREE_MAP && value->kind == TREE_MAP) {
			err = lay_map(r, old, value);
		} else if (old && list && old->kind == TREE_LIST && value->kind == TREE_LIST) {
			err = lay_flows(r, old, value);
		} else if (old) {
			base->at[2 * at + 1] = value;
		} else {
			err = append(r, base, key, value);
		}
		if (err < 0) {
			return err;
		}
	}
	return 0;
}
