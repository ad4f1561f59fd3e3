/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/private.h"
#include "keys/key_file.h"
#include "keys/token.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct private_key {
	enum sign_kind kind;
	EVP_PKEY *pkey;          /* of a file */
	struct token_key *token; /* or on a token */
};

static int kind_of(const EVP_PKEY *key, enum sign_kind *ret_kind)
{
	if (EVP_PKEY_is_a(key, "RSA")) {
		*ret_kind = SIGN_RSA;
	} else if (EVP_PKEY_is_a(key, "EC")) {
		*ret_kind = SIGN_EC;
	} else if (EVP_PKEY_is_a(key, "ED25519")) {
		*ret_kind = SIGN_ED25519;
	} else {
		return ERR_UNSUPPORTED;
	}
	return 0;
}

/* ---- A file ---- */

struct asking {
	const struct private_key_asks *asks;
	bool asked; /* the key is encrypted */
	bool answer;
};

static int ask(char *buf, int cap, int writing, void *arg)
{
	struct asking *a = arg;
	bool again = a->asked; /* OpenSSL tries one decoder after the other, and may ask for each */
	(void)writing;
	a->asked = true;
	if (again || !a->asks) {
		return -1;
	}
	a->answer = a->asks->ask(a->asks->arg, buf, (size_t)cap);
	return a->answer ? (int)strlen(buf) : -1;
}

static int complain_of_file(const struct asking *a, const char *path, int e, char *why, size_t cap)
{
	if (!a->asks || !a->asked) {
		snprintf(why, cap, "%s holds no private key that can be read (PEM%s)", path,
			a->asks ? "" : ", without a passphrase");
		return e;
	}
	if (!a->answer) {
		snprintf(why, cap, "there was no passphrase for %s%s", path, a->asks->otherwise);
		return ERR_MISSING;
	}
	snprintf(why, cap, "the passphrase does not open %s", path);
	return ERR_DENIED;
}

static int open_file(
	const char *path, const struct private_key_asks *asks, EVP_PKEY **ret_key, char *why, size_t cap)
{
	struct key_file f CLEANUP(key_file_done) = {0};
	struct asking a = {.asks = asks};
	int e = key_file_read(path, "private key", S_IRWXO, &f, why, cap);
	if (e < 0) {
		return e;
	}
	e = x509_private_key_asking(span_of(f.bytes, f.len), ask, &a, ret_key);
	ERR_clear_error();
	return e < 0 ? complain_of_file(&a, path, e, why, cap) : 0;
}

static int sign_with_file(EVP_PKEY *key, const struct sign_scheme *scheme, struct span content, uint8_t *sig,
	size_t cap, size_t *ret_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	size_t len = cap;
	bool ok = ctx && EVP_DigestSignInit_ex(ctx, &pctx, scheme->digest, NULL, NULL, key, NULL) == 1;
	if (ok && scheme->pss) {
		ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	}
	ok = ok && EVP_DigestSign(ctx, sig, &len, content.ptr, content.len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	if (!ok) {
		return ERR_TLS;
	}
	*ret_len = len;
	return 0;
}

/* ---- Either ---- */

bool private_key_is_token(const char *where)
{
	return strncmp(where, "pkcs11:", 7) == 0;
}

static int verify(EVP_PKEY *public, const struct sign_scheme *scheme, struct span content, struct span sig)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	bool ok = ctx && EVP_DigestVerifyInit_ex(ctx, &pctx, scheme->digest, NULL, NULL, public, NULL) == 1;
	if (ok && scheme->pss) {
		ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	}
	ok = ok && EVP_DigestVerify(ctx, sig.ptr, sig.len, content.ptr, content.len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : ERR_DENIED;
}

/* By a signature over a text that is no structure of TLS: it holds for keys that show nothing else of themselves. */
static int prove(const struct private_key *key, EVP_PKEY *public, const char *where, char *why, size_t cap)
{
	static const uint16_t codes[] = {[SIGN_RSA] = 0x0804, [SIGN_EC] = 0x0403, [SIGN_ED25519] = 0x0807};
	static const char text[] = "Gantry's key holder proves a key to itself";
	const struct sign_scheme *scheme = sign_scheme_of(codes[key->kind]);
	uint8_t sig[PRIVATE_KEY_SIGNATURE_MOST];
	size_t len;
	int e = private_key_sign(key, scheme, span_str(text), sig, sizeof(sig), &len);
	if (e < 0) {
		snprintf(why, cap, "the key %s cannot sign with %s", where,
			scheme->pss      ? "RSA-PSS"
			: scheme->digest ? "ECDSA"
					 : "Ed25519");
		return e;
	}
	e = verify(public, scheme, span_str(text), span_of(sig, len));
	if (e < 0) {
		snprintf(why, cap, "the key %s does not belong to its certificate or public half", where);
	}
	return e;
}

static int leaf_key(struct span pem, EVP_PKEY **ret_public)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	X509 *leaf CLEANUP(x509_freep) = NULL;
	if (!bio) {
		return ERR_NO_MEMORY;
	}
	int e = x509_next(bio, &leaf);
	EVP_PKEY *public = e == 0 ? X509_get_pubkey(leaf) : NULL;
	ERR_clear_error();
	if (!public) {
		return ERR_VALUE;
	}
	*ret_public = public;
	return 0;
}

static int open_either(const char *where, const struct private_key_asks *asks, EVP_PKEY *public,
	struct private_key *key, char *why, size_t cap)
{
	int e = kind_of(public, &key->kind);
	if (e < 0) {
		snprintf(why, cap,
			"the certificate of %s has a key of a kind that is not supported: RSA, ECDSA and "
			"Ed25519 are",
			where);
		return e;
	}
	if (private_key_is_token(where)) {
		return token_key_open(where, key->kind, &key->token, why, cap);
	}
	enum sign_kind kind;
	e = open_file(where, asks, &key->pkey, why, cap);
	if (e == 0 && (kind_of(key->pkey, &kind) < 0 || kind != key->kind)) {
		snprintf(why, cap, "the key %s does not belong to its certificate", where);
		e = ERR_DENIED;
	}
	return e;
}

static int done_opening(int e, struct private_key *key, struct private_key **ret_key, char *why, size_t cap)
{
	if (e < 0) {
		private_key_free(key);
		if (!why[0]) {
			snprintf(why, cap, "%s", err_str(e));
		}
		return e;
	}
	*ret_key = key;
	return 0;
}

int private_key_open(
	const char *where, struct span certificate_pem, struct private_key **ret_key, char *why, size_t cap)
{
	return private_key_open_asking(where, certificate_pem, NULL, ret_key, why, cap);
}

int private_key_open_asking(const char *where, struct span certificate_pem,
	const struct private_key_asks *asks, struct private_key **ret_key, char *why, size_t cap)
{
	EVP_PKEY *public CLEANUP(x509_pkey_freep) = NULL;
	struct private_key *key = calloc(1, sizeof(*key));
	why[0] = 0;
	int e = key ? leaf_key(certificate_pem, &public) : ERR_NO_MEMORY;
	if (e == ERR_VALUE) {
		snprintf(why, cap, "the certificate of %s cannot be read", where);
	}
	e = e < 0 ? e : open_either(where, asks, public, key, why, cap);
	e = e < 0 ? e : prove(key, public, where, why, cap);
	return done_opening(e, key, ret_key, why, cap);
}

static int open_ed25519(
	const char *where, struct private_key *key, uint8_t public[ED25519_PUBLIC], char *why, size_t cap)
{
	uint8_t point[128]; /* of any curve, to be told what it is */
	size_t len = sizeof(point);
	int e = private_key_is_token(where) ? token_key_open(where, SIGN_ED25519, &key->token, why, cap)
	                                    : open_file(where, NULL, &key->pkey, why, cap);
	if (e < 0) {
		return e;
	}
	if (key->token) {
		e = token_key_public(key->token, point, sizeof(point), &len, why, cap);
		e = e == 0 && len != ED25519_PUBLIC ? ERR_UNSUPPORTED : e;
	} else if (!EVP_PKEY_is_a(key->pkey, "ED25519") ||
		   EVP_PKEY_get_raw_public_key(key->pkey, point, &len) != 1) {
		e = ERR_UNSUPPORTED;
	}
	if (e == 0) {
		memcpy(public, point, ED25519_PUBLIC);
	}
	if (e == ERR_UNSUPPORTED) {
		snprintf(why, cap, "%s is no Ed25519 key", where);
	}
	return e;
}

int private_key_open_ed25519(const char *where, struct private_key **ret_key,
	uint8_t ret_public[ED25519_PUBLIC], char *why, size_t cap)
{
	EVP_PKEY *pkey CLEANUP(x509_pkey_freep) = NULL;
	struct private_key *key = calloc(1, sizeof(*key));
	uint8_t public[ED25519_PUBLIC];
	why[0] = 0;
	int e = key ? 0 : ERR_NO_MEMORY;
	if (e == 0) {
		key->kind = SIGN_ED25519;
		e = open_ed25519(where, key, public, why, cap);
	}
	if (e == 0) {
		pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, sizeof(public));
		e = pkey ? prove(key, pkey, where, why, cap) : ERR_NO_MEMORY;
	}
	e = done_opening(e, key, ret_key, why, cap);
	if (e == 0) {
		memcpy(ret_public, public, sizeof(public));
	}
	return e;
}

void private_key_free(struct private_key *key)
{
	if (key) {
		EVP_PKEY_free(key->pkey);
		token_key_free(key->token);
		free(key);
	}
}

enum sign_kind private_key_kind(const struct private_key *key)
{
	return key->kind;
}

int private_key_sign(const struct private_key *key, const struct sign_scheme *scheme, struct span content,
	uint8_t *sig, size_t cap, size_t *ret_len)
{
	if (scheme->kind != key->kind) {
		return ERR_TYPE;
	}
	return key->token ? token_key_sign(key->token, scheme, content, sig, cap, ret_len)
	                  : sign_with_file(key->pkey, scheme, content, sig, cap, ret_len);
}

static int sign_hash_with_file(EVP_PKEY *key, const struct sign_scheme *scheme, struct span hash,
	uint8_t *sig, size_t cap, size_t *ret_len)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	size_t len = cap;
	bool ok = c && EVP_PKEY_sign_init(c) == 1 &&
	          EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
	          EVP_PKEY_CTX_set_signature_md(c, EVP_get_digestbyname(scheme->digest)) == 1 &&
	          EVP_PKEY_sign(c, sig, &len, hash.ptr, hash.len) == 1;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	if (!ok) {
		return ERR_TLS;
	}
	*ret_len = len;
	return 0;
}

int private_key_sign_hash(const struct private_key *key, const struct sign_scheme *scheme, struct span hash,
	uint8_t *sig, size_t cap, size_t *ret_len)
{
	if (key->kind != SIGN_RSA || scheme->kind != SIGN_RSA || scheme->pss) {
		return ERR_TYPE;
	}
	return key->token ? token_key_sign_hash(key->token, hash, sig, cap, ret_len)
	                  : sign_hash_with_file(key->pkey, scheme, hash, sig, cap, ret_len);
}
