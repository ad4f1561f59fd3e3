/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/gate_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The store role's channel. It answers on the streams that it is passed; on the channel itself it tells how the quarantine is,
 * for `gantry status`.
 */

/* An honest association waits for the quarantine's answer before it asks again; a hostile one must not keep the store busy. */
#define KEEP_EVERY_MS 20

static void store_ready(struct gate *g, struct source *s, uint32_t events)
{
	static struct message m;
	int e;
	while (s->fd >= 0 && (e = message_recv(s->fd, FROM_STORE_GATE, &m)) != ERR_AGAIN) {
		if (e != 0) {
			gate_unwatch(g, s); /* a new one will be named */
			g->quarantined_known = false;
			return;
		}
		g->quarantined = m.quarantined;
		g->quarantined_known = true;
	}
}

void quarantine_channel(struct gate *g, int fd)
{
	gate_unwatch(g, &g->store);
	g->quarantined_known = false;
	g->store = (struct source){.fd = fd, .ready = store_ready};
	if (gate_watch(g, &g->store, EPOLLIN) != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.store", "the store's channel cannot be watched: %s",
			strerror(errno));
	}
}

/* What the store need not take an association's word for. */
static void fill_known(const struct child *c, struct msg_keeping *k)
{
	k->association = c->id;
	k->refusal = c->refusal;
	k->ip = c->ip;
	/* Of several flows the gate does not know which it was. */
	snprintf(k->flow, sizeof(k->flow), "%s", c->n_flows == 1 ? c->flows[0]->name : "");
	snprintf(k->from, sizeof(k->from), "%s", c->from ? c->from->name : "");
	snprintf(k->to, sizeof(k->to), "%s", c->to ? c->to->name : "");
	snprintf(k->calling, sizeof(k->calling), "%s", c->who.calling);
	snprintf(k->subject, sizeof(k->subject), "%s", c->who.subject);
	snprintf(k->certificate, sizeof(k->certificate), "%s", c->who.certificate);
	snprintf(k->serial, sizeof(k->serial), "%s", c->who.serial);
	snprintf(k->issuer, sizeof(k->issuer), "%s", c->who.issuer);
}

/* *ret_fd: the association's end. */
static int begin(const struct gate *g, const struct child *c, const struct gate_site *gs, int *ret_fd)
{
	int pair[2];
	if (g->store.fd < 0 || !site_quarantines(gs->site)) {
		return ERR_NOT_FOUND;
	}
	/* The store's end blocks: it reads one object, and answers. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return ERR_SYSTEM;
	}
	struct message m = {.type = MSG_KEEPING, .fd = pair[0]};
	m.keeping.most_bytes = gs->site->quarantine.size_most;
	m.keeping.most_objects = gs->site->quarantine.objects_most;
	fill_known(c, &m.keeping);
	int e = fcntl(pair[1], F_SETFL, O_NONBLOCK) < 0 ? ERR_SYSTEM : message_send(g->store.fd, &m);
	close(pair[0]);
	if (e != 0) {
		close(pair[1]);
		return e;
	}
	*ret_fd = pair[1];
	return 0;
}

bool quarantine_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	int64_t now = clock_mono_ms();
	bool soon = c->keep_ms != 0 && now - c->keep_ms < KEEP_EVERY_MS;
	struct message reply = {.type = MSG_KEEPER, .fd = -1};
	(void)m;
	if (!c->associated) {
		return false;
	}
	reply.number = soon ? ERR_AGAIN : begin(g, c, gs, &reply.fd);
	c->keep_ms = soon ? c->keep_ms : now;
	child_send(g, c, &reply);
	if (reply.fd >= 0) {
		close(reply.fd);
	}
	return true;
}
