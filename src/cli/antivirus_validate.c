/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/antivirus.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What was staged is what is tried: its files are read again before and after. */
static int is_unchanged(const struct antivirus *a, const char *hash)
{
	struct definitions d;
	char why[512];
	if (definitions_read(antivirus_set(a, hash), &d, why, sizeof(why)) != 0) {
		antivirus_say("%s", why);
		return ANTIVIRUS_FAILED;
	}
	if (strcmp(d.hash, hash) != 0) {
		antivirus_say("%s is not what was staged any more: stage it again", antivirus_set(a, hash));
		return ANTIVIRUS_FAILED;
	}
	return ANTIVIRUS_GOOD;
}

int antivirus_validate(struct antivirus *a)
{
	struct replayed r = {0};
	char staged[DEFINITIONS_HASH + 1], current[DEFINITIONS_HASH + 1];
	if (definitions_linked(antivirus_store(a), "staged", staged) != 0) {
		antivirus_say("nothing is staged in %s", a->c->definitions);
		return ANTIVIRUS_FAILED;
	}
	bool has_current = definitions_linked(antivirus_store(a), "current", current) == 0;
	int code = is_unchanged(a, staged);
	if (code == ANTIVIRUS_GOOD) {
		printf("trying %s\n", staged);
		code = antivirus_replay(a, staged, has_current ? current : NULL, &r);
	}
	code = code == ANTIVIRUS_GOOD ? is_unchanged(a, staged) : code;
	code = code == ANTIVIRUS_GOOD ? antivirus_record_write(a, staged, has_current ? current : NULL, &r)
	                              : code;
	if (code != ANTIVIRUS_GOOD) {
		return code;
	}
	printf("%" PRIu64 " file%s: %" PRIu64 " clean, %" PRIu64 " found, %" PRIu64
	       " not as they should be, ",
		r.files, PLURAL(r.files), r.clean, r.found, r.failed);
	if (has_current && !r.uncompared[0]) {
		printf("%" PRIu64 " other than before\n", r.differ);
	} else {
		puts("compared with none before");
	}
	antivirus_told(a, "validated", staged, !r.why[0]);
	if (r.why[0]) {
		printf("refused: %s\n", r.why);
		return ANTIVIRUS_BAD;
	}
	puts("passed; now: gantry antivirus promote");
	return ANTIVIRUS_GOOD;
}
