/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_state.h"
#include "keys/link.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Channels to the key holder. The gate makes one for each association, names the caller's address with it, and has no
 * more to do with it: what is signed goes past the gate.
 */

/* The gate waits for its own handshake only; nobody is kept waiting by a token that hangs. */
#define WARM_UP_MS 1000

void keys_take(struct gate *g, int64_t number, int fd)
{
	int *at = number == 0 && g->sites ? &g->sites->keys : &g->pending_keys;
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	if (*at >= 0) {
		close(*at);
	}
	*at = fd;
}

int keys_channel(const struct gate_site *gs, int *ret_own, int *ret_other)
{
	int pair[2];
	if (gs->keys < 0) {
		return ERR_CLOSED;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		return ERR_SYSTEM;
	}
	*ret_own = pair[0];
	*ret_other = pair[1];
	return 0;
}

void keys_give(const struct gate_site *gs, int *fd, const struct in6_addr *ip)
{
	if (*fd < 0) {
		return;
	}
	struct message m = {.type = MSG_CLIENT, .fd = *fd};
	m.client.ip = *ip;
	/* A key holder that is away or does not keep up: the association finds its channel closed, and says so. */
	(void)!message_send(gs->keys, &m);
	close(*fd);
	*fd = -1;
}

void keys_leave(struct gate *g)
{
	for (struct gate_site *gs = g->sites ? g->sites->older : NULL; gs; gs = gs->older) {
		bool awaited = false;
		for (const struct child *c = g->children; c; c = c->next) {
			awaited = awaited || (c->keys >= 0 && c->generation == gs->generation);
		}
		if (!awaited && gs->keys >= 0) {
			close(gs->keys);
			gs->keys = -1;
		}
	}
}

void keys_warm_up(const struct gate_site *gs)
{
	static const struct in6_addr ourselves;
	int own, other;
	if (keys_channel(gs, &own, &other) != 0) {
		return;
	}
	keys_give(gs, &other, &ourselves);
	link_use(own, WARM_UP_MS);
	gate_tls_warm_up(gs->site, &gs->tls);
	link_use(-1, 0);
	close(own);
}
