/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "net/associate.h"
#include "net/dimse.h"
#include "net/pdu.h"
#include "net/ul.h"

#include <stdlib.h>
#include <string.h>

/* One direction of a connection: PDU after PDU, as the association takes them, with the state machine beside it. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct stream {
	uint8_t command[LIMIT_COMMAND_SET];
	size_t command_len;
	struct ul ul;
	unsigned malformed;
};

static void take_command(struct stream *s, struct span bytes, bool last)
{
	struct command c;
	struct parse_fail fail;
	if (bytes.len > sizeof(s->command) - s->command_len) {
		return;
	}
	if (bytes.len > 0) {
		memcpy(s->command + s->command_len, bytes.ptr, bytes.len);
		s->command_len += bytes.len;
	}
	if (last) {
		int err = command_read(span_of(s->command, s->command_len), AE_TOLERATE_NUL, &c, &fail);
		s->malformed += err != 0;
		s->command_len = 0;
	}
}

static void take_data(struct stream *s, struct reader *body)
{
	while (reader_left(body) > 0) {
		struct pdv_head h;
		struct span payload;
		if (pdv_read_head(body, &h) != 0 || reader_bytes(body, h.len - 2, &payload) != 0) {
			return;
		}
		if (h.command) {
			take_command(s, payload, h.last);
		}
	}
}

static enum ul_event event_of(uint8_t type)
{
	static const enum ul_event events[] = {UL_EV_INVALID_PDU, UL_EV_ASSOCIATE_RQ_PDU,
		UL_EV_ASSOCIATE_AC_PDU, UL_EV_ASSOCIATE_RJ_PDU, UL_EV_P_DATA_PDU, UL_EV_RELEASE_RQ_PDU,
		UL_EV_RELEASE_RP_PDU, UL_EV_ABORT_PDU};
	return type < ARRAY_LEN(events) ? events[type] : UL_EV_INVALID_PDU;
}

static void take_pdu(struct stream *s, const struct pdu_head *h, struct reader body)
{
	static struct associate a;
	struct span all = span_of(body.ptr, body.len);
	struct pdu_reject reject;
	struct pdu_abort abort_pdu;
	struct parse_fail fail = {0};
	switch (h->type) {
	case PDU_ASSOCIATE_RQ:
	case PDU_ASSOCIATE_AC:
		if (associate_read(all, (enum pdu_type)h->type, AE_TOLERATE_NUL, &a, &fail) != 0) {
			(void)associate_bad_title(&fail, &reject);
			(void)pdu_abort_str(pdu_abort_for(&fail));
		}
		break;
	case PDU_ASSOCIATE_RJ:
		if (pdu_read_reject(&body, &reject, &fail) == 0) {
			(void)pdu_reject_str(reject);
		}
		break;
	case PDU_P_DATA_TF:
		take_data(s, &body);
		break;
	case PDU_ABORT:
		if (pdu_read_abort(&body, &abort_pdu, &fail) == 0) {
			(void)pdu_abort_str(abort_pdu);
		}
		break;
	default:
		s->malformed += pdu_read_release(&body, &fail) != 0;
		break;
	}
	(void)ul_action_name(ul_step(&s->ul, event_of(h->type)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy) {
		return 0;
	}
	memcpy(copy, data, size);
	struct stream s = {.ul = {.state = UL_STA2}};
	struct reader r = reader_of(span_of(copy, size));
	struct pdu_head h;
	struct reader body;
	while (pdu_read_head(&r, &h) == 0 && reader_child(&r, h.len, &body) == 0) {
		take_pdu(&s, &h, body);
	}
	free(copy);
	return 0;
}
