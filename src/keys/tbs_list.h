/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_TBS_LIST_H
#define KEYS_TBS_LIST_H

#include "base/attr.h"
#include "base/err.h"
#include "base/reader.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What the key holder signs of a revocation list: RFC 5280's TBSCertList, of one form. It is version 2, indirect (5.2.5), and
 * has no more extensions than it must; each of its entries names whose certificate it is (5.3.3). DER alone, in its one form.
 */
struct tbs_list {
	struct span algorithm; /* AlgorithmIdentifier, with its head */
	struct span issuer;    /* Name, with its head */
	int64_t this_s, next_s;
	struct reader entries; /* may be empty */
	struct span key_id;    /* of the issuer's key */
	int64_t number;        /* of the list, positive */
};

struct tbs_entry {
	struct span serial; /* content of a positive INTEGER, at most 20 bytes */
	int64_t at_s;
	int reason; /* CRLReason that is for good and not of authorities: 1, 3, 4, 5, 9; 0: none is given */
	struct span issuer; /* Name of who has issued the certificate, with its head */
};

/* Spans borrow der. Entries are not looked at. ERR_TRUNCATED, ERR_TRAILING, ERR_VALUE, ERR_LENGTH, ERR_ORDER. */
MUST_USE int tbs_list_read(struct span der, struct tbs_list *ret_list);

/* The next of list->entries. Errors as above. */
MUST_USE int tbs_entry_next(struct reader *entries, struct tbs_entry *ret_entry);

#endif
