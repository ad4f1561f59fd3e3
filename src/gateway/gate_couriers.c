/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/gate_state.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

/* What the forwarder tells, for `gantry status`. Nothing here depends on it. */

static void take_courier(struct gate *g, const struct msg_courier *c)
{
	g->couriers[c->index] = *c;
	for (unsigned i = c->total; i < MSG_COURIERS_MOST; i++) {
		g->couriers[i].name[0] = 0; /* the site has fewer now */
	}
}

static void forwarder_ready(struct gate *g, struct source *s, uint32_t events)
{
	static struct message m;
	int e;
	while (s->fd >= 0 && (e = message_recv(s->fd, FROM_FORWARD, &m)) != ERR_AGAIN) {
		if (e != 0) {
			gate_unwatch(g, s); /* a new one will be named */
			return;
		}
		take_courier(g, &m.courier);
	}
}

void couriers_channel(struct gate *g, int fd)
{
	gate_unwatch(g, &g->forwarder);
	memset(g->couriers, 0, sizeof(g->couriers));
	g->forwarder = (struct source){.fd = fd, .ready = forwarder_ready};
	if (gate_watch(g, &g->forwarder, EPOLLIN) != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.forwarder", "the forwarder's channel cannot be watched: %s",
			strerror(errno));
	}
}
