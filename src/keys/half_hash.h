/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_HALF_HASH_H
#define KEYS_HALF_HASH_H

#include "keys/vouch.h"

#include <openssl/sha.h>

/*
 * SHA-256, SHA-384 or SHA-512 that one process begins and another one ends (FIPS 180-4 6.2, 6.4, 6.5): OpenSSL's EVP lets no
 * state out and none in. May be copied, which goes back to where it was.
 */
struct half_hash {
	enum object_hash kind;
	union {
		SHA256_CTX small;
		SHA512_CTX large; /* of SHA-384 too, which begins elsewhere and is cut at its end */
	} at;
};

void half_hash_begin(struct half_hash *h, enum object_hash kind);
void half_hash_add(struct half_hash *h, struct span bytes);

/* All of *ret_sum but its id. */
void half_hash_give(const struct half_hash *h, struct vouch_sum *ret_sum);
/* ERR_VALUE: it is the state of no such hash, or of one that nothing was added to. */
MUST_USE int half_hash_take(const struct vouch_sum *sum, struct half_hash *ret_hash);

/* The digest lies in bytes. */
struct span half_hash_end(struct half_hash *h, uint8_t bytes[SHA512_DIGEST_LENGTH]);

#endif
