/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_AUDIT_LOOKUP_H
#define CLI_AUDIT_LOOKUP_H

#include "audit/search.h"
#include "cli/audit.h"
#include "cli/auditor_key.h"
#include "cli/options.h"
#include "cli/place.h"
#include "cli/when.h"

/*
 * What `gantry audit search` and `gantry incident` share: whose journal, with which key, what is asked for, and that it is
 * recorded that somebody looked (PS3.15 A.5.3.2).
 */

#define LOOKUP_USED_MOST 24

struct audit_lookup {
	const char *verb; /* "audit search" */
	const char *what; /* "search": for the record */
	char name[48];    /* "gantry audit search": for messages */
	const char *config, *journal, *key, *passphrase_file;
	const char *certificate, *certificate_issuer; /* as given */
	char subject[257], serial[AUDIT_SERIAL], issuer[257];
	uint8_t fingerprint[AUDIT_FINGERPRINT];
	const char *cold[AUDIT_FOLDERS_MOST];
	unsigned n_cold;
	bool unrecorded;
	int64_t now_ms;
	struct search_criteria criteria;
	const char *used[LOOKUP_USED_MOST]; /* criteria, by name */
	unsigned n_used;
	/* Opened. */
	int folders[AUDIT_FOLDERS_MOST];
	size_t n_folders;
	bool has_place;
	struct place_audit place;
	struct auditor_key auditor;
};

/* Rows of both, of a static struct audit_lookup, which is their argument too. Those that are given once or are of many are criteria. */
#define LOOKUP_TEXT .good = lookup_is_text, .wants = "a text in UTF-8", .once = true
#define LOOKUP_ROWS(l)                                                                                       \
	{"config", "FILE", 'c', .text = &(l).config}, {"journal", "DIR", .text = &(l).journal},              \
		{"cold", "DIR", .text = (l).cold, .room = AUDIT_FOLDERS_MOST - 2, .n = &(l).n_cold},         \
		{"key", "KEY", .text = &(l).key, .needed = "an auditor's private key"},                      \
		{"passphrase-file", "FILE", .text = &(l).passphrase_file},                                   \
		{"unrecorded", .flag = &(l).unrecorded},                                                     \
		{"from", "TIME", .take = lookup_from, .wants = WHEN_FORM, .once = true},                     \
		{"to", "TIME", .take = lookup_until, .wants = WHEN_FORM, .once = true},                      \
		{"until", "TIME", .take = lookup_until, .wants = WHEN_FORM, .once = true},                   \
		{"user", "USER", .text = &(l).criteria.user, LOOKUP_TEXT},                                   \
		{"node", "NODE", .text = &(l).criteria.node, LOOKUP_TEXT},                                   \
		{"refusal", "NUMBER", .number = &(l).criteria.refusal, .least = 1, .once = true},            \
		{"certificate", "FILE|SHA256|SUBJECT|serial=HEX", .text = &(l).certificate, LOOKUP_TEXT},    \
		{"certificate-issuer", "FILE|NAME", .text = &(l).certificate_issuer, LOOKUP_TEXT},           \
		{"patient", "ID", .text = &(l).criteria.patient, LOOKUP_TEXT},                               \
		{"issuer", "ISSUER", .text = &(l).criteria.issuer, LOOKUP_TEXT},                             \
		{"name", "NAME", .text = &(l).criteria.name, LOOKUP_TEXT},                                   \
		{"accession", "ACCESSION", .text = &(l).criteria.accession, LOOKUP_TEXT},                    \
	{                                                                                                    \
		"study", "UID", .text = &(l).criteria.study, LOOKUP_TEXT                                     \
	}

/* It goes into reports, and records have nothing else. */
bool lookup_is_text(const char *value);
/* arg: the lookup. */
bool lookup_from(void *arg, const char *value);
bool lookup_until(void *arg, const char *value);

void lookup_init(struct audit_lookup *l, const char *verb, const char *what);

/*
 * Read the verb's command line. True: go on, and o has what lookup_open() is to record. False: *ret_code is the exit status, after help
 * or what is wrong was printed.
 */
MUST_USE bool lookup_read(struct audit_lookup *l, const struct option_row *rows, const char *usage, int argc,
	char **argv, int *ret_code);

/*
 * Open folders and key, and have the gateway record the search. AUDIT_GOOD, AUDIT_USAGE or AUDIT_UNREADABLE, after it has said
 * why.
 */
int lookup_open(struct audit_lookup *l);
void lookup_done(struct audit_lookup *l);

/* What --certificate and --certificate-issuer mean, into the criteria. AUDIT_GOOD, AUDIT_USAGE or AUDIT_UNREADABLE, after it has said why. */
int lookup_certificate(struct audit_lookup *l);

/* What records lack that do not say of which certificate they are, and what can be asked by instead; static. */
const char *lookup_unnamed(const struct audit_lookup *l);
const char *lookup_instead(const struct audit_lookup *l);

/* Say on standard error that nothing was found, and what may be misspelt. */
void lookup_nothing(const struct audit_lookup *l, const struct search_totals *t);

/* Problems of the search, on standard error; arg: the lookup. */
void lookup_problem(void *arg, const struct search_problem *p);

/* What could not be read, in a line; true if something could not. */
bool lookup_incomplete(const struct audit_lookup *l, const struct search_totals *t);

#endif
