/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/state.h"
#include "base/clock.h"
#include "base/log.h"
#include "priv/message.h"

#include <stdarg.h>
#include <stdio.h>

#define COPY(to, from) snprintf((to), sizeof(to), "%.*s", (int)sizeof(to) - 1, (from))

static void copy_span(char *to, size_t cap, struct span s)
{
	snprintf(to, cap, "%.*s", (int)(s.len < cap ? s.len : cap - 1), s.len ? (const char *)s.ptr : "");
}

static void hex(const uint8_t hash[32], char ret_text[65])
{
	for (unsigned i = 0; i < 32; i++) {
		snprintf(ret_text + (size_t)2 * i, 3, "%02x", hash[i]);
	}
}

static void fill_who(const struct association *as, struct refusal *r)
{
	const struct site *s = as->site;
	r->tls = as->caller.transport == TRANSPORT_TLS;
	COPY(r->address, as->caller_text);
	r->port = as->caller.port;
	COPY(r->calling, as->caller.calling ? as->caller.calling : "");
	COPY(r->called, as->caller.called ? as->caller.called : "");
	if (as->route.from >= 0) {
		COPY(r->node, s->nodes[as->route.from].name);
	}
	if (as->route.to >= 0) {
		COPY(r->target, s->nodes[as->route.to].name);
	}
	/* The listener is of the site that we were forked with, whatever came since. */
	if (as->start->door) {
		COPY(r->listener, "door");
	} else if (as->start->site) {
		COPY(r->listener, as->start->site->listeners[as->start->listener].name);
	}
	if (as->caller.has_certificate) {
		COPY(r->subject, as->caller.subject);
		for (unsigned i = 0; i < as->caller.n_san && i < ARRAY_LEN(r->san); i++) {
			COPY(r->san[i], as->caller.san[i]);
		}
		hex(as->caller.spki_sha256, r->spki);
		hex(as->peer.sha256, r->certificate);
		COPY(r->serial, as->peer.serial);
		COPY(r->issuer, as->peer.issuer);
	}
}

static void fill_what(const struct association *as, const struct subject *what, int flow, struct refusal *r)
{
	if (flow >= 0 && (unsigned)flow < as->site->n_flows) {
		COPY(r->flow, as->site->flows[flow].name);
	}
	COPY(r->service, what->service ? what->service : "");
	COPY(r->destination, what->destination ? what->destination : "");
	COPY(r->answered, what->answered ? what->answered : "");
	copy_span(r->sop_class, sizeof(r->sop_class), what->sop_class);
	copy_span(r->transfer_syntax, sizeof(r->transfer_syntax), what->transfer_syntax);
}

uint64_t report_refusal(struct association *as, const struct verdict *v, const struct subject *what)
{
	struct message *m = &as->ask, *reply = &as->reply;
	*m = (struct message){.type = MSG_REFUSAL, .fd = -1};
	struct refusal *r = &m->refusal;
	fill_who(as, r);
	fill_what(as, what, v->flow, r);
	r->rule = (uint8_t)v->rule;
	r->observed = v->observed;
	r->alarm = v->alarm;
	r->minor = what->minor;
	r->line = v->line;
	r->count = 1;
	r->first_ms = r->last_ms = clock_wall_ms();
	COPY(r->sentence, v->sentence);
	if (!v->refuse) {
		COPY(r->answered, v->observed ? "passed (observe)" : "passed (alarm)");
	} else {
		as->totals.refusals++;
	}
	if (gate_ask(as, m, MSG_NUMBER, reply, GATE_WAIT_MS) == 0) {
		return (uint64_t)reply->number;
	}
	/* The gate would have logged it. Without it the line is ours to write: nothing is refused in silence. */
	struct log_field fields[REFUSAL_LOG_FIELDS];
	unsigned n = refusal_log_fields(r, fields);
	log_line(LOG_LEVEL_WARNING, "decision", r->sentence, fields, n);
	return 0;
}

void report_allowed(struct association *as, int flow, const struct subject *what)
{
	static struct refusal r;
	r = (struct refusal){.rule = RULE_NONE};
	fill_who(as, &r);
	fill_what(as, what, flow, &r);
	r.line = flow >= 0 ? as->site->flows[flow].line : 0;
	struct log_field fields[REFUSAL_LOG_FIELDS];
	unsigned n = refusal_log_fields(&r, fields);
	log_line(LOG_LEVEL_INFO, "decision", "", fields, n);
}

static const char *node_name(const struct association *as, int node)
{
	return node >= 0 ? as->site->nodes[node].name : "";
}

void report_accepted(struct association *as)
{
	unsigned n = 0;
	for (unsigned i = 0; i < 256; i++) {
		n += as->context[i].accepted && !as->context[i].spare;
	}
	bool tls = as->a.t.ssl != NULL;
	log_event(n > 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "association.accepted",
		n > 0 ? "" : "none of its presentation contexts was accepted: nothing can be done in it",
		LOG_NUMBER("association", (int64_t)as->start->id), LOG_TEXT("from", as->caller_text),
		LOG_NUMBER("port", as->caller.port), LOG_TEXT("calling", as->caller.calling),
		LOG_TEXT("called", as->caller.called), LOG_TEXT("node", node_name(as, as->route.from)),
		LOG_TEXT("target", node_name(as, as->route.to)), LOG_TEXT("tls", tls ? as->peer.version : ""),
		LOG_TEXT("suite", tls ? as->peer.suite : ""),
		LOG_TEXT("user", as->user.verified ? as->user.name : ""), LOG_NUMBER("contexts", n),
		LOG_NUMBER("proposed", as->rq->n_contexts));
}

void report_ended(struct association *as, const char *fmt, ...)
{
	if (as->ended[0]) {
		return; /* the first reason is the cause, what follows is its consequence */
	}
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(as->ended, sizeof(as->ended), fmt, ap);
	va_end(ap);
}

void report_end(struct association *as)
{
	log_event(LOG_LEVEL_INFO, "association.ended", as->ended,
		LOG_NUMBER("association", (int64_t)as->start->id), LOG_TEXT("from", as->caller_text),
		LOG_NUMBER("port", as->caller.port), LOG_TEXT("calling", as->caller.calling),
		LOG_TEXT("called", as->caller.called), LOG_TEXT("node", node_name(as, as->route.from)),
		LOG_TEXT("target", node_name(as, as->route.to)),
		LOG_NUMBER("messages", (int64_t)as->totals.messages),
		LOG_NUMBER("objects", (int64_t)as->totals.objects),
		LOG_NUMBER("refusals", as->totals.refusals), LOG_NUMBER("tolerated", as->totals.tolerated),
		LOG_NUMBER("bytes", (int64_t)as->a.t.bytes_in),
		LOG_NUMBER("milliseconds", clock_mono_ms() - as->begun_ms));
}
