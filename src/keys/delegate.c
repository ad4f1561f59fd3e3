/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/delegate.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* One of the trust anchors has issued it, and is an authority. */
static bool is_issued(X509 *cert, const struct span *trust, size_t n_trust, bool *ret_same_name)
{
	bool found = false;
	*ret_same_name = false;
	(void)ERR_set_mark();
	for (size_t i = 0; i < n_trust; i++) {
		BIO *bio CLEANUP(x509_bio_freep) = x509_bio(trust[i]);
		for (X509 *anchor = NULL; bio && x509_next(bio, &anchor) == 0; X509_free(anchor)) {
			const X509_NAME *name = X509_get_subject_name(anchor);
			*ret_same_name |= X509_NAME_cmp(name, X509_get_subject_name(cert)) == 0;
			found |= X509_NAME_cmp(name, X509_get_issuer_name(cert)) == 0 &&
			         X509_check_ca(anchor) == 1 &&
			         X509_verify(cert, X509_get0_pubkey(anchor)) == 1;
		}
	}
	(void)ERR_pop_to_mark();
	return found;
}

const char *delegate_fault(X509 *cert, const struct span *trust, size_t n_trust)
{
	bool same_name;
	bool issued = is_issued(cert, trust, n_trust, &same_name);
	return X509_get_key_usage(cert) != X509v3_KU_CRL_SIGN
	               ? "is not for revocation lists alone: its key usage must be cRLSign, and nothing else"
	       : X509_check_ca(cert) != 0                        ? "is that of an authority"
	       : x509_hash_is_weak(X509_get_signature_nid(cert)) ? "is signed with a hash weaker than SHA-256"
	       : same_name                       ? "has the name of an authority of tls: trust"
	       : !issued                         ? "is signed by no authority of tls: trust"
	       : !X509_get0_subject_key_id(cert) ? "has no subject key identifier"
	                                         : NULL;
}

const struct sign_scheme *delegate_scheme(const EVP_PKEY *key, struct span *ret_algorithm)
{
	/* RFC 4055 5, RFC 5758 3.2, RFC 8410 3 */
	static const uint8_t rsa[] = {0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0},
			     ec_256[] = {0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2},
			     ec_384[] = {0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3},
			     ec_512[] = {0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4},
			     edwards[] = {0x30, 5, 6, 3, 0x2b, 0x65, 0x70};
	static const struct {
		int type, bits_most;
		uint16_t scheme;
		struct span algorithm;
	} ways[] = {
		{EVP_PKEY_RSA, 16384, 0x0401, {rsa, sizeof(rsa)}},
		{EVP_PKEY_EC, 256, 0x0403, {ec_256, sizeof(ec_256)}},
		{EVP_PKEY_EC, 384, 0x0503, {ec_384, sizeof(ec_384)}},
		{EVP_PKEY_EC, 521, 0x0603, {ec_512, sizeof(ec_512)}},
		{EVP_PKEY_ED25519, 256, 0x0807, {edwards, sizeof(edwards)}},
	};
	for (unsigned i = 0; i < ARRAY_LEN(ways); i++) {
		if (EVP_PKEY_get_base_id(key) == ways[i].type &&
			EVP_PKEY_get_bits(key) <= ways[i].bits_most) {
			*ret_algorithm = ways[i].algorithm;
			return sign_scheme_of(ways[i].scheme);
		}
	}
	return NULL;
}
