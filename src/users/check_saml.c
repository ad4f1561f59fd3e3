/* SPDX-License-Identifier: Apache-2.0 */
#include "users/users.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

static bool is_strong(const EVP_PKEY *key)
{
	int kind = key ? EVP_PKEY_get_base_id(key) : 0, bits = key ? EVP_PKEY_get_bits(key) : 0;
	return (kind == EVP_PKEY_RSA && bits >= 2048) || (kind == EVP_PKEY_EC && bits >= 256);
}

int users_check_saml(struct span certificates, char *why, size_t cap)
{
	BIO *bio = BIO_new_mem_buf(certificates.ptr, (int)certificates.len);
	unsigned n = 0;
	bool weak = false;
	X509 *cert;
	while (bio && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		weak = weak || !is_strong(X509_get0_pubkey(cert));
		X509_free(cert);
		n++;
	}
	BIO_free(bio);
	ERR_clear_error();
	if (n == 0 || weak) {
		snprintf(why, cap,
			n == 0 ? "holds no certificate (PEM)"
			       : "has a certificate whose key is not RSA from 2048 bits or ECDSA from 256");
		return ERR_VALUE;
	}
	return 0;
}
