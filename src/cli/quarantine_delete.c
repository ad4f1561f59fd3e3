/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/quarantine.h"

#include <inttypes.h>
#include <stdio.h>

static const char usage[] = "usage: gantry quarantine delete N... [--yes] [--reason TEXT] [--unrecorded]\n"
			    "                         [-c FILE]\n"
			    "\n"
			    "Remove objects from the quarantine, for good: nobody gets them back. The audit\n"
			    "trail records who did.\n"
			    "\n"
			    "  --yes          do not ask\n"
			    "  --reason TEXT  why, for the record\n"
			    "  --unrecorded   go on if it cannot be recorded\n";

static int delete_one(const struct quarantine_place *p, const struct quarantine_options *o, uint64_t number)
{
	static struct quarantine_item item;
	char question[160];
	struct person who;
	bool damaged;
	item = (struct quarantine_item){0};
	bool open = quarantine_item(p, number, &item, &damaged);
	if (!open && !damaged) {
		return QUARANTINE_FAILED;
	}
	snprintf(question, sizeof(question), "Delete object %" PRIu64 "%s%s%s for good?", number,
		open && item.facts.from[0] ? " from " : "", open ? item.facts.from : "",
		item.object.released ? ", of which its data were released already," : "");
	person_find(&who);
	bool go = quarantine_agreed(o->yes, question) && (!open || quarantine_take(&item)) &&
	          quarantine_record(p, o->unrecorded, "delete", &who, &item,
			  o->reason ? json_pack("{s:s}", "text", o->reason) : NULL);
	int e = go ? quarantine_delete(&p->q, &item.object) : 0;
	if (e != 0) {
		fprintf(stderr, "gantry quarantine: object %" PRIu64 " was not deleted: %s\n", number,
			e == ERR_NOT_FOUND ? "it is not there any more" : err_str(e));
	} else if (go) {
		printf("object %" PRIu64 " was deleted\n", number);
	}
	if (open) {
		quarantine_file_done(&item.file);
	}
	return go && e == 0 ? QUARANTINE_DONE : QUARANTINE_FAILED;
}

int quarantine_delete_verb(int argc, char **argv)
{
	static struct quarantine_options o;
	static const struct option_row rows[] = {{"yes", .flag = &o.yes},
		{"reason", "TEXT", .text = &o.reason, .may_be_empty = true},
		{"unrecorded", .flag = &o.unrecorded}, {"config", "FILE", 'c', .text = &o.config}, {0}};
	struct options line = {.usage = usage, .rows = rows, .arguments = "N..."};
	struct quarantine_place p;
	uint64_t number;
	int code;
	if (!options_read(&line, argc, argv, &code)) {
		return code;
	}
	for (unsigned i = 0; i < line.n; i++) { /* all of them, before one is gone */
		if (!options_number(&line, "N", line.at[i], &number)) {
			return code;
		}
	}
	code = QUARANTINE_FAILED;
	if (quarantine_place(o.config, &p)) {
		code = QUARANTINE_DONE;
		for (unsigned i = 0; i < line.n && options_number(&line, "N", line.at[i], &number); i++) {
			code = delete_one(&p, &o, number) == QUARANTINE_DONE ? code : QUARANTINE_FAILED;
		}
		quarantine_place_done(&p);
	}
	return code;
}
