/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/profile.h"

#include <openssl/ec.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define B12  (1u << PROFILE_BCP195)
#define B13  (1u << PROFILE_BCP195_MODIFIED)
#define B10  (1u << PROFILE_LEGACY_NON_DOWNGRADING)
#define LIVE (1u << PROFILE_LIVE)

/*
 * B.12: TLS 1.2 by RFC 9325 4.2, TLS 1.3 with OpenSSL's own AEADs. B.13: its required fifteen (the optional ones are
 * Camellia and DHE, which nobody needs). B.10: RFC 7525 4.2, which has DHE, and the same with ECDSA.
 */
const struct profile_suite profile_suites[] = {
	{"TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", 0x0304, B12 | B13 | B10},
	{"TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256", 0x0304, B12 | B13 | B10},
	{"TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", 0x0304, B12 | B13 | B10},
	{"TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_SHA256", 0x0304, B13},
	{"TLS_AES_128_CCM_8_SHA256", "TLS_AES_128_CCM_8_SHA256", 0x0304, B13},
	{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", 0x0303, B12 | B13 | B10},
	{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", 0x0303, B12 | B13 | B10},
	{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", 0x0303, B13},
	{"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305", 0x0303, B13},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", 0x0303, B12 | B13 | B10},
	{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", 0x0303, B12 | B13 | B10},
	{"TLS_ECDHE_ECDSA_WITH_AES_256_CCM", "ECDHE-ECDSA-AES256-CCM", 0x0303, B13},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "ECDHE-ECDSA-AES128-CCM", 0x0303, B13},
	{"TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8", "ECDHE-ECDSA-AES256-CCM8", 0x0303, B13},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ECDHE-ECDSA-AES128-CCM8", 0x0303, B13},
	{"TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384", 0x0303, B10},
	{"TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "DHE-RSA-AES128-GCM-SHA256", 0x0303, B10},
};
const size_t profile_suites_count = ARRAY_LEN(profile_suites);

/* What is not a matter of suites. */
struct parameters {
	const char *groups;
	const char *signatures;
};

/*
 * X25519 first, as in OpenSSL's own list: a handshake costs 0.08 ms less a side than with P-256, which devices without
 * X25519 have; P-384 costs 1.5 ms more. B.13 asks for ECDHE keys of 256 bits or more, which X25519's 255 are not, and
 * permits ECDSA and RSA with SHA-256 and SHA-384 alone.
 */
static const struct parameters parameters[PROFILE_COUNT] = {
	[PROFILE_LIVE] = {"X25519:P-256:P-384", "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:"
						"rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
						"rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"
						"RSA+SHA256:RSA+SHA384:RSA+SHA512"},
	[PROFILE_BCP195_MODIFIED] = {"P-256:P-384:P-521",
		"ECDSA+SHA256:ECDSA+SHA384:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:"
		"rsa_pss_pss_sha256:rsa_pss_pss_sha384:RSA+SHA256:RSA+SHA384"},
};

static const struct parameters *parameters_of(enum tls_profile profile)
{
	return parameters[profile].groups ? &parameters[profile] : &parameters[PROFILE_LIVE];
}

/*
 * PS3.15 B.13, certificates: ECC from 256 bits, hashes from SHA-256. Security level 2 sees to RSA's 2048 bits and to
 * SHA-1, and would let P-224 and SHA-224 pass. Held to in every profile.
 */
int profile_certificate_fault(X509 *cert, bool leaf)
{
	int hash = NID_undef;
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	if (key && EVP_PKEY_base_id(key) == EVP_PKEY_EC && EVP_PKEY_bits(key) < 256) {
		return leaf ? X509_V_ERR_EE_KEY_TOO_SMALL : X509_V_ERR_CA_KEY_TOO_SMALL;
	}
	/* Nobody relies on a signature that a certificate has from itself. */
	bool own = (X509_get_extension_flags(cert) & EXFLAG_SS) != 0;
	if (!own && X509_get_signature_info(cert, &hash, NULL, NULL, NULL) == 1 && hash == NID_sha224) {
		return X509_V_ERR_CA_MD_TOO_WEAK;
	}
	return X509_V_OK;
}

static int list_suites(enum tls_profile profile, uint16_t version, char *buf, size_t cap)
{
	size_t used = 0;
	buf[0] = 0;
	for (size_t i = 0; i < profile_suites_count; i++) {
		const struct profile_suite *s = &profile_suites[i];
		if (s->version != version || !(s->profiles & 1u << profile)) {
			continue;
		}
		int n = snprintf(buf + used, cap - used, "%s%s", used ? ":" : "", s->openssl);
		if (n < 0 || (size_t)n >= cap - used) {
			return ERR_SPACE;
		}
		used += (size_t)n;
	}
	return 0;
}

int profile_apply(enum tls_profile profile, SSL_CTX *context)
{
	char tls12[1024], tls13[256];
	profile = profile == PROFILE_LIVE ? PROFILE_BCP195 : profile;
	const struct parameters *p = parameters_of(profile);
	if (list_suites(profile, 0x0303, tls12, sizeof(tls12)) < 0 ||
		list_suites(profile, 0x0304, tls13, sizeof(tls13)) < 0) {
		return ERR_TLS;
	}
	SSL_CTX_set_security_level(context, 2); /* 112 bits: RSA and DH from 2048, no SHA-1 signatures */
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1 ||
		SSL_CTX_set_cipher_list(context, tls12) != 1 ||
		SSL_CTX_set_ciphersuites(context, tls13) != 1 ||
		SSL_CTX_set1_groups_list(context, p->groups) != 1 ||
		SSL_CTX_set1_sigalgs_list(context, p->signatures) != 1 ||
		SSL_CTX_set1_client_sigalgs_list(context, p->signatures) != 1 ||
		SSL_CTX_set_dh_auto(context, profile == PROFILE_LEGACY_NON_DOWNGRADING) != 1) {
		return ERR_TLS;
	}
	return 0;
}

bool profile_needs_both_keys(enum tls_profile profile)
{
	return profile == PROFILE_BCP195_MODIFIED;
}

/* B.13: 256 bits or more. A DHE key exchange has no group here; its suites are B.10's alone. */
static bool group_fits(int nid, unsigned profiles)
{
	bool nist = nid == NID_X9_62_prime256v1 || nid == NID_secp384r1 || nid == NID_secp521r1;
	return nist || !(profiles & B13);
}

unsigned profile_outside(SSL *ssl)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
	unsigned kept = 0;
	for (size_t i = 0; cipher && i < profile_suites_count; i++) {
		if (strcmp(SSL_CIPHER_get_name(cipher), profile_suites[i].openssl) == 0) {
			kept = profile_suites[i].profiles;
		}
	}
	if (!group_fits(SSL_get_negotiated_group(ssl), kept)) {
		kept &= ~B13;
	}
	kept |= kept & (B12 | B13) ? LIVE : 0;
	return ((1u << PROFILE_COUNT) - 1) & ~kept;
}
