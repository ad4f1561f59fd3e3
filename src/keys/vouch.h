/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_VOUCH_H
#define KEYS_VOUCH_H

#include "keys/object.h"

/*
 * What a signature of a data set is over, found while it streams past once, by a process that has no key:
 *
 *	vouch_new(transfer_syntax, hash, &v), vouch_feed(v, piece)…, vouch_end(v, profile, &sum)
 *	… the key holder makes a signature of the sum (keys/vouch_key.h), which says when it was made …
 *	vouch_edits(v, &made, ret)
 *
 * Everything that can be signed is signed. The MAC ends with the signature's own elements, UID and time among them, and the
 * key holder writes these: what it is given is not a digest but a hash half way, so that nobody else has a say in when a signature was made.
 */
struct vouch;

/*
 * A hash half way (keys/half_hash.h): what it has become, eight words, and what is not a whole block yet. Of SHA-256 half of the
 * bytes are in use; the others are 0.
 */
#define VOUCH_STATE 64
#define VOUCH_BLOCK 128
struct vouch_sum {
	uint8_t hash;  /* enum object_hash */
	uint16_t id;   /* MAC ID Number of the signature */
	uint64_t done; /* bytes so far */
	uint8_t state[VOUCH_STATE], rest[VOUCH_BLOCK];
};

/* What the key holder makes of it. */
struct vouch_made {
	char uid[UID_MAX + 1], time[27];
	struct span value, certificate; /* DER */
};

enum vouch_profile { VOUCH_BASE, VOUCH_CREATOR };

/* ERR_UNSUPPORTED: the transfer syntax is not known; ERR_NO_MEMORY. */
MUST_USE int vouch_new(struct span transfer_syntax, enum object_hash hash, struct vouch **ret_vouch);
void vouch_free(struct vouch *v);

/* Bytes of the data set, in pieces of any size; nothing of them is borrowed afterwards. */
void vouch_feed(struct vouch *v, struct span bytes);

/*
 * It was all. ERR_VALUE: it cannot be read, or in more than one way; ERR_MISSING: nothing in it can be signed, or less than the profile asks
 * for (PS3.15 C.2); ERR_LIMIT: more elements, or signatures, than are looked at; ERR_NO_MEMORY. vouch_why(): a sentence.
 */
MUST_USE int vouch_end(struct vouch *v, enum vouch_profile profile, struct vouch_sum *ret_sum);
const char *vouch_why(const struct vouch *v);

/* How long the data set is (deflated: inflated), and how many of its elements are signed. After vouch_end(). */
uint64_t vouch_length(const struct vouch *v);
size_t vouch_count(const struct vouch *v);
enum encoding vouch_encoding(const struct vouch *v);

/* What the data set becomes; offsets are from its first byte. ERR_SPACE, ERR_LENGTH: it does not fit. */
MUST_USE int vouch_edits(struct vouch *v, const struct vouch_made *made, struct object_signed *ret);

#endif
