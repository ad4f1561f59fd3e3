/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/held.h"
#include "keys/link.h"
#include "keys/private.h"
#include "keys/x509.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#define PROVIDER "gantry"

/* What held_key() hands to EVP_PKEY_fromdata: where its key is described. Meaningless outside this process. */
#define PARAM_HELD "gantry-held"

struct held {
	enum sign_kind kind;
	EVP_PKEY *public;
	bool signs; /* false: a public key alone, that OpenSSL has brought here to be compared */
	unsigned number;
	bool server;
};

/* ---- Key management ---- */

static void *new_of(enum sign_kind kind)
{
	struct held *k = calloc(1, sizeof(*k));
	if (k) {
		k->kind = kind;
	}
	return k;
}

static void *new_rsa(void *provctx)
{
	return new_of(SIGN_RSA);
}

static void *new_ec(void *provctx)
{
	return new_of(SIGN_EC);
}

static void *new_ed25519(void *provctx)
{
	return new_of(SIGN_ED25519);
}

static void held_free(void *key)
{
	struct held *k = key;
	if (k) {
		EVP_PKEY_free(k->public);
		free(k);
	}
}

static int held_has(const void *key, int selection)
{
	const struct held *k = key;
	return k && k->public && (k->signs || !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY));
}

static int held_match(const void *a, const void *b, int selection)
{
	const struct held *x = a, *y = b;
	return x->public && y->public && EVP_PKEY_eq(x->public, y->public) == 1;
}

static int held_import(void *key, int selection, const OSSL_PARAM params[])
{
	static const char *const names[] = {[SIGN_RSA] = "RSA", [SIGN_EC] = "EC", [SIGN_ED25519] = "ED25519"};
	struct held *k = key;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, PARAM_HELD);
	if (p && p->data_size == sizeof(struct held)) {
		const struct held *from = p->data;
		if (EVP_PKEY_up_ref(from->public) != 1) {
			return 0;
		}
		*k = *from;
		return 1;
	}
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, names[k->kind], "provider=default");
	int ok =
		ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, &k->public, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)(uintptr_t)params) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static const OSSL_PARAM *held_import_types(int selection)
{
	static const OSSL_PARAM types[] = {OSSL_PARAM_octet_string(PARAM_HELD, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0), OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END};
	return types;
}

/* The private half goes nowhere, because it is not here: another provider cannot be made to sign. */
static int held_export(void *key, int selection, OSSL_CALLBACK *give, void *arg)
{
	const struct held *k = key;
	OSSL_PARAM *params = NULL;
	if (!k->public || selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ||
		EVP_PKEY_todata(k->public, selection, &params) != 1) {
		return 0;
	}
	int ok = give(params, arg);
	OSSL_PARAM_free(params);
	return ok;
}

static int held_get_params(void *key, OSSL_PARAM params[])
{
	const struct held *k = key;
	return k->public && EVP_PKEY_get_params(k->public, params);
}

static const OSSL_PARAM *held_gettable_params(void *provctx)
{
	static const OSSL_PARAM can[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0), OSSL_PARAM_END};
	return can;
}

static const char *ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : "EC";
}

typedef void dispatch_function(void);
#define ENTRY(id, fn)                                                                                        \
	{                                                                                                    \
		(id), (dispatch_function *)(fn)                                                              \
	}
#define KEY_MANAGEMENT(make)                                                                                 \
	ENTRY(OSSL_FUNC_KEYMGMT_NEW, make), ENTRY(OSSL_FUNC_KEYMGMT_FREE, held_free),                        \
		ENTRY(OSSL_FUNC_KEYMGMT_HAS, held_has), ENTRY(OSSL_FUNC_KEYMGMT_MATCH, held_match),          \
		ENTRY(OSSL_FUNC_KEYMGMT_IMPORT, held_import),                                                \
		ENTRY(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, held_import_types),                                    \
		ENTRY(OSSL_FUNC_KEYMGMT_EXPORT, held_export),                                                \
		ENTRY(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, held_import_types),                                    \
		ENTRY(OSSL_FUNC_KEYMGMT_GET_PARAMS, held_get_params),                                        \
		ENTRY(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, held_gettable_params)

static const OSSL_DISPATCH rsa_keys[] = {KEY_MANAGEMENT(new_rsa), {0}};
static const OSSL_DISPATCH ec_keys[] = {
	KEY_MANAGEMENT(new_ec), ENTRY(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation), {0}};
static const OSSL_DISPATCH ed25519_keys[] = {KEY_MANAGEMENT(new_ed25519), {0}};

/* ---- Signatures ---- */

struct signing {
	const struct held *key; /* of the EVP_PKEY that OpenSSL keeps meanwhile */
	char digest[32];        /* "": none, Ed25519 */
	bool pss;
};

static void *sign_new(void *provctx, const char *propq)
{
	return calloc(1, sizeof(struct signing));
}

static void sign_free(void *ctx)
{
	free(ctx);
}

static int set_padding(struct signing *s, const OSSL_PARAM *p)
{
	int mode = 0;
	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		s->pss = strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
		return s->pss || strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0;
	}
	if (OSSL_PARAM_get_int(p, &mode) != 1) {
		return 0;
	}
	s->pss = mode == RSA_PKCS1_PSS_PADDING;
	return s->pss || mode == RSA_PKCS1_PADDING;
}

/* The salt of PSS is as long as the digest in TLS (RFC 8446 4.2.3); the key holder makes no other. */
static int sign_set_params(void *ctx, const OSSL_PARAM params[])
{
	struct signing *s = ctx;
	const OSSL_PARAM *p = params ? OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE) : NULL;
	return !p || (s->key && s->key->kind == SIGN_RSA && set_padding(s, p));
}

static const OSSL_PARAM *sign_settable_params(void *ctx, void *provctx)
{
	static const OSSL_PARAM can[] = {OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0), OSSL_PARAM_END};
	return can;
}

static int sign_init(void *ctx, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signing *s = ctx;
	struct held *k = key;
	if (k) {
		s->key = k;
	}
	if (!s->key || !s->key->signs || (digest && strlen(digest) >= sizeof(s->digest))) {
		return 0;
	}
	memset(s->digest, 0, sizeof(s->digest));
	memcpy(s->digest, digest ? digest : "", digest ? strlen(digest) : 0);
	if (!sign_scheme_for(s->key->kind, s->digest[0] ? s->digest : NULL, false)) {
		return 0;
	}
	return sign_set_params(s, params);
}

/* All of what is signed comes in one piece: libssl asks no other way. */
static int sign_whole(
	void *ctx, unsigned char *sig, size_t *len, size_t cap, const unsigned char *content, size_t n)
{
	static const enum sign_purpose purposes[2][2] = {
		{SIGN_TLS12_CLIENT, SIGN_TLS12_SERVER}, {SIGN_TLS13_CLIENT, SIGN_TLS13_SERVER}};
	const struct signing *s = ctx;
	const struct held *k = s->key;
	if (!sig) {
		*len = (size_t)EVP_PKEY_get_size(k->public);
		return 1;
	}
	const struct sign_scheme *scheme = sign_scheme_for(k->kind, s->digest[0] ? s->digest : NULL, s->pss);
	bool tls13 = n > SIGN_TLS13_SPACES;
	for (size_t i = 0; tls13 && i < SIGN_TLS13_SPACES; i++) {
		tls13 = content[i] == ' ';
	}
	return scheme && link_sign(purposes[tls13][k->server], k->number, scheme, span_of(content, n), sig,
				 cap, len) == 0;
}

static const OSSL_DISPATCH signatures[] = {ENTRY(OSSL_FUNC_SIGNATURE_NEWCTX, sign_new),
	ENTRY(OSSL_FUNC_SIGNATURE_FREECTX, sign_free), ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, sign_init),
	ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, sign_whole),
	ENTRY(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, sign_set_params),
	ENTRY(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, sign_settable_params), {0}};

/* ---- The provider ---- */

/* The names are OpenSSL's own, by which libssl tells kinds of keys. */
#define PROPERTIES "provider=" PROVIDER
static const OSSL_ALGORITHM key_kinds[] = {{"RSA:rsaEncryption", PROPERTIES, rsa_keys, ""},
	{"EC:id-ecPublicKey", PROPERTIES, ec_keys, ""}, {"ED25519", PROPERTIES, ed25519_keys, ""}, {0}};
static const OSSL_ALGORITHM signature_kinds[] = {{"RSA:rsaEncryption", PROPERTIES, signatures, ""},
	{"ECDSA", PROPERTIES, signatures, ""}, {"ED25519", PROPERTIES, signatures, ""}, {0}};

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_cache)
{
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_KEYMGMT:
		return key_kinds;
	case OSSL_OP_SIGNATURE:
		return signature_kinds;
	default:
		return NULL;
	}
}

static int provider_init(
	const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ctx)
{
	static const OSSL_DISPATCH functions[] = {ENTRY(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query), {0}};
	static char none;
	*out = functions;
	*ctx = &none;
	return 1;
}

/*
 * A library context of its own: in OpenSSL's usual one each certificate that is read would be offered to our key kinds
 * too, and every handshake pay for that.
 */
static OSSL_LIB_CTX *ours;

int held_prepare(void)
{
	static OSSL_PROVIDER *provider; /* loaded for as long as the process lives */
	if (provider) {
		return 0;
	}
	ours = ours ? ours : OSSL_LIB_CTX_new();
	if (!ours || OSSL_PROVIDER_add_builtin(ours, PROVIDER, provider_init) != 1) {
		return ERR_TLS;
	}
	provider = OSSL_PROVIDER_load(ours, PROVIDER);
	return provider ? 0 : ERR_TLS;
}

int held_key(X509 *certificate, unsigned number, bool server, EVP_PKEY **ret_key)
{
	static const struct {
		const char *name;
		enum sign_kind kind;
	} kinds[] = {{"RSA", SIGN_RSA}, {"EC", SIGN_EC}, {"ED25519", SIGN_ED25519}};
	struct held k = {
		.public = X509_get0_pubkey(certificate), .signs = true, .number = number, .server = server};
	const char *name = NULL;
	for (unsigned i = 0; k.public && i < ARRAY_LEN(kinds); i++) {
		if (EVP_PKEY_is_a(k.public, kinds[i].name)) {
			name = kinds[i].name;
			k.kind = kinds[i].kind;
		}
	}
	if (!name) {
		return ERR_UNSUPPORTED;
	}
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(PARAM_HELD, &k, sizeof(k)), OSSL_PARAM_construct_end()};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(ours, name, PROPERTIES);
	EVP_PKEY *key = NULL;
	bool ok = ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
	          EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1;
	EVP_PKEY_CTX_free(ctx);
	if (!ok) {
		return ERR_TLS;
	}
	*ret_key = key;
	return 0;
}
