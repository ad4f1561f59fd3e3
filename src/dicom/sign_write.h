/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_SIGN_WRITE_H
#define DICOM_SIGN_WRITE_H

#include "base/writer.h"
#include "dicom/signed.h"

/*
 * Where a data set's own signature goes (PS3.3 C.12.1.1.3), and its bytes. The file stays as it is but for what is put in: two
 * sequences, or an item at the end of each that is there, and their lengths.
 */
struct sign_place {
	uint64_t at;     /* offset in the file of what is put in */
	bool is_there;   /* the sequence: an item is put in, and not all of it */
	bool has_length; /* … and its length is at length_at */
	uint64_t length_at;
	uint32_t length; /* as it is */
};

struct sign_places {
	struct sign_place mac, signature;
	bool odd; /* a sequence of that tag is encoded as something else */

	/* ---- Its own ---- */
	bool mac_found, signature_found;
};

/* Every event of a file's data set, and where that ends. */
void sign_places_event(struct sign_places *p, const struct dataset *d, int event, enum encoding encoding);
void sign_places_end(struct sign_places *p, uint64_t end);

struct sign_fields {
	uint16_t id;
	const char *syntax, *algorithm; /* of the MAC */
	const uint32_t *tags;
	size_t n_tags;
	const char *uid, *time;
	struct span certificate; /* DER */
	struct span
		value; /* of the signature; empty: leave it and the certificate out, which the MAC is not over */
};

/* The item of MAC parameters, and with `whole` the sequence around it. ERR_SPACE. */
MUST_USE int sign_write_mac(
	const struct sign_fields *f, bool whole, enum encoding encoding, struct writer *w);
/* That of the signature; without a value: its elements alone, as the MAC is over them. ERR_SPACE. */
MUST_USE int sign_write_signature(
	const struct sign_fields *f, bool whole, enum encoding encoding, struct writer *w);

/* A signature's certified timestamp: Certified Timestamp Type (CMS_TSP) and Certified Timestamp. ERR_SPACE. */
MUST_USE int sign_write_stamp(struct span token, enum encoding encoding, struct writer *w);

/* A number of that encoding: of a sequence's length. */
void sign_write_length(uint32_t length, enum encoding encoding, uint8_t ret_bytes[4]);

#endif
