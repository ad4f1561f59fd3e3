/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_SIGNED_H
#define DICOM_SIGNED_H

#include "dicom/mac.h"
#include "dicom/uid.h"

/*
 * The digital signatures of a data set (PS3.3 C.12.1.1.3): MAC Parameters Sequences (4FFE,0001) and Digital Signatures
 * Sequences (FFFA,FFFA), of it and of its items, collected while it streams past.
 */
#define SIGNED_MOST             64 /* signatures, and MAC parameters */
#define SIGNED_CERTIFICATE_MOST (16u * 1024)
#define SIGNED_VALUE_MOST       2048 /* RSA of 16384 bits */

struct signed_mac {
	struct mac_scope scope;
	bool has_id;
	uint16_t id;
	char syntax[UID_MAX + 1]; /* of the MAC's calculation; "": absent */
	char algorithm[17];
	uint32_t *tags; /* malloc'd, in their order */
	size_t n_tags;
};

struct signed_signature {
	struct mac_scope scope; /* what it is over */
	uint32_t number;        /* of its item in the sequence, from 1 */
	bool has_id;
	uint16_t id; /* of its MAC parameters */
	char uid[UID_MAX + 1], time[27], certificate_type[17];
	uint8_t *certificate; /* malloc'd; as encoded, with padding */
	size_t certificate_len;
	uint8_t value[SIGNED_VALUE_MOST];
	size_t value_len;
	char purpose[17], purpose_scheme[17]; /* Code Value of its purpose, and whose code; "": none */
	char timestamp_type[17];
	uint8_t *timestamp; /* malloc'd; as encoded, with padding; NULL: none that fits into 64 KiB */
	size_t timestamp_len;
	bool has_timestamp;
};

struct signed_facts {
	struct signed_mac macs[SIGNED_MOST];
	unsigned n_macs;
	struct signed_signature signatures[SIGNED_MOST];
	unsigned n_signatures;
	bool is_signed; /* Pixel Representation (0028,0103) of the data set is 1 */

	/* ---- Its own ---- */
	struct signed_mac *mac; /* the item that is being read */
	struct signed_signature *signature;
	unsigned depth; /* of that item's elements */
	uint8_t field;
	uint8_t buf[64u * 1024];
};

/*
 * Every event of the data set, and none of the file meta information. encoding: of the data set. A value that is too long or broken is as if it were
 * absent. ERR_LIMIT: more than SIGNED_MOST; ERR_NO_MEMORY.
 */
MUST_USE int signed_event(struct signed_facts *f, struct dataset *d, int event, enum encoding encoding);

void signed_done(struct signed_facts *f);

/* The MAC parameters of a signature; NULL: there are none, or several of that number. */
const struct signed_mac *signed_mac_of(const struct signed_facts *f, const struct signed_signature *s);

#endif
