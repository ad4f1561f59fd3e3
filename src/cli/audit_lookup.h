/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_AUDIT_LOOKUP_H
#define CLI_AUDIT_LOOKUP_H

#include "audit/search.h"
#include "cli/audit.h"
#include "cli/auditor_key.h"
#include "cli/place.h"

#include <getopt.h>

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
	int options_used[LOOKUP_USED_MOST];
	unsigned n_used;
	/* Opened. */
	int folders[AUDIT_FOLDERS_MOST];
	size_t n_folders;
	bool has_place;
	struct place_audit place;
	struct auditor_key auditor;
};

enum {
	LOOKUP_CONFIG = 'c',
	LOOKUP_HELP = 'h',
	LOOKUP_JOURNAL = 300,
	LOOKUP_COLD,
	LOOKUP_KEY,
	LOOKUP_PASSPHRASE,
	LOOKUP_UNRECORDED,
	LOOKUP_FROM,
	LOOKUP_UNTIL,
	LOOKUP_USER,
	LOOKUP_NODE,
	LOOKUP_REFUSAL,
	LOOKUP_CERTIFICATE,
	LOOKUP_CERTIFICATE_ISSUER,
	LOOKUP_PATIENT,
	LOOKUP_ISSUER,
	LOOKUP_NAME,
	LOOKUP_ACCESSION,
	LOOKUP_STUDY,
	LOOKUP_ADDRESS,
	LOOKUP_KIND,
	LOOKUP_OUTCOME,
	LOOKUP_ASSOCIATION,
	LOOKUP_OWN, /* of the verb itself, from here on */
};

/* Those of both, as initialisers of struct option. */
#define LOOKUP_OPTIONS                                                                                       \
	{"config", required_argument, NULL, LOOKUP_CONFIG}, {"help", no_argument, NULL, LOOKUP_HELP},        \
		{"journal", required_argument, NULL, LOOKUP_JOURNAL},                                        \
		{"cold", required_argument, NULL, LOOKUP_COLD},                                              \
		{"key", required_argument, NULL, LOOKUP_KEY},                                                \
		{"passphrase-file", required_argument, NULL, LOOKUP_PASSPHRASE},                             \
		{"unrecorded", no_argument, NULL, LOOKUP_UNRECORDED},                                        \
		{"from", required_argument, NULL, LOOKUP_FROM},                                              \
		{"until", required_argument, NULL, LOOKUP_UNTIL},                                            \
		{"to", required_argument, NULL, LOOKUP_UNTIL},                                               \
		{"user", required_argument, NULL, LOOKUP_USER},                                              \
		{"node", required_argument, NULL, LOOKUP_NODE},                                              \
		{"refusal", required_argument, NULL, LOOKUP_REFUSAL},                                        \
		{"certificate", required_argument, NULL, LOOKUP_CERTIFICATE},                                \
	{                                                                                                    \
		"certificate-issuer", required_argument, NULL, LOOKUP_CERTIFICATE_ISSUER                     \
	}

void lookup_init(struct audit_lookup *l, const char *verb, const char *what);

/* One of the options above. AUDIT_GOOD, or AUDIT_USAGE after it has said why. */
int lookup_option(struct audit_lookup *l, int c, const char *name, const char *value);

/*
 * Read the verb's command line: take() gets each option. True: go on. False: *ret_code is the exit status, after help or what
 * is wrong was printed.
 */
bool lookup_parse(int argc, char **argv, const struct option *options, const char *usage,
	int (*take)(void *arg, int c, const char *name), void *arg, int *ret_code);

/* A criterion is used: for the record. */
void lookup_used(struct audit_lookup *l, int option, const char *name);

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
