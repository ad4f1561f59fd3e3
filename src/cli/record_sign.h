/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_RECORD_SIGN_H
#define CLI_RECORD_SIGN_H

#include "audit/deed.h"

/* Signed records (audit/deed.h), for verbs that do what one tells of. */

struct record_item {
	const char *name, *value; /* a field of the kind; numbers in decimal */
};

/*
 * Have the running gateway of a configuration (place_file()) sign a record: its key holder does, for root and the gateway's
 * own user. *ret_note: the signed note, malloc'ed, with its last newline; `gantry record verify` takes it. Negative: *ret_why is
 * a sentence, static until the next call. Prints nothing.
 */
MUST_USE int record_sign(const char *config, enum deed_what what, const struct record_item *items, unsigned n,
	char **ret_note, const char **ret_why);

/*
 * Does this key sign this note, and is it a record of the key's origin? ERR_VALUE: no record; ERR_NOT_FOUND: not signed by that
 * key; ERR_DENIED: falsely signed, or of another origin.
 */
MUST_USE int record_check(struct span note, const struct note_key *key, struct deed *ret_deed);

#endif
