/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_ENVELOPE_H
#define AUDIT_ENVELOPE_H

#include "audit/hpke.h"
#include "base/reader.h"
#include "base/writer.h"

/*
 * A secret of 32 bytes for several people, each of whom opens it alone: u8 version 1, u8 number, and of each u16 KEM,
 * the 8 bytes of the key's identity, u16 length, what hpke_seal() made.
 */
#define ENVELOPE_SECRET 32
#define ENVELOPE_PEOPLE 16
#define ENVELOPE_MOST   (2 + ENVELOPE_PEOPLE * (12 + HPKE_SEALED_MOST(ENVELOPE_SECRET)))

/* What is in it: an envelope of one opens as none of another. */
enum envelope_of { ENVELOPE_EPOCH, ENVELOPE_INDEX };

/* ERR_LIMIT: nobody, or more than ENVELOPE_PEOPLE. ERR_SPACE, ERR_SYSTEM. */
MUST_USE int envelope_write(enum envelope_of what, const struct hpke_public *to, unsigned n,
	const uint8_t secret[ENVELOPE_SECRET], struct writer *w);

/*
 * The whole of `envelope`, which may be hostile. ERR_NOT_FOUND: it is not for this key. ERR_TRUNCATED, ERR_TRAILING,
 * ERR_VALUE, ERR_LENGTH; else as hpke_open().
 */
MUST_USE int envelope_open(enum envelope_of what, struct span envelope, const struct hpke_opener *o,
	uint8_t ret_secret[ENVELOPE_SECRET]);

/* Is it one, whoever it is for? 0, or what envelope_open() says of its form. */
MUST_USE int envelope_check(struct span envelope);

#endif
