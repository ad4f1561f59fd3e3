/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CMS_OPEN_H
#define KEYS_CMS_OPEN_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Opening Secure DICOM Files (PS3.10 7.4), of whatever of CMS they are made: Enveloped-data by AES or Triple-DES to RSA keys (PKCS#1 v1.5,
 * OAEP), keys of elliptic curves, or a passphrase (PBKDF2); Authenticated-enveloped-data; Signed-data; Digested-data; Compressed-data; in one another. Each
 * layer's content goes to a file; what is around it, CMS_AROUND_MOST bytes at most, is OpenSSL's to read. For a process in a sandbox: all
 * bytes are of others.
 */
struct cms_opening;

#define CMS_LAYERS      3
#define CMS_ROUNDS_MOST 10000000 /* of PBKDF2 that somebody else may have us make */

MUST_USE int cms_opening_new(struct cms_opening **ret_opening);
void cms_opening_free(struct cms_opening *o);

/* A key that may open, and its certificate (empty: every recipient is tried). ERR_VALUE: they cannot be read, or do not belong together. */
MUST_USE int cms_opening_key(struct cms_opening *o, struct span key_pem, struct span certificate_pem);
/*
 * The same with a key that is elsewhere, on a token: unwrap() decrypts what is sealed to it (token_key_decrypt()), in whatever process
 * opens. It is asked once here, whether it is that of the certificate. ERR_VALUE: it is not, or it decrypts nothing; ERR_UNSUPPORTED: the
 * certificate's is no RSA key.
 */
#define CMS_UNWRAPPED_MOST 1024
typedef int cms_unwrap(
	void *arg, struct span sealed, unsigned hash, uint8_t ret_key[CMS_UNWRAPPED_MOST], size_t *ret_len);
MUST_USE int cms_opening_unwrap(
	struct cms_opening *o, struct span certificate_pem, cms_unwrap *unwrap, void *arg);
/* Borrowed. */
void cms_opening_passphrase(struct cms_opening *o, const char *passphrase);
/* Authorities whose signers are believed. ERR_VALUE. */
MUST_USE int cms_opening_trust(struct cms_opening *o, struct span pem);
/* Revocation lists of these authorities, once. Errors and why: as of crl_list_new(). */
MUST_USE int cms_opening_lists(struct cms_opening *o, const struct span *crl, size_t n,
	const struct span *trust, size_t n_trust, char *why, size_t cap);

/* What follows is plain bytes, so that it can lie in memory that processes share. */
struct cms_kek {
	uint8_t id[32], key[32];
	uint32_t len; /* 0: there is none */
};

enum cms_signer {
	CMS_NOBODY,    /* nobody has signed it */
	CMS_TRUSTED,   /* the signature is right, and its certificate leads to an authority that is trusted */
	CMS_UNTRUSTED, /* the signature is right; doubt says what is wrong with the certificate */
};

struct cms_found {
	uint8_t enveloped, digested, signer; /* enum cms_signer */
	uint32_t layers; /* so many of the files were written; the last has what was inside */
	uint64_t len;    /* … its bytes */
	char subject[256], doubt[200];
	char why[200];      /* of a failure, a sentence's end */
	struct cms_kek kek; /* the last that a passphrase became: given again, it is not derived again */
};

/*
 * Open: layer by layer into files, which are empty, to be read and written, and not closed. found: kek alone is read. ERR_TYPE: no
 * CMS; ERR_TRUNCATED: it ends too early; ERR_MISSING: it wants a passphrase or a key, and there is none; ERR_NOT_FOUND: it is for
 * others; ERR_DENIED: a wrong passphrase or key; ERR_VALUE: damaged, or changed by somebody; ERR_UNSUPPORTED; ERR_LIMIT: also, it unpacks to more
 * than limit_unpacked(); ERR_SYSTEM: a file
 * cannot be written (errno).
 */
MUST_USE int cms_open(const struct cms_opening *o, struct span bytes, const int files[CMS_LAYERS],
	int64_t now_s, struct cms_found *found);

/*
 * One layer of Enveloped-data to a key, into memory: content of cap bytes at most. found->enveloped: its structure is one, and what is wrong
 * is its key or its content. ERR_SPACE: it is longer. Other errors as above; ERR_DENIED also: it has no content.
 */
MUST_USE int cms_open_enveloped(const struct cms_opening *o, struct span bytes, uint8_t *buf, size_t cap,
	size_t *ret_len, struct cms_found *found);

/*
 * Who signed a text (RFC 8551 3.5.3), whose lines end in "\r\n" for that. signature: a ContentInfo without content. found: kek stays.
 * Errors as above.
 */
MUST_USE int cms_verify_text(const struct cms_opening *o, struct span signature, struct span text,
	int64_t now_s, struct cms_found *found);

#endif
