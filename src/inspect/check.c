/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/check.h"

#include <string.h>

static const struct inspect_check_row rows[] = {
#define X(c_name, number, severity, name, group, sentence, action, spec)                                     \
	{number, severity, name, group, sentence, action, spec},
	INSPECT_CHECKS(X)
#undef X
};
static_assert(ARRAY_LEN(rows) == CHECK_N, "a row for each");

static const char *const severities[] = {
	[INSPECT_NOTE] = "note", [INSPECT_WARNING] = "warning", [INSPECT_DANGER] = "danger"};
static_assert(ARRAY_LEN(severities) == INSPECT_SEVERITIES, "a name for each");

const struct inspect_check_row *inspect_check_row(enum inspect_check check)
{
	return &rows[check];
}

int inspect_check_by_name(const char *name, enum inspect_check *ret_check)
{
	for (unsigned i = 0; i < CHECK_N; i++) {
		if (strcmp(rows[i].name, name) == 0) {
			*ret_check = (enum inspect_check)i;
			return 0;
		}
	}
	return ERR_NOT_FOUND;
}

const char *inspect_severity_name(enum inspect_severity severity)
{
	return severities[severity];
}

int inspect_severity_by_name(const char *name, enum inspect_severity *ret_severity)
{
	for (unsigned i = 0; i < INSPECT_SEVERITIES; i++) {
		if (strcmp(severities[i], name) == 0) {
			*ret_severity = (enum inspect_severity)i;
			return 0;
		}
	}
	return ERR_NOT_FOUND;
}
