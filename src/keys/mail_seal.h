/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_MAIL_SEAL_H
#define KEYS_MAIL_SEAL_H

#include "keys/cms_seal.h"

/*
 * A mail with DICOM files (PS3.15 B.8, RFC 3240): S/MIME (RFC 8551), signed and around that encrypted, by the recipients' and the signer's
 * of a sealing. A text, and the files as parts application/dicom of one multipart/related. Written while it streams past; a
 * byte of a file is 1.9 of the mail, as base64 in base64.
 */
struct mail;

/* text: ASCII, lines that end in "\r\n". Addresses are those of the certificates, if they have any. ERR_MISSING: no recipient or no signer. */
MUST_USE int mail_begin(const struct cms_sealing *s, int64_t now_s, const char *text, cms_put *put, void *arg,
	struct mail **ret_mail);

/* A file; its File ID (PS3.10 8.2) with slashes. */
MUST_USE int mail_file(struct mail *m, const char *id);
MUST_USE int mail_more(struct mail *m, struct span bytes);

/* All of it was given. Without this it is not whole. */
MUST_USE int mail_end(struct mail *m);
void mail_free(struct mail *m);

#endif
