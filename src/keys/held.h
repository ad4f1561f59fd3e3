/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_HELD_H
#define KEYS_HELD_H

#include "base/attr.h"
#include "base/err.h"

#include <openssl/types.h>
#include <stdbool.h>

/*
 * A private key that is not here: to OpenSSL it is one, with the public half and what it can do, and when it is to sign
 * the key holder is asked (link.h). An OpenSSL provider of two tables, key management and signatures, for RSA, EC
 * and Ed25519.
 */

/* Once, before the first key. ERR_TLS. */
MUST_USE int held_prepare(void);

/*
 * Key number `number` of the key holder, whose public half is that of the certificate. server: what it signs is a
 * server's part of a handshake. *ret_key is the caller's. ERR_UNSUPPORTED (a kind that nobody signs with), ERR_TLS.
 */
MUST_USE int held_key(X509 *certificate, unsigned number, bool server, EVP_PKEY **ret_key);

#endif
