/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/merkle.h"

#include <stdlib.h>

/*
 * A proof is a row of roots of subtrees over disjoint leaves [begin, end). begin is a multiple of the subtree's width, so that
 * what grows over it from begin on is a tree of its own, and its leaves are put into it as they come.
 */
struct part {
	uint64_t begin, end;
	struct merkle_range range;
};

struct merkle_prover {
	unsigned n;
	struct part part[MERKLE_PROOF_MOST]; /* in the order of the proof */
	unsigned order[MERKLE_PROOF_MOST];   /* in the order of the leaves */
	unsigned at;                         /* in order: where the next leaf goes, or after */
};

static int add(struct merkle_prover *p, uint64_t begin, uint64_t end)
{
	if (p->n == MERKLE_PROOF_MOST) {
		return ERR_LIMIT;
	}
	p->part[p->n].begin = begin;
	p->part[p->n++].end = end;
	return 0;
}

/* The largest power of two below n; n > 1. */
static uint64_t split(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* From the root down; turned round at the end. RFC 9162 2.1.3.1. */
static int inclusion(struct merkle_prover *p, uint64_t index, uint64_t size)
{
	uint64_t begin = 0, end = size;
	int r = 0;
	while (r == 0 && end - begin > 1) {
		uint64_t k = begin + split(end - begin);
		if (index < k) {
			r = add(p, k, end);
			end = k;
		} else {
			r = add(p, begin, k);
			begin = k;
		}
	}
	return r;
}

/* RFC 9162 2.1.4.1. */
static int consistency(struct merkle_prover *p, uint64_t old_size, uint64_t new_size)
{
	uint64_t begin = 0, end = new_size;
	int r = 0;
	while (r == 0 && end != old_size) {
		uint64_t k = begin + split(end - begin);
		if (old_size <= k) {
			r = add(p, k, end);
			end = k;
		} else {
			r = add(p, begin, k);
			begin = k;
		}
	}
	return r == 0 && begin > 0 ? add(p, begin, end) : r;
}

static void turn(struct merkle_prover *p)
{
	for (unsigned i = 0; i < p->n / 2; i++) {
		struct part part = p->part[i];
		p->part[i] = p->part[p->n - 1 - i];
		p->part[p->n - 1 - i] = part;
	}
	/* At most 64: inserted one by one. */
	for (unsigned i = 0; i < p->n; i++) {
		unsigned k = i;
		for (; k > 0 && p->part[p->order[k - 1]].begin > p->part[i].begin; k--) {
			p->order[k] = p->order[k - 1];
		}
		p->order[k] = i;
	}
}

static int make(int (*parts)(struct merkle_prover *, uint64_t, uint64_t), uint64_t a, uint64_t b,
	struct merkle_prover **ret_prover)
{
	struct merkle_prover *p = calloc(1, sizeof(*p));
	if (!p) {
		return ERR_NO_MEMORY;
	}
	int r = parts(p, a, b);
	if (r < 0) {
		free(p);
		return r;
	}
	turn(p);
	*ret_prover = p;
	return 0;
}

int merkle_prove_inclusion(uint64_t index, uint64_t size, struct merkle_prover **ret_prover)
{
	if (index >= size || size >= MERKLE_MOST) {
		return ERR_VALUE;
	}
	return make(inclusion, index, size, ret_prover);
}

int merkle_prove_consistency(uint64_t old_size, uint64_t new_size, struct merkle_prover **ret_prover)
{
	if (old_size == 0 || old_size > new_size || new_size >= MERKLE_MOST) {
		return ERR_VALUE;
	}
	return make(consistency, old_size, new_size, ret_prover);
}

/* What `before` knows of a part's leaves. Its nodes belong to the bits of its size, highest first. */
static int known(struct part *part, const struct merkle_range *before)
{
	uint64_t size = before->size, width = part->end - part->begin;
	if (size <= part->begin) {
		return 0;
	}
	if (size < part->end || (size == part->end && (width & (width - 1)) != 0)) {
		/* Its low bits are the leaves from begin on. */
		uint64_t inside = size - part->begin;
		unsigned n = (unsigned)__builtin_popcountll(inside);
		if ((size & ~inside) != part->begin || n > before->n) {
			return ERR_NOT_FOUND;
		}
		part->range.size = inside;
		part->range.n = n;
		memcpy(part->range.node, before->node + before->n - n, n * sizeof(before->node[0]));
		return 0;
	}
	/* All of it: then it must be one of the nodes. */
	if ((width & (width - 1)) != 0 || (size & width) == 0 || (size & ~(2 * width - 1)) != part->begin) {
		return ERR_NOT_FOUND;
	}
	unsigned above = (unsigned)__builtin_popcountll(size & ~(2 * width - 1));
	part->range.size = width;
	part->range.n = 1;
	part->range.node[0] = before->node[above];
	return 0;
}

int merkle_prover_start(struct merkle_prover *p, const struct merkle_range *before)
{
	for (unsigned i = 0; i < p->n; i++) {
		int r = known(&p->part[i], before);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

void merkle_prover_leaf(struct merkle_prover *p, uint64_t index, const struct merkle_hash *leaf)
{
	while (p->at < p->n && index >= p->part[p->order[p->at]].end) {
		p->at++;
	}
	if (p->at < p->n) {
		struct part *part = &p->part[p->order[p->at]];
		if (index >= part->begin && index - part->begin == part->range.size) {
			merkle_append(&part->range, leaf);
		}
	}
}

int merkle_prover_end(const struct merkle_prover *p, struct merkle_proof *ret_proof)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (p->part[i].range.size != p->part[i].end - p->part[i].begin) {
			return ERR_MISSING;
		}
	}
	ret_proof->n = p->n;
	for (unsigned i = 0; i < p->n; i++) {
		merkle_root(&p->part[i].range, &ret_proof->hash[i]);
	}
	return 0;
}

void merkle_prover_free(struct merkle_prover *p)
{
	free(p);
}
