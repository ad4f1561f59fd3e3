/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_PSEUDONYM_KEY_H
#define KEYS_PSEUDONYM_KEY_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "transform/pseudonym.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The key that pseudonyms are made with, as the key holder has it (transform/pseudonym.h): who has it can try which pseudonym is
 * whose, so that associations ask for pseudonyms one by one, and never see it.
 *
 * Two more keys follow from it, for the book of names (archive/namebook.h): what stands in its file is made and read here alone. An entry is
 *   token   16 bytes: HMAC-SHA-256 of the kind and the new name, cut. The book finds it by that
 *   sealed  100 bytes: AES-256-GCM (nonce, text, tag) of the kind and the old name, padded, for that token and no other
 * so that entries say neither a name nor how long it is.
 */
#define PSEUDONYM_SIZE 32
#define NAME_TOKEN     16
#define NAME_SEALED    100
#define NAME_ENTRY     (NAME_TOKEN + NAME_SEALED)
#define NAME_OLD_MOST  64 /* bytes of an old name */
#define PSEUDONYM_MARK (2 * PSEUDONYM_SIZE + 1)

struct pseudonym_key;

/*
 * path: absolute, of a file of PSEUDONYM_KEY bytes that chance has made, for its owner alone. why (never NULL): a sentence for people on failure.
 * Errors as key_file_read(); ERR_VALUE: it is no such key.
 */
MUST_USE int pseudonym_key_open(const char *path, struct pseudonym_key **ret_key, char *why, size_t cap);
void pseudonym_key_free(struct pseudonym_key *k);

/* ERR_TYPE: no kind of enum pseudonym. ERR_VALUE: too long. ERR_SYSTEM. */
MUST_USE int pseudonym_key_make(
	struct pseudonym_key *k, unsigned kind, struct span value, uint8_t ret[PSEUDONYM_SIZE]);

/* The same of a UID or a patient (PSEUDONYM_UID, PSEUDONYM_PATIENT), and its entry. ERR_LENGTH: the old name is too long for one. */
MUST_USE int pseudonym_key_enter(struct pseudonym_key *k, unsigned kind, struct span value,
	uint8_t ret[PSEUDONYM_SIZE], uint8_t ret_entry[NAME_ENTRY]);

/* By which the book finds the old name of a new one. */
MUST_USE int pseudonym_key_token(
	struct pseudonym_key *k, unsigned kind, struct span name, uint8_t ret_token[NAME_TOKEN]);

/* The old name (of a patient, the ID) of an entry. ERR_VALUE: it is not of this key, or was changed. */
MUST_USE int pseudonym_key_recall(struct pseudonym_key *k, const uint8_t entry[NAME_ENTRY],
	uint8_t ret_old[NAME_OLD_MOST], size_t *ret_len);

/*
 * By which two keys are told apart, and nothing else is learned of them: hexadecimal digits, which no pseudonym, token or key of
 * this one has. It stands in no log. ERR_SYSTEM.
 */
MUST_USE int pseudonym_key_mark(struct pseudonym_key *k, char ret_mark[PSEUDONYM_MARK]);

#endif
