/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_FILE_H
#define DICOM_FILE_H

#include "dicom/dataset.h"
#include "dicom/uid.h"

/*
 * A DICOM file (PS3.10 7.1) that streams past: preamble, file meta information, and the data set in the transfer syntax
 * that the meta information names. All is read with one data set parser, whose events and fields (file->d) are those of
 * dicom/dataset.h; offsets count from the file's first byte, in a deflated data set as if it were stored inflated.
 * part10_read() of dicom/part10.h is for who has the beginning in memory and wants its facts.
 */
#define FILE_PREAMBLE 128

struct dicom_file {
	struct dataset d;
	bool in_meta; /* the event is about the file meta information */
	uint8_t preamble[FILE_PREAMBLE +
			 4];         /* whole as soon as there was an event; the last four are "DICM" */
	struct span transfer_syntax; /* (0002,0010), once in_meta is over; lies in this struct */
	enum encoding encoding;      /* the data set's, then too */

	/* ---- Its own ---- */
	struct inflater *inflater;
	uint8_t stage;
	uint8_t fill;
	bool has_length, has_syntax;
	uint8_t length[4], syntax[UID_MAX + 2];
	uint64_t meta_end; /* as the group length says */
};

/* inflater: for deflated files; with NULL they fail with ERR_UNSUPPORTED. */
void file_begin(struct dicom_file *f, struct inflater *inflater);

/* As those of a data set. */
void file_feed(struct dicom_file *f, struct span chunk);
void file_last(struct dicom_file *f);

/*
 * As dataset_next(). File meta information is read in explicit VR little endian up to the first element of another
 * group, whatever its group length says; NOTE_FILE_META_LENGTH where that is absent or differs. Beside dataset_next()'s
 * errors: ERR_TYPE: no "DICM" (offset 128). ERR_MISSING: no transfer syntax. ERR_NOT_FOUND: one that is not the
 * standard's.
 */
MUST_USE int file_next(struct dicom_file *f);

#endif
