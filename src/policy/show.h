/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_SHOW_H
#define POLICY_SHOW_H

#include "policy/refusal.h"
#include "policy/site.h"
#include "policy/suggest.h"

#include <stdio.h>

/* What `gantry check` and `gantry explain` print. */

/* file:line:column: error: text, the line, and a caret under the place. yaml: the file's text, may be empty. */
void show_mistake(
	FILE *out, const char *file, struct span yaml, bool error, const struct mistake *m, bool colour);

/* Every key with its default and what it is for. */
void show_defaults(FILE *out);
MUST_USE int show_defaults_json(FILE *out);

/* One refusal in full, and what would allow it. */
void show_refusal(FILE *out, const char *file, const struct refusal *r, const struct suggestion *g);
MUST_USE int show_refusal_json(
	FILE *out, const char *file, const struct refusal *r, const struct suggestion *g);

/*
 * Look a number up in one generation of the ledger. Counts that later lines report are taken over. Returns 1 when it (or
 * a count of it) was found, 0 when not: ask the older generation first, then the newer one with the same *r. *last becomes the greatest
 * number that is there, if that is greater.
 */
int ledger_find(FILE *ledger, uint64_t number, struct refusal *r, uint64_t *last);

#endif
