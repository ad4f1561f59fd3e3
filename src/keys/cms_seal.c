/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_seal.h"

#include "keys/cms_der.h"
#include "keys/cms_seal_parts.h"
#include "keys/x509.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY        CMS_KEY
#define BLOCK      16
#define SALT       CMS_SALT
#define HASH       CMS_HASH
#define WRAPPED    48 /* RFC 3211 2.3.1: a count, three check bytes, the key, filled up to blocks */
#define CHAIN_MOST (64u * 1024)
#define HEAD_MOST  (256u * 1024)
#define BITS_LEAST 2048

struct cms_file {
	const struct cms_sealing *s;
	cms_put *put;
	void *arg;
	int64_t now_s;
	bool bare; /* bytes are encrypted as they are */
	int err;
	EVP_CIPHER_CTX *cipher;
	EVP_MD_CTX *digest;
	size_t fill;
	uint8_t plain[CMS_SEAL_PIECE], sealed[CMS_SEAL_PIECE + BLOCK];
};

/* ---- For whom and by whom ---- */

int cms_sealing_new(struct cms_sealing **ret_sealing)
{
	struct cms_sealing *s = calloc(1, sizeof(*s));
	if (!s) {
		return ERR_NO_MEMORY;
	}
	if (RAND_bytes(s->salt, sizeof(s->salt)) != 1) {
		free(s);
		return ERR_SYSTEM;
	}
	*ret_sealing = s;
	return 0;
}

void cms_sealing_free(struct cms_sealing *s)
{
	if (!s) {
		return;
	}
	for (unsigned i = 0; i < s->n_to; i++) {
		X509_free(s->to[i]);
	}
	X509_free(s->signer);
	free(s->chain);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}

static int first_of(struct span pem, X509 **ret_cert, char *why, size_t cap)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	int e = bio ? x509_next(bio, ret_cert) : ERR_NO_MEMORY;
	if (e < 0) {
		snprintf(why, cap, "it holds no certificate in PEM");
		return e == ERR_NO_MEMORY ? e : ERR_VALUE;
	}
	if (!EVP_PKEY_is_a(X509_get0_pubkey(*ret_cert), "RSA") ||
		EVP_PKEY_get_bits(X509_get0_pubkey(*ret_cert)) < BITS_LEAST) {
		X509_free(*ret_cert);
		snprintf(why, cap, "its key is no RSA key of %d bits or more, as PS3.15 D.1 knows RSA alone",
			BITS_LEAST);
		return ERR_UNSUPPORTED;
	}
	return 0;
}

int cms_sealing_to(struct cms_sealing *s, struct span pem, char *why, size_t cap)
{
	if (s->n_to == CMS_RECIPIENTS_MOST) {
		snprintf(why, cap, "there are more than %d recipients", CMS_RECIPIENTS_MOST);
		return ERR_LIMIT;
	}
	int e = first_of(pem, &s->to[s->n_to], why, cap);
	s->n_to += e == 0;
	return e;
}

const char *cms_passphrase_fault(const char *passphrase)
{
	size_t n = strlen(passphrase);
	for (size_t i = 0; i < n; i++) {
		if (passphrase[i] < ' ' || passphrase[i] > '~') {
			return "a passphrase has letters, digits, signs and spaces of ASCII alone (PS3.15 D.1)";
		}
	}
	return n < CMS_PASSPHRASE_LEAST  ? "a passphrase has 12 characters or more"
	       : n > CMS_PASSPHRASE_MOST ? "a passphrase has 128 characters at most"
	                                 : NULL;
}

int cms_sealing_passphrase(struct cms_sealing *s, const char *passphrase)
{
	if (cms_passphrase_fault(passphrase)) {
		return ERR_VALUE;
	}
	if (PKCS5_PBKDF2_HMAC(passphrase, (int)strlen(passphrase), s->salt, SALT, CMS_ROUNDS, EVP_sha256(),
		    KEY, s->kek) != 1) {
		ERR_clear_error();
		return ERR_TLS;
	}
	s->passphrase = true;
	return 0;
}

static int read_chain(struct cms_sealing *s, struct span pem)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	s->chain = malloc(CHAIN_MOST);
	X509 *cert;
	int e = bio && s->chain ? 0 : ERR_NO_MEMORY;
	while (e == 0 && (e = x509_next(bio, &cert)) == 0) {
		int n = i2d_X509(cert, NULL);
		uint8_t *to = s->chain + s->n_chain;
		if (n <= 0 || (size_t)n > CHAIN_MOST - s->n_chain || i2d_X509(cert, &to) != n) {
			e = ERR_VALUE;
		} else {
			s->n_chain += (size_t)n;
		}
		X509_free(cert);
	}
	return e == ERR_NOT_FOUND ? 0 : e;
}

int cms_sealing_signer(
	struct cms_sealing *s, const struct private_key *key, struct span chain_pem, char *why, size_t cap)
{
	int e = first_of(chain_pem, &s->signer, why, cap);
	if (e < 0) {
		s->signer = NULL;
		return e;
	}
	e = read_chain(s, chain_pem);
	if (e < 0) {
		snprintf(why, cap, "a certificate of it cannot be read");
		return e;
	}
	s->key = key;
	return 0;
}

void cms_sealing_for(const struct cms_sealing *s, char *to, size_t cap)
{
	char name[256];
	size_t n = 0;
	to[0] = '\0';
	for (unsigned i = 0; i < s->n_to && n < cap; i++) {
		x509_name_text(X509_get_subject_name(s->to[i]), name, sizeof(name));
		n += (size_t)snprintf(to + n, cap - n, "%s%s", i ? ", " : "", name);
	}
	if (s->passphrase && n < cap) {
		snprintf(to + n, cap - n, "%swhoever knows the passphrase", n ? ", " : "");
	}
}

/* ---- Who can open it: RFC 5652 6.2 ---- */

static int put_recipient(struct writer *w, X509 *cert, const uint8_t cek[KEY])
{
	uint8_t sealed[2048];
	size_t len = sizeof(sealed), mark = w->len;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(X509_get0_pubkey(cert), NULL);
	bool ok = c && EVP_PKEY_encrypt_init(c) == 1 &&
	          EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
	          EVP_PKEY_encrypt(c, sealed, &len, cek, KEY) == 1;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	if (!ok) {
		return ERR_TLS;
	}
	der_number(w, 0);
	cms_put_issuer(w, cert);
	der_algorithm(w, DER_RSA);
	der_bytes(w, DER_OCTETS, span_of(sealed, len));
	der_wrap(w, mark, DER_SEQUENCE);
	return 0;
}

static int wrap_key(
	const uint8_t kek[KEY], const uint8_t iv[BLOCK], const uint8_t cek[KEY], uint8_t to[WRAPPED])
{
	uint8_t plain[WRAPPED] = {KEY, (uint8_t)~cek[0], (uint8_t)~cek[1], (uint8_t)~cek[2]};
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;
	memcpy(plain + 4, cek, KEY);
	/* Twice, the second time with the last block of the first as its vector. */
	bool ok = RAND_bytes(plain + 4 + KEY, WRAPPED - 4 - KEY) == 1 && c &&
	          EVP_EncryptInit_ex(c, EVP_aes_256_cbc(), NULL, kek, iv) == 1 &&
	          EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
	          EVP_EncryptUpdate(c, to, &n, plain, WRAPPED) == 1 && n == WRAPPED &&
	          EVP_EncryptUpdate(c, to, &n, to, WRAPPED) == 1 && n == WRAPPED;
	EVP_CIPHER_CTX_free(c);
	OPENSSL_cleanse(plain, sizeof(plain));
	ERR_clear_error();
	return ok ? 0 : ERR_TLS;
}

static int put_passphrase(struct writer *w, const struct cms_sealing *s, const uint8_t cek[KEY])
{
	uint8_t iv[BLOCK], wrapped[WRAPPED];
	size_t whole = w->len, mark, part;
	if (RAND_bytes(iv, sizeof(iv)) != 1 || wrap_key(s->kek, iv, cek, wrapped) != 0) {
		return ERR_TLS;
	}
	der_number(w, 0);
	mark = w->len;
	der_oid(w, DER_PBKDF2);
	part = w->len;
	der_bytes(w, DER_OCTETS, span_of(s->salt, SALT));
	der_number(w, CMS_ROUNDS);
	der_algorithm(w, DER_HMAC_SHA256);
	der_wrap(w, part, DER_SEQUENCE);
	der_wrap(w, mark, DER_CONTEXT(0));
	mark = w->len;
	der_oid(w, DER_PWRI_KEK);
	der_cipher(w, DER_AES256_CBC, span_of(iv, BLOCK));
	der_wrap(w, mark, DER_SEQUENCE);
	der_bytes(w, DER_OCTETS, span_of(wrapped, WRAPPED));
	der_wrap(w, whole, DER_CONTEXT(3));
	return 0;
}

/* To where the encrypted content begins. */
static int put_head(struct writer *w, const struct cms_sealing *s, enum der_oid content,
	const uint8_t cek[KEY], const uint8_t iv[BLOCK])
{
	der_open(w, DER_SEQUENCE);
	der_oid(w, DER_ENVELOPED);
	der_open(w, DER_CONTEXT(0));
	der_open(w, DER_SEQUENCE);
	der_number(w, s->passphrase ? 3 : 0);
	size_t mark = w->len;
	int e = 0;
	for (unsigned i = 0; e == 0 && i < s->n_to; i++) {
		e = put_recipient(w, s->to[i], cek);
	}
	e = e == 0 && s->passphrase ? put_passphrase(w, s, cek) : e;
	der_wrap(w, mark, DER_SET);
	der_open(w, DER_SEQUENCE);
	der_oid(w, content);
	der_cipher(w, DER_AES256_CBC, span_of(iv, BLOCK));
	der_open(w, DER_CONTEXT(0));
	return e < 0 ? e : writer_end(w);
}

/* ---- What is encrypted ---- */

static int say(struct cms_file *f, struct span bytes)
{
	f->err = f->err ? f->err : f->put(f->arg, bytes);
	return f->err;
}

/* Ciphertext, as a segment of an octet string. */
static int say_segment(struct cms_file *f, const uint8_t *bytes, int n)
{
	uint8_t head[8];
	struct writer w = writer_of(head, sizeof(head));
	if (n > 0) {
		der_head(&w, DER_OCTETS, (size_t)n);
		(void)say(f, writer_span_of(&w));
		(void)say(f, span_of(bytes, (size_t)n));
	}
	return f->err;
}

static int flush(struct cms_file *f)
{
	int n = 0;
	if (!f->err && EVP_EncryptUpdate(f->cipher, f->sealed, &n, f->plain, (int)f->fill) != 1) {
		f->err = ERR_TLS;
	}
	f->fill = 0;
	return say_segment(f, f->sealed, n);
}

static int hide(struct cms_file *f, struct span bytes)
{
	while (bytes.len > 0 && !f->err) {
		size_t room = sizeof(f->plain) - f->fill, n = bytes.len < room ? bytes.len : room;
		memcpy(f->plain + f->fill, bytes.ptr, n);
		f->fill += n;
		bytes = span_of(bytes.ptr + n, bytes.len - n);
		if (f->fill == sizeof(f->plain)) {
			(void)flush(f);
		}
	}
	return f->err;
}

/* To where the object begins: RFC 5652 5.1, 7. Without the ContentInfo around it, as the encrypted content has a type already. */
static int hide_head(struct cms_file *f)
{
	uint8_t buf[128];
	struct writer w = writer_of(buf, sizeof(buf));
	der_open(&w, DER_SEQUENCE);
	der_number(&w, f->s->key ? 1 : 0);
	size_t mark = w.len;
	der_algorithm(&w, DER_SHA256);
	if (f->s->key) {
		der_wrap(&w, mark, DER_SET);
	}
	der_open(&w, DER_SEQUENCE);
	der_oid(&w, DER_DATA);
	der_open(&w, DER_CONTEXT(0));
	der_open(&w, DER_OCTETS_PARTS);
	int e = writer_end(&w);
	return e < 0 ? e : hide(f, writer_span_of(&w));
}

static int hide_end(struct cms_file *f)
{
	uint8_t hash[HASH], buf[8192];
	struct writer w = writer_of(buf, sizeof(buf));
	if (EVP_DigestFinal_ex(f->digest, hash, NULL) != 1) {
		return ERR_TLS;
	}
	der_close(&w, 3);
	int e = 0;
	if (f->s->key) {
		uint8_t head[8];
		struct writer h = writer_of(head, sizeof(head));
		der_head(&h, DER_CONTEXT(0), f->s->n_chain);
		e = hide(f, writer_span_of(&w));
		e = e < 0 ? e : hide(f, writer_span_of(&h));
		e = e < 0 ? e : hide(f, span_of(f->s->chain, f->s->n_chain));
		w.len = 0;
		e = e < 0 ? e : cms_put_signer(&w, f->s, f->now_s, hash);
	} else {
		der_bytes(&w, DER_OCTETS, span_of(hash, HASH));
	}
	der_close(&w, 1);
	e = e < 0 ? e : writer_end(&w);
	return e < 0 ? e : hide(f, writer_span_of(&w));
}

/* ---- A file ---- */

static int begin(struct cms_file *f)
{
	uint8_t cek[KEY], iv[BLOCK];
	uint8_t *head = malloc(HEAD_MOST);
	struct writer w = writer_of(head, HEAD_MOST);
	f->cipher = EVP_CIPHER_CTX_new();
	f->digest = EVP_MD_CTX_new();
	int e = !head || !f->cipher || !f->digest ? ERR_NO_MEMORY : 0;
	if (e == 0 && (RAND_priv_bytes(cek, KEY) != 1 || RAND_bytes(iv, BLOCK) != 1 ||
			      EVP_EncryptInit_ex(f->cipher, EVP_aes_256_cbc(), NULL, cek, iv) != 1 ||
			      EVP_DigestInit_ex(f->digest, EVP_sha256(), NULL) != 1)) {
		e = ERR_TLS;
	}
	e = e < 0 ? e
	          : put_head(&w, f->s,
			    f->bare     ? DER_DATA
			    : f->s->key ? DER_SIGNED
					: DER_DIGESTED,
			    cek, iv);
	OPENSSL_cleanse(cek, sizeof(cek));
	e = e < 0 ? e : say(f, writer_span_of(&w));
	free(head);
	return e < 0 || f->bare ? e : hide_head(f);
}

static int new_file(struct cms_file how, struct cms_file **ret_file)
{
	if (how.s->n_to == 0 && !how.s->passphrase) {
		return ERR_MISSING;
	}
	struct cms_file *f = calloc(1, sizeof(*f));
	if (!f) {
		return ERR_NO_MEMORY;
	}
	f->s = how.s;
	f->put = how.put;
	f->arg = how.arg;
	f->now_s = how.now_s;
	f->bare = how.bare;
	int e = begin(f);
	if (e < 0) {
		cms_file_free(f);
		return e;
	}
	*ret_file = f;
	return 0;
}

int cms_file_begin(
	const struct cms_sealing *s, int64_t now_s, cms_put *put, void *arg, struct cms_file **ret_file)
{
	return new_file((struct cms_file){.s = s, .now_s = now_s, .put = put, .arg = arg}, ret_file);
}

int cms_bare_begin(const struct cms_sealing *s, cms_put *put, void *arg, struct cms_file **ret_file)
{
	return new_file((struct cms_file){.s = s, .put = put, .arg = arg, .bare = true}, ret_file);
}

int cms_file_more(struct cms_file *f, struct span bytes)
{
	if (f->bare) {
		return hide(f, bytes);
	}
	while (bytes.len > 0 && !f->err) {
		uint8_t head[8];
		struct writer w = writer_of(head, sizeof(head));
		size_t n = bytes.len < CMS_SEAL_PIECE ? bytes.len : CMS_SEAL_PIECE;
		der_head(&w, DER_OCTETS, n);
		if (EVP_DigestUpdate(f->digest, bytes.ptr, n) != 1) {
			f->err = ERR_TLS;
		}
		(void)hide(f, writer_span_of(&w));
		(void)hide(f, span_of(bytes.ptr, n));
		bytes = span_of(bytes.ptr + n, bytes.len - n);
	}
	return f->err;
}

int cms_file_end(struct cms_file *f)
{
	uint8_t buf[32];
	struct writer w = writer_of(buf, sizeof(buf));
	int n = 0, e = f->err || f->bare ? f->err : hide_end(f);
	e = e < 0 ? e : flush(f);
	if (e == 0 && EVP_EncryptFinal_ex(f->cipher, f->sealed, &n) != 1) {
		e = ERR_TLS;
	}
	e = e < 0 ? e : say_segment(f, f->sealed, n);
	der_close(&w, 5);
	f->err = e;
	return say(f, writer_span_of(&w));
}

void cms_file_free(struct cms_file *f)
{
	if (f) {
		EVP_CIPHER_CTX_free(f->cipher);
		EVP_MD_CTX_free(f->digest);
		OPENSSL_cleanse(f, sizeof(*f));
		free(f);
	}
}
