/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CA_PARTS_H
#define KEYS_CA_PARTS_H

#include "keys/ca.h"

#include <openssl/x509v3.h>

/* What ca.c and ca_request.c share. */

struct ca_leaf {
	X509_NAME *subject;
	EVP_PKEY *key;             /* its public half is certified */
	GENERAL_NAMES *names;      /* NULL: none */
	unsigned use;              /* enum ca_use, joined */
	const X509_NAME *delegate; /* of its cRLIssuer (RFC 5280 4.2.1.13); NULL: none */
	int64_t not_before_s, not_after_s;
};

/* Sign a certificate for it. *ret_cert is the caller's. ERR_VALUE, ERR_NO_MEMORY. */
MUST_USE int ca_certify(X509 *issuer, EVP_PKEY *issuer_key, const struct ca_leaf *leaf, X509 **ret_cert);

/* The authority's certificate and key. ERR_VALUE: not readable, or not of each other. */
MUST_USE int ca_open(const struct ca_pair *ca, X509 **ret_cert, EVP_PKEY **ret_key);

/* A memory BIO's content, malloc'd and followed by a NUL. */
MUST_USE int ca_take_text(BIO *bio, char **ret_text, size_t *ret_len);

#endif
