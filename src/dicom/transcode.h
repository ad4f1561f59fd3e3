/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_TRANSCODE_H
#define DICOM_TRANSCODE_H

#include "base/writer.h"
#include "dicom/file.h"
#include "dicom/implied.h"

/*
 * A DICOM file, made one in Explicit VR Little Endian while it streams past (PS3.5 A.2), whatever it is written in that is not
 * encapsulated. Values stay what they are:
 *
 * - of implicit VR, VRs are those of dicom/implied.h; of what the dictionary does not have, UN, also with undefined length, what is in
 *   which stays implicit (PS3.5 6.2.2); so do values that are too long for their VR in explicit VR;
 * - of big endian, bytes change places by VR;
 * - sequences and items have undefined lengths, a value of odd length is padded, and lengths of groups and Length to End are gone, as
 *   they would be false;
 * - the preamble is zeros (what else may be there points into the file), and the file meta information says who has written it.
 *
 * Digital signatures hold, being over Explicit VR Little Endian whatever an object is written in (PS3.15 C).
 *
 * Bounded memory: what of the file meta information is kept is TRANSCODE_META bytes at most.
 */
#define TRANSCODE_META  (16u * 1024)
#define TRANSCODE_PIECE (32u * 1024)

/* An error ends it. */
typedef int transcode_put(void *arg, struct span bytes);

struct transcode {
	uint64_t data_at; /* of what is written: where the data set begins */
	const char *why;  /* ERR_UNSUPPORTED: a sentence. Static */

	/* ---- Its own ---- */
	struct dicom_file f;
	struct inflater inflater;
	transcode_put *put;
	void *arg;
	struct implied implied;
	bool raw[LIMIT_SEQUENCE_DEPTH + 2]; /* of each depth: it is in a UN, and stays implicit */
	bool has_value, has_data, wants_representation, odd;
	char vr[3];
	uint8_t unit, n_carry, carry[8];
	unsigned n_given; /* of what is written anew in the meta information */
	struct writer meta, out;
	uint8_t meta_bytes[TRANSCODE_META], bytes[TRANSCODE_PIECE];
};

/* is_signed: Pixel Representation (0028,0103) of the data set, for the few elements in front of it that depend on it. */
void transcode_begin(struct transcode *t, bool is_signed, transcode_put *put, void *arg);

/*
 * Bytes of the file; and: that was all of it. Errors are for good, what was written before is worth nothing: those of file_next() and put();
 * ERR_UNSUPPORTED: it cannot be written so; ERR_LIMIT: its meta information is too long.
 */
MUST_USE int transcode_feed(struct transcode *t, struct span bytes);
MUST_USE int transcode_end(struct transcode *t);

#endif
