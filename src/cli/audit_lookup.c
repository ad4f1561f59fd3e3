/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_lookup.h"
#include "base/clock.h"
#include "cli/options.h"
#include "cli/record.h"
#include "cli/when.h"
#include "policy/nearest.h"
#include "policy/values.h"

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

bool lookup_parse(int argc, char **argv, const struct option *options, const char *usage,
	int (*take)(void *arg, int c, const char *name), void *arg, int *ret_code)
{
	int which = 0, c;
	*ret_code = AUDIT_GOOD;
	while (*ret_code == AUDIT_GOOD && (c = getopt_long(argc, argv, "c:h", options, &which)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return false;
		}
		if (c == '?') {
			options_usage(usage);
			*ret_code = AUDIT_USAGE;
			return false;
		}
		*ret_code = take(arg, c, options[which].name);
	}
	if (*ret_code == AUDIT_GOOD && optind < argc) {
		options_usage(usage);
		*ret_code = AUDIT_USAGE;
	}
	return *ret_code == AUDIT_GOOD;
}

void lookup_used(struct audit_lookup *l, int option, const char *name)
{
	if (l->n_used < LOOKUP_USED_MOST) {
		l->options_used[l->n_used] = option;
		l->used[l->n_used++] = name;
	}
}

static int wrong(const struct audit_lookup *l, const char *name, const char *value, const char *wants)
{
	fprintf(stderr, "%s: --%s `%s`: expected %s\n", l->name, name, value, wants);
	return AUDIT_USAGE;
}

static int take_kind(struct audit_lookup *l, const char *value)
{
	/* The records of a transfer are one hit. */
	if (strcmp(value, "transfer") == 0) {
		l->criteria.kinds |= 1u << AUDIT_BEGIN;
		return AUDIT_GOOD;
	}
	for (unsigned k = AUDIT_START; k < AUDIT_KIND_COUNT; k++) {
		bool of_transfer = k == AUDIT_BEGIN || k == AUDIT_TRANSFERRED || k == AUDIT_PROGRESS ||
		                   k == AUDIT_INTERRUPTED;
		if (!of_transfer && strcmp(value, audit_kind_name((enum audit_kind)k)) == 0) {
			l->criteria.kinds |= 1u << k;
			return AUDIT_GOOD;
		}
	}
	return wrong(l, "kind", value,
		"transfer, query, patient-shown, alert, login, log-used, import, export, start, stop, attached or detached");
}

static int take_outcome(struct audit_lookup *l, const char *value)
{
	static const struct {
		const char *name;
		enum audit_outcome outcome;
	} outcomes[] = {{"success", AUDIT_SUCCESS}, {"minor", AUDIT_MINOR}, {"serious", AUDIT_SERIOUS},
		{"major", AUDIT_MAJOR}};
	for (unsigned i = 0; i < ARRAY_LEN(outcomes); i++) {
		if (strcmp(value, outcomes[i].name) == 0) {
			l->criteria.outcomes |= 1u << outcomes[i].outcome;
			return AUDIT_GOOD;
		}
	}
	return wrong(l, "outcome", value, "success, minor, serious or major");
}

static int take_number(struct audit_lookup *l, const char *name, const char *value, uint64_t *ret)
{
	return value_number(value, INT64_MAX, ret) == 0 && *ret > 0 ? AUDIT_GOOD
	                                                            : wrong(l, name, value, "a number");
}

static int take_time(struct audit_lookup *l, const char *name, const char *value, bool end, int64_t *ret)
{
	return when_parse(value, end, l->now_ms, ret) == 0 ? AUDIT_GOOD : wrong(l, name, value, WHEN_FORM);
}

static const char **text_place(struct audit_lookup *l, int c)
{
	switch (c) {
	case LOOKUP_USER:
		return &l->criteria.user;
	case LOOKUP_NODE:
		return &l->criteria.node;
	case LOOKUP_CERTIFICATE:
		return &l->certificate;
	case LOOKUP_CERTIFICATE_ISSUER:
		return &l->certificate_issuer;
	case LOOKUP_PATIENT:
		return &l->criteria.patient;
	case LOOKUP_ISSUER:
		return &l->criteria.issuer;
	case LOOKUP_NAME:
		return &l->criteria.name;
	case LOOKUP_ACCESSION:
		return &l->criteria.accession;
	case LOOKUP_STUDY:
		return &l->criteria.study;
	case LOOKUP_ADDRESS:
		return &l->criteria.address;
	default:
		return NULL;
	}
}

/* It goes into reports, and records have nothing else. */
static bool is_text(const char *value)
{
	json_t *json = json_string(value);
	bool good = json && value[0];
	for (const char *s = value; good && *s; s++) {
		good = (unsigned char)*s >= 0x20 && *s != 0x7f;
	}
	json_decref(json);
	return good;
}

static int take_criterion(struct audit_lookup *l, int c, const char *name, const char *value)
{
	const char **text = text_place(l, c);
	bool several = c == LOOKUP_KIND || c == LOOKUP_OUTCOME;
	for (unsigned i = 0; !several && i < l->n_used; i++) {
		if (l->options_used[i] == c) {
			fprintf(stderr, "%s: --%s is given twice, and one is looked for at a time\n", l->name,
				name);
			return AUDIT_USAGE;
		}
	}
	lookup_used(l, c, name);
	if (text) {
		*text = value;
		return is_text(value) ? AUDIT_GOOD : wrong(l, name, value, "a text in UTF-8");
	}
	switch (c) {
	case LOOKUP_FROM:
		return take_time(l, name, value, false, &l->criteria.from_ms);
	case LOOKUP_UNTIL:
		return take_time(l, name, value, true, &l->criteria.until_ms);
	case LOOKUP_REFUSAL:
		return take_number(l, name, value, &l->criteria.refusal);
	case LOOKUP_ASSOCIATION:
		return take_number(l, name, value, &l->criteria.association);
	case LOOKUP_KIND:
		return take_kind(l, value);
	case LOOKUP_OUTCOME:
		return take_outcome(l, value);
	default:
		return AUDIT_USAGE;
	}
}

int lookup_option(struct audit_lookup *l, int c, const char *name, const char *value)
{
	switch (c) {
	case LOOKUP_CONFIG:
		l->config = value;
		return AUDIT_GOOD;
	case LOOKUP_JOURNAL:
		l->journal = value;
		return AUDIT_GOOD;
	case LOOKUP_KEY:
		l->key = value;
		return AUDIT_GOOD;
	case LOOKUP_PASSPHRASE:
		l->passphrase_file = value;
		return AUDIT_GOOD;
	case LOOKUP_UNRECORDED:
		l->unrecorded = true;
		return AUDIT_GOOD;
	case LOOKUP_COLD:
		if (l->n_cold == AUDIT_FOLDERS_MOST - 2) {
			return wrong(l, name, value, "fewer folders");
		}
		l->cold[l->n_cold++] = value;
		return AUDIT_GOOD;
	default:
		return take_criterion(l, c, name, value);
	}
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
	return code;
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
	if (!l->key) {
		fprintf(stderr, "%s: --key is wanted: an auditor's private key\n", l->name);
		return AUDIT_USAGE;
	}
	if (l->criteria.from_ms > l->criteria.until_ms) {
		fprintf(stderr, "%s: --from is after --to\n", l->name);
		return AUDIT_USAGE;
	}
	if (l->criteria.issuer && !l->criteria.patient) {
		fprintf(stderr, "%s: --issuer says whose --patient it is, and wants it\n", l->name);
		return AUDIT_USAGE;
	}
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
