/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_NOTE_H
#define KEYS_NOTE_H

#include "base/attr.h"

#include "keys/crl.h"
#include "keys/ocsp.h"

#include <openssl/ssl.h>
#include <stdbool.h>

/*
 * Which certificate failed verification, and why, kept on the connection. OpenSSL itself keeps only an error, which may
 * be another: it is what the alert is chosen by.
 */
struct note {
	int error; /* X509_V_ERR_* */
	int depth; /* 0: the peer's own */
	char subject[256];
	char from[16]; /* "2026-01-02" */
	char until[16];
	char revoked[192]; /* X509_V_ERR_CERT_REVOKED: "was revoked on 2026-11-20 (key compromise)" */
	bool extended; /* X509_V_ERR_INVALID_PURPOSE: the extended key usage is at fault, and not the key usage */
};

/*
 * Attach revocation lists to a context, which owns them from then on, in place of those that it had; and find them.
 * ERR_NO_MEMORY: they are freed.
 */
MUST_USE int note_lists(SSL_CTX *context, struct crl_list *lists);
const struct crl_list *note_lists_of(const SSL *ssl);

/* Once before the first context, in the process that makes it. 0 or ERR_NO_MEMORY. */
MUST_USE int note_prepare(void);

/*
 * Who asks a peer's authority about its chain, in the midst of the handshake, when all else about it is good. One a
 * process; NULL: nobody. why: as of struct standing.
 */
typedef enum standing_state note_asker(
	void *arg, const SSL *ssl, struct stack_st_X509 *chain, char *why, size_t cap);
void note_ask_with(note_asker *asker, void *arg);

/* For SSL_CTX_set_verify. Never turns a failure into a success; fails certificates that no profile takes. */
int note_verify(int ok, X509_STORE_CTX *store);

/*
 * Verify a caller's certificate as its full handshake would, with these above it: for a session that is to be resumed. Leaves no
 * note and no error.
 */
bool note_verifies(SSL *ssl, X509 *peer, struct stack_st_X509 *above);

/* The first failure of this connection, or NULL. */
const struct note *note_of(const SSL *ssl);

#endif
