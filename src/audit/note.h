/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_NOTE_H
#define AUDIT_NOTE_H

#include "audit/merkle.h"

/*
 * Signed text that others' programs read too: signed notes (c2sp.org/signed-note), checkpoints (c2sp.org/tlog-checkpoint) and
 * witnesses' cosignatures (c2sp.org/tlog-cosignature, Ed25519). All reading is strict: what another program could take for
 * something else is refused.
 */

#define NOTE_NAME_MOST       255 /* bytes; of a key and an origin */
#define NOTE_MOST            (64u * 1024)
#define NOTE_SIGNATURES_MOST 32 /* the specification asks for 16 */
#define NOTE_SIGNATURE       64 /* Ed25519 */
#define NOTE_LINE_MOST       (4 + NOTE_NAME_MOST + 1 + 104 + 1)

enum note_key_type {
	NOTE_ED25519 = 1,
	NOTE_COSIGNATURE = 4,
};

struct note_key {
	char name[NOTE_NAME_MOST + 1];
	enum note_key_type type;
	uint32_t id; /* first four bytes of SHA-256(name || 0x0A || type || public key) */
	uint8_t public_key[32];
};

/* UTF-8, not empty, no space of Unicode's, no plus, no control character, at most NOTE_NAME_MOST bytes. */
bool note_name_valid(struct span name);

/* UTF-8 without control characters; may be empty. */
bool note_line_valid(struct span line);

/* ERR_VALUE: not a name. */
MUST_USE int note_key_make(
	const char *name, enum note_key_type type, const uint8_t public_key[32], struct note_key *ret_key);

/* A vkey: "<name>+<8 hex digits>+<base64 of type and public key>", without a newline. ERR_VALUE: it is none, or its hash
 * is not its own; ERR_UNSUPPORTED: another type. Written it takes NOTE_LINE_MOST at most; ERR_SPACE. */
MUST_USE int note_key_read(struct span vkey, struct note_key *ret_key);
MUST_USE int note_key_write(const struct note_key *key, char *buf, size_t cap);

struct note_signature {
	struct span name;
	uint32_t id;
	size_t len; /* of the signature; one that is longer than bytes[] is of a type that is not known here */
	uint8_t bytes[8 + NOTE_SIGNATURE];
};

struct signed_note {
	struct span text; /* with its last newline */
	unsigned n;
	struct note_signature signatures[NOTE_SIGNATURES_MOST];
};

/* Takes a note apart; nothing is verified. Spans borrow bytes. ERR_VALUE, ERR_TRUNCATED, ERR_LIMIT, ERR_LENGTH (bytes over
 * NOTE_MOST). */
MUST_USE int note_read(struct span bytes, struct signed_note *ret_note);

/*
 * Does the key sign it? Every line of that key must verify. ERR_NOT_FOUND: there is no line of the key's; ERR_DENIED: there is
 * one that is false. ret_time_s (may be NULL): when a witness says that it saw it (NOTE_COSIGNATURE), otherwise 0.
 */
MUST_USE int note_check(const struct signed_note *note, const struct note_key *key, uint64_t *ret_time_s);

/* What a witness signs, for text. ERR_SPACE. */
MUST_USE int note_cosigned_text(struct span text, uint64_t time_s, char *buf, size_t cap, size_t *ret_len);

/* The line of a signature, with its newline; time_s is for a NOTE_COSIGNATURE alone. ERR_SPACE. */
MUST_USE int note_line_write(const struct note_key *key, const uint8_t signature[NOTE_SIGNATURE],
	uint64_t time_s, char *buf, size_t cap, size_t *ret_len);

/* A whole note: text, empty line, one signature's line. ERR_SPACE. */
MUST_USE int note_write(struct span text, const struct note_key *key, const uint8_t signature[NOTE_SIGNATURE],
	char *buf, size_t cap, size_t *ret_len);

/* ---- Checkpoints: the text of a note ---- */

#define CHECKPOINT_MOST (NOTE_NAME_MOST + 1 + 20 + 45)

struct checkpoint {
	char origin[NOTE_NAME_MOST + 1];
	uint64_t size; /* records */
	struct merkle_hash root;
	bool extended; /* lines follow that say more; Gantry writes none and signs none */
};

/* ERR_SPACE: not in CHECKPOINT_MOST bytes. */
MUST_USE int checkpoint_write(const struct checkpoint *c, char *buf, size_t cap, size_t *ret_len);
/* ERR_VALUE, ERR_TRUNCATED, ERR_LENGTH, ERR_LIMIT (an origin over NOTE_NAME_MOST). */
MUST_USE int checkpoint_read(struct span text, struct checkpoint *ret_checkpoint);

/* Both at once: the note's text is a checkpoint. Nothing is verified. */
MUST_USE int checkpoint_read_note(
	struct span bytes, struct signed_note *ret_note, struct checkpoint *ret_checkpoint);

#endif
