/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CMS_SEAL_PARTS_H
#define KEYS_CMS_SEAL_PARTS_H

#include "keys/cms_seal.h"

#include "base/writer.h"

#include <openssl/x509.h>

/* What the writers of CMS share. */
#define CMS_KEY  32 /* AES-256 */
#define CMS_SALT 16
#define CMS_HASH 32 /* SHA-256 */

struct cms_sealing {
	X509 *to[CMS_RECIPIENTS_MOST];
	unsigned n_to;
	bool passphrase;
	uint8_t kek[CMS_KEY], salt[CMS_SALT];
	const struct private_key *key;
	X509 *signer;
	uint8_t *chain; /* DER, one after another */
	size_t n_chain;
};

/* IssuerAndSerialNumber (RFC 5652 10.2.4). */
void cms_put_issuer(struct writer *w, const X509 *cert);

/* The SET of the one SignerInfo of s over content of this digest (RFC 5652 5.3). What private_key_sign() says. */
MUST_USE int cms_put_signer(
	struct writer *w, const struct cms_sealing *s, int64_t now_s, const uint8_t hash[CMS_HASH]);

/* A ContentInfo of Signed-data without the content. */
MUST_USE int cms_put_detached(
	struct writer *w, const struct cms_sealing *s, int64_t now_s, const uint8_t hash[CMS_HASH]);

#endif
