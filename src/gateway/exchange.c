/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/exchange.h"
#include "base/clock.h"
#include "gateway/exchange_parts.h"
#include "gateway/hold.h"
#include "gateway/relay.h"
#include "priv/message.h"

#include <stdio.h>

static struct subject subject_of(const struct association *as, const struct side *s, const char *answered)
{
	const struct agreed *c = &as->context[s->msg.context];
	struct request_facts f = {.command = &s->msg.command,
		.abstract_syntax = c->abstract,
		.transfer_syntax = c->transfer,
		.reverse = s == &as->b};
	const struct command *cmd = &s->msg.command;
	return (struct subject){.service = service_name(request_service(&f)),
		.sop_class = c->abstract,
		.transfer_syntax = c->transfer,
		.destination = cmd->field == C_MOVE_RQ ? cmd->move_destination : "",
		.answered = answered};
}

/* ---- Refusing ---- */

static uint64_t refuse(
	struct association *as, struct side *s, struct operation *o, const struct verdict *v, uint16_t status)
{
	char answered[32];
	snprintf(answered, sizeof(answered), "status %04XH", status);
	struct subject what = subject_of(as, s, answered);
	uint64_t number = report_refusal(as, v, &what);
	exchange_owe_refusal(o, status, number, v->rule);
	s->msg.disposition = DRAIN;
	hold_drop(as, s);
	audit_refused(as, s, o, number);
	return number;
}

/*
 * The other side has answered it before its end, with a failure: that is what the asker has, and no answer of ours can follow.
 * What is left to do is to say why no more of it is passed on.
 */
static uint64_t refuse_answered(struct association *as, struct side *s, const struct verdict *v)
{
	struct subject what = subject_of(as, s, "receiver's failure");
	uint64_t number = report_refusal(as, v, &what);
	s->msg.disposition = DRAIN;
	hold_drop(as, s);
	return number;
}

uint16_t exchange_status(const struct association *as, const struct verdict *v, uint16_t field)
{
	bool transient = !rule_is_policy(v->rule) && v->rule != RULE_DEIDENTIFY;
	if (transient || (v->rule == RULE_UNJUDGED && !v->lasting) || v->rule == RULE_SIGN_KEY) {
		return command_failure_status(field); /* sent again it may pass */
	}
	return refusal_status(as->site, v->flow, field);
}

/* ---- A request, and what must be true of it ---- */

static bool get_outstanding(const struct association *as)
{
	for (unsigned i = 0; as->a.n_operations > 0 && i < as->a.operations_end; i++) {
		const struct operation *o = &as->a.operations[i];
		if (o->state == OPERATION_FORWARDED && o->field == C_GET_RQ) {
			return true;
		}
	}
	return false;
}

/* A verdict that lets pass may still be worth a record: observed, or an alarm. */
static bool stands(struct association *as, struct side *s, const struct verdict *v)
{
	if (v->refuse) {
		return true;
	}
	if (v->observed || v->alarm) {
		struct subject what = subject_of(as, s, "");
		(void)report_refusal(as, v, &what);
	}
	return false;
}

/* For DIMSE-C the command's SOP class must be its context's, or a context would be a licence for any class. */
static bool class_fits(const struct side *s, const struct agreed *c)
{
	const struct command *cmd = &s->msg.command;
	return cmd->field >= N_EVENT_REPORT_RQ || span_eq(cmd->affected_sop_class, c->abstract);
}

static bool denied_by_policy(struct association *as, struct side *s, struct operation *o, struct verdict *v)
{
	const struct agreed *c = &as->context[s->msg.context];
	struct request_facts f = {.command = &s->msg.command,
		.abstract_syntax = c->abstract,
		.transfer_syntax = c->transfer,
		.reverse = s == &as->b,
		.get_outstanding = get_outstanding(as),
		.wall_s = clock_wall_ms() / 1000};
	if (as->route_denied) {
		*v = as->route_verdict;
		return true;
	}
	if (!class_fits(s, c)) {
		verdict_of(as->site, &as->route, -1, RULE_MALFORMED,
			"the command's SOP class is not that of its presentation context", v);
		return true;
	}
	/* What passes with a remark may hide what would be remarked next, and refused once the remark is heeded. */
	do {
		f.passed |= RULE_BIT(v->rule);
		decide_request(as->site, &as->route, &f, v);
		o->flow = v->flow;
		if (stands(as, s, v)) {
			return true;
		}
	} while (v->rule == RULE_UNTIL || v->rule == RULE_HOURS);
	o->unallowed = v->observed;
	return false;
}

static bool has_hourly_limit(const struct flow *f)
{
	return f->objects_per_hour.most != 0 || f->bytes_per_hour.most != 0;
}

/* The hour's counts are the gate's: they go over all associations of the flow. */
static bool denied_by_volume(struct association *as, struct side *s, struct operation *o, struct verdict *v)
{
	struct message *m = &as->ask, *reply = &as->reply;
	if (o->flow < 0 || !has_hourly_limit(&as->site->flows[o->flow]) ||
		s->msg.command.field != C_STORE_RQ) {
		return false;
	}
	*m = (struct message){.type = MSG_OBJECT, .fd = -1};
	m->object = (struct msg_object){.flow = o->flow, .objects = 1};
	if (as->unreported_flow == o->flow) {
		m->object.bytes = as->unreported_bytes;
		as->unreported_bytes = 0;
	}
	if (gate_ask(as, m, MSG_COUNTS, reply, GATE_WAIT_MS) != 0) {
		return false; /* counts that cannot be had must not stop a trauma case; the gate's loss is logged */
	}
	struct volume vol = {
		.objects_hour = reply->counts.objects_hour, .bytes_hour = reply->counts.bytes_hour};
	do {
		decide_volume(as->site, &as->route, o->flow, &vol, v);
		vol.passed |= RULE_BIT(v->rule);
		if (stands(as, s, v)) {
			return true;
		}
	} while (v->rule != RULE_NONE);
	return false;
}

static bool needs_guard(const struct association *as, const struct side *s, const struct operation *o)
{
	if (s->msg.command.field != C_FIND_RQ || o->flow < 0 || !as->site->flows[o->flow].has_query) {
		return false;
	}
	const struct flow *f = &as->site->flows[o->flow];
	return f->n_require_any > 0 || f->n_require_all > 0 || !f->bare_wildcards;
}

/* The request can only go on if there is a target that takes its context. */
static bool denied_by_target(struct association *as, struct side *s, struct verdict *v)
{
	struct pdu_reject ignored = {0};
	if (s == &as->b) {
		return false;
	}
	if (as->target_lost && target_open(as, v, &ignored) != 0) {
		return true;
	}
	if (as->context[s->msg.context].reopened_out) {
		verdict_of(as->site, &as->route, -1, RULE_UPSTREAM_CONTEXT,
			"the target, opened again, did not accept this context again", v);
		return true;
	}
	return false;
}

static void note_allowed(struct association *as, struct side *s, const struct operation *o)
{
	for (unsigned i = 0; i < as->n_seen; i++) {
		const struct seen *k = &as->seen[i];
		if (k->context == s->msg.context && k->field == o->field && k->flow == o->flow) {
			return;
		}
	}
	if (as->n_seen < SEEN_KINDS) {
		as->seen[as->n_seen++] =
			(struct seen){.context = s->msg.context, .field = o->field, .flow = o->flow};
		struct subject what = subject_of(as, s, "");
		report_allowed(as, o->flow, &what);
	}
}

/*
 * Send it on as we write it: destination translated, nothing unknown in it. When it has just come it waits, to leave with the
 * beginning of its data set: see begin_pdv().
 */
static int pass_command_by(struct association *as, struct side *s, const struct operation *o, uint8_t context)
{
	struct command c = s->msg.command;
	renaming_command(as, s, &c);
	s->msg.command_waits = s->msg.phase == IN_COMMAND && command_has_data_set(&c);
	if (s->msg.command_waits) {
		return 0;
	}
	if (c.field == C_MOVE_RQ && o && o->flow >= 0) {
		snprintf(c.move_destination, sizeof(c.move_destination), "%s",
			route_move_title(as->site, o->flow, s->msg.command.move_destination));
	}
	return relay_put_command(other_side(as, s), context, &c) ? 0 : ERR_SPACE;
}

int exchange_pass(struct association *as, struct side *s, const struct operation *o)
{
	return pass_command_by(as, s, o, s->msg.context);
}

static struct operation *begin_operation(struct side *s)
{
	const struct command *c = &s->msg.command;
	struct operation *o = side_operation_new(s);
	if (!o) {
		return NULL;
	}
	o->context = o->out_context = s->msg.context;
	o->field = c->field;
	o->id = c->message_id;
	o->since_ms = clock_tick_ms();
	o->requested = c->requested_sop_class.len > 0;
	uid_copy(o->sop_class, o->requested ? c->requested_sop_class : c->affected_sop_class);
	uid_copy(o->sop_instance, o->requested ? c->requested_sop_instance : c->affected_sop_instance);
	return o;
}

/* A guard would have to see it, or the names in it be others: never softened. */
static void not_read(struct association *as, struct side *s, enum rule rule, const char *why)
{
	struct operation *o = s->msg.operation;
	struct verdict v;
	if (!o) {
		s->msg.disposition = DRAIN; /* answered meanwhile */
		return;
	}
	verdict_of(as->site, &as->route, o->flow, rule, why, &v);
	v.refuse = true;
	v.observed = v.alarm = false;
	if (command_is_response(s->msg.command.field)) {
		exchange_cancel(as, s, o, &v);
	} else {
		refuse(as, s, o, &v, exchange_status(as, &v, o->field));
	}
}

static int take_request(struct association *as, struct side *s, struct parse_fail *fail)
{
	struct incoming *m = &s->msg;
	struct verdict v = {0};
	if (as->context[m->context].spare) {
		return parse_fail(
			fail, ERR_VALUE, 0, "PS3.8 9.3.5.1: the caller has not asked for this context");
	}
	bool twice = side_operation_find(s, m->command.message_id) != NULL;
	struct operation *o = begin_operation(s);
	if (!o) {
		return parse_fail(
			fail, ERR_LIMIT, 0, "PS3.7 D.3.3.3: more operations outstanding than any window");
	}
	m->operation = o;
	m->disposition = PASS;
	m->size_limit = 0;
	m->flow = -1;
	if (twice) {
		exchange_owe(o, 0x0210, "duplicate invocation"); /* PS3.7 C.5.6 */
		m->disposition = DRAIN;
		return 0;
	}
	if (denied_by_policy(as, s, o, &v) || denied_by_volume(as, s, o, &v) || denied_by_target(as, s, &v)) {
		refuse(as, s, o, &v, exchange_status(as, &v, o->field));
		return 0;
	}
	m->flow = o->flow;
	char why[256];
	if (renaming_instance(as, s, o, why, sizeof(why)) < 0) {
		not_read(as, s, RULE_DEIDENTIFY, why);
		return 0;
	}
	note_allowed(as, s, o);
	audit_request(as, s, o);
	if (needs_guard(as, s, o) || renaming_wants(as, s, o)) {
		m->disposition = HOLD;
		m->held_len = 0;
		return 0;
	}
	if (o->field == C_STORE_RQ && o->flow >= 0) {
		m->size_limit = as->site->flows[o->flow].object_size.most;
	}
	return hold_begin(as, s, o) ? 0 : exchange_pass(as, s, o);
}

int exchange_command(struct association *as, struct side *s, struct parse_fail *fail)
{
	struct incoming *m = &s->msg;
	int e = command_read(span_of(m->command_bytes, m->command_len), s->tolerate, &m->command, fail);
	if (e != 0) {
		return e;
	}
	m->data_bytes = 0;
	m->alarmed = m->command_waits = false;
	if (m->command.field == C_CANCEL_RQ) {
		e = exchange_take_cancel(as, s);
	} else if (command_is_response(m->command.field)) {
		e = exchange_take_response(as, s, fail);
	} else {
		e = take_request(as, s, fail);
	}
	if (e != 0 || as->over) {
		return e;
	}
	m->phase = IN_DATA;
	return command_has_data_set(&m->command) ? 0 : exchange_end(as, s);
}

/* ---- Data sets that are not simply passed on ---- */

void exchange_data(struct association *as, struct side *s, struct span fragment)
{
	struct incoming *m = &s->msg;
	if (m->disposition == KEEP) {
		hold_take(as, s, fragment);
	}
	if (m->disposition != HOLD) {
		return;
	}
	bool renamed = m->operation && renaming_wants(as, s, m->operation);
	if (side_hold(s, fragment, renamed ? LIMIT_RENAMED : LIMIT_IDENTIFIER) < 0) {
		not_read(as, s, renamed ? RULE_DEIDENTIFY : RULE_QUERY_KEYS,
			"the message is longer than what is read of one");
	}
}

void exchange_oversize(struct association *as, struct side *s)
{
	struct incoming *m = &s->msg;
	struct verdict v = {0};
	struct operation *o = m->operation;
	uint64_t limit = m->size_limit;
	m->size_limit = 0; /* once an object */
	if (m->flow < 0) {
		return;
	}
	struct volume vol = {.object_bytes = limit + 1};
	decide_volume(as->site, &as->route, m->flow, &vol, &v);
	if (!stands(as, s, &v)) {
		return;
	}
	bool sent = m->disposition == PASS || hold_is_half_way(as, s);
	if (o) {
		refuse(as, s, o, &v, exchange_status(as, &v, o->field));
	} else {
		refuse_answered(as, s, &v);
	}
	if (sent) {
		exchange_cut_off(as, s, "an object over its size limit was cut off");
	}
}

/* ---- Objects that are held ---- */

uint64_t exchange_refuse(struct association *as, struct side *s, const struct verdict *v)
{
	struct operation *o = s->msg.operation;
	return o ? refuse(as, s, o, v, exchange_status(as, v, o->field)) : refuse_answered(as, s, v);
}

void exchange_remark(struct association *as, struct side *s, const struct verdict *v)
{
	struct subject what = subject_of(as, s, "");
	(void)report_refusal(as, v, &what);
}

bool exchange_may_pass(struct association *as, struct side *s, struct verdict *ret_v)
{
	if (as->route_denied) {
		*ret_v = as->route_verdict;
		return false;
	}
	return !denied_by_target(as, s, ret_v);
}

int exchange_pass_command(struct association *as, struct side *s, uint8_t context)
{
	if (s->msg.operation) {
		s->msg.operation->out_context = context;
	}
	return pass_command_by(as, s, s->msg.operation, context);
}

/* ---- The end of a message ---- */

/* What is put into the queue at once; relay_room() has seen to it. Longer messages leave as objects that were held do. */
#define PUT_MOST (96u * 1024)

static int end_guarded(struct association *as, struct side *s)
{
	struct incoming *m = &s->msg;
	struct operation *o = m->operation;
	struct verdict v = {0};
	struct span bytes = span_of(m->held, m->held_len);
	if (!o) {
		return 0; /* answered meanwhile */
	}
	if (needs_guard(as, s, o)) {
		decide_query(as->site, &as->route, o->flow, bytes, as->context[m->context].abstract,
			as->context[m->context].transfer, &v);
	}
	if (v.rule != RULE_NONE && stands(as, s, &v)) {
		refuse(as, s, o, &v, exchange_status(as, &v, o->field));
		return 0;
	}
	char why[256];
	int e = renaming_wants(as, s, o) ? renaming_do(as, s, o, bytes, &bytes, why, sizeof(why)) : 0;
	if (e < 0) {
		not_read(as, s, RULE_DEIDENTIFY, why);
		return 0;
	}
	if (bytes.len > PUT_MOST) {
		audit_message_end(as, s);
		return hold_message(as, s, bytes);
	}
	m->disposition = PASS;
	e = exchange_pass(as, s, o);
	if (e == 0 && command_has_data_set(&m->command)) {
		bool put = relay_put(other_side(as, s), m->context, false, bytes);
		e = put ? 0 : ERR_SPACE;
	}
	return e;
}

static void end_request(struct association *as, struct side *s, struct operation *o)
{
	as->totals.messages++;
	o->object_bytes = s->msg.data_bytes;
	o->since_ms = clock_tick_ms();
	o->state = s->msg.disposition == DRAIN ? OPERATION_ANSWER : OPERATION_FORWARDED;
	o->sent_mark = other_side(as, s)->out.queued;
}

static void end_response(struct association *as, struct side *s, struct operation *o)
{
	if (status_is_pending(s->msg.command.status)) {
		return;
	}
	struct side *asker = other_side(as, s);
	if (o->field == C_STORE_RQ && s->msg.command.status == 0) {
		as->totals.objects++;
		as->totals.remade += o->remade;
		as->unreported_bytes = as->unreported_flow == o->flow ? as->unreported_bytes + o->object_bytes
		                                                      : o->object_bytes;
		as->unreported_flow = o->flow;
	}
	audit_stored(as, o, !status_is_failure(s->msg.command.status));
	/* A final response may come before the request's data set is complete: the rest of it has no operation. */
	if (asker->msg.operation == o) {
		asker->msg.operation = NULL;
	}
	if (o->state == OPERATION_CUT && o->answer_cut) {
		o->state = OPERATION_ANSWER; /* our own answer has not left yet */
		return;
	}
	side_operation_free(asker, o);
}

int exchange_end(struct association *as, struct side *s)
{
	int e = 0;
	if (hold_end(as, s)) {
		return 0;
	}
	if (s->msg.disposition == HOLD) {
		e = end_guarded(as, s);
	}
	if (s->msg.disposition != KEEP) {
		exchange_finish(as, s);
	}
	return e;
}

void exchange_finish(struct association *as, struct side *s)
{
	struct incoming *m = &s->msg;
	audit_message_end(as, s);
	struct operation *o = m->operation;
	if (o && command_is_response(m->command.field)) {
		end_response(as, s, o);
	} else if (o) {
		end_request(as, s, o);
	}
	m->operation = NULL;
	m->phase = BETWEEN_MESSAGES;
	m->command_len = 0;
}
