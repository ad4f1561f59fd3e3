/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include "policy/nearest.h"

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

/* Where things are: for verbs that look at a site or at the gateway that runs on it. */

/* The configuration: given, or ./gantry.yaml, or /etc/gantry/gantry.yaml. NULL after saying that there is none. */
const char *place_file(const char *verb, const char *given);

/*
 * A folder that the configuration names with a key of its top level; fallback where it names none. Also of a file that
 * has mistakes: it is asked for most of all when a change has gone wrong. malloc'ed; NULL: no memory.
 */
char *place_folder(const char *file, const char *key, const char *fallback);

/* The gateway's control socket; malloc'ed. */
char *control_path(const char *file);

/* Have the gateway that answers there read its configuration again; says what becomes of it. Exit status. (reload.c) */
int control_reload(const char *path);

/* The gateway's report. NULL after it has said why there is none. */
json_t *control_ask(const char *verb, const char *path);

/*
 * Ask the gateway for something with a line of JSON. NULL: *ret_why is a sentence, static. Prints nothing. wait_s: for the
 * answer.
 */
json_t *control_request(const char *path, const json_t *request, unsigned wait_s, const char **ret_why);

/* Could control_request() get in, as far as can be told without going? NULL, or its sentence. */
const char *control_fault(const char *path);

/* Who runs this, for requests: the Unix user's name, or who called sudo. Static. */
const char *control_user(void);

/* The journal of a configuration, its origin, its cold folder ("" none), its keys ("": none for records). malloc'ed. False after it has
 * said why, if it has a verb to say it for. */
struct place_audit {
	char *journal, *cold, *origin, *checkpoint_key, *record_key;
};
bool place_audit(const char *verb, const char *file, struct place_audit *ret);
void place_audit_done(struct place_audit *p);

/*
 * Has the configuration a node of that name, or can it not be read? Where it has none, ret_near is the one that may be meant, or "".
 */
bool place_node(const char *file, const char *name, char ret_near[NEAREST_WORD + 1]);

extern volatile sig_atomic_t
	control_interrupted; /* set by the verb's signal handler: give up, and say nothing */

#endif
