/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dimse.h"
#include "net/command_table.h"

#define RESPONSE 0x8000

bool command_is_response(uint16_t field)
{
	return field & RESPONSE;
}

bool command_has_data_set(const struct command *c)
{
	return c->data_set_type != COMMAND_NO_DATA_SET;
}

const char *command_name(uint16_t field)
{
	const struct command_kind *kind = command_kind_of(field);
	return kind ? kind->name : "unknown command";
}

/* ---- Messages of our own ---- */

static void copy_comment(const char *comment, char ret[65])
{
	size_t n = strnlen(comment, 64);
	for (size_t i = 0; i < n; i++) {
		bool printable = comment[i] >= 0x20 && comment[i] < 0x7F && comment[i] != '\\';
		ret[i] = printable ? comment[i] : '?';
	}
	while (n > 0 && ret[n - 1] == ' ') {
		n--;
	}
	ret[n] = 0;
}

static void copy_class_and_instance(const struct command *rq, struct command *rsp)
{
	struct span class = rq->affected_sop_class.len ? rq->affected_sop_class : rq->requested_sop_class;
	struct span instance =
		rq->affected_sop_instance.len ? rq->affected_sop_instance : rq->requested_sop_instance;
	const struct command_kind *kind = command_kind_of(rsp->field);
	uint32_t may = kind ? kind->may : 0;
	/* PS3.7 10.1.5.1.4: N-CREATE names an instance in a success only, and has made none in what we answer. */
	if (rsp->field == N_CREATE_RSP && rsp->status != STATUS_SUCCESS) {
		may &= ~(uint32_t)HAS_AFFECTED_SOP_INSTANCE;
	}
	if ((may & HAS_AFFECTED_SOP_CLASS) && class.len > 0) {
		rsp->affected_sop_class = class;
		rsp->has |= HAS_AFFECTED_SOP_CLASS;
	}
	if ((may & HAS_AFFECTED_SOP_INSTANCE) && instance.len > 0) {
		rsp->affected_sop_instance = instance;
		rsp->has |= HAS_AFFECTED_SOP_INSTANCE;
	}
}

void command_make_response(
	const struct command *rq, uint16_t status, const char *comment, struct command *ret_response)
{
	struct command rsp = {
		.field = (uint16_t)(rq->field | RESPONSE),
		.has = HAS_MESSAGE_ID_RESPONDED | HAS_DATA_SET_TYPE | HAS_STATUS,
		.message_id_responded = rq->message_id,
		.data_set_type = COMMAND_NO_DATA_SET,
		.status = status,
	};
	copy_class_and_instance(rq, &rsp);
	if (comment && status != STATUS_SUCCESS) {
		copy_comment(comment, rsp.error_comment);
		if (rsp.error_comment[0]) {
			rsp.has |= HAS_ERROR_COMMENT;
		}
	}
	*ret_response = rsp;
}

void command_make_cancel(uint16_t message_id, struct command *ret_command)
{
	*ret_command = (struct command){
		.field = C_CANCEL_RQ,
		.has = HAS_MESSAGE_ID_RESPONDED | HAS_DATA_SET_TYPE,
		.message_id_responded = message_id,
		.data_set_type = COMMAND_NO_DATA_SET,
	};
}

/* ---- Statuses ---- */

/*
 * Of each service: what says "not allowed" and what says "it failed".
 * C-FIND and C-ECHO do not list 0124H (PS3.7 9.1.2.1.6, 9.1.5.1.4), nor does N-EVENT-REPORT (10.1.1.1.8).
 * C-FIND: C000H, Unable to process (PS3.4 C.4.1.1.4). C-STORE: A700H, Out of resources (PS3.4 B.2.3), which senders
 * take for a reason to try again; Cxxx would say that the object cannot be understood. C-GET and C-MOVE: C000H,
 * Unable to process (PS3.4 C.4.2.1.5, C.4.3.1.4). C-ECHO lists no failure but 0122H, SOP Class not supported.
 * exception: a C-ECHO that failed is answered 0110H, the general failure of PS3.7 C.5.21: 0122H would be untrue.
 */
static const struct {
	uint16_t field, refusal, failure;
} statuses[] = {
	{C_STORE_RQ, STATUS_NOT_AUTHORIZED, 0xA700},                               /* PS3.7 9.1.1.1.9 */
	{C_FIND_RQ, 0xC000, 0xC000},                                               /* PS3.7 9.1.2.1.6 */
	{C_GET_RQ, STATUS_NOT_AUTHORIZED, 0xC000},                                 /* PS3.7 9.1.3.1.6 */
	{C_MOVE_RQ, STATUS_NOT_AUTHORIZED, 0xC000},                                /* PS3.7 9.1.4.1.7 */
	{C_ECHO_RQ, 0x0122, STATUS_PROCESSING_FAILURE},                            /* PS3.7 9.1.5.1.4 */
	{N_EVENT_REPORT_RQ, STATUS_PROCESSING_FAILURE, STATUS_PROCESSING_FAILURE}, /* PS3.7 10.1.1.1.8 */
	{N_GET_RQ, STATUS_NOT_AUTHORIZED, STATUS_PROCESSING_FAILURE},              /* PS3.7 10.1.2.1.9 */
	{N_SET_RQ, STATUS_NOT_AUTHORIZED, STATUS_PROCESSING_FAILURE},              /* PS3.7 10.1.3.1.9 */
	{N_ACTION_RQ, STATUS_NOT_AUTHORIZED, STATUS_PROCESSING_FAILURE},           /* PS3.7 10.1.4.1.10 */
	{N_CREATE_RQ, STATUS_NOT_AUTHORIZED, STATUS_PROCESSING_FAILURE},           /* PS3.7 10.1.5.1.6 */
	{N_DELETE_RQ, STATUS_NOT_AUTHORIZED, STATUS_PROCESSING_FAILURE},           /* PS3.7 10.1.6.1.7 */
};

uint16_t command_refusal_status(uint16_t field)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		if (statuses[i].field == field) {
			return statuses[i].refusal;
		}
	}
	return STATUS_PROCESSING_FAILURE;
}

uint16_t command_failure_status(uint16_t field)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		if (statuses[i].field == field) {
			return statuses[i].failure;
		}
	}
	return STATUS_PROCESSING_FAILURE;
}

/* PS3.7 Annex C. What its table does not list counts as a failure: nothing unknown passes for a success. */
enum status_kind status_kind(uint16_t status)
{
	if (status == STATUS_SUCCESS) {
		return STATUS_KIND_SUCCESS;
	}
	if (status == 0xFF00 || status == 0xFF01) {
		return STATUS_KIND_PENDING;
	}
	if (status == STATUS_CANCEL) {
		return STATUS_KIND_CANCEL;
	}
	if (status == 0x0001 || status >> 12 == 0xB || status == 0x0107 || status == 0x0116) {
		return STATUS_KIND_WARNING;
	}
	return STATUS_KIND_FAILURE;
}

bool status_is_pending(uint16_t status)
{
	return status_kind(status) == STATUS_KIND_PENDING;
}

bool status_is_warning(uint16_t status)
{
	return status_kind(status) == STATUS_KIND_WARNING;
}

bool status_is_failure(uint16_t status)
{
	return status_kind(status) == STATUS_KIND_FAILURE;
}
