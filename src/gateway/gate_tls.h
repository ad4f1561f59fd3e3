/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_GATE_TLS_H
#define GATEWAY_GATE_TLS_H

#include "base/attr.h"
#include "base/err.h"
#include "policy/site.h"

#include <openssl/types.h>

/* A context for each profile that a listener offers, and for each that a node is called with. */
struct gate_tls {
	SSL_CTX *server[PROFILE_COUNT],
		*client[PROFILE_COUNT]; /* NULL: not used, or the site has no identity */
};

/*
 * The site's TLS contexts, from its blobs. On failure (as of tls_server_context) why says what, and may not be NULL;
 * nothing is left to free.
 */
MUST_USE int gate_tls_make(const struct site *s, struct gate_tls *ret_tls, char *why, size_t cap);
void gate_tls_done(struct gate_tls *t);

/* What a repository of `audit:` is called with, by its index: all identities, its own authorities or the site's. As above. */
MUST_USE int gate_tls_repository(
	const struct site *s, unsigned repository, SSL_CTX **ret_context, char *why, size_t cap);

/* Can all of the site's contexts be made? *ret_line (may be NULL): of gantry.yaml, where not; 0 for `tls:`. */
MUST_USE int gate_tls_check(const struct site *s, unsigned *ret_line, char *why, size_t cap);

/* tls_warm_up() with them. Signs through keys/link.h. */
void gate_tls_warm_up(const struct site *s, const struct gate_tls *t);

/* Are nodes called with TLS? */
static inline bool gate_tls_calls(const struct gate_tls *t)
{
	for (unsigned p = 0; p < PROFILE_COUNT; p++) {
		if (t->client[p]) {
			return true;
		}
	}
	return false;
}

/* What a node is called with. */
static inline SSL_CTX *gate_tls_client(const struct gate_tls *t, const struct node *n)
{
	return t->client[n->profile == PROFILE_LIVE ? PROFILE_BCP195 : n->profile];
}

#endif
