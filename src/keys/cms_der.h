/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CMS_DER_H
#define KEYS_CMS_DER_H

#include "base/span.h"
#include "base/writer.h"

/* The little of DER (X.690) that CMS is written with. What does not fit sticks in the writer. */
enum {
	DER_INTEGER = 0x02,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_OCTETS_PARTS = 0x24,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};
#define DER_CONTEXT(n) (0xA0 | (n)) /* constructed */

/* Object identifiers: RFC 5652, 5083, 3274, 3370, 3565, 3211, 8018. */
enum der_oid {
	DER_DATA,
	DER_SIGNED,
	DER_ENVELOPED,
	DER_DIGESTED,
	DER_AUTH_ENVELOPED,
	DER_ENCRYPTED,
	DER_COMPRESSED,
	DER_ZLIB,
	DER_CONTENT_TYPE,
	DER_MESSAGE_DIGEST,
	DER_SIGNING_TIME,
	DER_RSA,
	DER_RSA_OAEP,
	DER_MGF1,
	DER_SHA1,
	DER_SHA256,
	DER_SHA384,
	DER_SHA512,
	DER_AES256_CBC,
	DER_PBKDF2,
	DER_HMAC_SHA256,
	DER_PWRI_KEK,
	DER_OIDS,
};

void der_head(struct writer *w, uint8_t tag, size_t len);
void der_bytes(struct writer *w, uint8_t tag, struct span bytes);
void der_number(struct writer *w, uint32_t n);
void der_oid(struct writer *w, enum der_oid oid);
struct span der_oid_bytes(enum der_oid oid); /* its content; static */

/* AlgorithmIdentifiers: with NULL, and with an initialization vector. */
void der_algorithm(struct writer *w, enum der_oid oid);
void der_cipher(struct writer *w, enum der_oid oid, struct span iv);

/* Put a head before what was written from mark on. */
void der_wrap(struct writer *w, size_t mark, uint8_t tag);

/* Of indefinite length: its head; the ends of n. */
void der_open(struct writer *w, uint8_t tag);
void der_close(struct writer *w, unsigned n);

#endif
