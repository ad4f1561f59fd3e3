/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_DICOMDIR_WRITE_H
#define DICOM_DICOMDIR_WRITE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "base/writer.h"

#include <stdbool.h>
#include <stdint.h>

/* Writing a DICOMDIR (PS3.10 8.6, PS3.3 F.3): its records, a level below another, with the offsets that tie them. */
struct dicomdir_record {
	uint8_t level; /* 0 PATIENT, 1 STUDY, 2 SERIES, 3 what is in a series. One deeper than the record before at most */
	const char *type; /* "PATIENT", "IMAGE" */
	struct span keys; /* elements in explicit VR little endian, in order, of groups above 0004H */
	/* Of level 3, and of what is of no patient, at level 0 with nothing below it; or else NULL: */
	const char *file; /* its components between backslashes: dicomdir_file_id_valid() */
	const char *sop_class, *sop_instance, *transfer_syntax;
};

/* PS3.10 8.2: one to eight components of one to eight characters of A-Z, 0-9, and _. */
bool dicomdir_file_id_valid(const char *file);

/* The name of the nth file that a file-set of ours has, from 0: "D0000000\\F0000000", a thousand in a folder. ERR_LIMIT. */
#define DICOMDIR_FILE_ID 32
MUST_USE int dicomdir_file_id(uint32_t n, char ret_file[DICOMDIR_FILE_ID]);

/*
 * All of the file: records in the order of a walk, each parent before its children. file_set: its UID. ERR_ORDER: a record without the one
 * above it, or none at all; ERR_VALUE: a name, UID or type that is none; ERR_LENGTH: keys of odd length; ERR_SPACE: it does not fit, or is
 * longer than an offset can say.
 */
MUST_USE int dicomdir_write(
	const char *file_set, const struct dicomdir_record *records, size_t n, struct writer *w);

#endif
