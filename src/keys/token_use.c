/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/token_parts.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* ---- Signatures ---- */

struct hash {
	uint8_t at[EVP_MAX_MD_SIZE];
	unsigned len;
};

static int hash_of(const struct sign_scheme *scheme, struct span content, struct hash *ret)
{
	const EVP_MD *md = EVP_get_digestbyname(scheme->digest);
	return md && EVP_Digest(content.ptr, content.len, ret->at, &ret->len, md, NULL) == 1 ? 0 : ERR_TLS;
}

static int sign_with(
	struct token_key *k, CK_MECHANISM *how, struct span what, uint8_t *sig, size_t cap, size_t *ret_len)
{
	CK_ULONG len = cap;
	CK_RV rv = k->call->C_SignInit(k->session, how, k->key);
	if (rv == CKR_OK) {
		rv = k->call->C_Sign(k->session, (unsigned char *)(uintptr_t)what.ptr, what.len, sig, &len);
	}
	switch (rv) {
	case CKR_OK:
		*ret_len = len;
		return 0;
	case CKR_MECHANISM_INVALID:
	case CKR_KEY_TYPE_INCONSISTENT:
	case CKR_DATA_INVALID: /* it is not the token's fault what it is asked to sign */
	case CKR_DATA_LEN_RANGE:
		return ERR_TLS;
	default:
		return ERR_SYSTEM;
	}
}

/* RFC 8017 9.2: DigestInfo for SHA-256, SHA-384, SHA-512 differs in two bytes. */
int token_key_sign_hash(struct token_key *k, struct span hash, uint8_t *sig, size_t cap, size_t *ret_len)
{
	if (hash.len > EVP_MAX_MD_SIZE) {
		return ERR_LENGTH;
	}
	uint8_t info[19 + EVP_MAX_MD_SIZE] = {0x30, (uint8_t)(17 + hash.len), 0x30, 0x0d, 0x06, 0x09, 0x60,
		0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
		hash.len == 32   ? 1
		: hash.len == 48 ? 2
				 : 3,
		0x05, 0x00, 0x04, (uint8_t)hash.len};
	memcpy(info + 19, hash.ptr, hash.len);
	CK_MECHANISM how = {CKM_RSA_PKCS, NULL, 0};
	return sign_with(k, &how, span_of(info, 19 + hash.len), sig, cap, ret_len);
}

static int sign_pkcs1(struct token_key *k, const struct sign_scheme *scheme, struct span content,
	uint8_t *sig, size_t cap, size_t *ret_len)
{
	struct hash h;
	int e = hash_of(scheme, content, &h);
	return e < 0 ? e : token_key_sign_hash(k, span_of(h.at, h.len), sig, cap, ret_len);
}

static int sign_pss(struct token_key *k, const struct sign_scheme *scheme, struct span content, uint8_t *sig,
	size_t cap, size_t *ret_len)
{
	struct hash h;
	int e = hash_of(scheme, content, &h);
	if (e < 0) {
		return e;
	}
	CK_RSA_PKCS_PSS_PARAMS p = {.hashAlg = h.len == 32   ? CKM_SHA256
	                                       : h.len == 48 ? CKM_SHA384
	                                                     : CKM_SHA512,
		.mgf = h.len == 32   ? CKG_MGF1_SHA256
	               : h.len == 48 ? CKG_MGF1_SHA384
	                             : CKG_MGF1_SHA512,
		.sLen = h.len};
	CK_MECHANISM how = {CKM_RSA_PKCS_PSS, &p, sizeof(p)};
	return sign_with(k, &how, span_of(h.at, h.len), sig, cap, ret_len);
}

/* A token gives both numbers side by side, TLS wants them in DER. */
static int ecdsa_der(struct span raw, uint8_t *sig, size_t cap, size_t *ret_len)
{
	ECDSA_SIG *s = ECDSA_SIG_new();
	int half = (int)(raw.len / 2), len = -1;
	BIGNUM *r = BN_bin2bn(raw.ptr, half, NULL), *t = BN_bin2bn(raw.ptr + half, half, NULL);
	if (s && r && t && raw.len > 0 && raw.len % 2 == 0 && ECDSA_SIG_set0(s, r, t) == 1) {
		r = t = NULL;
		len = i2d_ECDSA_SIG(s, NULL);
	}
	if (len > 0 && (size_t)len <= cap) {
		len = i2d_ECDSA_SIG(s, &sig);
	} else {
		len = -1;
	}
	BN_free(r);
	BN_free(t);
	ECDSA_SIG_free(s);
	if (len < 0) {
		return ERR_TLS;
	}
	*ret_len = (size_t)len;
	return 0;
}

static int sign_ecdsa(struct token_key *k, const struct sign_scheme *scheme, struct span content,
	uint8_t *sig, size_t cap, size_t *ret_len)
{
	struct hash h;
	uint8_t raw[256];
	size_t len = 0;
	int e = hash_of(scheme, content, &h);
	CK_MECHANISM how = {CKM_ECDSA, NULL, 0};
	e = e < 0 ? e : sign_with(k, &how, span_of(h.at, h.len), raw, sizeof(raw), &len);
	return e < 0 ? e : ecdsa_der(span_of(raw, len), sig, cap, ret_len);
}

int token_key_sign(struct token_key *k, const struct sign_scheme *scheme, struct span content, uint8_t *sig,
	size_t cap, size_t *ret_len)
{
	CK_MECHANISM eddsa = {CKM_EDDSA, NULL, 0};
	switch (scheme->kind) {
	case SIGN_RSA:
		return scheme->pss ? sign_pss(k, scheme, content, sig, cap, ret_len)
		                   : sign_pkcs1(k, scheme, content, sig, cap, ret_len);
	case SIGN_EC:
		return sign_ecdsa(k, scheme, content, sig, cap, ret_len);
	case SIGN_ED25519:
		return sign_with(k, &eddsa, content, sig, cap, ret_len);
	default:
		return ERR_TYPE;
	}
}

/* ---- What is no signature ---- */

int token_secret_mac(struct token_key *k, struct span text, uint8_t ret_mac[TOKEN_MAC])
{
	CK_MECHANISM how = {CKM_SHA256_HMAC, NULL, 0};
	uint8_t mac[TOKEN_MAC];
	size_t len = 0;
	int e = sign_with(k, &how, text, mac, sizeof(mac), &len);
	if (e < 0 || len != sizeof(mac)) {
		return ERR_SYSTEM;
	}
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

/* CKA_EC_POINT is an OCTET STRING in DER; some tokens have its content alone. */
static struct span point_in(struct span value)
{
	bool der =
		value.len > 2 && value.ptr[0] == 0x04 && value.ptr[1] == value.len - 2 && value.ptr[1] < 0x80;
	return der ? span_of(value.ptr + 2, value.len - 2) : value;
}

int token_key_public(
	struct token_key *k, uint8_t *buf, size_t cap, size_t *ret_len, char *why, size_t why_cap)
{
	const CK_OBJECT_HANDLE where[] = {k->key, k->public};
	for (unsigned i = 0; i < ARRAY_LEN(where); i++) {
		uint8_t value[256];
		CK_ATTRIBUTE want = {CKA_EC_POINT, value, sizeof(value)};
		if (where[i] == CK_INVALID_HANDLE ||
			k->call->C_GetAttributeValue(k->session, where[i], &want, 1) != CKR_OK ||
			want.ulValueLen == 0 || want.ulValueLen > sizeof(value)) {
			continue;
		}
		struct span point = point_in(span_of(value, want.ulValueLen));
		if (point.len > cap) {
			return ERR_SPACE;
		}
		memcpy(buf, point.ptr, point.len);
		*ret_len = point.len;
		return 0;
	}
	snprintf(why, why_cap,
		"the token has no public key beside the private one: put it there, with the same label and identifier");
	return ERR_NOT_FOUND;
}

int token_key_dh(struct token_key *k, struct span point, uint8_t ret_secret[TOKEN_SHARED])
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ULONG len = TOKEN_SHARED;
	uint8_t secret[TOKEN_SHARED];
	CK_ATTRIBUTE made[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)},
		{CKA_VALUE_LEN, &len, sizeof(len)}, {CKA_TOKEN, &no, sizeof(no)},
		{CKA_SENSITIVE, &no, sizeof(no)}, {CKA_EXTRACTABLE, &yes, sizeof(yes)}};
	CK_ECDH1_DERIVE_PARAMS params = {CKD_NULL, 0, NULL, point.len, (unsigned char *)(uintptr_t)point.ptr};
	CK_MECHANISM how = {CKM_ECDH1_DERIVE, &params, sizeof(params)};
	CK_ATTRIBUTE want = {CKA_VALUE, secret, sizeof(secret)};
	CK_OBJECT_HANDLE shared = CK_INVALID_HANDLE;
	CK_RV rv = k->call->C_DeriveKey(k->session, &how, k->key, made, ARRAY_LEN(made), &shared);
	if (rv == CKR_OK) {
		rv = k->call->C_GetAttributeValue(k->session, shared, &want, 1);
		(void)k->call->C_DestroyObject(k->session, shared);
	}
	bool ok = rv == CKR_OK && want.ulValueLen == sizeof(secret);
	if (ok) {
		memcpy(ret_secret, secret, sizeof(secret));
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	if (ok) {
		return 0;
	}
	return rv == CKR_OK || rv == CKR_KEY_FUNCTION_NOT_PERMITTED || rv == CKR_MECHANISM_INVALID ||
	                       rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_KEY_TYPE_INCONSISTENT
	               ? ERR_DENIED
	               : ERR_SYSTEM;
}

int token_key_decrypt(struct token_key *k, struct span sealed, unsigned hash,
	uint8_t ret_plain[TOKEN_PLAIN_MOST], size_t *ret_len)
{
	CK_RSA_PKCS_OAEP_PARAMS p = {.hashAlg = hash == 20   ? CKM_SHA_1
	                                        : hash == 32 ? CKM_SHA256
	                                        : hash == 48 ? CKM_SHA384
	                                                     : CKM_SHA512,
		.mgf = hash == 20   ? CKG_MGF1_SHA1
	               : hash == 32 ? CKG_MGF1_SHA256
	               : hash == 48 ? CKG_MGF1_SHA384
	                            : CKG_MGF1_SHA512,
		.source = CKZ_DATA_SPECIFIED};
	CK_MECHANISM how = {CKM_RSA_PKCS, NULL, 0}, oaep = {CKM_RSA_PKCS_OAEP, &p, sizeof(p)};
	uint8_t plain[TOKEN_PLAIN_MOST];
	CK_ULONG len = sizeof(plain);
	CK_RV rv = k->call->C_DecryptInit(k->session, hash ? &oaep : &how, k->key);
	bool begun = rv == CKR_OK;
	if (begun) {
		rv = k->call->C_Decrypt(
			k->session, (unsigned char *)(uintptr_t)sealed.ptr, sealed.len, plain, &len);
	}
	if (rv == CKR_OK) {
		memcpy(ret_plain, plain, len);
		*ret_len = len;
	}
	OPENSSL_cleanse(plain, sizeof(plain));
	switch (rv) {
	case CKR_OK:
		return 0;
	case CKR_MECHANISM_INVALID:
	case CKR_MECHANISM_PARAM_INVALID:
	case CKR_ARGUMENTS_BAD:
		return begun ? ERR_DENIED : ERR_UNSUPPORTED;
	case CKR_DEVICE_ERROR:
	case CKR_DEVICE_REMOVED:
	case CKR_SESSION_HANDLE_INVALID:
		return ERR_SYSTEM;
	default:
		return ERR_DENIED;
	}
}
