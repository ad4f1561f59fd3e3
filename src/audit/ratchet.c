/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/ratchet.h"
#include "base/hmac.h"

#include <openssl/crypto.h>

int ratchet_init(struct ratchet *r)
{
	int e = hmac_prepare();
	if (e == 0) {
		*r = (struct ratchet){0};
	}
	return e;
}

void ratchet_done(struct ratchet *r)
{
	OPENSSL_cleanse(r, sizeof(*r));
}

int ratchet_step(struct ratchet *r, uint8_t ret_key[RATCHET_KEY])
{
	uint8_t key[RATCHET_KEY], next[RATCHET_KEY];
	int e = hmac_sha256(r->chain, span_str("body"), (struct span){0}, key);
	e = e == 0 ? hmac_sha256(r->chain, span_str("next"), (struct span){0}, next) : e;
	if (e == 0) {
		memcpy(ret_key, key, sizeof(key));
		memcpy(r->chain, next, sizeof(next));
		r->turn++;
	}
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(next, sizeof(next));
	return e;
}
