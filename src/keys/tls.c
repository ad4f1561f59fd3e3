/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/tls.h"
#include "keys/held.h"
#include "keys/note.h"
#include "keys/profile.h"
#include "keys/resume.h"
#include "keys/staple.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>

/* One recv(2) fetches several records of 16 KiB. See tune(). */
#define READ_BUFFER (64u * 1024)

/* Certificates between a peer's own and a trust anchor. Real chains have one or two. */
#define CHAIN_DEPTH 8

/* Bytes of certificates that a peer may send; OpenSSL's default is 100 KiB. */
#define PEER_CHAIN_BYTES (64 * 1024)

static void context_freep(SSL_CTX **context)
{
	SSL_CTX_free(*context);
}

static void chain_freep(struct stack_st_X509 **chain)
{
	sk_X509_pop_free(*chain, X509_free);
}

/* Write the sentence, with OpenSSL's own words if it has any, and hand back the error. */
PRINTF(4, 5) static int fail(int code, char *why, size_t cap, const char *fmt, ...)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	ERR_clear_error();
	if (!why || cap == 0) {
		return code;
	}
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(why, cap, fmt, args);
	va_end(args);
	if (reason && n >= 0 && (size_t)n < cap) {
		snprintf(why + n, cap - (size_t)n, " (%s)", reason);
	}
	return code;
}

/* Read a leaf and the certificates after it. */
static int read_chain(struct span pem, X509 **ret_leaf, struct stack_st_X509 **ret_chain)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	X509 *leaf CLEANUP(x509_freep) = NULL;
	struct stack_st_X509 *chain CLEANUP(chain_freep) = sk_X509_new_null();
	if (!bio || !chain) {
		return ERR_NO_MEMORY;
	}
	int r = x509_next(bio, &leaf);
	if (r < 0) {
		return ERR_VALUE;
	}
	for (;;) {
		X509 *cert = NULL;
		r = x509_next(bio, &cert);
		if (r == ERR_NOT_FOUND) {
			break;
		}
		if (r < 0) {
			return r;
		}
		if (sk_X509_push(chain, cert) <= 0) {
			X509_free(cert);
			return ERR_NO_MEMORY;
		}
	}
	*ret_leaf = leaf;
	*ret_chain = chain;
	leaf = NULL;
	chain = NULL;
	return 0;
}

static int use_identity(SSL_CTX *context, const struct tls_identity *identity, bool server, size_t number,
	char *why, size_t cap)
{
	X509 *leaf CLEANUP(x509_freep) = NULL;
	struct stack_st_X509 *chain CLEANUP(chain_freep) = NULL;
	EVP_PKEY *key CLEANUP(x509_pkey_freep) = NULL;
	int r = read_chain(identity->certificate_pem, &leaf, &chain);
	if (r < 0) {
		return fail(r, why, cap, "identity %zu: the certificate is not readable PEM", number);
	}
	r = held_key(leaf, identity->key, server, &key);
	if (r < 0) {
		return fail(r, why, cap,
			"identity %zu: the certificate's key is of a kind that is not supported", number);
	}
	int fault = profile_certificate_fault(leaf, true);
	if (fault != X509_V_OK) {
		return fail(ERR_VALUE, why, cap, "identity %zu: the certificate is too weak: %s", number,
			X509_verify_cert_error_string(fault));
	}
	if (SSL_CTX_use_cert_and_key(context, leaf, key, chain, 1) != 1) {
		return fail(
			ERR_VALUE, why, cap, "identity %zu: the certificate cannot be used for TLS", number);
	}
	if (server) {
		staple_add_leaf(context, leaf);
	}
	return 0;
}

static int trust(SSL_CTX *context, struct span pem, bool server, size_t number, char *why, size_t cap)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	if (!bio) {
		return fail(ERR_NO_MEMORY, why, cap, "trust file %zu: %s", number, err_str(ERR_NO_MEMORY));
	}
	size_t count = 0;
	for (;; count++) {
		X509 *cert CLEANUP(x509_freep) = NULL;
		int r = x509_next(bio, &cert);
		if (r == ERR_NOT_FOUND) {
			break;
		}
		if (r < 0) {
			return fail(r, why, cap, "trust file %zu: certificate %zu is not readable", number,
				count + 1);
		}
		/* Adding one twice is no error. */
		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), cert) != 1 ||
			(server && SSL_CTX_add_client_CA(context, cert) != 1)) {
			return fail(ERR_NO_MEMORY, why, cap,
				"trust file %zu: certificate %zu cannot be added", number, count + 1);
		}
	}
	if (count == 0) {
		return fail(ERR_VALUE, why, cap, "trust file %zu holds no certificate in PEM", number);
	}
	return 0;
}

/*
 * Measured (1 GiB over loopback, TLS 1.3, medians of CPU seconds per GiB received): no read-ahead 0.48, 32 KiB 0.46,
 * 64 KiB 0.45, 128 KiB 0.53, 256 KiB 0.65, as larger ones leave the processor's cache. SSL_MODE_RELEASE_BUFFERS
 * stays off: idle memory was the same with it (the allocator keeps the pages) and time 3 % worse. Pages of the read
 * buffer that a quiet peer never fills are never touched.
 */
static void tune(SSL_CTX *context)
{
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, READ_BUFFER);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static int set_rules(SSL_CTX *context, bool server, const struct tls_config *config)
{
	/* One a profile: TLS 1.2 resumes with a session's own suite, which another profile may not have. */
	const unsigned char session_context[] = {
		'g', 'a', 'n', 't', 'r', 'y', (unsigned char)config->profile};

	/*
	 * An association's end is A-RELEASE or A-ABORT, and a PDU tells its length, so that a connection cut by a third
	 * party is seen without TLS's closing alert, which many devices never send: then SSL_read says
	 * SSL_ERROR_ZERO_RETURN.
	 */
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_clear_options(context, SSL_OP_NO_EXTENDED_MASTER_SECRET | SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_CTX_set_verify(
		context, SSL_VERIFY_PEER | (server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), note_verify);
	SSL_CTX_set_verify_depth(context, CHAIN_DEPTH);
	SSL_CTX_set_max_cert_list(context, PEER_CHAIN_BYTES);
	resume_set(context, server, config->resumption);
	tune(context);
	/* Chains are sent as given: looking for issuers among the trust anchors would cost time in each handshake. */
	SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
	/* A site may trust an intermediate or one self-signed device without trusting all of a root. */
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
	if (profile_apply(config->profile, context) < 0 ||
		SSL_CTX_set_session_id_context(context, session_context, sizeof(session_context)) != 1) {
		return ERR_TLS;
	}
	return 0;
}

static bool has_both_keys(SSL_CTX *context)
{
	bool ecdsa = false, rsa = false;
	for (long ok = SSL_CTX_set_current_cert(context, SSL_CERT_SET_FIRST); ok == 1;
		ok = SSL_CTX_set_current_cert(context, SSL_CERT_SET_NEXT)) {
		const EVP_PKEY *key = SSL_CTX_get0_privatekey(context);
		ecdsa |= key && EVP_PKEY_is_a(key, "EC");
		rsa |= key && EVP_PKEY_is_a(key, "RSA");
	}
	return ecdsa && rsa;
}

static int make_context(
	const struct tls_config *config, bool server, SSL_CTX **ret_context, char *why, size_t cap)
{
	ERR_clear_error();
	if (config->n_identities == 0) {
		return fail(ERR_MISSING, why, cap, "no identity: TLS needs a certificate and its key");
	}
	if (config->n_trust == 0) {
		return fail(
			ERR_MISSING, why, cap, "no trust anchor: no peer's certificate could be verified");
	}
	if (held_prepare() < 0) {
		return fail(ERR_TLS, why, cap, "OpenSSL takes no provider for keys that are held elsewhere");
	}
	SSL_CTX *context CLEANUP(context_freep) =
		SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!context) {
		return fail(ERR_NO_MEMORY, why, cap, "OpenSSL gives no context");
	}
	int r = note_prepare();
	if (r == 0 && server) {
		r = staple_prepare(context);
	}
	if (r == 0) {
		r = set_rules(context, server, config);
	}
	if (r == 0 && !server && config->ask_staple &&
		SSL_CTX_set_tlsext_status_type(context, TLSEXT_STATUSTYPE_ocsp) != 1) {
		r = ERR_TLS;
	}
	if (r < 0) {
		return fail(r, why, cap, "OpenSSL refuses the rules for TLS");
	}
	for (size_t i = 0; i < config->n_identities; i++) {
		r = use_identity(context, &config->identities[i], server, i + 1, why, cap);
		if (r < 0) {
			return r;
		}
	}
	if (server && profile_needs_both_keys(config->profile) && !has_both_keys(context)) {
		return fail(ERR_MISSING, why, cap,
			"profile %s needs two identities, one with an ECDSA and one with an RSA key (PS3.15 B.13)",
			tls_profile_words[config->profile]);
	}
	for (size_t i = 0; i < config->n_trust; i++) {
		r = trust(context, config->trust_pem[i], server, i + 1, why, cap);
		if (r < 0) {
			return r;
		}
	}
	struct crl_list *lists;
	r = crl_list_new(config->crl, config->n_crl, config->trust_pem, config->n_trust, &lists, why, cap);
	if (r == 0) {
		r = note_lists(context, lists);
	}
	if (r < 0) {
		return r;
	}
	ERR_clear_error();
	*ret_context = context;
	context = NULL;
	return 0;
}

int tls_server_context(const struct tls_config *config, SSL_CTX **ret_context, char *why, size_t why_cap)
{
	return make_context(config, true, ret_context, why, why_cap);
}

int tls_client_context(const struct tls_config *config, SSL_CTX **ret_context, char *why, size_t why_cap)
{
	return make_context(config, false, ret_context, why, why_cap);
}

int tls_expect_server(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	uint8_t ip[16];
	size_t ip_len = x509_ip(name, ip);
	if (ip_len > 0) {
		return X509_VERIFY_PARAM_set1_ip(param, ip, ip_len) == 1 ? 0 : ERR_NO_MEMORY;
	}
	char host[TLS_NAME_LEN];
	size_t len = strlen(name);
	if (len > 1 && name[len - 1] == '.') {
		len--; /* RFC 6066 3: no trailing dot */
	}
	if (!x509_dns_name(name, len, false)) {
		return ERR_VALUE;
	}
	memcpy(host, name, len);
	host[len] = '\0';
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (SSL_set1_host(ssl, host) != 1 || SSL_set_tlsext_host_name(ssl, host) != 1) {
		ERR_clear_error();
		return ERR_NO_MEMORY;
	}
	return 0;
}
