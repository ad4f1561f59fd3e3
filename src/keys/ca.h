/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CA_H
#define KEYS_CA_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A certificate authority of a site's own, for `gantry init` and for tests. Keys are made here, in memory.
 */
enum ca_key { CA_KEY_P256, CA_KEY_RSA2048 };

enum ca_use {
	CA_USE_SERVER = 1, /* extended key usage serverAuth */
	CA_USE_CLIENT = 2, /* clientAuth; both may be set, as a gateway is both */
	CA_USE_LISTS = 4,  /* alone: key usage cRLSign, of a delegate (delegate.h) */
};

/* A certificate and its key in PEM, each malloc'd and followed by a NUL that is not counted. */
struct ca_pair {
	char *certificate_pem;
	size_t certificate_len;
	char *key_pem;
	size_t key_len;
};

struct ca_request {
	const char *common_name; /* at most 64 characters, UTF-8 (X.520's upper bound) */
	enum ca_key key;
	unsigned use;           /* enum ca_use, joined; ignored for an authority */
	const char *const *san; /* IP addresses and DNS names, told apart by how they read; may be NULL */
	size_t n_san;
	int64_t not_before_s; /* seconds since 1970 */
	int64_t not_after_s;
	struct span
		delegate; /* certificate, PEM, of who may sign lists for it: it is named in cRLIssuer; empty: nobody */
};

/* A self-signed authority (basicConstraints CA, path length 0). ERR_VALUE: a name or time that cannot be. */
MUST_USE int ca_make(const struct ca_request *request, struct ca_pair *ret_ca);

/* A certificate by this authority. Serials are 127 random bits. ERR_VALUE also when the authority does not parse. */
MUST_USE int ca_issue(const struct ca_pair *ca, const struct ca_request *request, struct ca_pair *ret_issued);

/* ---- Requests that come from devices, and what becomes of certificates (ca_request.c) ---- */

#define CA_TEXT 256
#define CA_SANS 16

/* What a person must see before it is signed. */
struct ca_facts {
	char subject[CA_TEXT];
	char san[CA_SANS][CA_TEXT]; /* DNS names and IP addresses; anything else in a request is refused */
	unsigned n_san;
	char key[32]; /* "ECDSA 256 bits" */
	char spki[65];
	char serial[64]; /* of a certificate; "" of a request */
	int64_t not_after_s;
};

/* A PKCS#10 request in PEM. ERR_VALUE with why: not readable, not signed by its own key, a weak key, a name that cannot be. */
MUST_USE int ca_read_request(struct span pem, struct ca_facts *ret_facts, char *why, size_t cap);
/* The same of a certificate. ERR_VALUE. */
MUST_USE int ca_read_certificate(struct span pem, struct ca_facts *ret_facts);

/*
 * Sign a request, or (renewal) certify the key and names of an older certificate again. use, times: of *how; its names
 * and key are not looked at. *ret_pem is malloc'd. Errors as above, and ERR_VALUE for the authority.
 */
MUST_USE int ca_sign(const struct ca_pair *ca, struct span request_or_certificate,
	const struct ca_request *how, char **ret_pem, size_t *ret_len, char *why, size_t cap);

struct ca_revoked {
	char serial[64]; /* hexadecimal */
	int64_t at_s;
	int reason; /* RFC 5280 5.3.1: 0 unspecified, 1 keyCompromise, 4 superseded, 5 cessationOfOperation … */
};

/* A revocation list, signed now. number: rises with each list. *ret_pem is malloc'd. */
MUST_USE int ca_make_crl(const struct ca_pair *ca, const struct ca_revoked *revoked, size_t n, int64_t number,
	int64_t now_s, int64_t next_s, char **ret_pem, size_t *ret_len);

/* Wipes the key and frees both; empties *pair. An empty pair is fine. */
void ca_pair_done(struct ca_pair *pair);

static inline struct span ca_certificate(const struct ca_pair *pair)
{
	return span_of(pair->certificate_pem, pair->certificate_len);
}

static inline struct span ca_private_key(const struct ca_pair *pair)
{
	return span_of(pair->key_pem, pair->key_len);
}

#endif
