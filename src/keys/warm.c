/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>

/* More turns than any handshake has. */
#define TURNS 12

static void converse(SSL *server, SSL *client)
{
	char byte = 0;
	size_t n;
	for (int i = 0; i < TURNS; i++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	/* The record layer's ciphers are looked up too. */
	(void)SSL_write_ex(client, &byte, 1, &n);
	(void)SSL_read_ex(server, &byte, 1, &n);
	(void)SSL_write_ex(server, &byte, 1, &n);
	(void)SSL_read_ex(client, &byte, 1, &n);
}

void tls_warm_up(SSL_CTX *server_ctx, SSL_CTX *client_ctx)
{
	SSL *server = SSL_new(server_ctx), *client = SSL_new(client_ctx);
	BIO *a = NULL, *b = NULL;
	if (server && client && BIO_new_bio_pair(&a, 0, &b, 0) == 1) {
		SSL_set_bio(server, a, a);
		SSL_set_bio(client, b, b);
		SSL_set_accept_state(server);
		SSL_set_connect_state(client);
		/* It is our own certificate, for whatever name and purpose. */
		SSL_set_verify(client, SSL_VERIFY_NONE, NULL);
		converse(server, client);
	}
	SSL_free(server);
	SSL_free(client);
	ERR_clear_error();
}
