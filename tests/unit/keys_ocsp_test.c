/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/ocsp.h"
#include "keys_ends.h"

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* OCSP responses of every kind, made by OpenSSL and judged by us. */

static X509 *certificate(const struct ca_pair *pair)
{
	BIO *bio = BIO_new_mem_buf(pair->certificate_pem, (int)pair->certificate_len);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(cert);
	return cert;
}

static EVP_PKEY *key_of(const struct ca_pair *pair)
{
	BIO *bio = BIO_new_mem_buf(pair->key_pem, (int)pair->key_len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(key);
	return key;
}

struct made {
	const struct ca_pair *about, *issuer, *signer;
	int status, reason;
	long from, until; /* seconds from now; until 0: none */
	bool sha256;      /* names the certificate so */
	bool sha1;        /* is signed so */
};

static struct span make(const struct made *w, uint8_t **ret_bytes)
{
	X509 *about = certificate(w->about), *issuer = certificate(w->issuer),
	     *signer = certificate(w->signer);
	EVP_PKEY *key = key_of(w->signer);
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(w->sha256 ? EVP_sha256() : NULL, about, issuer);
	ASN1_TIME *from = X509_gmtime_adj(NULL, w->from),
		  *until = w->until ? X509_gmtime_adj(NULL, w->until) : NULL,
		  *revoked = X509_gmtime_adj(NULL, -86400);
	assert_non_null(OCSP_basic_add1_status(basic, id, w->status, w->reason,
		w->status == V_OCSP_CERTSTATUS_REVOKED ? revoked : NULL, from, until));
	assert_int_equal(
		OCSP_basic_sign(basic, signer, key, w->sha1 ? EVP_sha1() : EVP_sha256(), NULL, 0), 1);
	OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	*ret_bytes = NULL;
	int len = i2d_OCSP_RESPONSE(response, ret_bytes);
	assert_true(len > 0);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	ASN1_TIME_free(revoked);
	EVP_PKEY_free(key);
	X509_free(about);
	X509_free(issuer);
	X509_free(signer);
	return span_of(*ret_bytes, (size_t)len);
}

/* What is said of the scanner's certificate. */
static struct standing judge(struct span response)
{
	X509 *cert = certificate(&site.scanner), *issuer = certificate(&site.ca);
	struct standing s;
	memset(&s, 0x55, sizeof(s));
	ocsp_judge(response, cert, issuer, site.now, &s);
	assert_true((s.state == STANDING_GOOD) == (s.why[0] == 0));
	X509_free(cert);
	X509_free(issuer);
	return s;
}

static void answers(void **state)
{
	const struct ca_pair *scanner = &site.scanner, *ca = &site.ca, *other = &site.other_ca;
	const int good = V_OCSP_CERTSTATUS_GOOD, revoked = V_OCSP_CERTSTATUS_REVOKED,
		  unknown = V_OCSP_CERTSTATUS_UNKNOWN;
	const struct {
		struct made made;
		enum standing_state state;
		const char *says;
	} cases[] = {
		{{scanner, ca, ca, good, 0, -60, 3600, false}, STANDING_GOOD, ""},
		{{scanner, ca, ca, good, 0, -60, 3600, true}, STANDING_GOOD, ""},
		{{scanner, ca, ca, good, 0, -60, 0, false}, STANDING_GOOD, ""},
		{{scanner, ca, ca, revoked, OCSP_REVOKED_STATUS_KEYCOMPROMISE, -60, 3600, false},
			STANDING_REVOKED, "(key compromise)"},
		{{scanner, ca, ca, revoked, OCSP_REVOKED_STATUS_NOSTATUS, -60, 3600, false}, STANDING_REVOKED,
			"was revoked on "},
		{{scanner, ca, ca, unknown, 0, -60, 3600, false}, STANDING_UNKNOWN, "does not know it"},
		{{scanner, ca, ca, good, 0, -7200, -3600, false}, STANDING_UNKNOWN, "not of now"},
		{{scanner, ca, ca, good, 0, 7200, 9000, false}, STANDING_UNKNOWN, "not of now"},
		{{scanner, ca, ca, good, 0, -60, 3600, false, true}, STANDING_UNKNOWN, "weaker than SHA-256"},
		/* Without an end it is of the moment: an old one has been kept to be shown again. */
		{{scanner, ca, ca, good, 0, -7200, 0, false}, STANDING_UNKNOWN, "not of now"},
		{{&site.scanner_rsa, ca, ca, good, 0, -60, 3600, false}, STANDING_UNKNOWN,
			"another certificate"},
		{{scanner, ca, other, good, 0, -60, 3600, false}, STANDING_UNKNOWN,
			"not signed by its authority"},
		/* Issued by the authority, and not for this. */
		{{scanner, ca, &site.gateway_ec, good, 0, -60, 3600, false}, STANDING_UNKNOWN,
			"not signed by its authority"},
		/* The peer's own word. */
		{{scanner, ca, scanner, good, 0, -60, 3600, false}, STANDING_UNKNOWN,
			"not signed by its authority"},
	};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t *bytes;
		struct standing s = judge(make(&cases[i].made, &bytes));
		if (s.state != cases[i].state) {
			fail_msg("case %u: %s", i, s.why);
		}
		assert_says(s.why, cases[i].says);
		assert_true(s.state == STANDING_UNKNOWN || s.until_s >= site.now);
		assert_true(s.state == STANDING_UNKNOWN || (s.from_s > 0 && s.from_s <= site.now));
		OPENSSL_free(bytes);
	}
}

static void no_answers(void **state)
{
	uint8_t *bytes;
	const struct made good = {
		&site.scanner, &site.ca, &site.ca, V_OCSP_CERTSTATUS_GOOD, 0, -60, 3600, false};
	struct span s = make(&good, &bytes);
	for (size_t n = 0; n < s.len; n++) {
		uint8_t *cut = malloc(n ? n : 1);
		memcpy(cut, s.ptr, n);
		assert_int_equal(judge(span_of(cut, n)).state, STANDING_UNKNOWN);
		free(cut);
	}
	/* A bit of the signed part turned is no answer any more. */
	for (size_t i = 0; i < s.len; i++) {
		uint8_t *turned = malloc(s.len);
		memcpy(turned, s.ptr, s.len);
		turned[i] ^= 0x10;
		struct standing said = judge(span_of(turned, s.len));
		assert_true(said.state != STANDING_REVOKED);
		free(turned);
	}
	OPENSSL_free(bytes);
	OCSP_RESPONSE *busy = OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL);
	bytes = NULL;
	int len = i2d_OCSP_RESPONSE(busy, &bytes);
	struct standing said = judge(span_of(bytes, (size_t)len));
	assert_int_equal(said.state, STANDING_UNKNOWN);
	assert_says(said.why, "trylater");
	OPENSSL_free(bytes);
	OCSP_RESPONSE_free(busy);
}

static void chains(void **state)
{
	X509 *at[CHAIN_CERTIFICATES + 1], *back[CHAIN_CERTIFICATES];
	static uint8_t buf[16384], again[16384];
	size_t len, again_len;
	unsigned n;
	for (unsigned i = 0; i < ARRAY_LEN(at); i++) {
		at[i] = certificate(i % 2 ? &site.ca : &site.scanner);
	}
	for (unsigned want = 1; want <= CHAIN_CERTIFICATES; want++) {
		assert_int_equal(chain_write(at, want, buf, sizeof(buf), &len), 0);
		assert_int_equal(chain_read(span_of(buf, len), back, &n), 0);
		assert_int_equal(n, want);
		assert_int_equal(chain_write(back, n, again, sizeof(again), &again_len), 0);
		assert_int_equal(again_len, len);
		assert_memory_equal(again, buf, len);
		chain_free(back, n);
		assert_true(chain_read(span_of(buf, len - 1), back, &n) < 0);
		assert_int_equal(chain_write(at, want, buf, len - 1, &again_len), ERR_SPACE);
	}
	assert_int_equal(chain_write(at, CHAIN_CERTIFICATES + 1, buf, sizeof(buf), &len), 0);
	assert_int_equal(chain_read(span_of(buf, len), back, &n), ERR_LIMIT);
	assert_int_equal(chain_read(span_of("", 0), back, &n), ERR_TRUNCATED);
	assert_int_equal(chain_read(span_of("\0\1x", 3), back, &n), ERR_VALUE);
	assert_int_equal(chain_write(at, 0, buf, sizeof(buf), &len), ERR_MISSING);
	chain_free(at, ARRAY_LEN(at));
}

static void joined(void **state)
{
	static const uint8_t bytes[] = {0, 1, 'a', 0, 2, 'b', 'c', 0, 0, 's', 't'};
	uint8_t buf[64];
	struct span chain = span_of(bytes, 7), got, staple;
	size_t len = 0;
	assert_int_equal(chain_join(chain, span_str("st"), buf, sizeof(buf), &len), 0);
	assert_int_equal(len, sizeof(bytes));
	assert_memory_equal(buf, bytes, len);
	assert_int_equal(chain_split(span_of(buf, len), &got, &staple), 0);
	assert_true(span_eq(got, chain) && span_eq(staple, span_str("st")));
	assert_int_equal(chain_join(chain, span_str(""), buf, sizeof(buf), &len), 0);
	assert_int_equal(chain_split(span_of(buf, len), &got, &staple), 0);
	assert_true(span_eq(got, chain) && staple.len == 0);
	assert_int_equal(chain_join(chain, span_str("st"), buf, sizeof(bytes) - 1, &len), ERR_SPACE);
	/* Cut anywhere else than between certificates, or in the staple, it is none. */
	for (size_t n = 0; n < sizeof(bytes); n++) {
		bool whole = n == 3 || n == 7 || n >= 9;
		struct span before = got;
		assert_int_equal(chain_split(span_of(bytes, n), &got, &staple), whole ? 0 : ERR_TRUNCATED);
		assert_true(whole || got.ptr == before.ptr);
	}
	assert_int_equal(
		chain_split(span_of(bytes + 7, 4), &got, &staple), ERR_TRUNCATED); /* a staple of nobody */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(no_answers),
		cmocka_unit_test(chains),
		cmocka_unit_test(joined),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
