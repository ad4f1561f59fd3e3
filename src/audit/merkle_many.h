/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_MERKLE_MANY_H
#define AUDIT_MERKLE_MANY_H

#include "audit/merkle.h"

/*
 * Inclusion proofs of many leaves in one pass: each subtree is hashed once, and kept if a proof needs it. Memory: 48 bytes for
 * each hash of the proofs, shared ones once.
 */
struct merkle_many;

/*
 * indices: ascending, each once, all below size; copied. before: what is known of the leaves that are not given, whose size
 * is at most indices[0], and below size. ERR_VALUE, ERR_NO_MEMORY.
 */
MUST_USE int merkle_many_new(const uint64_t *indices, size_t n, uint64_t size,
	const struct merkle_range *before, struct merkle_many **ret_many);
void merkle_many_free(struct merkle_many *m);

/* The leaves from before->size to size, in order. */
void merkle_many_leaf(struct merkle_many *m, const struct merkle_hash *leaf);

/* When all are given; *ret_root and the proofs are those of a tree of `size` leaves. ERR_MISSING: not all were given. */
MUST_USE int merkle_many_root(struct merkle_many *m, struct merkle_hash *ret_root);
MUST_USE int merkle_many_proof(
	const struct merkle_many *m, uint64_t index, struct merkle_proof *ret_proof); /* ERR_MISSING */

#endif
