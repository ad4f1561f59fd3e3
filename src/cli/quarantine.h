/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_QUARANTINE_H
#define CLI_QUARANTINE_H

#include "archive/quarantine.h"
#include "cli/options.h"
#include "cli/person.h"

#include <jansson.h>

/*
 * `gantry quarantine SUB-VERB`: one function each. Exit status: 0 done; 1 not done; 2 wrong usage.
 */
int quarantine_list_verb(int argc, char **argv);
int quarantine_show_verb(int argc, char **argv);
int quarantine_delete_verb(int argc, char **argv);
int quarantine_release_verb(int argc, char **argv);

enum { QUARANTINE_DONE = 0, QUARANTINE_FAILED = 1, QUARANTINE_USAGE = 2 };

/* The quarantine of a configuration, opened with its key. */
struct quarantine_place {
	const char *config;
	char *folder, *state;
	bool has_audit;
	struct quarantine_site site;
	struct quarantine q;
};

#define QUARANTINE_PLACE_NONE ((struct quarantine_place){.q = {.dir = -1}})

/* What the sub-verbs are told. */
struct quarantine_options {
	const char *config, *export, *reason;
	bool json, all, findings, yes, unrecorded, withdraw;
};

/* False after it has said why. */
bool quarantine_place(const char *given, struct quarantine_place *ret_place);
void quarantine_place_done(struct quarantine_place *p);

/*
 * Numbers of the objects that this refusal kept, first or last, in order and malloc'd: those that were released too, and none that cannot
 * be read. Says nothing. ERR_DENIED: the quarantine cannot be opened by who asks; ERR_SYSTEM, ERR_NO_MEMORY.
 */
MUST_USE int quarantine_of_refusal(
	const char *config, uint64_t refusal, uint64_t **ret_numbers, size_t *ret_n);

/* An object that is open, with all that is known of it. */
struct quarantine_item {
	struct quarantine_object object;
	struct quarantine_file file;
	struct quarantine_state state;
	struct facts facts;
};

/*
 * Open one. False after it has said why; damaged: it is there, and cannot be read (item->object is set): nothing is said then.
 */
bool quarantine_item(const struct quarantine_place *p, uint64_t number, struct quarantine_item *ret_item,
	bool *ret_damaged);

/*
 * Have this process alone do something to an object, until it ends or the item's file is closed: nobody deletes what is delivered at
 * this moment, nor says that it stays. False after it has said that another does.
 */
bool quarantine_take(const struct quarantine_item *item);

/* Say what is wrong with one that cannot be read. */
void quarantine_say_damaged(uint64_t number, int e);

/*
 * Have it recorded that a person does this to an object (gateway/gate_request_quarantine.c), before it is done. item may have no
 * facts. more: taken; further members of the request; may be NULL. True: go on. False after it has said why.
 */
bool quarantine_record(const struct quarantine_place *p, bool unrecorded, const char *act,
	const struct person *who, const struct quarantine_item *item, json_t *more);

/* A person looks, and types yes. */
bool quarantine_agreed(bool yes, const char *question);

/* The finding that weighs most, the first of them; NULL: none. */
const struct facts_finding *quarantine_worst(const struct facts *f);

/* "waiting", "asked for", "released". */
const char *quarantine_word(const struct quarantine_state *s);

/* A size for people. */
void quarantine_size(uint64_t n, char buf[24]);

#endif
