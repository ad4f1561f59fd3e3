/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CERT_H
#define KEYS_CERT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

/* Questions about certificates in PEM; each looks at the first certificate of the span. ERR_VALUE: not readable. */

/*
 * Whole days from now_s (seconds since 1970) until it expires, rounded down: 0 is the last day, negative is expired.
 * subject: as in struct tls_peer.
 */
MUST_USE int cert_days_left(struct span pem, int64_t now_s, int *ret_days, char ret_subject[256]);

/*
 * Would what its key signs now be believed, as far as itself goes: is it valid, and for signatures (RFC 5280 4.2.1.3)? ERR_DENIED: no, with a
 * sentence in why.
 */
MUST_USE int cert_signs(struct span pem, int64_t now_s, char *why, size_t cap);

/* SHA-256 of the subjectPublicKeyInfo's DER: what `spki: [ "sha256:…" ]` pins. */
MUST_USE int cert_spki_sha256(struct span pem, uint8_t ret_hash[32]);

/* Whose it is, as in struct tls_peer, and its fingerprint. Of PEM the first, or of DER, which must be all there is. */
MUST_USE int cert_who(struct span pem_or_der, char ret_subject[256], uint8_t ret_sha256[32]);

/* How many certificates the PEM holds, at least 1 on success; ERR_VALUE if any cannot be read or there is none. */
MUST_USE int cert_count(struct span pem, int *ret_count);

#endif
