/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/envelope.h"
#include "audit/hpke.h"
#include "audit_keys.h"

/*
 * RFC 9180's own vectors of exactly these suites: test-vectors.json of draft-irtf-cfrg-hpke, mode 0, kdf 1, aead 2, of
 * which the RFC's appendix prints a part. Reference data of the IRTF (BCP 78, code components under the BSD licence).
 */

static const struct vector {
	enum hpke_kem kem;
	const char *private, *public, *enc, *ct;
} vectors[] = {
	{HPKE_X25519, "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d",
		"430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c",
		"6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256",
		"e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a"},
	{HPKE_P256, "317f915db7bc629c48fe765587897e01e282d3e8445f79f27f65d031a88082b2",
		"04abc7e49a4c6b3566d77d0304addc6ed0e98512ffccf505e6a8e3eb25c685136f853148544876de76c0f2ef99cdc3a0"
		"5ccf5ded7860c7c021238f9e2073d2356c",
		"04c06b4f6bebc7bb495cb797ab753f911aff80aefb86fd8b6fcc35525f3ab5f03e0b21bd31a86c6048af3cb2d98e0d3b"
		"f01da5cc4c39ff5370d331a4f1f7d5a4e0",
		"58c61a45059d0c5704560e9d88b564a8b63f1364b8d1fcb3c4c6ddc1d291742465e902cd216f8908da49f8f96f"},
};
#define INFO "Ode on a Grecian Urn"
#define AAD  "Count-0"
#define TEXT "Beauty is truth, truth beauty"

static size_t unhex(const char *text, uint8_t *to)
{
	size_t n = strlen(text) / 2;
	for (size_t i = 0; i < n; i++) {
		unsigned v = 0;
		assert_int_equal(sscanf(text + 2 * i, "%2x", &v), 1);
		to[i] = (uint8_t)v;
	}
	return n;
}

static EVP_PKEY *private_of(const struct vector *v)
{
	uint8_t private[32], public[HPKE_PUBLIC_MOST];
	unhex(v->private, private);
	size_t n = unhex(v->public, public);
	return v->kem == HPKE_X25519
	               ? EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private, sizeof(private))
	               : p256_private(span_of(private, sizeof(private)), span_of(public, n));
}

static void vectors_open(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
		const struct vector *v = &vectors[i];
		uint8_t sealed[256], text[256], public[HPKE_PUBLIC_MOST];
		struct hpke_opener o;
		size_t len = unhex(v->enc, sealed), got = 0;
		EVP_PKEY *key = private_of(v);
		len += unhex(v->ct, sealed + len);
		assert_int_equal(hpke_opener_of(key, &o), 0);
		assert_int_equal(o.public.kem, v->kem);
		assert_int_equal(o.public.len, unhex(v->public, public));
		assert_memory_equal(o.public.bytes, public, o.public.len);
		assert_int_equal(hpke_open(&o, span_str(INFO), span_str(AAD), span_of(sealed, len), text,
					 sizeof(text), &got),
			0);
		assert_int_equal(got, strlen(TEXT));
		assert_memory_equal(text, TEXT, got);
		/* Cut anywhere, changed anywhere, of other words: none of it opens, and nothing is left of the text. */
		for (size_t n = 0; n < len; n++) {
			assert_true(hpke_open(&o, span_str(INFO), span_str(AAD), span_of(sealed, n), text,
					    sizeof(text), &got) < 0);
			for (int bit = 0; bit < 8; bit++) {
				/* X25519 does not look at the highest bit of a key (RFC 7748 5), but the hash does. */
				sealed[n] ^= (uint8_t)(1 << bit);
				assert_true(hpke_open(&o, span_str(INFO), span_str(AAD), span_of(sealed, len),
						    text, sizeof(text), &got) < 0);
				sealed[n] ^= (uint8_t)(1 << bit);
			}
		}
		assert_null(memmem(text, sizeof(text), "Beauty", 6));
		assert_int_equal(hpke_open(&o, span_str("another"), span_str(AAD), span_of(sealed, len), text,
					 sizeof(text), &got),
			ERR_DENIED);
		assert_int_equal(hpke_open(&o, span_str(INFO), span_str("Count-1"), span_of(sealed, len),
					 text, sizeof(text), &got),
			ERR_DENIED);
		EVP_PKEY_free(key);
	}
}

static void seals_and_opens(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
		EVP_PKEY *key = fresh(vectors[i].kem), *other = fresh(vectors[i].kem);
		struct hpke_opener o, wrong;
		uint8_t sealed[256], again[256], text[256];
		size_t len, n, got;
		assert_int_equal(hpke_opener_of(key, &o), 0);
		assert_int_equal(hpke_opener_of(other, &wrong), 0);
		assert_int_equal(hpke_seal(&o.public, span_str(INFO), span_str(AAD), span_str(TEXT), sealed,
					 sizeof(sealed), &len),
			0);
		assert_int_equal(len, o.public.len + strlen(TEXT) + HPKE_TAG);
		assert_int_equal(hpke_seal(&o.public, span_str(INFO), span_str(AAD), span_str(TEXT), again,
					 sizeof(again), &n),
			0);
		assert_memory_not_equal(sealed, again, o.public.len);
		assert_int_equal(hpke_open(&o, span_str(INFO), span_str(AAD), span_of(sealed, len), text,
					 sizeof(text), &got),
			0);
		assert_int_equal(got, strlen(TEXT));
		assert_memory_equal(text, TEXT, got);
		assert_int_equal(hpke_open(&wrong, span_str(INFO), span_str(AAD), span_of(sealed, len), text,
					 sizeof(text), &got),
			ERR_DENIED);
		for (size_t cap = 0; cap < len; cap++) {
			assert_int_equal(hpke_seal(&o.public, span_str(INFO), span_str(AAD), span_str(TEXT),
						 again, cap, &n),
				ERR_SPACE);
		}
		assert_int_equal(hpke_open(&o, span_str(INFO), span_str(AAD), span_of(sealed, len), text,
					 strlen(TEXT) - 1, &got),
			ERR_SPACE);
		EVP_PKEY_free(key);
		EVP_PKEY_free(other);
	}
}

/* RFC 9180 7.1.4: points that are none, and those that give nothing. */
static void bad_points(void **state)
{
	EVP_PKEY *x = fresh(HPKE_X25519), *p = fresh(HPKE_P256);
	struct hpke_opener o;
	uint8_t sealed[HPKE_SEALED_MOST(32)], text[64];
	struct hpke_public none = {.kem = HPKE_X25519, .len = 32};
	size_t len;
	memset(sealed, 0, sizeof(sealed));
	assert_int_equal(hpke_opener_of(x, &o), 0);
	assert_int_equal(
		hpke_open(&o, span_str(INFO), span_str(AAD), span_of(sealed, 80), text, sizeof(text), &len),
		ERR_VALUE);
	assert_int_equal(hpke_opener_of(p, &o), 0);
	static const uint8_t heads[] = {0, 2, 3, 4, 5, 6, 7, 0xff};
	for (unsigned i = 0; i < ARRAY_LEN(heads); i++) {
		memset(sealed, 0x5a, sizeof(sealed));
		sealed[0] = heads[i];
		assert_int_equal(hpke_open(&o, span_str(INFO), span_str(AAD), span_of(sealed, sizeof(sealed)),
					 text, sizeof(text), &len),
			ERR_VALUE);
	}
	assert_int_equal(
		hpke_seal(&none, span_str(INFO), span_str(AAD), span_str(TEXT), sealed, sizeof(sealed), &len),
		ERR_VALUE);
	EVP_PKEY_free(x);
	EVP_PKEY_free(p);
}

static void reads_keys(void **state)
{
	struct hpke_public public, again;
	char pem[4096];
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	EVP_PKEY *p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
		EVP_PKEY *key = private_of(&vectors[i]);
		uint8_t bytes[HPKE_PUBLIC_MOST];
		public_pem(key, pem);
		assert_int_equal(hpke_public_read(span_str(pem), &public), 0);
		assert_int_equal(public.kem, vectors[i].kem);
		assert_memory_equal(public.bytes, bytes, unhex(vectors[i].public, bytes));
		/* A compressed point in the file is the same key. */
		if (public.kem == HPKE_P256) {
			assert_int_equal(
				EVP_PKEY_set_utf8_string_param(key, "point-format", "compressed"), 1);
			public_pem(key, pem);
			assert_int_equal(hpke_public_read(span_str(pem), &again), 0);
			assert_memory_equal(&public, &again, sizeof(public));
			certificate_pem(key, pem);
			assert_int_equal(hpke_public_read(span_str(pem), &again), 0);
			assert_memory_equal(&public, &again, sizeof(public));
		}
		EVP_PKEY_free(key);
	}
	EVP_PKEY *const others[] = {rsa, p384, ed};
	for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
		struct hpke_opener o;
		public_pem(others[i], pem);
		assert_int_equal(hpke_public_read(span_str(pem), &public), ERR_UNSUPPORTED);
		assert_int_equal(hpke_opener_of(others[i], &o), ERR_UNSUPPORTED);
		EVP_PKEY_free(others[i]);
	}
	assert_int_equal(hpke_public_read(span_str(""), &public), ERR_VALUE);
	assert_int_equal(
		hpke_public_read(
			span_str("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), &public),
		ERR_VALUE);
}

static void public_half_opens_nothing(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
		uint8_t bytes[HPKE_PUBLIC_MOST];
		EVP_PKEY *key = NULL;
		struct hpke_opener o;
		size_t n = unhex(vectors[i].public, bytes);
		assert_int_equal(hpke_pkey_of(vectors[i].kem, span_of(bytes, n), &key), 0);
		assert_int_equal(hpke_opener_of(key, &o), ERR_DENIED);
		EVP_PKEY_free(key);
	}
}

/* ---- Envelopes ---- */

static void envelopes(void **state)
{
	EVP_PKEY *x = fresh(HPKE_X25519), *p = fresh(HPKE_P256), *stranger = fresh(HPKE_P256);
	struct hpke_opener o[3];
	struct hpke_public to[ENVELOPE_PEOPLE + 1];
	uint8_t secret[ENVELOPE_SECRET], got[ENVELOPE_SECRET], buf[ENVELOPE_MOST + 1];
	struct writer w = writer_of(buf, sizeof(buf));
	memset(secret, 0x77, sizeof(secret));
	assert_int_equal(hpke_opener_of(x, &o[0]), 0);
	assert_int_equal(hpke_opener_of(p, &o[1]), 0);
	assert_int_equal(hpke_opener_of(stranger, &o[2]), 0);
	for (unsigned i = 0; i < ARRAY_LEN(to); i++) {
		to[i] = o[1].public; /* the larger kind */
	}
	assert_int_equal(envelope_write(ENVELOPE_EPOCH, to, ENVELOPE_PEOPLE, secret, &w), 0);
	assert_int_equal(w.len, ENVELOPE_MOST);
	assert_int_equal(envelope_write(ENVELOPE_EPOCH, to, ENVELOPE_PEOPLE + 1, secret, &w), ERR_LIMIT);
	assert_int_equal(envelope_write(ENVELOPE_EPOCH, to, 0, secret, &w), ERR_LIMIT);
	to[0] = o[0].public;
	w = writer_of(buf, sizeof(buf));
	assert_int_equal(envelope_write(ENVELOPE_EPOCH, to, 2, secret, &w), 0);
	for (unsigned i = 0; i < 2; i++) {
		memset(got, 0, sizeof(got));
		assert_int_equal(envelope_open(ENVELOPE_EPOCH, writer_span_of(&w), &o[i], got), 0);
		assert_memory_equal(got, secret, sizeof(got));
		assert_int_equal(envelope_open(ENVELOPE_INDEX, writer_span_of(&w), &o[i], got), ERR_DENIED);
	}
	assert_int_equal(envelope_open(ENVELOPE_EPOCH, writer_span_of(&w), &o[2], got), ERR_NOT_FOUND);
	for (size_t n = 0; n < w.len; n++) {
		assert_int_equal(envelope_check(span_of(buf, n)), ERR_TRUNCATED);
	}
	buf[w.len] = 0;
	assert_int_equal(envelope_check(span_of(buf, w.len + 1)), ERR_TRAILING);
	/* A kind that is none, a length of another kind. */
	buf[3] = 0x21;
	assert_int_equal(envelope_check(writer_span_of(&w)), ERR_VALUE);
	buf[3] = 0x10;
	assert_int_equal(envelope_check(writer_span_of(&w)), ERR_LENGTH);
	EVP_PKEY_free(x);
	EVP_PKEY_free(p);
	EVP_PKEY_free(stranger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_open),
		cmocka_unit_test(seals_and_opens),
		cmocka_unit_test(bad_points),
		cmocka_unit_test(reads_keys),
		cmocka_unit_test(public_half_opens_nothing),
		cmocka_unit_test(envelopes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
