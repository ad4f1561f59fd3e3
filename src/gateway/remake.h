/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_REMAKE_H
#define GATEWAY_REMAKE_H

#include "keys/object_splice.h"
#include "policy/deidentify.h"
#include "policy/site.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Objects that leave as others than they came, de-identified or signed: bytes of a data set in, bytes of another out, in bounded memory. It stands between
 * what is held of an object (gateway/hold.h) and the queue: what came is looked into, kept, recorded and quarantined as it was.
 *
 * What is made is copied into `made`, and nothing of an object leaves before that is full or the object complete: most objects that
 * cannot be made anew are refused before anything of them has gone.
 */
#define REMAKE_MADE (256u * 1024)
#define REMAKE_KNOWN                                                                                         \
	64 /* pseudonyms that are remembered, so that a series asks for those of its study once */
#define REMAKE_VALUE 160 /* longer values are asked for each time */

struct remake_known {
	uint8_t kind, len;
	bool entered; /* in the book */
	uint8_t value[REMAKE_VALUE];
	uint8_t pseudonym[32];
};

struct association;

/* Pseudonyms of the key holder's. One an association. Zeroed at first. */
struct remake_names {
	struct pseudonyms pseudonyms;
	struct association *book;        /* whose names are entered in the book; NULL: they are not */
	const struct deidentify *engine; /* that asks; NULL: none */
	struct remake_known known[REMAKE_KNOWN];
	unsigned n;
};

struct remake {
	bool on;    /* of the object under way */
	bool anew;  /* it is de-identified; otherwise it only goes this way to be signed */
	bool ended; /* all of it is made */
	struct deidentify_rules rules;
	struct remake_names *names;
	struct association *book;  /* as names->book was when it began */
	struct deidentify *engine; /* made when first needed, and kept for the next object; NULL */
	struct splice *splice;     /* puts the signature in; borrowed; NULL: it gets none */
	struct span fed;           /* what came, where it is not made anew */
	struct span piece;         /* made, and not copied yet */
	bool last;
	size_t len, passed; /* in made; of these, queued */
	uint64_t borrowed;  /* until the other queue has sent this much, made is its */
	uint8_t made[REMAKE_MADE];
};

/* The names that this process makes, of the channel of keys/link.h. */
const struct pseudonyms *remake_pseudonyms(struct remake_names *names);

/* Those that it remembers. */
void remake_forget(struct remake_names *names);

/* The SOP instance UID by which it leaves. Errors of link_pseudonym(); ERR_VALUE: it is no UID. */
MUST_USE int remake_uid(struct remake_names *names, const struct deidentify_rules *rules, struct span uid,
	char ret_uid[UID_MAX + 1]);

/* rules: NULL: it is not made anew. ERR_NO_MEMORY; ERR_NOT_FOUND: a transfer syntax that is not the standard's. */
MUST_USE int remake_begin(struct remake *r, const struct deidentify_rules *rules, struct remake_names *names,
	struct span transfer_syntax);
void remake_drop(struct remake *r);

/*
 * Of an object that is made anew: from its beginning once more, in a run of two. log: is told of this one; NULL: nobody. encrypted, mark: of the
 * rules, borrowed. Errors of remake_begin(); remake_drop() then.
 */
MUST_USE int remake_again(struct remake *r, struct span encrypted, struct span mark,
	const struct deidentify_log *log, struct span transfer_syntax);

/* What was fed is looked at, for the log, and nothing comes of it. DEIDENTIFY_MORE, DEIDENTIFY_END, or why it cannot be made anew. */
MUST_USE int remake_look(struct remake *r);

enum { REMAKE_WANTS, REMAKE_FULL, REMAKE_OVER };

/* Bytes that came, borrowed until remake_make() says WANTS; and: there are no more. */
void remake_feed(struct remake *r, struct span bytes);
void remake_last(struct remake *r);

/* Make what can be made: WANTS more of what came, FULL, OVER; or why it cannot be, for good (deidentify_next()). */
MUST_USE int remake_make(struct remake *r);

/* A sentence for people: why it could not. engine: may be NULL. */
const char *remake_why(const struct deidentify *engine, int e, char *buf, size_t cap);

#endif
