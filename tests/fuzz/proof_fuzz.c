/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/proof.h"

#include <stdlib.h>
#include <string.h>

/* A proof that somebody hands over. None that a fuzzer makes is ever good: nobody signs with its key. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* RFC 8032 7.1, test 1. */
	static const uint8_t nobody[32] = {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe,
		0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02,
		0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
	struct note_key keys[2];
	struct proof p;
	static struct proof_verdict v;
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy || note_key_make("hospital.example/gantry", NOTE_ED25519, nobody, &keys[0]) < 0 ||
		note_key_make("witness.example/w1", NOTE_COSIGNATURE, nobody, &keys[1]) < 0) {
		free(copy);
		return 0;
	}
	memcpy(copy, data, size);
	if (proof_read(span_of(copy, size), &p) == 0) {
		struct merkle_hash root;
		proof_check(&p, keys, 2, span_of(copy, size), &v);
		if (v.good) {
			abort();
		}
		/* What the signature would have stopped. */
		merkle_leaf(p.extra, &root);
		if (merkle_check_inclusion(p.index, p.index + 1, &p.leaf, &p.path, &root) == 0 &&
			p.path.n > 63) {
			abort();
		}
		if (merkle_check_consistency(p.index, p.index + p.path.n, &p.leaf, &root, &p.path) == 0 &&
			p.path.n > 63) {
			abort();
		}
		proof_done(&p);
	}
	free(copy);
	return 0;
}
