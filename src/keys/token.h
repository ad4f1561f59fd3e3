/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_TOKEN_H
#define KEYS_TOKEN_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "keys/sign.h"

#include <stddef.h>

/*
 * Keys on a PKCS#11 token (a smart card, a hardware security module), named by a URI of RFC 7512:
 *
 *   pkcs11:token=gantry;object=tls?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/gantry/pin
 *
 * Path attributes: token, serial, manufacturer, model, slot-id, object, id, type (`private` or `secret-key`). Query attributes:
 * module-path (required: an absolute path), pin-source (a file's absolute path, or file: and it; its first line is the
 * PIN). pin-value is refused: a secret does not belong into a configuration.
 */

#define TOKEN_TEXT 128

struct token_uri {
	char token[TOKEN_TEXT], serial[TOKEN_TEXT], manufacturer[TOKEN_TEXT], model[TOKEN_TEXT],
		object[TOKEN_TEXT]; /* "": any */
	uint8_t id[TOKEN_TEXT];
	size_t id_len;         /* 0: any */
	bool has_slot, secret; /* type=secret-key */
	unsigned long slot;
	char module[4096], pin_file[4096]; /* absolute; pin_file "": no login */
};

/* why (never NULL): what is wrong with it. ERR_VALUE. */
MUST_USE int token_uri_parse(const char *text, struct token_uri *ret_uri, char *why, size_t cap);

/* NAME=value each, for the modules that are loaded afterwards, which know no other way. ERR_NO_MEMORY. */
MUST_USE int token_environment(const char *const *variables, unsigned n);

struct token_key;

/*
 * Loads the module into this process, which must be the key holder or a tool. The token must have exactly one such
 * private key (ERR_VALUE: the URI names a secret one). Errors and why as private_key_open().
 */
MUST_USE int token_key_open(
	const char *uri, enum sign_kind kind, struct token_key **ret_key, char *why, size_t cap);
void token_key_free(struct token_key *key);

/*
 * The public half of an elliptic curve's key, as CKA_EC_POINT has it, without its DER: of the private object, or else of the
 * token's public object with the same label and identifier. ERR_NOT_FOUND, ERR_SPACE, ERR_SYSTEM.
 */
MUST_USE int token_key_public(
	struct token_key *key, uint8_t *buf, size_t cap, size_t *ret_len, char *why, size_t why_cap);

/*
 * The secret that a P-256 key shares with a point of its curve (CKM_ECDH1_DERIVE): the abscissa. The point is held against
 * nothing here. ERR_DENIED (the key may not derive, or the token does not let the secret out), ERR_SYSTEM.
 */
#define TOKEN_SHARED 32
MUST_USE int token_key_dh(struct token_key *key, struct span point, uint8_t ret_secret[TOKEN_SHARED]);

/* A secret key of at least 32 bytes, for HMAC-SHA-256 (CKM_SHA256_HMAC). The URI says type=secret-key. As token_key_open(). */
MUST_USE int token_secret_open(const char *uri, struct token_key **ret_key, char *why, size_t cap);
#define TOKEN_MAC 32
MUST_USE int token_secret_mac(
	struct token_key *key, struct span text, uint8_t ret_mac[TOKEN_MAC]); /* ERR_SYSTEM */

MUST_USE int token_key_sign(struct token_key *key, const struct sign_scheme *scheme, struct span content,
	uint8_t *sig, size_t cap, size_t *ret_len);

/* RSASSA-PKCS1-v1_5 of what was hashed already, with SHA-256, SHA-384 or SHA-512. */
MUST_USE int token_key_sign_hash(
	struct token_key *key, struct span hash, uint8_t *sig, size_t cap, size_t *ret_len);

/*
 * What is encrypted to an RSA key: PKCS#1 v1.5, or OAEP (RFC 8017 7.1) with a hash, and MGF1 with the same, of `hash` bytes: 20, 32, 48, 64;
 * 0: none. ERR_DENIED: the key may not, or it is encrypted to another; ERR_UNSUPPORTED: the token knows no such OAEP; ERR_SYSTEM.
 */
#define TOKEN_PLAIN_MOST 1024
MUST_USE int token_key_decrypt(struct token_key *key, struct span sealed, unsigned hash,
	uint8_t ret_plain[TOKEN_PLAIN_MOST], size_t *ret_len);

#endif
