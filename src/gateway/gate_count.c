/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_count.h"
#include "base/limits.h"
#include "gateway/gate_slab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void window_init(struct window *w, int64_t width_ms, int64_t now_ms)
{
	*w = (struct window){.width_ms = width_ms, .newest = now_ms / width_ms};
}

/* Empty the buckets that have become too old. A clock that stands still or steps back changes nothing. */
static void window_turn(struct window *w, int64_t now_ms)
{
	int64_t now = now_ms / w->width_ms;
	if (now - w->newest >= WINDOW_BUCKETS) {
		memset(w->at, 0, sizeof(w->at));
		w->sum = 0;
		w->newest = now;
	}
	while (w->newest < now) {
		w->newest++;
		uint64_t *bucket = &w->at[w->newest % WINDOW_BUCKETS];
		w->sum -= *bucket;
		*bucket = 0;
	}
}

void window_add(struct window *w, uint64_t n, int64_t now_ms)
{
	window_turn(w, now_ms);
	w->at[w->newest % WINDOW_BUCKETS] += n;
	w->sum += n;
}

uint64_t window_sum(struct window *w, int64_t now_ms)
{
	window_turn(w, now_ms);
	return w->sum;
}

struct counts *counts_new(void)
{
	struct counts *c = calloc(1, sizeof(*c));
	if (c && getrandom(c->seed, sizeof(c->seed), 0) != (ssize_t)sizeof(c->seed)) {
		free(c);
		return NULL;
	}
	return c;
}

#define FREE_LIST(type, head)                                                                                \
	for (struct type *at = (head); at;) {                                                                \
		struct type *next = at->next;                                                                \
		free(at);                                                                                    \
		at = next;                                                                                   \
	}

void counts_free(struct counts *c)
{
	if (!c) {
		return;
	}
	FREE_LIST(flow_count, c->flows);
	FREE_LIST(node_count, c->nodes);
	for (unsigned i = 0; i < ARRAY_LEN(c->addresses); i++) {
		for (struct address_count *at = c->addresses[i]; at;) {
			struct address_count *next = at->next;
			slab_free(at, sizeof(*at));
			at = next;
		}
	}
	free(c);
}

struct flow_count *counts_flow(struct counts *c, const char *name, int64_t now_ms)
{
	for (struct flow_count *f = c->flows; f; f = f->next) {
		if (strncmp(f->name, name, sizeof(f->name) - 1) == 0) {
			return f;
		}
	}
	struct flow_count *f = calloc(1, sizeof(*f));
	if (f) {
		snprintf(f->name, sizeof(f->name), "%s", name);
		window_init(&f->minute, 1000, now_ms);
		window_init(&f->hour_objects, 60000, now_ms);
		window_init(&f->hour_bytes, 60000, now_ms);
		window_init(&f->seen_objects, 60000, now_ms);
		window_init(&f->seen_bytes, 60000, now_ms);
		f->next = c->flows;
		c->flows = f;
	}
	return f;
}

struct node_count *counts_node(struct counts *c, const char *name)
{
	for (struct node_count *n = c->nodes; n; n = n->next) {
		if (strncmp(n->name, name, sizeof(n->name) - 1) == 0) {
			return n;
		}
	}
	struct node_count *n = calloc(1, sizeof(*n));
	if (n) {
		snprintf(n->name, sizeof(n->name), "%s", name);
		n->number = (uint16_t)(c->nodes && c->nodes->number < UINT16_MAX ? c->nodes->number + 1 : 1);
		n->next = c->nodes;
		c->nodes = n;
	}
	return n;
}

/* FNV-1a over a secret and the address. */
static unsigned row_of(const struct counts *c, const struct in6_addr *ip)
{
	uint32_t h = 2166136261u;
	for (unsigned i = 0; i < 16; i++) {
		h = (h ^ c->seed[i]) * 16777619u;
		h = (h ^ ip->s6_addr[i]) * 16777619u;
	}
	return (h ^ (h >> 16)) % ARRAY_LEN(c->addresses);
}

static struct address_count *find(const struct counts *c, const struct in6_addr *ip)
{
	struct address_count *a = c->addresses[row_of(c, ip)];
	while (a && memcmp(&a->ip, ip, sizeof(*ip)) != 0) {
		a = a->next;
	}
	return a;
}

/* A host has a whole /64 of IPv6 to call from (RFC 4291 2.5.4): its addresses count as one. */
static struct in6_addr network_of(const struct in6_addr *ip)
{
	struct in6_addr n = *ip;
	if (!IN6_IS_ADDR_V4MAPPED(ip)) {
		memset(&n.s6_addr[8], 0, 8);
	}
	return n;
}

const struct address_count *counts_look(const struct counts *c, const struct in6_addr *ip)
{
	struct in6_addr network = network_of(ip);
	return find(c, &network);
}

struct address_count *counts_address(struct counts *c, const struct in6_addr *address)
{
	struct in6_addr network = network_of(address), *ip = &network;
	struct address_count *a = find(c, ip);
	if (a) {
		return a;
	}
	a = slab_alloc(sizeof(*a));
	if (a) {
		struct address_count **row = &c->addresses[row_of(c, ip)];
		a->ip = *ip;
		a->next = *row;
		*row = a;
	}
	return a;
}

static unsigned recent_crashes(const struct address_count *a, int64_t now_ms)
{
	unsigned n = 0;
	for (unsigned i = 0; i < CRASHES_KEPT; i++) {
		n += a->crash_ms[i] != 0 && now_ms - a->crash_ms[i] < LIMIT_CRASH_WINDOW * 1000;
	}
	return n;
}

void counts_settle(struct counts *c, struct address_count *a, int64_t now_ms)
{
	if (a->at_once > 0 || a->reject_only > 0 || counts_held(a, now_ms) || recent_crashes(a, now_ms) > 0) {
		return;
	}
	struct address_count **at = &c->addresses[row_of(c, &a->ip)];
	while (*at != a) {
		at = &(*at)->next;
	}
	*at = a->next;
	slab_free(a, sizeof(*a));
}

bool counts_crash(struct address_count *a, int64_t now_ms)
{
	static_assert(CRASHES_KEPT >= LIMIT_CRASHES, "enough crashes are remembered");
	unsigned oldest = 0;
	for (unsigned i = 1; i < CRASHES_KEPT; i++) {
		if (a->crash_ms[i] < a->crash_ms[oldest]) {
			oldest = i;
		}
	}
	a->crash_ms[oldest] = now_ms > 0 ? now_ms : 1;
	if (recent_crashes(a, now_ms) < LIMIT_CRASHES) {
		return false;
	}
	a->held_until_ms = now_ms + LIMIT_CRASH_WINDOW * 1000;
	return true;
}
