/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/attributes.h"

#include "keys/x509.h"

#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BITS_LEAST 2048
#define CMS_MOST   (256u * 1024)

static void free_cms(CMS_ContentInfo **cms)
{
	CMS_ContentInfo_free(*cms);
}

struct attributes_recipients {
	STACK_OF(X509) * certificates;
};

static int fail(int e, char *why, size_t cap, const char *sentence)
{
	ERR_clear_error();
	snprintf(why, cap, "%s", sentence);
	return e;
}

static int add_recipient(STACK_OF(X509) * to, struct span pem, char *why, size_t cap)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	X509 *cert = NULL;
	int e = bio ? x509_next(bio, &cert) : ERR_NO_MEMORY;
	if (e < 0) {
		return e == ERR_NO_MEMORY ? fail(e, why, cap, "there is no memory")
		                          : fail(ERR_VALUE, why, cap, "it holds no certificate in PEM");
	}
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	if (!key || !EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_get_bits(key) < BITS_LEAST) {
		X509_free(cert);
		return fail(ERR_UNSUPPORTED, why, cap,
			"its key is no RSA key of 2048 bits or more, as PS3.15 E.1.1 knows RSA alone");
	}
	if (sk_X509_push(to, cert) <= 0) {
		X509_free(cert);
		return fail(ERR_NO_MEMORY, why, cap, "there is no memory");
	}
	return 0;
}

/* DER, into a buffer of the caller's. */
static int put_der(CMS_ContentInfo *cms, uint8_t *buf, size_t buf_cap, size_t *ret_len)
{
	int n = i2d_CMS_ContentInfo(cms, NULL);
	uint8_t *at = buf;
	if (n <= 0 || (size_t)n > buf_cap) {
		return n <= 0 ? ERR_TLS : ERR_SPACE;
	}
	if (i2d_CMS_ContentInfo(cms, &at) != n) {
		return ERR_TLS;
	}
	*ret_len = (size_t)n;
	return 0;
}

int attributes_recipients_new(
	const struct span *pems, unsigned n, struct attributes_recipients **ret_to, char *why, size_t cap)
{
	if (n == 0) {
		return fail(ERR_MISSING, why, cap, "there is no certificate to encrypt to");
	}
	if (n > ATTRIBUTES_RECIPIENTS_MOST) {
		return fail(ERR_LIMIT, why, cap, "there are too many certificates");
	}
	struct attributes_recipients *to = calloc(1, sizeof(*to));
	if (to) {
		to->certificates = sk_X509_new_null();
	}
	int e = to && to->certificates ? 0 : fail(ERR_NO_MEMORY, why, cap, "there is no memory");
	for (unsigned i = 0; e == 0 && i < n; i++) {
		e = add_recipient(to->certificates, pems[i], why, cap);
	}
	if (e < 0) {
		attributes_recipients_free(to);
		return e;
	}
	*ret_to = to;
	return 0;
}

void attributes_recipients_free(struct attributes_recipients *to)
{
	if (to) {
		sk_X509_pop_free(to->certificates, X509_free);
		free(to);
	}
}

int attributes_recipients_digest(const struct attributes_recipients *to, uint8_t ret[ATTRIBUTES_DIGEST])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1;
	for (int i = 0; ok && i < sk_X509_num(to->certificates); i++) {
		uint8_t one[ATTRIBUTES_DIGEST];
		unsigned n = 0;
		ok = X509_digest(sk_X509_value(to->certificates, i), EVP_sha256(), one, &n) == 1 &&
		     EVP_DigestUpdate(c, one, n) == 1;
	}
	ok = ok && EVP_DigestFinal_ex(c, ret, NULL) == 1;
	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return ok ? 0 : ERR_TLS;
}

int attributes_encrypt_to(struct span content, const struct attributes_recipients *to, uint8_t *buf,
	size_t buf_cap, size_t *ret_len, char *why, size_t cap)
{
	if (content.len > ATTRIBUTES_CONTENT_MOST) {
		return fail(ERR_LIMIT, why, cap, "there is too much to encrypt");
	}
	BIO *in CLEANUP(x509_bio_freep) = BIO_new_mem_buf(content.ptr, (int)content.len);
	if (!in) {
		return fail(ERR_NO_MEMORY, why, cap, "there is no memory");
	}
	CMS_ContentInfo *cms CLEANUP(free_cms) =
		CMS_encrypt(to->certificates, in, EVP_aes_256_cbc(), CMS_BINARY);
	int e = cms ? put_der(cms, buf, buf_cap, ret_len) : ERR_TLS;
	return e == 0 ? 0 : fail(e, why, cap, "OpenSSL does not encrypt it");
}

int attributes_encrypt(struct span content, const struct span *recipients, unsigned n, uint8_t *buf,
	size_t buf_cap, size_t *ret_len, char *why, size_t cap)
{
	struct attributes_recipients *to = NULL;
	int e = attributes_recipients_new(recipients, n, &to, why, cap);
	e = e < 0 ? e : attributes_encrypt_to(content, to, buf, buf_cap, ret_len, why, cap);
	attributes_recipients_free(to);
	return e;
}

int attributes_decrypt(
	struct span cms, const struct cms_opening *o, uint8_t *buf, size_t buf_cap, size_t *ret_len)
{
	struct cms_found found;
	if (cms.len > CMS_MOST) {
		return ERR_LIMIT;
	}
	int e = cms_open_enveloped(o, cms, buf, buf_cap, ret_len, &found);
	if (e < 0 && !found.enveloped && cms.len > 0 && cms.ptr[cms.len - 1] == 0) {
		e = cms_open_enveloped(o, span_of(cms.ptr, cms.len - 1), buf, buf_cap, ret_len, &found);
	}
	return e == 0 || e == ERR_SPACE || e == ERR_NO_MEMORY ? e : found.enveloped ? ERR_DENIED : ERR_VALUE;
}
