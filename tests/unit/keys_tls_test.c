/* SPDX-License-Identifier: Apache-2.0 */
#include "keys_ends.h"
#include "keys/cert.h"

static void assert_carries(struct ends *e)
{
	static uint8_t out[100000], in[100000];
	memset(out, 0xa5, sizeof(out));
	size_t sent = 0, got = 0;
	while (got < sizeof(in)) {
		if (sent < sizeof(out)) {
			int n = SSL_write(e->client, out + sent, (int)(sizeof(out) - sent));
			sent += n > 0 ? (size_t)n : 0;
		}
		int n = SSL_read(e->server, in + got, (int)(sizeof(in) - got));
		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_memory_equal(in, out, sizeof(in));
}

static void mutual(int version, const struct ca_pair *client, const char *suite_part)
{
	SSL_CTX *c = context(false, client, NULL, &site.ca);
	SSL_CTX_set_max_proto_version(c, version);
	struct ends e = join(context(true, &site.gateway_ec, &site.gateway_rsa, &site.ca), c);
	assert_int_equal(tls_expect_server(e.client, "gateway.hospital"), 0);
	if (!shake(&e)) {
		fail_msg("server: %s; client: %s", e.server_why, e.client_why);
	}
	assert_int_equal(SSL_version(e.server), version);
	assert_carries(&e);
	struct tls_peer peer;
	assert_int_equal(tls_peer_of(e.server, &peer), 0);
	assert_string_equal(peer.subject, "CN=scanner");
	assert_string_equal(peer.issuer, "CN=Site CA");
	assert_int_equal(strlen(peer.serial), 32);
	assert_int_equal(peer.n_san, 2);
	assert_string_equal(peer.san[0], "scanner");
	assert_string_equal(peer.san[1], "10.1.1.7");
	assert_int_equal(peer.n_san_left_out, 0);
	assert_int_equal(peer.not_after_s, site.now + 10 * 86400);
	assert_string_equal(peer.version, version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
	assert_says(peer.suite, suite_part);
	uint8_t hash[32];
	assert_int_equal(cert_spki_sha256(ca_certificate(client), hash), 0);
	assert_memory_equal(peer.spki_sha256, hash, 32);
	assert_int_equal(tls_peer_of(e.client, &peer), 0);
	assert_int_equal(peer.n_san, 4);
	assert_string_equal(peer.san[3], "::1");
	leave(&e);
}

static void mutual_at_1_3(void **state)
{
	mutual(TLS1_3_VERSION, &site.scanner, "TLS_AES");
	mutual(TLS1_3_VERSION, &site.scanner_rsa, "TLS_AES");
}

static void mutual_at_1_2(void **state)
{
	mutual(TLS1_2_VERSION, &site.scanner, "ECDHE-ECDSA-AES");
	mutual(TLS1_2_VERSION, &site.scanner_rsa, "ECDHE-ECDSA-AES");
}

/* A device that knows one kind of certificate only is shown that kind. */
static void both_key_types(void **state)
{
	static const char *const suites[] = {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"};
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		SSL_CTX *c = context(false, &site.scanner, NULL, &site.ca);
		SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
		assert_int_equal(SSL_CTX_set_cipher_list(c, suites[i]), 1);
		struct ends e = join(context(true, &site.gateway_ec, &site.gateway_rsa, &site.ca), c);
		assert_true(shake(&e));
		assert_string_equal(SSL_get_cipher(e.server), suites[i]);
		EVP_PKEY *key = X509_get0_pubkey(SSL_get0_peer_certificate(e.client));
		assert_int_equal(EVP_PKEY_is_a(key, i == 0 ? "RSA" : "EC"), 1);
		assert_int_equal(SSL_get_extms_support(e.server), 1);
		leave(&e);
	}
}

static void no_shared_suite(void **state)
{
	SSL_CTX *c = context(false, &site.scanner, NULL, &site.ca);
	SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
	assert_int_equal(SSL_CTX_set_cipher_list(c, "AES128-SHA"), 1);
	struct ends e = join(context(true, &site.gateway_ec, NULL, &site.ca), c);
	assert_false(shake(&e));
	assert_says(e.server_why, "no shared cipher");
	assert_says(e.client_why, "handshake_failure");
	leave(&e);
}

static void no_client_certificate(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX *c = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_max_proto_version(c, version);
		struct ends e = join(context(true, &site.gateway_ec, NULL, &site.ca), c);
		assert_false(shake(&e));
		assert_says(e.server_why, "showed no certificate");
		struct tls_peer peer;
		assert_int_equal(tls_peer_of(e.server, &peer), ERR_MISSING);
		leave(&e);
	}
}

static void refused_client(const struct ca_pair *client, const char *server_says, const char *client_says)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX *c = context(false, client, NULL, &site.ca);
		SSL_CTX_set_max_proto_version(c, version);
		struct ends e = join(context(true, &site.gateway_ec, NULL, &site.ca), c);
		assert_false(shake(&e));
		assert_says(e.server_why, server_says);
		assert_says(e.client_why, client_says);
		leave(&e);
	}
}

static void refused_server(const struct ca_pair *server, const struct ca_pair *trust, const char *name,
	const char *client_says, const char *server_says)
{
	struct ends e =
		join(context(true, server, NULL, &site.ca), context(false, &site.scanner, NULL, trust));
	assert_int_equal(tls_expect_server(e.client, name), 0);
	assert_false(shake(&e));
	assert_says(e.client_why, client_says);
	assert_says(e.server_why, server_says);
	leave(&e);
}

static void wrong_authority(void **state)
{
	refused_client(&site.foreign, "\"CN=scanner\" is by no authority that we trust", "alert unknown_ca");
	refused_server(&site.gateway_ec, &site.other_ca, "localhost", "is by no authority that we trust",
		"alert unknown_ca");
}

static void wrong_dates(void **state)
{
	char day[16], text[64];
	time_t t = (time_t)(site.now - 2 * 86400);
	strftime(day, sizeof(day), "%Y-%m-%d", gmtime(&t));
	snprintf(text, sizeof(text), "\"CN=expired\" expired on %s", day);
	refused_client(&site.expired, text, "certificate_expired");
	refused_client(&site.early, "\"CN=early\" is valid only from", "certificate_expired");
	refused_server(&site.expired, &site.ca, "scanner", text, "certificate_expired");
}

static void wrong_purpose(void **state)
{
	refused_client(&site.server_only, "lacks clientAuth", "unsupported_certificate");
	refused_server(
		&site.client_only, &site.ca, "localhost", "lacks serverAuth", "unsupported_certificate");
}

static void wrong_name(void **state)
{
	static const char *const right[] = {
		"localhost", "Gateway.Hospital", "gateway.hospital.", "127.0.0.1", "::1"};
	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		struct ends e = join(context(true, &site.gateway_ec, NULL, &site.ca),
			context(false, &site.scanner, NULL, &site.ca));
		assert_int_equal(tls_expect_server(e.client, right[i]), 0);
		assert_true(shake(&e));
		leave(&e);
	}
	const char *says = "does not hold the name that we called";
	refused_server(&site.gateway_ec, &site.ca, "gateway.elsewhere", says, "bad_certificate");
	refused_server(&site.gateway_ec, &site.ca, "127.0.0.2", says, "bad_certificate");
	refused_server(&site.gateway_ec, &site.ca, "::2", says, "bad_certificate");
	/* The common name is no name of the server (RFC 9525). */
	refused_server(&site.gateway_ec, &site.ca, "gateway", says, "bad_certificate");
}

static void names_that_cannot_be(void **state)
{
	struct ends e = join(context(true, &site.gateway_ec, NULL, &site.ca),
		context(false, &site.scanner, NULL, &site.ca));
	static const char *const bad[] = {
		"", ".", "a..b", "-a", "a b", "*.hospital", "10.1.1", "1.2.3.4.5", "a/b", "ü"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(tls_expect_server(e.client, bad[i]), ERR_VALUE);
	}
	leave(&e);
}

static void old_version(void **state)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(c, 0);
	SSL_CTX_set_min_proto_version(c, TLS1_VERSION);
	assert_int_equal(SSL_CTX_set_max_proto_version(c, TLS1_1_VERSION), 1);
	assert_int_equal(SSL_CTX_set_cipher_list(c, "ALL:@SECLEVEL=0"), 1);
	struct ends e = join(context(true, &site.gateway_ec, &site.gateway_rsa, &site.ca), c);
	assert_false(shake(&e));
	assert_says(e.server_why, "must speak TLS 1.2 or 1.3");
	assert_says(e.client_why, "protocol_version");
	leave(&e);
}

static void plain_bytes(void **state)
{
	static const uint8_t associate[] = {
		1, 0, 0, 0, 0, 205, 0, 1, 0, 0, 'A', 'R', 'C', 'H', 'I', 'V', 'E'};
	struct ends e = join(context(true, &site.gateway_ec, NULL, &site.ca),
		context(false, &site.scanner, NULL, &site.ca));
	assert_int_equal(BIO_write(SSL_get_wbio(e.client), associate, sizeof(associate)), sizeof(associate));
	assert_false(turn(e.server, &e.server_error, e.server_why, sizeof(e.server_why)));
	assert_says(e.server_why, "is the peer set to plain DICOM?");
	leave(&e);
}

static void closed_without_alert(void **state)
{
	struct ends e = join(context(true, &site.gateway_ec, NULL, &site.ca),
		context(false, &site.scanner, NULL, &site.ca));
	assert_true(shake(&e));
	assert_int_equal(BIO_shutdown_wr(SSL_get_wbio(e.client)), 1);
	char byte;
	int r = SSL_read(e.server, &byte, 1);
	assert_int_equal(SSL_get_error(e.server, r), SSL_ERROR_ZERO_RETURN);
	tls_why(e.server, SSL_ERROR_ZERO_RETURN, e.server_why, sizeof(e.server_why));
	assert_string_equal(e.server_why, "the peer closed the connection");
	leave(&e);
	e = join(context(true, &site.gateway_ec, NULL, &site.ca),
		context(false, &site.scanner, NULL, &site.ca));
	assert_int_equal(BIO_shutdown_wr(SSL_get_wbio(e.client)), 1);
	assert_false(turn(e.server, &e.server_error, e.server_why, sizeof(e.server_why)));
	assert_string_equal(e.server_why, "the peer closed the connection during the TLS handshake");
	leave(&e);
}

static SSL_SESSION *kept;

static int keep(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION_free(kept);
	kept = session;
	return 1;
}

/* Contexts made with the switch given, and one connection with them; then another that offers the session. */
static bool resumes(bool on, int version)
{
	struct tls_identity gateway = {ca_certificate(&site.gateway_ec), held_number(&site.gateway_ec)};
	struct tls_identity scanner = {ca_certificate(&site.scanner), held_number(&site.scanner)};
	struct span anchor = ca_certificate(&site.ca);
	struct tls_config config = {.identities = &gateway,
		.n_identities = 1,
		.trust_pem = &anchor,
		.n_trust = 1,
		.resumption = on};
	SSL_CTX *server = NULL, *client = NULL;
	assert_int_equal(tls_server_context(&config, &server, NULL, 0), 0);
	config.identities = &scanner;
	config.resumption = true;
	assert_int_equal(tls_client_context(&config, &client, NULL, 0), 0);
	SSL_CTX_set_max_proto_version(client, version);
	/* A device that keeps sessions, which the gateway's own calls do not. */
	SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(client, keep);
	bool resumed = false;
	for (int i = 0; i < 2; i++) {
		SSL_CTX_up_ref(server);
		SSL_CTX_up_ref(client);
		struct ends e = join(server, client);
		if (kept) {
			SSL_set_session(e.client, kept);
		}
		assert_true(shake(&e));
		resumed = SSL_session_reused(e.server) == 1;
		struct tls_peer peer;
		assert_int_equal(tls_peer_of(e.server, &peer), 0);
		assert_string_equal(peer.subject, "CN=scanner");
		SSL_shutdown(e.client); /* without it, OpenSSL holds the session for broken */
		leave(&e);
	}
	SSL_SESSION_free(kept);
	kept = NULL;
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	return resumed;
}

static void resumption(void **state)
{
	assert_false(resumes(false, TLS1_2_VERSION));
	assert_false(resumes(false, TLS1_3_VERSION));
	assert_true(resumes(true, TLS1_2_VERSION));
	assert_true(resumes(true, TLS1_3_VERSION));
}

/* A server whose only authority is this. */
static SSL_CTX *server_trusting(const struct ca_pair *authority)
{
	struct tls_identity gateway = {ca_certificate(&site.gateway_ec), held_number(&site.gateway_ec)};
	struct span anchor = ca_certificate(authority);
	struct tls_config config = {.identities = &gateway,
		.n_identities = 1,
		.trust_pem = &anchor,
		.n_trust = 1,
		.resumption = true};
	SSL_CTX *server = NULL;
	assert_int_equal(tls_server_context(&config, &server, NULL, 0), 0);
	return server;
}

static bool offers_kept(SSL_CTX *server, const struct ca_pair *client, int version)
{
	SSL_CTX *c = context(false, client, NULL, &site.ca);
	SSL_CTX_set_max_proto_version(c, version);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(c, keep);
	struct ends e = join(server, c);
	if (kept) {
		SSL_set_session(e.client, kept);
	}
	assert_true(shake(&e));
	bool resumed = SSL_session_reused(e.server) == 1;
	SSL_shutdown(e.client);
	leave(&e);
	return resumed;
}

/* A session that lies there and says of a stranger that he has been verified: nobody takes its word for it. */
static void planted_session(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		assert_false(offers_kept(server_trusting(&site.other_ca), &site.foreign, version));
		assert_true(offers_kept(server_trusting(&site.other_ca), &site.foreign, version));
		assert_false(offers_kept(server_trusting(&site.ca), &site.scanner, version));
		SSL_SESSION_free(kept);
		kept = NULL;
	}
}

static void context_mistakes(void **state)
{
	struct tls_identity good = {ca_certificate(&site.gateway_ec), held_number(&site.gateway_ec)};
	struct tls_identity junk = {span_str("no PEM"), 0};
	struct span anchor = ca_certificate(&site.ca);
	struct span nothing = span_str("");
	struct span cut = span_of(anchor.ptr, anchor.len / 2);
	struct {
		struct tls_config config;
		int code;
		const char *says;
	} cases[] = {
		{{.trust_pem = &anchor, .n_trust = 1}, ERR_MISSING, "no identity"},
		{{.identities = &good, .n_identities = 1}, ERR_MISSING, "no trust anchor"},
		{{&junk, 1, &anchor, 1, false}, ERR_VALUE, "certificate is not readable"},
		{{&good, 1, &nothing, 1, false}, ERR_VALUE, "holds no certificate"},
		{{&good, 1, &cut, 1, false}, ERR_VALUE, "certificate 1 is not readable"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SSL_CTX *made = (SSL_CTX *)&site;
		char why[256] = "";
		assert_int_equal(
			tls_server_context(&cases[i].config, &made, why, sizeof(why)), cases[i].code);
		assert_says(why, cases[i].says);
		assert_ptr_equal(made, &site);
		assert_int_equal(tls_client_context(&cases[i].config, &made, NULL, 0), cases[i].code);
	}
}

/* A chain of authority and leaf in one file is read whole, and the authority is sent along. */
static void chain_is_sent(void **state)
{
	size_t len = site.gateway_ec.certificate_len + site.ca.certificate_len;
	char *both = malloc(len);
	assert_non_null(both);
	memcpy(both, site.gateway_ec.certificate_pem, site.gateway_ec.certificate_len);
	memcpy(both + site.gateway_ec.certificate_len, site.ca.certificate_pem, site.ca.certificate_len);
	struct tls_identity identity = {span_of(both, len), held_number(&site.gateway_ec)};
	struct span anchor = ca_certificate(&site.ca);
	struct tls_config config = {
		.identities = &identity, .n_identities = 1, .trust_pem = &anchor, .n_trust = 1};
	SSL_CTX *server = NULL;
	assert_int_equal(tls_server_context(&config, &server, NULL, 0), 0);
	free(both);
	struct ends e = join(server, context(false, &site.scanner, NULL, &site.ca));
	assert_true(shake(&e));
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(e.client)), 2);
	assert_int_equal(sk_X509_NAME_num(SSL_get0_peer_CA_list(e.client)), 1);
	leave(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutual_at_1_3),
		cmocka_unit_test(mutual_at_1_2),
		cmocka_unit_test(both_key_types),
		cmocka_unit_test(no_shared_suite),
		cmocka_unit_test(no_client_certificate),
		cmocka_unit_test(wrong_authority),
		cmocka_unit_test(wrong_dates),
		cmocka_unit_test(wrong_purpose),
		cmocka_unit_test(wrong_name),
		cmocka_unit_test(names_that_cannot_be),
		cmocka_unit_test(old_version),
		cmocka_unit_test(plain_bytes),
		cmocka_unit_test(closed_without_alert),
		cmocka_unit_test(resumption),
		cmocka_unit_test(planted_session),
		cmocka_unit_test(context_mistakes),
		cmocka_unit_test(chain_is_sent),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
