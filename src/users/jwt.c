/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "users/users.h"

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * JSON Web Tokens (RFC 7519) in compact form (RFC 7515 7.1), signed with RS256, ES256 or EdDSA by a key of the JWKS.
 * The key, not the token, says which algorithm is used: a token that says `none`, or HS256 with a public key for a
 * secret, finds no key that fits. Encrypted tokens, `crit` extensions and keys that the token brings along are refused.
 */

#define TOKEN_MOST 65535

/* Clocks of issuers and ours. */
#define SKEW_S 60

/* ---- base64url, RFC 4648 5 without padding ---- */

static int value64(uint8_t c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *at = c ? strchr(alphabet, c) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

/* Strict: bits that belong to no byte must be zero, so that one value has one text. */
static int decode(struct span text, uint8_t *to, size_t cap, size_t *ret_len)
{
	uint32_t bits = 0;
	unsigned n = 0;
	size_t len = 0;
	for (size_t i = 0; i < text.len; i++) {
		int v = value64(text.ptr[i]);
		if (v < 0) {
			return ERR_VALUE;
		}
		bits = bits << 6 | (uint32_t)v;
		n += 6;
		if (n >= 8) {
			n -= 8;
			if (len == cap) {
				return ERR_SPACE;
			}
			to[len++] = (uint8_t)(bits >> n);
			bits &= (1u << n) - 1;
		}
	}
	*ret_len = len;
	return n >= 6 || bits != 0 ? ERR_VALUE : 0;
}

static json_t *decode_json(struct span text)
{
	uint8_t *bytes = malloc(text.len + 1);
	size_t len = 0;
	json_t *o = NULL;
	if (bytes && decode(text, bytes, text.len, &len) == 0) {
		o = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL);
	}
	free(bytes);
	if (!json_is_object(o)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

/* ---- Keys, RFC 7517, 7518, 8037 ---- */

struct number {
	uint8_t at[1024];
	size_t len;
};

static bool get_number(const json_t *jwk, const char *name, struct number *ret)
{
	const char *text = json_string_value(json_object_get(jwk, name));
	return text && decode(span_str(text), ret->at, sizeof(ret->at), &ret->len) == 0 && ret->len > 0;
}

static EVP_PKEY *from_params(const char *kind, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	EVP_PKEY *key = NULL;
	if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
		key = NULL;
	}
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return key;
}

static EVP_PKEY *rsa_key(const json_t *jwk)
{
	static struct number n, e;
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;
	if (build && get_number(jwk, "n", &n) && get_number(jwk, "e", &e)) {
		BIGNUM *bn = BN_bin2bn(n.at, (int)n.len, NULL), *be = BN_bin2bn(e.at, (int)e.len, NULL);
		if (bn && be && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
			OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be) == 1) {
			key = from_params("RSA", build);
		}
		BN_free(bn);
		BN_free(be);
	}
	OSSL_PARAM_BLD_free(build);
	if (key && EVP_PKEY_get_bits(key) < 2048) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

static EVP_PKEY *ec_key(const json_t *jwk)
{
	static struct number x, y;
	const char *curve = json_string_value(json_object_get(jwk, "crv"));
	uint8_t point[65] = {4};
	EVP_PKEY *key = NULL;
	if (!curve || strcmp(curve, "P-256") != 0 || !get_number(jwk, "x", &x) || !get_number(jwk, "y", &y) ||
		x.len != 32 || y.len != 32) {
		return NULL;
	}
	memcpy(point + 1, x.at, 32);
	memcpy(point + 33, y.at, 32);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	if (build && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
		OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1) {
		key = from_params("EC", build);
	}
	OSSL_PARAM_BLD_free(build);
	return key;
}

static EVP_PKEY *ed_key(const json_t *jwk)
{
	static struct number x;
	const char *curve = json_string_value(json_object_get(jwk, "crv"));
	if (!curve || strcmp(curve, "Ed25519") != 0 || !get_number(jwk, "x", &x) || x.len != 32) {
		return NULL;
	}
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.at, x.len);
}

static const struct algorithm {
	const char *alg, *kty;
	EVP_PKEY *(*key)(const json_t *jwk);
} algorithms[] = {{"RS256", "RSA", rsa_key}, {"ES256", "EC", ec_key}, {"EdDSA", "OKP", ed_key}};

/* What this key signs with; NULL: nothing that is known. */
static const struct algorithm *algorithm_of(const json_t *jwk)
{
	const char *kty = json_string_value(json_object_get(jwk, "kty")),
		   *alg = json_string_value(json_object_get(jwk, "alg")),
		   *use = json_string_value(json_object_get(jwk, "use"));
	for (unsigned i = 0; kty && i < ARRAY_LEN(algorithms); i++) {
		const struct algorithm *a = &algorithms[i];
		if (strcmp(a->kty, kty) == 0 && (!alg || strcmp(a->alg, alg) == 0) &&
			(!use || strcmp(use, "sig") == 0)) {
			return a;
		}
	}
	return NULL;
}

/* ---- Signatures ---- */

/* RFC 7518 3.4: both numbers side by side; OpenSSL wants DER. */
static bool ecdsa_to_der(struct span raw, uint8_t *der, size_t cap, size_t *ret_len)
{
	if (raw.len != 64 || cap < 80) {
		return false;
	}
	ECDSA_SIG *s = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw.ptr, 32, NULL), *t = BN_bin2bn(raw.ptr + 32, 32, NULL);
	int len = -1;
	if (s && r && t && ECDSA_SIG_set0(s, r, t) == 1) {
		r = t = NULL;
		len = i2d_ECDSA_SIG(s, &der);
	}
	BN_free(r);
	BN_free(t);
	ECDSA_SIG_free(s);
	*ret_len = len > 0 ? (size_t)len : 0;
	return len > 0;
}

static bool is_signed(const struct algorithm *a, const json_t *jwk, struct span content, struct span sig)
{
	uint8_t der[128];
	size_t der_len = 0;
	EVP_PKEY *key = a->key(jwk);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (strcmp(a->alg, "ES256") == 0) {
		sig = ecdsa_to_der(sig, der, sizeof(der), &der_len) ? span_of(der, der_len)
		                                                    : span_of(NULL, 0);
	}
	bool ed = strcmp(a->alg, "EdDSA") == 0;
	bool ok = key && ctx && sig.len > 0 &&
	          EVP_DigestVerifyInit_ex(ctx, NULL, ed ? NULL : "SHA256", NULL, NULL, key, NULL) == 1 &&
	          EVP_DigestVerify(ctx, sig.ptr, sig.len, content.ptr, content.len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return ok;
}

static bool any_key_signed(struct span jwks, const json_t *head, struct span content, struct span sig)
{
	json_t *set = json_loadb((const char *)jwks.ptr, jwks.len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *keys = json_object_get(set, "keys");
	const char *alg = json_string_value(json_object_get(head, "alg")),
		   *kid = json_string_value(json_object_get(head, "kid"));
	bool found = false;
	for (size_t i = 0; alg && !found && i < json_array_size(keys); i++) {
		const json_t *jwk = json_array_get(keys, i);
		const char *id = json_string_value(json_object_get(jwk, "kid"));
		const struct algorithm *a = algorithm_of(jwk);
		if (a && strcmp(a->alg, alg) == 0 && (!kid || (id && strcmp(id, kid) == 0))) {
			found = is_signed(a, jwk, content, sig);
		}
	}
	json_decref(set);
	return found;
}

/* ---- Claims ---- */

static bool is_text(const json_t *claims, const char *name, const char *wanted)
{
	const char *text = json_string_value(json_object_get(claims, name));
	return text && strcmp(text, wanted) == 0;
}

/* RFC 7519 4.1.3: one, or a list. */
static bool has_audience(const json_t *claims, const char *wanted)
{
	const json_t *aud = json_object_get(claims, "aud");
	for (size_t i = 0; i < json_array_size(aud); i++) {
		const char *text = json_string_value(json_array_get(aud, i));
		if (text && strcmp(text, wanted) == 0) {
			return true;
		}
	}
	return is_text(claims, "aud", wanted);
}

/* NULL: in time. A token without an end is none that can be taken. */
static const char *time_fault(const json_t *claims, int64_t now_s)
{
	const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
	if (!json_is_number(exp)) {
		return "its token says no end (`exp`)";
	}
	if (json_number_value(exp) <= (double)(now_s - SKEW_S)) {
		return "its token has expired";
	}
	if (nbf && (!json_is_number(nbf) || json_number_value(nbf) > (double)(now_s + SKEW_S))) {
		return "its token is not valid yet (`nbf`)";
	}
	return NULL;
}

static const char *claims_fault(const struct proof_request *r, const json_t *claims)
{
	if (!is_text(claims, "iss", r->config->jwt_issuer)) {
		return "its token is by another issuer (`iss`)";
	}
	if (!has_audience(claims, r->config->jwt_audience)) {
		return "its token is for another audience (`aud`)";
	}
	return time_fault(claims, r->now_s);
}

static void take_claims(const struct proof_request *r, const json_t *claims, struct proof *ret)
{
	const json_t *name = json_object_get(claims, r->config->jwt_name),
		     *groups = json_object_get(claims, r->config->jwt_groups);
	const char *fault = claims_fault(r, claims);
	if (fault || !json_is_string(name)) {
		proof_refuse(ret, fault ? fault : "its token names no user");
		return;
	}
	*ret = (struct proof){0};
	if (!proof_set_name(ret, json_string_value(name), json_string_length(name))) {
		return;
	}
	for (size_t i = 0; i < json_array_size(groups); i++) {
		const json_t *g = json_array_get(groups, i);
		if (json_is_string(g)) {
			proof_add_group(ret, json_string_value(g), json_string_length(g));
		}
	}
}

/* Header, claims, signature; exactly two dots. */
static bool split(struct span token, struct span part[3])
{
	for (unsigned i = 0; i < 3; i++) {
		const uint8_t *end = token.len > 0 ? memchr(token.ptr, '.', token.len) : NULL;
		if ((end == NULL) != (i == 2)) {
			return false;
		}
		size_t n = end ? (size_t)(end - token.ptr) : token.len;
		part[i] = span_of(token.ptr, n);
		token = end ? span_of(token.ptr + n + 1, token.len - n - 1) : span_of(NULL, 0);
	}
	return true;
}

void users_jwt(const struct proof_request *r, struct proof *ret)
{
	struct span part[3], token = r->primary;
	uint8_t sig[1024];
	size_t sig_len = 0;
	proof_refuse(ret, "its token is not signed by a key of the issuer, with an algorithm that is known");
	if (token.len > TOKEN_MOST || !split(token, part)) {
		proof_refuse(ret, "what it sent is no JSON Web Token");
		return;
	}
	json_t *head = decode_json(part[0]), *claims = decode_json(part[1]);
	/* RFC 7515 4.1.11: what must be understood and is not. */
	if (!head || !claims || json_object_get(head, "crit") ||
		decode(part[2], sig, sizeof(sig), &sig_len) != 0) {
		proof_refuse(ret, "its JSON Web Token cannot be read");
	} else if (any_key_signed(r->files[FILE_JWT_KEYS], head,
			   span_of(token.ptr, part[0].len + 1 + part[1].len), span_of(sig, sig_len))) {
		take_claims(r, claims, ret);
	}
	json_decref(head);
	json_decref(claims);
}

int users_check_jwks(struct span file, char *why, size_t cap)
{
	json_t *set = json_loadb((const char *)file.ptr, file.len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *keys = json_object_get(set, "keys");
	unsigned good = 0;
	for (size_t i = 0; i < json_array_size(keys); i++) {
		const struct algorithm *a = algorithm_of(json_array_get(keys, i));
		EVP_PKEY *key = a ? a->key(json_array_get(keys, i)) : NULL;
		good += key != NULL;
		EVP_PKEY_free(key);
	}
	ERR_clear_error();
	json_decref(set);
	if (good == 0) {
		snprintf(why, cap,
			"holds no key for RS256 (2048 bits or more), ES256 or EdDSA (a JWKS, RFC 7517)");
		return ERR_VALUE;
	}
	return 0;
}
