/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_RESTORE_H
#define TRANSFORM_RESTORE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "dicom/encoding.h"

/*
 * An object that was de-identified with encrypted originals becomes what it was, as far as they go (PS3.15 E.1.2, Re-identifier): whose keys
 * open one of them, decrypts it and has its attributes put in the place of what stands for them. Data sets are whole, in memory, and
 * not deflated.
 */
#define RESTORE_FOUND 16  /* recipients are mostly of one; several were made by others */
#define RESTORE_MOST  512 /* attributes */

struct restore_found {
	struct span syntax, cms; /* (0400,0510), (0400,0520) */
};

/* The Encrypted Attributes Sequence; more than RESTORE_FOUND are passed over. ERR_MISSING: there is none. dataset_next()'s errors. */
MUST_USE int restore_find(struct span data_set, enum encoding encoding,
	struct restore_found ret_found[RESTORE_FOUND], unsigned *ret_n);

struct restore {
	unsigned n;
	enum encoding encoding; /* of the originals */
	struct restore_one {
		uint32_t tag;
		char vr[3];
		bool is_sequence;
		struct span value, raw; /* raw: with its head */
	} of[RESTORE_MOST];
};

/*
 * An Encrypted Attributes Data Set, decrypted, which is borrowed. ERR_MISSING: no Modified Attributes Sequence with one item in it, as what
 * a wrong key gives. ERR_ORDER: its attributes do not ascend. ERR_LIMIT: there are more than RESTORE_MOST. dataset_next()'s errors.
 */
MUST_USE int restore_read(struct restore *r, struct span originals, struct span transfer_syntax);

/* SOP Instance UID of the original, trimmed; empty: it is not among them. */
struct span restore_instance(const struct restore *r);

struct restore_output {
	int (*write)(void *arg, struct span bytes); /* 0, or an error */
	void *arg;
};

/*
 * The data set with the originals in it, without what was encrypted and how it was de-identified, Patient Identity Removed NO.
 * ERR_UNSUPPORTED: an original is a sequence or binary, or not in the dictionary, and encoded in another way than the data set. Errors of write() and of
 * dataset_next(); what was written is of no use then.
 */
MUST_USE int restore_merge(const struct restore *r, struct span data_set, enum encoding encoding,
	const struct restore_output *out);

#endif
