/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEIDENTIFY_H
#define CLI_DEIDENTIFY_H

#include "base/attr.h"
#include "priv/sandbox.h"
#include "transform/deidentify.h"

/* One file, de-identified by a process of its own that has it, the file it writes, the key, and nothing else. */

#define DEIDENTIFY_LIST (4u << 20)

struct deidentify_how {
	struct deidentify_rules rules;
	uint8_t key[PSEUDONYM_KEY];
	const struct sandbox *sandbox; /* SANDBOX_KEYS */
	bool list;                     /* say what was done to each element */
	bool keep_leftovers;           /* they are told, and the file stays */
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
	OUTCOME_PIXELS, /* they may have text burned in, or cannot be cleaned */
};

/* What it said; it has read what others wrote, and is believed in nothing that matters. */
struct deidentify_said {
	enum deidentify_outcome outcome;
	int error;
	uint64_t offset;
	char patient[PSEUDONYM_PATIENT_SIZE], study[UID_MAX + 1], series[UID_MAX + 1], instance[UID_MAX + 1];
	bool left, unsearched; /* something is left over; there was more than is searched for */
	uint32_t left_of, left_in;
	uint32_t counts[CONFIDENTIALITY_CLEAN + 1]; /* elements, by what was done */
	bool list_is_cut;
	size_t list_len; /* lines of an element's path, a comma, and what was done */
	char list[DEIDENTIFY_LIST];
};

/* in, out: open files; out is empty, and open for reading too. said: of object_job_memory(). */
void deidentify_file(const struct deidentify_how *how, int in, int out, struct deidentify_said *said);

#endif
