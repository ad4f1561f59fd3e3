/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_DEED_H
#define AUDIT_DEED_H

#include "audit/note.h"

/*
 * A signed record: what was done, by whom and when, as the text of a signed note (c2sp.org/signed-note), so that it verifies
 * with the public key alone, wherever it was carried. Its key is none of the journal's: its name is the origin's and
 * "/records".
 *
 * gantry-record@v1
 * <origin>
 * what <kind>
 * time <2026-11-26T02:18:40Z>
 * by <number of a Unix user> <name>
 * <field> <value>                    each field of that kind, in its order
 *
 * One record, one text: what could be written in two ways is refused.
 */

enum deed_what {
	DEED_ANTIVIRUS_DEFINITIONS, /* of a scanner: held against a corpus, and put to use */
	DEED_HAND_OVER,             /* segments of the journal went to the cold folder */
	DEED_WHAT_COUNT
};

enum deed_value {
	DEED_HASH,   /* of SHA-256: 64 hex digits in lower case */
	DEED_NUMBER, /* decimal, below 2^63 */
	DEED_TEXT, /* UTF-8 without control characters, 1 to DEED_VALUE_MOST bytes, not beginning or ending with a space */
};

struct deed_field {
	const char *name;
	enum deed_value value;
	bool may_be_absent;
};

#define DEED_FIELDS_MOST 12
#define DEED_VALUE_MOST  255
#define DEED_NAME_MOST   255
#define DEED_MOST        4096 /* bytes of text */
#define DEED_KEY_SUFFIX  "/records"

struct deed {
	char origin[NOTE_NAME_MOST + 1]; /* the journal's */
	enum deed_what what;
	int64_t time_s;                                    /* wall, 0 to the end of the year 9999 */
	uint32_t uid;                                      /* as the kernel says */
	char by[DEED_NAME_MOST + 1];                       /* as who asks says: a DEED_TEXT */
	char value[DEED_FIELDS_MOST][DEED_VALUE_MOST + 1]; /* by the kind's fields; "": absent */
};

/* "antivirus-definitions". */
const char *deed_name(enum deed_what what);
/* ERR_NOT_FOUND. */
MUST_USE int deed_what_of(struct span name, enum deed_what *ret_what);
/* Its fields, in their order; static. */
const struct deed_field *deed_fields(enum deed_what what, unsigned *ret_n);
/* Only the auditor's channel may ask for one of these, and it for no other. */
bool deed_is_auditors(enum deed_what what);

/* Set a field of d->what by its name. ERR_NOT_FOUND: it has none of that name; ERR_VALUE: not such a value. */
MUST_USE int deed_set(struct deed *d, const char *field, const char *value);
/* "": it is absent, or there is none of that name. Borrows d. */
const char *deed_get(const struct deed *d, const char *field);
/* The first field that must be there and is not; NULL: none. */
const char *deed_missing(const struct deed *d);

/* ERR_VALUE: a field that is wrong or missing; ERR_SPACE: not in cap, or over DEED_MOST. */
MUST_USE int deed_write(const struct deed *d, char *buf, size_t cap, size_t *ret_len);
/* ERR_VALUE, ERR_TRUNCATED, ERR_TRAILING, ERR_LENGTH (over DEED_MOST). */
MUST_USE int deed_read(struct span text, struct deed *ret_deed);

/* The key that signs records of an origin. ERR_VALUE: no such name. */
MUST_USE int deed_key_make(const char *origin, const uint8_t public_key[32], struct note_key *ret_key);

#endif
