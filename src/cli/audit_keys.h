/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_AUDIT_KEYS_H
#define CLI_AUDIT_KEYS_H

#include "audit/note.h"
#include "base/attr.h"
#include "base/err.h"

#include <stddef.h>
#include <sys/stat.h>

/* The keys of an audit trail, as `gantry audit init` and `gantry init` write them to files. */

enum audit_key_file {
	AUDIT_CHECKPOINT_KEY,  /* Ed25519, PEM */
	AUDIT_CHECKPOINT_VKEY, /* its public half, a line of C2SP signed-note */
	AUDIT_RECORD_KEY,      /* as the two above, of signed records */
	AUDIT_RECORD_VKEY,
	AUDIT_INDEX_KEY,   /* hex, a line */
	AUDIT_AUDITOR_KEY, /* X25519, PEM under a passphrase */
	AUDIT_AUDITOR_PEM, /* its public half */
	AUDIT_KEY_FILES
};

struct audit_key_text {
	mode_t mode;
	size_t len;
	char bytes[1024];
};

/* Secret: the caller wipes it. */
struct audit_keys {
	struct audit_key_text file[AUDIT_KEY_FILES];
};

/* ERR_SYSTEM: OpenSSL cannot; ERR_VALUE: origin is no key name. */
MUST_USE int audit_keys_make(const char *origin, const char *passphrase, struct audit_keys *ret_keys);

/* Of these the key of records alone: for a trail that has no such key yet. Errors as above. */
MUST_USE int audit_keys_make_record(const char *origin, struct audit_keys *ret_keys);

/* An origin for a journal of this host: its name and "/gantry". */
void audit_origin(char ret_origin[NOTE_NAME_MOST + 1]);

#endif
