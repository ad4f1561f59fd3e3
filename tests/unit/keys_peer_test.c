/* SPDX-License-Identifier: Apache-2.0 */
#include "keys_ends.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static void add_name(GENERAL_NAMES *names, int kind, const void *bytes, size_t len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = kind == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	assert_int_equal(ASN1_STRING_set(value, bytes, (int)len), 1);
	GENERAL_NAME_set0_value(name, kind, value);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
}

static void *from_pem(struct span pem, bool key)
{
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	void *made = key ? (void *)PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)
	                 : (void *)PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(made);
	return made;
}

/* The scanner's certificate with other names, signed again, as a device of a careless or hostile maker shows it. */
static void peer_with_names(GENERAL_NAMES *names, struct tls_peer *ret_peer)
{
	X509 *cert = from_pem(ca_certificate(&site.scanner), false);
	EVP_PKEY *key = from_pem(ca_private_key(&site.ca), true);
	assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	struct ca_pair pair = {.key_pem = site.scanner.key_pem, .key_len = site.scanner.key_len};
	pair.certificate_len = (size_t)BIO_get_mem_data(bio, &pair.certificate_pem);
	struct ends e =
		join(context(true, &site.gateway_ec, NULL, &site.ca), context(false, &pair, NULL, &site.ca));
	assert_true(shake(&e));
	assert_int_equal(tls_peer_of(e.server, ret_peer), 0);
	leave(&e);
	BIO_free(bio);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* No name of one kind can be written so that it reads as another's, and nothing is cut into another name. */
static void odd_names(void **state)
{
	static const struct {
		int kind;
		const char *bytes;
		size_t len;
		const char *read; /* NULL: left out */
	} cases[] = {
		{GEN_DNS, "CT1.Hospital", 12, "ct1.hospital"},
		{GEN_DNS, "*.hospital", 10, "*.hospital"},
		{GEN_DNS, "ct1.hospital\0.evil", 18, NULL},
		{GEN_DNS, "ct1 hospital", 12, NULL},
		{GEN_DNS, "10.1.1.7", 8, NULL},
		{GEN_DNS, "a@b", 3, NULL},
		{GEN_DNS, "", 0, NULL},
		{GEN_URI, "urn:device:7", 12, "urn:device:7"},
		{GEN_URI, "ct1.hospital", 12, NULL},
		{GEN_URI, "fe80::1", 7, NULL},
		{GEN_EMAIL, "ct1@hospital", 12, "ct1@hospital"},
		{GEN_EMAIL, "ct1.hospital", 12, NULL},
		{GEN_EMAIL, "ct1@\nhospital", 13, NULL},
		{GEN_IPADD, "\x0a\x01\x01\x07", 4, "10.1.1.7"},
		{GEN_IPADD, "\x0a\x01\x01", 3, NULL},
	};
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		add_name(names, cases[i].kind, cases[i].bytes, cases[i].len);
	}
	struct tls_peer peer;
	peer_with_names(names, &peer);
	GENERAL_NAMES_free(names);
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (cases[i].read) {
			assert_true(n < peer.n_san);
			assert_string_equal(peer.san[n++], cases[i].read);
		}
	}
	assert_int_equal(peer.n_san, n);
	assert_int_equal(peer.n_san_left_out, ARRAY_LEN(cases) - n);
}

static void many_names(void **state)
{
	char long_uri[300];
	memset(long_uri, 'x', sizeof(long_uri));
	memcpy(long_uri, "urn:", 4);
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	add_name(names, GEN_URI, long_uri, TLS_NAME_LEN);
	add_name(names, GEN_URI, long_uri, TLS_NAME_LEN - 1);
	for (int i = 0; i < 40; i++) {
		char name[16];
		int len = snprintf(name, sizeof(name), "ct%d", i);
		add_name(names, GEN_DNS, name, (size_t)len);
	}
	struct tls_peer peer;
	peer_with_names(names, &peer);
	GENERAL_NAMES_free(names);
	assert_int_equal(peer.n_san, TLS_SAN_MAX);
	assert_int_equal(peer.n_san_left_out, 42 - TLS_SAN_MAX);
	assert_int_equal(strlen(peer.san[0]), TLS_NAME_LEN - 1);
	assert_string_equal(peer.san[TLS_SAN_MAX - 1], "ct14");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_names),
		cmocka_unit_test(many_names),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
