/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_ORIGINALS_H
#define TRANSFORM_ORIGINALS_H

#include "base/writer.h"
#include "dicom/dataset.h"
#include "transform/pseudonym.h"

/*
 * What an object was before it was de-identified: an Encrypted Attributes Data Set before its encryption (PS3.15 E.1.1), explicit VR
 * little endian, whose Modified Attributes Sequence (0400,0550) has one item. It stands before most of what it is about, so the object
 * is de-identified twice: the first time with originals_take() as the log's original(); then what originals_end() gives is encrypted
 * (keys/attributes.h) and becomes the rules' `encrypted` of the second.
 *
 * In it are texts, UIDs and numbers as text of the top of the data set, of even groups: names, IDs, dates, and the instance's own UIDs,
 * by which the original is found. Not in it: sequences, binary values, private attributes, and values over DEIDENTIFY_VALUE.
 */
#define ORIGINALS_MOST   (64u * 1024)
#define ORIGINALS_SYNTAX "1.2.840.10008.1.2.1"

struct originals {
	uint32_t last;   /* tag */
	struct writer w; /* of the elements; behind room for what stands before them */
	uint8_t bytes[ORIGINALS_MOST];
};

void originals_begin(struct originals *o);

/* As struct deidentify_log has it, with arg = o. */
void originals_take(void *arg, const struct dataset *where, struct span value);

/*
 * charset: of the object, Specific Character Set (0008,0005), with or without padding; empty: none. The data set, in *ret_data_set, lies
 * in o. Once. ERR_LIMIT: they do not fit. ERR_MISSING: there is nothing in it.
 */
MUST_USE int originals_end(struct originals *o, struct span charset, struct span *ret_data_set);

/*
 * By which it is seen that two objects have the same originals for the same people, though each encryption differs: an archive that has the one
 * need not keep the other (archive/likeness.h). Made with the key of pseudonyms, so that nobody can try whose originals they may be. It stands
 * beside what is encrypted, in a private block. recipients: a digest of who they are. Errors of p->make(); ERR_TLS.
 */
#define ORIGINALS_MARK    16
#define ORIGINALS_CREATOR "GANTRY_ORIGINALS" /* (0401,0010) */
#define TAG_MARK_CREATOR  0x04010010u
#define TAG_MARK          0x04011001u
MUST_USE int originals_mark(const struct pseudonyms *p, struct span data_set, struct span recipients,
	uint8_t ret_mark[ORIGINALS_MARK]);

#endif
