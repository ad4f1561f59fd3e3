/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_OCSP_H
#define KEYS_OCSP_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a certificate's authority says of it when it is asked: OCSP (RFC 6960). Bytes in, facts out; the lookup role's
 * jobs do the asking.
 */

enum standing_state { STANDING_GOOD, STANDING_REVOKED, STANDING_UNKNOWN };

struct standing {
	enum standing_state state;
	int64_t from_s;  /* seconds since 1970: what is said was known then; 0 for STANDING_UNKNOWN */
	int64_t until_s; /* what is said holds so long; 0 for STANDING_UNKNOWN */
	char why[192];   /* a sentence's end, as crl_ask()'s; "" for STANDING_GOOD */
};

/* The responder that a certificate names (RFC 5280 4.2.2.1), if it is one of http. ERR_NOT_FOUND. */
MUST_USE int ocsp_url(X509 *cert, char *url, size_t cap);

/* A request for one certificate, DER: *ret_bytes is the caller's (OPENSSL_free). ERR_NO_MEMORY. */
MUST_USE int ocsp_request(X509 *cert, X509 *issuer, uint8_t **ret_bytes, size_t *ret_len);

/*
 * What a response (DER) says of the certificate. It must be signed by the issuer, or by one whom the issuer has made its
 * responder, and be of now. Anything else is STANDING_UNKNOWN, and why says what.
 */
void ocsp_judge(struct span response, X509 *cert, X509 *issuer, int64_t now_s, struct standing *ret);

/*
 * A chain as roles pass it on: each certificate's DER after its length in two bytes, the peer's own first.
 * ERR_TRUNCATED, ERR_VALUE, ERR_LIMIT (more than CHAIN_CERTIFICATES). Those in ret_at are the caller's (chain_free).
 */
#define CHAIN_CERTIFICATES 10
MUST_USE int chain_read(struct span bytes, X509 *ret_at[CHAIN_CERTIFICATES], unsigned *ret_n);
/*
 * A chain, and after it, if there is one, what the peer has stapled: two bytes of zero and the response. As it is passed
 * on to who is to ask. ERR_SPACE; ERR_TRUNCATED.
 */
MUST_USE int chain_join(struct span chain, struct span staple, uint8_t *buf, size_t cap, size_t *ret_len);
MUST_USE int chain_split(struct span bytes, struct span *ret_chain, struct span *ret_staple);
/* ERR_SPACE, ERR_MISSING (none). */
MUST_USE int chain_write(X509 *const *at, unsigned n, uint8_t *buf, size_t cap, size_t *ret_len);
void chain_free(X509 **at, unsigned n);

#endif
