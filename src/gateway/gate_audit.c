/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/audit.h"
#include "gateway/gate_state.h"
#include "policy/values.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Channels to the auditor, of which the gate makes one for each association that asks because it has no line
 * (gateway/audit_line.h), and names whose it is. What an
 * association tells then goes past the gate. The gate itself tells of refusals, and is told how the journal is, for
 * `gantry status`.
 */

/* What it cannot be told now it is told when it, or the next one, speaks. */
static void tell_unrecorded(struct gate *g)
{
	for (unsigned i = 0; g->auditor.fd >= 0 && i < ARRAY_LEN(g->unrecorded); i++) {
		uint64_t n = g->unrecorded[i] < MSG_UNRECORDED_MOST ? g->unrecorded[i] : MSG_UNRECORDED_MOST;
		struct message m = {.type = MSG_UNRECORDED, .fd = -1};
		m.number = MSG_UNRECORDED_OF(n, i);
		if (n > 0 && message_send(g->auditor.fd, &m) == 0) {
			g->unrecorded[i] -= n;
		}
	}
}

bool audit_unrecorded(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	unsigned kind = MSG_UNRECORDED_KIND(m->number);
	(void)c;
	(void)gs;
	/* An association has no more that can be lost at once. */
	if (kind == 0 || kind >= AUDIT_KIND_COUNT || MSG_UNRECORDED_COUNT(m->number) > AUDIT_PENDING) {
		return false;
	}
	g->unrecorded[kind] += (uint64_t)MSG_UNRECORDED_COUNT(m->number);
	tell_unrecorded(g);
	return true;
}

static void auditor_ready(struct gate *g, struct source *s, uint32_t events)
{
	static struct message m;
	int e;
	while (s->fd >= 0 && (e = message_recv(s->fd, FROM_AUDITOR_GATE, &m)) != ERR_AGAIN) {
		if (e != 0) {
			lines_forget(g);
			gate_unwatch(g, s); /* a new one will be named */
			g->auditor_lost_ms = g->journal_known ? clock_wall_ms() : g->auditor_lost_ms;
			g->journal_known = false;
			return;
		}
		g->journal = m.journal;
		g->journal_known = true;
		tell_unrecorded(g);
	}
}

void audit_channel(struct gate *g, int fd)
{
	/* What was known was of the one before. */
	g->auditor_lost_ms = g->journal_known ? clock_wall_ms() : g->auditor_lost_ms;
	g->journal_known = false;
	lines_forget(g);
	gate_unwatch(g, &g->auditor);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	g->auditor = (struct source){.fd = fd, .ready = auditor_ready};
	if (gate_watch(g, &g->auditor, EPOLLIN) != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.auditor", "the auditor's channel cannot be watched: %s",
			strerror(errno));
		return;
	}
	lines_begin(g);
	tell_unrecorded(g);
}

/* Where it cannot be named to the auditor, the association finds it closed, and asks again. */
static void name_channel(struct gate *g, const struct child *c, int fd)
{
	struct message m = {.type = MSG_CLIENT, .fd = fd};
	m.client.ip = c->ip;
	m.client.association = c->id;
	(void)!message_send(g->auditor.fd, &m);
}

/* Who lost one waits longer than this by itself; a hostile one must not keep the auditor busy with it. */
#define CHANNEL_EVERY_MS 200

bool audit_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	int64_t now = clock_mono_ms();
	bool soon = c->audit_ms != 0 && now - c->audit_ms < CHANNEL_EVERY_MS;
	int pair[2] = {-1, -1};
	struct message reply = {.type = MSG_TELL, .fd = -1};
	(void)m;
	if (gs->site->audit.has && !soon && g->auditor.fd >= 0 &&
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0) {
		c->audit_ms = now;
		reply.fd = pair[0];
	}
	reply.number = reply.fd < 0;
	/* First to the association: what it tells at once is there when the auditor takes its end, and wakes it no second time. */
	child_send(g, c, &reply);
	if (reply.fd >= 0) {
		name_channel(g, c, pair[1]);
		close(pair[0]);
		close(pair[1]);
	}
	return true;
}

#define TEXT(to, s) audit_text_set((to), sizeof(to), span_str(s))

/* Who could not be told apart from another is an alert of another type than who may not do a thing: PS3.16 CID 403. */
static bool is_about_who(enum rule r)
{
	switch (r) {
	case RULE_TLS:
	case RULE_CALLER_UNKNOWN:
	case RULE_CALLER_ADDRESS:
	case RULE_CALLER_CERTIFICATE:
	case RULE_CALLER_TRANSPORT:
	case RULE_REVOKED:
	case RULE_EXPIRED:
	case RULE_TRANSPORT_UNTIL:
	case RULE_UPSTREAM_TLS:
		return true;
	default:
		return false;
	}
}

static bool fingerprint(const char *hex, uint8_t ret_sha256[AUDIT_FINGERPRINT])
{
	char text[80];
	snprintf(text, sizeof(text), "sha256:%.64s", hex);
	return value_spki(text, ret_sha256) == 0;
}

void audit_refusal(const struct refusal *r, uint64_t times, void *arg)
{
	static struct audit_event ev;
	static uint8_t bytes[16u * 1024];
	struct gate *g = arg;
	size_t len;
	if (!gate_newest(g) || !gate_newest(g)->audit.has) {
		return;
	}
	ev = (struct audit_event){.kind = AUDIT_ALERT,
		.alert = is_about_who((enum rule)r->rule) ? ALERT_NODE_AUTHENTICATION
	                                                  : ALERT_RESTRICTED_FUNCTION,
		.outcome = r->observed || r->alarm || r->minor ? AUDIT_MINOR : AUDIT_SERIOUS,
		.time_ms = clock_wall_ms(),
		.refusal = r->number,
		.times = times};
	TEXT(ev.from.node, r->node);
	TEXT(ev.from.ae, r->calling);
	TEXT(ev.from.address, r->address);
	TEXT(ev.from.subject, r->subject);
	ev.from_certificate.known = fingerprint(r->certificate, ev.from_certificate.at);
	TEXT(ev.from.serial, r->serial);
	TEXT(ev.from.issuer, r->serial[0] ? r->issuer : "");
	TEXT(ev.to.node, r->target);
	TEXT(ev.to.ae, r->called);
	TEXT(ev.text, r->sentence);
	TEXT(ev.object, rule_name((enum rule)r->rule));
	struct message m = {.type = MSG_EVENT, .fd = -1};
	m.number = MSG_EVENT_NEW;
	if (audit_event_write(&ev, bytes, sizeof(bytes), &len) == 0) {
		m.bytes = span_of(bytes, len);
		if (g->auditor.fd >= 0 && message_send(g->auditor.fd, &m) == 0) {
			return;
		}
	}
	g->unrecorded[AUDIT_ALERT]++;
	log_event(LOG_LEVEL_ERROR, "audit.lost",
		"the auditor could not be told of a refusal; the ledger has it",
		LOG_NUMBER("number", (int64_t)r->number));
}
