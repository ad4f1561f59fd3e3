/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_AEAD_H
#define AUDIT_AEAD_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <openssl/types.h>

/* AES-256-GCM, for keys that serve once. Nothing of a key or a text is left in memory but what the caller holds. */

#define AEAD_KEY   32
#define AEAD_NONCE 12
#define AEAD_TAG   16

struct aead_key {
	const uint8_t *key;   /* AEAD_KEY bytes */
	const uint8_t *nonce; /* AEAD_NONCE bytes */
	struct span aad;
};

/*
 * *ret_len = text.len + AEAD_TAG bytes into buf. cipher: AES-256-GCM; EVP_aes_256_gcm(), or a fetched one, which is
 * quicker. ERR_SPACE, ERR_LENGTH (a text over 1 GiB), ERR_SYSTEM (OpenSSL has no memory).
 */
MUST_USE int aead_seal(const EVP_CIPHER *cipher, const struct aead_key *k, struct span text, uint8_t *buf,
	size_t cap, size_t *ret_len);

/* *ret_len = sealed.len - AEAD_TAG. ERR_TRUNCATED, ERR_DENIED (not of this key, or changed: buf is wiped), as above. */
MUST_USE int aead_open(const EVP_CIPHER *cipher, const struct aead_key *k, struct span sealed, uint8_t *buf,
	size_t cap, size_t *ret_len);

#endif
