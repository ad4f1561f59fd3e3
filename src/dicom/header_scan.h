/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_HEADER_SCAN_H
#define DICOM_HEADER_SCAN_H

#include "dicom/dataset.h"

/*
 * Whose a data set is, and what: the few elements that say so, collected from the first bytes of a data set that streams
 * past. Only the data set's own elements count, none from inside sequences (such as Other Patient IDs Sequence).
 */
enum header_field {
	HEADER_CHARSET,      /* (0008,0005), all values */
	HEADER_SOP_CLASS,    /* (0008,0016) */
	HEADER_SOP_INSTANCE, /* (0008,0018) */
	HEADER_STUDY_DATE,   /* (0008,0020) */
	HEADER_ACCESSION,    /* (0008,0050) */
	HEADER_MODALITY,     /* (0008,0060) */
	HEADER_DESCRIPTION,  /* (0008,1030), of the study */
	HEADER_PATIENT_NAME, /* (0010,0010) */
	HEADER_PATIENT_ID,   /* (0010,0020) */
	HEADER_ISSUER,       /* (0010,0021), of the patient ID */
	HEADER_BIRTH_DATE,   /* (0010,0030) */
	HEADER_STUDY,        /* (0020,000D), UID */
	HEADER_SERIES,       /* (0020,000E), UID */
	HEADER_N
};

/* The sum of what the fields hold at most: 80 bytes a UID, 1024 a name, the others between. */
#define HEADER_BYTES 2784

struct header_value {
	uint16_t at, len; /* in bytes[] */
	bool present;     /* the element was there, if with an empty value */
	bool truncated;   /* there was more than is kept */
	bool repeated;    /* it came again: this is the first */
};

struct header_scan {
	struct dataset d; /* d.offset: where a failure is; d.noted: what was odd on the way */
	int result;
	enum header_field current;
	struct header_value values[HEADER_N];
	uint8_t bytes[HEADER_BYTES];
};

enum {
	HEADER_MORE, /* needs more bytes */
	HEADER_DONE, /* every field's place is passed, or the data set ended */
};

/*
 * inflater: for deflated transfer syntaxes, may be NULL for others; see dataset_begin(). ERR_NOT_FOUND: not a transfer
 * syntax of the standard, how its data sets are encoded is unknown. ERR_UNSUPPORTED, ERR_NO_MEMORY.
 */
MUST_USE int header_scan_begin(struct header_scan *s, struct span transfer_syntax, struct inflater *inflater);

/*
 * The next bytes, of any number; nothing of them is borrowed afterwards. HEADER_MORE, HEADER_DONE, or dataset_next()'s
 * error; done or failed it ignores what comes and says the same again. Fields that came before a failure are kept.
 * Whoever feeds bounds how much: sequences and private elements of any size may stand before the last field.
 */
MUST_USE int header_scan_feed(struct header_scan *s, struct span bytes);

/* The data set is over: HEADER_DONE, or an error. */
MUST_USE int header_scan_end(struct header_scan *s);

/*
 * A field as it was encoded, without padding (PS3.5 6.2); character sets are not converted. Empty if it was absent. Of a
 * truncated value trailing spaces are kept. Borrows s.
 */
struct span header_value(const struct header_scan *s, enum header_field field);

#endif
