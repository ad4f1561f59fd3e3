/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_PSEUDONYM_H
#define TRANSFORM_PSEUDONYM_H

#include "base/attr.h"
#include "base/err.h"
#include "dicom/uid.h"

/*
 * What stands for the identifiers of an object: made with a key from what they were, so that the same value becomes the same at
 * any time and place that has the key, and nobody can guess it without (PS3.15 E.1.1: consistent; E.3.9).
 */
#define PSEUDONYM_KEY 32

enum pseudonym {
	PSEUDONYM_UID,
	PSEUDONYM_PATIENT,   /* issuer, NUL, patient ID */
	PSEUDONYM_DATES,     /* the same */
	PSEUDONYM_ORIGINALS, /* originals_mark() */
};

struct pseudonyms {
	/* HMAC-SHA-256 of the kind, as a byte, and the value. 0, or an error, which the caller of deidentify_next() gets. */
	int (*make)(void *arg, enum pseudonym kind, struct span value, uint8_t ret[32]);
	void *arg;
};

/*
 * Can chance have made it? A text, few bytes again and again, and a row are what somebody typed, or another file: not in 10^14 keys is
 * one of chance such.
 */
MUST_USE bool pseudonym_key_is_chance(const uint8_t key[PSEUDONYM_KEY]);

/* For who has the key itself: make() with arg = PSEUDONYM_KEY bytes. Errors of hmac_sha256(). */
MUST_USE int pseudonym_make(void *arg, enum pseudonym kind, struct span value, uint8_t ret[32]);

/*
 * "2.25." and 128 bits in decimal (PS3.5 B.2). The standard's own UIDs, and an empty value, stay as they are, with which padding
 * ever. ERR_VALUE: longer than UID_MAX. Errors of make().
 */
MUST_USE int pseudonym_uid(const struct pseudonyms *p, struct span uid, char ret_uid[UID_MAX + 1]);

#define PSEUDONYM_PATIENT_SIZE 17

/* A patient ID of 16 letters and digits. */
MUST_USE int pseudonym_patient(
	const struct pseudonyms *p, struct span issuer, struct span id, char ret_id[PSEUDONYM_PATIENT_SIZE]);

/* How many days a patient's dates are moved: 1 to 3652 into the past, as a negative number. */
MUST_USE int pseudonym_days(const struct pseudonyms *p, struct span issuer, struct span id, int *ret_days);

#endif
