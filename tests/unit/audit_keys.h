/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_KEYS_H
#define AUDIT_KEYS_H

#include "audit/hpke.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Keys of auditors, for the tests of src/audit. */

static inline EVP_PKEY *fresh(enum hpke_kem kem)
{
	EVP_PKEY *key = NULL;
	assert_int_equal(hpke_fresh(kem, &key), 0);
	return key;
}

static inline EVP_PKEY *p256_private(struct span private, struct span public)
{
	EVP_PKEY *key = NULL;
	BIGNUM *d = BN_bin2bn(private.ptr, (int)private.len, NULL);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	assert_int_equal(OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0), 1);
	assert_int_equal(
		OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, public.ptr, public.len), 1);
	assert_int_equal(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, d), 1);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(d);
	return key;
}

static inline void pem_of(BIO *bio, char pem[4096])
{
	int n = BIO_read(bio, pem, 4095);
	assert_true(n > 0);
	pem[n] = 0;
	BIO_free(bio);
}

static inline void public_pem(EVP_PKEY *key, char pem[4096])
{
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	pem_of(bio, pem);
}

static inline void certificate_pem(EVP_PKEY *key, char pem[4096])
{
	BIO *bio = BIO_new(BIO_s_mem());
	X509 *cert = X509_new();
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -3600));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), -60));
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	X509_free(cert);
	pem_of(bio, pem);
}

#endif
