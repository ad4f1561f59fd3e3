/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_RENAME_H
#define TRANSFORM_RENAME_H

#include "base/attr.h"
#include "base/err.h"
#include "base/writer.h"
#include "dicom/encoding.h"
#include "dicom/uid.h"
#include "transform/deidentify.h"

/*
 * Data sets that speak of objects which the other side knows by other names: queries and their answers, requests and reports of
 * storage commitment, LIMIT_RENAMED bytes of one at most. Sequences are written with undefined length, group lengths left out.
 *
 * A question goes to who has the objects de-identified by `rules`. Its UIDs that the rules replace become the others, also in lists and at any depth, and
 * so does the patient ID at the top, whose issuer is left out. What the rules remove, empty or change in objects must not be
 * told in a question either, and could match nothing: a value of that ends it all with ERR_DENIED, unless it says nothing (empty, or
 * wildcards alone).
 *
 * In an answer all UIDs are asked for, and the patient ID at the top; all else stays as it is.
 */
#define RENAME_NAME 65 /* the longest new name, with its NUL */

struct rename {
	/* What a name becomes, without padding and never empty. issuer: of a patient ID; a UID has none. Errors end it all. */
	int (*uid)(void *arg, struct span uid, char ret_name[RENAME_NAME]);
	int (*patient)(void *arg, struct span issuer, struct span id, char ret_name[RENAME_NAME]);
	void *arg;
	const struct deidentify_rules *rules; /* NULL: an answer */
};

/*
 * The whole data set, written to w. *ret_tag (may be NULL), with ERR_DENIED alone: the element that must not be told. Errors of the two, and of dataset_next(). ERR_SPACE: w has no room. ERR_UNSUPPORTED: deflated,
 * or with what such data sets do not have: fragments, sequences as UN. ERR_VALUE: a structure that may be read in two ways. ERR_LIMIT: a value is longer than those that are read.
 */
MUST_USE int rename_data_set(const struct rename *r, struct span transfer_syntax, struct span data,
	struct writer *w, uint32_t *ret_tag);

#endif
