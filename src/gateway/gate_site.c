/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/gate_state.h"
#include "gateway/gate_tls.h"
#include "gateway/hold_originals.h"
#include "priv/memfd.h"
#include "priv/role.h"

#include <malloc.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Sites and their listeners: what the supervisor sends waits until MSG_GO and then replaces what was there, whole. */

static void free_site(struct gate_site *gs)
{
	if (!gs) {
		return;
	}
	gate_tls_done(&gs->tls);
	if (gs->keys >= 0) {
		close(gs->keys);
	}
	if (gs->packed >= 0) {
		close(gs->packed);
	}
	site_free(gs->site);
	free(gs);
}

static void free_listeners(struct gate *g, struct gate_listener **list)
{
	while (*list) {
		struct gate_listener *l = *list;
		*list = l->next;
		gate_unwatch(g, &l->source);
		free(l);
	}
}

static int pack_for_associations(const struct site *s, int *ret_fd)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	int e = site_pack(s, &bytes, &len);
	if (e == 0) {
		e = memfd_of("site", span_of(bytes, len), ret_fd);
	}
	free(bytes);
	return e;
}

static int make(int fd, struct gate_site *gs)
{
	char why[256];
	int e = role_site(fd, &gs->site);
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.site", "the configuration could not be unpacked: %s",
			err_str(e));
		return e;
	}
	e = gate_tls_make(gs->site, &gs->tls, why, sizeof(why));
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.site", "TLS cannot be set up: %s", why);
		return e;
	}
	e = pack_for_associations(gs->site, &gs->packed);
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.site", "the configuration could not be packed: %s",
			err_str(e));
		return e;
	}
	keys_warm_up(gs);
	const struct blob *at;
	/* So that OpenSSL has what it needs before the fork. The supervisor has found no fault in them. */
	e = hold_originals_check(gs->site, &at, why, sizeof(why));
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.site", "%s", why);
	}
	return e;
}

void site_pending(struct gate *g, int fd)
{
	free_site(g->pending);
	free_listeners(g, &g->pending_listeners);
	g->pending = NULL;
	struct gate_site *gs = calloc(1, sizeof(*gs));
	if (gs) {
		gs->packed = -1;
		gs->keys = g->pending_keys;
		g->pending_keys = -1;
		gs->generation = g->sites ? g->sites->generation + 1 : 1;
		gs->since_ms = clock_wall_ms();
		if (make(fd, gs) == 0) {
			g->pending = gs;
			gs = NULL;
		}
	}
	free_site(gs);
	close(fd);
}

void site_listener(struct gate *g, unsigned index, int fd)
{
	struct gate_listener *l =
		g->pending && index < g->pending->site->n_listeners ? calloc(1, sizeof(*l)) : NULL;
	if (!l) {
		close(fd); /* it belongs to a site that could not be made, which has been said */
		return;
	}
	l->source = (struct source){.fd = fd, .ready = accept_ready};
	l->index = index;
	l->next = g->pending_listeners;
	g->pending_listeners = l;
}

static void tell_associations(struct gate *g)
{
	struct message m = {.type = MSG_SITE, .fd = g->sites->packed, .generation = g->sites->generation};
	child_tell_all(g, &m);
}

void site_go(struct gate *g)
{
	struct message ready = {.type = MSG_READY, .fd = -1, .number = 1};
	if (!g->pending) {
		gate_say(g, &ready);
		return;
	}
	bool reload = g->sites != NULL;
	g->pending->older = g->sites;
	g->sites = g->pending;
	g->pending = NULL;
	g->kept_ms = 0;
	free_listeners(g, &g->listeners);
	g->listeners = g->pending_listeners;
	g->pending_listeners = NULL;
	/* What reading the site has left free is given back, and not copied with each fork. */
	(void)malloc_trim(0);
	if (hosts_want(g) != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.hosts", "out of memory: host names are not looked up");
	}
	if (reload) {
		tell_associations(g);
		keys_leave(g);
		site_drop_old(g);
		site_serve(g);
	}
}

void site_serve(struct gate *g)
{
	struct message ready = {.type = MSG_READY, .fd = -1};
	for (struct gate_listener *l = g->listeners; l; l = l->next) {
		if (gate_watch(g, &l->source, EPOLLIN) != 0) {
			log_say(LOG_LEVEL_ERROR, "gate.listener", "a listener cannot be watched");
			ready.number = 1;
		}
	}
	g->serving = true;
	expiry_check(g, clock_mono_ms(), true);
	gate_say(g, &ready);
}

void site_stop_listening(struct gate *g)
{
	g->serving = false;
	free_listeners(g, &g->listeners);
}

const struct gate_site *site_of_generation(const struct gate *g, uint32_t generation)
{
	const struct gate_site *gs = g->sites;
	while (gs && gs->generation != generation) {
		gs = gs->older;
	}
	return gs;
}

void site_drop_old(struct gate *g)
{
	uint32_t oldest = g->sites ? g->sites->generation : 0;
	for (const struct child *c = g->children; c; c = c->next) {
		uint32_t used = connect_generation(c);
		used = used && used < c->generation ? used : c->generation;
		oldest = used < oldest ? used : oldest;
	}
	struct gate_site *gs = g->sites;
	while (gs && gs->older) {
		if (gs->older->generation < oldest) {
			struct gate_site *old = gs->older;
			gs->older = old->older;
			free_site(old);
		} else {
			gs = gs->older;
		}
	}
}
