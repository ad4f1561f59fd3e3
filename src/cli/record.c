/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/record.h"
#include "cli/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECORD_TRIES  4
#define RECORD_WAIT_S 10

const char record_no_trail[] = "the gateway keeps no audit trail";

const char *record_request(const char *config, const json_t *request)
{
	static char why[300];
	const char *reason = "no memory";
	json_t *answer = NULL, *recorded = NULL;
	char *path = control_path(config);
	/* A gateway that is busy may take it for a client that wants its report, or close at once. */
	for (unsigned i = 0; request && path && !recorded && i < RECORD_TRIES; i++) {
		if (i > 0) {
			(void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
		}
		json_decref(answer);
		answer = control_request(path, request, RECORD_WAIT_S, &reason);
		recorded = json_object_get(answer, "recorded");
		if (!answer && strcmp(reason, "the gateway did not answer") != 0) {
			break;
		}
	}
	bool ok = json_is_integer(recorded);
	const char *said = json_string_value(json_object_get(answer, "why"));
	snprintf(why, sizeof(why), "%s", said ? said : reason);
	json_decref(answer);
	free(path);
	return ok ? NULL : why;
}
