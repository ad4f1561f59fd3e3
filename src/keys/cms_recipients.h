/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CMS_RECIPIENTS_H
#define KEYS_CMS_RECIPIENTS_H

#include "base/attr.h"
#include "base/err.h"
#include "base/writer.h"

#include <openssl/types.h>

/* For keys that OpenSSL does not have: what is sealed to a certificate, and the structure without it. */
struct cms_sealed_key {
	struct span key; /* borrowed: by RSA */
	unsigned hash;   /* of OAEP, and of its mask: 20, 32, 48 or 64 bytes; 0: PKCS#1 v1.5 */
};

/*
 * around: a ContentInfo of Enveloped-data, as cms_parts_read() writes it. ERR_NOT_FOUND: it is sealed to others; ERR_UNSUPPORTED: in
 * another way; ERR_VALUE and the like: broken.
 */
MUST_USE int cms_recipients_find(struct span around, X509 *cert, struct cms_sealed_key *ret_key);

/* The same content as Encrypted-data (RFC 5652 8), which is opened with the key itself. Errors of cms_parts_read(). */
MUST_USE int cms_recipients_without(struct span around, struct writer *w);

#endif
