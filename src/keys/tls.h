/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_TLS_H
#define KEYS_TLS_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "policy/site.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * TLS for DICOM associations by a profile of PS3.15 Annex B (keys/profile.h): both ends show a certificate. Nothing
 * here opens a file, and no private key is here: handshakes are signed through keys/link.h.
 */

/* One identity: the leaf first, then its intermediates (PEM). The leaf's private key is the key holder's number `key`. */
struct tls_identity {
	struct span certificate_pem;
	unsigned key;
};

struct tls_config {
	const struct tls_identity
		*identities; /* one a key type: ECDSA, RSA; a second of a type replaces the first */
	size_t n_identities;
	const struct span *trust_pem; /* each one or more certificates that peers' chains must end in */
	size_t n_trust;
	const struct span *crl; /* revocation lists, see crl.h */
	size_t n_crl;
	enum tls_profile profile;
	bool ask_staple; /* of those who are called: what their authority says of their certificate */
	bool resumption; /* sessions are kept by the key holder (sessions.h); off: every association is a full handshake */
};

/*
 * A context for the side that accepts (server) or calls (client). All spans are copied. *ret_context is the caller's
 * (SSL_CTX_free). Errors: ERR_MISSING (no identity or no trust anchor, or one of the two
 * kinds of identity that the profile asks for), ERR_VALUE (PEM that does not parse), ERR_NO_MEMORY, ERR_TLS; `why` (may be NULL) then holds a sentence for people.
 * A peer is verified against the trust anchors, for the purpose clientAuth or serverAuth. For names, see below.
 *
 * Read-ahead is on: OpenSSL may hold whole records that poll(2) knows nothing of, so read until SSL_ERROR_WANT_READ
 * before waiting. A peer that closes without TLS's closing alert is SSL_ERROR_ZERO_RETURN, as one that sends it.
 */
MUST_USE int tls_server_context(
	const struct tls_config *config, SSL_CTX **ret_context, char *why, size_t why_cap);
MUST_USE int tls_client_context(
	const struct tls_config *config, SSL_CTX **ret_context, char *why, size_t why_cap);

/*
 * One handshake with ourselves, in memory. OpenSSL looks its algorithms up on first use and keeps what it found; a
 * process that forks one child a connection pays that once here, and not in every child. Whether the handshake
 * succeeds does not matter, and is not told.
 */
void tls_warm_up(SSL_CTX *server, SSL_CTX *client);

/*
 * What the authority says of our certificate number `number` of the configuration (an OCSP response, DER; empty: nothing
 * any more), to be shown to who asks for it in the handshake (RFC 6066 8, RFC 8446 4.4.2.1). Copied.
 */
void tls_staple(SSL_CTX *server, unsigned number, struct span response);

/*
 * Before a client's handshake: the server's certificate must have this name among its subject alternative names, as
 * DNS name or, if it reads as an IP address, as IP address (RFC 9525; the common name does not count, a wildcard may
 * be a whole leftmost label only). A DNS name is also sent as server name indication. ERR_VALUE for what is neither.
 */
MUST_USE int tls_expect_server(SSL *ssl, const char *name);

#define TLS_SAN_MAX  16
#define TLS_NAME_LEN 256

/* Who is at the other end. Texts are cut to their arrays; a name of the list is never cut but left out. */
struct tls_peer {
	char subject[TLS_NAME_LEN]; /* RFC 2253, non-ASCII and control characters escaped */
	char issuer[TLS_NAME_LEN];
	char serial[64];                     /* hexadecimal */
	char san[TLS_SAN_MAX][TLS_NAME_LEN]; /* DNS names (in lower case), IP addresses as text, URIs, mail */
	size_t n_san;
	size_t n_san_left_out;   /* further names: too many, too long, or with bytes that no name has */
	uint8_t spki_sha256[32]; /* of the subjectPublicKeyInfo's DER */
	uint8_t sha256[32];      /* of the certificate's DER: its fingerprint */
	int64_t not_after_s; /* seconds since 1970: the last at which each certificate of its chain is valid (of a resumed session: its own) */
	char last_day[16];   /* of that: "2026-11-20" */
	char version[16];    /* "TLSv1.3" */
	char suite[64];      /* "TLS_AES_256_GCM_SHA384" */
	char revoked[128];   /* why, if it is revoked: after a session was resumed; "" otherwise */
	char unrevoked[128]; /* why it is not known whether it is; "" if it is known or nobody asks */
	unsigned outside;    /* profiles that the connection does not keep to, 1u << enum tls_profile each */
};

/* After the handshake. ERR_MISSING if the peer showed no certificate, ERR_VALUE if it cannot be read, ERR_DENIED if it was not verified. */
MUST_USE int tls_peer_of(SSL *ssl, struct tls_peer *ret_peer);

/*
 * After SSL_accept, SSL_connect, SSL_read or SSL_write failed with `ssl_error` (SSL_get_error): one sentence that
 * says what failed and what to do. Takes the error queue of this thread, so call it once and before other TLS calls;
 * for SSL_ERROR_SYSCALL errno must still be that of the call.
 */
void tls_why(SSL *ssl, int ssl_error, char *buf, size_t cap);

#endif
