/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEIDENTIFY_H
#define CLI_DEIDENTIFY_H

#include "base/attr.h"
#include "keys/attributes.h"
#include "priv/sandbox.h"
#include "transform/compressed.h"
#include "transform/deidentify.h"

#include <stdio.h>

/* `gantry deidentify`: between its files. */

#define DEIDENTIFY_LIST (4u << 20)

struct deidentify_how {
	struct deidentify_rules rules;
	uint8_t key[PSEUDONYM_KEY];
	const struct sandbox *sandbox; /* SANDBOX_KEYS */
	bool list;                     /* say what was done to each element */
	bool keep_leftovers;           /* they are told, and the file stays */
	/* Certificates in PEM that what an object was is encrypted to; it then holds its originals. */
	unsigned n_recipients;
	struct span recipients[ATTRIBUTES_RECIPIENTS_MOST];
};

enum deidentify_outcome {
	OUTCOME_NONE, /* the process died */
	OUTCOME_GOOD,
	OUTCOME_LEFTOVER,
	OUTCOME_NOT_DICOM,
	OUTCOME_DIRECTORY, /* a DICOMDIR (PS3.15 E.1.1) */
	OUTCOME_BROKEN,    /* error, offset */
	OUTCOME_BURNED_IN,
	OUTCOME_DOCUMENT,
	OUTCOME_NOT_WRITTEN,
	OUTCOME_ORIGINALS, /* they cannot be encrypted: error */
	OUTCOME_PIXELS,    /* they may have text burned in, or cannot be cleaned */
	OUTCOME_VIDEO,     /* it is one, and nothing was taken out of it */
};

/* What was done to an element. */
enum deidentify_done {
	DONE_REMOVED,
	DONE_EMPTIED,
	DONE_REPLACED,
	DONE_NEW_UID,
	DONE_CLEANED,
	DONE_ADDED,
	DONE_N
};

/* What it said; it has read what others wrote, and is believed in nothing that matters. */
struct deidentify_said {
	enum deidentify_outcome outcome;
	int error;
	uint64_t offset;
	uint32_t wrong; /* as deidentify.h has it */
	bool both;      /* OUTCOME_BURNED_IN or OUTCOME_DOCUMENT: it is the other too */
	char patient[PSEUDONYM_PATIENT_SIZE], study[UID_MAX + 1], series[UID_MAX + 1], instance[UID_MAX + 1];
	bool overlays;         /* there are some in bits of the pixels, if those have not been cleaned */
	bool left, unsearched; /* something is left over; there was more than is searched for */
	uint32_t left_of, left_in;
	enum compressed_unread unread; /* something is compressed or encrypted, and was not searched; where */
	uint32_t unread_in;
	uint32_t counts[DONE_N]; /* elements, by what was done */
	bool list_is_cut;
	size_t list_len; /* lines of an element's path, what was done, and for what: with commas between */
	char list[DEIDENTIFY_LIST];
};

/* One file to do: what is read, and an empty file that is written, both open. out is open for reading too. */
struct deidentify_job {
	int in, out;
	int was;       /* the file before its pixels were cleaned; else as in */
	uint64_t size; /* of in, not 0 */
	bool pixels_cleaned, features_cleaned, videos_stripped;
	bool pixels_changed; /* before it came here */
};

/* ---- deidentify_file.c: in the worker's process ---- */

/* Buffers for one file after the other. */
struct deidentify_work;

MUST_USE struct deidentify_work *deidentify_work_new(const struct deidentify_how *how);
/* file: all of job->in, in memory; job->in is -1 if it is not mapped from there. said is empty. */
void deidentify_file(struct deidentify_work *w, const struct deidentify_job *job, struct span file,
	struct deidentify_said *said);

/* ---- deidentify_worker.c ---- */

#define DEIDENTIFY_BATCH 16 /* files that are passed at once */

/*
 * A process in a sandbox that de-identifies what it is passed: it has those files, those that it writes, the key, and nothing else. A
 * file that takes it over could spoil what the same process does after it.
 */
struct deidentify_worker {
	const struct deidentify_how *how;
	struct deidentify_said *said; /* DEIDENTIFY_BATCH of them, which it writes */
	int pid, fd;                  /* -1: none is running */
	unsigned n_done;              /* files, since it was started */
};

/* ERR_NO_MEMORY */
MUST_USE int deidentify_worker_begin(struct deidentify_worker *w, const struct deidentify_how *how);
void deidentify_worker_done(struct deidentify_worker *w);

/* A file of a batch to come: what is not in memory yet is read at once with the others, and not one after the other. */
void deidentify_ask_for(int in);

/*
 * DEIDENTIFY_BATCH jobs at most; deidentify_worker_take() has what is said of each. A file on which the process dies is tried once more in a new one, by
 * itself, and if that dies too, it is OUTCOME_NONE.
 */
void deidentify_worker_run(struct deidentify_worker *w, const struct deidentify_job *jobs, unsigned n);

/*
 * A copy of what is said about the i-th, to go by: the process lives on, and whoever took it over could change its own words after they have
 * been looked at. Of ret_said->list only list_len bytes are written, and a NUL. The outcome is one of the enum, names end in NUL.
 */
void deidentify_worker_take(const struct deidentify_worker *w, unsigned i, struct deidentify_said *ret_said);

/* What comes next gets a process of its own. */
void deidentify_worker_stop(struct deidentify_worker *w);

/* ---- deidentify_keys.c: exit statuses; a failure has been told ---- */

enum { EXIT_GOOD, EXIT_SOME, EXIT_USAGE, EXIT_NOTHING };

MUST_USE int deidentify_make_key(const char *path);
MUST_USE int deidentify_read_key(const char *path, struct deidentify_how *how);
/* how->n_recipients of them, each tried: OpenSSL has then what it needs in every process that comes. */
MUST_USE int deidentify_read_recipients(const char *const *paths, struct deidentify_how *how);
void deidentify_forget_keys(struct deidentify_how *how);

/* ---- deidentify_tell.c ---- */

/* What, a name, and why. EXIT_NOTHING. */
int deidentify_complain(const char *what, const char *why);

/* A name made safe for a terminal; borrowed until the next call. */
const char *deidentify_printed(const char *path);

/*
 * Why there is no copy, or what there is to say of it; NULL: nothing. cleans: its pixels were to be cleaned. Borrowed until the
 * next call.
 */
const char *deidentify_sentence(const struct deidentify_said *s, bool cleans);

/* copy, why: NULL, or what is. */
void deidentify_tell_json(
	const struct deidentify_said *s, const char *name, const char *copy, const char *why);

void deidentify_tell_manifest(FILE *to, const struct deidentify_said *s, const char *name, const char *copy);

#endif
