/* SPDX-License-Identifier: Apache-2.0 */
#include "net/pdu.h"

/* ---- Heads ---- */

int pdu_read_head(struct reader *r, struct pdu_head *ret_head)
{
	struct reader at = *r;
	struct pdu_head h;
	int err = reader_u8(&at, &h.type);
	err = err ? err : reader_skip(&at, 1);
	err = err ? err : reader_u32be(&at, &h.len);
	if (err == 0) {
		*r = at;
		*ret_head = h;
	}
	return err;
}

void pdu_write_head(struct writer *w, enum pdu_type type, uint32_t len)
{
	writer_u8(w, (uint8_t)type);
	writer_u8(w, 0);
	writer_u32be(w, len);
}

const char *pdu_name(uint8_t type)
{
	static const char *const names[] = {
		[PDU_ASSOCIATE_RQ] = "A-ASSOCIATE-RQ",
		[PDU_ASSOCIATE_AC] = "A-ASSOCIATE-AC",
		[PDU_ASSOCIATE_RJ] = "A-ASSOCIATE-RJ",
		[PDU_P_DATA_TF] = "P-DATA-TF",
		[PDU_RELEASE_RQ] = "A-RELEASE-RQ",
		[PDU_RELEASE_RP] = "A-RELEASE-RP",
		[PDU_ABORT] = "A-ABORT",
	};
	return type < ARRAY_LEN(names) && names[type] ? names[type] : "unknown PDU";
}

/* PS3.8 E.2 */
#define CONTROL_COMMAND 0x01
#define CONTROL_LAST    0x02

int pdv_read_head(struct reader *r, struct pdv_head *ret_head)
{
	struct reader at = *r;
	struct pdv_head h = {0};
	uint8_t control;
	int err = reader_u32be(&at, &h.len);
	err = err ? err : reader_u8(&at, &h.context);
	err = err ? err : reader_u8(&at, &control);
	if (err) {
		return err;
	}
	if (h.len < 2) {
		return ERR_LENGTH;
	}
	if (h.context % 2 == 0) {
		return ERR_VALUE;
	}
	h.command = control & CONTROL_COMMAND;
	h.last = control & CONTROL_LAST;
	*r = at;
	*ret_head = h;
	return 0;
}

void pdv_write_heads(uint8_t ret_heads[12], uint32_t payload, uint8_t context, bool command, bool last)
{
	struct writer w = writer_of(ret_heads, 12);
	pdu_write_head(&w, PDU_P_DATA_TF, payload + PDU_HEAD);
	writer_u32be(&w, payload + 2);
	writer_u8(&w, context);
	writer_u8(&w, (uint8_t)((command ? CONTROL_COMMAND : 0) | (last ? CONTROL_LAST : 0)));
}

/* ---- Short PDUs: a body of four bytes ---- */

static int read_four(struct reader *r, uint8_t ret[4], const char *spec, struct parse_fail *fail)
{
	struct span s;
	if (reader_left(r) > 4) {
		return parse_fail(fail, ERR_TRAILING, r->pos + 4, spec);
	}
	int err = reader_bytes(r, 4, &s);
	if (err) {
		return parse_fail(fail, err, r->pos, spec);
	}
	memcpy(ret, s.ptr, 4);
	return 0;
}

int pdu_read_reject(struct reader *r, struct pdu_reject *ret_reject, struct parse_fail *fail)
{
	struct reader at = *r;
	uint8_t b[4];
	int err = read_four(&at, b, "PS3.8 9.3.4", fail);
	if (err) {
		return err;
	}
	struct pdu_reject why = {.result = b[1], .source = b[2], .reason = b[3]};
	if (!pdu_reject_valid(why)) {
		return parse_fail(fail, ERR_VALUE, r->pos + 1, "PS3.8 9.3.4");
	}
	*r = at;
	*ret_reject = why;
	return 0;
}

int pdu_read_abort(struct reader *r, struct pdu_abort *ret_abort, struct parse_fail *fail)
{
	uint8_t b[4];
	int err = read_four(r, b, "PS3.8 9.3.8", fail);
	if (err == 0) {
		*ret_abort = (struct pdu_abort){.source = b[2], .reason = b[3]};
	}
	return err;
}

int pdu_read_release(struct reader *r, struct parse_fail *fail)
{
	uint8_t b[4];
	return read_four(r, b, "PS3.8 9.3.6", fail);
}

static void write_four(struct writer *w, enum pdu_type type, uint8_t b1, uint8_t b2, uint8_t b3)
{
	pdu_write_head(w, type, 4);
	writer_bytes(w, (const uint8_t[]){0, b1, b2, b3}, 4);
}

void pdu_write_reject(struct writer *w, struct pdu_reject why)
{
	write_four(w, PDU_ASSOCIATE_RJ, why.result, why.source, why.reason);
}

void pdu_write_abort(struct writer *w, struct pdu_abort why)
{
	write_four(w, PDU_ABORT, 0, why.source, why.reason);
}

void pdu_write_release_rq(struct writer *w)
{
	write_four(w, PDU_RELEASE_RQ, 0, 0, 0);
}

void pdu_write_release_rp(struct writer *w)
{
	write_four(w, PDU_RELEASE_RP, 0, 0, 0);
}

/* ---- Reasons ---- */

/* PS3.8 9.3.4, Table 9-21; the reserved reasons are left out. */
static const struct reject_reason {
	uint8_t source, reason;
	const char *permanent, *transient;
} reject_reasons[] = {
#define REASON(source, reason, text)                                                                         \
	{                                                                                                    \
		source, reason, "rejected permanently: " text, "rejected transiently: " text                 \
	}
	REASON(1, 1, "no reason given"),
	REASON(1, 2, "application context name not supported"),
	REASON(1, 3, "calling AE title not recognized"),
	REASON(1, 7, "called AE title not recognized"),
	REASON(2, 1, "no reason given (by its association control)"),
	REASON(2, 2, "protocol version not supported"),
	REASON(3, 1, "temporary congestion"),
	REASON(3, 2, "local limit exceeded"),
#undef REASON
};

static const struct reject_reason *reject_find(struct pdu_reject why)
{
	for (size_t i = 0; i < ARRAY_LEN(reject_reasons); i++) {
		if (reject_reasons[i].source == why.source && reject_reasons[i].reason == why.reason) {
			return &reject_reasons[i];
		}
	}
	return NULL;
}

bool pdu_reject_valid(struct pdu_reject why)
{
	return (why.result == 1 || why.result == 2) && reject_find(why);
}

const char *pdu_reject_str(struct pdu_reject why)
{
	if (!pdu_reject_valid(why)) {
		return "rejected for a reason that the standard does not list";
	}
	const struct reject_reason *r = reject_find(why);
	return why.result == 1 ? r->permanent : r->transient;
}

const char *pdu_abort_str(struct pdu_abort why)
{
	static const char *const reasons[] = {
		[PDU_ABORT_NOT_SPECIFIED] = "aborted by the service provider: no reason given",
		[PDU_ABORT_UNRECOGNIZED_PDU] = "aborted by the service provider: unrecognized PDU",
		[PDU_ABORT_UNEXPECTED_PDU] = "aborted by the service provider: unexpected PDU",
		[PDU_ABORT_UNRECOGNIZED_PARAMETER] =
			"aborted by the service provider: unrecognized PDU parameter",
		[PDU_ABORT_UNEXPECTED_PARAMETER] =
			"aborted by the service provider: unexpected PDU parameter",
		[PDU_ABORT_INVALID_PARAMETER] =
			"aborted by the service provider: invalid PDU parameter value",
	};
	if (why.source == 0) {
		return "aborted by the service user";
	}
	if (why.source == 2 && why.reason < ARRAY_LEN(reasons) && reasons[why.reason]) {
		return reasons[why.reason];
	}
	return "aborted for a reason that the standard does not list";
}

struct pdu_abort pdu_abort_for(const struct parse_fail *fail)
{
	static const struct {
		int code;
		uint8_t reason;
	} table[] = {
		{ERR_TYPE, PDU_ABORT_UNRECOGNIZED_PDU},
		{ERR_ORDER, PDU_ABORT_UNEXPECTED_PDU},
		{ERR_DUPLICATE, PDU_ABORT_UNEXPECTED_PARAMETER},
		{ERR_MISSING, PDU_ABORT_INVALID_PARAMETER},
		{ERR_TRUNCATED, PDU_ABORT_INVALID_PARAMETER},
		{ERR_TRAILING, PDU_ABORT_INVALID_PARAMETER},
		{ERR_LENGTH, PDU_ABORT_INVALID_PARAMETER},
		{ERR_VALUE, PDU_ABORT_INVALID_PARAMETER},
		{ERR_LIMIT, PDU_ABORT_INVALID_PARAMETER},
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].code == fail->code) {
			return (struct pdu_abort){.source = 2, .reason = table[i].reason};
		}
	}
	return (struct pdu_abort){.source = 2, .reason = PDU_ABORT_NOT_SPECIFIED};
}
