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

struct context {
	uint8_t id;           /* odd, PS3.8 9.3.2.2 */
	uint8_t result;       /* AC: 0 accepted, 1 to 4 */
	struct span abstract; /* RQ */
	unsigned
		n_transfer; /* RQ: at least one. AC: one; of a refused context not significant, and may be absent */
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
	uint8_t type; /* RQ: 1 to 5 */
	bool response_requested;
	struct span primary, secondary; /* RQ */
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
 * body: of the PDU, without its head. type: PDU_ASSOCIATE_RQ or _AC. tolerate: AE_TOLERATE_….
 * Unknown items and sub-items are ignored (PS3.8 9.3.1, PS3.7 D.2). ERR_TRUNCATED, ERR_LENGTH, ERR_TRAILING: lengths
 * that do not fit their parent. ERR_DUPLICATE: items that stand once, context identifiers. ERR_MISSING: items that must
 * stand. ERR_VALUE: UIDs, titles, even identifiers, results. ERR_LIMIT: ours. ERR_NO_MEMORY.
 */
MUST_USE int associate_read(struct span body, enum pdu_type type, unsigned tolerate,
	struct associate *ret_associate, struct parse_fail *fail);

/* A title that is none is answered with a reject that names it, not with an abort. PS3.8 9.3.4 */
bool associate_bad_title(const struct parse_fail *fail, struct pdu_reject *ret_reject);

/* The whole PDU, head included, in canonical form. ERR_SPACE, ERR_VALUE. */
MUST_USE int associate_write(enum pdu_type type, const struct associate *a, struct writer *w);

#endif
