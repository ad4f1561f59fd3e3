/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/hpke.h"
#include "audit/aead.h"
#include "base/writer.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

/* RFC 9180 7.2, 7.3. */
#define KDF_HKDF_SHA256  0x0001
#define AEAD_AES_256_GCM 0x0002

#define HASH             32
#define MODE_BASE        0

/* Label, suite and a context of two hashes or two public keys: RFC 9180 4, 4.1, 5.1. */
#define LABELLED_MOST (16 + 16 + 32 + 2 * HPKE_PUBLIC_MOST)
static_assert(LABELLED_MOST >= 16 + 16 + 32 + HPKE_INFO_MOST, "room for info");

/* ---- HKDF with labels: RFC 9180 4 ---- */

enum half { EXTRACT = EVP_KDF_HKDF_MODE_EXTRACT_ONLY, EXPAND = EVP_KDF_HKDF_MODE_EXPAND_ONLY };

/* salt_or_info: of EXTRACT the salt, of EXPAND the info. */
static int hkdf(enum half half, struct span key, struct span salt_or_info, uint8_t *to, size_t len)
{
	int mode = half;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key.ptr, key.len),
		OSSL_PARAM_construct_octet_string(half == EXTRACT ? OSSL_KDF_PARAM_SALT : OSSL_KDF_PARAM_INFO,
			(void *)(uintptr_t)salt_or_info.ptr, salt_or_info.len),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool ok = ctx && EVP_KDF_derive(ctx, to, len, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	ERR_clear_error();
	return ok ? 0 : ERR_SYSTEM;
}

/* The suite as it stands in labels, and the shared secret of its KEM or the context's. */
struct labels {
	uint8_t suite[10];
	size_t suite_len;
};

static struct labels labels_of_kem(enum hpke_kem kem)
{
	struct labels l;
	struct writer w = writer_of(l.suite, sizeof(l.suite));
	writer_span(&w, span_str("KEM"));
	writer_u16be(&w, (uint16_t)kem);
	l.suite_len = w.len;
	return l;
}

static struct labels labels_of_suite(enum hpke_kem kem)
{
	struct labels l;
	struct writer w = writer_of(l.suite, sizeof(l.suite));
	writer_span(&w, span_str("HPKE"));
	writer_u16be(&w, (uint16_t)kem);
	writer_u16be(&w, KDF_HKDF_SHA256);
	writer_u16be(&w, AEAD_AES_256_GCM);
	l.suite_len = w.len;
	return l;
}

static int extract(
	const struct labels *l, struct span salt, const char *label, struct span key, uint8_t ret_prk[HASH])
{
	uint8_t room[LABELLED_MOST];
	struct writer w = writer_of(room, sizeof(room));
	/* OpenSSL takes no salt of no bytes; one of zeros is the same (RFC 5869 2.2). */
	static const uint8_t zeros[HASH];
	writer_span(&w, span_str("HPKE-v1"));
	writer_bytes(&w, l->suite, l->suite_len);
	writer_span(&w, span_str(label));
	writer_span(&w, key);
	int e = writer_end(&w);
	e = e < 0 ? e
	          : hkdf(EXTRACT, writer_span_of(&w), salt.len > 0 ? salt : span_of(zeros, sizeof(zeros)),
			    ret_prk, HASH);
	OPENSSL_cleanse(room, sizeof(room));
	return e;
}

static int expand(const struct labels *l, const uint8_t prk[HASH], const char *label, struct span info,
	uint8_t *to, size_t len)
{
	uint8_t room[LABELLED_MOST];
	struct writer w = writer_of(room, sizeof(room));
	writer_u16be(&w, (uint16_t)len);
	writer_span(&w, span_str("HPKE-v1"));
	writer_bytes(&w, l->suite, l->suite_len);
	writer_span(&w, span_str(label));
	writer_span(&w, info);
	int e = writer_end(&w);
	return e < 0 ? e : hkdf(EXPAND, span_of(prk, HASH), writer_span_of(&w), to, len);
}

/* ---- What both ends derive ---- */

/* RFC 9180 4.1: ExtractAndExpand. */
static int shared_secret(const struct hpke_public *to, const uint8_t dh[HPKE_SECRET], struct span enc,
	uint8_t ret_secret[HASH])
{
	struct labels l = labels_of_kem(to->kem);
	uint8_t prk[HASH], context[2 * HPKE_PUBLIC_MOST];
	struct writer w = writer_of(context, sizeof(context));
	writer_span(&w, enc);
	writer_bytes(&w, to->bytes, to->len);
	int e = extract(&l, span_of(NULL, 0), "eae_prk", span_of(dh, HPKE_SECRET), prk);
	e = e < 0 ? e : expand(&l, prk, "shared_secret", writer_span_of(&w), ret_secret, HASH);
	OPENSSL_cleanse(prk, sizeof(prk));
	return e;
}

struct message_key {
	uint8_t key[AEAD_KEY], nonce[AEAD_NONCE];
};

/* RFC 9180 5.1: KeySchedule, without a pre-shared key. The nonce of the first message is the base nonce (5.2). */
static int schedule(enum hpke_kem kem, const uint8_t shared[HASH], struct span info, struct message_key *k)
{
	struct labels l = labels_of_suite(kem);
	uint8_t context[1 + 2 * HASH] = {MODE_BASE}, secret[HASH], hash[HASH];
	int e = extract(&l, span_of(NULL, 0), "psk_id_hash", span_of(NULL, 0), hash);
	memcpy(context + 1, hash, HASH);
	e = e < 0 ? e : extract(&l, span_of(NULL, 0), "info_hash", info, hash);
	memcpy(context + 1 + HASH, hash, HASH);
	e = e < 0 ? e : extract(&l, span_of(shared, HASH), "secret", span_of(NULL, 0), secret);
	e = e < 0 ? e : expand(&l, secret, "key", span_of(context, sizeof(context)), k->key, AEAD_KEY);
	e = e < 0 ? e
	          : expand(&l, secret, "base_nonce", span_of(context, sizeof(context)), k->nonce, AEAD_NONCE);
	OPENSSL_cleanse(secret, sizeof(secret));
	return e;
}

static int derive(const struct hpke_public *to, const uint8_t dh[HPKE_SECRET], struct span enc,
	struct span info, struct message_key *ret_key)
{
	uint8_t shared[HASH];
	int e = shared_secret(to, dh, enc, shared);
	e = e < 0 ? e : schedule(to->kem, shared, info, ret_key);
	OPENSSL_cleanse(shared, sizeof(shared));
	return e;
}

/* ---- Sealing and opening ---- */

/* RFC 9180 4.1: Encap. */
static int encapsulate(
	const struct hpke_public *to, uint8_t ret_dh[HPKE_SECRET], struct hpke_public *ret_ephemeral)
{
	EVP_PKEY *mine = NULL, *theirs = NULL;
	int e = hpke_pkey_of(to->kem, span_of(to->bytes, to->len), &theirs);
	e = e < 0 ? e : hpke_fresh(to->kem, &mine);
	e = e < 0 ? e : hpke_public_of(mine, ret_ephemeral);
	e = e < 0 ? e : hpke_dh(mine, theirs, ret_dh);
	EVP_PKEY_free(mine);
	EVP_PKEY_free(theirs);
	return e;
}

int hpke_seal(const struct hpke_public *to, struct span info, struct span aad, struct span text, uint8_t *buf,
	size_t cap, size_t *ret_len)
{
	struct hpke_public ephemeral;
	struct message_key k;
	uint8_t dh[HPKE_SECRET];
	size_t len = 0;
	if (cap < to->len) {
		return ERR_SPACE;
	}
	int e = encapsulate(to, dh, &ephemeral);
	e = e < 0 ? e : derive(to, dh, span_of(ephemeral.bytes, ephemeral.len), info, &k);
	if (e == 0) {
		memcpy(buf, ephemeral.bytes, ephemeral.len);
		e = aead_seal(EVP_aes_256_gcm(), &(struct aead_key){k.key, k.nonce, aad}, text,
			buf + ephemeral.len, cap - ephemeral.len, &len);
	}
	OPENSSL_cleanse(dh, sizeof(dh));
	OPENSSL_cleanse(&k, sizeof(k));
	if (e == 0) {
		*ret_len = ephemeral.len + len;
	}
	return e;
}

int hpke_open(const struct hpke_opener *o, struct span info, struct span aad, struct span sealed,
	uint8_t *buf, size_t cap, size_t *ret_len)
{
	const struct hpke_public *me = &o->public;
	struct message_key k;
	uint8_t dh[HPKE_SECRET];
	EVP_PKEY *theirs = NULL;
	if (sealed.len < me->len + HPKE_TAG) {
		return ERR_TRUNCATED;
	}
	/* A point that is none never reaches the private key, wherever that is. */
	struct span enc = span_of(sealed.ptr, me->len);
	int e = hpke_pkey_of(me->kem, enc, &theirs);
	EVP_PKEY_free(theirs);
	e = e < 0 ? e : o->dh(o->key, enc, dh);
	e = e < 0 ? e : derive(me, dh, enc, info, &k);
	e = e < 0 ? e
	          : aead_open(EVP_aes_256_gcm(), &(struct aead_key){k.key, k.nonce, aad},
			    span_of(sealed.ptr + me->len, sealed.len - me->len), buf, cap, ret_len);
	OPENSSL_cleanse(dh, sizeof(dh));
	OPENSSL_cleanse(&k, sizeof(k));
	return e;
}
