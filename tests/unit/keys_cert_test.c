/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/ca.h"
#include "keys/cert.h"
#include "keys/private.h"
#include "keys/x509.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY 86400

static struct ca_pair ca;
static int64_t now;

static struct ca_request leaf_request(enum ca_key key)
{
	static const char *const san[] = {"ct1.hospital", "10.1.1.7", "fd00::7"};
	return (struct ca_request){.common_name = "ct1, \"quoted\"",
		.key = key,
		.use = CA_USE_SERVER | CA_USE_CLIENT,
		.san = san,
		.n_san = ARRAY_LEN(san),
		.not_before_s = now,
		.not_after_s = now + 10 * DAY};
}

static int set_up(void **state)
{
	now = time(NULL);
	struct ca_request request = {.common_name = "Site CA",
		.key = CA_KEY_P256,
		.not_before_s = now,
		.not_after_s = now + 100 * DAY};
	return ca_make(&request, &ca);
}

static int tear_down(void **state)
{
	ca_pair_done(&ca);
	return 0;
}

static X509 *parse(const struct ca_pair *pair)
{
	BIO *bio = BIO_new_mem_buf(pair->certificate_pem, (int)pair->certificate_len);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(cert);
	return cert;
}

static void authority(void **state)
{
	X509 *cert = parse(&ca);
	assert_int_equal(X509_check_ca(cert), 1);
	assert_int_equal(X509_get_key_usage(cert), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_int_equal(X509_self_signed(cert, 1), 1);
	assert_int_equal(ca.certificate_len, strlen(ca.certificate_pem));
	assert_int_equal(ca.key_len, strlen(ca.key_pem));
	assert_int_equal(strncmp(ca.key_pem, "-----BEGIN PRIVATE KEY-----", 27), 0);
	X509_free(cert);
}

static void issued(void **state)
{
	for (enum ca_key key = CA_KEY_P256; key <= CA_KEY_RSA2048; key++) {
		struct ca_request request = leaf_request(key);
		struct ca_pair pair = {0};
		assert_int_equal(ca_issue(&ca, &request, &pair), 0);
		X509 *cert = parse(&pair);
		X509 *issuer = parse(&ca);
		assert_int_equal(X509_check_issued(issuer, cert), X509_V_OK);
		assert_int_equal(X509_verify(cert, X509_get0_pubkey(issuer)), 1);
		assert_int_equal(X509_check_ca(cert), 0);
		assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_SERVER | XKU_SSL_CLIENT);
		assert_int_equal(X509_check_host(cert, "ct1.hospital", 0, 0, NULL), 1);
		assert_int_equal(X509_check_ip_asc(cert, "10.1.1.7", 0), 1);
		assert_int_equal(X509_check_ip_asc(cert, "fd00::7", 0), 1);
		assert_int_equal(X509_check_host(cert, "10.1.1.7", 0, 0, NULL), 0);
		assert_int_equal(EVP_PKEY_is_a(X509_get0_pubkey(cert), key == CA_KEY_P256 ? "EC" : "RSA"), 1);
		EVP_PKEY *own = NULL;
		assert_int_equal(x509_private_key(ca_private_key(&pair), &own), 0);
		assert_int_equal(X509_check_private_key(cert, own), 1);
		EVP_PKEY_free(own);
		X509_free(cert);
		X509_free(issuer);
		ca_pair_done(&pair);
		assert_null(pair.key_pem);
		ca_pair_done(&pair);
	}
}

static void serials_differ(void **state)
{
	struct ca_request request = leaf_request(CA_KEY_P256);
	struct ca_pair a = {0}, b = {0};
	assert_int_equal(ca_issue(&ca, &request, &a), 0);
	assert_int_equal(ca_issue(&ca, &request, &b), 0);
	X509 *x = parse(&a), *y = parse(&b);
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(x), X509_get0_serialNumber(y)), 0);
	assert_int_equal(ASN1_STRING_length(X509_get0_serialNumber(x)), 16);
	X509_free(x);
	X509_free(y);
	ca_pair_done(&a);
	ca_pair_done(&b);
}

static void requests_that_cannot_be(void **state)
{
	static const char *const bad_san[] = {"a b"};
	char long_name[66];
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	struct ca_request cases[6];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cases[i] = leaf_request(CA_KEY_P256);
	}
	cases[0].common_name = "";
	cases[1].common_name = long_name;
	cases[2].not_after_s = cases[2].not_before_s;
	cases[3].use = 0;
	cases[4].use = CA_USE_LISTS | CA_USE_SERVER;
	cases[5].san = bad_san;
	cases[5].n_san = 1;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ca_pair pair = {.key_len = 7};
		assert_int_equal(ca_issue(&ca, &cases[i], &pair), ERR_VALUE);
		assert_int_equal(pair.key_len, 7);
		assert_null(pair.key_pem);
	}
	struct ca_pair keyless = ca;
	struct ca_pair pair;
	keyless.key_len = 0;
	struct ca_request request = leaf_request(CA_KEY_P256);
	assert_int_equal(ca_issue(&keyless, &request, &pair), ERR_VALUE);
}

static void days_left(void **state)
{
	struct ca_request request = leaf_request(CA_KEY_P256);
	struct ca_pair pair = {0};
	int days;
	char subject[256];
	assert_int_equal(ca_issue(&ca, &request, &pair), 0);
	struct span pem = ca_certificate(&pair);
	static const struct {
		int64_t later;
		int days;
	} cases[] = {{0, 10}, {1, 9}, {9 * DAY, 1}, {9 * DAY + 1, 0}, {10 * DAY, 0}, {10 * DAY + 1, -1},
		{11 * DAY, -1}, {11 * DAY + 1, -2}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(cert_days_left(pem, now + cases[i].later, &days, subject), 0);
		assert_int_equal(days, cases[i].days);
	}
	assert_string_equal(subject, "CN=ct1\\, \\\"quoted\\\"");
	char why[160] = "";
	assert_int_equal(cert_signs(pem, now, why, sizeof(why)), 0);
	assert_int_equal(cert_signs(pem, now + 10 * DAY, why, sizeof(why)), 0);
	assert_int_equal(cert_signs(pem, now + 10 * DAY + 1, why, sizeof(why)), ERR_DENIED);
	assert_non_null(strstr(why, "has expired on 20"));
	assert_int_equal(cert_signs(pem, now - 10 * DAY, why, sizeof(why)), ERR_DENIED);
	assert_non_null(strstr(why, "begins on 20"));
	assert_int_equal(cert_signs(span_str(ca.certificate_pem), now, why, sizeof(why)), ERR_DENIED);
	assert_non_null(strstr(why, "not for signatures"));
	assert_int_equal(cert_signs(span_str("no certificate"), now, why, sizeof(why)), ERR_VALUE);
	ca_pair_done(&pair);
}

static void count(void **state)
{
	char both[8192];
	int n = -1;
	int len = snprintf(both, sizeof(both), "a comment\n%s%s", ca.certificate_pem, ca.certificate_pem);
	assert_int_equal(cert_count(span_of(both, (size_t)len), &n), 0);
	assert_int_equal(n, 2);
	n = -1;
	assert_int_equal(cert_count(span_str("nothing here"), &n), ERR_VALUE);
	assert_int_equal(cert_count(span_of(NULL, 0), &n), ERR_VALUE);
	assert_int_equal(n, -1);
}

/* A PEM cut anywhere is refused, and leaves the outputs alone. */
static void truncated(void **state)
{
	uint8_t hash[32] = {0x5a}, whole[32];
	int days = 12345;
	char subject[256] = "kept";
	assert_int_equal(cert_spki_sha256(ca_certificate(&ca), whole), 0);
	/* The last byte is a newline, which may be missing. */
	for (size_t len = 0; len < ca.certificate_len - 1; len++) {
		char *exact = malloc(len ? len : 1);
		assert_non_null(exact);
		memcpy(exact, ca.certificate_pem, len);
		assert_int_equal(cert_spki_sha256(span_of(exact, len), hash), ERR_VALUE);
		assert_int_equal(cert_days_left(span_of(exact, len), now, &days, subject), ERR_VALUE);
		free(exact);
	}
	assert_int_equal(hash[0], 0x5a);
	assert_int_equal(days, 12345);
	assert_string_equal(subject, "kept");
}

/* The same of PEM and of DER; DER that is cut, or has more behind it, is none. */
static void who(void **state)
{
	struct ca_pair pair;
	const struct ca_request request = leaf_request(CA_KEY_P256);
	char subject[256] = "kept", other[256];
	uint8_t hash[32] = {0x5a}, again[32], expected[32], *der = NULL;
	assert_int_equal(ca_issue(&ca, &request, &pair), 0);
	X509 *cert = parse(&pair);
	int len = i2d_X509(cert, &der);
	assert_true(len > 0);
	uint8_t *longer = calloc(1, (size_t)len + 1);
	assert_non_null(longer);
	memcpy(longer, der, (size_t)len);
	for (size_t n = 0; n <= (size_t)len + 1; n++) {
		if (n != (size_t)len) {
			assert_int_equal(cert_who(span_of(longer, n), subject, hash), ERR_VALUE);
		}
	}
	assert_string_equal(subject, "kept");
	assert_int_equal(hash[0], 0x5a);
	assert_int_equal(cert_who(span_of(der, (size_t)len), subject, hash), 0);
	assert_int_equal(cert_who(ca_certificate(&pair), other, again), 0);
	assert_string_equal(subject, other);
	assert_non_null(strstr(subject, "ct1"));
	assert_int_equal(EVP_Digest(der, (size_t)len, expected, NULL, EVP_sha256(), NULL), 1);
	assert_memory_equal(hash, expected, sizeof(hash));
	assert_memory_equal(again, expected, sizeof(again));
	free(longer);
	OPENSSL_free(der);
	X509_free(cert);
	ca_pair_done(&pair);
}

/* An encrypted key is refused; nobody is asked for a passphrase. */
static void encrypted_key(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(
		PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), "pass", 4, NULL, NULL), 1);
	char *text;
	long len = BIO_get_mem_data(bio, &text);
	EVP_PKEY *read = NULL;
	assert_int_equal(x509_private_key(span_of(text, (size_t)len), &read), ERR_VALUE);
	BIO_free(bio);
	EVP_PKEY_free(key);
}

/* ---- Keys with a passphrase ---- */

struct person {
	const char *text; /* NULL: there is none */
	unsigned asked;
};

static bool type(void *arg, char *buf, size_t cap)
{
	struct person *a = arg;
	a->asked++;
	return a->text && snprintf(buf, cap, "%s", a->text) > 0;
}

static int open_answered(struct span pem, const struct ca_pair *pair, struct person *a, char why[512])
{
	char path[] = "/tmp/gantry-key-XXXXXX";
	const struct private_key_asks asks = {.ask = type, .arg = a, .otherwise = "; say it"};
	struct private_key *key = NULL;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, pem.ptr, pem.len), (ssize_t)pem.len);
	close(fd);
	why[0] = 0;
	int e = private_key_open_asking(path, ca_certificate(pair), &asks, &key, why, 512);
	assert_true((e == 0) == (key != NULL));
	private_key_free(key);
	unlink(path);
	return e;
}

static BIO *lock(const struct ca_pair *pair, bool traditional)
{
	BIO *from = BIO_new_mem_buf(ca_private_key(pair).ptr, (int)ca_private_key(pair).len);
	BIO *to = BIO_new(BIO_s_mem());
	EVP_PKEY *key = PEM_read_bio_PrivateKey(from, NULL, NULL, NULL);
	assert_int_equal(traditional ? PEM_write_bio_PrivateKey_traditional(to, key, EVP_aes_128_cbc(),
					       (const unsigned char *)"open it", 7, NULL, NULL)
				     : PEM_write_bio_PKCS8PrivateKey(
					       to, key, EVP_aes_256_cbc(), "open it", 7, NULL, NULL),
		1);
	EVP_PKEY_free(key);
	BIO_free(from);
	return to;
}

/* Of either form, asked for once; a key that has none is opened unasked. */
static void keys_with_passphrases(void **state)
{
	struct ca_pair pairs[2] = {0};
	for (unsigned i = 0; i < 2; i++) {
		struct ca_request request = leaf_request(i ? CA_KEY_RSA2048 : CA_KEY_P256);
		assert_int_equal(ca_issue(&ca, &request, &pairs[i]), 0);
	}
	char why[512];
	for (unsigned i = 0; i < 4; i++) {
		const struct ca_pair *pair = &pairs[i / 2];
		char *text;
		BIO *locked = lock(pair, i % 2);
		struct span pem = {.len = (size_t)BIO_get_mem_data(locked, &text)};
		pem.ptr = (const uint8_t *)text;
		struct person good = {.text = "open it"}, bad = {.text = "open"}, none = {0};
		assert_int_equal(open_answered(pem, pair, &good, why), 0);
		assert_int_equal(open_answered(pem, pair, &bad, why), ERR_DENIED);
		assert_non_null(strstr(why, "the passphrase does not open /tmp/gantry-key-"));
		assert_int_equal(open_answered(pem, pair, &none, why), ERR_MISSING);
		assert_non_null(strstr(why, "there was no passphrase for /tmp/gantry-key-"));
		assert_non_null(strstr(why, "; say it"));
		assert_int_equal(open_answered(pem, &pairs[1 - i / 2], &good, why), ERR_DENIED);
		assert_non_null(strstr(why, "does not belong to its certificate"));
		assert_int_equal(good.asked, 2);
		assert_int_equal(bad.asked + none.asked, 2);
		BIO_free(locked);
	}
	struct person unasked = {.text = "open it"};
	assert_int_equal(open_answered(ca_private_key(&pairs[0]), &pairs[0], &unasked, why), 0);
	assert_int_equal(open_answered(span_str("KEY"), &pairs[0], &unasked, why), ERR_VALUE);
	assert_non_null(strstr(why, "holds no private key that can be read (PEM)"));
	assert_int_equal(unasked.asked, 0);
	ca_pair_done(&pairs[0]);
	ca_pair_done(&pairs[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authority),
		cmocka_unit_test(issued),
		cmocka_unit_test(serials_differ),
		cmocka_unit_test(requests_that_cannot_be),
		cmocka_unit_test(days_left),
		cmocka_unit_test(count),
		cmocka_unit_test(truncated),
		cmocka_unit_test(who),
		cmocka_unit_test(encrypted_key),
		cmocka_unit_test(keys_with_passphrases),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
