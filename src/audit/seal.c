/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/seal.h"
#include "audit/ratchet.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

#define VERSION 1

struct seal {
	struct hpke_public auditors[ENVELOPE_PEOPLE];
	unsigned n;
	EVP_CIPHER *cipher;
	struct ratchet ratchet;
	int64_t since_ms;
	bool begun;
};

int seal_new(const struct hpke_public *auditors, unsigned n, struct seal **ret_seal)
{
	if (n == 0 || n > ENVELOPE_PEOPLE) {
		return ERR_LIMIT;
	}
	struct seal *s = calloc(1, sizeof(*s));
	if (!s) {
		return ERR_NO_MEMORY;
	}
	memcpy(s->auditors, auditors, n * sizeof(*auditors));
	s->n = n;
	s->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (!s->cipher || ratchet_init(&s->ratchet) < 0) {
		ERR_clear_error();
		seal_free(s);
		return ERR_SYSTEM;
	}
	*ret_seal = s;
	return 0;
}

void seal_free(struct seal *s)
{
	if (s) {
		ratchet_done(&s->ratchet);
		EVP_CIPHER_free(s->cipher);
		free(s);
	}
}

void seal_drop(struct seal *s)
{
	OPENSSL_cleanse(s->ratchet.chain, sizeof(s->ratchet.chain));
	s->begun = false;
}

static int write_key_body(const struct seal *s, struct span index, struct writer *w)
{
	writer_u8(w, VERSION);
	size_t mark = writer_mark_u16be(w);
	int e = envelope_write(ENVELOPE_EPOCH, s->auditors, s->n, s->ratchet.chain, w);
	writer_fill_u16be(w, mark);
	writer_u16be(w, (uint16_t)index.len);
	writer_span(w, index);
	return e < 0 ? e : writer_end(w);
}

int seal_begin(struct seal *s, struct span index, int64_t now_ms, uint8_t *buf, size_t cap, size_t *ret_len)
{
	struct writer w = writer_of(buf, cap);
	seal_drop(s);
	int e = index.len > 0 ? envelope_check(index) : 0;
	if (e == 0 && RAND_priv_bytes(s->ratchet.chain, sizeof(s->ratchet.chain)) != 1) {
		ERR_clear_error();
		e = ERR_SYSTEM;
	}
	e = e < 0 ? e : write_key_body(s, index, &w);
	if (e < 0) {
		seal_drop(s);
		return e;
	}
	s->ratchet.turn = 0;
	s->since_ms = now_ms;
	s->begun = true;
	*ret_len = w.len;
	return 0;
}

bool seal_due(const struct seal *s, int64_t now_ms)
{
	return !s->begun || s->ratchet.turn >= SEAL_EPOCH_BODIES || now_ms - s->since_ms >= SEAL_EPOCH_MS;
}

uint32_t seal_turn(const struct seal *s)
{
	return s->ratchet.turn;
}

int seal_body(struct seal *s, struct span head, struct span body, uint8_t *buf, size_t cap, size_t *ret_len)
{
	static const uint8_t nonce[AEAD_NONCE]; /* each key serves once */
	uint8_t key[RATCHET_KEY];
	if (!s->begun || s->ratchet.turn >= SEAL_EPOCH_BODIES) {
		return ERR_ORDER;
	}
	int e = ratchet_step(&s->ratchet, key);
	e = e < 0 ? e : aead_seal(s->cipher, &(struct aead_key){key, nonce, head}, body, buf, cap, ret_len);
	OPENSSL_cleanse(key, sizeof(key));
	return e;
}
