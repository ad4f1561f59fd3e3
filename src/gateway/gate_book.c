/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/bookkeeper.h"
#include "gateway/gate_state.h"

#include <sys/socket.h>
#include <unistd.h>

/*
 * Channels to the book of names. The gate gives one only to an association between two nodes of which the one stores at the other
 * through a flow that de-identifies: who stores has its names entered, and both ways those that the de-identified side says are
 * put back for the other side.
 */

static int node_named(const struct site *s, const struct node_count *n)
{
	for (unsigned i = 0; n && i < s->n_nodes; i++) {
		if (strcmp(s->nodes[i].name, n->name) == 0) {
			return (int)i;
		}
	}
	return -1;
}

static int begin(const struct gate *g, const struct child *c, const struct site *s, int *ret_fd)
{
	int pair[2];
	unsigned renames = site_renames(s, node_named(s, c->from), node_named(s, c->to));
	if (g->store.fd < 0 || !c->associated || !site_keeps_names(s) || renames == 0) {
		return ERR_NOT_FOUND;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return ERR_SYSTEM;
	}
	unsigned may = BOOK_MAY_FIND | (renames & SITE_RENAMES_TO ? BOOK_MAY_ENTER : 0);
	struct message m = {.type = MSG_BOOKING, .fd = pair[1], .number = BOOKING(c->id, may)};
	int e = message_send(g->store.fd, &m);
	close(pair[1]);
	if (e != 0) {
		close(pair[0]);
		return e;
	}
	*ret_fd = pair[0];
	return 0;
}

bool book_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	struct message reply = {.type = MSG_BOOKED, .fd = -1};
	(void)m;
	reply.number = begin(g, c, gs->site, &reply.fd);
	child_send(g, c, &reply);
	if (reply.fd >= 0) {
		close(reply.fd);
	}
	return true;
}
