/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_INCIDENT_H
#define CLI_INCIDENT_H

#include "audit/scope.h"
#include "cli/audit_lookup.h"
#include "cli/when.h"

/*
 * `gantry incident`: whom a device, a user, a certificate, a version touched in a time, and that the list is complete.
 * Shared by the incident_ files.
 */

enum how {
	HOW_STORED,
	HOW_RETRIEVED,
	HOW_QUERIED,
	HOW_SHOWN,
	HOW_REFUSED,
	HOW_INTERRUPTED,
	HOW_EXPORTED, /* onto a medium, or to a file from quarantine */
	HOW_IMPORTED, /* from a medium */
	HOW_OTHER,    /* logins, alerts that refuse nothing */
	HOW_COUNT,
};
/* "stored"; static. */
const char *how_name(enum how how);

/* What was found, with the texts that the report has; malloc'ed, "" for none. */
struct touch {
	uint64_t part[SEARCH_PARTS];
	unsigned n_parts;
	int64_t time_ms, end_ms;
	enum how how;
	uint64_t count, failed, refusal, association;
	bool at_least, to_caller;
	bool by_subject;       /* as struct search_hit */
	bool again;            /* a refusal that another record of the list has too: it counts there */
	bool alert, of_object; /* the gate's word; by a rule that judges objects */
	int64_t since_ms;      /* a refused transfer's first refusal */
	char *patient, *issuer, *name, *study, *accession;
	char *from, *to, *user, *what, *text;
	char *from_certificate, *to_certificate; /* fingerprints; */
	char *issued; /* "serial number 4f2a of CN=Hospital CA": of that one of the two for which it is in the list; "" */
	const char *
		certificate; /* that of the two, or "", for which it is in the list; NULL: no certificate was asked for */
};

/* One patient's study (or what is known of it), from the touches [first, first + n) of the sorted list. */
struct study {
	size_t first, n;
	uint64_t times[HOW_COUNT]; /* records, those of a transfer and of a refusal once */
	uint64_t instances[HOW_COUNT];
	bool at_least;
	int64_t from_ms, until_ms;
	/* All that its touches have, each once, separated by backslashes: one identifier may have had two names. malloc'ed. */
	char *names, *accessions, *certificates;
};

struct day {
	int64_t number;
	char day[WHEN_DAY_LEN];
	uint64_t times[HOW_COUNT];
	uint64_t studies, instances; /* that were touched, passed on */
};

struct interval {
	int64_t from_ms, until_ms;
};

/* What the list may lack, or a remark of the journal's own: a sentence each. */
struct notes {
	char **at;
	size_t n, cap;
};

struct incident {
	struct audit_lookup l;
	const char *version, *vkey, *checkpoint, *out;
	struct audit_input keys; /* of checkpoints */
	char origin[NOTE_NAME_MOST + 1];
	uint8_t *checkpoint_note;
	size_t checkpoint_len;
	/* The scope. */
	bool has_records;
	uint64_t first, last;
	int64_t first_ms, last_ms; /* times of those in it, least and greatest */
	bool ends;                 /* no record follows them in these folders */
	int64_t before_ms, back_ms;
	uint64_t n_back; /* records of an earlier time than the one before; by back_ms at most */
	struct interval *intervals;
	size_t n_intervals;
	/* What was found. */
	struct touch *touches; /* by time; after studies_make() by patient, study, time */
	size_t n_touches, cap_touches;
	struct study *studies; /* with a patient or study; the rest has none */
	size_t n_studies;
	size_t n_patients, n_uids; /* that are named: by identifier or name; by Study Instance UID */
	struct day *days;
	size_t n_days;
	struct search_totals totals;
	/* What it rests on. */
	int scope_error;
	struct scope_result scope;
	size_t n_proofs;
	bool complete;          /* the whole scope */
	struct notes lacks;     /* why not */
	struct notes uncovered; /* what such a list never has */
	bool terminal;
	bool made; /* the folder, by us */
};

bool incident_note(struct notes *n, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "for node ct1 and refusal 7"; "" where all is asked for. */
#define INCIDENT_SUBJECT 3000
void incident_subject(const struct incident *in, char *buf, size_t cap);

/* All return AUDIT_GOOD, or a code after they have said why. */

/* incident_scope.c: which records, when a version ran, and what the journal says of itself. */
int incident_find_records(struct incident *in);
int incident_find_ends(struct incident *in);
int incident_find_versions(struct incident *in);
int incident_find_gaps(struct incident *in);

/* incident_list.c */
int incident_list(struct incident *in);
int studies_make(struct incident *in); /* and days */
void touches_done(struct incident *in);

/* incident_proof.c: the checkpoint, proofs and what may be said. */
int incident_prove(struct incident *in);
int incident_write_proofs(struct incident *in, int dir);
void incident_statement(const struct incident *in, FILE *to);
/* What is asked for may go further than what there is, into the future even: until when the list can speak. */
int64_t incident_until(const struct incident *in);

/* incident_certificate.c: which certificates the list is of, and what is not known of that. */
const char *incident_certificate_of(
	const struct incident *in, const struct touch *t, const struct audit_event *ev);
#define INCIDENT_ISSUED 384
void incident_issued(const struct incident *in, const struct audit_event *ev, char *buf, size_t cap);
bool incident_say_certificates(struct incident *in);
void incident_certificates(const struct incident *in, FILE *to);

/* incident_write.c, incident_html.c */
int incident_make_folder(const struct incident *in);
int incident_write(struct incident *in); /* into that folder */
void incident_html(const struct incident *in, FILE *to);

#endif
