/* SPDX-License-Identifier: Apache-2.0 */
#include "keys_ends.h"
#include "keys/crl.h"
#include "keys/profile.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>

static X509 *certificate(const struct ca_pair *pair)
{
	BIO *bio = x509_bio(ca_certificate(pair));
	X509 *cert = NULL;
	assert_int_equal(x509_next(bio, &cert), 0);
	BIO_free(bio);
	return cert;
}

static void make(const struct ca_pair *ca, const struct ca_pair *revoked, int reason, int64_t from_s,
	int64_t until_s, char **ret_pem, size_t *ret_len)
{
	struct ca_revoked one = {.at_s = site.now - 86400, .reason = reason};
	struct ca_facts facts;
	if (revoked) {
		assert_int_equal(ca_read_certificate(ca_certificate(revoked), &facts), 0);
		snprintf(one.serial, sizeof(one.serial), "%s", facts.serial);
	}
	assert_int_equal(ca_make_crl(ca, &one, revoked != NULL, 7, from_s, until_s, ret_pem, ret_len), 0);
}

static struct crl_list *lists_of(const char *pem, size_t len, const struct ca_pair *trusted)
{
	struct crl_list *l = NULL;
	struct span crl = span_of(pem, len), trust = ca_certificate(trusted);
	char why[256] = "";
	int e = crl_list_new(&crl, 1, &trust, 1, &l, why, sizeof(why));
	assert_true((e == 0) == (l != NULL));
	assert_true(e == 0 || why[0]);
	return l;
}

static void answers(void **state)
{
	char *pem, why[128];
	size_t len;
	X509 *bad = certificate(&site.scanner), *good = certificate(&site.scanner_rsa),
	     *foreign = certificate(&site.foreign);
	make(&site.ca, &site.scanner, 1, site.now - 60, site.now + 86400, &pem, &len);
	struct crl_list *l = lists_of(pem, len, &site.ca);
	assert_non_null(l);
	assert_int_equal(crl_ask(l, bad, site.now, why, sizeof(why)), CRL_REVOKED);
	assert_non_null(strstr(why, "(key compromise)"));
	assert_int_equal(crl_ask(l, good, site.now, why, sizeof(why)), CRL_GOOD);
	assert_string_equal(why, "");
	/* Of another authority nothing is known. */
	assert_int_equal(crl_ask(l, foreign, site.now, why, sizeof(why)), CRL_UNKNOWN);
	/* Overdue, it still says who was revoked, and no longer who was not. */
	assert_int_equal(crl_ask(l, bad, site.now + 3 * 86400, why, sizeof(why)), CRL_REVOKED);
	assert_int_equal(crl_ask(l, good, site.now + 3 * 86400, why, sizeof(why)), CRL_UNKNOWN);
	crl_list_free(l);
	free(pem);
	struct span none = {0};
	assert_int_equal(crl_list_new(&none, 0, &none, 0, &l, why, sizeof(why)), 0);
	assert_int_equal(crl_ask(l, bad, site.now, why, sizeof(why)), CRL_NOT_ASKED);
	crl_list_free(l);
	X509_free(bad);
	X509_free(good);
	X509_free(foreign);
}

/* An authority that has a new key: what one of its two lists does not say the other may. */
static void lists_of_two_keys(void **state)
{
	struct ca_pair anew = {0}, leaf = {0};
	struct ca_request request = {.common_name = "Site CA",
		.key = CA_KEY_P256,
		.not_before_s = site.now - 86400,
		.not_after_s = site.now + 86400};
	char *pem[2], why[256];
	size_t len[2];
	struct crl_list *l = NULL;
	assert_int_equal(ca_make(&request, &anew), 0);
	issue(&anew, "scanner", CA_KEY_P256, CA_USE_CLIENT, -1, 1, &leaf);
	make(&site.ca, &site.scanner, 1, site.now - 7200, site.now + 86400, &pem[0], &len[0]);
	make(&anew, NULL, 0, site.now - 60, site.now + 86400, &pem[1], &len[1]);
	struct span trust[] = {ca_certificate(&anew), ca_certificate(&site.ca)};
	X509 *old = certificate(&site.scanner), *other = certificate(&site.scanner_rsa),
	     *fresh = certificate(&leaf);
	for (int order = 0; order < 2; order++) {
		struct span crl[] = {
			span_of(pem[order], len[order]), span_of(pem[1 - order], len[1 - order])};
		assert_int_equal(crl_list_new(crl, 2, trust, 2, &l, why, sizeof(why)), 0);
		assert_int_equal(crl_ask(l, old, site.now, why, sizeof(why)), CRL_REVOKED);
		assert_int_equal(crl_ask(l, other, site.now, why, sizeof(why)), CRL_GOOD);
		assert_int_equal(crl_ask(l, fresh, site.now, why, sizeof(why)), CRL_GOOD);
		assert_int_equal(ERR_peek_error(), 0);
		crl_list_free(l);
	}
	X509_free(old);
	X509_free(other);
	X509_free(fresh);
	ca_pair_done(&anew);
	ca_pair_done(&leaf);
	free(pem[0]);
	free(pem[1]);
}

/* A list that is fetched must not go back to the time before a revocation. */
static void older_lists(void **state)
{
	char *older, *younger, *other;
	size_t n, m, k;
	make(&site.ca, NULL, 0, site.now - 7200, site.now + 86400, &older, &n);
	make(&site.ca, &site.scanner, 0, site.now - 60, site.now + 86400, &younger, &m);
	make(&site.other_ca, NULL, 0, site.now - 7200, site.now + 86400, &other, &k);
	assert_true(crl_is_older(span_of(older, n), span_of(younger, m)));
	assert_false(crl_is_older(span_of(younger, m), span_of(older, n)));
	assert_false(crl_is_older(span_of(younger, m), span_of(younger, m)));
	assert_false(crl_is_older(span_of(other, k), span_of(younger, m)));
	assert_false(crl_is_older(span_str("x"), span_of(younger, m)));
	assert_false(crl_is_older(span_of(older, n), span_of("", 0)));
	free(older);
	free(younger);
	free(other);
}

/* The younger of two lists counts, in whichever order they come, and in one file. */
static void the_youngest_counts(void **state)
{
	char *older, *younger, why[128];
	size_t n, m;
	X509 *cert = certificate(&site.scanner);
	make(&site.ca, NULL, 0, site.now - 7200, site.now + 86400, &older, &n);
	make(&site.ca, &site.scanner, 0, site.now - 60, site.now + 86400, &younger, &m);
	for (int order = 0; order < 2; order++) {
		char *both = malloc(n + m + 1);
		snprintf(both, n + m + 1, "%s%s", order ? older : younger, order ? younger : older);
		struct crl_list *l = lists_of(both, n + m, &site.ca);
		assert_non_null(l);
		assert_int_equal(crl_ask(l, cert, site.now, why, sizeof(why)), CRL_REVOKED);
		crl_list_free(l);
		free(both);
	}
	free(older);
	free(younger);
	X509_free(cert);
}

static void what_is_no_list_is_refused(void **state)
{
	char *pem, issuer[256];
	size_t len;
	int days = -99;
	make(&site.ca, &site.scanner, 4, site.now - 60, site.now + 5 * 86400 + 60, &pem, &len);
	assert_null(lists_of(pem, len, &site.other_ca));
	assert_null(lists_of("", 0, &site.ca));
	assert_null(lists_of(site.ca.certificate_pem, site.ca.certificate_len, &site.ca));
	assert_int_equal(crl_days_left(span_of(pem, len), site.now, &days, issuer), 0);
	assert_int_equal(days, 5);
	assert_string_equal(issuer, "CN=Site CA");
	/* Cut anywhere before its end it is nothing; DER too, read from memory of exactly that size. */
	for (size_t i = 0; i + 30 < len; i += 7) {
		char *cut = malloc(i + 1);
		memcpy(cut, pem, i);
		assert_null(lists_of(cut, i, &site.ca));
		free(cut);
	}
	BIO *bio = x509_bio(span_of(pem, len));
	X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	unsigned char *der = NULL;
	int n = i2d_X509_CRL(crl, &der);
	for (int i = 0; i <= n; i++) {
		char *cut = malloc((size_t)i + 1);
		memcpy(cut, der, (size_t)i);
		struct crl_list *l = lists_of(cut, (size_t)i, &site.ca);
		assert_true((l != NULL) == (i == n));
		crl_list_free(l);
		free(cut);
	}
	OPENSSL_free(der);
	X509_CRL_free(crl);
	BIO_free(bio);
	free(pem);
}

/* Each suite has one row, and is of the profiles' versions. */
static void profiles(void **state)
{
	for (size_t i = 0; i < profile_suites_count; i++) {
		const struct profile_suite *s = &profile_suites[i];
		assert_true(s->version == 0x0303 || s->version == 0x0304);
		assert_true(s->profiles != 0 && !(s->profiles & 1u << PROFILE_LIVE));
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(s->name, profile_suites[k].name);
			assert_string_not_equal(s->openssl, profile_suites[k].openssl);
		}
	}
	for (unsigned p = PROFILE_BCP195; p < PROFILE_COUNT; p++) {
		SSL_CTX *context = SSL_CTX_new(TLS_server_method());
		assert_int_equal(profile_apply((enum tls_profile)p, context), 0);
		unsigned offered = 0;
		for (int i = 0; i < sk_SSL_CIPHER_num(SSL_CTX_get_ciphers(context)); i++) {
			const char *name = SSL_CIPHER_standard_name(
				sk_SSL_CIPHER_value(SSL_CTX_get_ciphers(context), i));
			for (size_t k = 0; k < profile_suites_count; k++) {
				offered += strcmp(profile_suites[k].name, name) == 0 &&
				           profile_suites[k].profiles & 1u << p;
			}
		}
		assert_int_equal(offered, sk_SSL_CIPHER_num(SSL_CTX_get_ciphers(context)));
		SSL_CTX_free(context);
	}
}

/* A request that is altered anywhere is not the device's own. */
static void requests(void **state)
{
	char why[200];
	struct ca_facts facts;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_REQ *request = X509_REQ_new();
	assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_ASC,
				 (const unsigned char *)"ct7", -1, -1, 0),
		1);
	assert_true(X509_REQ_sign(request, key, EVP_sha256()) > 0);
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509_REQ(bio, request), 1);
	char *pem = NULL;
	long len = BIO_get_mem_data(bio, &pem);
	assert_int_equal(ca_read_request(span_of(pem, (size_t)len), &facts, why, sizeof(why)), 0);
	assert_string_equal(facts.subject, "CN=ct7");
	assert_string_equal(facts.key, "ECDSA 256 bits");
	unsigned char *der = NULL;
	int n = i2d_X509_REQ(request, &der);
	for (int i = 0; i < n; i++) {
		der[i] ^= 0x10;
		const unsigned char *at = der;
		X509_REQ *altered = d2i_X509_REQ(NULL, &at, n);
		if (altered) {
			BIO *out = BIO_new(BIO_s_mem());
			assert_int_equal(PEM_write_bio_X509_REQ(out, altered), 1);
			char *text = NULL;
			long size = BIO_get_mem_data(out, &text);
			assert_true(
				ca_read_request(span_of(text, (size_t)size), &facts, why, sizeof(why)) < 0);
			BIO_free(out);
			X509_REQ_free(altered);
		}
		ERR_clear_error();
		der[i] ^= 0x10;
	}
	for (long i = 0; i + 30 < len; i += 5) {
		assert_true(ca_read_request(span_of(pem, (size_t)i), &facts, why, sizeof(why)) < 0);
	}
	OPENSSL_free(der);
	BIO_free(bio);
	X509_REQ_free(request);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(the_youngest_counts),
		cmocka_unit_test(older_lists),
		cmocka_unit_test(lists_of_two_keys),
		cmocka_unit_test(what_is_no_list_is_refused),
		cmocka_unit_test(profiles),
		cmocka_unit_test(requests),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
