/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_MERKLE_H
#define AUDIT_MERKLE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/*
 * The Merkle tree of RFC 9162 2.1 (the same as RFC 6962 2.1) over SHA-256: its hashes, its root as it grows, and proofs.
 * Records are its leaves, in the order of the journal.
 */

#define MERKLE_HASH 32

struct merkle_hash {
	uint8_t at[MERKLE_HASH];
};

static inline bool merkle_same(const struct merkle_hash *a, const struct merkle_hash *b)
{
	return memcmp(a->at, b->at, MERKLE_HASH) == 0;
}

/*
 * Once before a sandbox is entered: fetches SHA-256. ERR_NO_MEMORY. The functions below do it themselves if nobody did, and
 * end the process if it cannot be had: what cannot hash must not go on as if it recorded.
 */
MUST_USE int merkle_prepare(void);

/* SHA-256 of a || b; and, as RFC 9162 2.1.1 has it, of a leaf, an inner node and no leaf at all. */
void merkle_sha256(struct span a, struct span b, struct merkle_hash *ret_hash);
void merkle_leaf(struct span leaf, struct merkle_hash *ret_hash);
void merkle_node(
	const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *ret_hash);
void merkle_empty(struct merkle_hash *ret_hash);

/*
 * What must be known of the leaves [0, size) to go on from there: the roots of the perfect subtrees of which they are
 * made, largest first; as many as size has bits set. A copy is a snapshot. All zero: no leaves.
 */
#define MERKLE_LEVELS 63

/* More leaves than a tree may have; sizes are below it. */
#define MERKLE_MOST (UINT64_C(1) << MERKLE_LEVELS)

struct merkle_range {
	uint64_t size;
	unsigned n;
	struct merkle_hash node[MERKLE_LEVELS];
};

/* A snapshot of a range. What is behind its nodes is not copied. */
static inline void merkle_range_copy(struct merkle_range *to, const struct merkle_range *from)
{
	to->size = from->size;
	to->n = from->n;
	memcpy(to->node, from->node, from->n * sizeof(from->node[0]));
}

void merkle_append(struct merkle_range *range, const struct merkle_hash *leaf);
void merkle_root(const struct merkle_range *range, struct merkle_hash *ret_root);
bool merkle_range_same(const struct merkle_range *a, const struct merkle_range *b);

/* Of a proof, from the leaf's end to the root's: RFC 9162 2.1.3.1 and 2.1.4.1. */
#define MERKLE_PROOF_MOST 64

struct merkle_proof {
	unsigned n;
	struct merkle_hash hash[MERKLE_PROOF_MOST];
};

/* RFC 9162 2.1.3.2 and 2.1.4.2. 0, or ERR_VALUE: it proves nothing. An old tree of no leaves is consistent with every one. */
MUST_USE int merkle_check_inclusion(uint64_t index, uint64_t size, const struct merkle_hash *leaf,
	const struct merkle_proof *proof, const struct merkle_hash *root);
MUST_USE int merkle_check_consistency(uint64_t old_size, uint64_t new_size,
	const struct merkle_hash *old_root, const struct merkle_hash *new_root,
	const struct merkle_proof *proof);

/*
 * Proofs are made in one pass over the leaves' hashes, in order. The first leaves may be gone if their range is known
 * (merkle_prover_start, before the first leaf).
 */
struct merkle_prover;

/* That leaf `index` is in the tree of `size` leaves; that the tree of old_size is the beginning of that of new_size.
 * ERR_VALUE: index >= size, old_size > new_size or a size of 0 or of MERKLE_MOST; ERR_NO_MEMORY. */
MUST_USE int merkle_prove_inclusion(uint64_t index, uint64_t size, struct merkle_prover **ret_prover);
MUST_USE int merkle_prove_consistency(
	uint64_t old_size, uint64_t new_size, struct merkle_prover **ret_prover);

/* ERR_NOT_FOUND: the proof needs leaves of before it. */
MUST_USE int merkle_prover_start(struct merkle_prover *p, const struct merkle_range *before);
void merkle_prover_leaf(struct merkle_prover *p, uint64_t index, const struct merkle_hash *leaf);
/* ERR_MISSING: not all leaves were given. */
MUST_USE int merkle_prover_end(const struct merkle_prover *p, struct merkle_proof *ret_proof);
void merkle_prover_free(struct merkle_prover *p);

#endif
