/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INSPECT_CHECK_H
#define INSPECT_CHECK_H

#include "base/attr.h"
#include "base/err.h"

#include "inspect_check_table.h"

/*
 * What is looked for in an object: enum inspect_check, CHECK_TRUNCATED and so on to CHECK_N, of data/inspect_checks.tsv, which
 * has a row for each. docs/refused-object.md is for people.
 */
enum inspect_severity {
	INSPECT_NOTE,    /* not as the standard has it, or worth knowing; harmless */
	INSPECT_WARNING, /* broken, or suspicious */
	INSPECT_DANGER,  /* made to harm, or able to */
	INSPECT_SEVERITIES,
};

struct inspect_check_row {
	unsigned number;
	enum inspect_severity severity; /* by default */
	const char *name, *group;       /* "tag-order", "structure" */
	const char *sentence, *action;  /* what is wrong, what to do */
	const char *spec;               /* "PS3.5 7.1"; "" where no standard says it */
};

/* Static storage. */
const struct inspect_check_row *inspect_check_row(enum inspect_check check);

/* "tag-order". ERR_NOT_FOUND. */
MUST_USE int inspect_check_by_name(const char *name, enum inspect_check *ret_check);

/* "note", "warning", "danger"; static storage. */
const char *inspect_severity_name(enum inspect_severity severity);
MUST_USE int inspect_severity_by_name(const char *name, enum inspect_severity *ret_severity);

#endif
