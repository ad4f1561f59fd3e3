/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_ANTIVIRUS_H
#define CLI_ANTIVIRUS_H

#include "antivirus/clamd.h"
#include "antivirus/definitions.h"
#include "audit/deed.h"
#include "policy/site.h"

/* `gantry antivirus`: definitions of a virus scanner, tried before they are used. Shared by the antivirus_ files. */

enum { ANTIVIRUS_GOOD, ANTIVIRUS_BAD, ANTIVIRUS_USAGE, ANTIVIRUS_FAILED };

struct antivirus {
	const char *config; /* gantry.yaml */
	const char *vkey;   /* of records; NULL: beside the configured key */
	struct site *site;
	const struct antivirus_config *c;
	char store
		[40]; /* the folder `definitions` by a name that stays, whoever renames it; "": its own name */
	struct clamd clamd; /* the site's */
	enum { UNDONE_NOTHING, UNDONE, UNDONE_NOT_LOADED } undone;
};

/* A complaint, with its end of line. */
void antivirus_say(const char *format, ...) PRINTF(1, 2);

/* The folder of sets, records and links, to work in. */
const char *antivirus_store(const struct antivirus *a);

/* "/var/lib/clamav/gantry/sets/0123…"; static until the next call. */
const char *antivirus_set(const struct antivirus *a, const char *hash);

/* Tell the audit trail what was done to a set; says so where that cannot be. act: a word of gateway/gate_request.c. */
void antivirus_told(const struct antivirus *a, const char *act, const char *hash, bool good);

/* ---- antivirus_validate.c, antivirus_replay.c ---- */
int antivirus_validate(struct antivirus *a);

/* What the replay of the corpus showed. */
enum { STAGED, CURRENT, SIDES };
struct replayed {
	uint64_t files, clean, found, failed, differ;
	uint64_t bytes, cpu_ns[SIDES], memory[SIDES];
	char engine[128], corpus[DEFINITIONS_HASH + 1];
	char why[256];        /* the first thing that is wrong; "": nothing is */
	char uncompared[128]; /* why the set in use was not tried beside it; "": it was, or there is none */
};
int antivirus_replay(
	const struct antivirus *a, const char *staged, const char *current, struct replayed *ret);

/* ---- antivirus_record.c: the signed record of a set's validation ---- */
int antivirus_record_write(
	const struct antivirus *a, const char *hash, const char *current, const struct replayed *r);
/* The last one of a set, if its signature is good. *ret_why: a sentence, static. */
MUST_USE int antivirus_record_read(
	const struct antivirus *a, const char *hash, struct deed *ret_deed, const char **ret_why);

/* ---- antivirus_promote.c ---- */
int antivirus_promote(struct antivirus *a);
int antivirus_rollback(struct antivirus *a);
/* Undo what somebody else began who was killed, and say so (a->undone). For who has the lock. */
void antivirus_mend(struct antivirus *a);
/* Which set clamd has loaded: is it this one? */
bool antivirus_serves(const struct clamd *clamd, const char *hash);

#define PLURAL(n) ((n) == 1 ? "" : "s")

#endif
