/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "gateway/exchange.h"
#include "gateway/hold.h"
#include "gateway/relay.h"

#include <stdarg.h>
#include <stdio.h>

/* Responses that are ours to give: of what was refused, and of what the target can no longer answer. */

void exchange_owe(struct operation *o, uint16_t status, const char *fmt, ...)
{
	va_list ap;
	o->status = status;
	va_start(ap, fmt);
	vsnprintf(o->comment, sizeof(o->comment), fmt, ap); /* 64 characters, PS3.7 C.5.25 */
	va_end(ap);
}

void exchange_owe_refusal(struct operation *o, uint16_t status, uint64_t number, enum rule rule)
{
	if (number > 0) {
		exchange_owe(o, status, "Gantry %llu: %s", (unsigned long long)number, rule_name(rule));
	} else {
		exchange_owe(o, status, "Gantry: %s, and its log says why", rule_name(rule));
	}
}

static bool at_boundary(const struct association *as, const struct side *from)
{
	return from->msg.phase != IN_DATA || from->msg.command_waits ||
	       (from->msg.disposition != PASS && !hold_is_half_way(as, from));
}

static bool answer(struct side *asker, struct operation *o)
{
	struct command rq = {.field = o->field, .message_id = o->id, .has = HAS_MESSAGE_ID};
	struct span class = span_str(o->sop_class), instance = span_str(o->sop_instance);
	if (o->requested) {
		rq.requested_sop_class = class;
		rq.requested_sop_instance = instance;
	} else {
		rq.affected_sop_class = class;
		rq.affected_sop_instance = instance;
	}
	struct command rsp;
	command_make_response(&rq, o->status, o->comment, &rsp);
	return relay_put_command(asker, o->context, &rsp);
}

static bool send_cancel(struct side *to, const struct operation *o)
{
	struct command c;
	command_make_cancel(o->id, &c);
	return relay_put_command(to, o->context, &c);
}

static void owed_to(struct association *as, struct side *asker)
{
	struct side *o = other_side(as, asker);
	for (unsigned i = 0; i < asker->operations_end && asker->n_operations > 0; i++) {
		struct operation *op = &asker->operations[i];
		bool due = op->state == OPERATION_ANSWER || (op->state == OPERATION_CUT && op->answer_cut);
		if (due && at_boundary(as, o)) {
			if (!answer(asker, op)) {
				return;
			}
			op->answer_cut = false;
			if (op->state == OPERATION_ANSWER) {
				side_operation_free(asker, op);
				continue;
			}
		}
		if (op->state == OPERATION_CUT && op->cancel && o->up && at_boundary(as, asker) &&
			send_cancel(o, op)) {
			op->cancel = false;
		}
	}
}

void exchange_owed(struct association *as)
{
	if (as->a.up) {
		owed_to(as, &as->a);
	}
	if (as->b.up) {
		owed_to(as, &as->b);
	}
}

void exchange_fail_all(struct association *as, const char *why)
{
	struct side *a = &as->a;
	for (unsigned i = 0; i < a->operations_end && a->n_operations > 0; i++) {
		struct operation *o = &a->operations[i];
		if (o->state == OPERATION_CUT && !o->answer_cut) {
			side_operation_free(a, o);
			continue;
		}
		if (o->state == OPERATION_CUT) {
			o->state = OPERATION_ANSWER;
		}
		bool waits = o->state == OPERATION_RECEIVING && o->status == 0 && !o->held;
		if (o->state != OPERATION_FORWARDED && !waits) {
			continue;
		}
		struct verdict v;
		char answered[32];
		uint16_t status = command_failure_status(o->field);
		snprintf(answered, sizeof(answered), "status %04XH", status);
		verdict_of(as->site, &as->route, o->flow, as->loss, why, &v);
		uint64_t number = report_refusal(as, &v,
			&(struct subject){.sop_class = span_str(o->sop_class),
				.transfer_syntax = as->context[o->context].transfer,
				.answered = answered});
		exchange_owe_refusal(o, status, number, as->loss);
		audit_stored(as, o, false);
		if (o->state == OPERATION_FORWARDED) {
			o->state = OPERATION_ANSWER;
		}
	}
	/* The rest of a message that was passing has nowhere to go. Of one that is held whole the next target may have all. */
	if (a->msg.phase != IN_DATA || a->msg.disposition != KEEP || hold_is_half_way(as, a)) {
		a->msg.disposition = DRAIN;
		a->chunk_left = 0;
	}
}

void exchange_cut_off(struct association *as, struct side *s, const char *why)
{
	if (s == &as->a) {
		target_end(as, true, why);
	} else {
		report_ended(as, "%s", why);
		association_abort(as, NULL, NULL);
	}
}
