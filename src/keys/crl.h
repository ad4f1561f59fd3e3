/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CRL_H
#define KEYS_CRL_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Certificate revocation lists (RFC 5280 5), read from files. Each must be signed by a trust anchor when it is read, so
 * that looking a certificate up later is a comparison and nothing else: for handshakes, for sessions that are resumed,
 * and for associations that are open when a new list comes.
 *
 * An indirect list (RFC 5280 5.2.5) is signed by a delegate of an anchor (delegate.h), whose certificate stands behind it
 * in the same file. It blocks certificates of every anchor, and vouches for none: what it does not name is looked for in the
 * authority's own list, if any is there. exception: RFC 5280 6.3.3 b wants that certificates name who signs such lists
 * (cRLIssuer); a site that lists one here has said so, also of certificates that are older than it.
 */
struct crl_list;

/*
 * crl: PEM or DER, each file one list or more in PEM. trust: PEM. ERR_VALUE: not readable, signed by nobody that is
 * trusted, or a kind that is not understood (a delta, one of only some reasons), or an indirect one whose signer has been
 * revoked; why then says which and what to do.
 * n 0 makes an empty list. ERR_NO_MEMORY.
 */
MUST_USE int crl_list_new(const struct span *crl, size_t n, const struct span *trust, size_t n_trust,
	struct crl_list **ret_list, char *why, size_t cap);
void crl_list_free(struct crl_list *l);
/* One more has it: it goes with the last crl_list_free(). */
struct crl_list *crl_list_share(struct crl_list *l);

enum crl_answer {
	CRL_NOT_ASKED, /* the list is empty: nobody wants revocation to be looked at */
	CRL_GOOD,
	CRL_REVOKED,
	CRL_UNKNOWN, /* no list of its issuer, or one whose next update is past */
};

/* why: a sentence's end for CRL_REVOKED and CRL_UNKNOWN: "was revoked on 2026-11-20 (key compromise)". */
enum crl_answer crl_ask(const struct crl_list *l, X509 *cert, int64_t now_s, char *why, size_t cap);

/*
 * Was a certificate of a chain revoked, but for the root? l: may be NULL. why: a clause, in which that of the first is `whose`: "its
 * certificate".
 */
bool crl_chain_revoked(const struct crl_list *l, const STACK_OF(X509) * chain, int64_t now_s,
	const char *whose, char *why, size_t cap);

/* The list in PEM or DER: days until its next update, and its issuer; for status. ERR_VALUE. */
MUST_USE int crl_days_left(struct span crl, int64_t now_s, int *ret_days, char ret_issuer[256]);

/* Is the first list of these bytes of the same issuer as that of others, and was it made before it? */
bool crl_is_older(struct span crl, struct span than);

/* The number (RFC 5280 5.2.3) of the first list of that issuer (a Name in DER) in PEM; 0: there is none, or without one. */
int64_t crl_number_of(struct span pem, struct span issuer);

/* " (key compromise)" of RFC 5280 5.3.1's reason codes; "" where there is nothing to say. */
const char *crl_reason(long reason);

#endif
