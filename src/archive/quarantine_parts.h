/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_QUARANTINE_PARTS_H
#define ARCHIVE_QUARANTINE_PARTS_H

#include "archive/quarantine.h"

/* What the files of the quarantine share. */

/* The folder's lock, for one change; waits for it. -1: errno tells. Closing lets go. */
MUST_USE int quarantine_lock(int dir);

/* "17-…" as an object; ERR_VALUE: it is none. */
MUST_USE int quarantine_name_read(const char *name, struct quarantine_object *ret_object);
void quarantine_name_write(
	uint64_t number, const uint8_t *same /* NULL: released */, char ret_name[QUARANTINE_NAME]);

/* Under the lock: a number that was never given, and will not be again. ERR_SPACE, ERR_SYSTEM. */
MUST_USE int quarantine_number(int dir, uint64_t greatest, uint64_t *ret_number);

#endif
