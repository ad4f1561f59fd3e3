/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/seal.h"
#include "audit/ratchet.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define VERSION 1

/* The opened epoch keeps its seed, to go back, and the key of the last turn that was asked for, to be asked again. */
struct seal_epoch {
	uint8_t seed[RATCHET_KEY], key[RATCHET_KEY];
	struct ratchet ratchet; /* key is of turn - 1 */
};

struct key_body {
	struct span seed, index; /* envelopes */
};

static int read_key_body(struct span bytes, struct key_body *ret)
{
	struct reader r = reader_of(bytes);
	struct key_body b = {0};
	uint8_t version;
	uint16_t len;
	int e = reader_u8(&r, &version);
	e = e < 0 ? e : version != VERSION ? ERR_VALUE : reader_u16be(&r, &len);
	e = e < 0 ? e : reader_bytes(&r, len, &b.seed);
	e = e < 0 ? e : reader_u16be(&r, &len);
	e = e < 0 ? e : reader_bytes(&r, len, &b.index);
	e = e < 0 ? e : reader_end(&r);
	if (e == 0) {
		*ret = b;
	}
	return e;
}

int seal_epoch_open(struct span key_body, const struct hpke_opener *o, struct seal_epoch **ret_epoch)
{
	struct key_body b = {0};
	int e = read_key_body(key_body, &b);
	if (e < 0) {
		return e;
	}
	struct seal_epoch *epoch = calloc(1, sizeof(*epoch));
	if (!epoch) {
		return ERR_NO_MEMORY;
	}
	e = ratchet_init(&epoch->ratchet);
	e = e < 0 ? e : envelope_open(ENVELOPE_EPOCH, b.seed, o, epoch->seed);
	if (e < 0) {
		seal_epoch_free(epoch);
		return e;
	}
	memcpy(epoch->ratchet.chain, epoch->seed, sizeof(epoch->seed));
	*ret_epoch = epoch;
	return 0;
}

void seal_epoch_free(struct seal_epoch *e)
{
	if (e) {
		ratchet_done(&e->ratchet);
		OPENSSL_cleanse(e, sizeof(*e));
		free(e);
	}
}

int seal_index_key(struct span key_body, const struct hpke_opener *o, uint8_t ret_key[ENVELOPE_SECRET])
{
	struct key_body b = {0};
	int e = read_key_body(key_body, &b);
	if (e == 0 && b.index.len == 0) {
		return ERR_MISSING;
	}
	return e < 0 ? e : envelope_open(ENVELOPE_INDEX, b.index, o, ret_key);
}

int seal_index_envelope(struct span key_body, struct span *ret_envelope)
{
	struct key_body b = {0};
	int e = read_key_body(key_body, &b);
	if (e == 0) {
		*ret_envelope = b.index;
	}
	return e;
}

static int go_to(struct seal_epoch *e, uint32_t turn)
{
	if (turn + 1 < e->ratchet.turn) {
		memcpy(e->ratchet.chain, e->seed, sizeof(e->seed));
		e->ratchet.turn = 0;
	}
	while (e->ratchet.turn <= turn) {
		int err = ratchet_step(&e->ratchet, e->key);
		if (err < 0) {
			return err;
		}
	}
	return 0;
}

int seal_open(struct seal_epoch *e, uint32_t turn, struct span head, struct span sealed, uint8_t *buf,
	size_t cap, size_t *ret_len)
{
	static const uint8_t nonce[AEAD_NONCE];
	if (turn >= SEAL_EPOCH_BODIES) {
		return ERR_LIMIT;
	}
	int err = go_to(e, turn);
	return err < 0 ? err
	               : aead_open(EVP_aes_256_gcm(), &(struct aead_key){e->key, nonce, head}, sealed, buf,
				 cap, ret_len);
}
