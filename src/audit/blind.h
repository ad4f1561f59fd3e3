/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_BLIND_H
#define AUDIT_BLIND_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/*
 * The blind index: records can be found by who and what they are about by those who have its key, and tell nothing of it
 * to others. A token is the first 16 bytes of HMAC-SHA-256(key, u8 kind || value); values are made the same first, so
 * that what was written by one device is found with what another one, or a person, writes.
 *
 *   kind       what is made the same
 *   ids        patient identifier, accession number, study, node: the padding of DICOM (spaces and NULs at either
 *              end, PS3.5 6.2) is cut; the rest stays as it is, upper and lower case too
 *   names      each group that is not empty for itself (alphabetic, ideographic, phonetic; PS3.5 6.2.1): blind_name_groups();
 *              of several in one text the first. Within it spaces at either end of a component are cut, several become one, empty components at the end go; capital letters of Latin
 *              (ASCII, Latin-1, Latin Extended-A), Greek and Cyrillic become small ones. Nothing else is folded:
 *              no accents, no composed forms, no order of components
 *   users      as a component of a name: spaces at either end are cut, several become one, capital letters become small
 *              ones, as directories compare names. The record has the name as it was told
 *   addresses  an IP address in its one canonical form, IPv4 in IPv6 as IPv4; other text in small letters
 */
enum blind_kind {
	BLIND_PATIENT = 1,
	BLIND_PATIENT_OF_ISSUER, /* identifier, a backslash (which neither can have), issuer */
	BLIND_ACCESSION,
	BLIND_STUDY,
	BLIND_USER,
	BLIND_NAME,
	BLIND_NODE,
	BLIND_ADDRESS,
	BLIND_KIND_COUNT,
};

/*
 * What tokens a record has, by the count of its epoch's KEY record. 0: a name has one for its first group alone. 1: for each of
 * its groups.
 */
#define BLIND_RULES            1
#define BLIND_RULES_ALL_GROUPS 1

#define BLIND_KEY              32
#define BLIND_TOKEN            16

/* The longest value that is made the same: a name of three groups in UTF-8. Longer ones are cut there. */
#define BLIND_VALUE_MOST 1024

/*
 * Make text the same. second: the issuer of BLIND_PATIENT_OF_ISSUER, else not looked at. *ret_len bytes of
 * value[BLIND_VALUE_MOST]. ERR_MISSING: nothing is left of it, and there is no token. ERR_TYPE: no such kind.
 */
MUST_USE int blind_value(enum blind_kind kind, struct span text, struct span second,
	uint8_t value[BLIND_VALUE_MOST], size_t *ret_len);

/* The groups of a name that say something, in their order. Returns how many. Borrowed. */
#define BLIND_GROUPS 3
unsigned blind_name_groups(struct span name, struct span ret_groups[BLIND_GROUPS]);

/* The token of a value of blind_value(). ERR_TYPE, ERR_NO_MEMORY, ERR_SYSTEM. */
MUST_USE int blind_token(const uint8_t key[BLIND_KEY], enum blind_kind kind, struct span value,
	uint8_t ret_token[BLIND_TOKEN]);

/* "patient", "accession"; static. "unknown". */
const char *blind_kind_name(enum blind_kind kind);

#endif
