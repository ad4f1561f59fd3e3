/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/gate_state.h"
#include "gateway/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A connection to a node for an association: its addresses in the order of gantry.yaml, each with the time that
 * `connect` gives; a host name's addresses share that time. Nothing blocks; the first that answers is passed on.
 */

struct connecting {
	struct source socket;
	struct child *child;
	const struct gate_site *gs;
	const struct node *node;
	unsigned endpoint; /* under trial */
	struct in6_addr ip[HOSTS_ADDRESSES];
	unsigned n_ip, at_ip;
	int64_t until_ms; /* of the address under trial */
	char why[128];    /* what failed so far, the newest last */
	struct connecting *next;
};

uint32_t connect_generation(const struct child *c)
{
	return c->connecting ? c->connecting->gs->generation : 0;
}

static void add_why(struct connecting *k, const char *fmt, ...) PRINTF(2, 3);
static void add_why(struct connecting *k, const char *fmt, ...)
{
	size_t len = strlen(k->why);
	va_list ap;
	if (len > 0 && len + 3 < sizeof(k->why)) {
		len += (size_t)snprintf(k->why + len, sizeof(k->why) - len, "; ");
	}
	va_start(ap, fmt);
	vsnprintf(k->why + len, sizeof(k->why) - len, fmt, ap);
	va_end(ap);
}

void connect_cancel(struct gate *g, struct child *c)
{
	if (c->connecting) {
		gate_unwatch(g, &c->connecting->socket);
		/* Events of this turn may still point at it. */
		c->connecting->next = g->ended_connects;
		g->ended_connects = c->connecting;
		c->connecting = NULL;
	}
}

void connect_free_ended(struct gate *g)
{
	while (g->ended_connects) {
		struct connecting *k = g->ended_connects;
		g->ended_connects = k->next;
		free(k);
	}
}

/* Answer, and be done. fd stays ours to close. */
static void answer(struct gate *g, struct connecting *k, int result, int fd, bool is_folder)
{
	struct message m = {.type = MSG_CONNECTED, .fd = result == 0 ? fd : -1};
	struct child *c = k->child;
	m.connected.result = result;
	m.connected.address = result == 0 ? (int32_t)k->endpoint : -1;
	m.connected.is_folder = is_folder;
	const char *text = result == 0 ? k->node->address[k->endpoint].text : k->why;
	snprintf(m.connected.text, sizeof(m.connected.text), "%s", text);
	child_send(g, c, &m);
	if (result == 0 && c->progress.state == 0) {
		c->progress.state = 1; /* until it says so itself */
	}
	connect_cancel(g, c); /* closes fd where it is the socket under trial */
}

/* ---- One address ---- */

static int set_option(int fd, int level, int name)
{
	int on = 1;
	return setsockopt(fd, level, name, &on, sizeof(on));
}

/* From the caller's own address: the kernel must let us use one that is not this machine's. */
static int bind_to_caller(const struct connecting *k, int fd, bool v4)
{
	const struct in6_addr *ip = &k->child->ip;
	if (IN6_IS_ADDR_V4MAPPED(ip) != v4) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	(void)set_option(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT);
	if (set_option(fd, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TRANSPARENT : IPV6_TRANSPARENT) < 0) {
		return -1;
	}
	if (v4) {
		struct sockaddr_in from = {.sin_family = AF_INET};
		memcpy(&from.sin_addr, &ip->s6_addr[12], 4);
		return bind(fd, (struct sockaddr *)&from, sizeof(from));
	}
	struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_addr = *ip};
	return bind(fd, (struct sockaddr *)&from, sizeof(from));
}

static int begin_connect(const struct connecting *k, int fd, const struct in6_addr *ip, uint16_t port)
{
	if (IN6_IS_ADDR_V4MAPPED(ip)) {
		struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
		memcpy(&to.sin_addr, &ip->s6_addr[12], 4);
		return connect(fd, (struct sockaddr *)&to, sizeof(to));
	}
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *ip};
	return connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static void socket_ready(struct gate *g, struct source *s, uint32_t events);

/* True: under way (or connected at once, which epoll tells). */
static bool try_ip(struct gate *g, struct connecting *k, const struct in6_addr *ip)
{
	const struct endpoint *ep = &k->node->address[k->endpoint];
	bool v4 = IN6_IS_ADDR_V4MAPPED(ip);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		add_why(k, "%s: %s", ep->text, strerror(errno));
		return false;
	}
	if (k->node->source_is_caller && bind_to_caller(k, fd, v4) < 0) {
		add_why(k, "%s: the caller's address cannot be used as source: %s", ep->text,
			strerror(errno));
		close(fd);
		return false;
	}
	if (begin_connect(k, fd, ip, ep->port) < 0 && errno != EINPROGRESS) {
		add_why(k, "%s: %s", ep->text, strerror(errno));
		close(fd);
		return false;
	}
	k->socket = (struct source){.fd = fd, .ready = socket_ready};
	if (gate_watch(g, &k->socket, EPOLLOUT) != 0) {
		add_why(k, "%s: %s", ep->text, strerror(errno));
		close(fd);
		k->socket.fd = -1;
		return false;
	}
	int64_t wait = (int64_t)site_timeouts(k->gs->site, k->node).connect * 1000 / k->n_ip;
	k->until_ms = clock_mono_ms() + (wait > 1000 ? wait : 1000);
	return true;
}

/* ---- One endpoint after the other ---- */

static void open_folder(struct gate *g, struct connecting *k, const struct endpoint *ep)
{
	int pair[2];
	/* The store's sessions read as they write, in turn: their end blocks. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
		fcntl(pair[1], F_SETFL, O_NONBLOCK) < 0) {
		add_why(k, "%s: %s", ep->text, strerror(errno));
		answer(g, k, ERR_SYSTEM, -1, true);
		return;
	}
	static struct message m;
	m = (struct message){.type = MSG_FOLDER, .fd = pair[0]};
	snprintf(m.text, sizeof(m.text), "%s", ep->folder);
	int e = g->store.fd < 0 ? ERR_CLOSED : message_send(g->store.fd, &m);
	close(pair[0]);
	if (e != 0) {
		add_why(k, "%s: the store does not answer (%s)", ep->text, err_str(e));
	}
	answer(g, k, e, pair[1], true);
	close(pair[1]);
}

/* The folder of held objects, beside the ledger. */
#define HELD_FOLDER "held"

static int make_holder(struct gate *g, const struct child *c, const struct site *s, int *ret_fd)
{
	static struct message m;
	int pair[2];
	if (g->store.fd < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		return ERR_CLOSED;
	}
	m = (struct message){.type = MSG_HOLDER, .fd = pair[1], .number = (int64_t)s->hold_quota};
	m.client.association = c->id;
	int n = snprintf(m.text, sizeof(m.text), "%s/" HELD_FOLDER, s->state);
	int e = n < 0 || (size_t)n >= sizeof(m.text) ? ERR_LIMIT : message_send(g->store.fd, &m);
	close(pair[1]);
	if (e != 0) {
		close(pair[0]);
		return e;
	}
	*ret_fd = pair[0];
	return 0;
}

bool hold_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	struct message reply = {.type = MSG_HELD, .fd = -1};
	(void)m;
	reply.number = make_holder(g, c, gs->site, &reply.fd);
	child_send(g, c, &reply);
	if (reply.fd >= 0) {
		close(reply.fd);
	}
	return true;
}

/* The addresses of the endpoint's host; none: the reason is in why. */
static void find_ips(const struct gate *g, struct connecting *k, const struct endpoint *ep)
{
	uint8_t v4[4];
	k->n_ip = k->at_ip = 0;
	if (inet_pton(AF_INET6, ep->host, &k->ip[0]) == 1) {
		k->n_ip = 1;
		return;
	}
	if (inet_pton(AF_INET, ep->host, v4) == 1) {
		k->ip[0] = (struct in6_addr){.s6_addr = {[10] = 0xff, 0xff, v4[0], v4[1], v4[2], v4[3]}};
		k->n_ip = 1;
		return;
	}
	const struct in6_addr *found;
	unsigned n = hosts_get(g->hosts, ep->host, &found);
	for (unsigned i = 0; i < n && i < HOSTS_ADDRESSES; i++) {
		k->ip[k->n_ip++] = found[i];
	}
	if (k->n_ip == 0) {
		add_why(k, "%s: no address is known for the name", ep->text);
	}
}

/* Go on from where k stands until something is under way, or nothing is left. */
static void go_on(struct gate *g, struct connecting *k)
{
	for (;;) {
		while (k->at_ip < k->n_ip) {
			if (try_ip(g, k, &k->ip[k->at_ip++])) {
				return;
			}
		}
		k->endpoint++;
		if (k->endpoint >= k->node->n_address) {
			if (!k->why[0]) {
				add_why(k, "node %s has no further address", k->node->name);
			}
			answer(g, k, ERR_NOT_FOUND, -1, false);
			return;
		}
		const struct endpoint *ep = &k->node->address[k->endpoint];
		if (ep->folder && ep->folder[0]) {
			open_folder(g, k, ep);
			return;
		}
		find_ips(g, k, ep);
	}
}

static void failed(struct gate *g, struct connecting *k, const char *why)
{
	add_why(k, "%s: %s", k->node->address[k->endpoint].text, why);
	gate_unwatch(g, &k->socket);
	go_on(g, k);
}

static void socket_ready(struct gate *g, struct source *s, uint32_t events)
{
	struct connecting *k = (struct connecting *)s;
	int err = 0;
	socklen_t len = sizeof(err);
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0) {
		err = errno;
	}
	if (err != 0) {
		failed(g, k, strerror(err));
		return;
	}
	answer(g, k, 0, s->fd, false);
}

void connect_begin(struct gate *g, struct child *c, const struct gate_site *gs, const struct msg_connect *m)
{
	struct connecting *k = calloc(1, sizeof(*k));
	if (!k) {
		struct message none = {.type = MSG_CONNECTED, .fd = -1};
		none.connected = (struct msg_connected){
			.result = ERR_NO_MEMORY, .address = -1, .text = "out of memory"};
		child_send(g, c, &none);
		return;
	}
	k->socket.fd = -1;
	k->child = c;
	k->gs = gs;
	k->node = &gs->site->nodes[m->node];
	/* go_on steps forward first: unsigned wraps from before 0. */
	k->endpoint = (unsigned)m->address - 1;
	c->connecting = k;
	go_on(g, k);
}

void connect_check(struct gate *g, int64_t now_ms)
{
	for (struct child *c = g->children; c; c = c->next) {
		struct connecting *k = c->connecting;
		if (k && k->socket.fd >= 0 && k->until_ms <= now_ms) {
			failed(g, k, "no answer in time");
		}
	}
}

int64_t connect_next_ms(const struct gate *g)
{
	int64_t next = INT64_MAX;
	for (const struct child *c = g->children; c; c = c->next) {
		if (c->connecting && c->connecting->until_ms < next) {
			next = c->connecting->until_ms;
		}
	}
	return next;
}
