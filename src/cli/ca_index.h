/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CA_INDEX_H
#define CLI_CA_INDEX_H

#include "base/word.h"
#include "keys/ca.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * An authority's folder: ca.pem, ca.key, crl.pem, issued/SERIAL.pem, and index.jsonl, to which a line is added for each
 * certificate that is issued or revoked, with who approved it. Nothing in it is ever changed.
 */
struct ca_entry {
	struct ca_facts facts;
	char by[128], revoked_by[128];
	int64_t issued_s, revoked_s; /* revoked_s 0: it is not */
	int reason;
};

struct ca_index {
	const char *folder; /* borrowed */
	int dir, file;      /* file is locked while the index is open */
	struct ca_pair ca;
	struct ca_entry *entries; /* in the order of issue */
	size_t n;
	int64_t crl_number; /* of the last list */
};

/* Open and lock it. Says on stderr what is wrong. with_key: the authority's key is read too. -1 or 0. */
int ca_index_open(const char *folder, bool with_key, struct ca_index *ret_index);
void ca_index_done(struct ca_index *i);

/* The entry of a serial number, or of the certificate in a file; NULL after saying that there is none. */
struct ca_entry *ca_index_find(struct ca_index *i, const char *serial_or_file);

/* Add the line, and make it durable. The entry is also in entries afterwards (pointers into it move). -1 or 0. */
int ca_index_issued(struct ca_index *i, const struct ca_entry *e);
int ca_index_revoked(struct ca_index *i, struct ca_entry *e);
int ca_index_listed(struct ca_index *i); /* a list of crl_number was made */

/* Write a file of the folder whole: beside it, durable, then renamed. -1 after saying why. */
int ca_index_write(const struct ca_index *i, const char *name, const char *text, size_t len, unsigned mode);

/* "keyCompromise" and the like (RFC 5280 5.3.1), with their numbers. Static text for a number. */
extern const struct word ca_reasons[];
const char *ca_reason_word(int reason);

#endif
