/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_X509_H
#define KEYS_X509_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the files of this folder share about certificates. Others use cert.h. */

/* A reading BIO over borrowed bytes, or NULL (also when they are too many). */
BIO *x509_bio(struct span pem);

/* The next certificate of a PEM. 0, ERR_NOT_FOUND at the end (no error is left in the queue), ERR_VALUE. */
MUST_USE int x509_next(BIO *bio, X509 **ret_cert);

/* A private key that is not encrypted. ERR_VALUE otherwise; never asks for a passphrase. */
MUST_USE int x509_private_key(struct span pem, EVP_PKEY **ret_key);

/* One that may be encrypted: ask (not NULL) may be called more than once, and without need of it never. */
MUST_USE int x509_private_key_asking(struct span pem, pem_password_cb *ask, void *arg, EVP_PKEY **ret_key);

/* A name as RFC 2253 text, bytes outside printable ASCII escaped, cut to cap. */
void x509_name_text(const X509_NAME *name, char *buf, size_t cap);

/* Seconds since 1970. */
MUST_USE int x509_time_s(const ASN1_TIME *time, int64_t *ret_s);

/* "2026-11-20", or "an unknown day". */
void x509_day(const ASN1_TIME *time, char ret_text[16]);

MUST_USE int x509_spki_sha256(const X509 *cert, uint8_t ret_hash[32]);

/* Of the whole certificate's DER: what is called its fingerprint. */
MUST_USE int x509_sha256(const X509 *cert, uint8_t ret_hash[32]);

/* A signature algorithm (NID) whose hash is below SHA-256: PS3.15 B.13. Those that name no hash are not. */
bool x509_hash_is_weak(int signature);

/* Has it a key of less than 80 bits of strength (RSA below 1024, curves below 160), which others than its owner may find? Also: of none. */
bool x509_key_is_short(const X509 *cert);

/*
 * A host name of letters, digits, '-' and '_' in labels of 1 to 63, 253 at most, that does not read as an IP address
 * (its last label is not all digits). A leftmost label "*" counts when `wildcard` is set.
 */
bool x509_dns_name(const char *name, size_t len, bool wildcard);

/* An IPv4 or IPv6 address as text to 4 or 16 bytes; 0 if it is none. */
size_t x509_ip(const char *text, uint8_t ret_bytes[16]);

static inline void x509_freep(X509 **cert)
{
	X509_free(*cert);
}

static inline void x509_bio_freep(BIO **bio)
{
	BIO_free(*bio);
}

static inline void x509_pkey_freep(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

#endif
