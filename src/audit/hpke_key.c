/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/hpke.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define X25519_LEN 32
#define P256_HALF  32
#define P256_LEN   (1 + 2 * P256_HALF)

size_t hpke_public_len(enum hpke_kem kem)
{
	return kem == HPKE_X25519 ? X25519_LEN : kem == HPKE_P256 ? P256_LEN : 0;
}

static bool is_p256(const EVP_PKEY *key)
{
	char group[32] = "";
	return EVP_PKEY_is_a(key, "EC") &&
	       EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL) ==
	               1 &&
	       strcmp(group, SN_X9_62_prime256v1) == 0;
}

/* By its coordinates: a key of a file may be one that is kept compressed. */
static int point_of(const EVP_PKEY *key, struct hpke_public *p)
{
	BIGNUM *x = NULL, *y = NULL;
	bool ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
	          EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
	          BN_bn2binpad(x, p->bytes + 1, P256_HALF) == P256_HALF &&
	          BN_bn2binpad(y, p->bytes + 1 + P256_HALF, P256_HALF) == P256_HALF;
	BN_free(x);
	BN_free(y);
	p->bytes[0] = POINT_CONVERSION_UNCOMPRESSED;
	p->len = P256_LEN;
	return ok ? 0 : ERR_VALUE;
}

/* The identity is of the key as P-256 and X25519 are written without choice, not as somebody's file has it. */
static int identify(struct hpke_public *p)
{
	EVP_PKEY *plain = NULL;
	unsigned char *der = NULL;
	uint8_t hash[32];
	int e = hpke_pkey_of(p->kem, span_of(p->bytes, p->len), &plain);
	if (e < 0) {
		return e;
	}
	int len = i2d_PUBKEY(plain, &der);
	bool ok = len > 0 && EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	EVP_PKEY_free(plain);
	if (!ok) {
		return ERR_NO_MEMORY;
	}
	memcpy(p->id, hash, sizeof(p->id));
	return 0;
}

int hpke_public_of(const EVP_PKEY *key, struct hpke_public *ret_key)
{
	struct hpke_public p = {.len = sizeof(p.bytes)};
	int e = 0;
	if (EVP_PKEY_is_a(key, "X25519")) {
		p.kem = HPKE_X25519;
		e = EVP_PKEY_get_raw_public_key(key, p.bytes, &p.len) == 1 && p.len == X25519_LEN ? 0
		                                                                                  : ERR_VALUE;
	} else if (is_p256(key)) {
		p.kem = HPKE_P256;
		e = point_of(key, &p);
	} else {
		e = ERR_UNSUPPORTED;
	}
	e = e < 0 ? e : identify(&p);
	ERR_clear_error();
	if (e == 0) {
		*ret_key = p;
	}
	return e;
}

static EVP_PKEY *read_pem(struct span pem)
{
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	if (bio && !key) {
		(void)BIO_seek(bio, 0);
		X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		key = cert ? X509_get_pubkey(cert) : NULL;
		X509_free(cert);
	}
	BIO_free(bio);
	ERR_clear_error();
	return key;
}

int hpke_public_read(struct span pem, struct hpke_public *ret_key)
{
	EVP_PKEY *key = pem.len > 0 && pem.len <= INT_MAX ? read_pem(pem) : NULL;
	if (!key) {
		return ERR_VALUE;
	}
	int e = hpke_public_of(key, ret_key);
	EVP_PKEY_free(key);
	return e;
}

/* ---- OpenSSL's form of a key ---- */

/* OpenSSL refuses a point that is not on the curve (SEC 1 3.2.2.1, as RFC 9180 7.1.4 asks). */
static EVP_PKEY *p256_of(struct span public)
{
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_PKEY_PARAM_GROUP_NAME, (char[]){SN_X9_62_prime256v1}, 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t) public.ptr, public.len),
		OSSL_PARAM_construct_end(),
	};
	if (!ctx || public.ptr[0] != POINT_CONVERSION_UNCOMPRESSED || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
		key = NULL;
	}
	EVP_PKEY_CTX_free(ctx);
	return key;
}

int hpke_pkey_of(enum hpke_kem kem, struct span public, EVP_PKEY **ret_key)
{
	size_t len = hpke_public_len(kem);
	if (len == 0) {
		return ERR_UNSUPPORTED;
	}
	if (public.len != len) {
		return ERR_VALUE;
	}
	EVP_PKEY *key = kem == HPKE_P256
	                        ? p256_of(public)
	                        : EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public.ptr, public.len);
	ERR_clear_error();
	if (!key) {
		return ERR_VALUE;
	}
	*ret_key = key;
	return 0;
}

int hpke_fresh(enum hpke_kem kem, EVP_PKEY **ret_key)
{
	EVP_PKEY *key = kem == HPKE_P256 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", SN_X9_62_prime256v1)
	                                 : EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	ERR_clear_error();
	if (!key) {
		return ERR_SYSTEM;
	}
	*ret_key = key;
	return 0;
}

/* OpenSSL fails where X25519 gives zero (RFC 9180 7.1.4). */
int hpke_dh(EVP_PKEY *mine, EVP_PKEY *theirs, uint8_t ret_secret[HPKE_SECRET])
{
	uint8_t secret[HPKE_SECRET];
	size_t len = sizeof(secret);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(mine, NULL);
	bool ok = ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
	          EVP_PKEY_derive(ctx, secret, &len) == 1 && len == sizeof(secret);
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	if (ok) {
		memcpy(ret_secret, secret, sizeof(secret));
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	return ok ? 0 : ERR_VALUE;
}

/* ---- An opener ---- */

static int dh_of_pkey(void *key, struct span their, uint8_t ret_secret[HPKE_SECRET])
{
	EVP_PKEY *theirs = NULL;
	enum hpke_kem kem = EVP_PKEY_is_a(key, "X25519") ? HPKE_X25519 : HPKE_P256;
	int e = hpke_pkey_of(kem, their, &theirs);
	e = e < 0 ? e : hpke_dh(key, theirs, ret_secret);
	EVP_PKEY_free(theirs);
	return e;
}

static bool has_private(const EVP_PKEY *key, enum hpke_kem kem)
{
	size_t len = 0;
	BIGNUM *d = NULL;
	bool has = kem == HPKE_X25519 ? EVP_PKEY_get_raw_private_key(key, NULL, &len) == 1
	                              : EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1;
	BN_clear_free(d);
	ERR_clear_error();
	return has;
}

int hpke_opener_of(EVP_PKEY *key, struct hpke_opener *ret_opener)
{
	struct hpke_opener o = {.dh = dh_of_pkey, .key = key};
	int e = hpke_public_of(key, &o.public);
	if (e == 0 && !has_private(key, o.public.kem)) {
		e = ERR_DENIED;
	}
	if (e == 0) {
		*ret_opener = o;
	}
	return e;
}
