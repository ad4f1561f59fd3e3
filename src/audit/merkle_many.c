/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/merkle_many.h"

#include <stdlib.h>

/*
 * Node (level, n) is the root of the leaves [n << level, (n + 1) << level), or of as many of them as there are. A proof of leaf i has
 * at each level the node beside i >> level, unless that is the last of the level and has none (RFC 9162 2.1.3.1).
 */
struct node {
	uint64_t n;
	uint8_t level;
	bool known;
	struct merkle_hash hash;
};

struct merkle_many {
	uint64_t size, at;
	struct merkle_hash last;                     /* leaf */
	struct merkle_hash stack[MERKLE_LEVELS + 1]; /* by level: the left one that waits for its right one */
	struct node *nodes;                          /* by level and n */
	size_t n_nodes;
};

static int by_place(const void *a, const void *b)
{
	const struct node *x = a, *y = b;
	if (x->level != y->level) {
		return x->level < y->level ? -1 : 1;
	}
	return x->n < y->n ? -1 : x->n > y->n;
}

/* The node beside n at a level whose last is `last`. False: there is none. */
static bool sibling(uint64_t n, uint64_t last, uint64_t *ret_n)
{
	*ret_n = n ^ 1;
	return *ret_n <= last;
}

static struct node *find(const struct merkle_many *m, uint8_t level, uint64_t n)
{
	const struct node key = {.level = level, .n = n};
	return m->n_nodes > 0 ? bsearch(&key, m->nodes, m->n_nodes, sizeof(key), by_place) : NULL;
}

static void made(struct merkle_many *m, uint8_t level, uint64_t n, const struct merkle_hash *hash)
{
	struct node *node = find(m, level, n);
	if (node) {
		node->hash = *hash;
		node->known = true;
	}
}

static unsigned levels_of(uint64_t size)
{
	unsigned levels = 0;
	for (uint64_t last = size - 1; last > 0; last >>= 1) {
		levels++;
	}
	return levels;
}

static int want_nodes(struct merkle_many *m, const uint64_t *indices, size_t n)
{
	size_t kept = 0;
	m->nodes = calloc(n * levels_of(m->size) + 1, sizeof(m->nodes[0]));
	if (!m->nodes) {
		return ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t last = m->size - 1, at = indices[i];
		for (uint8_t level = 0; last > 0; level++, last >>= 1, at >>= 1) {
			uint64_t beside;
			if (sibling(at, last, &beside)) {
				m->nodes[m->n_nodes++] = (struct node){.level = level, .n = beside};
			}
		}
	}
	qsort(m->nodes, m->n_nodes, sizeof(m->nodes[0]), by_place);
	for (size_t i = 0; i < m->n_nodes; i++) {
		if (kept == 0 || by_place(&m->nodes[kept - 1], &m->nodes[i]) != 0) {
			m->nodes[kept++] = m->nodes[i];
		}
	}
	m->n_nodes = kept;
	return 0;
}

/* The range's subtrees are the left nodes that wait, the largest first. */
static void begin(struct merkle_many *m, const struct merkle_range *before)
{
	unsigned k = 0;
	m->at = before->size;
	for (unsigned level = MERKLE_LEVELS; level-- > 0;) {
		if (before->size >> level & 1) {
			m->stack[level] = before->node[k++];
			made(m, (uint8_t)level, (before->size >> level) - 1, &m->stack[level]);
		}
	}
}

int merkle_many_new(const uint64_t *indices, size_t n, uint64_t size, const struct merkle_range *before,
	struct merkle_many **ret_many)
{
	for (size_t i = 0; i < n; i++) {
		if (indices[i] >= size || indices[i] < before->size ||
			(i > 0 && indices[i] <= indices[i - 1])) {
			return ERR_VALUE;
		}
	}
	if (size == 0 || size >= MERKLE_MOST || before->size >= size) {
		return ERR_VALUE;
	}
	struct merkle_many *m = calloc(1, sizeof(*m));
	if (!m) {
		return ERR_NO_MEMORY;
	}
	m->size = size;
	if (want_nodes(m, indices, n) != 0) {
		merkle_many_free(m);
		return ERR_NO_MEMORY;
	}
	begin(m, before);
	*ret_many = m;
	return 0;
}

void merkle_many_free(struct merkle_many *m)
{
	if (m) {
		free(m->nodes);
		free(m);
	}
}

/* *hash becomes the node over left and it. */
static void join(const struct merkle_hash *left, struct merkle_hash *hash)
{
	struct merkle_hash node;
	merkle_node(left, hash, &node);
	*hash = node;
}

void merkle_many_leaf(struct merkle_many *m, const struct merkle_hash *leaf)
{
	struct merkle_hash hash = *leaf;
	uint8_t level = 0;
	uint64_t n = m->at++;
	if (n >= m->size) {
		return;
	}
	m->last = *leaf;
	made(m, 0, n, &hash);
	for (; n & 1; n >>= 1) {
		join(&m->stack[level], &hash);
		level++;
		made(m, level, n >> 1, &hash);
	}
	m->stack[level] = hash;
}

/* Up along the last node of each level, which may be of fewer leaves than the others. */
int merkle_many_root(struct merkle_many *m, struct merkle_hash *ret_root)
{
	struct merkle_hash hash = m->last;
	uint8_t level = 0;
	if (m->at < m->size) {
		return ERR_MISSING;
	}
	for (uint64_t last = m->size - 1; last > 0; last >>= 1, level++) {
		made(m, level, last, &hash);
		if (last & 1) {
			join(&m->stack[level], &hash);
		}
	}
	*ret_root = hash;
	return 0;
}

int merkle_many_proof(const struct merkle_many *m, uint64_t index, struct merkle_proof *ret_proof)
{
	struct merkle_proof p = {0};
	uint64_t last = m->size - 1;
	for (uint8_t level = 0; last > 0; level++, last >>= 1, index >>= 1) {
		uint64_t beside;
		if (!sibling(index, last, &beside)) {
			continue;
		}
		const struct node *node = find(m, level, beside);
		if (!node || !node->known) {
			return ERR_MISSING;
		}
		p.hash[p.n++] = node->hash;
	}
	*ret_proof = p;
	return 0;
}
