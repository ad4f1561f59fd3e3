/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/ca_parts.h"
#include "keys/x509.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request, or an older certificate that is to be renewed: a key, a name, and names. */
struct asked {
	X509_REQ *request;
	X509 *certificate;
	X509_NAME *subject; /* borrowed from one of them */
	EVP_PKEY *key;      /* borrowed */
	GENERAL_NAMES *names;
};

static void asked_done(struct asked *a)
{
	GENERAL_NAMES_free(a->names);
	X509_REQ_free(a->request);
	X509_free(a->certificate);
	ERR_clear_error();
}

PRINTF(3, 4) static int fault(char *why, size_t cap, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(why, cap, fmt, args);
	va_end(args);
	return ERR_VALUE;
}

static int take_request(struct span pem, struct asked *a, char *why, size_t cap)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	a->request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
	if (!a->request) {
		return fault(why, cap, "it holds no certificate request in PEM (PKCS#10)");
	}
	a->subject = X509_REQ_get_subject_name(a->request);
	a->key = X509_REQ_get0_pubkey(a->request);
	if (!a->key || X509_REQ_verify(a->request, a->key) != 1) {
		return fault(why, cap,
			"it is not signed by the key that it asks for: whoever made it may not hold that key");
	}
	STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(a->request);
	a->names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	return 0;
}

static int take_certificate(struct span pem, struct asked *a)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	int r = bio ? x509_next(bio, &a->certificate) : ERR_NO_MEMORY;
	if (r < 0) {
		return r == ERR_NOT_FOUND ? ERR_VALUE : r;
	}
	a->subject = X509_get_subject_name(a->certificate);
	a->key = X509_get0_pubkey(a->certificate);
	a->names = X509_get_ext_d2i(a->certificate, NID_subject_alt_name, NULL, NULL);
	return a->key ? 0 : ERR_VALUE;
}

/* PS3.15 B.13's strength, as everywhere. */
static int judge_key(const EVP_PKEY *key, char *why, size_t cap)
{
	int kind = EVP_PKEY_base_id(key), bits = EVP_PKEY_bits(key);
	if ((kind == EVP_PKEY_RSA && bits >= 2048) || (kind == EVP_PKEY_EC && bits >= 256)) {
		return 0;
	}
	return fault(why, cap,
		"its key is too weak, or of a kind that DICOM's TLS profiles do not have: RSA needs 2048 bits, "
		"ECDSA 256");
}

static int name_text(const GENERAL_NAME *name, char text[CA_TEXT])
{
	int kind;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &kind);
	const unsigned char *bytes = value ? ASN1_STRING_get0_data(value) : NULL;
	int len = value ? ASN1_STRING_length(value) : 0;
	if (kind == GEN_DNS && len > 0 && len < CA_TEXT &&
		x509_dns_name((const char *)bytes, (size_t)len, false)) {
		memcpy(text, bytes, (size_t)len);
		text[len] = 0;
		return 0;
	}
	if (kind == GEN_IPADD && (len == 4 || len == 16)) {
		return inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, text, CA_TEXT) ? 0 : ERR_VALUE;
	}
	return ERR_VALUE;
}

static int facts_of(const struct asked *a, struct ca_facts *f, char *why, size_t cap)
{
	uint8_t hash[32];
	unsigned char *der = NULL;
	*f = (struct ca_facts){0};
	x509_name_text(a->subject, f->subject, sizeof(f->subject));
	if (X509_NAME_entry_count(a->subject) == 0) {
		return fault(why, cap, "its subject is empty");
	}
	int r = judge_key(a->key, why, cap);
	for (int i = 0; r == 0 && i < sk_GENERAL_NAME_num(a->names); i++) {
		if (f->n_san == CA_SANS) {
			return fault(why, cap, "it asks for more than %d names", CA_SANS);
		}
		if (name_text(sk_GENERAL_NAME_value(a->names, i), f->san[f->n_san]) < 0) {
			return fault(why, cap,
				"name %d of its subject alternative names is no host name and no IP address",
				i + 1);
		}
		f->n_san++;
	}
	if (r < 0) {
		return r;
	}
	snprintf(f->key, sizeof(f->key), "%s %d bits",
		EVP_PKEY_base_id(a->key) == EVP_PKEY_RSA ? "RSA" : "ECDSA", EVP_PKEY_bits(a->key));
	int len = i2d_PUBKEY(a->key, &der);
	bool hashed = len > 0 && EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	for (unsigned i = 0; hashed && i < sizeof(hash); i++) {
		snprintf(f->spki + 2 * i, 3, "%02x", hash[i]);
	}
	return hashed ? 0 : ERR_NO_MEMORY;
}

int ca_read_request(struct span pem, struct ca_facts *ret_facts, char *why, size_t cap)
{
	struct asked a = {0};
	int r = take_request(pem, &a, why, cap);
	if (r == 0) {
		r = facts_of(&a, ret_facts, why, cap);
	}
	asked_done(&a);
	return r;
}

static void serial_text(const X509 *cert, char text[64])
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	const unsigned char *bytes = ASN1_STRING_get0_data(serial);
	for (int i = 0; i < ASN1_STRING_length(serial) && i < 31; i++) {
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	}
}

int ca_read_certificate(struct span pem, struct ca_facts *ret_facts)
{
	struct asked a = {0};
	char why[160];
	int r = take_certificate(pem, &a);
	if (r == 0) {
		r = facts_of(&a, ret_facts, why, sizeof(why));
	}
	if (r == 0) {
		serial_text(a.certificate, ret_facts->serial);
		r = x509_time_s(X509_get0_notAfter(a.certificate), &ret_facts->not_after_s);
	}
	asked_done(&a);
	return r;
}

int ca_sign(const struct ca_pair *ca, struct span request_or_certificate, const struct ca_request *how,
	char **ret_pem, size_t *ret_len, char *why, size_t cap)
{
	X509 *issuer CLEANUP(x509_freep) = NULL, *cert CLEANUP(x509_freep) = NULL;
	EVP_PKEY *issuer_key CLEANUP(x509_pkey_freep) = NULL;
	struct asked a = {0};
	struct ca_facts facts;
	int r = ca_open(ca, &issuer, &issuer_key);
	if (r < 0) {
		return fault(why, cap, "the authority's certificate and key cannot be read");
	}
	if (take_certificate(request_or_certificate, &a) < 0) {
		r = take_request(request_or_certificate, &a, why, cap);
	}
	if (r == 0) {
		r = facts_of(&a, &facts, why, cap);
	}
	if (r == 0 && how->use == CA_USE_LISTS &&
		X509_NAME_cmp(a.subject, X509_get_subject_name(issuer)) == 0) {
		r = fault(why, cap,
			"its subject is the authority's: who signs lists for it has a name of its own");
	}
	BIO *delegate_bio CLEANUP(x509_bio_freep) = x509_bio(how->delegate);
	X509 *delegate CLEANUP(x509_freep) = NULL;
	if (r == 0 && how->delegate.len > 0 && (!delegate_bio || x509_next(delegate_bio, &delegate) < 0)) {
		r = fault(why, cap, "delegate.pem holds no certificate");
	}
	if (r == 0) {
		struct ca_leaf leaf = {.subject = a.subject,
			.key = a.key,
			.names = how->use == CA_USE_LISTS ? NULL : a.names,
			.use = how->use,
			.delegate = delegate ? X509_get_subject_name(delegate) : NULL,
			.not_before_s = how->not_before_s,
			.not_after_s = how->not_after_s};
		r = ca_certify(issuer, issuer_key, &leaf, &cert);
	}
	BIO *out CLEANUP(x509_bio_freep) = BIO_new(BIO_s_mem());
	if (r == 0) {
		r = out && PEM_write_bio_X509(out, cert) == 1 ? ca_take_text(out, ret_pem, ret_len)
		                                              : ERR_NO_MEMORY;
	}
	asked_done(&a);
	return r;
}

static int add_revoked(X509_CRL *crl, const struct ca_revoked *one)
{
	X509_REVOKED *entry = X509_REVOKED_new();
	BIGNUM *number = NULL;
	ASN1_INTEGER *serial = BN_hex2bn(&number, one->serial) > 0 ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
	ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)one->at_s);
	ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
	bool ok = entry && serial && when && reason && X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
	          X509_REVOKED_set_revocationDate(entry, when) == 1;
	/* RFC 5280 5.3.1: unspecified is left out. */
	if (ok && one->reason > 0) {
		ok = ASN1_ENUMERATED_set(reason, one->reason) == 1 &&
		     X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, 0, 0) == 1;
	}
	ok = ok && X509_CRL_add0_revoked(crl, entry) == 1;
	if (!ok) {
		X509_REVOKED_free(entry);
	}
	BN_free(number);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(when);
	ASN1_ENUMERATED_free(reason);
	return ok ? 0 : ERR_VALUE;
}

static int number_crl(X509_CRL *crl, X509 *issuer, int64_t number)
{
	ASN1_INTEGER *value = ASN1_INTEGER_new();
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, NULL, NULL, crl, 0);
	X509_EXTENSION *key =
		X509V3_EXT_conf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
	bool ok = value && key && ASN1_INTEGER_set_int64(value, number) == 1 &&
	          X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0, 0) == 1 &&
	          X509_CRL_add_ext(crl, key, -1) == 1;
	ASN1_INTEGER_free(value);
	X509_EXTENSION_free(key);
	return ok ? 0 : ERR_NO_MEMORY;
}

int ca_make_crl(const struct ca_pair *ca, const struct ca_revoked *revoked, size_t n, int64_t number,
	int64_t now_s, int64_t next_s, char **ret_pem, size_t *ret_len)
{
	X509 *issuer CLEANUP(x509_freep) = NULL;
	EVP_PKEY *key CLEANUP(x509_pkey_freep) = NULL;
	int r = ca_open(ca, &issuer, &key);
	if (r < 0) {
		return r;
	}
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)now_s), *next = ASN1_TIME_set(NULL, (time_t)next_s);
	BIO *out CLEANUP(x509_bio_freep) = BIO_new(BIO_s_mem());
	r = crl && now && next && out && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
	                    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1 &&
	                    X509_CRL_set1_lastUpdate(crl, now) == 1 &&
	                    X509_CRL_set1_nextUpdate(crl, next) == 1
	            ? number_crl(crl, issuer, number)
	            : ERR_NO_MEMORY;
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = add_revoked(crl, &revoked[i]);
	}
	if (r == 0) {
		(void)X509_CRL_sort(crl);
		r = X509_CRL_sign(crl, key, EVP_sha256()) > 0 && PEM_write_bio_X509_CRL(out, crl) == 1
		            ? ca_take_text(out, ret_pem, ret_len)
		            : ERR_NO_MEMORY;
	}
	X509_CRL_free(crl);
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
	ERR_clear_error();
	return r;
}
