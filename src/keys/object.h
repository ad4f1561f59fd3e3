/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_OBJECT_H
#define KEYS_OBJECT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "dicom/signed.h"
#include "keys/crl.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Digital signatures of DICOM objects (PS3.15 Annex C, PS3.3 C.12.1.1.3): RSA, as the annex knows nothing else. Who has the key
 * is given the object, parses it here, and makes the MAC over what it has parsed: never a digest.
 */

/* ---- Making one: for the process that has the key ---- */

struct object_key;

/* where, certificate_pem: as of private_key_open(). ERR_UNSUPPORTED: no RSA of 2048 bits or more; and its errors. */
MUST_USE int object_key_open(
	const char *where, struct span certificate_pem, struct object_key **ret_key, char *why, size_t cap);
/* The same as private_key_open_asking(). */
struct private_key_asks;
MUST_USE int object_key_open_asking(const char *where, struct span certificate_pem,
	const struct private_key_asks *asks, struct object_key **ret_key, char *why, size_t cap);
void object_key_free(struct object_key *k);

enum object_hash { OBJECT_SHA256, OBJECT_SHA384, OBJECT_SHA512, OBJECT_HASHES };
extern const char *const object_hash_words[OBJECT_HASHES + 1]; /* "SHA256"; NULL-ended */

struct object_wish {
	uint32_t hash; /* enum object_hash */
	/*
	 * What is signed, ascending; 0: everything that can be, as the Creator profile asks at least (PS3.15 C.2). profile: SIGNED_CREATOR or
	 * SIGNED_AUTHORIZATION (dicom/sign_profile.h): refuse a list that has less than that profile asks for; 0: any.
	 */
	uint32_t n_tags;
	uint32_t profile;
	uint32_t tags[MAC_TAGS_MOST];
};

/* What a file becomes by it: at each place some bytes are left out, and others put in. In ascending order. */
struct object_edit {
	uint64_t at;
	uint32_t leave_out, from, len; /* the bytes are bytes[from], len of them */
};

#define OBJECT_EDITS 4
#define OBJECT_BYTES (160u * 1024)

struct object_signed {
	uint32_t n_edits;
	struct object_edit edits[OBJECT_EDITS];
	/* A deflated one: where its data set begins. What is behind it is deflated anew, and the edits are of what it says. Otherwise 0. */
	uint64_t deflated_at;
	uint32_t n_signed; /* elements */
	char uid[UID_MAX + 1], why[200];
	uint8_t value_sha256[32]; /* of the signature */
	uint8_t bytes[OBJECT_BYTES];
};

/*
 * Sign a DICOM file (PS3.10) of any transfer syntax. now_ms: wall. On failure ret->why is a
 * sentence: ERR_VALUE: no such file, or its structure can be read in more than one way; ERR_MISSING: an element that is to be signed is not
 * there or cannot be; ERR_UNSUPPORTED; ERR_LIMIT; ERR_TLS, ERR_SYSTEM: the key does not sign; ERR_NO_MEMORY.
 */
MUST_USE int object_sign(const struct object_key *k, struct span file, const struct object_wish *wish,
	int64_t now_ms, struct object_signed *ret);

/*
 * Put a timestamp that an authority has answered with (TimeStampResp, RFC 3161 2.4.2) to the signature of the data set that it is over; who
 * made it is not looked at. Errors as above, and ERR_NOT_FOUND: over no signature in the file; ERR_EXISTS: that has one already;
 * ERR_DENIED: the authority refuses.
 */
MUST_USE int object_stamp(struct span file, struct span response, struct object_signed *ret);

/* What to ask it for (TimeStampReq): SHA-256 of the signature, and for its certificate. ERR_NO_MEMORY. */
MUST_USE int object_stamp_query(const uint8_t sha256[32], uint8_t *buf, size_t cap, size_t *ret_len);

/* ---- Looking at them ---- */

enum object_state {
	OBJECT_GOOD,      /* the MAC is right, and the certificate leads to an authority that is trusted */
	OBJECT_UNTRUSTED, /* the MAC is right; why says what is wrong with the certificate */
	OBJECT_FALSE,     /* what is signed was changed, or it is no signature by that certificate */
	OBJECT_UNKNOWN,   /* it cannot be told; why says why */
};

/* What a signature says of when it was made, which is its signer's word alone. */
enum object_time {
	OBJECT_TIME_UNKNOWN, /* it names no day */
	OBJECT_TIME_FITS,
	OBJECT_TIME_OUTSIDE, /* its certificate was not valid then */
	OBJECT_TIME_LATER,   /* than now, or than its good timestamp */
};

/* A certified timestamp (PS3.15 C.1, RFC 3161): somebody else's word for when the signature was there at the latest. */
struct object_stamp {
	uint8_t present, weak; /* weak: its hash of the signature is below SHA-256 */
	uint32_t state;        /* enum object_state */
	int64_t time_s;        /* if it is good: when, in seconds since 1970 */
	char time[24];         /* "2026-11-26 06:30:00 UTC"; "": cannot be read */
	char by[256], why[200];
};

struct object_verdict {
	uint32_t state; /* enum object_state */
	char where[64]; /* "": the whole data set; else the sequence, and which item */
	char uid[UID_MAX + 1], time[27], algorithm[17], purpose[17];
	char subject[256], why[200];
	uint32_t n_signed; /* elements */
	uint32_t
		profiles; /* enum signed_profile, whose attributes are all signed; of the whole data set alone */
	uint32_t lacking;      /* of the Creator profile's; 0: nothing */
	uint8_t covers_all;    /* everything that can be signed is */
	uint8_t over_instance; /* the SOP Instance UID is signed: in another object it is not right */
	uint8_t weak;          /* RIPEMD160, MD5, SHA1: no new signature is made with it */
	uint8_t when;          /* enum object_time */
	struct object_stamp stamp;
};

struct object_report {
	uint32_t n;
	uint8_t verified; /* it is a report, and says that it is verified (PS3.15 C.4) */
	struct object_verdict verdicts[SIGNED_MOST];
	char why[200]; /* of a failure */
};

struct object_trust;
/* trust: PEM, n of them. lists: may be NULL; they are borrowed. ERR_VALUE: one holds no certificate; ERR_NO_MEMORY. */
MUST_USE int object_trust_new(
	const struct span *trust, size_t n, const struct crl_list *lists, struct object_trust **ret_trust);
/* Authorities of timestamps; without a call those of signers are asked for. Errors as above. */
MUST_USE int object_trust_stamps(struct object_trust *t, const struct span *trust, size_t n);
void object_trust_free(struct object_trust *t);

/*
 * All signatures of a file, each with a verdict. A signer's certificate must be valid now, or when a good timestamp says that the
 * signature was there. Errors as above: the file could not be read to its end;
 * ret->why.
 */
MUST_USE int object_verify(
	struct span file, const struct object_trust *trust, int64_t now_s, struct object_report *ret);

/* A pass over a file's data set, for both: `each` is told of every event of it. 0, its error, or the parser's. */
struct object_pass {
	struct span file;
	int (*each)(void *arg, struct dataset *d, int event, enum encoding encoding);
	void *arg;
	/* Afterwards: */
	char syntax[UID_MAX + 1];
	enum encoding encoding;
	uint32_t noted;
	uint64_t data_at, end; /* where the data set begins, and ends */
};
MUST_USE int object_pass(struct object_pass *p);

#endif
