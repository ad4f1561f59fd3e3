/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_keys.h"
#include "audit/armor.h"
#include "audit/blind.h"
#include "audit/deed.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* PBKDF2 with HMAC-SHA-256: what takes a good part of a second of who guesses, for each guess. */
#define ROUNDS 600000

static int put(struct audit_keys *k, enum audit_key_file which, mode_t mode, const char *text, size_t len)
{
	struct audit_key_text *t = &k->file[which];
	if (len == 0 || len > sizeof(t->bytes)) {
		return ERR_SYSTEM;
	}
	t->mode = mode;
	t->len = len;
	memcpy(t->bytes, text, len);
	return 0;
}

static int put_bio(struct audit_keys *k, enum audit_key_file which, mode_t mode, BIO *bio)
{
	char *text = NULL;
	long len = BIO_get_mem_data(bio, &text);
	return len > 0 ? put(k, which, mode, text, (size_t)len) : ERR_SYSTEM;
}

/* A pair of Ed25519; the public half of that name goes to the file after the private one's. */
static int make_note_key(struct audit_keys *k, enum audit_key_file which, const char *name)
{
	uint8_t public[32];
	char vkey[NOTE_LINE_MOST + 2];
	size_t len = sizeof(public);
	struct note_key note;
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_secmem());
	int e = ERR_SYSTEM;
	if (key && bio && EVP_PKEY_get_raw_public_key(key, public, &len) == 1 &&
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
		e = note_key_make(name, NOTE_ED25519, public, &note);
		e = e == 0 ? note_key_write(&note, vkey, sizeof(vkey) - 1) : e;
	}
	e = e == 0 ? put_bio(k, which, 0600, bio) : e;
	if (e == 0) {
		len = strlen(vkey);
		vkey[len] = '\n';
		e = put(k, which + 1, 0644, vkey, len + 1);
	}
	BIO_free(bio);
	EVP_PKEY_free(key);
	return e;
}

static int make_index_key(struct audit_keys *k)
{
	uint8_t key[BLIND_KEY];
	char text[2 * BLIND_KEY + 1];
	struct writer w = writer_of(text, sizeof(text));
	int e = ERR_SYSTEM;
	if (RAND_priv_bytes(key, sizeof(key)) == 1) {
		armor_write_hex(&w, span_of(key, sizeof(key)));
		writer_u8(&w, '\n');
		e = put(k, AUDIT_INDEX_KEY, 0600, text, w.len);
	}
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(text, sizeof(text));
	return e;
}

/* PKCS#8, PBES2: AES-256-CBC under PBKDF2. */
static X509_SIG *encrypt(EVP_PKEY *key, const char *passphrase)
{
	PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
	X509_SIG *sealed = plain ? PKCS8_encrypt(-1, EVP_aes_256_cbc(), passphrase, (int)strlen(passphrase),
					   NULL, 16, ROUNDS, plain)
	                         : NULL;
	PKCS8_PRIV_KEY_INFO_free(plain);
	return sealed;
}

static int make_auditor(const char *passphrase, struct audit_keys *k)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	X509_SIG *sealed = key ? encrypt(key, passphrase) : NULL;
	BIO *private = BIO_new(BIO_s_mem()), *public = BIO_new(BIO_s_mem());
	int e = ERR_SYSTEM;
	if (sealed && private && public && PEM_write_bio_PKCS8(private, sealed) == 1 &&
		PEM_write_bio_PUBKEY(public, key) == 1) {
		e = put_bio(k, AUDIT_AUDITOR_KEY, 0600, private);
		e = e == 0 ? put_bio(k, AUDIT_AUDITOR_PEM, 0644, public) : e;
	}
	BIO_free(private);
	BIO_free(public);
	X509_SIG_free(sealed);
	EVP_PKEY_free(key);
	return e;
}

static int make_record_key(const char *origin, struct audit_keys *k)
{
	char name[NOTE_NAME_MOST + 1];
	int n = snprintf(name, sizeof(name), "%s" DEED_KEY_SUFFIX, origin);
	return n > 0 && (size_t)n < sizeof(name) ? make_note_key(k, AUDIT_RECORD_KEY, name) : ERR_VALUE;
}

int audit_keys_make_record(const char *origin, struct audit_keys *ret_keys)
{
	struct audit_keys k = {0};
	int e = make_record_key(origin, &k);
	if (e == 0) {
		*ret_keys = k;
	}
	OPENSSL_cleanse(&k, sizeof(k));
	return e;
}

int audit_keys_make(const char *origin, const char *passphrase, struct audit_keys *ret_keys)
{
	struct audit_keys k = {0};
	int e = make_note_key(&k, AUDIT_CHECKPOINT_KEY, origin);
	e = e == 0 ? make_record_key(origin, &k) : e;
	e = e == 0 ? make_index_key(&k) : e;
	e = e == 0 ? make_auditor(passphrase, &k) : e;
	if (e == 0) {
		*ret_keys = k;
	}
	OPENSSL_cleanse(&k, sizeof(k));
	return e;
}

void audit_origin(char ret_origin[NOTE_NAME_MOST + 1])
{
	char host[65] = "";
	(void)gethostname(host, sizeof(host) - 1);
	snprintf(ret_origin, NOTE_NAME_MOST + 1, "%s/gantry", host[0] ? host : "localhost");
}
