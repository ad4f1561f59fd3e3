/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_BOXED_H
#define CLI_BOXED_H

#include "priv/sandbox.h"

#include <stddef.h>
#include <sys/types.h>

/*
 * A process of its own for one file that nobody trusts: in a sandbox, with the open file, a pipe to us, and nothing else of
 * ours. It is to be ended with boxed_end().
 */
struct boxed {
	pid_t pid;
	int fd; /* what it says; -1: there is none */
};

#define BOXED_NONE ((struct boxed){.pid = -1, .fd = -1})

/* How many times its processor seconds it may be waited for: a machine with much else to do, or a slow disc, is no fault of the file. */
#define BOXED_PATIENCE 10

struct boxed_how {
	const struct sandbox *sandbox;
	unsigned cpu_s; /* processor seconds; 0: as many as it wants */
	size_t memory;  /* bytes of data */
};

/* In the child. What it returns is its exit status. */
typedef int boxed_run(void *arg, int file, int out);

/* file is not closed, and its offset is shared with the child. ERR_SYSTEM. */
MUST_USE int boxed_start(struct boxed *b, const struct boxed_how *how, int file, boxed_run *run, void *arg);

/*
 * Exactly n bytes of what it says. ERR_CLOSED: it said no more; ERR_TRUNCATED: it stopped among them; ERR_TIMEOUT: it was
 * silent for wait_ms; ERR_SYSTEM.
 */
MUST_USE int boxed_read(struct boxed *b, void *to, size_t n, int wait_ms);

/* End it, if it has not ended. Its status, as of waitpid(); 0 if there was none. */
int boxed_end(struct boxed *b);

/* For the child: write all. False: nobody reads it any more. */
MUST_USE bool boxed_write(int out, const void *from, size_t n);

/* For a forked child: it has nothing of others, neither the terminal nor what its siblings say, but these descriptors. */
void boxed_close_others(int file, int out, int ruleset);

#endif
