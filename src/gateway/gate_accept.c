/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/association.h"
#include "gateway/gate_state.h"
#include "gateway/state.h"
#include "priv/drop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections taken before the loop looks at its other descriptors. */
#define ACCEPT_BATCH 64

/* With no descriptor or memory left, wait this long before the next try. */
#define ACCEPT_PAUSE_MS 100

/* Beyond the limits, so many more may read their request and be told the reason; the rest are closed without a word. */
#define REJECT_ONLY_MOST             32
#define REJECT_ONLY_MOST_PER_ADDRESS 4

struct peer {
	struct in6_addr ip;
	uint16_t port;
};

static struct peer peer_of(const struct sockaddr_storage *ss)
{
	struct peer p = {0};
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
		p.ip.s6_addr[10] = p.ip.s6_addr[11] = 0xff;
		memcpy(&p.ip.s6_addr[12], &v4->sin_addr, 4);
		p.port = ntohs(v4->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
		p.ip = v6->sin6_addr;
		p.port = ntohs(v6->sin6_port);
	}
	return p;
}

enum rule accept_rule(const struct gate *g, const struct address_count *a, int64_t now_ms)
{
	const struct site *s = gate_newest(g);
	if (counts_held(a, now_ms)) {
		return RULE_HELD_OFF;
	}
	if (g->n_children - g->n_reject_only >= s->associations_at_once ||
		(a && a->at_once >= s->associations_per_address)) {
		return RULE_ASSOCIATIONS;
	}
	return RULE_NONE;
}

void accept_refused(
	struct gate *g, const char *listener, const struct in6_addr *ip, uint16_t port, enum rule rule)
{
	static struct refusal r;
	static struct verdict v;
	verdict_of(gate_newest(g), NULL, -1, rule, "", &v);
	r = (struct refusal){.rule = (uint8_t)rule, .port = port, .line = v.line};
	netaddr_text(ip, r.address);
	snprintf(r.listener, sizeof(r.listener), "%s", listener);
	snprintf(r.answered, sizeof(r.answered), "closed");
	snprintf(r.sentence, sizeof(r.sentence), "%s", v.sentence);
	g->closed_at_once++;
	g->counts->refusals[rule]++;
	(void)ledger_add(g->ledger, &r, clock_wall_ms());
}

static bool from_load_balancer(const struct gate *g, const struct listener *l, const struct in6_addr *ip)
{
	for (unsigned i = 0; i < l->n_proxy_from; i++) {
		const struct network *n = &l->proxy_from[i];
		if (n->host && n->host[0] ? hosts_has(g->hosts, n->host, ip) : network_has(n, ip)) {
			return true;
		}
	}
	return false;
}

/* ---- The fork ---- */

/* keep: -1 for what is not there. */
static void close_all_but(int *keep, unsigned n)
{
	unsigned from = 3;
	for (unsigned i = 1; i < n; i++) {
		for (unsigned k = i; k > 0 && keep[k - 1] > keep[k]; k--) {
			int t = keep[k];
			keep[k] = keep[k - 1];
			keep[k - 1] = t;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		if (keep[i] < (int)from) {
			continue;
		}
		if ((unsigned)keep[i] > from) {
			(void)close_range(from, (unsigned)keep[i] - 1, 0);
		}
		from = (unsigned)keep[i] + 1;
	}
	(void)close_range(from, ~0u, 0);
}

static void run_association(const struct association_start *start) __attribute__((noreturn));
static void run_association(const struct association_start *start)
{
	sigset_t none;
	sigemptyset(&none);
	/* SIGTERM, SIGPIPE and the like stay ignored, as in the gate: only the gate ends an association. */
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	int keep[] = {start->socket, start->channel, start->keys, start->audit, sandbox_fd(start->sandbox)};
	close_all_but(keep, ARRAY_LEN(keep));
	message_forget();
	if (drop_capabilities() != 0) {
		_exit(1);
	}
	association_main(start);
	_exit(0);
}

/* Whose caller's address is known, and who will not only be rejected: what these tell is rare. */
static void give_line(struct gate *g, struct association_start *start, struct child *c)
{
	bool wanted = start->site->audit.has && !start->proxy_header && start->refuse_rule == RULE_NONE;
	c->line = wanted ? line_give(g, c->id, &start->peer_ip) : NULL;
	start->audit = c->line ? c->line->fd : -1;
}

static int fork_association(struct gate *g, struct association_start *start, struct child **ret_child)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		return ERR_SYSTEM;
	}
	struct child *c = child_new(g, pair[0]);
	if (!c) {
		close(pair[0]);
		close(pair[1]);
		return ERR_NO_MEMORY;
	}
	start->id = c->id;
	start->channel = pair[1];
	give_line(g, start, c);
	pid_t pid = fork();
	if (pid == 0) {
		run_association(start);
	}
	int kept = errno;
	close(pair[1]);
	c->pid = pid;
	if (pid < 0) {
		child_give_up(g, c);
		errno = kept;
		return ERR_SYSTEM;
	}
	*ret_child = c;
	return 0;
}

/* Whoever has a part in TLS, on either side, needs signatures. */
static void make_keys_channel(
	const struct gate_site *gs, bool tls, struct association_start *start, int *ret_other)
{
	start->keys = *ret_other = -1;
	if ((tls || gate_tls_calls(&gs->tls) || gs->site->deidentify.has || site_signs(gs->site)) &&
		keys_channel(gs, &start->keys, ret_other) != 0) {
		start->keys = *ret_other = -1; /* it will say that the key holder is away */
	}
}

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}

static int fork_one(
	struct gate *g, const struct gate_site *gs, struct association_start *start, struct child **ret_child)
{
	int e = fork_association(g, start, ret_child);
	close_fd(&start->keys);
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.fork", "a connection was closed: no process for it (%s)",
			strerror(errno));
		g->closed_at_once++;
		return e;
	}
	(*ret_child)->generation = gs->generation;
	return 0;
}

static void begin(struct gate *g, const struct gate_listener *l, int fd, const struct peer *p, bool proxy,
	struct address_count *a, enum rule rule)
{
	const struct gate_site *gs = g->sites;
	struct sockaddr_storage local = {0};
	socklen_t len = sizeof(local);
	(void)getsockname(fd, (struct sockaddr *)&local, &len);
	struct peer here = peer_of(&local);
	struct association_start start = {
		.site = gs->site,
		.hosts = g->hosts,
		.tls = &gs->tls,
		.sandbox = g->sandbox,
		.socket = fd,
		.listener = l->index,
		.peer_ip = p->ip,
		.peer_port = p->port,
		.local_ip = here.ip,
		.local_port = here.port,
		.proxy_header = proxy,
		.refuse_rule = rule,
	};
	struct child *c = NULL;
	int keys CLEANUP(close_fd) = -1;
	make_keys_channel(gs, gs->site->listeners[l->index].transport == TRANSPORT_TLS, &start, &keys);
	if (fork_one(g, gs, &start, &c) != 0) {
		return;
	}
	c->ip = p->ip;
	c->port = p->port;
	c->by_proxy = proxy;
	if (proxy) {
		c->keys = keys; /* given when the real caller is known */
		keys = -1;
	} else {
		keys_give(gs, &keys, &p->ip);
	}
	c->reject_only = rule != RULE_NONE;
	snprintf(c->listener, sizeof(c->listener), "%s", gs->site->listeners[l->index].name);
	c->address = a;
	g->n_reject_only += c->reject_only;
	if (a) {
		a->at_once += !c->reject_only;
		a->reject_only += c->reject_only;
	}
	g->accepted++;
}

static bool reject_reserve(const struct gate *g, const struct address_count *a)
{
	return g->n_reject_only < REJECT_ONLY_MOST && (!a || a->reject_only < REJECT_ONLY_MOST_PER_ADDRESS);
}

static void admit(struct gate *g, const struct gate_listener *l, int fd, const struct sockaddr_storage *ss)
{
	const struct listener *config = &gate_newest(g)->listeners[l->index];
	struct peer p = peer_of(ss);
	int64_t now = clock_mono_ms();
	bool proxy = config->n_proxy_from > 0 && from_load_balancer(g, config, &p.ip);
	/* A load balancer's own address is everybody's: the real one is counted when the association tells it. */
	struct address_count *a = proxy ? NULL : counts_address(g->counts, &p.ip);
	enum rule rule = accept_rule(g, a, now);
	if (rule == RULE_HELD_OFF || (rule != RULE_NONE && !reject_reserve(g, a))) {
		accept_refused(g, config->name, &p.ip, p.port, rule);
	} else {
		begin(g, l, fd, &p, proxy, a, rule);
	}
	if (a) {
		counts_settle(g->counts, a, now);
	}
}

/* All that accept, the local door among them. */
static void look_at_listeners(struct gate *g, uint32_t events)
{
	struct epoll_event door = {.events = events, .data.ptr = &g->door};
	(void)epoll_ctl(g->epoll, EPOLL_CTL_MOD, g->door.fd, &door);
	for (struct gate_listener *l = g->listeners; l; l = l->next) {
		struct epoll_event ev = {.events = events, .data.ptr = &l->source};
		(void)epoll_ctl(g->epoll, EPOLL_CTL_MOD, l->source.fd, &ev);
	}
}

/* After a failed accept: is it for want of descriptors or memory? */
static void pause_if_full(struct gate *g)
{
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) {
		return;
	}
	if (g->paused_until_ms == 0) {
		log_say(LOG_LEVEL_ERROR, "gate.accept", "connections have to wait: %s", strerror(errno));
	}
	g->paused_until_ms = clock_mono_ms() + ACCEPT_PAUSE_MS;
	look_at_listeners(g, 0);
}

void accept_resume(struct gate *g, int64_t now_ms)
{
	if (g->paused_until_ms == 0 || now_ms < g->paused_until_ms) {
		return;
	}
	g->paused_until_ms = 0;
	look_at_listeners(g, EPOLLIN);
}

void accept_ready(struct gate *g, struct source *s, uint32_t events)
{
	struct gate_listener *l = (struct gate_listener *)s;
	for (unsigned i = 0; i < ACCEPT_BATCH && g->serving; i++) {
		struct sockaddr_storage ss = {0};
		socklen_t len = sizeof(ss);
		int fd = accept4(s->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			admit(g, l, fd, &ss);
			close(fd);
			continue;
		}
		if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
			pause_if_full(g);
			return;
		}
	}
}

/* ---- The local door ---- */

/* Who started the gateway, and root: others have no business there, whatever the socket's mode says. */
static bool may_enter(const struct ucred *who)
{
	return who->uid == 0 || who->uid == geteuid();
}

static void let_in(struct gate *g, int fd, const struct ucred *who)
{
	const struct gate_site *gs = g->sites;
	struct association_start start = {
		.site = gs->site,
		.hosts = g->hosts,
		.tls = &gs->tls,
		.sandbox = g->sandbox,
		.socket = fd,
		.peer_ip = {.s6_addr = {[10] = 0xff, 0xff, 127, 0, 0, 1}},
		.local_ip = {.s6_addr = {[10] = 0xff, 0xff, 127, 0, 0, 1}},
		.door = true,
		.uid = who->uid,
		.refuse_rule = accept_rule(g, NULL, clock_mono_ms()),
	};
	struct child *c = NULL;
	int keys CLEANUP(close_fd) = -1;
	make_keys_channel(gs, false, &start, &keys);
	if (fork_one(g, gs, &start, &c) != 0) {
		return;
	}
	c->ip = start.peer_ip;
	c->reject_only = start.refuse_rule != RULE_NONE;
	g->n_reject_only += c->reject_only;
	keys_give(gs, &keys, &c->ip);
	snprintf(c->listener, sizeof(c->listener), "door");
	g->accepted++;
}

/* NULL: it may come in. */
static const char *door_stays_shut(const struct gate *g, const struct ucred *who)
{
	if (!may_enter(who)) {
		return "it is for root and for who started the gateway";
	}
	if (!g->serving) {
		return "the gateway is stopping, or has not begun";
	}
	bool full = accept_rule(g, NULL, clock_mono_ms()) != RULE_NONE && !reject_reserve(g, NULL);
	return full ? "too many associations are open" : NULL;
}

void door_ready(struct gate *g, struct source *s, uint32_t events)
{
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t len = sizeof(who);
	if (fd < 0) {
		pause_if_full(g);
		return;
	}
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len); /* fails: nobody's number is left */
	const char *why = door_stays_shut(g, &who);
	if (why) {
		log_event(LOG_LEVEL_WARNING, "door.closed", why, LOG_NUMBER("uid", (int64_t)who.uid));
	} else {
		let_in(g, fd, &who);
	}
	close(fd);
}
