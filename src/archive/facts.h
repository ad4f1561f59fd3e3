/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_FACTS_H
#define ARCHIVE_FACTS_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Why an object is in quarantine, from whom it came and where it was bound: as an association tells the store role, and as
 * the object's file keeps it. All text is UTF-8 without control characters (audit_text_set()); "" is what nobody knows.
 */

#define FACTS_FINDINGS 48

struct facts_finding {
	uint8_t severity; /* enum inspect_severity */
	uint64_t offset;  /* in the data set */
	char check[41];   /* "pdf-javascript" */
	char sentence[257];
	char path[129]; /* "(0042,0011)"; "" of the object as a whole */
	char excerpt[129];
};

struct facts {
	int64_t time_ms;  /* wall: of the verdict */
	uint64_t refusal; /* its number; 0: none */
	uint64_t association;
	char why[513];                   /* the refusal's sentence */
	char flow[65], from[65], to[65]; /* a flow; nodes of gantry.yaml */
	char calling[17], called[17];    /* AE titles */
	char address[46];                /* the caller's */
	char subject[257];               /* of its certificate, */
	char certificate[72], serial[64],
		issuer[257]; /* its fingerprint ("sha256:" and hexadecimal), its number, and of whom; of before there were these: "" */
	char user[257]; /* its user; with `user_proved` false only what it claims */
	bool user_proved;
	char sop_class[65], sop_instance[65], transfer_syntax[65]; /* never "" */
	char patient_id[257], patient_name[1025], study[65];
	struct facts_finding finding[FACTS_FINDINGS];
	unsigned n_findings;
};

/* What facts_write() writes at most. */
#define FACTS_MOST (32u * 1024)

/*
 * Wire form: u8 version 2, numbers in network order, texts as u16 length and bytes. Version 1, which is read too, has nothing of the
 * certificate but its subject. Writing: ERR_VALUE (a text that is none, no
 * SOP class, instance or transfer syntax), ERR_LIMIT (too many findings), ERR_SPACE. Reading: the same, ERR_TRUNCATED,
 * ERR_TRAILING, ERR_LENGTH (a text longer than its place); *ret_facts is untouched then.
 */
MUST_USE int facts_write(const struct facts *f, uint8_t *buf, size_t cap, size_t *ret_len);
MUST_USE int facts_read(struct span bytes, struct facts *ret_facts);

#endif
