/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_ENCODING_H
#define DICOM_ENCODING_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/* How the elements of a data set are written. */
enum encoding {
	ENCODING_IMPLICIT_LE,
	ENCODING_EXPLICIT_LE,
	ENCODING_EXPLICIT_BE,
	ENCODING_DEFLATED_LE, /* explicit VR little endian, compressed as a whole (PS3.5 A.5) */
};

/*
 * How data sets of a standard transfer syntax are encoded (PS3.5 Annex A). ERR_NOT_FOUND: not a transfer syntax of
 * the standard.
 */
MUST_USE int encoding_of(struct span transfer_syntax, enum encoding *ret_encoding);

/*
 * In what the pixels of a transfer syntax are encoded when they were decoded and changed: without loss, in the same family (PS3.5 A.4).
 * NULL: in none, as no other of its family is known; or the pixels are native.
 */
const char *encoding_lossless(struct span transfer_syntax);

#endif
