/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_opening.h"

#include "keys/x509.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

int cms_opening_new(struct cms_opening **ret_opening)
{
	struct cms_opening *o = calloc(1, sizeof(*o));
	if (!o || !(o->trust = X509_STORE_new())) {
		free(o);
		return ERR_NO_MEMORY;
	}
	*ret_opening = o;
	return 0;
}

void cms_opening_free(struct cms_opening *o)
{
	if (o) {
		EVP_PKEY_free(o->key);
		X509_free(o->cert);
		X509_STORE_free(o->trust);
		crl_list_free(o->lists);
		free(o);
	}
}

int cms_opening_key(struct cms_opening *o, struct span key_pem, struct span certificate_pem)
{
	int e = x509_private_key(key_pem, &o->key);
	if (e == 0 && certificate_pem.len > 0) {
		BIO *bio CLEANUP(x509_bio_freep) = x509_bio(certificate_pem);
		e = bio ? x509_next(bio, &o->cert) : ERR_NO_MEMORY;
		e = e == 0 && X509_check_private_key(o->cert, o->key) != 1 ? ERR_VALUE : e;
	}
	ERR_clear_error();
	return e == 0 || e == ERR_NO_MEMORY ? e : ERR_VALUE;
}

/* A number of ours, sealed to the certificate, comes back. */
static bool is_key_of(const struct cms_opening *o)
{
	uint8_t number[32], sealed[CMS_UNWRAPPED_MOST], back[CMS_UNWRAPPED_MOST];
	size_t len = sizeof(sealed), n = 0;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(X509_get0_pubkey(o->cert), NULL);
	bool ok = c && RAND_bytes(number, sizeof(number)) == 1 && EVP_PKEY_encrypt_init(c) == 1 &&
	          EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
	          EVP_PKEY_encrypt(c, sealed, &len, number, sizeof(number)) == 1 &&
	          o->unwrap(o->unwrap_arg, span_of(sealed, len), 0, back, &n) == 0 && n == sizeof(number) &&
	          CRYPTO_memcmp(back, number, n) == 0;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return ok;
}

int cms_opening_unwrap(struct cms_opening *o, struct span certificate_pem, cms_unwrap *unwrap, void *arg)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(certificate_pem);
	int e = bio ? x509_next(bio, &o->cert) : ERR_NO_MEMORY;
	if (e < 0) {
		ERR_clear_error();
		return e == ERR_NO_MEMORY ? e : ERR_VALUE;
	}
	if (!EVP_PKEY_is_a(X509_get0_pubkey(o->cert), "RSA")) {
		return ERR_UNSUPPORTED;
	}
	o->unwrap = unwrap;
	o->unwrap_arg = arg;
	return is_key_of(o) ? 0 : ERR_VALUE;
}

void cms_opening_passphrase(struct cms_opening *o, const char *passphrase)
{
	o->passphrase = passphrase;
}

int cms_opening_trust(struct cms_opening *o, struct span pem)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	X509 *cert;
	bool any = false;
	int e = bio ? 0 : ERR_NO_MEMORY;
	while (e == 0 && (e = x509_next(bio, &cert)) == 0) {
		any = X509_STORE_add_cert(o->trust, cert) == 1 || any;
		X509_free(cert);
	}
	ERR_clear_error();
	return e == ERR_NOT_FOUND && any ? 0 : e == ERR_NO_MEMORY ? e : ERR_VALUE;
}

int cms_opening_lists(struct cms_opening *o, const struct span *crl, size_t n, const struct span *trust,
	size_t n_trust, char *why, size_t cap)
{
	return crl_list_new(crl, n, trust, n_trust, &o->lists, why, cap);
}
