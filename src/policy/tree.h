/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_TREE_H
#define POLICY_TREE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "policy/mistakes.h"
#include "policy/region.h"

/*
 * YAML text as a tree with places. Built from libyaml's events, so that every cap holds while reading.
 * An alias points to the node it names (nothing is copied); what it would expand to counts against TREE_NODES, so
 * that a walk over the tree is bounded however the file is written. `<<` merges a map into another.
 */
#define TREE_DEPTH   16     /* of nesting; gantry.yaml needs 6 */
#define TREE_NODES   100000 /* with aliases expanded */
#define TREE_ANCHORS 64
#define TREE_SCALAR  1024 /* bytes of one scalar */

enum tree_kind { TREE_TEXT, TREE_LIST, TREE_MAP };

struct tree {
	enum tree_kind kind;
	unsigned line, column; /* 1-based */
	const char *text;      /* TREE_TEXT; NUL-terminated, never NULL, no control characters */
	bool quoted;           /* TREE_TEXT: was written in quotes */
	struct tree **at;      /* TREE_LIST: items. TREE_MAP: key, value, key, value; keys are TREE_TEXT */
	unsigned n;            /* items, or pairs */
	unsigned size;         /* nodes below and with this one, aliases expanded */
	bool open;             /* while it is being built */
};

/* 0 and *ret_root; ERR_VALUE with the reason in m (the text is no YAML, or passes a cap); ERR_NO_MEMORY. */
MUST_USE int tree_parse(struct region *r, struct span yaml, struct mistake_list *m, struct tree **ret_root);

/* The value of a key, NULL if there is none. */
const struct tree *tree_get(const struct tree *map, const char *key);

/*
 * Lay another file's tree over this one, in place: its nodes' and groups' keys replace or join the same node's or
 * group's, its flows replace keys of the flow of that name or are appended; everything else replaces. For trying
 * what `learn` and `explain` suggest.
 */
MUST_USE int tree_overlay(struct region *r, struct tree *base, const struct tree *over);

#endif
