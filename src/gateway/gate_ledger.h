/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_GATE_LEDGER_H
#define GATEWAY_GATE_LEDGER_H

#include "base/attr.h"
#include "base/err.h"
#include "policy/refusal.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The ledger of refusals: gives each its number, writes it once to refusals.jsonl and to the log, and counts identical
 * ones that follow. Numbers go up for ever, across restarts and full files.
 */
#define LEDGER_RECENT    256     /* refusals whose repetitions are recognised */
#define LEDGER_SAY_MS    60000   /* a repeated one's count is written this often */
#define LEDGER_FORGET_MS 3600000 /* after this silence the same refusal gets a new number */
#define LEDGER_MOST                                                                                          \
	(32ll * 1024 * 1024) /* bytes of a file; then the supervisor puts a new one in its place */

struct ledger;

MUST_USE struct ledger *ledger_new(void);

/* Also told of each new one, and of how often it was met again since. */
typedef void ledger_told(const struct refusal *r, uint64_t times, void *arg);
void ledger_tell(struct ledger *l, ledger_told *told, void *arg);
void ledger_free(struct ledger *l);

/*
 * Write to this file from now on; the descriptor becomes the ledger's. The first one is read backwards for the last
 * number; a later one starts with a line that carries it. ERR_SYSTEM: could not be read, numbers start anew at 1.
 */
MUST_USE int ledger_open(struct ledger *l, int fd);

/* Number it. Returns the number: new, or that of the identical one before. now_ms: wall. */
uint64_t ledger_add(struct ledger *l, const struct refusal *r, int64_t now_ms);

/* Write the counts that are due; all: every one. */
void ledger_check(struct ledger *l, int64_t now_ms, bool all);

/* The file has grown to LEDGER_MOST: true once for each file. */
bool ledger_full(struct ledger *l);

/* The i-th most recent, NULL when there are not so many. */
const struct refusal *ledger_recent(const struct ledger *l, unsigned i);

uint64_t ledger_last_number(const struct ledger *l);

#endif
