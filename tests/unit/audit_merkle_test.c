/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit/armor.h"
#include "audit/merkle.h"
#include "audit/merkle_many.h"

#include <stdlib.h>

/* The leaves and roots of the reference implementation of RFC 6962 (google/certificate-transparency, merkletree tests). */
static const struct {
	const char *leaf;
	size_t len;
	const char *root; /* of the leaves so far */
} known[] = {
	{"", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
	{"\x00", 1, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
	{"\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
	{"\x20\x21", 2, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
	{"\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
	{"\x40\x41\x42\x43", 4, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
	{"\x50\x51\x52\x53\x54\x55\x56\x57", 8,
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
	{"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16,
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
};

static void of_hex(const char *hex, struct merkle_hash *ret_hash)
{
	assert_int_equal(armor_read_hex(span_str(hex), ret_hash->at, MERKLE_HASH), 0);
}

static void test_known(void **state)
{
	struct merkle_range range = {0};
	struct merkle_hash root, wanted;
	merkle_root(&range, &root);
	of_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", &wanted);
	assert_true(merkle_same(&root, &wanted));
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct merkle_hash leaf;
		merkle_leaf(span_of(known[i].leaf, known[i].len), &leaf);
		merkle_append(&range, &leaf);
		merkle_root(&range, &root);
		of_hex(known[i].root, &wanted);
		assert_true(merkle_same(&root, &wanted));
		assert_int_equal(range.n, __builtin_popcountll(range.size));
	}
}

/* ---- The definitions of RFC 9162 2.1, word for word, to hold ours against ---- */

#define LEAVES 70

static struct merkle_hash leaves[LEAVES];

static uint64_t largest_below(uint64_t n)
{
	uint64_t k = 1;
	while (k * 2 < n) {
		k *= 2;
	}
	return k;
}

static struct merkle_hash mth(uint64_t a, uint64_t b)
{
	if (b - a == 1) {
		return leaves[a];
	}
	uint64_t k = largest_below(b - a);
	struct merkle_hash left = mth(a, a + k), right = mth(a + k, b), h;
	merkle_node(&left, &right, &h);
	return h;
}

static void path(uint64_t m, uint64_t a, uint64_t b, struct merkle_proof *p)
{
	if (b - a == 1) {
		return;
	}
	uint64_t k = largest_below(b - a);
	if (m < k) {
		path(m, a, a + k, p);
		p->hash[p->n++] = mth(a + k, b);
	} else {
		path(m - k, a + k, b, p);
		p->hash[p->n++] = mth(a, a + k);
	}
}

static void subproof(uint64_t m, uint64_t a, uint64_t b, bool whole, struct merkle_proof *p)
{
	if (m == b - a) {
		if (!whole) {
			p->hash[p->n++] = mth(a, b);
		}
		return;
	}
	uint64_t k = largest_below(b - a);
	if (m <= k) {
		subproof(m, a, a + k, whole, p);
		p->hash[p->n++] = mth(a + k, b);
	} else {
		subproof(m - k, a + k, b, false, p);
		p->hash[p->n++] = mth(a, a + k);
	}
}

static int make_leaves(void **state)
{
	for (unsigned i = 0; i < LEAVES; i++) {
		merkle_leaf(span_of(&i, sizeof(i)), &leaves[i]);
	}
	return 0;
}

static struct merkle_range range_of(uint64_t n)
{
	struct merkle_range range = {0};
	for (uint64_t i = 0; i < n; i++) {
		merkle_append(&range, &leaves[i]);
	}
	return range;
}

static void test_roots(void **state)
{
	for (uint64_t n = 1; n <= LEAVES; n++) {
		struct merkle_range range = range_of(n);
		struct merkle_hash root, wanted = mth(0, n);
		merkle_root(&range, &root);
		assert_true(merkle_same(&root, &wanted));
	}
}

/* With the leaves before `first` gone. The prover's result, or its error. */
static int prove(struct merkle_prover *p, uint64_t first, uint64_t size, struct merkle_proof *ret_proof)
{
	struct merkle_range before = range_of(first);
	int r = merkle_prover_start(p, &before);
	for (uint64_t i = first; r == 0 && i < size; i++) {
		merkle_prover_leaf(p, i, &leaves[i]);
	}
	r = r < 0 ? r : merkle_prover_end(p, ret_proof);
	merkle_prover_free(p);
	return r;
}

static void same_proof(const struct merkle_proof *a, const struct merkle_proof *b)
{
	assert_int_equal(a->n, b->n);
	for (unsigned i = 0; i < a->n; i++) {
		assert_true(merkle_same(&a->hash[i], &b->hash[i]));
	}
}

static void test_inclusion(void **state)
{
	for (uint64_t size = 1; size <= LEAVES; size++) {
		struct merkle_hash root = mth(0, size);
		for (uint64_t index = 0; index < size; index++) {
			struct merkle_proof wanted = {0}, got;
			path(index, 0, size, &wanted);
			for (uint64_t first = 0; first <= index; first++) {
				struct merkle_prover *p;
				assert_int_equal(merkle_prove_inclusion(index, size, &p), 0);
				assert_int_equal(prove(p, first, size, &got), 0);
				same_proof(&got, &wanted);
			}
			assert_int_equal(merkle_check_inclusion(index, size, &leaves[index], &got, &root), 0);
		}
	}
}

static void test_inclusion_false(void **state)
{
	for (uint64_t size = 1; size <= 20; size++) {
		struct merkle_hash root = mth(0, size), other = leaves[LEAVES - 1];
		for (uint64_t index = 0; index < size; index++) {
			struct merkle_proof p = {0};
			path(index, 0, size, &p);
			assert_int_equal(merkle_check_inclusion(index, size, &other, &p, &root), ERR_VALUE);
			assert_int_equal(
				merkle_check_inclusion(index, size, &leaves[index], &p, &other), ERR_VALUE);
			assert_int_equal(
				merkle_check_inclusion(size, size, &leaves[index], &p, &root), ERR_VALUE);
			for (uint64_t wrong = 0; wrong < size; wrong++) {
				int r = merkle_check_inclusion(wrong, size, &leaves[index], &p, &root);
				assert_int_equal(r, wrong == index ? 0 : ERR_VALUE);
			}
			for (unsigned i = 0; i < p.n; i++) {
				p.hash[i].at[i] ^= 1;
				assert_int_equal(
					merkle_check_inclusion(index, size, &leaves[index], &p, &root),
					ERR_VALUE);
				p.hash[i].at[i] ^= 1;
			}
			p.n++;
			assert_int_equal(
				merkle_check_inclusion(index, size, &leaves[index], &p, &root), ERR_VALUE);
			if (p.n > 1) {
				p.n -= 2;
				assert_int_equal(
					merkle_check_inclusion(index, size, &leaves[index], &p, &root),
					ERR_VALUE);
			}
		}
	}
}

static void test_consistency(void **state)
{
	for (uint64_t size = 1; size <= LEAVES; size++) {
		struct merkle_hash root = mth(0, size);
		for (uint64_t old = 1; old <= size; old++) {
			struct merkle_proof wanted = {0}, got;
			struct merkle_hash old_root = mth(0, old);
			subproof(old, 0, size, true, &wanted);
			for (uint64_t first = 0; first <= old; first++) {
				struct merkle_prover *p;
				assert_int_equal(merkle_prove_consistency(old, size, &p), 0);
				assert_int_equal(prove(p, first, size, &got), 0);
				same_proof(&got, &wanted);
			}
			assert_int_equal(merkle_check_consistency(old, size, &old_root, &root, &got), 0);
			for (unsigned i = 0; i < got.n; i++) {
				got.hash[i].at[31 - i] ^= 0x80;
				assert_int_equal(merkle_check_consistency(old, size, &old_root, &root, &got),
					ERR_VALUE);
				got.hash[i].at[31 - i] ^= 0x80;
			}
			got.n++;
			assert_int_equal(
				merkle_check_consistency(old, size, &old_root, &root, &got), ERR_VALUE);
			got.n--;
			assert_int_equal(
				merkle_check_consistency(old, size, &leaves[LEAVES - 1], &root, &got),
				ERR_VALUE);
			assert_int_equal(
				merkle_check_consistency(size + 1, size, &old_root, &root, &got), ERR_VALUE);
		}
	}
}

static void test_consistency_of_nothing(void **state)
{
	struct merkle_hash none, root = mth(0, 5);
	struct merkle_proof p = {0};
	struct merkle_prover *prover;
	merkle_empty(&none);
	assert_int_equal(merkle_check_consistency(0, 5, &none, &root, &p), 0);
	assert_int_equal(merkle_check_consistency(0, 5, &root, &root, &p), ERR_VALUE);
	assert_int_equal(merkle_prove_consistency(0, 5, &prover), ERR_VALUE);
	assert_int_equal(merkle_prove_consistency(6, 5, &prover), ERR_VALUE);
	assert_int_equal(merkle_prove_inclusion(5, 5, &prover), ERR_VALUE);
	assert_int_equal(merkle_prove_inclusion(0, MERKLE_MOST, &prover), ERR_VALUE);
}

/* Leaves that are gone and are needed, and leaves that never come. */
static void test_missing(void **state)
{
	struct merkle_prover *p;
	struct merkle_proof proof;
	assert_int_equal(merkle_prove_inclusion(3, 20, &p), 0);
	assert_int_equal(prove(p, 8, 20, &proof), ERR_NOT_FOUND);
	assert_int_equal(merkle_prove_consistency(5, 20, &p), 0);
	assert_int_equal(prove(p, 8, 20, &proof), ERR_NOT_FOUND);
	assert_int_equal(merkle_prove_inclusion(3, 20, &p), 0);
	assert_int_equal(prove(p, 0, 19, &proof), ERR_MISSING);
}

/* ---- Many proofs in one pass ---- */

/* Each size to 70, each beginning, all leaves after it: the proofs that one prover each makes. */
static void test_many_proofs_are_the_same(void **state)
{
	for (uint64_t size = 1; size <= 70; size++) {
		struct merkle_range all = {0};
		struct merkle_hash leaf[70], root, got;
		for (uint64_t i = 0; i < size; i++) {
			uint8_t text[2] = {(uint8_t)i, 7};
			merkle_leaf(span_of(text, 2), &leaf[i]);
			merkle_append(&all, &leaf[i]);
		}
		merkle_root(&all, &root);
		struct merkle_range before = {0};
		for (uint64_t from = 0; from < size; from++) {
			uint64_t indices[70];
			size_t n = 0;
			for (uint64_t i = from; i < size; i += 1 + (from % 3)) {
				indices[n++] = i;
			}
			struct merkle_many *m = NULL;
			assert_int_equal(merkle_many_new(indices, n, size, &before, &m), 0);
			for (uint64_t i = from; i < size; i++) {
				assert_int_equal(merkle_many_root(m, &got), ERR_MISSING);
				merkle_many_leaf(m, &leaf[i]);
			}
			assert_int_equal(merkle_many_root(m, &got), 0);
			assert_memory_equal(&got, &root, sizeof(root));
			for (size_t i = 0; i < n; i++) {
				struct merkle_proof p;
				assert_int_equal(merkle_many_proof(m, indices[i], &p), 0);
				assert_int_equal(merkle_check_inclusion(
							 indices[i], size, &leaf[indices[i]], &p, &root),
					0);
			}
			merkle_many_free(m);
			merkle_append(&before, &leaf[from]);
		}
	}
}

static void test_many_refuses(void **state)
{
	const struct merkle_range none = {0};
	struct merkle_range one = {0};
	struct merkle_hash leaf = {{1}};
	struct merkle_many *m = NULL;
	merkle_append(&one, &leaf);
	const uint64_t twice[] = {3, 3}, down[] = {3, 2}, beyond[] = {4}, gone[] = {0};
	assert_int_equal(merkle_many_new(twice, 2, 4, &none, &m), ERR_VALUE);
	assert_int_equal(merkle_many_new(down, 2, 4, &none, &m), ERR_VALUE);
	assert_int_equal(merkle_many_new(beyond, 1, 4, &none, &m), ERR_VALUE);
	assert_int_equal(merkle_many_new(gone, 1, 4, &one, &m), ERR_VALUE);
	assert_int_equal(merkle_many_new(NULL, 0, 1, &one, &m), ERR_VALUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_proofs_are_the_same),
		cmocka_unit_test(test_many_refuses),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_inclusion),
		cmocka_unit_test(test_inclusion_false),
		cmocka_unit_test(test_consistency),
		cmocka_unit_test(test_consistency_of_nothing),
		cmocka_unit_test(test_missing),
	};
	return cmocka_run_group_tests(tests, make_leaves, NULL);
}
