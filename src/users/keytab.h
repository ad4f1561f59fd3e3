/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USERS_KEYTAB_H
#define USERS_KEYTAB_H

#include "base/attr.h"
#include "base/err.h"
#include "base/reader.h"

#include <stdbool.h>

/*
 * A keytab, as MIT krb5 and its kin write it (version 2: numbers in network order). Read here, so that the process that uses it
 * needs no file, and so that `gantry check` can tell what is in one.
 */
#define KEYTAB_PARTS 8
struct keytab_entry {
	struct span realm, part[KEYTAB_PARTS]; /* of the principal's name */
	unsigned n_parts;
	uint32_t version; /* of the key */
	uint16_t kind;    /* RFC 3961's encryption type */
	struct span key;
};

/* ERR_TYPE: no keytab of this version. */
MUST_USE int keytab_begin(struct span file, struct reader *ret_reader);

/* The next entry; spans borrow. ERR_NOT_FOUND at the end; else a fault, after which there is no next. */
MUST_USE int keytab_next(struct reader *r, struct keytab_entry *ret_entry);

/* Is the principal's name written so: part/part@REALM? */
bool keytab_is(const struct keytab_entry *e, const char *principal);

/* AES with SHA-1 or SHA-2 (RFC 3962, 8009): DES, triple DES and RC4 are not taken. */
bool keytab_is_strong(const struct keytab_entry *e);

#endif
