/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/merkle.h"
#include "base/sha256.h"

#include <stdlib.h>

int merkle_prepare(void)
{
	return sha256_prepare();
}

static void hash(
	const uint8_t *prefix, size_t n_prefix, struct span a, struct span b, struct merkle_hash *ret_hash)
{
	if (!sha256_of(span_of(prefix, n_prefix), a, b, ret_hash->at)) {
		abort();
	}
}

void merkle_sha256(struct span a, struct span b, struct merkle_hash *ret_hash)
{
	hash(NULL, 0, a, b, ret_hash);
}

void merkle_leaf(struct span leaf, struct merkle_hash *ret_hash)
{
	hash((const uint8_t[]){0}, 1, leaf, (struct span){0}, ret_hash);
}

void merkle_node(
	const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *ret_hash)
{
	hash((const uint8_t[]){1}, 1, span_of(left->at, MERKLE_HASH), span_of(right->at, MERKLE_HASH),
		ret_hash);
}

void merkle_empty(struct merkle_hash *ret_hash)
{
	hash(NULL, 0, (struct span){0}, (struct span){0}, ret_hash);
}

void merkle_append(struct merkle_range *range, const struct merkle_hash *leaf)
{
	struct merkle_hash h = *leaf;
	for (uint64_t bits = range->size; bits & 1; bits >>= 1) {
		merkle_node(&range->node[--range->n], &h, &h);
	}
	range->node[range->n++] = h;
	range->size++;
}

void merkle_root(const struct merkle_range *range, struct merkle_hash *ret_root)
{
	if (range->n == 0) {
		merkle_empty(ret_root);
		return;
	}
	struct merkle_hash h = range->node[range->n - 1];
	for (unsigned i = range->n - 1; i > 0; i--) {
		merkle_node(&range->node[i - 1], &h, &h);
	}
	*ret_root = h;
}

bool merkle_range_same(const struct merkle_range *a, const struct merkle_range *b)
{
	return a->size == b->size && a->n == b->n &&
	       (a->n == 0 || memcmp(a->node, b->node, a->n * sizeof(a->node[0])) == 0);
}

int merkle_check_inclusion(uint64_t index, uint64_t size, const struct merkle_hash *leaf,
	const struct merkle_proof *proof, const struct merkle_hash *root)
{
	if (index >= size || size >= MERKLE_MOST) {
		return ERR_VALUE;
	}
	uint64_t fn = index, sn = size - 1;
	struct merkle_hash r = *leaf;
	for (unsigned i = 0; i < proof->n; i++) {
		if (sn == 0) {
			return ERR_VALUE;
		}
		if ((fn & 1) || fn == sn) {
			merkle_node(&proof->hash[i], &r, &r);
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			merkle_node(&r, &proof->hash[i], &r);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && merkle_same(&r, root) ? 0 : ERR_VALUE;
}

int merkle_check_consistency(uint64_t old_size, uint64_t new_size, const struct merkle_hash *old_root,
	const struct merkle_hash *new_root, const struct merkle_proof *proof)
{
	if (old_size > new_size || new_size >= MERKLE_MOST) {
		return ERR_VALUE;
	}
	if (old_size == 0 || old_size == new_size) {
		struct merkle_hash none;
		merkle_empty(&none);
		const struct merkle_hash *same = old_size == 0 ? &none : new_root;
		return proof->n == 0 && merkle_same(old_root, same) ? 0 : ERR_VALUE;
	}
	/* A tree that is itself a perfect subtree stands first, though unsaid. */
	bool perfect = (old_size & (old_size - 1)) == 0;
	unsigned next = perfect ? 0 : 1;
	if (proof->n < next) {
		return ERR_VALUE;
	}
	struct merkle_hash fr = perfect ? *old_root : proof->hash[0], sr = fr;
	uint64_t fn = old_size - 1, sn = new_size - 1;
	while (fn & 1) {
		fn >>= 1;
		sn >>= 1;
	}
	for (; next < proof->n; next++) {
		const struct merkle_hash *c = &proof->hash[next];
		if (sn == 0) {
			return ERR_VALUE;
		}
		if ((fn & 1) || fn == sn) {
			merkle_node(c, &fr, &fr);
			merkle_node(c, &sr, &sr);
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			merkle_node(&sr, c, &sr);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && merkle_same(&fr, old_root) && merkle_same(&sr, new_root) ? 0 : ERR_VALUE;
}
