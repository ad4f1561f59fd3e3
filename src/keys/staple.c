/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/staple.h"
#include "keys/tls.h"

#include <stdlib.h>
#include <string.h>

#define STAPLES_MOST 8

struct staples {
	struct {
		X509 *leaf;
		uint8_t *bytes;
		size_t len;
	} at[STAPLES_MOST];
	unsigned n;
};

static int staples_index = -1;

static void staples_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	struct staples *s = ptr;
	for (unsigned i = 0; s && i < s->n; i++) {
		X509_free(s->at[i].leaf);
		free(s->at[i].bytes);
	}
	free(s);
}

/* Of several certificates OpenSSL has chosen one by now. */
static int show(SSL *ssl, void *unused)
{
	const struct staples *s = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), staples_index);
	const X509 *shown = SSL_get_certificate(ssl);
	for (unsigned i = 0; s && shown && i < s->n; i++) {
		if (s->at[i].len == 0 || X509_cmp(shown, s->at[i].leaf) != 0) {
			continue;
		}
		uint8_t *copy = OPENSSL_memdup(s->at[i].bytes, s->at[i].len);
		if (copy && SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)s->at[i].len) == 1) {
			return SSL_TLSEXT_ERR_OK;
		}
		OPENSSL_free(copy);
	}
	return SSL_TLSEXT_ERR_NOACK;
}

int staple_prepare(SSL_CTX *server)
{
	if (staples_index < 0) {
		staples_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, staples_free);
	}
	struct staples *s = staples_index < 0 ? NULL : calloc(1, sizeof(*s));
	if (!s || SSL_CTX_set_ex_data(server, staples_index, s) != 1) {
		free(s);
		return ERR_NO_MEMORY;
	}
	SSL_CTX_set_tlsext_status_cb(server, show);
	return 0;
}

void staple_add_leaf(SSL_CTX *server, X509 *leaf)
{
	struct staples *s = SSL_CTX_get_ex_data(server, staples_index);
	if (s && s->n < STAPLES_MOST && X509_up_ref(leaf) == 1) {
		s->at[s->n++].leaf = leaf;
	}
}

void tls_staple(SSL_CTX *server, unsigned number, struct span response)
{
	struct staples *s = SSL_CTX_get_ex_data(server, staples_index);
	if (!s || number >= s->n) {
		return;
	}
	uint8_t *copy = response.len > 0 ? malloc(response.len) : NULL;
	if (copy) {
		memcpy(copy, response.ptr, response.len);
	}
	free(s->at[number].bytes);
	s->at[number].bytes = copy;
	s->at[number].len = copy ? response.len : 0;
}
