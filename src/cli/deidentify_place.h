/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEIDENTIFY_PLACE_H
#define CLI_DEIDENTIFY_PLACE_H

#include "cli/deidentify.h"

/* `gantry deidentify`: copies get their names, PATIENT/STUDY/SERIES/INSTANCE.dcm in OUT. */
struct deidentify_place {
	int out_fd;
	int series_fd; /* of the last folder that something was put into; -1: none */
	char series[3 * (UID_MAX + 2)];
};

/*
 * The copy that is called part becomes what `said` says that it is; *copy: its path in OUT. encrypted: two copies of the same differ.
 * NULL: it has; else why not, borrowed until the next call, and it is still called part.
 */
MUST_USE const char *deidentify_place_put(struct deidentify_place *p, const struct deidentify_said *said,
	const char *part, bool encrypted, char *copy, size_t size);

/* out_fd stays open. */
void deidentify_place_done(struct deidentify_place *p);

#endif
