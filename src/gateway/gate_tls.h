/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_GATE_TLS_H
#define GATEWAY_GATE_TLS_H

#include "base/attr.h"
#include "base/err.h"
#include "policy/site.h"

#include <openssl/types.h>

/*
 * The site's two TLS contexts, from its blobs. Both NULL where it has no identity. On failure (as of
 * tls_server_context) why says what, and may not be NULL.
 */
MUST_USE int gate_tls_contexts(
	const struct site *s, SSL_CTX **ret_server, SSL_CTX **ret_client, char *why, size_t cap);

#endif
