/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_FORWARDER_STATE_H
#define GATEWAY_FORWARDER_STATE_H

#include "audit/spool.h"
#include "policy/site.h"
#include "priv/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The forwarder: a parent that meets no network, and a courier for each repository and each witness: a forked process that
 * reads the spool at its own pace, calls its addresses, and is alone with what they answer. Shared by forwarder.c and the
 * courier_ files.
 */

struct forwarder {
	int gate;                /* -1 */
	int keys;                /* channel to the key holder, on which couriers name their own; -1 */
	int dir;                 /* the spool's folder; -1 */
	struct sandbox *sandbox; /* of a courier */
	bool sandboxed, has_key, stopping, replacing;
	uint8_t key[SPOOL_KEY_LEN];
	struct site *site, *next; /* next: of the MSG_SITE before the MSG_GO */
	int64_t process;          /* of the gateway, for syslog */
	char host[256];           /* "" where it has no name that syslog takes */
	int64_t end_by_ms;        /* stopping or replacing: couriers that live then are killed */
	int64_t next_sweep_ms;
	struct courier_process {
		pid_t pid;   /* 0: none */
		int channel; /* -1 */
		int64_t restart_ms;
		unsigned failures;
		int64_t started_ms;
	} at[MSG_COURIERS_MOST];
	char names[MSG_COURIERS_MOST][160]; /* in the spool */
	unsigned n;
};

/* courier.c: a courier's whole life, in its own process. */
void courier_main(const struct forwarder *f, unsigned index, int channel) __attribute__((noreturn));

#endif
