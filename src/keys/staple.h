/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_STAPLE_H
#define KEYS_STAPLE_H

#include "base/attr.h"
#include "base/err.h"

#include <openssl/ssl.h>

/* OCSP responses that a server context shows (tls_staple() of tls.h). ERR_NO_MEMORY. */
MUST_USE int staple_prepare(SSL_CTX *server);

/* The context's certificates in their order. */
void staple_add_leaf(SSL_CTX *server, X509 *leaf);

#endif
