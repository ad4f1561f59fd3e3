/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CMS_SEAL_H
#define KEYS_CMS_SEAL_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "keys/private.h"

#include <stdint.h>

/*
 * Making Secure DICOM Files (PS3.10 7.4) of the Basic DICOM Media Security Profile (PS3.15 D.1): Enveloped-data of CMS (RFC 5652) by
 * AES-256 in CBC mode, to RSA keys of recipients (PKCS#1 v1.5, RFC 3370) or a passphrase (PBKDF2, RFC 3211), around Signed-data by
 * an RSA key, or Digested-data without one; SHA-256. Written while it streams past, in BER of indefinite length: what is held is
 * CMS_SEAL_PIECE bytes, whatever the object's size.
 */
struct cms_sealing;

#define CMS_SEAL_PIECE       (64u * 1024)
#define CMS_RECIPIENTS_MOST  64
#define CMS_ROUNDS           600000 /* of PBKDF2 with HMAC-SHA-256: about 0.2 s, once for all files */
#define CMS_PASSPHRASE_MOST  128
#define CMS_PASSPHRASE_LEAST 12

/* For whom and by whom, for any number of files. ERR_NO_MEMORY, ERR_SYSTEM (no random numbers). */
MUST_USE int cms_sealing_new(struct cms_sealing **ret_sealing);
void cms_sealing_free(struct cms_sealing *s);

/* A recipient: the first certificate of a PEM. ERR_VALUE, ERR_UNSUPPORTED (no RSA of 2048 bits or more), ERR_LIMIT; why has a sentence. */
MUST_USE int cms_sealing_to(struct cms_sealing *s, struct span pem, char *why, size_t cap);

/* May it be one? PS3.15 D.1: the Default Character Repertoire, so that each reader makes the same bytes of it. NULL: yes; or a sentence. */
const char *cms_passphrase_fault(const char *passphrase);

/* Also, or only, whoever knows it. One salt for all files of this sealing: the key is derived once. ERR_VALUE: as above. ERR_TLS. */
MUST_USE int cms_sealing_passphrase(struct cms_sealing *s, const char *passphrase);

/* Who signs: an RSA key (D.1 knows no other), borrowed, and its certificate with those that lead up. ERR_VALUE, ERR_UNSUPPORTED, with why. */
MUST_USE int cms_sealing_signer(
	struct cms_sealing *s, const struct private_key *key, struct span chain_pem, char *why, size_t cap);

/* For whom, in words: "CN=Ann, CN=Bob, whoever knows the passphrase"; cut where it does not fit. */
void cms_sealing_for(const struct cms_sealing *s, char *to, size_t cap);

/* One file. put: where its bytes go; an error of it is passed on, and sticks. */
struct cms_file;
typedef int cms_put(void *arg, struct span bytes);

/* now_s: wall, for the time of signing. ERR_MISSING: there is no recipient. ERR_TLS, ERR_NO_MEMORY. */
MUST_USE int cms_file_begin(
	const struct cms_sealing *s, int64_t now_s, cms_put *put, void *arg, struct cms_file **ret_file);
/* The same without what says that it was not changed: id-data, as S/MIME has it (mail_seal.h), around a signature of its own. */
MUST_USE int cms_bare_begin(const struct cms_sealing *s, cms_put *put, void *arg, struct cms_file **ret_file);
MUST_USE int cms_file_more(struct cms_file *f, struct span bytes);
/* All of it was given. Without this the file is not whole. */
MUST_USE int cms_file_end(struct cms_file *f);
void cms_file_free(struct cms_file *f);

#endif
