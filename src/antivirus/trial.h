/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANTIVIRUS_TRIAL_H
#define ANTIVIRUS_TRIAL_H

#include "antivirus/clamd.h"
#include "base/attr.h"
#include "base/err.h"

#include <sys/types.h>

/* A clamd of our own, for a while: as the site's is configured, but with a socket, folders and definitions of its own. */
struct trial {
	pid_t pid;     /* 0: none */
	pid_t janitor; /* removes what is left if this process is killed; 0: none */
	int alive;     /* the janitor's other end */
	int out;       /* what it said */
	char folder[64], socket[96];
	struct clamd clamd;
};

struct trial_how {
	const char *program, *config; /* clamd, and the site's configuration of it, which may be missing */
	const char *definitions;      /* folder */
	int64_t timeout_ms;           /* of struct clamd */
};

/*
 * Start it. It runs as the user that the configuration names, where we are root, and never what it says about running
 * programs (VirusEvent). why: a sentence on failure. ERR_SYSTEM.
 */
MUST_USE int trial_start(struct trial *t, const struct trial_how *how, char *why, size_t cap);

/* Wait until it has loaded its definitions. ERR_CLOSED: it has ended, and why; ERR_TIMEOUT. */
MUST_USE int trial_ready(struct trial *t, int64_t wait_ms, char *why, size_t cap);

/* Processor time that it has used, ns; its largest memory so far, bytes. 0: not to be had. */
uint64_t trial_cpu_ns(const struct trial *t);
uint64_t trial_memory(const struct trial *t);

/* End it, and remove what it left, which is done if this process is killed, too. Harmless where none was started. */
void trial_stop(struct trial *t);

/*
 * The configuration, for tests: the site's text without what is ours to say, then ours. ERR_SPACE.
 */
MUST_USE int trial_config(
	const struct trial *t, const char *site, const char *definitions, char *ret_text, size_t cap);

#endif
