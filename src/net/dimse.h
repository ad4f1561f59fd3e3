/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_DIMSE_H
#define NET_DIMSE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "base/writer.h"
#include "dicom/ae.h"

/* Command sets (PS3.7 6.3, 9.3, 10.3, Annex E). The values of Command Field (0000,0100), PS3.7 E.1. */
enum command_field {
	C_STORE_RQ = 0x0001,
	C_STORE_RSP = 0x8001,
	C_GET_RQ = 0x0010,
	C_GET_RSP = 0x8010,
	C_FIND_RQ = 0x0020,
	C_FIND_RSP = 0x8020,
	C_MOVE_RQ = 0x0021,
	C_MOVE_RSP = 0x8021,
	C_ECHO_RQ = 0x0030,
	C_ECHO_RSP = 0x8030,
	N_EVENT_REPORT_RQ = 0x0100,
	N_EVENT_REPORT_RSP = 0x8100,
	N_GET_RQ = 0x0110,
	N_GET_RSP = 0x8110,
	N_SET_RQ = 0x0120,
	N_SET_RSP = 0x8120,
	N_ACTION_RQ = 0x0130,
	N_ACTION_RSP = 0x8130,
	N_CREATE_RQ = 0x0140,
	N_CREATE_RSP = 0x8140,
	N_DELETE_RQ = 0x0150,
	N_DELETE_RSP = 0x8150,
	C_CANCEL_RQ = 0x0FFF,
};

#define COMMAND_NO_DATA_SET 0x0101 /* (0000,0800); any other value: a data set follows */
#define COMMAND_DATA_SET    0x0001

/* Which fields of struct command are there. */
enum command_has {
	HAS_AFFECTED_SOP_CLASS = 1u << 0,
	HAS_REQUESTED_SOP_CLASS = 1u << 1,
	HAS_MESSAGE_ID = 1u << 2,
	HAS_MESSAGE_ID_RESPONDED = 1u << 3,
	HAS_MOVE_DESTINATION = 1u << 4,
	HAS_PRIORITY = 1u << 5,
	HAS_STATUS = 1u << 6,
	HAS_OFFENDING_ELEMENTS = 1u << 7,
	HAS_ERROR_COMMENT = 1u << 8,
	HAS_ERROR_ID = 1u << 9,
	HAS_AFFECTED_SOP_INSTANCE = 1u << 10,
	HAS_REQUESTED_SOP_INSTANCE = 1u << 11,
	HAS_EVENT_TYPE = 1u << 12,
	HAS_ATTRIBUTE_LIST = 1u << 13,
	HAS_ACTION_TYPE = 1u << 14,
	HAS_REMAINING = 1u << 15,
	HAS_COMPLETED = 1u << 16,
	HAS_FAILED = 1u << 17,
	HAS_WARNING = 1u << 18,
	HAS_MOVE_ORIGINATOR = 1u << 19,
	HAS_MOVE_ORIGINATOR_ID = 1u << 20,
	HAS_DATA_SET_TYPE = 1u << 21,
};

/* The fields are listed by PS3.7 E.1. Spans borrow the bytes read; UIDs have no padding. */
struct command {
	uint16_t field; /* an enum command_field */
	uint32_t has;   /* HAS_… */
	uint16_t message_id, message_id_responded;
	uint16_t data_set_type; /* read: as it came. Written: COMMAND_DATA_SET or COMMAND_NO_DATA_SET. */
	uint16_t priority;      /* 0 medium, 1 high, 2 low */
	uint16_t status;
	struct span affected_sop_class, requested_sop_class;
	struct span affected_sop_instance, requested_sop_instance;
	char move_destination[AE_SIZE];
	char move_originator[AE_SIZE];
	uint16_t move_originator_id;
	uint16_t remaining, completed, failed, warning; /* sub-operations */
	uint16_t event_type, action_type, error_id;
	struct span offending_elements, attribute_list; /* tags, 4 bytes each, implicit VR little endian */
	char error_comment[65];                         /* 64 characters; longer ones are cut when read */
	unsigned tolerated;                             /* AE_TOLERATE_… that were met */
};

/*
 * Read a whole command set: implicit VR little endian, group length first and right, tags ascending, group 0000 alone,
 * each value as its VR says. The elements that PS3.7 9.3 and 10.3 make mandatory for its command field must be there;
 * those that belong to another command, retired ones and unknown ones are passed over. ERR_VALUE with spec "PS3.7 E.1"
 * for an unknown command field.
 */
MUST_USE int command_read(
	struct span bytes, unsigned tolerate, struct command *ret_command, struct parse_fail *fail);

/*
 * Write it in canonical form: the elements that its command field has, mandatory ones always, optional ones where
 * has says so and they are not empty. ERR_VALUE: unknown command field, or a UID or title that is none. ERR_SPACE.
 */
MUST_USE int command_write(const struct command *c, struct writer *w);

/* 0x8000 is set. */
bool command_is_response(uint16_t field);

/* A data set follows. */
bool command_has_data_set(const struct command *c);

/* "C-STORE-RQ", or "unknown command". Static storage. */
const char *command_name(uint16_t field);

/*
 * The response to a request of which field, message_id and the SOP class and instance (affected or requested, where
 * their spans are not empty) are looked at; has is not. No data set; the spans borrow what rq borrows. comment: may be
 * NULL or ""; it is cut to 64 characters, others than printable ASCII become '?' (PS3.7 C.5.25). A comment goes only
 * with a status that is not success. C-MOVE and C-GET: no counts of sub-operations, which are optional (PS3.7 9.3.3.2,
 * 9.3.4.2). rq must not be a response or C-CANCEL.
 */
void command_make_response(
	const struct command *rq, uint16_t status, const char *comment, struct command *ret_response);

/* C-CANCEL of the operation with this message ID (PS3.7 9.3.2.3). */
void command_make_cancel(uint16_t message_id, struct command *ret_command);

#define STATUS_SUCCESS              0x0000
#define STATUS_PROCESSING_FAILURE   0x0110
#define STATUS_NOT_AUTHORIZED       0x0124
#define STATUS_DUPLICATE_INVOCATION 0x0210
#define STATUS_UNRECOGNIZED         0x0211
#define STATUS_CANCEL               0xFE00

/* What a request refused by policy is answered: 0124H where PS3.7 lists it for the service, else its own failure. */
uint16_t command_refusal_status(uint16_t field);

/* What a request is answered that could not be done (the target is lost, out of resources). */
uint16_t command_failure_status(uint16_t field);

/* PS3.7 Annex C: every status is of exactly one of these five kinds. */
enum status_kind {
	STATUS_KIND_SUCCESS,
	STATUS_KIND_PENDING,
	STATUS_KIND_CANCEL,
	STATUS_KIND_WARNING,
	STATUS_KIND_FAILURE
};
enum status_kind status_kind(uint16_t status);
bool status_is_pending(uint16_t status);
bool status_is_warning(uint16_t status);
bool status_is_failure(uint16_t status);

#endif
