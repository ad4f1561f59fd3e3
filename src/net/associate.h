/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_ASSOCIATE_H
#define NET_ASSOCIATE_H

#include "base/limits.h"
#include "dicom/ae.h"
#include "net/pdu.h"

#include <stddef.h>

/*
 * A-ASSOCIATE-RQ and -AC, PS3.8 9.3.2 and 9.3.3, with the user information of PS3.7 Annex D. Read strictly into one
 * struct and written anew from it. Every span borrows the body that was read; UIDs have no padding and are checked.
 */

#define APPLICATION_CONTEXT_UID "1.2.840.10008.3.1.1.1" /* PS3.7 A.2.1 */

struct context {              /* PS3.8 9.3.2.2, 9.3.3.2 */
	uint8_t id;           /* odd */
	uint8_t result;       /* AC: 0 accepted, 1 to 4 */
	struct span abstract; /* RQ */
	unsigned n_transfer;  /* RQ: at least one. AC: one where accepted, none where refused. */
	struct span transfer[LIMIT_TRANSFER_SYNTAXES]; /* last: only what is used is copied */
};

struct role { /* PS3.7 D.3.3.4 */
	struct span sop;
	bool scu, scp;
};

struct extended { /* PS3.7 D.3.3.5 */
	struct span sop;
	struct span info; /* the service class's own */
};

struct common_extended { /* PS3.7 D.3.3.6 */
	struct span sop, service_class;
	unsigned n_related;
	struct span related[LIMIT_RELATED_SOP_CLASSES];
};

struct async_window { /* PS3.7 D.3.3.3; 0 is unlimited */
	bool has;
	uint16_t invoked, performed;
};

struct identity { /* PS3.7 D.3.3.7 */
	bool has;
	uint8_t type; /* RQ: 1 user name, 2 and passcode, 3 Kerberos, 4 SAML, 5 JWT; others are read too */
	bool response_requested;
	struct span primary, secondary; /* RQ: credentials. Never to be logged. */
	struct span response;           /* AC */
};

struct associate {
	uint16_t protocol_version;              /* bit 0: version 1. The caller decides. */
	char called[AE_SIZE], calling[AE_SIZE]; /* trimmed. AC: reserved, "" when they are no titles */
	struct span application_context;        /* any valid UID. The caller decides. */
	bool has_max_pdu;
	uint32_t max_pdu; /* 0: unlimited, also when the item is absent */
	struct span implementation_class;
	char implementation_version[17];
	struct async_window async;
	struct identity identity;
	unsigned tolerated; /* AE_TOLERATE_… that were needed */
	unsigned n_contexts, n_roles, n_extended, n_common_extended;
	/* The arrays stand last: only what is used is touched. */
	struct context contexts[LIMIT_CONTEXTS];
	struct role roles[LIMIT_ROLES];
	struct extended extended[LIMIT_EXTENDED];
	struct common_extended common_extended[LIMIT_COMMON_EXTENDED];
};

/*
 * Read the body (what follows the six bytes of head, at most LIMIT_ASSOCIATE_PDU) of a PDU of type PDU_ASSOCIATE_RQ
 * or _AC. tolerate: AE_TOLERATE_…. What lies past the counts n_… of *ret_associate is not touched: pages of a fresh
 * allocation stay unused.
 *
 * Strict in all that the standard tests: every length fits its parent exactly (ERR_TRUNCATED, ERR_LENGTH,
 * ERR_TRAILING), the application context and the user information stand once and each of its single items at most once,
 * context identifiers are odd and differ (ERR_DUPLICATE, ERR_VALUE), what must stand does (ERR_MISSING), UIDs follow
 * PS3.5 9.1. A role or extended negotiation that repeats one is dropped, one that contradicts it ERR_DUPLICATE.
 * Unknown items and sub-items are ignored (PS3.8 9.3.1, D.2), reserved bytes not tested. ERR_LIMIT: ours.
 */
MUST_USE int associate_read(struct span body, enum pdu_type type, unsigned tolerate,
	struct associate *ret_associate, struct parse_fail *fail);

/*
 * Was it an AE title of the request that associate_read() could not take? That is for an A-ASSOCIATE-RJ that names the
 * title, not for an A-ABORT: true, with *ret_reject filled. PS3.8 9.3.4
 */
bool associate_bad_title(const struct parse_fail *fail, struct pdu_reject *ret_reject);

/*
 * Write the whole PDU, head included, in the standard's order and with nothing that *a does not have. ERR_VALUE: *a
 * could not be read back (a title, a UID, an identifier), or ERR_SPACE: the writer's bytes are then not to be used.
 */
MUST_USE int associate_write(enum pdu_type type, const struct associate *a, struct writer *w);

#endif
