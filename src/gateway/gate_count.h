/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_GATE_COUNT_H
#define GATEWAY_GATE_COUNT_H

#include "base/attr.h"
#include "base/err.h"
#include "policy/decide.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The gate's counters. Flows and nodes are keyed by name, so that they outlive a reload; addresses by address. All
 * times are of clock_mono_ms, given by the caller.
 */

/* What happened within the last 60 buckets of equal width. */
#define WINDOW_BUCKETS 60
struct window {
	int64_t width_ms;
	int64_t newest; /* number of the newest bucket since the clock's start */
	uint64_t at[WINDOW_BUCKETS];
	uint64_t sum;
};

void window_init(struct window *w, int64_t width_ms, int64_t now_ms);
void window_add(struct window *w, uint64_t n, int64_t now_ms);
/* The sum of the last minute (width 1 s) or hour (width 60 s), exact to one bucket. */
uint64_t window_sum(struct window *w, int64_t now_ms);

struct flow_count {
	char name[65];
	uint32_t at_once;
	uint64_t associations, objects, bytes;  /* since the start */
	uint64_t remade;                        /* objects that it has de-identified; the same */
	struct window minute;                   /* associations */
	struct window hour_objects, hour_bytes; /* what hourly limits are judged by: told object by object */
	struct window seen_objects, seen_bytes; /* what is shown: told each second, both directions */
	struct flow_count *next;
};

struct node_count {
	char name[65];
	uint16_t number;       /* from 1, its own as long as there are not more */
	uint64_t associations; /* opened by it */
	uint64_t called;       /* associations to it */
	uint64_t objects, bytes_in, bytes_out;
	uint64_t refusals, tolerated;
	int64_t last_seen_ms; /* wall; 0: never */
	struct node_count *next;
};

#define CRASHES_KEPT 8
struct address_count {
	struct in6_addr ip;
	uint32_t at_once;
	uint32_t reject_only;
	int64_t crash_ms[CRASHES_KEPT]; /* 0: none */
	int64_t held_until_ms;
	struct address_count *next;
};

struct counts {
	struct flow_count *flows;
	struct node_count *nodes;
	struct address_count *addresses[1024];
	uint64_t refusals[RULE_COUNT]; /* since the start, repetitions included */
	uint8_t seed[16];              /* so that nobody can choose addresses of one row */
};

MUST_USE struct counts *counts_new(void);
void counts_free(struct counts *c);

/* Find or make. NULL: no memory. A name is cut to 64 bytes. */
struct flow_count *counts_flow(struct counts *c, const char *name, int64_t now_ms);
struct node_count *counts_node(struct counts *c, const char *name);
struct address_count *counts_address(struct counts *c, const struct in6_addr *ip);
/* Not made when it is not there. */
const struct address_count *counts_look(const struct counts *c, const struct in6_addr *ip);

/* Forget an address that has no association and no crash that still matters. */
void counts_settle(struct counts *c, struct address_count *a, int64_t now_ms);

/* An association of this address crashed. True: it is held off from now on (LIMIT_CRASHES, LIMIT_CRASH_WINDOW). */
bool counts_crash(struct address_count *a, int64_t now_ms);
static inline bool counts_held(const struct address_count *a, int64_t now_ms)
{
	return a && a->held_until_ms > now_ms;
}

#endif
