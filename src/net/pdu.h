/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_PDU_H
#define NET_PDU_H

#include "base/attr.h"
#include "base/err.h"
#include "base/reader.h"
#include "base/writer.h"

/* PDU heads and the short PDUs (PS3.8 9.3). A-ASSOCIATE-RQ and -AC have net/associate.h. */
enum pdu_type {
	PDU_ASSOCIATE_RQ = 0x01,
	PDU_ASSOCIATE_AC = 0x02,
	PDU_ASSOCIATE_RJ = 0x03,
	PDU_P_DATA_TF = 0x04,
	PDU_RELEASE_RQ = 0x05,
	PDU_RELEASE_RP = 0x06,
	PDU_ABORT = 0x07,
};

#define PDU_HEAD 6 /* bytes of a PDU's head, and of a PDV's */

struct pdu_head {
	uint8_t type; /* any value: an enum pdu_type is the caller's to expect */
	uint32_t len; /* bytes that follow the head */
};

/* ERR_TRUNCATED: needs PDU_HEAD bytes. */
MUST_USE int pdu_read_head(struct reader *r, struct pdu_head *ret_head);
void pdu_write_head(struct writer *w, enum pdu_type type, uint32_t len);

/* "A-ASSOCIATE-RQ", or "unknown PDU". Static storage. */
const char *pdu_name(uint8_t type);

/*
 * The head of a presentation data value, PS3.8 9.3.5.1 and E.2. Bits 2 to 7 of its control byte are "never checked by
 * the receiver".
 */
struct pdv_head {
	uint32_t len; /* as on the wire: context and control byte included; the payload has len - 2 bytes */
	uint8_t context; /* odd */
	bool command;    /* else data set */
	bool last;       /* fragment */
};

/*
 * ERR_TRUNCATED: needs PDU_HEAD bytes. ERR_LENGTH: len under 2. ERR_VALUE: an even context. The caller holds len
 * against the PDU around it. An empty payload is read (PS3.8 E.1).
 */
MUST_USE int pdv_read_head(struct reader *r, struct pdv_head *ret_head);

/* Head of a P-DATA-TF PDU and of its one PDV, for payload bytes that follow. payload is at most UINT32_MAX - 6. */
void pdv_write_heads(uint8_t ret_heads[12], uint32_t payload, uint8_t context, bool command, bool last);

/* PS3.8 9.3.4 */
struct pdu_reject {
	uint8_t result, source, reason;
};

/* PS3.8 9.3.8. Sent: source 0 (service-user; reason 0) or 2 (service-provider). */
struct pdu_abort {
	uint8_t source, reason;
};

enum pdu_abort_reason {
	PDU_ABORT_NOT_SPECIFIED = 0,
	PDU_ABORT_UNRECOGNIZED_PDU = 1,
	PDU_ABORT_UNEXPECTED_PDU = 2,
	PDU_ABORT_UNRECOGNIZED_PARAMETER = 4,
	PDU_ABORT_UNEXPECTED_PARAMETER = 5,
	PDU_ABORT_INVALID_PARAMETER = 6,
};

/*
 * Readers of a PDU's body (what follows the head, all of it). fail may be NULL. ERR_TRUNCATED, ERR_TRAILING;
 * ERR_VALUE for a triple of A-ASSOCIATE-RJ that PS3.8 9.3.4 does not list. Reserved bytes are not tested. A-ABORT is
 * read with any source and reason: it aborts all the same.
 */
MUST_USE int pdu_read_reject(struct reader *r, struct pdu_reject *ret_reject, struct parse_fail *fail);
MUST_USE int pdu_read_abort(struct reader *r, struct pdu_abort *ret_abort, struct parse_fail *fail);
MUST_USE int pdu_read_release(struct reader *r, struct parse_fail *fail); /* RQ and RP: four reserved bytes */

/* Whole PDUs, ten bytes each. */
void pdu_write_reject(struct writer *w, struct pdu_reject why);
void pdu_write_abort(struct writer *w, struct pdu_abort why);
void pdu_write_release_rq(struct writer *w);
void pdu_write_release_rp(struct writer *w);

/* Is the triple listed in PS3.8 9.3.4, its reserved reasons apart? */
bool pdu_reject_valid(struct pdu_reject why);

/* "rejected permanently: calling AE title not recognized"; for any triple. Static storage. */
const char *pdu_reject_str(struct pdu_reject why);
const char *pdu_abort_str(struct pdu_abort why);

/* The one table from what a parser found to the A-ABORT that says so (PS3.8 9.3.8); source is always 2. */
struct pdu_abort pdu_abort_for(const struct parse_fail *fail);

#endif
