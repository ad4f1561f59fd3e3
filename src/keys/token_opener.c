/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/token_opener.h"

#include <openssl/evp.h>
#include <stdio.h>

static_assert(TOKEN_SHARED == HPKE_SECRET, "what a token gives is what HPKE takes");

static int dh(void *key, struct span their, uint8_t ret_secret[HPKE_SECRET])
{
	return token_key_dh(key, their, ret_secret);
}

int token_opener(
	const char *uri, struct token_key **ret_key, struct hpke_opener *ret_opener, char *why, size_t cap)
{
	struct hpke_opener o = {.dh = dh};
	struct token_key *key = NULL;
	EVP_PKEY *public = NULL;
	uint8_t point[HPKE_PUBLIC_MOST];
	size_t len = 0;
	int e = token_key_open(uri, SIGN_EC, &key, why, cap);
	e = e < 0 ? e : token_key_public(key, point, sizeof(point), &len, why, cap);
	if (e < 0) {
		token_key_free(key);
		return e;
	}
	e = hpke_pkey_of(HPKE_P256, span_of(point, len), &public);
	e = e < 0 ? e : hpke_public_of(public, &o.public);
	EVP_PKEY_free(public);
	if (e < 0) {
		snprintf(why, cap, "the key %s is none of the curve P-256", uri);
		token_key_free(key);
		return ERR_UNSUPPORTED;
	}
	o.key = key;
	*ret_key = key;
	*ret_opener = o;
	return 0;
}
