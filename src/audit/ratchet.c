/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/ratchet.h"
#include "base/span.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

int ratchet_init(struct ratchet *r)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	if (!ctx || EVP_MAC_CTX_set_params(ctx, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		ERR_clear_error();
		return ERR_SYSTEM;
	}
	*r = (struct ratchet){.mac = ctx};
	return 0;
}

void ratchet_done(struct ratchet *r)
{
	EVP_MAC_CTX_free(r->mac);
	OPENSSL_cleanse(r, sizeof(*r));
}

static bool mac(EVP_MAC_CTX *ctx, const uint8_t key[RATCHET_KEY], struct span text, uint8_t ret[RATCHET_KEY])
{
	size_t len;
	return EVP_MAC_init(ctx, key, RATCHET_KEY, NULL) == 1 &&
	       EVP_MAC_update(ctx, text.ptr, text.len) == 1 &&
	       EVP_MAC_final(ctx, ret, &len, RATCHET_KEY) == 1;
}

int ratchet_step(struct ratchet *r, uint8_t ret_key[RATCHET_KEY])
{
	uint8_t key[RATCHET_KEY], next[RATCHET_KEY];
	/* A copy that is freed: OpenSSL wipes what it frees, and would keep the key in a context that is used again. */
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(r->mac);
	bool ok = ctx && mac(ctx, r->chain, span_str("body"), key) &&
	          mac(ctx, r->chain, span_str("next"), next);
	EVP_MAC_CTX_free(ctx);
	if (ok) {
		memcpy(ret_key, key, sizeof(key));
		memcpy(r->chain, next, sizeof(next));
		r->turn++;
	}
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(next, sizeof(next));
	ERR_clear_error();
	return ok ? 0 : ERR_SYSTEM;
}
