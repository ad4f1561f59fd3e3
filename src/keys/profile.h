/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_PROFILE_H
#define KEYS_PROFILE_H

#include "base/attr.h"
#include "base/err.h"
#include "policy/site.h"

#include <openssl/types.h>
#include <stddef.h>

/*
 * What the secure transport connection profiles of PS3.15 Annex B consist of: versions, cipher suites, groups and
 * signature algorithms. One table, from which contexts are set up, connections judged, and documents and tests told.
 */

struct profile_suite {
	const char *name;    /* the standard's: TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 */
	const char *openssl; /* OpenSSL's: ECDHE-ECDSA-AES256-GCM-SHA384 */
	uint16_t version;    /* 0x0303 TLS 1.2, 0x0304 TLS 1.3 */
	unsigned profiles;   /* 1u << enum tls_profile, of those that have it */
};

/* In the order of preference. */
extern const struct profile_suite profile_suites[];
extern const size_t profile_suites_count;

/* Versions, suites, groups, signature algorithms and the strength of certificates. ERR_TLS: OpenSSL refuses them. */
MUST_USE int profile_apply(enum tls_profile profile, SSL_CTX *context);

/* Is a certificate of a chain too weak? X509_V_ERR_…, or X509_V_OK. leaf: it is the end's own. */
int profile_certificate_fault(X509 *cert, bool leaf);

/* B.13 asks a server for suites of both kinds of certificate. */
bool profile_needs_both_keys(enum tls_profile profile);

/* After a handshake: the profiles that it did not keep to, 1u << enum tls_profile each. */
unsigned profile_outside(SSL *ssl);

#endif
