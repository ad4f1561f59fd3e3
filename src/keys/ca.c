/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/ca.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define SERIAL_BITS 127 /* positive, and within RFC 5280's 20 octets */

static EVP_PKEY *make_key(enum ca_key kind)
{
	return kind == CA_KEY_P256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
}

static int set_serial(X509 *cert)
{
	BIGNUM *number = BN_new();
	/* The top bit set: never zero, and always of the same length. */
	bool done = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
	            BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
	BN_free(number);
	return done ? 0 : ERR_NO_MEMORY;
}

static int set_times(X509 *cert, int64_t from_s, int64_t until_s)
{
	if (from_s >= until_s) {
		return ERR_VALUE;
	}
	if (!ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)from_s) ||
		!ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)until_s)) {
		return ERR_VALUE;
	}
	return 0;
}

static int set_subject(X509 *cert, const char *common_name)
{
	if (!common_name || !common_name[0]) {
		return ERR_VALUE;
	}
	/* OpenSSL refuses more than 64 characters (ub-common-name) and broken UTF-8. */
	return X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName, MBSTRING_UTF8,
		       (const unsigned char *)common_name, -1, -1, 0) == 1
	               ? 0
	               : ERR_VALUE;
}

/* `value` is always one of our own constants: this mini-language is no place for input. */
static int add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool done = extension && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return done ? 0 : ERR_NO_MEMORY;
}

static int add_san(GENERAL_NAMES *names, const char *text)
{
	uint8_t ip[16];
	size_t ip_len = x509_ip(text, ip);
	if (ip_len == 0 && !x509_dns_name(text, strlen(text), true)) {
		return ERR_VALUE;
	}
	ASN1_STRING *value = ip_len ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	const void *bytes = ip_len ? (const void *)ip : text;
	if (!value || !name || ASN1_STRING_set(value, bytes, (int)(ip_len ? ip_len : strlen(text))) != 1) {
		ASN1_STRING_free(value);
		GENERAL_NAME_free(name);
		return ERR_NO_MEMORY;
	}
	GENERAL_NAME_set0_value(name, ip_len ? GEN_IPADD : GEN_DNS, value);
	if (sk_GENERAL_NAME_push(names, name) <= 0) {
		GENERAL_NAME_free(name);
		return ERR_NO_MEMORY;
	}
	return 0;
}

static int add_sans(X509 *cert, const struct ca_request *request)
{
	if (request->n_san == 0) {
		return 0;
	}
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	int r = names ? 0 : ERR_NO_MEMORY;
	for (size_t i = 0; r == 0 && i < request->n_san; i++) {
		r = add_san(names, request->san[i]);
	}
	if (r == 0 && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) != 1) {
		r = ERR_NO_MEMORY;
	}
	GENERAL_NAMES_free(names);
	return r;
}

static int add_authority_extensions(X509 *cert)
{
	int r = add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
	if (r == 0) {
		r = add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	}
	if (r == 0) {
		r = add_extension(cert, cert, NID_subject_key_identifier, "hash");
	}
	return r;
}

static int add_leaf_extensions(X509 *cert, X509 *issuer, const struct ca_request *request)
{
	static const char *const uses[] = {
		[CA_USE_SERVER] = "serverAuth",
		[CA_USE_CLIENT] = "clientAuth",
		[CA_USE_SERVER | CA_USE_CLIENT] = "serverAuth,clientAuth",
	};
	if (request->use == 0 || request->use >= ARRAY_LEN(uses)) {
		return ERR_VALUE;
	}
	/* Some TLS 1.2 devices check RSA certificates for keyEncipherment although ECDHE does not use it. */
	const char *usage = request->key == CA_KEY_P256 ? "critical,digitalSignature"
	                                                : "critical,digitalSignature,keyEncipherment";
	int r = add_extension(cert, issuer, NID_basic_constraints, "critical,CA:FALSE");
	if (r == 0) {
		r = add_extension(cert, issuer, NID_key_usage, usage);
	}
	if (r == 0) {
		r = add_extension(cert, issuer, NID_ext_key_usage, uses[request->use]);
	}
	if (r == 0) {
		r = add_extension(cert, issuer, NID_subject_key_identifier, "hash");
	}
	if (r == 0) {
		r = add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always");
	}
	return r == 0 ? add_sans(cert, request) : r;
}

/* Move what a memory BIO holds into a malloc'd text. The BIO's own buffer is wiped when it is freed. */
static int take_text(BIO *bio, char **ret_text, size_t *ret_len)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	char *text = len > 0 ? malloc((size_t)len + 1) : NULL;
	if (!text) {
		return ERR_NO_MEMORY;
	}
	memcpy(text, data, (size_t)len);
	text[len] = '\0';
	*ret_text = text;
	*ret_len = (size_t)len;
	return 0;
}

static int to_pem(X509 *cert, EVP_PKEY *key, struct ca_pair *ret_pair)
{
	BIO *cert_bio CLEANUP(x509_bio_freep) = BIO_new(BIO_s_mem());
	BIO *key_bio CLEANUP(x509_bio_freep) = BIO_new(BIO_s_mem());
	struct ca_pair pair = {0};
	if (!cert_bio || !key_bio || PEM_write_bio_X509(cert_bio, cert) != 1 ||
		PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
		return ERR_NO_MEMORY;
	}
	int r = take_text(cert_bio, &pair.certificate_pem, &pair.certificate_len);
	if (r == 0) {
		r = take_text(key_bio, &pair.key_pem, &pair.key_len);
	}
	if (r < 0) {
		ca_pair_done(&pair);
		return r;
	}
	*ret_pair = pair;
	return 0;
}

/* issuer and issuer_key NULL: an authority that signs itself. */
static int issue(
	X509 *issuer, EVP_PKEY *issuer_key, const struct ca_request *request, struct ca_pair *ret_pair)
{
	EVP_PKEY *key CLEANUP(x509_pkey_freep) = make_key(request->key);
	X509 *cert CLEANUP(x509_freep) = X509_new();
	if (!key || !cert || X509_set_version(cert, X509_VERSION_3) != 1 || X509_set_pubkey(cert, key) != 1) {
		return ERR_NO_MEMORY;
	}
	int r = set_serial(cert);
	if (r == 0) {
		r = set_times(cert, request->not_before_s, request->not_after_s);
	}
	if (r == 0) {
		r = set_subject(cert, request->common_name);
	}
	if (r == 0 && X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert)) != 1) {
		r = ERR_NO_MEMORY;
	}
	if (r == 0) {
		r = issuer ? add_leaf_extensions(cert, issuer, request) : add_authority_extensions(cert);
	}
	if (r == 0 && X509_sign(cert, issuer_key ? issuer_key : key, EVP_sha256()) <= 0) {
		r = ERR_NO_MEMORY;
	}
	return r == 0 ? to_pem(cert, key, ret_pair) : r;
}

int ca_make(const struct ca_request *request, struct ca_pair *ret_ca)
{
	int r = issue(NULL, NULL, request, ret_ca);
	ERR_clear_error();
	return r;
}

int ca_issue(const struct ca_pair *ca, const struct ca_request *request, struct ca_pair *ret_issued)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(ca_certificate(ca));
	X509 *issuer CLEANUP(x509_freep) = NULL;
	EVP_PKEY *key CLEANUP(x509_pkey_freep) = NULL;
	int r = bio ? x509_next(bio, &issuer) : ERR_NO_MEMORY;
	if (r == 0) {
		r = x509_private_key(ca_private_key(ca), &key);
	}
	if (r == 0 && X509_check_private_key(issuer, key) != 1) {
		r = ERR_VALUE;
	}
	if (r == 0) {
		r = issue(issuer, key, request, ret_issued);
	}
	ERR_clear_error();
	return r == ERR_NOT_FOUND ? ERR_VALUE : r;
}

void ca_pair_done(struct ca_pair *pair)
{
	if (pair->key_pem) {
		OPENSSL_cleanse(pair->key_pem, pair->key_len);
	}
	free(pair->key_pem);
	free(pair->certificate_pem);
	*pair = (struct ca_pair){0};
}
