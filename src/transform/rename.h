/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_RENAME_H
#define TRANSFORM_RENAME_H

#include "base/attr.h"
#include "base/err.h"
#include "base/writer.h"
#include "dicom/encoding.h"
#include "dicom/uid.h"

/*
 * Small data sets that speak of objects which the other side knows by other names: queries and their answers, requests and reports of
 * storage commitment. Renamed are SOP instance, study and series UIDs ((0008,0018), (0008,0058), (0008,1155), (0020,000D), (0020,000E)), also in
 * lists, at any depth, and the patient ID at the top. All else stays as it is; sequences are written with undefined length.
 */
#define RENAME_NAME 65 /* the longest new name, with its NUL */

struct rename {
	/* What a name becomes, without padding and never empty. issuer: of a patient ID; a UID has none. Errors end it all. */
	int (*uid)(void *arg, struct span uid, char ret_name[RENAME_NAME]);
	int (*patient)(void *arg, struct span issuer, struct span id, char ret_name[RENAME_NAME]);
	void *arg;
};

/*
 * The whole data set, written to w. Errors of the two, and of dataset_next(). ERR_SPACE: w has no room. ERR_UNSUPPORTED: deflated,
 * or with what such data sets do not have: fragments, sequences as UN. ERR_VALUE: a structure that may be read in two ways. ERR_LIMIT: a value is longer than those that are read.
 */
MUST_USE int rename_data_set(
	const struct rename *r, struct span transfer_syntax, struct span data, struct writer *w);

#endif
