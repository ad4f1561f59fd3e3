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
 */
#define PSEUDONYM_SIZE 32

struct pseudonym_key;

/*
 * path: absolute, of a file of PSEUDONYM_KEY bytes for its owner alone. why (never NULL): a sentence for people on failure.
 * Errors as key_file_read(); ERR_VALUE: it is no such key.
 */
MUST_USE int pseudonym_key_open(const char *path, struct pseudonym_key **ret_key, char *why, size_t cap);
void pseudonym_key_free(struct pseudonym_key *k);

/* ERR_TYPE: no kind of enum pseudonym. ERR_VALUE: too long. ERR_SYSTEM. */
MUST_USE int pseudonym_key_make(
	struct pseudonym_key *k, unsigned kind, struct span value, uint8_t ret[PSEUDONYM_SIZE]);

#endif
