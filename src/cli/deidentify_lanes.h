/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEIDENTIFY_LANES_H
#define CLI_DEIDENTIFY_LANES_H

#include "cli/deidentify_batch.h"

/*
 * Processes that do tasks beside one another, each with a worker of its own in its sandbox; what became of tasks comes in the order in
 * which they were given. One alone is this process itself. They are started when there is something to do.
 */
#define DEIDENTIFY_LANES 64

struct deidentify_lanes;

/* hands: what each has, its worker not begun; copied. n: 1 to DEIDENTIFY_LANES. ERR_NO_MEMORY. */
MUST_USE int deidentify_lanes_new(const struct deidentify_hands *hands, const struct deidentify_how *how,
	unsigned n, struct deidentify_lanes **ret);
void deidentify_lanes_free(struct deidentify_lanes *l);

/* task->place is set. False: there are as many as there may be before the first of them is taken. */
bool deidentify_lanes_give(struct deidentify_lanes *l, struct deidentify_task task);

/* The first of those that were given, when it is done; it is there until the next call of any of these. NULL: there is none. */
struct deidentify_became *deidentify_lanes_take(struct deidentify_lanes *l, struct deidentify_task *ret_task);

/*
 * From now on who ends the program by a signal (SIGINT, SIGTERM, SIGHUP) leaves no copies that have no name yet, and no manifest,
 * and is told on standard error how many copies there are. out: its name, to print; copied. manifest: NULL, or its path; it lives as long as the process.
 */
void deidentify_lanes_end_clean(int out_fd, const char *out, const char *manifest);
void deidentify_lanes_end_as_usual(void);

/* A copy gets its name, and is counted: no such signal comes between. As renameat2() with RENAME_NOREPLACE. */
int deidentify_lanes_whole(int from, const char *part, int to, const char *name);

#endif
