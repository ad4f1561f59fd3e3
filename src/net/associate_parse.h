/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_ASSOCIATE_PARSE_H
#define NET_ASSOCIATE_PARSE_H

#include "net/associate.h"

/* Shared by the files that read A-ASSOCIATE PDUs, and by no other. */

/* PS3.8 9.3.2, 9.3.3 and D.1; PS3.7 D.3.3 */
enum associate_item {
	ITEM_APPLICATION_CONTEXT = 0x10,
	ITEM_CONTEXT_RQ = 0x20,
	ITEM_CONTEXT_AC = 0x21,
	ITEM_ABSTRACT_SYNTAX = 0x30,
	ITEM_TRANSFER_SYNTAX = 0x40,
	ITEM_USER_INFORMATION = 0x50,
	ITEM_MAX_PDU = 0x51,
	ITEM_IMPLEMENTATION_CLASS = 0x52,
	ITEM_ASYNC = 0x53,
	ITEM_ROLE = 0x54,
	ITEM_IMPLEMENTATION_VERSION = 0x55,
	ITEM_EXTENDED = 0x56,
	ITEM_COMMON_EXTENDED = 0x57,
	ITEM_IDENTITY_RQ = 0x58,
	ITEM_IDENTITY_AC = 0x59,
};

#define ASSOCIATE_CALLED  4 /* offsets in the body of the AE titles, */
#define ASSOCIATE_CALLING 20
#define ASSOCIATE_ITEMS   68 /* and of the items */

struct associate_parse {
	struct associate *a;
	enum pdu_type type;
	unsigned tolerate;
	struct parse_fail *fail;
	const uint8_t *base; /* of the body: offsets in *fail count from it */
	bool seen[256];      /* item types that may stand once: have they? Context identifiers apart. */
	bool id_seen[256];
};

struct associate_one {
	uint8_t type,
		version; /* version: the reserved second byte; only common extended negotiation uses it */
	struct reader body;
};

/* Say where r stands, and why it is wrong. */
MUST_USE int associate_stop(
	const struct associate_parse *p, const struct reader *r, int code, const char *spec);

/* The next item or sub-item; a length that leaves its parent is ERR_LENGTH. */
MUST_USE int associate_next(
	const struct associate_parse *p, struct reader *r, struct associate_one *ret, const char *spec);

/* The rest of r as a UID without padding. */
MUST_USE int associate_uid(struct associate_parse *p, struct reader *r, struct span *ret, const char *spec);

/* A 16-bit length and a UID. */
MUST_USE int associate_counted_uid(
	struct associate_parse *p, struct reader *r, struct span *ret, const char *spec);

/* A single item stands for the second time: ERR_DUPLICATE. */
MUST_USE int associate_once(
	struct associate_parse *p, const struct reader *r, uint8_t item, const char *spec);

/* The content of the user information item. */
MUST_USE int associate_user_read(struct associate_parse *p, struct reader *r);

#endif
