/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_ENDS_H
#define KEYS_ENDS_H

#include "keys/ca.h"
#include "keys/tls.h"
#include "keys_thread.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* A site's certificates, and two ends of TLS joined by memory: for the tests of src/keys. */

/* Two parties joined by memory. */
struct ends {
	SSL *server;
	SSL *client;
	int server_error; /* SSL_get_error of the side that failed, or 0 */
	int client_error;
	char server_why[512];
	char client_why[512];
};

static struct {
	int64_t now;
	struct ca_pair ca, other_ca;
	struct ca_pair gateway_ec, gateway_rsa, scanner, scanner_rsa, expired, early, server_only,
		client_only, foreign;
} site;

static const char *const gateway_san[] = {"localhost", "gateway.hospital", "127.0.0.1", "::1"};
static const char *const scanner_san[] = {"Scanner", "10.1.1.7"};

static inline void issue(struct ca_pair *ca, const char *name, enum ca_key key, unsigned use, int from_day,
	int to_day, struct ca_pair *ret_pair)
{
	bool gateway = strncmp(name, "gateway", 7) == 0;
	struct ca_request request = {
		.common_name = name,
		.key = key,
		.use = use,
		.san = gateway ? gateway_san : scanner_san,
		.n_san = gateway ? ARRAY_LEN(gateway_san) : ARRAY_LEN(scanner_san),
		.not_before_s = site.now + from_day * 86400,
		.not_after_s = site.now + to_day * 86400,
	};
	assert_int_equal(ca_issue(ca, &request, ret_pair), 0);
}

static inline int set_up(void **state)
{
	site.now = time(NULL);
	held_start();
	struct ca_request request = {
		.common_name = "Site CA",
		.key = CA_KEY_P256,
		.not_before_s = site.now - 86400 * 30,
		.not_after_s = site.now + 86400 * 30,
	};
	assert_int_equal(ca_make(&request, &site.ca), 0);
	request.common_name = "Other CA";
	assert_int_equal(ca_make(&request, &site.other_ca), 0);
	unsigned both = CA_USE_SERVER | CA_USE_CLIENT;
	issue(&site.ca, "gateway", CA_KEY_P256, both, -1, 10, &site.gateway_ec);
	issue(&site.ca, "gateway", CA_KEY_RSA2048, both, -1, 10, &site.gateway_rsa);
	issue(&site.ca, "scanner", CA_KEY_P256, CA_USE_CLIENT, -1, 10, &site.scanner);
	issue(&site.ca, "scanner", CA_KEY_RSA2048, CA_USE_CLIENT, -1, 10, &site.scanner_rsa);
	issue(&site.ca, "expired", CA_KEY_P256, both, -10, -2, &site.expired);
	issue(&site.ca, "early", CA_KEY_P256, both, 3, 10, &site.early);
	issue(&site.ca, "gateway", CA_KEY_P256, CA_USE_SERVER, -1, 10, &site.server_only);
	issue(&site.ca, "gateway", CA_KEY_P256, CA_USE_CLIENT, -1, 10, &site.client_only);
	issue(&site.other_ca, "scanner", CA_KEY_P256, CA_USE_CLIENT, -1, 10, &site.foreign);
	return 0;
}

static inline int tear_down(void **state)
{
	struct ca_pair *all[] = {&site.ca, &site.other_ca, &site.gateway_ec, &site.gateway_rsa, &site.scanner,
		&site.scanner_rsa, &site.expired, &site.early, &site.server_only, &site.client_only,
		&site.foreign};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		ca_pair_done(all[i]);
	}
	held_stop();
	return 0;
}

static inline SSL_CTX *context(
	bool server, const struct ca_pair *a, const struct ca_pair *b, const struct ca_pair *trust)
{
	struct tls_identity identities[2] = {{ca_certificate(a), held_number(a)}};
	if (b) {
		identities[1] = (struct tls_identity){ca_certificate(b), held_number(b)};
	}
	struct span anchors[] = {ca_certificate(trust)};
	struct tls_config config = {
		.identities = identities, .n_identities = b ? 2 : 1, .trust_pem = anchors, .n_trust = 1};
	SSL_CTX *made = NULL;
	char why[256] = "";
	int r = server ? tls_server_context(&config, &made, why, sizeof(why))
	               : tls_client_context(&config, &made, why, sizeof(why));
	if (r < 0) {
		print_error("%s\n", why);
	}
	assert_int_equal(r, 0);
	return made;
}

/* Takes both contexts. */
static inline struct ends join(SSL_CTX *server, SSL_CTX *client)
{
	struct ends e = {.server = SSL_new(server), .client = SSL_new(client)};
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	BIO *a, *b;
	assert_non_null(e.server);
	assert_non_null(e.client);
	assert_int_equal(BIO_new_bio_pair(&a, 65536, &b, 65536), 1);
	SSL_set_bio(e.server, a, a);
	SSL_set_bio(e.client, b, b);
	SSL_set_accept_state(e.server);
	SSL_set_connect_state(e.client);
	return e;
}

static inline void leave(struct ends *e)
{
	SSL_free(e->server);
	SSL_free(e->client);
}

/* One turn of one side; true while it goes on. */
static inline bool turn(SSL *ssl, int *error, char *why, size_t cap)
{
	char byte;
	if (*error) {
		return false;
	}
	int r = SSL_is_init_finished(ssl) ? SSL_read(ssl, &byte, 1) : SSL_do_handshake(ssl);
	if (r > 0) {
		return true;
	}
	int e = SSL_get_error(ssl, r);
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
		return true;
	}
	*error = e;
	tls_why(ssl, e, why, cap);
	assert_int_equal(ERR_peek_error(), 0);
	return false;
}

/* Both sides in turn, until nothing more can happen. */
static inline bool shake(struct ends *e)
{
	for (int i = 0; i < 20; i++) {
		turn(e->client, &e->client_error, e->client_why, sizeof(e->client_why));
		turn(e->server, &e->server_error, e->server_why, sizeof(e->server_why));
	}
	return !e->client_error && !e->server_error && SSL_is_init_finished(e->client) &&
	       SSL_is_init_finished(e->server);
}

static inline void assert_says(const char *text, const char *part)
{
	if (!strstr(text, part)) {
		fail_msg("\"%s\" does not say \"%s\"", text, part);
	}
}

#endif
