/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_AUDITOR_KEY_H
#define CLI_AUDITOR_KEY_H

#include "audit/hpke.h"

struct token_key;

/* An auditor's private key: of a PEM file, which a passphrase protects, or on a PKCS#11 token. */
struct auditor_key {
	struct hpke_opener opener;
	EVP_PKEY *pkey;
	struct token_key *token;
};

/*
 * where: a file, or a `pkcs11:` URI. passphrase_file: NULL asks on the terminal, or reads a line of standard input where that is
 * none, if the key is encrypted. False after it has said why, after `verb: `.
 */
bool auditor_key_open(
	const char *verb, const char *where, const char *passphrase_file, struct auditor_key *ret_key);
void auditor_key_done(struct auditor_key *key);

#endif
