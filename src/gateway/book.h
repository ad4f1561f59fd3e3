/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_BOOK_H
#define GATEWAY_BOOK_H

#include "archive/bookkeeper.h"
#include "keys/link.h"

/*
 * The book of names, as an association has it: it enters what the key holder has sealed, before anything under the new name leaves,
 * and asks for the old names of new ones that the other side speaks of. What it asks with and what it gets is sealed; the key holder
 * makes tokens, and opens.
 *
 * An entry is of the node that stored: in the book its token is the first 16 bytes of the SHA-256 of the node's name, a NUL, and the key
 * holder's token. Old names are put back for that node, and for those in one flow with it, and for nobody else that is told of the new ones.
 */
struct association;

struct book {
	int fd; /* its channel; 0: none was asked for yet, or it is gone */
	unsigned n;
	bool damaged;                                 /* said once */
	uint8_t waiting[BOOK_ENTER_MOST][NAME_ENTRY]; /* to be entered */
};

/* An entry, of who calls, which is durable when book_flush() has said so. ERR_SPACE: the book cannot be written. ERR_SYSTEM. */
MUST_USE int book_note(struct association *as, const uint8_t entry[NAME_ENTRY]);
MUST_USE int book_flush(struct association *as);

/* A new name, and what comes of it. */
struct book_name {
	enum pseudonym kind;
	char new[UID_MAX + 1];
	char old[NAME_OLD_MOST + 1]; /* "": the book does not know it */
};

/*
 * The old names of n, as many as it likes. device: for whom; the route's other node has the new ones. ERR_SPACE: the book does not answer;
 * errors of link_name_tokens().
 */
MUST_USE int book_recall(struct association *as, int device, struct book_name *names, unsigned n);

#endif
