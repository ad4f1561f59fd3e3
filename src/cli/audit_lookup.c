/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_lookup.h"
#include "audit/journal.h"
#include "base/clock.h"
#include "cli/record.h"
#include "policy/site.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void lookup_init(struct audit_lookup *l, const char *verb, const char *what)
{
	*l = (struct audit_lookup){.verb = verb, .what = what, .criteria = SEARCH_ALL};
	l->now_ms = clock_wall_ms();
	snprintf(l->name, sizeof(l->name), "gantry %s", verb);
}

/* ---- Options ---- */

bool lookup_is_text(const char *value)
{
	json_t *json = json_string(value);
	bool good = json != NULL;
	for (const char *s = value; good && *s; s++) {
		good = (unsigned char)*s >= 0x20 && *s != 0x7f;
	}
	json_decref(json);
	return good;
}

bool lookup_from(void *arg, const char *value)
{
	struct audit_lookup *l = arg;
	return when_parse(value, false, l->now_ms, &l->criteria.from_ms) == 0;
}

bool lookup_until(void *arg, const char *value)
{
	struct audit_lookup *l = arg;
	return when_parse(value, true, l->now_ms, &l->criteria.until_ms) == 0;
}

bool lookup_read(struct audit_lookup *l, const struct option_row *rows, const char *usage, int argc,
	char **argv, int *ret_code)
{
	struct options o = {.usage = usage, .rows = rows, .arg = l};
	const char *misuse = NULL;
	if (!options_read(&o, argc, argv, ret_code)) {
		return false;
	}
	for (const struct option_row *row = rows; row->name; row++) {
		if ((row->once || row->many) && options_given(&o, row->name) &&
			l->n_used < LOOKUP_USED_MOST) {
			l->used[l->n_used++] = row->name;
		}
	}
	if (options_given(&o, "to") && options_given(&o, "until")) {
		misuse = "--until is the same as --to: give one of them";
	} else if (l->criteria.from_ms > l->criteria.until_ms) {
		misuse = "--from is after --to";
	} else if (l->criteria.issuer && !l->criteria.patient) {
		misuse = "--issuer says whose --patient it is, and wants it";
	}
	if (misuse) {
		*ret_code = options_misuse(&o, "%s", misuse);
	}
	return !misuse;
}

/* ---- Folders ---- */

static int add_folder(struct audit_lookup *l, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "%s: %s: %s\n", l->name, path, strerror(errno));
		return AUDIT_UNREADABLE;
	}
	l->folders[l->n_folders++] = fd;
	return AUDIT_GOOD;
}

static int find_place(struct audit_lookup *l)
{
	if (l->journal && !l->config) {
		/* Whether it is this gateway's own journal matters for the record alone. */
		const char *file = site_default_path();
		l->config = access(file, R_OK) == 0 ? file : NULL;
		l->has_place = l->config && place_audit(NULL, l->config, &l->place);
		return AUDIT_GOOD;
	}
	l->config = place_file(l->verb, l->config);
	l->has_place = l->config && place_audit(l->verb, l->config, &l->place);
	return l->has_place ? AUDIT_GOOD : AUDIT_UNREADABLE;
}

/* Before anybody is said to have looked. */
static int see_journal(const struct audit_lookup *l)
{
	struct journal_reader *reader = NULL;
	int e = journal_reader_open(l->folders, l->n_folders, &reader);
	journal_reader_free(reader);
	if (e < 0) {
		fprintf(stderr, "%s: %s: %s\n", l->name, l->journal ? l->journal : l->place.journal,
			e == ERR_NOT_FOUND ? "there is no journal here" : err_str(e));
	}
	return e < 0 ? AUDIT_UNREADABLE : AUDIT_GOOD;
}

static int open_folders(struct audit_lookup *l)
{
	int code = find_place(l);
	code = code == AUDIT_GOOD ? add_folder(l, l->journal ? l->journal : l->place.journal) : code;
	for (unsigned i = 0; code == AUDIT_GOOD && i < l->n_cold; i++) {
		code = add_folder(l, l->cold[i]);
	}
	if (code == AUDIT_GOOD && !l->journal && l->place.cold[0] && l->n_cold == 0) {
		code = add_folder(l, l->place.cold);
	}
	return code == AUDIT_GOOD ? see_journal(l) : code;
}

/* ---- The record ---- */

static bool is_own(const struct audit_lookup *l)
{
	struct stat a, b;
	return l->has_place && fstat(l->folders[0], &a) == 0 && stat(l->place.journal, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static json_t *request_of(const struct audit_lookup *l)
{
	char host[256] = "localhost";
	json_t *words = json_array();
	(void)gethostname(host, sizeof(host) - 1);
	for (unsigned i = 0; i < l->n_used; i++) {
		(void)json_array_append_new(words, json_string(l->used[i]));
	}
	return json_pack("{s:s,s:s,s:s,s:o}", "record", l->what, "name", control_user(), "host", host,
		"criteria", words);
}

/* NULL: it is recorded. */
static const char *record(const struct audit_lookup *l)
{
	if (!l->config) {
		return "no gateway's configuration is here, and none was named by -c FILE";
	}
	if (!is_own(l)) {
		return "this is not the journal of the gateway that is configured here";
	}
	json_t *request = request_of(l);
	const char *why = record_request(l->config, request);
	json_decref(request);
	return why;
}

static int have_recorded(const struct audit_lookup *l)
{
	const char *why = record(l);
	if (!why) {
		return AUDIT_GOOD;
	}
	fprintf(stderr, "%s: this %s is not in the journal: %s%s\n", l->name,
		strcmp(l->what, "search") == 0 ? "search" : "report", why,
		l->unrecorded ? "" : ". --unrecorded goes on all the same");
	return l->unrecorded ? AUDIT_GOOD : AUDIT_UNREADABLE;
}

/* ---- All ---- */

int lookup_open(struct audit_lookup *l)
{
	int code = lookup_certificate(l);
	code = code == AUDIT_GOOD ? open_folders(l) : code;
	if (code == AUDIT_GOOD && !auditor_key_open(l->name, l->key, l->passphrase_file, &l->auditor)) {
		code = AUDIT_UNREADABLE;
	}
	return code == AUDIT_GOOD ? have_recorded(l) : code;
}

void lookup_done(struct audit_lookup *l)
{
	while (l->n_folders > 0) {
		close(l->folders[--l->n_folders]);
	}
	place_audit_done(&l->place);
	auditor_key_done(&l->auditor);
}

void lookup_problem(void *arg, const struct search_problem *p)
{
	const struct audit_lookup *l = arg;
	char text[300];
	search_problem_text(p, text, sizeof(text));
	fprintf(stderr, "%s%s: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", l->name, text);
}

const char *lookup_unnamed(const struct audit_lookup *l)
{
	return l->criteria.fingerprint ? "fingerprint" : "serial number";
}

const char *lookup_instead(const struct audit_lookup *l)
{
	return l->criteria.fingerprint ? "its file, or its subject"
	                               : "its file, its fingerprint or its subject";
}

bool lookup_incomplete(const struct audit_lookup *l, const struct search_totals *t)
{
	if (t->closed > 0) {
		fprintf(stderr,
			"%s: %s opens with this key: %" PRIu64 " records, of %" PRIu64 " to %" PRIu64
			", were sealed for other auditors\n",
			l->name, t->opened > 0 ? "not all" : "nothing", t->closed, t->closed_first,
			t->closed_last);
	}
	if (t->unnamed > 0) {
		fprintf(stderr,
			"%s: %" PRIu64 " records, of %" PRIu64 " to %" PRIu64
			", carry no %s, so that it is not known whether they are of that certificate: give %s\n",
			l->name, t->unnamed, t->unnamed_first, t->unnamed_last, lookup_unnamed(l),
			lookup_instead(l));
	}
	return t->closed > 0 || t->problems > 0 || t->unnamed > 0;
}

/* ---- Nothing ---- */

/* A node that is misspelt has no records, as one that did nothing. */
static void doubt_node(const struct audit_lookup *l)
{
	char near[NEAREST_WORD + 1];
	if (l->criteria.node && l->has_place && !place_node(l->config, l->criteria.node, near)) {
		fprintf(stderr, "%s: %s has no node `%s`%s%s%s\n", l->name, l->config, l->criteria.node,
			near[0] ? ": is `" : "", near, near[0] ? "` meant?" : "");
	}
}

void lookup_nothing(const struct audit_lookup *l, const struct search_totals *t)
{
	if (t->read > 0) {
		fprintf(stderr, "%s: nothing found in records %" PRIu64 " to %" PRIu64 "\n", l->name,
			t->first, t->last);
	} else {
		fprintf(stderr, "%s: there are no records of that time\n", l->name);
	}
	doubt_node(l);
}
