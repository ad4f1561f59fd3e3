/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_DICOMDIR_H
#define DICOM_DICOMDIR_H

#include "dicom/file.h"
#include "dicom/uid.h"

/*
 * The files that a DICOMDIR lists (PS3.3 F.3, PS3.10 8.6), while it streams past: the Referenced File ID (0004,1500) of each
 * record, as a path below the DICOMDIR's own folder, and which object it says that the file is.
 */
#define DICOMDIR_SOP_CLASS "1.2.840.10008.1.3.10" /* Media Storage Directory Storage */

/* PS3.10 8.2: eight components of eight characters. There are devices that write longer ones. */
#define DICOMDIR_PATH 256

struct dicomdir {
	struct dicom_file f;
	size_t unread; /* File IDs that were longer than DICOMDIR_PATH, or empty */
	/* Of what was told last: Referenced SOP Instance UID in File (0004,1511); "": none, or no UID. */
	char instance[UID_MAX + 1];

	/* ---- Its own ---- */
	uint32_t reading; /* the element whose value comes; 0: none of ours */
	bool has;         /* a record's file, which is told when all of it is read */
	bool over;
	int result; /* then */
	char path[DICOMDIR_PATH + 1], uid[UID_MAX + 1];
	uint8_t value[DICOMDIR_PATH];
};

void dicomdir_begin(struct dicomdir *d);

/* As those of a file. */
void dicomdir_feed(struct dicomdir *d, struct span chunk);
void dicomdir_last(struct dicomdir *d);

/*
 * The next: 1, with components joined by slashes, of whatever characters were there but control characters; 0: all that was fed is
 * read, or it is over. Errors as of file_next(); deflated ones are ERR_UNSUPPORTED, as PS3.10 8.6 forbids them.
 */
MUST_USE int dicomdir_next(struct dicomdir *d, char ret_path[DICOMDIR_PATH + 1]);

#endif
