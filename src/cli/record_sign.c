/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/place.h"
#include "cli/record_sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WAIT_S 8
#define TRIES  4 /* a gateway that is busy may take the line for nothing, or close at once */

static json_t *request_of(enum deed_what what, const struct record_item *items, unsigned n)
{
	char host[256] = "localhost", name[DEED_NAME_MOST + 1];
	json_t *fields = json_object();
	(void)gethostname(host, sizeof(host) - 1);
	snprintf(name, sizeof(name), "%.120s@%.120s", control_user(), host);
	for (unsigned i = 0; i < n; i++) {
		if (json_object_set_new(fields, items[i].name, json_string(items[i].value)) < 0) {
			json_decref(fields);
			return NULL;
		}
	}
	return json_pack("{s:s,s:s,s:o}", "sign-record", deed_name(what), "name", name, "fields", fields);
}

int record_sign(const char *config, enum deed_what what, const struct record_item *items, unsigned n,
	char **ret_note, const char **ret_why)
{
	static char why[300];
	const char *reason = "a value is no text, or there is no memory";
	json_t *request = request_of(what, items, n), *answer = NULL;
	char *path = control_path(config), *note = NULL;
	for (unsigned i = 0; request && path && !json_object_get(answer, "record") && i < TRIES; i++) {
		if (i > 0) {
			(void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
		}
		json_decref(answer);
		answer = control_request(path, request, WAIT_S, &reason);
		if (!answer && strcmp(reason, "the gateway did not answer") != 0) {
			break;
		}
	}
	const char *text = json_string_value(json_object_get(answer, "record"));
	const char *said = json_string_value(json_object_get(answer, "why"));
	note = text ? strdup(text) : NULL;
	snprintf(why, sizeof(why), "%s", said ? said : reason);
	json_decref(answer);
	json_decref(request);
	free(path);
	if (!note) {
		*ret_why = why;
		return ERR_DENIED;
	}
	*ret_note = note;
	return 0;
}

int record_check(struct span bytes, const struct note_key *key, struct deed *ret_deed)
{
	struct signed_note note;
	struct deed r;
	char name[NOTE_NAME_MOST + sizeof(DEED_KEY_SUFFIX)];
	if (note_read(bytes, &note) < 0 || deed_read(note.text, &r) < 0) {
		return ERR_VALUE;
	}
	int e = note_check(&note, key, NULL);
	if (e < 0) {
		return e;
	}
	snprintf(name, sizeof(name), "%s" DEED_KEY_SUFFIX, r.origin);
	if (key->type != NOTE_ED25519 || strcmp(name, key->name) != 0) {
		return ERR_DENIED;
	}
	*ret_deed = r;
	return 0;
}
