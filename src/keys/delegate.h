/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_DELEGATE_H
#define KEYS_DELEGATE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "keys/sign.h"

#include <openssl/types.h>
#include <stddef.h>

/*
 * Who signs revocation lists for an authority (RFC 5280 5.2.5, 6.3.3 f): a certificate by a trust anchor whose key usage is
 * cRLSign alone, of no authority itself.
 */

/* NULL: it is one; else what is wrong with it, a sentence's end. Its dates are not looked at. trust: PEM. */
const char *delegate_fault(X509 *cert, const struct span *trust, size_t n_trust);

/*
 * How a key of that kind signs a list, and the AlgorithmIdentifier of it in DER, static. NULL: such keys are not supported.
 */
const struct sign_scheme *delegate_scheme(const EVP_PKEY *key, struct span *ret_algorithm);

#endif
