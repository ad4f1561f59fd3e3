/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_HPKE_H
#define AUDIT_HPKE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <openssl/types.h>

/*
 * Hybrid public key encryption, RFC 9180: base mode, one message a context, with DHKEM(X25519, HKDF-SHA256) or
 * DHKEM(P-256, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM.
 */

enum hpke_kem { HPKE_P256 = 0x0010, HPKE_X25519 = 0x0020 }; /* RFC 9180 7.1 */

#define HPKE_PUBLIC_MOST 65 /* a point of P-256, not compressed; X25519 has 32 */
#define HPKE_SECRET      32 /* what Diffie-Hellman gives, of either */
#define HPKE_TAG         16
#define HPKE_ID          8
#define HPKE_INFO_MOST   128

/* More than a text of so many bytes has when it is sealed. */
#define HPKE_SEALED_MOST(text) (HPKE_PUBLIC_MOST + (text) + HPKE_TAG)

/* A public key. Plain data. */
struct hpke_public {
	enum hpke_kem kem;
	uint8_t bytes[HPKE_PUBLIC_MOST]; /* as RFC 9180 7.1.1 writes it */
	size_t len;
	uint8_t id[HPKE_ID]; /* the first bytes of the SHA-256 of its SubjectPublicKeyInfo */
};

/*
 * Of a PEM file: a public key (SubjectPublicKeyInfo), or else its first certificate, of which nothing but the key is
 * looked at. ERR_VALUE (neither), ERR_UNSUPPORTED (a key of another kind), ERR_NO_MEMORY.
 */
MUST_USE int hpke_public_read(struct span pem, struct hpke_public *ret_key);
/* The same of a key of OpenSSL's, public or private. */
MUST_USE int hpke_public_of(const EVP_PKEY *key, struct hpke_public *ret_key);

/*
 * To `to`: the encapsulated key and what is encrypted, one after the other, into buf; HPKE_SEALED_MOST(text.len) is
 * room enough. info: at most HPKE_INFO_MOST bytes. ERR_SPACE, ERR_VALUE (no key in `to`), ERR_SYSTEM.
 */
MUST_USE int hpke_seal(const struct hpke_public *to, struct span info, struct span aad, struct span text,
	uint8_t *buf, size_t cap, size_t *ret_len);

/*
 * Who can open: a private key that is asked for Diffie-Hellman alone, so that it may be on a token. Plain data; `key`
 * is borrowed.
 */
struct hpke_opener {
	struct hpke_public public;
	/* their: of the same kind of key, and a point of its curve. ERR_VALUE, ERR_SYSTEM. */
	int (*dh)(void *key, struct span their, uint8_t ret_secret[HPKE_SECRET]);
	void *key;
};

/* With a private key of OpenSSL's, which is borrowed. ERR_UNSUPPORTED, ERR_DENIED: it is a public key. */
MUST_USE int hpke_opener_of(EVP_PKEY *key, struct hpke_opener *ret_opener);

/*
 * ERR_TRUNCATED, ERR_VALUE (no key where one must be), ERR_DENIED (not to this key, of other info or aad, or changed),
 * ERR_SPACE, ERR_SYSTEM, or what dh() says.
 */
MUST_USE int hpke_open(const struct hpke_opener *o, struct span info, struct span aad, struct span sealed,
	uint8_t *buf, size_t cap, size_t *ret_len);

/* Parts that hpke.c and hpke_key.c share. */
MUST_USE int hpke_pkey_of(
	enum hpke_kem kem, struct span public, EVP_PKEY **ret_key); /* ERR_VALUE, ERR_UNSUPPORTED */
MUST_USE int hpke_fresh(enum hpke_kem kem, EVP_PKEY **ret_key);     /* ERR_SYSTEM */
MUST_USE int hpke_dh(EVP_PKEY *mine, EVP_PKEY *theirs, uint8_t ret_secret[HPKE_SECRET]); /* ERR_VALUE */
size_t hpke_public_len(enum hpke_kem kem);                                               /* 0: no such */

#endif
