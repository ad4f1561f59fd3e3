/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/gate_state.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/*
 * The host names of the site and the lookup role's answers. Every name is asked again each `timeouts.lookup` seconds;
 * when the DNS fails the last good answer stays, and the log says so once.
 */

static bool is_name(const char *host)
{
	struct in6_addr ignored;
	return host && host[0] && inet_pton(AF_INET, host, &ignored) != 1 &&
	       inet_pton(AF_INET6, host, &ignored) != 1;
}

static void want(struct gate_host *list, unsigned *n, const char *host)
{
	if (!is_name(host)) {
		return;
	}
	for (unsigned i = 0; i < *n; i++) {
		if (strcasecmp(list[i].name, host) == 0) {
			return;
		}
	}
	list[*n] = (struct gate_host){.name = host};
	(*n)++;
}

static unsigned most_names(const struct site *s)
{
	unsigned n = 0;
	for (unsigned i = 0; i < s->n_nodes; i++) {
		n += s->nodes[i].n_address + s->nodes[i].n_from;
	}
	for (unsigned i = 0; i < s->n_listeners; i++) {
		n += s->listeners[i].n_proxy_from;
	}
	return n;
}

static void want_all(const struct site *s, struct gate_host *list, unsigned *n)
{
	for (unsigned i = 0; i < s->n_nodes; i++) {
		const struct node *node = &s->nodes[i];
		for (unsigned k = 0; k < node->n_address; k++) {
			want(list, n, node->address[k].host);
		}
		for (unsigned k = 0; k < node->n_from; k++) {
			want(list, n, node->from[k].host);
		}
	}
	for (unsigned i = 0; i < s->n_listeners; i++) {
		for (unsigned k = 0; k < s->listeners[i].n_proxy_from; k++) {
			want(list, n, s->listeners[i].proxy_from[k].host);
		}
	}
}

int hosts_want(struct gate *g)
{
	const struct site *s = gate_newest(g);
	struct gate_host *list = calloc(most_names(s) + 1, sizeof(*list));
	unsigned n = 0;
	if (!list) {
		return ERR_NO_MEMORY;
	}
	want_all(s, list, &n);
	/* The old list's names belong to the old site. */
	free(g->wanted);
	g->wanted = list;
	g->n_wanted = n;
	g->next_lookup_ms = 0;
	return 0;
}

bool hosts_all_answered(const struct gate *g)
{
	for (unsigned i = 0; i < g->n_wanted; i++) {
		if (!g->wanted[i].answered) {
			return false;
		}
	}
	return true;
}

static void take(struct gate *g, const struct msg_addresses *a)
{
	struct gate_host *h = NULL;
	for (unsigned i = 0; i < g->n_wanted && !h; i++) {
		h = strcasecmp(g->wanted[i].name, a->host) == 0 ? &g->wanted[i] : NULL;
	}
	if (!h || !h->asked || h->answered) {
		return; /* of a site that is no more */
	}
	h->answered = true;
	if (a->n == 0) {
		const struct in6_addr *kept;
		if (!h->failing) {
			bool known = hosts_get(g->hosts, h->name, &kept) > 0;
			log_event(LOG_LEVEL_WARNING, "lookup.failed",
				known ? "the name is not found any more: its last known addresses stay in use"
				      : "the name is not found: nothing can be called or known by it",
				LOG_TEXT("host", h->name));
		}
		h->failing = true;
		return;
	}
	if (h->failing) {
		log_event(LOG_LEVEL_NOTICE, "lookup.found", "the name is found again",
			LOG_TEXT("host", h->name));
	}
	h->failing = false;
	if (hosts_set(g->hosts, h->name, a->ip, a->n) != 0) {
		log_event(LOG_LEVEL_ERROR, "lookup.failed", "out of memory", LOG_TEXT("host", h->name));
	}
}

static void lost(struct gate *g)
{
	gate_unwatch(g, &g->lookup);
	standing_lost(g);
	g->n_waiting = 0;
	for (unsigned i = 0; i < g->n_wanted; i++) {
		g->wanted[i].asked = g->wanted[i].answered;
	}
}

static void lookup_ready(struct gate *g, struct source *s, uint32_t events)
{
	static struct message m;
	int e;
	while (s->fd >= 0 && (e = message_recv(s->fd, FROM_LOOKUP, &m)) != ERR_AGAIN) {
		if (e != 0) {
			lost(g);
			return;
		}
		if (m.type == MSG_ADDRESSES) {
			g->n_waiting -= g->n_waiting > 0;
			take(g, &m.addresses);
		} else if (m.type == MSG_ANTIVIRUS) {
			antivirus_take(g, &m.antivirus);
		} else {
			standing_take(g, &m);
		}
	}
}

void hosts_channel(struct gate *g, int fd)
{
	lost(g);
	g->lookup = (struct source){.fd = fd, .ready = lookup_ready};
	if (gate_watch(g, &g->lookup, EPOLLIN) != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.lookup", "the lookup's channel cannot be watched");
		gate_unwatch(g, &g->lookup);
	}
}

static void ask(struct gate *g)
{
	static struct message m;
	for (unsigned i = 0; i < g->n_wanted && g->n_waiting < HOSTS_AT_ONCE && g->lookup.fd >= 0; i++) {
		struct gate_host *h = &g->wanted[i];
		if (h->asked) {
			continue;
		}
		m = (struct message){.type = MSG_RESOLVE, .fd = -1};
		size_t n = strlen(h->name);
		memcpy(m.text, h->name, n < sizeof(m.text) ? n : sizeof(m.text) - 1);
		if (message_send(g->lookup.fd, &m) != 0) {
			return;
		}
		h->asked = true;
		g->n_waiting++;
	}
}

void hosts_check(struct gate *g, int64_t now_ms)
{
	const struct site *s = gate_newest(g);
	if (!s) {
		return;
	}
	if (now_ms >= g->next_lookup_ms) {
		for (unsigned i = 0; i < g->n_wanted; i++) {
			struct gate_host *h = &g->wanted[i];
			if (h->answered) {
				h->asked = h->answered = false;
			}
		}
		g->next_lookup_ms = now_ms + (int64_t)s->timeouts.lookup * 1000;
	}
	ask(g);
}
