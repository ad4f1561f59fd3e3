/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "gateway/gate_slab.h"
#include "gateway/gate_state.h"
#include "gateway/state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

/* One association as the gate sees it: a channel that asks, and a process that ends. */

/* Messages of one association before the others have their turn. */
#define CHILD_BATCH 32

/* What a channel can hold is far less than this many batches. */
#define LAST_BATCHES 64

struct child *child_new(struct gate *g, int channel)
{
	struct child *c = slab_alloc(sizeof(*c));
	if (!c) {
		return NULL;
	}
	c->channel = (struct source){.fd = channel, .ready = child_ready};
	c->keys = -1;
	c->id = ++g->next_id;
	c->since_ms = clock_wall_ms();
	if (gate_watch(g, &c->channel, EPOLLIN) != 0) {
		slab_free(c, sizeof(*c));
		return NULL;
	}
	c->next = g->children;
	g->children = c;
	g->n_children++;
	return c;
}

/* Released is released, though the process still waits for its peer to close. */
static void release_flows(struct child *c)
{
	for (unsigned i = 0; !c->released && i < c->n_flows; i++) {
		c->flows[i]->at_once--;
	}
	c->released = true;
}

static void end(struct gate *g, struct child *c)
{
	struct child **at = &g->children;
	while (*at != c) {
		at = &(*at)->next;
	}
	*at = c->next;
	g->n_children--;
	connect_cancel(g, c);
	gate_unwatch(g, &c->channel);
	line_leave(g, c->line);
	if (c->keys >= 0) {
		close(c->keys);
	}
	release_flows(c);
	g->n_reject_only -= c->reject_only;
	if (c->address) {
		c->address->at_once -= !c->reject_only;
		c->address->reject_only -= c->reject_only;
		counts_settle(g->counts, c->address, clock_mono_ms());
	}
	/* Events of this turn may still point at it. */
	c->next = g->ended;
	g->ended = c;
}

void child_give_up(struct gate *g, struct child *c)
{
	end(g, c);
}

void child_free_ended(struct gate *g)
{
	while (g->ended) {
		struct child *c = g->ended;
		g->ended = c->next;
		slab_free(c, sizeof(*c));
	}
}

void child_kill(struct gate *g, struct child *c, const char *why)
{
	char from[46];
	netaddr_text(&c->ip, from);
	log_event(LOG_LEVEL_ERROR, "association.killed", why, LOG_NUMBER("association", (int64_t)c->id),
		LOG_TEXT("from", from), LOG_NUMBER("port", c->port), LOG_TEXT("calling", c->who.calling),
		LOG_TEXT("called", c->who.called));
	gate_unwatch(g, &c->channel);
	connect_cancel(g, c);
	if (kill(c->pid, SIGKILL) == 0) {
		c->killed = true;
	}
}

unsigned child_kill_all(struct gate *g, const char *why)
{
	unsigned n = 0;
	for (struct child *c = g->children; c; c = c->next) {
		n += !c->reject_only;
		child_kill(g, c, why);
	}
	return n;
}

void child_send(struct gate *g, struct child *c, const struct message *m)
{
	if (c->channel.fd < 0) {
		return;
	}
	int e = message_send(c->channel.fd, m);
	/* Its own questions are answered one by one: a full channel means that it does not play by the rules. */
	if (e != 0 && e != ERR_CLOSED) {
		child_kill(g, c, "it does not read its answers");
	}
}

void child_tell_all(struct gate *g, const struct message *m)
{
	for (struct child *c = g->children; c; c = c->next) {
		int e = c->channel.fd < 0 ? 0 : message_send(c->channel.fd, m);
		if (e != 0 && e != ERR_CLOSED) {
			log_event(LOG_LEVEL_WARNING, "association.deaf", err_str(e),
				LOG_NUMBER("association", (int64_t)c->id),
				LOG_TEXT("not_told", message_name(m->type)));
		}
	}
}

/* ---- What it asks ---- */

static bool take_admit(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	if (!c->by_proxy || c->address) {
		return false;
	}
	int64_t now = clock_mono_ms();
	struct address_count *a = counts_address(g->counts, &m->admit.ip);
	struct message reply = {.type = MSG_VERDICT, .fd = -1};
	/* This one is counted in all already. */
	enum rule rule = counts_held(a, now) ? RULE_HELD_OFF : RULE_NONE;
	if (a && a->at_once >= gs->site->associations_per_address) {
		rule = RULE_ASSOCIATIONS;
	}
	c->ip = m->admit.ip;
	c->port = m->admit.port;
	reply.number = rule;
	if (rule != RULE_NONE) {
		accept_refused(g, c->listener, &c->ip, c->port, rule);
		if (a) {
			counts_settle(g->counts, a, now);
		}
	} else if (a) {
		c->address = a;
		a->at_once += !c->reject_only;
		a->reject_only += c->reject_only;
	}
	if (rule == RULE_NONE) {
		keys_give(gs, &c->keys, &c->ip);
	}
	child_send(g, c, &reply);
	return true;
}

static void reply_counts(struct gate *g, struct child *c, struct flow_count *f)
{
	struct message reply = {.type = MSG_COUNTS, .fd = -1};
	int64_t now = clock_mono_ms();
	if (f) {
		uint64_t minute = window_sum(&f->minute, now);
		reply.counts = (struct msg_counts){.at_once = f->at_once,
			.last_minute = minute < UINT32_MAX ? (uint32_t)minute : UINT32_MAX,
			.objects_hour = window_sum(&f->hour_objects, now),
			.bytes_hour = window_sum(&f->hour_bytes, now)};
	}
	child_send(g, c, &reply);
}

static bool in_range(int32_t index, unsigned n)
{
	return index >= -1 && index < (int32_t)n;
}

static struct node_count *node_of(struct gate *g, const struct site *s, int32_t index)
{
	struct node_count *n = index < 0 ? NULL : counts_node(g->counts, s->nodes[index].name);
	if (n) {
		n->last_seen_ms = clock_wall_ms();
	}
	return n;
}

/* One more flow that joins its nodes. NULL: there is none, or no memory. */
static struct flow_count *join_flow(struct gate *g, struct child *c, const struct site *s, int32_t index)
{
	int64_t now = clock_mono_ms();
	struct flow_count *f = index < 0 ? NULL : counts_flow(g->counts, s->flows[index].name, now);
	if (f) {
		c->flows[c->n_flows++] = f;
		f->at_once++;
		f->associations++;
		window_add(&f->minute, 1, now);
	}
	return f;
}

static bool has_flow(const struct child *c, const char *name)
{
	for (unsigned i = 0; i < c->n_flows; i++) {
		if (strcmp(c->flows[i]->name, name) == 0) {
			return true;
		}
	}
	return false;
}

/* Sent once for each flow of its route; who it is is told by the first. */
static bool take_associated(
	struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	const struct msg_associated *d = &m->associated;
	const struct site *s = gs->site;
	if (!in_range(d->from, s->n_nodes) || !in_range(d->to, s->n_nodes) ||
		!in_range(d->flow, s->n_flows)) {
		return false;
	}
	bool more = c->associated;
	if (more && (d->flow < 0 || c->released || c->n_flows == 0 || c->n_flows == ROUTE_FLOWS ||
			    has_flow(c, s->flows[d->flow].name))) {
		return false;
	}
	if (!more) {
		c->associated = true;
		c->who = *d;
		c->from = node_of(g, s, d->from);
		c->to = node_of(g, s, d->to);
	}
	if (!more && c->from) {
		c->from->associations++;
	}
	if (!more && c->to) {
		c->to->called++;
	}
	reply_counts(g, c, join_flow(g, c, s, d->flow));
	return true;
}

static bool take_object(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	const struct msg_object *o = &m->object;
	if (!c->associated || !in_range(o->flow, gs->site->n_flows)) {
		return false;
	}
	int64_t now = clock_mono_ms();
	struct flow_count *f =
		o->flow < 0 ? NULL : counts_flow(g->counts, gs->site->flows[o->flow].name, now);
	if (f) {
		window_add(&f->hour_objects, o->objects, now);
		window_add(&f->hour_bytes, o->bytes, now);
	}
	reply_counts(g, c, f);
	return true;
}

static uint64_t more(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* Of the flows of an association one de-identifies, or they do so alike. */
static void count_remade(struct child *c, const struct site *s, uint64_t n)
{
	for (unsigned i = 0; n > 0 && i < s->n_flows; i++) {
		const struct flow *f = &s->flows[i];
		for (unsigned k = 0; f->deidentify && k < c->n_flows; k++) {
			if (c->flows[k] &&
				strncmp(c->flows[k]->name, f->name, sizeof(c->flows[k]->name) - 1) == 0) {
				c->flows[k]->remade += n;
				return;
			}
		}
	}
}

static bool take_progress(
	struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	const struct msg_progress *p = &m->progress, *old = &c->progress;
	struct flow_count *f = c->n_flows > 0 ? c->flows[0] : NULL;
	if (f) {
		int64_t now = clock_mono_ms();
		uint64_t objects = more(p->objects, old->objects);
		uint64_t bytes = more(p->bytes_in, old->bytes_in) + more(p->bytes_out, old->bytes_out);
		f->objects += objects;
		f->bytes += bytes;
		window_add(&f->seen_objects, objects, now);
		window_add(&f->seen_bytes, bytes, now);
	}
	count_remade(c, gs->site, more(p->remade, old->remade));
	if (c->from) {
		c->from->objects += more(p->objects, old->objects);
		c->from->bytes_in += more(p->bytes_in, old->bytes_in);
		c->from->bytes_out += more(p->bytes_out, old->bytes_out);
		c->from->tolerated += more(p->tolerated, old->tolerated);
		c->from->last_seen_ms = clock_wall_ms();
	}
	if (c->to) {
		c->to->last_seen_ms = clock_wall_ms();
	}
	if (p->state == PROGRESS_CLOSING) {
		release_flows(c);
	}
	c->progress = *p;
	return true;
}

static bool take_refusal(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	struct refusal *r = &g->said->refusal;
	*r = m->refusal;
	/* What the gate knows itself it does not take on trust: nobody writes records in another's name. */
	netaddr_text(&c->ip, r->address);
	r->port = c->port;
	snprintf(r->listener, sizeof(r->listener), "%s", c->listener);
	g->counts->refusals[r->rule]++;
	for (unsigned i = 0; r->node[0] && i < gs->site->n_nodes; i++) {
		if (strncmp(gs->site->nodes[i].name, r->node, sizeof(r->node) - 1) == 0) {
			struct node_count *n = node_of(g, gs->site, (int32_t)i);
			if (n) {
				n->refusals++;
			}
			break;
		}
	}
	struct message reply = {.type = MSG_NUMBER, .fd = -1};
	c->refusal = ledger_add(g->ledger, r, clock_wall_ms());
	reply.number = (int64_t)c->refusal;
	child_send(g, c, &reply);
	return true;
}

static bool take_connect(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	const struct msg_connect *k = &m->connect;
	/* A source address that is not its caller's would let it speak in another scanner's name. */
	if (!c->associated || c->connecting || k->node < 0 || !in_range(k->node, gs->site->n_nodes) ||
		k->address < 0 || memcmp(&k->source, &c->ip, sizeof(c->ip)) != 0) {
		return false;
	}
	connect_begin(g, c, gs, k);
	return true;
}

static const struct {
	bool (*take)(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs);
} takers[MSG_TYPE_COUNT] = {
	[MSG_ADMIT] = {take_admit},
	[MSG_ASSOCIATED] = {take_associated},
	[MSG_CONNECT] = {take_connect},
	[MSG_REFUSAL] = {take_refusal},
	[MSG_OBJECT] = {take_object},
	[MSG_CHAIN] = {standing_ask},
	[MSG_WHO] = {standing_ask},
	[MSG_PROGRESS] = {take_progress},
	[MSG_AUDIT] = {audit_ask},
	[MSG_HOLD] = {hold_ask},
	[MSG_UNRECORDED] = {audit_unrecorded},
	[MSG_KEEP] = {quarantine_ask},
	[MSG_SCAN] = {scan_ask},
	[MSG_CLEAN] = {clean_ask},
	[MSG_BOOK] = {book_ask},
};

static void take(struct gate *g, struct child *c, struct message *m)
{
	if (m->generation == 0) {
		m->generation = c->generation;
	}
	const struct gate_site *gs =
		m->generation < c->generation ? NULL : site_of_generation(g, m->generation);
	if (!gs || !takers[m->type].take || !takers[m->type].take(g, c, m, gs)) {
		char why[96];
		snprintf(
			why, sizeof(why), "it broke the protocol with a message `%s`", message_name(m->type));
		child_kill(g, c, why);
		return;
	}
	c->generation = m->generation;
}

/* True: there may be more. */
static bool read_batch(struct gate *g, struct child *c)
{
	for (unsigned i = 0; i < CHILD_BATCH && c->channel.fd >= 0; i++) {
		int e = message_recv(c->channel.fd, FROM_ASSOCIATION, &g->said->message);
		if (e == 0) {
			take(g, c, &g->said->message);
		} else if (e == ERR_AGAIN) {
			return false;
		} else if (e == ERR_CLOSED) {
			gate_unwatch(g, &c->channel); /* its end is told by SIGCHLD */
		} else {
			child_kill(g, c, e == ERR_PEER ? "it sent a malformed message" : strerror(errno));
		}
	}
	return c->channel.fd >= 0;
}

void child_ready(struct gate *g, struct source *s, uint32_t events)
{
	(void)read_batch(g, (struct child *)s);
}

/* ---- How it ends ---- */

static void crashed(struct gate *g, struct child *c, int status)
{
	char why[128], from[46];
	netaddr_text(&c->ip, from);
	if (WIFSIGNALED(status)) {
		int sig = WTERMSIG(status);
		snprintf(why, sizeof(why), "its process ended by signal %d (%s)%s", sig, sigdescr_np(sig),
			sig == SIGSYS ? ": a system call that the sandbox forbids" : "");
	} else {
		snprintf(why, sizeof(why), "its process failed with status %d", WEXITSTATUS(status));
	}
	g->crashed++;
	log_event(LOG_LEVEL_ERROR, "association.crashed", why, LOG_NUMBER("association", (int64_t)c->id),
		LOG_TEXT("from", from), LOG_NUMBER("port", c->port), LOG_TEXT("calling", c->who.calling),
		LOG_TEXT("called", c->who.called), LOG_TEXT("listener", c->listener));
	if (c->address && counts_crash(c->address, clock_mono_ms())) {
		log_event(LOG_LEVEL_ERROR, "address.held-off",
			"its associations crashed repeatedly: connections from it are closed",
			LOG_TEXT("from", from), LOG_NUMBER("seconds", LIMIT_CRASH_WINDOW));
	}
}

static void reaped(struct gate *g, pid_t pid, int status)
{
	struct child *c = g->children;
	while (c && c->pid != pid) {
		c = c->next;
	}
	if (!c) {
		g->n_reports -= g->n_reports > 0; /* a process that wrote a status report */
		return;
	}
	/* The last it said counts. Not until the channel closes: a copy of its end may be kept alive somewhere. */
	for (unsigned i = 0; i < LAST_BATCHES && read_batch(g, c); i++) {
	}
	if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0) && !(c->killed && g->stopping)) {
		crashed(g, c, status);
	}
	end(g, c);
}

void child_reap(struct gate *g)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		reaped(g, pid, status);
	}
}
