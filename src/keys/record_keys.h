/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_RECORD_KEYS_H
#define KEYS_RECORD_KEYS_H

#include "audit/blind.h"
#include "audit/hpke.h"
#include "audit/deed.h"
#include "base/writer.h"
#include "keys/private.h"
#include "policy/site.h"

/*
 * The keys of the audit trail, as the key holder has them: the one that signs checkpoints of the journal, the one of
 * the blind index, and the one that signs records. It is the text of a checkpoint or a record that is signed, which is
 * parsed here, and never a digest; the key of the index leaves this process to nobody but the auditors, each by HPKE, and
 * not at all where it is on a token.
 */
struct record_keys;

struct record_keys_of {
	const char *origin;         /* of checkpoints */
	const char *checkpoint_key; /* absolute path of PEM (Ed25519), or `pkcs11:` */
	const char *
		index_key; /* absolute path of a file with 64 hex digits, for its owner alone, or `pkcs11:` */
	const struct span *auditors; /* PEM: public keys or certificates */
	unsigned n_auditors;
	const char
		*record_key; /* as checkpoint_key, and another key than that; NULL: no records are signed */
};

/* why (never NULL): a sentence for people on failure. Errors as private_key_open(). */
MUST_USE int record_keys_open(
	const struct record_keys_of *what, struct record_keys **ret_keys, char *why, size_t cap);
/* The same, of a site that has an audit trail. */
MUST_USE int record_keys_open_site(
	const struct audit_config *a, struct record_keys **ret_keys, char *why, size_t cap);
void record_keys_free(struct record_keys *k);

/* A key of the index, 64 hex digits and at most a newline, in a file for its owner alone. Errors and why as above. */
MUST_USE int index_key_read(const char *path, uint8_t ret_key[BLIND_KEY], char *why, size_t cap);

/*
 * Sign the text of a checkpoint. ERR_VALUE: it is none. ERR_DENIED: of another origin, or with lines that say more.
 * ERR_ORDER: of a smaller tree than one that was signed, or of another tree of the same size. ERR_TLS, ERR_SYSTEM: the key
 * does not sign.
 */
MUST_USE int record_keys_checkpoint(struct record_keys *k, struct span text,
	uint8_t ret_public[ED25519_PUBLIC], uint8_t ret_signature[ED25519_SIGNATURE]);

/*
 * Sign the text of a record. now_s: wall. ERR_VALUE: it is none. ERR_DENIED: of another origin, or of a kind that this
 * channel may not ask for. ERR_ORDER: of another time than now, by more than RECORD_KEYS_SLACK_S. ERR_NOT_FOUND: there is no
 * key for records. ERR_TLS, ERR_SYSTEM: the key does not sign.
 */
#define RECORD_KEYS_SLACK_S 120
MUST_USE int record_keys_record(struct record_keys *k, struct span text, bool auditor, int64_t now_s,
	uint8_t ret_public[ED25519_PUBLIC], uint8_t ret_signature[ED25519_SIGNATURE]);

/* The token of a value that blind_value() made. ERR_TYPE, ERR_SYSTEM. */
MUST_USE int record_keys_token(
	struct record_keys *k, enum blind_kind kind, struct span value, uint8_t ret_token[BLIND_TOKEN]);

/* The envelope of the index's key for the auditors; nothing is written where it is on a token. ERR_SPACE, ERR_SYSTEM. */
MUST_USE int record_keys_envelope(struct record_keys *k, struct writer *w);

#endif
