/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_ATTRIBUTES_H
#define KEYS_ATTRIBUTES_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "keys/cms_open.h"

#include <stdint.h>

/*
 * The value of Encrypted Content (0400,0520), PS3.15 E.1.1: EnvelopedData of CMS (RFC 5652) in DER, AES-256 in CBC mode, its key to the RSA
 * keys of recipients (PKCS#1 v1.5, RFC 3370). The standard knows no other key transport, and nothing that shows a change: who needs that
 * signs the object.
 */
#define ATTRIBUTES_RECIPIENTS_MOST 16
#define ATTRIBUTES_CONTENT_MOST    (64u * 1024)

/* Those that it is encrypted to, read once: for who encrypts often, or later. */
struct attributes_recipients;

/* pems: n of them, the first certificate of each; not needed afterwards. why and errors: as of attributes_encrypt(). */
MUST_USE int attributes_recipients_new(
	const struct span *pems, unsigned n, struct attributes_recipients **ret_to, char *why, size_t cap);
void attributes_recipients_free(struct attributes_recipients *to);

/* SHA-256 of their certificates. ERR_TLS. */
#define ATTRIBUTES_DIGEST 32
MUST_USE int attributes_recipients_digest(
	const struct attributes_recipients *to, uint8_t ret[ATTRIBUTES_DIGEST]);

MUST_USE int attributes_encrypt_to(struct span content, const struct attributes_recipients *to, uint8_t *buf,
	size_t buf_cap, size_t *ret_len, char *why, size_t cap);

/*
 * recipients: n PEMs, the first certificate of each. *ret_len bytes of buf. why (never NULL): a sentence for people on failure. ERR_MISSING (n is
 * 0), ERR_LIMIT, ERR_VALUE (no certificate), ERR_UNSUPPORTED (no RSA key of 2048 bits or more), ERR_SPACE, ERR_NO_MEMORY, ERR_TLS.
 */
MUST_USE int attributes_encrypt(struct span content, const struct span *recipients, unsigned n, uint8_t *buf,
	size_t buf_cap, size_t *ret_len, char *why, size_t cap);

/*
 * By a recipient's RSA key, of a file or on a token (cms_opening_key(), cms_opening_unwrap()). cms: with or without the NUL that pads it. AES and
 * Triple DES of any length, as E.1.2 asks. ERR_VALUE: no CMS of that kind. ERR_DENIED: it is for others, or was changed. A key of
 * another can give bytes that mean nothing, by chance and rarely: RFC 3218's countermeasure; such bytes are no data set. ERR_SPACE,
 * ERR_LIMIT, ERR_NO_MEMORY.
 */
MUST_USE int attributes_decrypt(
	struct span cms, const struct cms_opening *o, uint8_t *buf, size_t buf_cap, size_t *ret_len);

#endif
