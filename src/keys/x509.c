/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/x509.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <time.h>

BIO *x509_bio(struct span pem)
{
	if (pem.len > INT_MAX) {
		return NULL;
	}
	return BIO_new_mem_buf(pem.ptr ? (const void *)pem.ptr : "", (int)pem.len);
}

int x509_next(BIO *bio, X509 **ret_cert)
{
	ERR_clear_error();
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (cert) {
		*ret_cert = cert;
		return 0;
	}
	unsigned long e = ERR_peek_last_error();
	if (ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return ERR_NOT_FOUND;
	}
	return ERR_VALUE;
}

/* Without this, OpenSSL would ask for the passphrase of an encrypted key on the terminal. */
static int no_passphrase(char *buf, int cap, int rw, void *arg)
{
	return -1;
}

int x509_private_key(struct span pem, EVP_PKEY **ret_key)
{
	return x509_private_key_asking(pem, no_passphrase, NULL, ret_key);
}

int x509_private_key_asking(struct span pem, pem_password_cb *ask, void *arg, EVP_PKEY **ret_key)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	if (!bio) {
		return ERR_NO_MEMORY;
	}
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, ask, arg);
	if (!key) {
		return ERR_VALUE;
	}
	*ret_key = key;
	return 0;
}

void x509_name_text(const X509_NAME *name, char *buf, size_t cap)
{
	buf[0] = '\0';
	BIO *bio CLEANUP(x509_bio_freep) = BIO_new(BIO_s_mem());
	if (!bio || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0) {
		return;
	}
	char *text = NULL;
	long len = BIO_get_mem_data(bio, &text);
	if (len <= 0) {
		return;
	}
	size_t n = (size_t)len < cap - 1 ? (size_t)len : cap - 1;
	memcpy(buf, text, n);
	buf[n] = '\0';
}

int x509_time_s(const ASN1_TIME *time, int64_t *ret_s)
{
	struct tm tm;
	if (!time || ASN1_TIME_to_tm(time, &tm) != 1) {
		return ERR_VALUE;
	}
	*ret_s = timegm(&tm);
	return 0;
}

void x509_day(const ASN1_TIME *time, char ret_text[16])
{
	struct tm tm;
	if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(ret_text, 16, "%Y-%m-%d", &tm) == 0) {
		snprintf(ret_text, 16, "an unknown day");
	}
}

int x509_spki_sha256(const X509 *cert, uint8_t ret_hash[32])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	if (len <= 0) {
		return ERR_VALUE;
	}
	uint8_t hash[32];
	int done = EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL);
	OPENSSL_free(der);
	if (done != 1) {
		return ERR_NO_MEMORY;
	}
	memcpy(ret_hash, hash, sizeof(hash));
	return 0;
}

int x509_sha256(const X509 *cert, uint8_t ret_hash[32])
{
	uint8_t hash[32];
	if (X509_digest(cert, EVP_sha256(), hash, NULL) != 1) {
		return ERR_NO_MEMORY;
	}
	memcpy(ret_hash, hash, sizeof(hash));
	return 0;
}

bool x509_hash_is_weak(int signature)
{
	static const int weak[] = {NID_md2, NID_md4, NID_md5, NID_sha1, NID_sha224, NID_ripemd160};
	int hash = NID_undef;
	bool found = false;
	(void)OBJ_find_sigid_algs(signature, &hash, NULL);
	for (unsigned i = 0; i < ARRAY_LEN(weak); i++) {
		found = found || hash == weak[i];
	}
	return found;
}

bool x509_key_is_short(const X509 *cert)
{
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	return !key || EVP_PKEY_get_security_bits(key) < 80;
}

static bool label_ok(const char *label, size_t len)
{
	if (len == 0 || len > 63 || label[0] == '-' || label[len - 1] == '-') {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)label[i];
		if (c > 0x7e || !(isalnum(c) || c == '-' || c == '_')) {
			return false;
		}
	}
	return true;
}

bool x509_dns_name(const char *name, size_t len, bool wildcard)
{
	if (len == 0 || len > 253) {
		return false;
	}
	size_t at = 0;
	if (wildcard && len > 2 && name[0] == '*' && name[1] == '.') {
		at = 2;
	}
	for (;;) {
		const char *dot = memchr(name + at, '.', len - at);
		size_t n = dot ? (size_t)(dot - (name + at)) : len - at;
		if (!label_ok(name + at, n)) {
			return false;
		}
		if (dot) {
			at += n + 1;
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			if (!isdigit((unsigned char)name[at + i])) {
				return true;
			}
		}
		return false;
	}
}

size_t x509_ip(const char *text, uint8_t ret_bytes[16])
{
	if (inet_pton(AF_INET, text, ret_bytes) == 1) {
		return 4;
	}
	return inet_pton(AF_INET6, text, ret_bytes) == 1 ? 16 : 0;
}
