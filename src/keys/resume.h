/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_RESUME_H
#define KEYS_RESUME_H

#include <openssl/ssl.h>
#include <stdbool.h>

/*
 * Resumption of TLS sessions, for a context that accepts; one that calls resumes none. Sessions lie with the key holder,
 * by their identifiers (RFC 5246 F.1.4, RFC 8446 4.6.1), and the peer's certificate is verified anew when one is resumed, as in a
 * full handshake. Off: every connection is a full handshake.
 */
void resume_set(SSL_CTX *context, bool server, bool on);

#endif
