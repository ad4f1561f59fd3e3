/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/hmac.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define BLOCK 64 /* of SHA-256 */

/* One a thread: the context is written to by each hash. */
static _Thread_local EVP_MD_CTX *context;
static _Thread_local EVP_MD *sha256;

int hmac_prepare(void)
{
	if (context) {
		return 0;
	}
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	if (!md || !c || EVP_DigestInit_ex(c, md, NULL) != 1) {
		EVP_MD_free(md);
		EVP_MD_CTX_free(c);
		ERR_clear_error();
		return ERR_NO_MEMORY;
	}
	sha256 = md;
	context = c;
	return 0;
}

void hmac_done(void)
{
	EVP_MD_CTX_free(context);
	EVP_MD_free(sha256);
	context = NULL;
	sha256 = NULL;
}

/* H(key with each byte changed by pad || a || b) */
static bool hash(
	const uint8_t key[HMAC_LEN], uint8_t pad, struct span a, struct span b, uint8_t ret[HMAC_LEN])
{
	uint8_t block[BLOCK];
	for (unsigned i = 0; i < BLOCK; i++) {
		block[i] = (uint8_t)(pad ^ (i < HMAC_LEN ? key[i] : 0));
	}
	bool ok = EVP_DigestInit_ex(context, sha256, NULL) == 1 &&
	          EVP_DigestUpdate(context, block, sizeof(block)) == 1 &&
	          EVP_DigestUpdate(context, a.ptr, a.len) == 1 &&
	          EVP_DigestUpdate(context, b.ptr, b.len) == 1 && EVP_DigestFinal_ex(context, ret, NULL) == 1;
	OPENSSL_cleanse(block, sizeof(block));
	return ok;
}

int hmac_sha256(const uint8_t key[HMAC_LEN], struct span a, struct span b, uint8_t ret_mac[HMAC_LEN])
{
	uint8_t inner[HMAC_LEN], mac[HMAC_LEN];
	if (hmac_prepare() < 0) {
		return ERR_NO_MEMORY;
	}
	bool ok = hash(key, 0x36, a, b, inner) &&
	          hash(key, 0x5c, span_of(inner, sizeof(inner)), (struct span){0}, mac);
	/* The context's state is the last result, or follows from the key: it begins anew, which overwrites it. */
	ok = EVP_DigestInit_ex(context, sha256, NULL) == 1 && ok;
	if (ok) {
		memcpy(ret_mac, mac, sizeof(mac));
	} else {
		ERR_clear_error();
	}
	OPENSSL_cleanse(inner, sizeof(inner));
	OPENSSL_cleanse(mac, sizeof(mac));
	return ok ? 0 : ERR_SYSTEM;
}
