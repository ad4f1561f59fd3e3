/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_PART10_H
#define DICOM_PART10_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "base/writer.h"
#include "dicom/ae.h"

/* The beginning of a DICOM file: preamble, prefix, file meta information (PS3.10 7.1). */
struct part10_meta {
	struct span sop_class, sop_instance; /* (0002,0002), (0002,0003) */
	struct span transfer_syntax;         /* (0002,0010) */
	struct span implementation_class;    /* (0002,0012) */
	char implementation_version[17];     /* (0002,0013); "" none */
	char source_ae[AE_SIZE];             /* (0002,0016); "" none */
};

/* What part10_write() writes at most: 132 bytes, and the elements at their longest. */
#define PART10_META_MAX 640

/*
 * Preamble of zeros, "DICM", and the file meta group with version 00\01. The spans must be valid UIDs without padding;
 * the data set follows at the writer's end. ERR_VALUE: a UID is not one, nothing was written. ERR_SPACE.
 */
MUST_USE int part10_write(const struct part10_meta *meta, struct writer *w);

/*
 * Read the same from a file's first bytes (they need not be the whole file). The UIDs borrow bytes, trimmed.
 * *ret_data: offset of the data set. ERR_TRUNCATED: the group goes on past the bytes. ERR_TYPE: no "DICM".
 * ERR_MISSING, ERR_ORDER, ERR_DUPLICATE, ERR_LENGTH, ERR_VALUE as found. The preamble's bytes are not looked at.
 */
MUST_USE int part10_read(
	struct span bytes, struct part10_meta *ret_meta, size_t *ret_data, struct parse_fail *fail);

#endif
