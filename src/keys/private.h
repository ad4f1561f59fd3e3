/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_PRIVATE_H
#define KEYS_PRIVATE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "keys/sign.h"

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A private key, of a file or on a token. For the key holder, and for `gantry check`, which looks whether the key
 * holder would find what it needs. No other process opens one.
 */
struct private_key;

/*
 * where: a file's absolute path (PEM, not encrypted), or a `pkcs11:` URI (token.h). It must be the key of the leaf in
 * certificate_pem, which is proved by a signature. why (never NULL): a sentence for people on failure. ERR_SYSTEM,
 * ERR_VALUE, ERR_DENIED (others may read the file, or it belongs to another certificate), ERR_NOT_FOUND,
 * ERR_UNSUPPORTED (a kind of key that we do not sign with), ERR_NO_MEMORY.
 */
MUST_USE int private_key_open(
	const char *where, struct span certificate_pem, struct private_key **ret_key, char *why, size_t cap);

/* Who has the passphrase of a key's file: a person, mostly. The gateway asks nobody. */
struct private_key_asks {
	/* Not empty, with its NUL at most cap bytes; buf is wiped by whoever asks. Called once, if the key is encrypted. False: there is none. */
	bool (*ask)(void *arg, char *buf, size_t cap);
	void *arg;
	const char *otherwise; /* what is said behind "there was no passphrase", "" for instance */
};

/* The same, and the file's key may be encrypted. asks: NULL: as above. ERR_MISSING: no passphrase; ERR_DENIED, too: a wrong one. */
MUST_USE int private_key_open_asking(const char *where, struct span certificate_pem,
	const struct private_key_asks *asks, struct private_key **ret_key, char *why, size_t cap);

/*
 * The same without a certificate, for a key of Ed25519 alone, whose public half the file or the token has. ERR_UNSUPPORTED:
 * another kind of key.
 */
#define ED25519_PUBLIC    32
#define ED25519_SIGNATURE 64
MUST_USE int private_key_open_ed25519(const char *where, struct private_key **ret_key,
	uint8_t ret_public[ED25519_PUBLIC], char *why, size_t cap);

void private_key_free(struct private_key *key);

enum sign_kind private_key_kind(const struct private_key *key);

/* Is it on a token? Then its module needs files and threads, and the key holder's sandbox is a wider one. */
bool private_key_is_token(const char *where);

/*
 * The signature as TLS carries it, over all of content: *ret_len bytes of sig. ERR_TYPE: a scheme for another kind of
 * key. ERR_SPACE, ERR_TLS (OpenSSL or the token refuses).
 */
#define PRIVATE_KEY_SIGNATURE_MOST 1024
MUST_USE int private_key_sign(const struct private_key *key, const struct sign_scheme *scheme,
	struct span content, uint8_t *sig, size_t cap, size_t *ret_len);

/*
 * The same of what was hashed already, by this process: RSASSA-PKCS1-v1_5 alone, for content that does not lie in memory as one. hash:
 * of scheme->digest.
 */
MUST_USE int private_key_sign_hash(const struct private_key *key, const struct sign_scheme *scheme,
	struct span hash, uint8_t *sig, size_t cap, size_t *ret_len);

#endif
