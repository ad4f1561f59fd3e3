/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_tls.h"
#include "gateway/state.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/exchange.h"
#include "gateway/hold.h"
#include "gateway/release.h"
#include "net/proxy.h"
#include "priv/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* PS3.8 9.2 names for the requestor's side are fed to the state machine as they happen. */

static int failed(struct association *as, struct verdict *v, enum rule rule, const char *fmt, ...)
	PRINTF(4, 5);

static int failed(struct association *as, struct verdict *v, enum rule rule, const char *fmt, ...)
{
	char detail[320];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	verdict_of(as->site, &as->route, as->route.n_flows ? (int)as->route.flows[0] : -1, rule, detail, v);
	return ERR_DENIED;
}

/* Ask the gate for a connection to the target, from its address number `from` on. */
static int connect_target(
	struct association *as, int from, struct msg_connected *ret_connected, int *ret_fd, struct verdict *v)
{
	const struct node *node = &as->site->nodes[as->route.to];
	struct message *m = &as->ask, *reply = &as->reply;
	*m = (struct message){.type = MSG_CONNECT, .fd = -1};
	m->connect = (struct msg_connect){.node = as->route.to, .address = from, .source = as->caller.ip};
	/* Every address may take its whole time; the gate answers earlier when it can. */
	int64_t wait = (int64_t)as->timeouts_b.connect * 1000 * (node->n_address + 1) + 5000;
	int e = gate_ask(as, m, MSG_CONNECTED, reply, wait);
	if (e != 0) {
		return failed(as, v, RULE_UPSTREAM_DOWN, "the gate did not answer (%s)", err_str(e));
	}
	if (reply->connected.result != 0 || reply->fd < 0) {
		return failed(as, v, RULE_UPSTREAM_DOWN, "%s", reply->connected.text);
	}
	*ret_connected = reply->connected;
	size_t n = strcspn(reply->connected.text, reply->connected.is_folder ? "" : "]");
	n = reply->connected.is_folder || reply->connected.text[n] ? n : strcspn(reply->connected.text, ":");
	bool bracketed = reply->connected.text[0] == '[';
	snprintf(as->target_address, sizeof(as->target_address), "%.*s",
		reply->connected.is_folder ? 0 : (int)n - bracketed, reply->connected.text + bracketed);
	*ret_fd = reply->fd;
	return 0;
}

/* The name that the target's certificate must have: as configured, or the host of the address called. */
static const char *server_name(const struct association *as, const struct msg_connected *c)
{
	const struct node *node = &as->site->nodes[as->route.to];
	if (node->server_name[0]) {
		return node->server_name;
	}
	bool known = c->address >= 0 && (unsigned)c->address < node->n_address;
	return known ? node->address[c->address].host : "";
}

/* A target's certificate must also be the one its node entry names, not only a trusted one. */
static bool certificate_fits(const struct node *node, const struct tls_peer *peer)
{
	bool san = node->san.n == 0, pin = node->n_spki == 0;
	for (unsigned i = 0; i < node->san.n && !san; i++) {
		for (size_t k = 0; k < peer->n_san && !san; k++) {
			san = strcasecmp(node->san.at[i], peer->san[k]) == 0;
		}
	}
	for (unsigned i = 0; i < node->n_spki && !pin; i++) {
		pin = memcmp(node->spki[i].sha256, peer->spki_sha256, sizeof(peer->spki_sha256)) == 0;
	}
	return san && pin;
}

void target_again(struct association *as)
{
	static struct tls_peer peer;
	if (!as->b.up || !as->b.t.ssl || as->route.to < 0) {
		return;
	}
	const struct node *node = &as->site->nodes[as->route.to];
	if (tls_peer_of(as->b.t.ssl, &peer) != 0 || !certificate_fits(node, &peer)) {
		target_end(as, true, "the configuration names another certificate for the called node now");
	}
}

static void send_proxy_header(struct association *as)
{
	uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));
	proxy_write(&w, &as->caller.ip, as->caller.port, &as->start->local_ip, as->start->local_port);
	uint8_t *at = writer_end(&w) == 0 ? out_control(&as->b.out, w.len) : NULL;
	if (at) {
		memcpy(at, buf, w.len);
	}
}

/* For the records: whoever it is, it is whom the objects go to. */
static void keep_certificate(struct association *as, const struct tls_peer *peer)
{
	as->target_certified = true;
	memcpy(as->target_subject, peer->subject, sizeof(as->target_subject));
	memcpy(as->target_sha256, peer->sha256, sizeof(as->target_sha256));
	as->target_until_s = peer->not_after_s;
	memcpy(as->target_last_day, peer->last_day, sizeof(as->target_last_day));
	as->expired[1][0] = '\0';
	memcpy(as->target_serial, peer->serial, sizeof(as->target_serial));
	memcpy(as->target_issuer, peer->issuer, sizeof(as->target_issuer));
}

/* Everything below DICOM: PROXY header, TLS. */
static int secure_target(
	struct association *as, const struct msg_connected *c, int64_t deadline, struct verdict *v)
{
	const struct node *node = &as->site->nodes[as->route.to];
	struct side *b = &as->b;
	as->target_certified = false;
	if (c->is_folder) {
		return 0;
	}
	if (node->proxy_v2) {
		send_proxy_header(as);
		if (wait_flush(as, b, deadline) != 0) {
			return failed(as, v, RULE_UPSTREAM_DOWN, "%s closed the connection", c->text);
		}
	}
	if (node->transport != TRANSPORT_TLS) {
		return 0;
	}
	standing_begin_target(as);
	int e = stream_tls(&b->t, gate_tls_client(as->start->tls, node), false, server_name(as, c));
	if (e == 0) {
		e = wait_handshake(as, b, deadline);
	}
	if (e != 0) {
		/* Plain DICOM that is sent a ClientHello closes, resets or waits for more. */
		bool silent = b->t.ssl && BIO_number_read(SSL_get_rbio(b->t.ssl)) == 0;
		return failed(as, v, RULE_UPSTREAM_TLS, "%s: %s%s", c->text,
			e == ERR_TIMEOUT ? "the TLS handshake timed out"
					 : (b->t.why[0] ? b->t.why : err_str(e)),
			silent ? "; it said nothing of TLS: if it speaks plain DICOM, its node needs `transport: plain`"
			       : "");
	}
	static struct tls_peer peer;
	int known = tls_peer_of(b->t.ssl, &peer);
	as->target_unrevoked = known == 0 && peer.unrevoked[0] ? peer.unrevoked : NULL;
	standing_apply(as);
	if (known == 0) {
		keep_certificate(as, &peer);
	}
	if (as->target_unrevoked && node->revocation == REVOCATION_CLOSED) {
		return failed(as, v, RULE_UPSTREAM_TLS,
			"%s showed a certificate that %s, and node %s is `revocation: closed`", c->text,
			as->target_unrevoked, node->name);
	}
	if (as->target_unrevoked) {
		log_event(LOG_LEVEL_WARNING, "upstream.unrevoked", as->target_unrevoked,
			LOG_TEXT("target", node->name), LOG_TEXT("subject", peer.subject));
	}
	if (known != 0 || !certificate_fits(node, &peer)) {
		return failed(as, v, RULE_UPSTREAM_TLS,
			"%s showed the certificate `%.120s`, which is not the one that node %s names",
			c->text, peer.subject, node->name);
	}
	return 0;
}

/* The store role closes what it cannot serve, and has said why. */
static int folder_failed(struct association *as, const struct msg_connected *c, struct verdict *v)
{
	return failed(
		as, v, RULE_UPSTREAM_DOWN, "%s cannot be opened: the log says why (archive.failed)", c->text);
}

/* Send the proposal, again or for the first time. */
static int propose(struct association *as, const struct msg_connected *c, int64_t deadline, struct verdict *v)
{
	struct side *b = &as->b;
	size_t cap = OUT_CONTROL;
	uint8_t *buf = malloc(cap);
	struct writer w = writer_of(buf, buf ? cap : 0);
	int e = buf ? associate_write(PDU_ASSOCIATE_RQ, as->proposal, &w) : ERR_NO_MEMORY;
	if (e == 0) {
		e = writer_end(&w);
	}
	uint8_t *at = e == 0 ? out_control(&b->out, w.len) : NULL;
	if (at) {
		memcpy(at, buf, w.len);
	}
	free(buf);
	if (!at) {
		return failed(as, v, RULE_MALFORMED, "the association request is too large to pass on");
	}
	if (wait_flush(as, b, deadline) != 0) {
		return c->is_folder ? folder_failed(as, c, v)
		                    : failed(as, v, RULE_UPSTREAM_DOWN, "%s closed the connection", c->text);
	}
	return 0;
}

/* What the target answered is kept, with the bytes that it borrows. */
static int keep_answer(struct association *as, struct span body, struct parse_fail *fail)
{
	uint8_t *copy = malloc(body.len + 1);
	if (!copy) {
		return ERR_NO_MEMORY;
	}
	memcpy(copy, body.ptr, body.len);
	unsigned tolerate = as->site->nodes[as->route.to].tolerate;
	int e = associate_read(span_of(copy, body.len), PDU_ASSOCIATE_AC, tolerate, as->ac, fail);
	if (e != 0) {
		free(copy);
		return e;
	}
	/* ac borrowed the body before this one; nothing else does: the contexts' texts are the proposal's. */
	free(as->ac_body);
	as->ac_body = copy;
	return 0;
}

static int read_answer(struct association *as, const struct msg_connected *c, int64_t deadline,
	struct verdict *v, struct pdu_reject *ret_reject)
{
	struct side *b = &as->b;
	struct pdu_head head;
	struct span body;
	struct parse_fail fail = {0};
	int e = wait_pdu(as, b, deadline, &head, &body);
	if (c->is_folder && (e == ERR_CLOSED || e == ERR_SYSTEM)) {
		return folder_failed(as, c, v);
	}
	if (e != 0) {
		return failed(as, v, RULE_UPSTREAM_DOWN, "%s gave no answer to the association request: %s",
			c->text, e == ERR_SYSTEM || e == ERR_TLS ? b->t.why : err_str(e));
	}
	struct reader r = reader_of(body);
	if (head.type == PDU_ASSOCIATE_RJ) {
		e = pdu_read_reject(&r, ret_reject, &fail);
		(void)ul_step(&b->ul, UL_EV_ASSOCIATE_RJ_PDU);
		return failed(as, v, e == 0 ? RULE_UPSTREAM_REJECTED : RULE_UPSTREAM_DOWN,
			"%s refused the association: %s", c->text,
			e == 0 ? pdu_reject_str(*ret_reject) : "malformed A-ASSOCIATE-RJ");
	}
	if (head.type == PDU_ABORT) {
		return failed(as, v, RULE_UPSTREAM_DOWN, "%s aborted while the association was negotiated",
			c->text);
	}
	if (head.type != PDU_ASSOCIATE_AC) {
		side_send_abort(b, 2, 2); /* PS3.8 9.3.8: unexpected PDU */
		side_goodbye(b);
		return failed(as, v, RULE_UPSTREAM_DOWN, "%s answered with an unexpected PDU", c->text);
	}
	e = keep_answer(as, body, &fail);
	if (e != 0) {
		struct pdu_abort why = pdu_abort_for(&fail);
		side_send_abort(b, why.source, why.reason);
		side_goodbye(b);
		return failed(as, v, RULE_UPSTREAM_DOWN, "%s sent a malformed A-ASSOCIATE-AC (%s, %s)",
			c->text, err_str(e), fail.spec ? fail.spec : "");
	}
	side_consume(b, 6 + head.len);
	(void)ul_step(&b->ul, UL_EV_ASSOCIATE_AC_PDU);
	return 0;
}

static bool proposed_transfer(const struct context *proposed, struct span uid)
{
	for (unsigned i = 0; i < proposed->n_transfer; i++) {
		if (span_eq(proposed->transfer[i], uid)) {
			return true;
		}
	}
	return false;
}

/* Match the answer with the proposal. A transfer syntax that was not proposed is no acceptance. */
static void take_contexts(struct association *as, bool again)
{
	const struct associate *ac = as->ac, *p = as->proposal;
	for (unsigned i = 0; i < p->n_contexts; i++) {
		const struct context *asked = &p->contexts[i];
		struct agreed *agreed = &as->context[asked->id];
		const struct context *got = NULL;
		for (unsigned k = 0; k < ac->n_contexts && !got; k++) {
			got = ac->contexts[k].id == asked->id ? &ac->contexts[k] : NULL;
		}
		bool ok = got && got->result == 0 && got->n_transfer == 1 &&
		          proposed_transfer(asked, got->transfer[0]);
		if (again) {
			agreed->reopened_out =
				agreed->accepted && !(ok && span_eq(got->transfer[0], agreed->transfer));
			continue;
		}
		agreed->accepted = ok;
		agreed->abstract = asked->abstract;
		for (unsigned k = 0; ok && k < asked->n_transfer; k++) {
			if (span_eq(asked->transfer[k], got->transfer[0])) {
				/* The proposal's bytes: they outlive the answer's. */
				agreed->transfer = asked->transfer[k];
			}
		}
	}
}

static int open_address(
	struct association *as, int from, int *ret_address, struct verdict *v, struct pdu_reject *ret_reject)
{
	struct side *b = &as->b;
	struct msg_connected c = {0};
	int fd = -1;
	*ret_address = -1;
	int e = connect_target(as, from, &c, &fd, v);
	if (e != 0) {
		return e;
	}
	*ret_address = c.address;
	stream_open(&b->t, fd);
	b->up = true;
	ul_init(&b->ul, true);
	(void)ul_step(&b->ul, UL_EV_ASSOCIATE_REQUEST);
	(void)ul_step(&b->ul, UL_EV_TRANSPORT_CONFIRM);
	int64_t deadline = clock_mono_ms() + (int64_t)as->timeouts_b.negotiate * 1000;
	e = secure_target(as, &c, deadline, v);
	if (e == 0) {
		e = propose(as, &c, deadline, v);
	}
	if (e == 0) {
		e = read_answer(as, &c, deadline, v, ret_reject);
	}
	if (e == 0 && as->ac->max_pdu != 0 && as->ac->max_pdu < LIMIT_LEAST_PDU) {
		e = failed(as, v, RULE_UPSTREAM_DOWN,
			"%s takes PDUs of %u bytes at most, too small to carry anything", c.text,
			(unsigned)as->ac->max_pdu);
	}
	if (e != 0) {
		side_close(b);
	}
	return e;
}

int target_open(struct association *as, struct verdict *ret_verdict, struct pdu_reject *ret_reject)
{
	const struct node *node = &as->site->nodes[as->route.to];
	bool again = as->target_lost;
	int e = ERR_DENIED;
	/* What is still on its way to the caller borrows from the buffer that the new association will fill. */
	if (as->a.out.borrows &&
		wait_flush(as, &as->a, clock_mono_ms() + (int64_t)as->timeouts_a.message * 1000) != 0) {
		return failed(as, ret_verdict, RULE_UPSTREAM_LOST, "the caller takes no bytes");
	}
	for (int from = 0; from < (int)node->n_address;) {
		int address;
		e = open_address(as, from, &address, ret_verdict, ret_reject);
		if (e == 0 || address < 0 ||
			(ret_verdict->rule == RULE_UPSTREAM_REJECTED && ret_reject->result == 1)) {
			break; /* open, none left, or a refusal that another address would repeat */
		}
		from = address + 1;
	}
	if (e != 0) {
		return e;
	}
	as->b.max_in = as->proposal->max_pdu;
	as->b.max_out = as->ac->max_pdu;
	as->b.tolerate = node->tolerate;
	take_contexts(as, again);
	as->target_lost = false;
	return 0;
}

void target_end(struct association *as, bool abort, const char *why)
{
	struct side *b = &as->b;
	if (b->up && abort) {
		side_send_abort(b, 0, 0);
		side_goodbye(b);
	}
	/* What the caller has begun to receive cannot be finished: its own association must end too. */
	bool passes = b->msg.phase == IN_DATA && b->msg.disposition == PASS && !b->msg.command_waits;
	bool cut = passes || hold_is_half_way(as, b);
	side_close(b);
	audit_target_lost(as);
	for (unsigned i = 0; i < b->operations_end; i++) {
		side_operation_free(b, &b->operations[i]);
	}
	as->target_lost = true;
	if (!cut && as->a.ul.state == UL_STA8 && as->a.n_operations == 0) {
		/* The caller asked for release and nothing is owed to it: the target's haste is not its concern. */
		report_ended(as, "released; %s", why);
		release_answer(as, &as->a);
		return;
	}
	if (cut || as->a.ul.state != UL_STA6) {
		report_ended(as, "%s", why);
		association_abort(as, NULL, NULL);
		return;
	}
	bool half_way = hold_is_half_way(as, &as->a);
	exchange_fail_all(as, why);
	hold_target_lost(as, half_way);
}
