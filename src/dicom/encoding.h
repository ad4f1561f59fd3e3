/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_ENCODING_H
#define DICOM_ENCODING_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>

/* How the elements of a data set are written. */
enum encoding {
	ENCODING_IMPLICIT_LE,
	ENCODING_EXPLICIT_LE,
	ENCODING_EXPLICIT_BE,
	ENCODING_DEFLATED_LE, /* explicit VR little endian, compressed as a whole (PS3.5 A.5) */
};

/* PS3.5 A.1, A.2 */
#define SYNTAX_IMPLICIT_LE "1.2.840.10008.1.2"
#define SYNTAX_EXPLICIT_LE "1.2.840.10008.1.2.1"

/*
 * How data sets of a standard transfer syntax are encoded (PS3.5 Annex A). ERR_NOT_FOUND: not a transfer syntax of
 * the standard.
 */
MUST_USE int encoding_of(struct span transfer_syntax, enum encoding *ret_encoding);

/* How frames of pixels are encoded (PS3.5 A.4); the lossless processes of JPEG: 14, and 14 with selection value 1. */
enum coding {
	CODING_JPEG,
	CODING_JPEG_LOSSLESS_14,
	CODING_JPEG_LOSSLESS,
	CODING_JPEG_LS,
	CODING_JPEG_2000,
	CODING_JPEG_XL,
	CODING_RLE,
	CODING_DEFLATED,
	CODING_PLAIN, /* frames as they are (PS3.5 A.4.11) */
	CODING_MPEG2, /* of videos, these and the next: all frames are one stream (PS3.5 A.4.5 to A.4.10) */
	CODING_H264,
	CODING_HEVC,
	CODING_N
};

/* A transfer syntax, and that in which its pixels are encoded when they were decoded and changed: without loss, in the same family where that has any. */
struct encoding_coded {
	const char *uid;
	enum coding coding;
	const char *lossless;
	enum coding lossless_coding;
	bool is_lossy; /* what is in it has lost something, always or but in name */
};

static inline bool encoding_is_video(enum coding coding)
{
	return coding == CODING_MPEG2 || coding == CODING_H264 || coding == CODING_HEVC;
}

/* Decoded they are native pixels. */
static inline bool encoding_is_unpacked(enum coding coding)
{
	return coding == CODING_DEFLATED || coding == CODING_PLAIN;
}

/* No library of others is needed to read and to write them. */
static inline bool encoding_is_ours(enum coding coding)
{
	return coding == CODING_RLE || encoding_is_unpacked(coding);
}

/* Static, of data/pixel_codings.tsv. NULL: no other of its family is known, or the pixels are native. */
const struct encoding_coded *encoding_coded(struct span transfer_syntax);

/* Of the standard's that are not decoded: a sentence of why, static. NULL: it is decoded, or the pixels are native, or it is none of the standard's. */
const char *encoding_why_not(struct span transfer_syntax);

/* The UID of that other; NULL as above. */
const char *encoding_lossless(struct span transfer_syntax);

#endif
