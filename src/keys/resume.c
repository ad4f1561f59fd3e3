/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/resume.h"
#include "keys/link.h"
#include "keys/note.h"
#include "keys/sessions.h"

#include <openssl/err.h>

/* The certificates above the peer's own go with the session, as its application data: OpenSSL keeps the peer's alone. */
static void add_chain(SSL *ssl, SSL_SESSION *session)
{
	uint8_t bytes[SESSION_MOST];
	X509 *at[CHAIN_CERTIFICATES];
	struct stack_st_X509 *chain =
		SSL_get0_verified_chain(ssl); /* NULL: resumed itself, and the data is there */
	unsigned n = 0;
	size_t len = 0;
	for (int i = 1; i < sk_X509_num(chain) && n < ARRAY_LEN(at); i++) {
		at[n++] = sk_X509_value(chain, i);
	}
	/* Without them the session may not verify when it comes back, and a full handshake is made. */
	if (n > 0 && chain_write(at, n, bytes, sizeof(bytes), &len) == 0) {
		(void)SSL_SESSION_set1_ticket_appdata(session, bytes, len);
	}
}

static int session_made(SSL *ssl, SSL_SESSION *session)
{
	uint8_t der[SESSION_MOST], *at = der;
	unsigned id_len = 0;
	const unsigned char *id = SSL_SESSION_get_id(session, &id_len);
	add_chain(ssl, session);
	int len = i2d_SSL_SESSION(session, NULL);
	if (len > 0 && (size_t)len <= sizeof(der) && i2d_SSL_SESSION(session, &at) == len) {
		/* RFC 8446 C.4: who resumes twice with one session can be told to be the same. TLS 1.2 has but one. */
		link_session_put(
			span_of(id, id_len), span_of(der, (size_t)len), SSL_version(ssl) == TLS1_3_VERSION);
		OPENSSL_cleanse(der, (size_t)len);
	}
	return 0; /* not kept here */
}

/*
 * Whatever a session says of its peer is looked at again: the chain to an anchor, dates, strength, use, revocation. So a
 * certificate that has been revoked since is refused, in the full handshake that follows, by TLS's own alert; and a
 * session that a process which was taken over has made up names no certificate but one that an authority has issued.
 */
static bool still_good(SSL *ssl, SSL_SESSION *session)
{
	X509 *peer = SSL_SESSION_get0_peer(session), *at[CHAIN_CERTIFICATES];
	struct stack_st_X509 *more = sk_X509_new_null();
	void *bytes = NULL;
	size_t len = 0;
	unsigned n = 0;
	bool good = peer && more && SSL_SESSION_get0_ticket_appdata(session, &bytes, &len) == 1 &&
	            (len == 0 || chain_read(span_of(bytes, len), at, &n) == 0);
	for (unsigned i = 0; good && i < n; i++) {
		good = sk_X509_push(more, at[i]) > 0;
	}
	good = good && note_verifies(ssl, peer, more);
	sk_X509_free(more);
	chain_free(at, n);
	return good;
}

static SSL_SESSION *session_wanted(SSL *ssl, const unsigned char *id, int id_len, int *copy)
{
	uint8_t der[SESSION_MOST];
	const unsigned char *at = der;
	size_t len = 0;
	*copy = 0;
	if (id_len <= 0 || id_len > SESSION_ID_MOST ||
		link_session_get(span_of(id, (size_t)id_len), der, sizeof(der), &len) < 0) {
		return NULL;
	}
	(void)ERR_set_mark();
	SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, (long)len);
	OPENSSL_cleanse(der, len);
	if (session && !still_good(ssl, session)) {
		SSL_SESSION_free(session);
		session = NULL;
	}
	(void)ERR_pop_to_mark();
	return session;
}

void resume_set(SSL_CTX *context, bool server, bool on)
{
	/* No tickets that carry sessions: a key for them would be one that a process of the network holds. */
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(context,
		on && server ? SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
	SSL_CTX_sess_set_new_cb(context, session_made);
	SSL_CTX_sess_set_get_cb(context, session_wanted);
	SSL_CTX_set_num_tickets(context, on ? 1 : 0);
	SSL_CTX_set_timeout(context, SESSION_LIFE_MS / 1000);
}
