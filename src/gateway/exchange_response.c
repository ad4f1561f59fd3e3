/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/exchange.h"
#include "base/clock.h"
#include "gateway/exchange_parts.h"
#include "gateway/renaming.h"

#include <stdio.h>

/* Responses, and what takes a request back. */

void exchange_cancel(struct association *as, struct side *s, struct operation *o, const struct verdict *v)
{
	uint16_t status = exchange_status(as, v, o->field);
	char answered[32];
	snprintf(answered, sizeof(answered), "status %04XH", status);
	const struct agreed *c = &as->context[o->context];
	uint64_t number = report_refusal(as, v,
		&(struct subject){.service = "find",
			.sop_class = c->abstract,
			.transfer_syntax = c->transfer,
			.answered = answered});
	exchange_owe_refusal(o, status, number, v->rule);
	o->state = OPERATION_CUT;
	o->cancel = status_is_pending(s->msg.command.status);
	o->answer_cut = true;
	s->msg.disposition = DRAIN;
}

/* More matches than the flow allows end in a failure: a list that is silently short would hide a patient. */
static void count_match(struct association *as, struct side *s, struct operation *o)
{
	o->matches++;
	if (o->flow < 0 || o->field != C_FIND_RQ) {
		return;
	}
	const struct flow *f = &as->site->flows[o->flow];
	if (!f->has_query || f->matches == 0 || o->matches <= f->matches) {
		return;
	}
	struct verdict v;
	char detail[64];
	snprintf(detail, sizeof(detail), "more than %u matches", f->matches);
	verdict_of(as->site, &as->route, o->flow, RULE_QUERY_MATCHES, detail, &v);
	if (v.refuse) {
		exchange_cancel(as, s, o, &v);
	} else if (o->matches == f->matches + 1) {
		struct subject what = {.service = "find", .sop_class = as->context[o->context].abstract};
		(void)report_refusal(as, &v, &what);
	}
}

/* Nobody can have done what was not sent to the end. A failure may come early, but not before there is anything to fail. */
static bool is_too_early(const struct side *s, const struct operation *o, uint16_t status)
{
	return o->held || (!status_is_failure(status) &&
				  (o->state == OPERATION_RECEIVING || s->out.sent < o->sent_mark));
}

int exchange_take_response(struct association *as, struct side *s, struct parse_fail *fail)
{
	struct incoming *m = &s->msg;
	struct side *asker = other_side(as, s);
	struct operation *o = side_operation_find(asker, m->command.message_id_responded);
	m->operation = o;
	m->size_limit = 0;
	m->disposition = DRAIN;
	if (!o) {
		as->totals.tolerated++; /* nobody asked: dropped and counted */
		return 0;
	}
	if (o->out_context != m->context || (o->field | 0x8000) != m->command.field) {
		return parse_fail(fail, ERR_VALUE, 0, "PS3.7 6.3.2: a response to another request");
	}
	if (o->out_context != o->context && command_has_data_set(&m->command)) {
		return parse_fail(fail, ERR_VALUE, 0, "PS3.7 9.3.1.2: a data set in the response of C-STORE");
	}
	m->context = o->context; /* in the asker's words */
	if (o->state == OPERATION_CUT) {
		return 0;
	}
	if (is_too_early(s, o, m->command.status)) {
		return parse_fail(
			fail, ERR_ORDER, 0, "PS3.7 9.3: success for a request that it has not had whole");
	}
	m->disposition = PASS;
	o->since_ms = clock_tick_ms();
	if (status_is_pending(m->command.status)) {
		count_match(as, s, o);
	}
	if (m->disposition == PASS) {
		audit_response(as, s, o);
	}
	if (m->disposition == PASS && renaming_wants(as, s, o)) {
		m->disposition = HOLD;
		m->held_len = 0;
	}
	int e = m->disposition == PASS ? exchange_pass(as, s, NULL) : 0;
	m->disposition = renaming_hides(as, s, o) ? DRAIN : m->disposition;
	return e;
}

int exchange_take_cancel(struct association *as, struct side *s)
{
	struct operation *o = side_operation_find(s, s->msg.command.message_id_responded);
	s->msg.operation = NULL;
	s->msg.size_limit = 0;
	s->msg.disposition = DRAIN;
	/* A cancel that crosses the final response finds nothing to cancel; PS3.7 9.3.2.3 lets it be ignored. */
	if (!o || o->state != OPERATION_FORWARDED || o->context != s->msg.context) {
		return 0;
	}
	return exchange_pass(as, s, NULL);
}
