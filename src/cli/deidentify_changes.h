/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEIDENTIFY_CHANGES_H
#define CLI_DEIDENTIFY_CHANGES_H

#include "cli/deidentify.h"
#include "dicom/dataset.h"

/*
 * Who cleans pixels changes elements beside them (src/pixels/clean.c), before the object is de-identified: which of them are not in the
 * copy what they were in the file that was read, and which were not there. The pixels themselves are not among them.
 */
#define DEIDENTIFY_CHANGES 16

struct deidentify_changes {
	struct deidentify_change {
		bool was, is;
		uint64_t hash[2]; /* of its value: as it was, as it is */
	} of[DEIDENTIFY_CHANGES];
	int now; /* the one whose value comes; -1: of another element */
};

void deidentify_changes_begin(struct deidentify_changes *c);

/* Every event of a file; asks for the values that it wants. copy: of the copy, not of the file that was read, which comes first. */
void deidentify_changes_event(struct deidentify_changes *c, struct dataset *d, int event, bool copy);

/* Each that is gone, has another value, or is new. */
void deidentify_changes_tell(const struct deidentify_changes *c,
	void (*done)(void *arg, uint32_t tag, enum deidentify_done what), void *arg);

#endif
