/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit.h"
#include "cli/audit_print.h"
#include "cli/quarantine.h"
#include "cli/quarantine_json.h"
#include "cli/when.h"
#include "inspect/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
	"usage: gantry quarantine list [--all] [--json] [-c FILE]\n"
	"\n"
	"What is in quarantine, the oldest first: number, when it first came, how often,\n"
	"from which node, to which, its size, whether a release was asked for, and what\n"
	"was found that weighs most.\n"
	"\n"
	"  --all   also what is left of those that were released\n"
	"  --json  all that is known of each, as one JSON document\n";

static void put_text(const char *text, int width)
{
	/* Bytes, where a name is not ASCII: a column may be off then. */
	audit_print_text(text[0] ? text : "-");
	for (int n = (int)strlen(text[0] ? text : "-"); n < width; n++) {
		putchar(' ');
	}
	putchar(' ');
}

static void put_line(const struct quarantine_item *item)
{
	char when[WHEN_LEN], size[24];
	const struct facts *f = &item->facts;
	const struct facts_finding *worst = quarantine_worst(f);
	when_text(item->state.first_ms, when);
	quarantine_size(item->state.size, size);
	printf("%6" PRIu64 "  %s %6" PRIu64 "x ", item->object.number, when, item->state.count);
	put_text(f->from[0] ? f->from : f->calling, 12);
	put_text(f->to, 12);
	printf("%10s  %-9s  ", size, quarantine_word(&item->state));
	if (worst) {
		printf("%s: ", inspect_severity_name((enum inspect_severity)worst->severity));
		audit_print_text(worst->check);
	} else {
		audit_print_text(f->why);
	}
	putchar('\n');
}

static void put_one(const struct quarantine_item *item, int e, json_t *list, bool *first)
{
	if (list) {
		(void)json_array_append_new(list, quarantine_json(item, e));
		return;
	}
	if (*first) {
		printf("%6s  %-19s %6s  %-12s %-12s %10s  %-9s  %s\n", "number", "first came", "times",
			"from", "to", "size", "state", "what was found");
		*first = false;
	}
	if (e == 0) {
		put_line(item);
	} else {
		printf("%6" PRIu64 "  cannot be read: %s\n", item->object.number,
			e == ERR_DENIED ? "it was changed, or kept with another key" : "its file is damaged");
	}
}

static int list_all(const struct quarantine_place *p, const struct quarantine_options *o)
{
	static struct quarantine_item item;
	struct quarantine_object *at;
	size_t n;
	bool first = true, damaged = false;
	json_t *list = o->json ? json_array() : NULL;
	if (quarantine_list(p->q.dir, &at, &n) != 0) {
		fprintf(stderr, "gantry quarantine: %s cannot be read\n", p->folder);
		json_decref(list);
		return QUARANTINE_FAILED;
	}
	for (size_t i = 0; i < n; i++) {
		if (at[i].released && !o->all) {
			continue;
		}
		item.object = at[i];
		int e = quarantine_open(&p->q, &at[i], &item.file, &item.state, &item.facts);
		/* One that was deleted or released a moment ago. */
		if (e == ERR_NOT_FOUND) {
			continue;
		}
		put_one(&item, e, list, &first);
		damaged = damaged || e != 0;
		if (e == 0) {
			quarantine_file_done(&item.file);
		}
	}
	if (list) {
		(void)json_dumpf(list, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(list);
	} else if (first) {
		puts("Nothing is in quarantine.");
	}
	free(at);
	return damaged ? QUARANTINE_FAILED : QUARANTINE_DONE;
}

int quarantine_list_verb(int argc, char **argv)
{
	static struct quarantine_options o;
	static const struct option_row rows[] = {{"all", .flag = &o.all}, {"json", .flag = &o.json},
		{"config", "FILE", 'c', .text = &o.config}, {0}};
	struct options line = {.usage = usage, .rows = rows};
	struct quarantine_place p;
	int code;
	if (!options_read(&line, argc, argv, &code)) {
		return code;
	}
	code = QUARANTINE_FAILED;
	if (quarantine_place(o.config, &p)) {
		code = list_all(&p, &o);
		quarantine_place_done(&p);
	}
	return code;
}
