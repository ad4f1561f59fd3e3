/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/blind.h"
#include "audit/seal.h"

#include <openssl/evp.h>
#include <stdlib.h>

/*
 * What an auditor's tools read of a journal that somebody else may have written: bodies of KEY records, envelopes, what HPKE
 * made; and public keys of a configuration, and values for the blind index.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

/* The recipient of RFC 9180's vector for X25519 and AES-256-GCM. */
static struct hpke_opener *opener(void)
{
	static const uint8_t private[] = {0x49, 0x7b, 0x45, 0x02, 0x66, 0x4c, 0xfe, 0xa5, 0xd5, 0xaf, 0x0b,
		0x39, 0x93, 0x4d, 0xac, 0x72, 0x24, 0x2a, 0x74, 0xf8, 0x48, 0x04, 0x51, 0xe1, 0xae, 0xe7,
		0xd6, 0xa5, 0x33, 0x20, 0x33, 0x3d};
	static struct hpke_opener o;
	static EVP_PKEY *key;
	if (!key) {
		key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private, sizeof(private));
		must(key && hpke_opener_of(key, &o) == 0);
	}
	return &o;
}

static void key_body(struct span s)
{
	struct seal_epoch *e = NULL;
	uint8_t key[ENVELOPE_SECRET], text[256];
	size_t len;
	if (seal_epoch_open(s, opener(), &e) == 0) {
		/* No turn of it opens what was not sealed. */
		must(seal_open(e, s.len % SEAL_EPOCH_BODIES, span_of(NULL, 0), span_of(s.ptr, s.len % 64),
			     text, sizeof(text), &len) < 0);
	}
	seal_epoch_free(e);
	(void)!seal_index_key(s, opener(), key);
}

static void envelope(struct span s)
{
	uint8_t secret[ENVELOPE_SECRET];
	int form = envelope_check(s);
	must(form == 0 || envelope_open(ENVELOPE_EPOCH, s, opener(), secret) == form);
}

static void sealed(struct span s)
{
	uint8_t text[4096];
	size_t len = 0;
	int e = hpke_open(
		opener(), span_str("gantry audit epoch 1"), span_of(NULL, 0), s, text, sizeof(text), &len);
	must(e != 0 || len == s.len - 32 - HPKE_TAG);
}

static void public(struct span s)
{
	struct hpke_public p;
	uint8_t buf[256];
	size_t len;
	if (hpke_public_read(s, &p) == 0) {
		must(p.len == hpke_public_len(p.kem));
		/* A point of small order is a key, and nothing can be sealed to it. */
		int e = hpke_seal(&p, span_str("i"), span_str("a"), span_str("text"), buf, sizeof(buf), &len);
		must(e == ERR_VALUE || (e == 0 && len == p.len + 4 + HPKE_TAG));
	}
}

/* What is the same already stays so, and no kind makes more of a value than it was. */
static void value(struct span s)
{
	uint8_t once[BLIND_VALUE_MOST], twice[BLIND_VALUE_MOST];
	size_t n = 0, m = 0;
	for (unsigned kind = 1; kind < BLIND_KIND_COUNT; kind++) {
		struct span half = span_of(s.ptr, s.len / 2);
		if (blind_value(kind, s, half, once, &n) < 0 || kind == BLIND_PATIENT_OF_ISSUER) {
			continue;
		}
		must(n > 0 && n <= BLIND_VALUE_MOST);
		must(blind_value(kind, span_of(once, n), span_of(NULL, 0), twice, &m) == 0);
		must(n == m && memcmp(once, twice, n) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(struct span) = {key_body, envelope, sealed, public, value};
	if (size == 0) {
		return 0;
	}
	uint8_t *copy = malloc(size - 1 ? size - 1 : 1);
	must(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	all[data[0] % ARRAY_LEN(all)](span_of(copy, size - 1));
	free(copy);
	return 0;
}
