/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "cli/quarantine.h"
#include "cli/verbs.h"
#include "cli/place.h"
#include "policy/facts.h"
#include "policy/show.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: gantry explain [-c FILE] [--json] NUMBER\n"
			    "\n"
			    "Prints a refusal by its number (in the log, and in the Error Comment that the\n"
			    "device was sent): what was asked, by whom, which rule refused it and where it\n"
			    "stands, what was answered, how often, and the lines of gantry.yaml that would\n"
			    "allow it. Default FILE: ./gantry.yaml, then /etc/gantry/gantry.yaml.\n";

/* One generation of the ledger: 1 found, 0 not, ERR_SYSTEM it is there and cannot be read. */
static int look_in(const char *state, const char *file, uint64_t number, struct refusal *r, uint64_t *last)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", state, file);
	FILE *f = n > 0 && (size_t)n < sizeof(path) ? fopen(path, "re") : NULL;
	if (!f && errno == ENOENT) {
		return 0;
	}
	if (!f && errno == EACCES) {
		fprintf(stderr,
			"gantry explain: the ledger in %s is open to root and the gateway's user only: try sudo\n",
			state);
		return ERR_SYSTEM;
	}
	if (!f) {
		fprintf(stderr, "gantry explain: %s: %s\n", path, strerror(errno));
		return ERR_SYSTEM;
	}
	int found = ledger_find(f, number, r, last);
	fclose(f);
	return found;
}

/* 0 and *r, or -1 after saying why. */
static int look_up(const char *state, uint64_t number, struct refusal *r)
{
	uint64_t last = 0;
	/* Oldest first: a later count belongs to an earlier record. */
	for (unsigned i = LEDGER_KEPT + 1; i-- > 0;) {
		char file[32];
		snprintf(file, sizeof(file), i > 0 ? LEDGER_FILE ".%u" : LEDGER_FILE, i);
		if (look_in(state, file, number, r, &last) < 0) {
			return -1;
		}
	}
	/* A count alone says nothing: the record itself was in a generation that is gone. */
	if (r->number != number) {
		fprintf(stderr, "gantry explain: there is no refusal %" PRIu64 " in %s/%s", number, state,
			LEDGER_FILE);
		if (last > 0) {
			fprintf(stderr, ": the last one is %" PRIu64, last);
		}
		fputc('\n', stderr);
		return -1;
	}
	return 0;
}

/* What would allow it depends on a configuration that can be read. */
static int advise(const char *path, const struct refusal *r, struct suggestion *g)
{
	struct site *s = NULL;
	struct mistakes m;
	int err = site_load_settings(path, &s, &m);
	mistakes_done(&m);
	if (err < 0) {
		g->yaml = strdup("");
		g->note = "The lines that would allow it are shown when the configuration has no mistakes.";
		return g->yaml ? 0 : ERR_NO_MEMORY;
	}
	err = suggest(s, r, g);
	site_free(s);
	return err;
}

static int explain(const char *path, uint64_t number, bool json)
{
	struct refusal r = {0};
	struct suggestion g = {0};
	char absolute[PATH_MAX];
	path = realpath(path, absolute) ? absolute : path;
	char *state = place_folder(path, "state", "/var/lib/gantry");
	int found = state ? look_up(state, number, &r) : -1;
	free(state);
	if (found < 0) {
		return 1;
	}
	uint64_t *kept = NULL;
	size_t n_kept = 0;
	if (advise(path, &r, &g) < 0) {
		fprintf(stderr, "gantry explain: %s\n", err_str(ERR_NO_MEMORY));
		return 1;
	}
	/* Most who ask may read the ledger, and not the quarantine. */
	if (r.rule == RULE_CONTENT && quarantine_of_refusal(path, number, &kept, &n_kept) == 0) {
		g.kept = kept;
		g.n_kept = n_kept;
	}
	int code = 0;
	if (json) {
		code = show_refusal_json(stdout, path, &r, &g) < 0;
	} else {
		show_refusal(stdout, path, &r, &g);
	}
	suggestion_done(&g);
	free(kept);
	return code;
}

int verb_explain(int argc, char **argv)
{
	static const char *path;
	static bool json;
	static const struct option_row rows[] = {
		{"config", "FILE", 'c', .text = &path}, {"json", .flag = &json}, {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "NUMBER"};
	uint64_t number;
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	/* People copy "#17" from an Error Comment. */
	if (!options_number(&o, "NUMBER", o.at[0] + (o.at[0][0] == '#'), &number)) {
		return code;
	}
	path = place_file("explain", path);
	return path ? explain(path, number, json) : 1;
}
