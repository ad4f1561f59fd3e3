/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/ca_parts.h"
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

static int set_subject(X509_NAME *subject, const char *common_name)
{
	if (!common_name || !common_name[0]) {
		return ERR_VALUE;
	}
	/* OpenSSL refuses more than 64 characters (ub-common-name) and broken UTF-8. */
	return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
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

static int make_names(const struct ca_request *request, GENERAL_NAMES **ret_names)
{
	GENERAL_NAMES *names = request->n_san > 0 ? sk_GENERAL_NAME_new_null() : NULL;
	int r = request->n_san == 0 || names ? 0 : ERR_NO_MEMORY;
	for (size_t i = 0; r == 0 && i < request->n_san; i++) {
		r = add_san(names, request->san[i]);
	}
	if (r < 0) {
		GENERAL_NAMES_free(names);
		return r;
	}
	*ret_names = names;
	return 0;
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

/* RFC 5280 4.2.1.13: who else than the authority tells that it is revoked, in whatever list of theirs. */
static int add_delegate(X509 *cert, const X509_NAME *delegate)
{
	CRL_DIST_POINTS *points = sk_DIST_POINT_new_null();
	DIST_POINT *point = DIST_POINT_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	X509_NAME *copy = X509_NAME_dup(delegate);
	bool ok = points && point && name && copy &&
	          (point->CRLissuer = sk_GENERAL_NAME_new_null()) != NULL &&
	          sk_GENERAL_NAME_push(point->CRLissuer, name) > 0;
	if (ok) {
		GENERAL_NAME_set0_value(name, GEN_DIRNAME, copy);
		ok = sk_DIST_POINT_push(points, point) > 0;
	} else {
		GENERAL_NAME_free(name);
		X509_NAME_free(copy);
	}
	if (!ok) {
		DIST_POINT_free(point);
	}
	ok = ok && X509_add1_ext_i2d(cert, NID_crl_distribution_points, points, 0, X509V3_ADD_DEFAULT) == 1;
	sk_DIST_POINT_pop_free(points, DIST_POINT_free);
	return ok ? 0 : ERR_NO_MEMORY;
}

static int add_uses(X509 *cert, X509 *issuer, const struct ca_leaf *leaf)
{
	static const char *const uses[] = {
		[CA_USE_SERVER] = "serverAuth",
		[CA_USE_CLIENT] = "clientAuth",
		[CA_USE_SERVER | CA_USE_CLIENT] = "serverAuth,clientAuth",
	};
	if (leaf->use == CA_USE_LISTS) {
		return add_extension(cert, issuer, NID_key_usage, "critical,cRLSign");
	}
	if (leaf->use == 0 || leaf->use >= ARRAY_LEN(uses)) {
		return ERR_VALUE;
	}
	/* Some TLS 1.2 devices check RSA certificates for keyEncipherment although ECDHE does not use it. */
	const char *usage = EVP_PKEY_base_id(leaf->key) != EVP_PKEY_RSA
	                            ? "critical,digitalSignature"
	                            : "critical,digitalSignature,keyEncipherment";
	int r = add_extension(cert, issuer, NID_key_usage, usage);
	return r == 0 ? add_extension(cert, issuer, NID_ext_key_usage, uses[leaf->use]) : r;
}

static int add_leaf_extensions(X509 *cert, X509 *issuer, const struct ca_leaf *leaf)
{
	int r = add_extension(cert, issuer, NID_basic_constraints, "critical,CA:FALSE");
	if (r == 0) {
		r = add_uses(cert, issuer, leaf);
	}
	if (r == 0) {
		r = add_extension(cert, issuer, NID_subject_key_identifier, "hash");
	}
	if (r == 0) {
		r = add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always");
	}
	if (r == 0 && leaf->names &&
		X509_add1_ext_i2d(cert, NID_subject_alt_name, leaf->names, 0, X509V3_ADD_DEFAULT) != 1) {
		r = ERR_NO_MEMORY;
	}
	if (r == 0 && leaf->delegate) {
		r = add_delegate(cert, leaf->delegate);
	}
	return r;
}

/* Move what a memory BIO holds into a malloc'd text. The BIO's own buffer is wiped when it is freed. */
int ca_take_text(BIO *bio, char **ret_text, size_t *ret_len)
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
	int r = ca_take_text(cert_bio, &pair.certificate_pem, &pair.certificate_len);
	if (r == 0) {
		r = ca_take_text(key_bio, &pair.key_pem, &pair.key_len);
	}
	if (r < 0) {
		ca_pair_done(&pair);
		return r;
	}
	*ret_pair = pair;
	return 0;
}

static int begin(EVP_PKEY *key, const X509_NAME *subject, const X509_NAME *issuer, int64_t from_s,
	int64_t until_s, X509 **ret_cert)
{
	X509 *cert = X509_new();
	int r = cert && X509_set_version(cert, X509_VERSION_3) == 1 && X509_set_pubkey(cert, key) == 1 &&
	                        X509_set_subject_name(cert, subject) == 1 &&
	                        X509_set_issuer_name(cert, issuer) == 1
	                ? set_serial(cert)
	                : ERR_NO_MEMORY;
	if (r == 0) {
		r = set_times(cert, from_s, until_s);
	}
	if (r < 0) {
		X509_free(cert);
		return r;
	}
	*ret_cert = cert;
	return 0;
}

int ca_certify(X509 *issuer, EVP_PKEY *issuer_key, const struct ca_leaf *leaf, X509 **ret_cert)
{
	X509 *cert CLEANUP(x509_freep) = NULL;
	int r = begin(leaf->key, leaf->subject, X509_get_subject_name(issuer), leaf->not_before_s,
		leaf->not_after_s, &cert);
	if (r == 0) {
		r = add_leaf_extensions(cert, issuer, leaf);
	}
	if (r == 0 && X509_sign(cert, issuer_key, EVP_sha256()) <= 0) {
		r = ERR_NO_MEMORY;
	}
	if (r == 0) {
		*ret_cert = cert;
		cert = NULL;
	}
	return r;
}

int ca_make(const struct ca_request *request, struct ca_pair *ret_ca)
{
	EVP_PKEY *key CLEANUP(x509_pkey_freep) = make_key(request->key);
	X509 *cert CLEANUP(x509_freep) = NULL;
	X509_NAME *name = X509_NAME_new();
	int r = key && name ? set_subject(name, request->common_name) : ERR_NO_MEMORY;
	if (r == 0) {
		r = begin(key, name, name, request->not_before_s, request->not_after_s, &cert);
	}
	if (r == 0) {
		r = add_authority_extensions(cert);
	}
	if (r == 0 && X509_sign(cert, key, EVP_sha256()) <= 0) {
		r = ERR_NO_MEMORY;
	}
	r = r == 0 ? to_pem(cert, key, ret_ca) : r;
	X509_NAME_free(name);
	ERR_clear_error();
	return r;
}

int ca_open(const struct ca_pair *ca, X509 **ret_cert, EVP_PKEY **ret_key)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(ca_certificate(ca));
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;
	int r = bio ? x509_next(bio, &cert) : ERR_NO_MEMORY;
	if (r == 0) {
		r = x509_private_key(ca_private_key(ca), &key);
	}
	if (r == 0 && X509_check_private_key(cert, key) != 1) {
		r = ERR_VALUE;
	}
	ERR_clear_error();
	if (r < 0) {
		X509_free(cert);
		EVP_PKEY_free(key);
		return r == ERR_NOT_FOUND ? ERR_VALUE : r;
	}
	*ret_cert = cert;
	*ret_key = key;
	return 0;
}

int ca_issue(const struct ca_pair *ca, const struct ca_request *request, struct ca_pair *ret_issued)
{
	X509 *issuer CLEANUP(x509_freep) = NULL;
	EVP_PKEY *issuer_key CLEANUP(x509_pkey_freep) = NULL;
	int r = ca_open(ca, &issuer, &issuer_key);
	if (r < 0) {
		return r;
	}
	X509 *cert CLEANUP(x509_freep) = NULL;
	EVP_PKEY *key CLEANUP(x509_pkey_freep) = make_key(request->key);
	struct ca_leaf leaf = {.subject = X509_NAME_new(),
		.key = key,
		.use = request->use,
		.not_before_s = request->not_before_s,
		.not_after_s = request->not_after_s};
	r = key && leaf.subject ? set_subject(leaf.subject, request->common_name) : ERR_NO_MEMORY;
	if (r == 0) {
		r = make_names(request, &leaf.names);
	}
	if (r == 0) {
		r = ca_certify(issuer, issuer_key, &leaf, &cert);
	}
	if (r == 0) {
		r = to_pem(cert, key, ret_issued);
	}
	X509_NAME_free(leaf.subject);
	GENERAL_NAMES_free(leaf.names);
	ERR_clear_error();
	return r;
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
