/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/note.h"
#include "base/clock.h"
#include "base/err.h"
#include "keys/profile.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int note_index = -1, lists_index = -1;

static void note_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	free(ptr);
}

static void lists_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	crl_list_free(ptr);
}

int note_prepare(void)
{
	if (note_index < 0) {
		note_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, note_free);
	}
	if (lists_index < 0) {
		lists_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, lists_free);
	}
	return note_index < 0 || lists_index < 0 ? ERR_NO_MEMORY : 0;
}

int note_lists(SSL_CTX *context, struct crl_list *lists)
{
	struct crl_list *before = SSL_CTX_get_ex_data(context, lists_index);
	bool set = SSL_CTX_set_ex_data(context, lists_index, lists) == 1;
	crl_list_free(set ? before : lists);
	return set ? 0 : ERR_NO_MEMORY;
}

const struct crl_list *note_lists_of(const SSL *ssl)
{
	return lists_index < 0 ? NULL : SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), lists_index);
}

static void day_text(const ASN1_TIME *time, char *buf, size_t cap)
{
	struct tm tm;
	buf[0] = '\0';
	if (ASN1_TIME_to_tm(time, &tm) == 1 && strftime(buf, cap, "%Y-%m-%d", &tm) == 0) {
		buf[0] = '\0';
	}
}

/* Is it, in a chain that is otherwise good, revoked? The anchor is trusted because it is listed, and not looked up. */
static bool is_revoked(const SSL *ssl, X509_STORE_CTX *store, char *why, size_t cap)
{
	const struct crl_list *lists = ssl ? note_lists_of(ssl) : NULL;
	X509 *cert = X509_STORE_CTX_get_current_cert(store);
	int last = sk_X509_num(X509_STORE_CTX_get0_chain(store)) - 1;
	return lists && cert && X509_STORE_CTX_get_error_depth(store) < last &&
	       crl_ask(lists, cert, clock_wall_ms() / 1000, why, cap) == CRL_REVOKED;
}

static note_asker *asker;
static void *asker_arg;

void note_ask_with(note_asker *with, void *arg)
{
	asker = with;
	asker_arg = arg;
}

/* The peer's own certificate is the last to be looked at: now the chain is whole. */
static bool authority_revokes(const SSL *ssl, X509_STORE_CTX *store, char *why, size_t cap)
{
	return asker && ssl && X509_STORE_CTX_get_error_depth(store) == 0 &&
	       asker(asker_arg, ssl, X509_STORE_CTX_get0_chain(store), why, cap) == STANDING_REVOKED;
}

/*
 * What is wrong with a certificate that OpenSSL finds good: too weak, or an issuer that is none. RFC 5280 6.1.4 (k): OpenSSL
 * also takes a self-signed certificate of version 1, or one that has a key usage alone, for an authority, and a device's own
 * certificate among the trust anchors could then make others.
 */
static int own_fault(X509_STORE_CTX *store, char *revoked, size_t cap)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *current = X509_STORE_CTX_get_current_cert(store);
	bool leaf = X509_STORE_CTX_get_error_depth(store) == 0;
	if (!current) {
		return X509_V_OK;
	}
	int fault = profile_certificate_fault(current, leaf);
	if (fault == X509_V_OK && !leaf && X509_check_ca(current) != 1) {
		fault = X509_V_ERR_INVALID_CA;
	}
	if (fault == X509_V_OK &&
		(is_revoked(ssl, store, revoked, cap) || authority_revokes(ssl, store, revoked, cap))) {
		fault = X509_V_ERR_CERT_REVOKED;
	}
	return fault;
}

/* RFC 8446 6.2: certificate_expired is also for one that is not valid yet, bad_certificate for a wrong signature on one. */
static int error_for_alert(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return X509_V_ERR_CERT_HAS_EXPIRED;
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return X509_V_ERR_CERT_REJECTED;
	default:
		return error;
	}
}

static void fill(struct note *note, const SSL *ssl, X509 *cert)
{
	uint32_t wants = SSL_is_server(ssl) ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
	x509_name_text(X509_get_subject_name(cert), note->subject, sizeof(note->subject));
	day_text(X509_get0_notBefore(cert), note->from, sizeof(note->from));
	day_text(X509_get0_notAfter(cert), note->until, sizeof(note->until));
	/* Without the extension every bit is set. */
	note->extended = !(X509_get_extended_key_usage(cert) & wants);
}

int note_verify(int ok, X509_STORE_CTX *store)
{
	char revoked[192] = "";
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *cert = X509_STORE_CTX_get_current_cert(store);
	int error = ok ? own_fault(store, revoked, sizeof(revoked)) : X509_STORE_CTX_get_error(store);
	if (error == X509_V_OK) {
		return ok;
	}
	X509_STORE_CTX_set_error(store, error_for_alert(error));
	if (!ssl || SSL_get_ex_data(ssl, note_index)) {
		return 0;
	}
	struct note *note = calloc(1, sizeof(*note));
	if (!note) {
		return 0;
	}
	note->error = error;
	note->depth = X509_STORE_CTX_get_error_depth(store);
	memcpy(note->revoked, revoked, sizeof(revoked));
	if (cert) {
		fill(note, ssl, cert);
	}
	if (SSL_set_ex_data(ssl, note_index, note) != 1) {
		free(note);
	}
	return 0;
}

bool note_verifies(SSL *ssl, X509 *peer, struct stack_st_X509 *above)
{
	X509_STORE_CTX *store = X509_STORE_CTX_new();
	bool good =
		store &&
		X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl)), peer, above) == 1 &&
		X509_STORE_CTX_set_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx(), ssl) == 1 &&
		X509_STORE_CTX_set_default(store, "ssl_client") == 1;
	(void)ERR_set_mark();
	if (good) {
		X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
		X509_VERIFY_PARAM_set_auth_level(param, SSL_get_security_level(ssl));
		X509_STORE_CTX_set_verify_cb(store, note_verify);
		good = X509_VERIFY_PARAM_set1(param, SSL_get0_param(ssl)) == 1 &&
		       X509_verify_cert(store) == 1;
	}
	(void)ERR_pop_to_mark();
	X509_STORE_CTX_free(store);
	if (!good) {
		free(SSL_get_ex_data(ssl, note_index));
		(void)SSL_set_ex_data(ssl, note_index, NULL);
	}
	return good;
}

const struct note *note_of(const SSL *ssl)
{
	return note_index < 0 ? NULL : SSL_get_ex_data(ssl, note_index);
}
