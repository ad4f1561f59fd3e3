/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SEAL_H
#define AUDIT_SEAL_H

#include "audit/aead.h"
#include "audit/envelope.h"

/*
 * Bodies of records, which the auditors can read and the gateway that wrote them cannot.
 *
 * An epoch begins with a KEY record: a fresh seed for each auditor's public key. From it a chain of keys goes, one a
 * body; each is wiped when it has been used (audit/ratchet.h). Whoever takes the running process learns the keys of
 * what it will write until the epoch is over, and of nothing that it has written.
 *
 * Body of a KEY record: u8 version 1, u16 length and envelope of the seed, u16 length and envelope of the blind index's
 * key (audit/envelope.h; of no bytes where that is on a token). It is not encrypted.
 * A sealed body: AES-256-GCM under the turn's key, nonce 0, the record's clear head as additional data; 16 bytes longer.
 */
#define SEAL_EPOCH_MS      (10 * 60 * 1000)
#define SEAL_EPOCH_BODIES  4096
#define SEAL_KEY_BODY_MOST (1 + 2 * (2 + ENVELOPE_MOST))
#define SEAL_TAG           AEAD_TAG

/* ---- Writing ---- */

struct seal;

/* auditors: 1 to ENVELOPE_PEOPLE, copied. ERR_LIMIT, ERR_NO_MEMORY, ERR_SYSTEM. */
MUST_USE int seal_new(const struct hpke_public *auditors, unsigned n, struct seal **ret_seal);
void seal_free(struct seal *s);

/*
 * Begin an epoch: the body of its KEY record into buf[SEAL_KEY_BODY_MOST]. index: the envelope that the key holder made
 * of the blind index's key, or no bytes. now_ms: of a clock that never steps. ERR_SPACE, ERR_SYSTEM; what index's form
 * breaks. On failure there is no epoch. One that was not committed must not be used: seal_drop().
 */
MUST_USE int seal_begin(
	struct seal *s, struct span index, int64_t now_ms, uint8_t *buf, size_t cap, size_t *ret_len);

/* Must an epoch begin before the next body? */
bool seal_due(const struct seal *s, int64_t now_ms);

/* The epoch ends: its KEY record was lost with a commit that failed, or the auditors are other ones. */
void seal_drop(struct seal *s);

/* The number of the next body in its epoch, which stands in its head. */
uint32_t seal_turn(const struct seal *s);

/*
 * Seal the body with that number. head: the record's clear bytes, which say the same number. buf may be where the
 * body is. Whether the record is kept or not, the number is used up. ERR_ORDER (no epoch, or one that is full), ERR_SPACE, ERR_SYSTEM.
 */
MUST_USE int seal_body(
	struct seal *s, struct span head, struct span body, uint8_t *buf, size_t cap, size_t *ret_len);

/* ---- Reading ---- */

struct seal_epoch;

/* Open an epoch by the body of its KEY record, which may be hostile. As envelope_open(); ERR_NO_MEMORY. */
MUST_USE int seal_epoch_open(
	struct span key_body, const struct hpke_opener *o, struct seal_epoch **ret_epoch);
void seal_epoch_free(struct seal_epoch *e);

/* The blind index's key of the same record. ERR_MISSING: it is on a token. */
MUST_USE int seal_index_key(
	struct span key_body, const struct hpke_opener *o, uint8_t ret_key[ENVELOPE_SECRET]);

/* The envelope of it, borrowed; of no bytes where it is on a token. What the record's form breaks. */
MUST_USE int seal_index_envelope(struct span key_body, struct span *ret_envelope);

/*
 * Open the body with that number. In rising order each costs the same; going back begins the epoch anew.
 * ERR_LIMIT (a number that no epoch has), ERR_TRUNCATED, ERR_DENIED (changed, or of another head), ERR_SPACE, ERR_SYSTEM.
 */
MUST_USE int seal_open(struct seal_epoch *e, uint32_t turn, struct span head, struct span sealed,
	uint8_t *buf, size_t cap, size_t *ret_len);

#endif
