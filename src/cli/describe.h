/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DESCRIBE_H
#define CLI_DESCRIBE_H

#include "base/attr.h"
#include "base/err.h"
#include "dicom/uid.h"
#include "priv/sandbox.h"

/*
 * Whose a DICOM file is, and what, by a process in the sandbox that reads its beginning. Texts are UTF-8 without control
 * characters or characters that change the direction of text, whatever the process says.
 */
struct described {
	char sop_class[UID_MAX + 1], sop_instance[UID_MAX + 1]; /* of the data set: valid UIDs, or "" */
	char transfer_syntax[UID_MAX + 1];            /* of the file meta information, a valid UID */
	char study[UID_MAX + 1], series[UID_MAX + 1]; /* or "" */
	char name[256], id[128], birth_date[32];      /* of the patient, as encoded; "" absent */
	char study_date[32], description[128], modality[32], accession[64];
	uint64_t data_at;  /* where the data set begins in the file */
	uint8_t directory; /* not 0: it is a DICOMDIR */
};

/* file: its offset is moved. ERR_VALUE: it cannot be read as such a file, ERR_TIMEOUT, ERR_SYSTEM. */
MUST_USE int describe(const struct sandbox *sandbox, int file, unsigned seconds, struct described *ret);

/*
 * The files that a DICOMDIR lists, one call each with a path (dicom/dicomdir.h), which is text and not to be opened, and the SOP Instance
 * UID that it says the file has, or "". Errors
 * as above; what was listed before one has been told. *ret_unread: entries that could not be read.
 */
MUST_USE int describe_directory(const struct sandbox *sandbox, int file, unsigned seconds,
	int (*listed)(void *arg, const char *path, const char *instance), void *arg, size_t *ret_unread);

#endif
