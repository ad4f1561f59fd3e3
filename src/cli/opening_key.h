/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OPENING_KEY_H
#define CLI_OPENING_KEY_H

#include "base/attr.h"
#include "cli/key_desk.h"
#include "keys/cms_open.h"

#include <stdbool.h>

/* What somebody opens with that is sealed to a key: of a file in PEM, which may have a passphrase, or on a PKCS#11 token. */
struct opening_key {
	const char *verb;            /* "media open" */
	const char *after;           /* what is said after why it did not go: "; nothing was opened" */
	const char *key;             /* a file, or a pkcs11: URI, which takes the certificate */
	const char *cert;            /* NULL: every recipient is tried */
	const char *passphrase_file; /* NULL: it is asked for, if the key has one */
};

/*
 * The opening has it then. ret_desk: KEY_DESK_NONE before, and to be closed by key_desk_close() afterwards in any case. False: they have been
 * told why.
 */
MUST_USE bool opening_key_use(const struct opening_key *k, struct cms_opening *o, struct key_desk *ret_desk);

/* NULL, or what is wrong with how it was called. */
const char *opening_key_misuse(const struct opening_key *k);

#endif
