/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hmac.h"
#include "base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#define BLOCK 64 /* of SHA-256 */

int hmac_prepare(void)
{
	return sha256_prepare();
}

/* H(key with each byte changed by pad || a || b) */
static bool hash(
	const uint8_t key[HMAC_LEN], uint8_t pad, struct span a, struct span b, uint8_t ret[HMAC_LEN])
{
	uint8_t block[BLOCK];
	for (unsigned i = 0; i < BLOCK; i++) {
		block[i] = (uint8_t)(pad ^ (i < HMAC_LEN ? key[i] : 0));
	}
	bool ok = sha256_of(span_of(block, sizeof(block)), a, b, ret);
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
	ok = sha256_forget() && ok;
	if (ok) {
		memcpy(ret_mac, mac, sizeof(mac));
	} else {
		ERR_clear_error();
	}
	OPENSSL_cleanse(inner, sizeof(inner));
	OPENSSL_cleanse(mac, sizeof(mac));
	return ok ? 0 : ERR_SYSTEM;
}
