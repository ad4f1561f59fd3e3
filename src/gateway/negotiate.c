/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_tls.h"
#include "gateway/state.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/proxy.h"
#include "priv/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How long a caller whose handshake has failed may take to read the alert and to close. */
#define LAST_ALERT_MS 2000

/*
 * From the first byte to the caller's answer. The target is asked first, and the caller gets what the target chose,
 * narrowed by policy. Every step either goes on or says to the caller, in the standard's words, why not.
 */

/* PS3.8 9.2, ARTIM: what was sent is the last word; give the peer the time to read it and to close. */
static void last_word(struct association *as)
{
	struct side *a = &as->a;
	int64_t deadline = clock_mono_ms() + (int64_t)as->timeouts_a.artim * 1000;
	if (wait_flush(as, a, deadline) != 0) {
		return;
	}
	if (!a->t.ssl) {
		(void)shutdown(a->t.fd, SHUT_WR);
	}
	/* Sta13: whatever still comes is read and dropped, so that our last word is not lost in a reset. */
	do {
		a->in_pos = a->in_len;
	} while (wait_bytes(as, a, 1, deadline) == 0);
}

static int say_reject(struct association *as, struct pdu_reject why)
{
	(void)ul_step(&as->a.ul, UL_EV_ASSOCIATE_REJECT);
	side_send_reject(&as->a, why);
	last_word(as);
	return ERR_DENIED;
}

static int say_abort(struct association *as, struct pdu_abort why)
{
	if (as->a.ul.state != UL_STA13) {
		(void)ul_step(&as->a.ul, UL_EV_INVALID_PDU);
	}
	side_send_abort(&as->a, why.source, why.reason);
	last_word(as);
	return ERR_DENIED;
}

static int refuse(struct association *as, const struct verdict *v, struct pdu_reject triple)
{
	char answered[64];
	snprintf(answered, sizeof(answered), "A-ASSOCIATE-RJ %u/%u/%u", triple.result, triple.source,
		triple.reason);
	uint64_t number = report_refusal(as, v, &(struct subject){.answered = answered});
	report_ended(as, "refused, number %llu", (unsigned long long)number);
	return say_reject(as, triple);
}

static int refuse_rule(struct association *as, enum rule rule, const char *detail)
{
	struct verdict v;
	verdict_of(as->site, as->rq && as->caller.calling ? &as->route : NULL, -1, rule, detail, &v);
	return refuse(as, &v, rule_reject(rule));
}

/* ---- Below DICOM: the load balancer's header, TLS ---- */

static int read_proxy_header(struct association *as, int64_t deadline)
{
	struct proxy_header h;
	size_t used = 0;
	int e;
	/* A byte at a time past the fixed part: what follows the header may be TLS, which OpenSSL must read itself. */
	while ((e = proxy_read(side_unread(&as->a), &h, &used)) == ERR_AGAIN) {
		size_t want = proxy_wants(side_unread(&as->a));
		uint8_t *at = as->a.in + as->a.in_len;
		size_t n = 0;
		e = stream_read(&as->a.t, at, want, &n);
		if (e == 0) {
			as->a.in_len += n;
		} else if (e == ERR_AGAIN) {
			struct side *a = &as->a;
			e = wait_readable(as, a, deadline);
		}
		if (e != 0) {
			return e;
		}
	}
	if (e != 0) {
		return e;
	}
	side_consume(&as->a, used);
	if (h.is_local) {
		return 0;
	}
	as->caller.ip = h.source;
	as->caller.port = h.source_port;
	struct message *m = &as->ask, *reply = &as->reply;
	*m = (struct message){.type = MSG_ADMIT, .fd = -1};
	m->admit = (struct msg_admit){.ip = h.source, .port = h.source_port};
	e = gate_ask(as, m, MSG_VERDICT, reply, 5000);
	return e != 0 ? e : (reply->number == RULE_NONE ? 0 : ERR_DENIED);
}

/* What a program of this machine has come for. */
static int read_door(struct association *as, int64_t deadline)
{
	struct side *a = &as->a;
	size_t used = 0;
	int e;
	while ((e = door_read(side_unread(a), &as->door, &used)) == ERR_AGAIN && a->in_len < DOOR_MOST) {
		size_t n = 0;
		e = stream_read(&a->t, a->in + a->in_len, DOOR_MOST - a->in_len, &n);
		a->in_len += e == 0 ? n : 0;
		e = e == ERR_AGAIN ? wait_readable(as, a, deadline) : e;
		if (e != 0) {
			return e;
		}
	}
	if (e == 0) {
		side_consume(a, used);
		log_event(LOG_LEVEL_NOTICE, "door.opened", as->door.note,
			LOG_NUMBER("association", (int64_t)as->start->id),
			LOG_TEXT("why", door_why_name(as->door.why)), LOG_TEXT("to", as->door.to),
			LOG_TEXT("flow", as->door.flow), LOG_TEXT("user", as->door.user),
			LOG_NUMBER("uid", as->start->uid));
	}
	return e;
}

void netaddr_text(const struct in6_addr *ip, char ret_text[46])
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(ip);
	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? (const void *)&ip->s6_addr[12] : (const void *)ip,
		    ret_text, 46)) {
		ret_text[0] = 0;
	}
}

static int take_certificate(struct association *as)
{
	if (tls_peer_of(as->a.t.ssl, &as->peer) != 0) {
		return ERR_TLS;
	}
	for (size_t i = 0; i < as->peer.n_san; i++) {
		as->san[i] = as->peer.san[i];
	}
	as->caller.has_certificate = true;
	snprintf(as->suite, sizeof(as->suite), "%s %s", as->peer.version, as->peer.suite);
	as->caller.suite = as->suite;
	as->caller.outside = as->peer.outside;
	as->caller.revoked = as->peer.revoked[0] ? as->peer.revoked : NULL;
	as->caller.unrevoked = as->peer.unrevoked[0] ? as->peer.unrevoked : NULL;
	standing_apply(as);
	as->caller.subject = as->peer.subject;
	as->caller.san = as->san;
	as->caller.n_san = (unsigned)as->peer.n_san;
	memcpy(as->caller.spki_sha256, as->peer.spki_sha256, sizeof(as->caller.spki_sha256));
	return 0;
}

/* Failures here have no DICOM answer. A connection that says nothing (a port scan, a health check) gets no number. */
static int below_failed(struct association *as, const char *what, int e)
{
	const char *why = e == ERR_TIMEOUT ? "it took too long" : as->a.t.why[0] ? as->a.t.why : err_str(e);
	netaddr_text(&as->caller.ip, as->caller_text);
	report_ended(as, "%s: %s", what, why);
	log_event(LOG_LEVEL_NOTICE, "association.failed", as->ended, LOG_TEXT("from", as->caller_text),
		LOG_NUMBER("port", as->caller.port),
		LOG_TEXT("listener",
			as->start->door ? "door" : as->start->site->listeners[as->start->listener].name));
	return e;
}

/*
 * The alert, too, is to be read. A TLS 1.3 caller has sent its request by now: a connection that is closed on unread bytes
 * is reset, and what was on its way to the caller may be lost.
 */
static void last_alert(struct association *as)
{
	struct side *a = &as->a;
	int64_t deadline = clock_mono_ms() + LAST_ALERT_MS;
	uint8_t dropped[4096];
	ssize_t n;
	(void)shutdown(a->t.fd, SHUT_WR);
	do {
		n = read(a->t.fd, dropped, sizeof(dropped));
	} while ((n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) &&
		 wait_readable(as, a, deadline) == 0);
}

static int tls_failed(struct association *as, int e)
{
	struct verdict v;
	if (e == ERR_CLOSED || BIO_number_read(SSL_get_rbio(as->a.t.ssl)) == 0) {
		return below_failed(as, "the TLS handshake", e);
	}
	verdict_of(as->site, NULL, -1, RULE_TLS,
		e == ERR_TIMEOUT ? "it took too long"
		: as->a.t.why[0] ? as->a.t.why
				 : err_str(e),
		&v);
	/* TLS has told the caller what it can: an alert. */
	uint64_t number = report_refusal(as, &v, &(struct subject){.answered = "TLS alert"});
	report_ended(as, "%s, number %llu", v.sentence, (unsigned long long)number);
	last_alert(as);
	return e;
}

static int below(struct association *as, int64_t deadline)
{
	const struct listener *l = &as->start->site->listeners[as->start->listener];
	struct side *a = &as->a;
	if (as->start->door) {
		int e = read_door(as, deadline);
		netaddr_text(&as->caller.ip, as->caller_text);
		return e == 0 ? 0 : below_failed(as, "the local door", e);
	}
	if (as->start->proxy_header) {
		int e = read_proxy_header(as, deadline);
		if (e != 0) {
			return below_failed(as, "the PROXY header", e);
		}
	}
	netaddr_text(&as->caller.ip, as->caller_text);
	if (l->transport == TRANSPORT_PLAIN) {
		return 0;
	}
	as->caller.transport = TRANSPORT_TLS;
	int e = stream_tls(&a->t, as->start->tls->server[l->profile], true, "");
	if (e == 0) {
		e = wait_handshake(as, a, deadline);
	}
	if (e == 0) {
		e = take_certificate(as);
	}
	return e == 0 ? 0 : tls_failed(as, e);
}

/* ---- A-ASSOCIATE-RQ ---- */

/* What a caller speaks that does not speak DICOM. */
static const char *foreign_bytes(struct span s)
{
	static const char *const http[] = {"GET ", "HEAD", "POST", "OPTI", "CONN"};
	if (s.len >= 3 && s.ptr[0] == 22 && s.ptr[1] == 3) { /* RFC 8446 5.1: handshake, legacy version 3.x */
		return "the bytes are TLS, and this listener speaks plain DICOM: does the device call the wrong port?";
	}
	for (unsigned i = 0; i < ARRAY_LEN(http); i++) {
		if (s.len >= 4 && memcmp(s.ptr, http[i], 4) == 0) {
			return "the bytes are an HTTP request: this port is for DICOM";
		}
	}
	return "the first PDU's type is none of DICOM's";
}

/* Sta2, something other than a good request (PS3.8 Table 9-10, AA-1 and AA-2). */
static int not_a_request(struct association *as, int e, const struct pdu_head *head)
{
	if (e == ERR_TIMEOUT || e == ERR_CLOSED || e == ERR_SYSTEM || e == ERR_TLS) {
		return below_failed(as, "waiting for the association request", e);
	}
	if (e == 0 && head->type == PDU_ABORT) {
		report_ended(as, "the caller aborted before it asked for an association");
		return ERR_CLOSED;
	}
	/* There is no request that a reject could answer: A-ABORT it is. */
	struct verdict v;
	verdict_of(as->site, NULL, -1, RULE_MALFORMED,
		e == ERR_TYPE    ? foreign_bytes(side_unread(&as->a))
		: e == ERR_LIMIT ? "the first PDU declares an impossible length"
				 : "the first PDU is no A-ASSOCIATE-RQ",
		&v);
	struct pdu_abort why = {.source = 2, .reason = e == ERR_TYPE ? 1 : e == ERR_LIMIT ? 6 : 2};
	(void)report_refusal(as, &v, &(struct subject){.answered = "A-ABORT"});
	report_ended(as, "%s", v.sentence);
	return say_abort(as, why);
}

static int bad_request(struct association *as, const struct parse_fail *fail)
{
	char detail[160];
	snprintf(detail, sizeof(detail), "A-ASSOCIATE-RQ, byte %u: %s (%s)", fail->offset,
		err_str(fail->code), fail->spec ? fail->spec : "PS3.8 9.3.2");
	struct verdict v;
	verdict_of(as->site, NULL, -1, RULE_MALFORMED, detail, &v);
	(void)report_refusal(as, &v, &(struct subject){.answered = "A-ABORT"});
	report_ended(as, "%s", v.sentence);
	return say_abort(as, pdu_abort_for(fail));
}

static int bad_title(struct association *as, struct pdu_reject triple)
{
	bool calling = triple.reason == 3;
	struct verdict v;
	verdict_of(as->site, NULL, -1, RULE_MALFORMED,
		calling ? "the calling AE title has characters that no title has"
			: "the called AE title has characters that no title has",
		&v);
	return refuse(as, &v, triple);
}

static int read_request(struct association *as, int64_t deadline)
{
	struct side *a = &as->a;
	struct pdu_head head = {0};
	struct span body;
	struct parse_fail fail = {0};
	ul_init(&a->ul, false);
	(void)ul_step(&a->ul, UL_EV_TRANSPORT_INDICATION);
	int e = wait_pdu(as, a, deadline, &head, &body);
	if (e != 0 || head.type != PDU_ASSOCIATE_RQ) {
		return not_a_request(as, e, &head);
	}
	as->rq_body = malloc(body.len + 1);
	if (!as->rq_body) {
		return ERR_NO_MEMORY;
	}
	memcpy(as->rq_body, body.ptr, body.len);
	side_consume(a, 6 + head.len);
	e = associate_read(span_of(as->rq_body, body.len), PDU_ASSOCIATE_RQ,
		TOLERATE_NUL_PADDING | TOLERATE_AE_CASE, as->rq, &fail);
	struct pdu_reject triple;
	bool no_title = e != 0 && associate_bad_title(&fail, &triple);
	(void)ul_step(&a->ul, e == 0 || no_title ? UL_EV_ASSOCIATE_RQ_PDU : UL_EV_INVALID_PDU);
	if (e != 0) {
		return no_title ? bad_title(as, triple) : bad_request(as, &fail);
	}
	as->caller.calling = as->rq->calling;
	as->caller.called = as->rq->called;
	as->caller.tolerated = as->rq->tolerated;
	return 0;
}

/* ---- Decisions about the association as a whole ---- */

static int count_in_flow(struct association *as, int flow, struct msg_counts *ret_counts)
{
	struct message *m = &as->ask, *reply = &as->reply;
	*m = (struct message){.type = MSG_ASSOCIATED, .fd = -1};
	struct msg_associated *d = &m->associated;
	*d = (struct msg_associated){
		.from = as->route.from, .to = as->route.to, .flow = flow, .tls = as->a.t.ssl != NULL};
	snprintf(d->calling, sizeof(d->calling), "%s", as->caller.calling);
	snprintf(d->called, sizeof(d->called), "%s", as->caller.called);
	snprintf(d->tls_version, sizeof(d->tls_version), "%s", as->peer.version);
	snprintf(d->suite, sizeof(d->suite), "%s", as->peer.suite);
	if (as->caller.has_certificate) {
		struct audit_fingerprint f = {.known = true};
		memcpy(f.at, as->peer.sha256, sizeof(f.at));
		snprintf(d->subject, sizeof(d->subject), "%s", as->peer.subject);
		snprintf(d->serial, sizeof(d->serial), "%s", as->peer.serial);
		snprintf(d->issuer, sizeof(d->issuer), "%s", as->peer.issuer);
		audit_fingerprint_text(&f, d->certificate);
	}
	int e = gate_ask(as, m, MSG_COUNTS, reply, 5000);
	if (e == 0) {
		*ret_counts = reply->counts;
	}
	return e;
}

/* It may use every flow that joins the two nodes, so it counts in each, and each one's limits are its own. */
static int count_association(struct association *as)
{
	unsigned i = 0;
	do {
		struct msg_counts counts;
		struct verdict v;
		int flow = as->route.n_flows ? (int)as->route.flows[i] : -1;
		int e = count_in_flow(as, flow, &counts);
		if (e != 0) {
			report_ended(as, "the gate did not answer: %s", err_str(e));
			return say_reject(as, rule_reject(RULE_ASSOCIATIONS));
		}
		e = decide_associations(as->site, &as->route, flow, counts.at_once, counts.last_minute, &v);
		if (e != 0) {
			return refuse(as, &v, rule_reject(v.rule));
		}
		if (v.observed || v.alarm) {
			(void)report_refusal(as, &v, &(struct subject){0});
		}
	} while (++i < as->route.n_flows);
	return 0;
}

/* An import is for a node, whatever title stands in the request: what is logged and recorded is the one that the node has. */
static void name_imported(struct association *as)
{
	const struct node *to = &as->site->nodes[as->route.to];
	if (as->door.why == DOOR_IMPORT && to->ae.n > 0) {
		snprintf(as->rq->called, sizeof(as->rq->called), "%s", to->ae.at[0]);
	}
}

static int decide_caller(struct association *as)
{
	if (as->start->refuse_rule != RULE_NONE) {
		return refuse_rule(as, as->start->refuse_rule, "");
	}
	if (as->stop_ms != 0) {
		return refuse_rule(as, RULE_STOPPING, "");
	}
	if ((as->rq->protocol_version & 1) == 0) {
		return refuse_rule(as, RULE_PROTOCOL_VERSION, ""); /* PS3.8 9.3.2: bit 0 is version 1 */
	}
	if (!span_eq(as->rq->application_context, span_str("1.2.840.10008.3.1.1.1"))) {
		return refuse_rule(as, RULE_APPLICATION_CONTEXT, ""); /* PS3.7 A.2.1 */
	}
	if (as->rq->max_pdu != 0 && as->rq->max_pdu < LIMIT_LEAST_PDU) {
		return refuse_rule(as, RULE_MALFORMED, "its maximum PDU is too small to carry anything");
	}
	struct verdict v;
	int e = route_find(as, &as->route, &v);
	if (e != 0) {
		/* What is malformed here is the padding of a title, which is then not recognized. */
		return refuse(as, &v, rule_reject(v.rule == RULE_MALFORMED ? RULE_CALLER_UNKNOWN : v.rule));
	}
	if (v.observed || v.alarm) {
		(void)report_refusal(as, &v, &(struct subject){0});
	}
	if (as->door.why) {
		user_of_door(as);
	} else {
		user_find(as);
	}
	e = decide_user(as->site, &as->route, &as->user, &v);
	if (as->user.verified || e != 0) {
		audit_login(as, e == 0, e == 0 ? "" : v.sentence);
	}
	if (e != 0) {
		return refuse(as, &v, rule_reject(v.rule));
	}
	if (v.observed || v.alarm) {
		(void)report_refusal(as, &v, &(struct subject){0});
	}
	const struct node *from = as->route.from >= 0 ? &as->site->nodes[as->route.from] : NULL;
	as->timeouts_a = site_timeouts(as->site, from);
	as->timeouts_b = site_timeouts(as->site, &as->site->nodes[as->route.to]);
	snprintf(as->target_name, sizeof(as->target_name), "%s", as->site->nodes[as->route.to].name);
	as->a.tolerate = from ? from->tolerate : 0;
	name_imported(as);
	as->totals.tolerated += as->route.tolerated != 0;
	return count_association(as);
}

/* ---- What the caller is answered ---- */

static void answer_contexts(const struct association *as, const uint8_t results[256], struct associate *to)
{
	for (unsigned i = 0; i < as->rq->n_contexts; i++) {
		const struct context *asked = &as->rq->contexts[i];
		const struct agreed *agreed = &as->context[asked->id];
		struct context *c = &to->contexts[to->n_contexts++];
		c->id = asked->id;
		c->result = agreed->accepted ? 0 : results[asked->id];
		c->n_transfer = 1;
		/* Of a refused context the transfer syntax is not significant, but must stand (PS3.8 9.3.3.2). */
		c->transfer[0] = agreed->accepted ? agreed->transfer : asked->transfer[0];
	}
}

/* The target's own refusals of contexts, with its own result. */
static void note_target_refusals(struct association *as, uint8_t results[256])
{
	for (unsigned i = 0; i < as->proposal->n_contexts; i++) {
		const struct context *asked = &as->proposal->contexts[i];
		if (as->context[asked->id].accepted) {
			continue;
		}
		results[asked->id] = rule_context_result(RULE_UPSTREAM_CONTEXT);
		for (unsigned k = 0; k < as->ac->n_contexts; k++) {
			if (as->ac->contexts[k].id == asked->id && as->ac->contexts[k].result != 0) {
				results[asked->id] = as->ac->contexts[k].result;
			}
		}
		if (results[asked->id] < 1 || results[asked->id] > 4) {
			results[asked->id] = 2;
		}
	}
}

static void answer_user_items(const struct association *as, struct associate *to)
{
	const struct associate *ac = as->ac;
	for (unsigned i = 0; i < ac->n_roles; i++) {
		to->roles[to->n_roles++] = ac->roles[i];
	}
	for (unsigned i = 0; i < ac->n_extended; i++) {
		to->extended[to->n_extended++] = ac->extended[i];
	}
	/* An answer only where there was a question (PS3.7 D.3.3.3, D.3.3.7). */
	if (as->rq->async.has) {
		to->async = ac->async;
	}
	user_answer(as, &to->identity);
}

static int send_answer(struct association *as, const uint8_t results[256], int64_t deadline)
{
	static struct associate answer; /* one association a process */
	struct associate *to = &answer;
	to->protocol_version = 1;
	to->application_context = as->rq->application_context;
	snprintf(to->calling, sizeof(to->calling), "%s", as->rq->calling);
	snprintf(to->called, sizeof(to->called), "%s", as->rq->called);
	to->has_max_pdu = true;
	to->max_pdu = as->start->site->listeners[as->start->listener].max_pdu;
	proposal_implementation(as, as->no_target ? NULL : as->ac, to);
	answer_contexts(as, results, to);
	if (!as->no_target) {
		answer_user_items(as, to);
	}
	struct writer w = writer_of(as->a.out.control, OUT_CONTROL);
	int e = associate_write(PDU_ASSOCIATE_AC, to, &w);
	if (e == 0) {
		e = writer_end(&w);
	}
	if (e != 0) {
		return e;
	}
	(void)out_control(&as->a.out, w.len); /* it stands at the arena's beginning already */
	as->a.max_in = as->start->site->listeners[as->start->listener].max_pdu;
	as->a.max_out = as->rq->max_pdu;
	(void)ul_step(&as->a.ul, UL_EV_ASSOCIATE_ACCEPT);
	return wait_flush(as, &as->a, deadline);
}

static int ask_target(struct association *as, uint8_t results[256])
{
	struct verdict v;
	struct pdu_reject triple = {0};
	if (as->proposal->n_contexts == 0) {
		as->no_target = true;
		return 0;
	}
	int e = target_open(as, &v, &triple);
	if (e == 0) {
		note_target_refusals(as, results);
		return 0;
	}
	if (v.rule != RULE_UPSTREAM_REJECTED) {
		triple = rule_reject(v.rule);
	}
	return refuse(as, &v, triple);
}

int negotiate(struct association *as)
{
	uint8_t results[256] = {0};
	int64_t deadline = as->begun_ms + (int64_t)as->timeouts_a.negotiate * 1000;
	int e = below(as, deadline);
	if (e == 0) {
		/* ARTIM runs from the transport's connection; behind TLS that is the end of its handshake. */
		int64_t artim = clock_mono_ms() + (int64_t)as->timeouts_a.artim * 1000;
		e = read_request(as, artim < deadline ? artim : deadline);
	}
	if (e == 0) {
		e = decide_caller(as);
	}
	if (e == 0) {
		proposal_build(as, results);
		e = ask_target(as, results);
	}
	if (e != 0) {
		return e;
	}
	e = send_answer(as, results, clock_mono_ms() + (int64_t)as->timeouts_a.message * 1000);
	if (e != 0) {
		report_ended(as, "the caller did not take the answer: %s",
			as->a.t.why[0] ? as->a.t.why : err_str(e));
		return e;
	}
	as->answered = true;
	report_accepted(as);
	return 0;
}
