/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MEDIA_RECORD_H
#define CLI_MEDIA_RECORD_H

#include "cli/media.h"

/* What leaves on a sealed disc, or comes in on one, in the audit trail of the gateway that runs here (PS3.15 A.5.3.4, A.5.3.5). */
struct media_record {
	const char *verb;   /* "seal", "open" */
	const char *config; /* NULL: there is none here */
	bool required;      /* without a record nothing is done */
	const char *why;    /* there will be none. NULL: there may be. Static, or kept */
	char kept[300];
	size_t n; /* studies, the first of the medium, whose last record says that it was done */
};

/* Is there a gateway that could? given: NULL, or the option's. False: it has said why nothing can be done. */
bool media_record_begin(struct media_record *r, const char *verb, const char *given, bool required);

/*
 * One record for each study of m, before what it says is done: on `medium`, a path; `more` says for whom or by whom, a sentence's end.
 * False: r->why says why not, and it is required; of studies that were recorded it is recorded that it was not done.
 */
bool media_record(struct media_record *r, const struct media *m, const char *medium, const char *more);

/* It was not done after all: as many records more. */
void media_record_undone(struct media_record *r, const struct media *m, const char *medium, const char *more);

/* After a failure: says which records could not be followed by one that it was not done, if any. */
void media_record_warn(const struct media_record *r, const struct media *m);

/* Says whether it is recorded. */
void media_record_tell(const struct media_record *r);

#endif
