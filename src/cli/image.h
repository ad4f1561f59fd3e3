/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H

#include "base/limits.h"
#include "cli/image_read.h"
#include "cli/scrap.h"

/*
 * An image of a disc, read by a process in a sandbox (cli/image_read.h), whose word is not trusted: what comes are names,
 * which are text and never paths, and bytes, within limits.
 */
enum image_kind {
	IMAGE_NONE,
	IMAGE_ISO,
	IMAGE_ZIP,
	IMAGE_UDF, /* without an ISO 9660 file system beside it */
};

/* By its first bytes. A DICOM file is none, whatever its preamble says. fd: its offset is not moved. */
enum image_kind image_kind_of(int fd);

struct image_how {
	unsigned seconds;                /* how long it may be silent */
	bool (*leave)(const char *name); /* members with such names are not opened; NULL: there are none */
	const char *module;              /* NULL: ours, by the kind of image */
	bool dicom;                      /* files without "DICM" at 128 are not read further */
};

struct image_member {
	enum image_what what;
	bool left;                        /* its name was on the list, and it has not been opened */
	bool other;                       /* it has no "DICM" */
	bool sealed;                      /* … but begins as a Secure DICOM File does */
	bool bad;                         /* its bytes could not all be read, because of why */
	char name[LIMIT_MEMBER_NAME + 1]; /* of any bytes but NUL */
	char why[192];
	struct scrap bytes; /* of a file that is none of these: the caller's to end. Otherwise SCRAP_NONE */
};

struct image;

/* fd: open for reading, seekable; it is not closed, but its offset is moved on. ERR_SYSTEM, ERR_NO_MEMORY, with a sentence. */
MUST_USE int image_open(int fd, const struct image_how *how, struct image **ret_image, char *why, size_t cap);

/*
 * The next member: 1; 0: there are no more. ERR_TYPE, ERR_VALUE, ERR_LIMIT as of image_read(); ERR_TIMEOUT, ERR_PEER; image_why() has
 * a sentence. After an error there is nothing more.
 */
MUST_USE int image_next(struct image *m, struct image_member *ret_member);

const char *image_why(const struct image *m);

/* How much of it has been read, of 1000. */
unsigned image_progress(const struct image *m);

void image_close(struct image *m);

#endif
