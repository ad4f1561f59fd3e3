/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_INTAKE_H
#define ARCHIVE_INTAKE_H

#include "archive/folder.h"
#include "base/span.h"
#include "dicom/part10.h"
#include "dicom/uid.h"

#include <stdint.h>

/* "0f/<UID>.conflict-<n>.dcm" */
#define INTAKE_NAME (3 + UID_MAX + 32)

/* Different objects of one SOP instance UID that are kept; the next is refused. */
#define INTAKE_CONFLICTS 99

enum intake_result {
	INTAKE_STORED,     /* new */
	INTAKE_SAME,       /* its bytes were there already */
	INTAKE_MADE_AGAIN, /* all of it was there already but for the time, UID and value of its signatures, and how originals are encrypted */
	INTAKE_CONFLICT,   /* other bytes were there under its UID: kept beside them */
};

/* One object on its way into a folder. Until intake_finish() it has a name in .incoming alone. */
struct intake {
	const struct folder *folder; /* borrowed */
	int fd;                      /* of the temporary file, locked; -1: none */
	char temporary[32];          /* its name in .incoming */
	char uid[UID_MAX + 1];
	uint64_t data;  /* where the data set begins */
	uint64_t bytes; /* of the data set so far */
};

/*
 * Begin: a file with meta. ERR_VALUE: a UID of meta is not one. ERR_SPACE: no space, quota or size limit.
 * ERR_SYSTEM: errno tells. ret_intake needs intake_drop() or intake_finish() after success only.
 */
MUST_USE int intake_begin(
	const struct folder *folder, const struct part10_meta *meta, struct intake *ret_intake);

/* More of the data set. ERR_SPACE, ERR_SYSTEM: only intake_drop() may follow. */
MUST_USE int intake_write(struct intake *i, struct span bytes);

/*
 * The object is whole: give it its final name, never over another, and return when file and name are on the disk.
 * ret_name: below the folder. ERR_LIMIT: INTAKE_CONFLICTS. ERR_SPACE, ERR_SYSTEM. *i is done in every case.
 */
MUST_USE int intake_finish(struct intake *i, enum intake_result *ret_result, char ret_name[INTAKE_NAME]);

/* Remove it. On one that is done: nothing. errno stays. */
void intake_drop(struct intake *i);

/* Compute the digest once, so that the library has loaded all it opens: before a sandbox. */
void intake_prepare(void);

#endif
