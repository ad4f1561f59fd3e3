/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_SIGN_H
#define KEYS_SIGN_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What may be signed. The key holder signs nothing but structures of these purposes, whole, which it parses: a process
 * that was taken over can have handshakes signed while it lives, and never a certificate, a list or a digest of its own.
 */
enum sign_purpose {
	SIGN_TLS13_SERVER = 1, /* CertificateVerify's content, RFC 8446 4.4.3 */
	SIGN_TLS13_CLIENT,     /* the same of a client */
	SIGN_TLS12_SERVER, /* both randoms and ServerKeyExchange's parameters, RFC 5246 7.4.3, RFC 8422 5.4 */
	SIGN_TLS12_CLIENT, /* every handshake message up to ClientKeyExchange, RFC 5246 7.4.8 */
	SIGN_PURPOSE_COUNT,
};

/* The content of a TLS 1.3 CertificateVerify begins with so many spaces. */
#define SIGN_TLS13_SPACES 64

enum sign_kind { SIGN_RSA, SIGN_EC, SIGN_ED25519 };

/* A SignatureScheme of RFC 8446 4.2.3. */
struct sign_scheme {
	uint16_t code;
	enum sign_kind kind;
	const char *digest; /* "SHA256"; NULL: the scheme has its own */
	bool pss;
	bool tls12_only; /* RFC 8446 4.2.3: PKCS#1 v1.5 is for certificates alone in TLS 1.3 */
};

/* NULL: none that we sign with. Static. */
const struct sign_scheme *sign_scheme_of(uint16_t code);

/* The scheme of a kind of key, a digest (NULL for Ed25519) and RSA's padding. NULL: none. */
const struct sign_scheme *sign_scheme_for(enum sign_kind kind, const char *digest, bool pss);

/*
 * Is it a whole structure of that purpose, for that scheme? 0, or ERR_TYPE (purpose, scheme), ERR_TRUNCATED,
 * ERR_TRAILING, ERR_ORDER, ERR_LENGTH, ERR_VALUE.
 */
MUST_USE int sign_check(enum sign_purpose purpose, const struct sign_scheme *scheme, struct span structure);

#endif
