/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_MAIL_OPEN_H
#define KEYS_MAIL_OPEN_H

#include "keys/cms_open.h"

/*
 * The DICOM files of a mail (PS3.15 B.8): S/MIME (RFC 8551) of whatever signatures and encryptions in one another, or a bare structure of
 * CMS, as mail programs save it. For a process in a sandbox, as cms_open().
 */
#define MAIL_ROUNDS     3 /* of CMS in MIME in CMS */
#define MAIL_DEPTH_MOST 8 /* of parts in parts */
#define MAIL_FILES      (2 + MAIL_ROUNDS * (1 + CMS_LAYERS))

/* A file that was found: its bytes are so many of files[0], from `at` on. Plain bytes; files[1] has one after another. */
struct mail_part {
	uint64_t at, len;
	char id[256];            /* its File ID, or its file's name; bytes as they come */
	struct cms_found around; /* enveloped, digested, signer, subject, doubt of what it stood in */
};

/*
 * files: empty, to be read and written, not closed. found: kek alone is read; why is written. ERR_TYPE: no mail; ERR_NOT_FOUND: also, no
 * DICOM file is in it; ERR_VALUE, ERR_TRUNCATED, ERR_LIMIT, and what cms_open() says.
 */
MUST_USE int mail_open(const struct cms_opening *o, struct span bytes, const int files[MAIL_FILES],
	int64_t now_s, struct cms_found *found);

#endif
