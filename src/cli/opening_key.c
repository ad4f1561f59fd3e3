/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/opening_key.h"

#include "cli/audit.h"
#include "cli/media.h"
#include "cli/passphrase.h"
#include "cli/token_pin.h"
#include "keys/key_file.h"
#include "keys/private.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PEM_MOST (1u << 20)

static bool complain(const struct opening_key *k, const char *what, const char *why)
{
	fprintf(stderr, "gantry %s: %s: ", k->verb, media_printed(what));
	fprintf(stderr, "%s%s\n", media_printed(why), k->after);
	return false;
}

const char *opening_key_misuse(const struct opening_key *k)
{
	return k->cert && !k->key ? "--cert goes with --key"
	       : k->key && private_key_is_token(k->key) && !k->cert
	               ? "a key on a token goes with its certificate, --cert"
	               : NULL;
}

static bool read_cert(const struct opening_key *k, uint8_t **ret_bytes, size_t *ret_len)
{
	const struct audit_input in = {.verb = k->verb, .beside = true};
	return audit_read_file(&in, k->cert, PEM_MOST, ret_bytes, ret_len) == AUDIT_GOOD;
}

/* ---- A file's ---- */

/* The same in PEM, not encrypted, in memory of OpenSSL's that is wiped. NULL: it is no key, or the passphrase is wrong. */
static BIO *plain_key(struct passphrase_way *way, const struct key_file *f)
{
	BIO *from = BIO_new_mem_buf(f->bytes, (int)f->len), *to = BIO_new(BIO_s_secmem());
	EVP_PKEY *key = from && to ? PEM_read_bio_PrivateKey(from, NULL, passphrase_of_pem, way) : NULL;
	bool ok = key && PEM_write_bio_PKCS8PrivateKey(to, key, NULL, NULL, 0, NULL, NULL) == 1;
	EVP_PKEY_free(key);
	BIO_free(from);
	ERR_clear_error();
	if (!ok) {
		BIO_free(to);
		return NULL;
	}
	return to;
}

static bool use_file(const struct opening_key *k, struct cms_opening *o, struct span cert)
{
	struct key_file f CLEANUP(key_file_done) = {0};
	char why[512] = "", verb[64], *pem = NULL;
	struct passphrase_way way = {.verb = verb, .file = k->passphrase_file};
	snprintf(verb, sizeof(verb), "gantry %s", k->verb);
	if (key_file_read(k->key, "private key", S_IRWXO, &f, why, sizeof(why)) < 0) {
		return complain(k, k->key, why[0] ? why : "there is no memory");
	}
	BIO *plain = plain_key(&way, &f);
	if (!plain && way.asked && !way.answered && k->passphrase_file) {
		return false; /* that has been said */
	}
	if (!plain && way.asked && !way.answered) {
		snprintf(why, sizeof(why), "there was no passphrase%s",
			passphrase_asks() ? "" : PASSPHRASE_UNASKED);
		return complain(k, k->key, why);
	}
	if (!plain && way.asked) {
		return complain(k, k->key, "the passphrase does not open it");
	}
	long n = plain ? BIO_get_mem_data(plain, &pem) : 0;
	int e = n > 0 ? cms_opening_key(o, span_of((const uint8_t *)pem, (size_t)n), cert) : ERR_VALUE;
	BIO_free(plain);
	return e == 0 ? true
	              : complain(k, k->key,
				k->cert ? "it is no private key in PEM, or not that of the certificate"
					: "it is no private key in PEM");
}

/* ---- A token's ---- */

/* With whom it is proved that the key is that of the certificate. */
static bool use_token(
	const struct opening_key *k, struct cms_opening *o, struct span cert, struct key_desk *ret_desk)
{
	char why[512] = "", verb[64];
	struct token_pin pin;
	snprintf(verb, sizeof(verb), "gantry %s", k->verb);
	if (!token_pin_take(verb, k->key, k->passphrase_file, &pin)) {
		return false;
	}
	int e = key_desk_open(pin.uri, ret_desk, why, sizeof(why));
	token_pin_done(&pin);
	if (e == 0 && (e = cms_opening_unwrap(o, cert, key_desk_ask, ret_desk)) < 0) {
		snprintf(why, sizeof(why), "%s",
			e == ERR_UNSUPPORTED
				? "the certificate is of no RSA key, and others on tokens open nothing"
			: e == ERR_NO_MEMORY ? err_str(e)
					     : "it is not the key of that certificate, or may not decrypt");
	}
	return e < 0 ? complain(k, k->key, why) : true;
}

bool opening_key_use(const struct opening_key *k, struct cms_opening *o, struct key_desk *ret_desk)
{
	uint8_t *cert = NULL;
	size_t len = 0;
	if (k->cert && !read_cert(k, &cert, &len)) {
		return false;
	}
	bool ok = private_key_is_token(k->key) ? use_token(k, o, span_of(cert, len), ret_desk)
	                                       : use_file(k, o, span_of(cert, len));
	free(cert);
	return ok;
}
