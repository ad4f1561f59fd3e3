/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decide.h"
#include "dicom/uid.h"
#include "policy/match.h"
#include "policy/rules.h"
#include "policy/vocabulary.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define UID_TEXT (UID_MAX + 1)

/* A UID as a string. What is too long to be one becomes "", which nothing allows. */
static const char *uid_text(struct span uid, char buf[UID_TEXT])
{
	size_t n = uid.len <= UID_MAX ? uid.len : 0;
	if (n) {
		memcpy(buf, uid.ptr, n);
	}
	buf[n] = '\0';
	return buf;
}

/* Observe mode and no flow: the route has been remarked on; each thing that passes is remarked on too, for `learn`. */
static int no_flow(const struct site *s, const struct route *r, const char *what, struct verdict *v)
{
	*v = (struct verdict){.rule = r->from < 0 ? RULE_CALLER_UNKNOWN : RULE_NO_FLOW, .flow = -1};
	snprintf(v->sentence, sizeof(v->sentence), "%s: no flow joins %s to node %s", what,
		r->from < 0 ? "this caller" : s->nodes[r->from].name, r->to < 0 ? "?" : s->nodes[r->to].name);
	return verdict_end(s, r, v);
}

static void list_flows(const struct site *s, const struct route *r, char *buf, size_t cap)
{
	size_t used = 0;
	for (unsigned i = 0; i < r->n_flows && used < cap; i++) {
		const struct flow *f = &s->flows[r->flows[i]];
		int n = snprintf(buf + used, cap - used, "%s%s (line %u)", i ? ", " : "", f->name, f->line);
		used += n > 0 ? (size_t)n : 0;
	}
}

/* The flow a context's refusal is laid to: an observing one before the others. */
static int blame(const struct site *s, const struct route *r)
{
	for (unsigned i = 0; i < r->n_flows; i++) {
		if (route_observes(s, r, (int)r->flows[i])) {
			return (int)r->flows[i];
		}
	}
	return r->n_flows ? (int)r->flows[0] : -1;
}

static void say_context(
	const struct site *s, const struct route *r, enum rule rule, const char *abstract, struct verdict *v)
{
	char flows[200] = "";
	list_flows(s, r, flows, sizeof(flows));
	*v = (struct verdict){.rule = rule, .flow = blame(s, r)};
	v->line = v->flow >= 0 ? s->flows[v->flow].line : 0;
	snprintf(v->sentence, sizeof(v->sentence),
		rule == RULE_SOP_CLASS
			? "SOP class %s (%s) is not allowed by flow %s"
			: "none of the transfer syntaxes proposed for %s (%s) is allowed by flow %s",
		word_of_uid(abstract), abstract, flows);
}

static void all_transfer_syntaxes(const struct context *c, bool allowed[LIMIT_TRANSFER_SYNTAXES])
{
	for (unsigned i = 0; i < c->n_transfer; i++) {
		allowed[i] = true;
	}
}

/* Which transfer syntaxes do the flows that allow the SOP class allow? */
static unsigned narrow(const struct site *s, const struct route *r, const struct context *c,
	const char *abstract, bool allowed[LIMIT_TRANSFER_SYNTAXES], bool *ret_sop_class)
{
	unsigned n = 0;
	for (unsigned i = 0; i < r->n_flows; i++) {
		const struct flow *f = &s->flows[r->flows[i]];
		if (!flow_allows_sop_class(f, abstract)) {
			continue;
		}
		*ret_sop_class = true;
		for (unsigned t = 0; t < c->n_transfer; t++) {
			char ts[UID_TEXT];
			bool more =
				!allowed[t] && flow_allows_transfer_syntax(f, uid_text(c->transfer[t], ts));
			allowed[t] |= more;
			n += more;
		}
	}
	return n;
}

int decide_context(const struct site *s, const struct route *r, const struct context *c,
	bool allowed[LIMIT_TRANSFER_SYNTAXES], struct verdict *ret_verdict)
{
	char abstract[UID_TEXT], what[160];
	bool sop_class = false;
	struct verdict v = {.flow = -1};
	int err = 0;
	uid_text(c->abstract, abstract);
	memset(allowed, 0, LIMIT_TRANSFER_SYNTAXES * sizeof(allowed[0]));
	if (r->local) {
		for (unsigned i = 0; i < c->n_transfer; i++) {
			allowed[i] = true;
		}
		*ret_verdict = v;
		return 0;
	}
	unsigned n = narrow(s, r, c, abstract, allowed, &sop_class);
	if (r->n_flows == 0) {
		snprintf(what, sizeof(what), "SOP class %s", word_of_uid(abstract));
		err = no_flow(s, r, what, &v);
	} else if (n == 0) {
		say_context(s, r, sop_class ? RULE_TRANSFER_SYNTAX : RULE_SOP_CLASS, abstract, &v);
		err = verdict_end(s, r, &v);
	}
	/* Observing, the target chooses freely: what it chose is judged with each message. */
	if (err == 0 && (v.observed || route_observes(s, r, -1))) {
		all_transfer_syntaxes(c, allowed);
	}
	*ret_verdict = v;
	return err;
}

/* Of the SOP class of its context. */
static unsigned services_of(const struct request_facts *f)
{
	char abstract[UID_TEXT];
	return service_of_sop_class(span_str(uid_text(f->abstract_syntax, abstract)));
}

enum service request_service(const struct request_facts *f)
{
	unsigned of;
	switch (f->command->field) {
	case C_ECHO_RQ:
		return SERVICE_ECHO;
	case C_STORE_RQ:
		return f->reverse && f->get_outstanding ? SERVICE_GET : SERVICE_STORE;
	case C_GET_RQ:
		return SERVICE_GET;
	case C_MOVE_RQ:
		return SERVICE_MOVE;
	case C_FIND_RQ:
		of = services_of(f);
		if (of & SERVICE_BIT(SERVICE_WORKLIST)) {
			return SERVICE_WORKLIST;
		}
		return of & SERVICE_BIT(SERVICE_N_SERVICES) ? SERVICE_N_SERVICES : SERVICE_FIND;
	case N_EVENT_REPORT_RQ:
	case N_GET_RQ:
	case N_SET_RQ:
	case N_ACTION_RQ:
	case N_CREATE_RQ:
	case N_DELETE_RQ:
		of = services_of(f);
		if (of & SERVICE_BIT(SERVICE_MPPS)) {
			return SERVICE_MPPS;
		}
		return of & SERVICE_BIT(SERVICE_COMMIT) ? SERVICE_COMMIT : SERVICE_N_SERVICES;
	default:
		return SERVICE_COUNT;
	}
}

/* A request being judged, its UIDs as strings. */
struct asked {
	const struct request_facts *f;
	enum service service;
	char abstract[UID_TEXT], affected[UID_TEXT], transfer[UID_TEXT];
};

/* How far a flow goes along with a request: the flow that goes farthest gives the refusal's reason. */
enum stage {
	STAGE_SERVICE,
	STAGE_SOP_CLASS,
	STAGE_TRANSFER_SYNTAX,
	STAGE_DESTINATION,
	STAGE_UNTIL,
	STAGE_HOURS,
	STAGE_ALARM,
	STAGE_ALLOWED
};

/* PS3.7 9.1: what may come the other way on one association: C-GET's objects and reports of events. */
static bool direction_ok(const struct asked *a)
{
	if (!a->f->reverse) {
		return true;
	}
	return (a->f->command->field == C_STORE_RQ && a->f->get_outstanding) ||
	       a->f->command->field == N_EVENT_REPORT_RQ;
}

static bool destination_ok(const struct site *s, const struct flow *f, const struct asked *a)
{
	if (a->f->command->field != C_MOVE_RQ) {
		return true;
	}
	for (unsigned i = 0; i < f->n_destinations; i++) {
		if (names_have(&s->nodes[f->destinations[i]].ae, a->f->command->move_destination, false)) {
			return true;
		}
	}
	/* An old title that is mapped to an allowed one. */
	for (unsigned i = 0; i < f->n_move_titles; i++) {
		if (strcmp(f->move_titles[i].from, a->f->command->move_destination) != 0) {
			continue;
		}
		for (unsigned j = 0; j < f->n_destinations; j++) {
			if (names_have(&s->nodes[f->destinations[j]].ae, f->move_titles[i].to, false)) {
				return true;
			}
		}
	}
	return false;
}

static bool sop_class_ok(const struct flow *f, const struct asked *a)
{
	/* A message that names another SOP class than its context's must be allowed both; N- services have meta classes. */
	bool composite = (a->f->command->field & 0x0f00) == 0;
	bool other = composite && a->affected[0] && strcmp(a->affected, a->abstract) != 0;
	return flow_allows_sop_class(f, a->abstract) && (!other || flow_allows_sop_class(f, a->affected));
}

static enum stage stage_of(const struct site *s, const struct flow *f, const struct asked *a)
{
	bool ended = !(a->f->passed & RULE_BIT(RULE_UNTIL)) && f->until_s && a->f->wall_s >= f->until_s;
	bool closed = !(a->f->passed & RULE_BIT(RULE_HOURS)) && !flow_is_open(f, a->f->wall_s);
	if (a->service == SERVICE_COUNT || !(f->services & SERVICE_BIT(a->service)) || !direction_ok(a)) {
		return STAGE_SERVICE;
	}
	if (!sop_class_ok(f, a)) {
		return STAGE_SOP_CLASS;
	}
	if (!flow_allows_transfer_syntax(f, a->transfer)) {
		return STAGE_TRANSFER_SYNTAX;
	}
	if (!destination_ok(s, f, a)) {
		return STAGE_DESTINATION;
	}
	if (ended && f->until_over == OVER_REFUSE) {
		return STAGE_UNTIL;
	}
	if (closed && f->hours_over == OVER_REFUSE) {
		return STAGE_HOURS;
	}
	return ended || closed ? STAGE_ALARM : STAGE_ALLOWED;
}

static void date_of(int64_t until_s, char buf[16])
{
	time_t t = (time_t)until_s - 1;
	struct tm tm;
	if (!localtime_r(&t, &tm)) {
		snprintf(buf, 16, "its end date");
		return;
	}
	strftime(buf, 16, "%Y-%m-%d", &tm);
}

static void say_service(const struct flow *f, const struct asked *a, struct verdict *v)
{
	const char *command = command_name(a->f->command->field);
	v->rule = RULE_SERVICE;
	if (a->service != SERVICE_COUNT && (f->services & SERVICE_BIT(a->service))) {
		snprintf(v->sentence, sizeof(v->sentence),
			"flow %s (line %u): a %s from the called side is only allowed while a C-GET waits for its objects",
			f->name, f->line, command);
		return;
	}
	snprintf(v->sentence, sizeof(v->sentence),
		"flow %s (line %u) does not allow the service `%s`, which %s with SOP class %s belongs to",
		f->name, f->line, a->service == SERVICE_COUNT ? "?" : service_name(a->service), command,
		word_of_uid(a->abstract));
}

static void say_sop_class(const struct flow *f, const struct asked *a, struct verdict *v)
{
	bool context = flow_allows_sop_class(f, a->abstract);
	v->rule = RULE_SOP_CLASS;
	snprintf(v->sentence, sizeof(v->sentence), "flow %s (line %u) does not allow SOP class %s (%s)%s%s",
		f->name, f->line, word_of_uid(context ? a->affected : a->abstract),
		context ? a->affected : a->abstract, context ? ", which was sent on a context of " : "",
		context ? word_of_uid(a->abstract) : "");
}

static void say_destination(
	const struct site *s, const struct flow *f, const struct asked *a, struct verdict *v)
{
	const char *title = a->f->command->move_destination;
	struct nearest near = nearest_to(title);
	for (unsigned i = 0; i < f->n_destinations; i++) {
		const struct names *ae = &s->nodes[f->destinations[i]].ae;
		for (unsigned j = 0; j < ae->n; j++) {
			nearest_offer(&near, ae->at[j]);
		}
	}
	v->rule = RULE_DESTINATION;
	snprintf(v->sentence, sizeof(v->sentence),
		"flow %s (line %u) does not allow C-MOVE to `%s`: its `destinations` %s%s%s%s", f->name,
		f->line, title, f->n_destinations ? "have no node with that AE title" : "are none",
		near.best ? "; did it mean `" : "", near.best ? near.best : "", near.best ? "`?" : "");
}

static void say_time(const struct flow *f, const struct asked *a, bool ended, struct verdict *v)
{
	char date[16];
	time_t t = (time_t)a->f->wall_s;
	struct tm tm;
	v->rule = ended ? RULE_UNTIL : RULE_HOURS;
	if (ended) {
		date_of(f->until_s, date);
		snprintf(v->sentence, sizeof(v->sentence), "flow %s (line %u) ended with %s", f->name,
			f->line, date);
		return;
	}
	bool known = localtime_r(&t, &tm);
	snprintf(v->sentence, sizeof(v->sentence),
		"flow %s (line %u) is closed at this hour (%02d:%02d) by its `hours`", f->name, f->line,
		known ? tm.tm_hour : 0, known ? tm.tm_min : 0);
}

static void say_stage(const struct site *s, const struct flow *f, const struct asked *a, enum stage stage,
	struct verdict *v)
{
	switch (stage) {
	case STAGE_SERVICE:
		say_service(f, a, v);
		break;
	case STAGE_SOP_CLASS:
		say_sop_class(f, a, v);
		break;
	case STAGE_TRANSFER_SYNTAX:
		v->rule = RULE_TRANSFER_SYNTAX;
		snprintf(v->sentence, sizeof(v->sentence),
			"flow %s (line %u) does not allow transfer syntax %s (%s)", f->name, f->line,
			word_of_uid(a->transfer), a->transfer);
		break;
	case STAGE_DESTINATION:
		say_destination(s, f, a, v);
		break;
	case STAGE_UNTIL:
	case STAGE_HOURS:
		say_time(f, a, stage == STAGE_UNTIL, v);
		break;
	case STAGE_ALARM:
		say_time(f, a,
			!(a->f->passed & RULE_BIT(RULE_UNTIL)) && f->until_s && a->f->wall_s >= f->until_s,
			v);
		break;
	case STAGE_ALLOWED:
		break;
	}
}

/* The flow that goes farthest; of equals the first, but one that observes before one that does not. */
static unsigned farthest(
	const struct site *s, const struct route *r, const struct asked *a, enum stage *ret_stage)
{
	unsigned best = r->flows[0];
	int best_rank = -1;
	for (unsigned i = 0; i < r->n_flows; i++) {
		enum stage stage = stage_of(s, &s->flows[r->flows[i]], a);
		int observes = stage < STAGE_ALARM && route_observes(s, r, (int)r->flows[i]);
		/* An observing flow lets everything pass: it beats any refusal, and no allowance. */
		int rank = stage >= STAGE_ALARM ? (int)stage + 2 * STAGE_ALLOWED
		                                : (int)stage + observes * STAGE_ALLOWED;
		if (rank > best_rank) {
			best_rank = rank;
			best = r->flows[i];
			*ret_stage = stage;
		}
	}
	return best;
}

/* Who comes through the local door stores objects, and may ask whether anybody is there. */
static int decide_at_door(const struct asked *a, struct verdict *ret_verdict)
{
	struct verdict v = {.flow = -1};
	bool may = !a->f->reverse && (a->service == SERVICE_STORE || a->service == SERVICE_ECHO);
	if (!may) {
		v.rule = RULE_SERVICE;
		snprintf(v.sentence, sizeof(v.sentence), "%s through the local door, which is for storing",
			command_name(a->f->command->field));
		(void)!verdict_settle(&v, false);
	}
	*ret_verdict = v;
	return may ? 0 : ERR_DENIED;
}

int decide_request(const struct site *s, const struct route *r, const struct request_facts *f,
	struct verdict *ret_verdict)
{
	struct asked a = {.f = f, .service = request_service(f)};
	struct verdict v = {.flow = -1};
	enum stage stage = STAGE_SERVICE;
	char what[160];
	int err = 0;
	if (f->command->field == C_CANCEL_RQ) {
		*ret_verdict = v; /* ends what was allowed before */
		return 0;
	}
	uid_text(f->abstract_syntax, a.abstract);
	if (r->local) {
		return decide_at_door(&a, ret_verdict);
	}
	uid_text(f->command->affected_sop_class, a.affected);
	uid_text(f->transfer_syntax, a.transfer);
	if (r->n_flows == 0) {
		snprintf(what, sizeof(what), "%s with SOP class %s", command_name(f->command->field),
			word_of_uid(a.abstract));
		err = no_flow(s, r, what, ret_verdict);
		return err;
	}
	unsigned flow = farthest(s, r, &a, &stage);
	v.flow = (int)flow;
	v.line = s->flows[flow].line;
	say_stage(s, &s->flows[flow], &a, stage, &v);
	if (stage == STAGE_ALARM) {
		v.alarm = true;
	} else if (stage < STAGE_ALARM) {
		err = verdict_end(s, r, &v);
	}
	*ret_verdict = v;
	return err;
}

uint16_t refusal_status(const struct site *s, int flow, uint16_t command_field)
{
	bool own = flow >= 0 && (unsigned)flow < s->n_flows && s->flows[flow].refusal_status;
	return own ? s->flows[flow].refusal_status : command_refusal_status(command_field);
}
