/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_BOOK_H
#define GATEWAY_BOOK_H

#include "archive/bookkeeper.h"
#include "keys/link.h"

/*
 * The book of names, as an association has it: it enters what the key holder has sealed, before anything under the new name leaves,
 * and asks for the old names of new ones that the other side speaks of. What it asks with and what it gets is sealed; the key holder
 * makes tokens, and opens.
 */
struct association;

struct book {
	int fd; /* its channel; 0: none was asked for yet, or it is gone */
	unsigned n;
	bool damaged;                                 /* said once */
	uint8_t waiting[BOOK_ENTER_MOST][NAME_ENTRY]; /* to be entered */
};

/* An entry, which is durable when book_flush() has said so. ERR_SPACE: the book cannot be written. */
MUST_USE int book_note(struct association *as, const uint8_t entry[NAME_ENTRY]);
MUST_USE int book_flush(struct association *as);

/* A new name, and what comes of it. */
struct book_name {
	enum pseudonym kind;
	char new[UID_MAX + 1];
	char old[NAME_OLD_MOST + 1]; /* "": the book does not know it */
};

/* The old names of n, as many as it likes. ERR_SPACE: the book does not answer; errors of link_name_tokens(). */
MUST_USE int book_recall(struct association *as, struct book_name *names, unsigned n);

#endif
