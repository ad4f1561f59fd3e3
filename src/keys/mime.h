/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_MIME_H
#define KEYS_MIME_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>

/* The little of MIME (RFC 2045, 2046, 1847, 8551, 3240) that a mail with DICOM files has. Pure, and nothing is allocated. */
enum mime_kind {
	MIME_OTHER,
	MIME_MULTIPART,
	MIME_SIGNED,    /* multipart/signed */
	MIME_CMS,       /* application/pkcs7-mime */
	MIME_SIGNATURE, /* application/pkcs7-signature */
	MIME_DICOM,     /* application/dicom */
};

enum mime_encoding {
	MIME_PLAIN, /* 7bit, 8bit, binary */
	MIME_BASE64,
	MIME_QUOTED, /* quoted-printable */
	MIME_UNKNOWN,
};

#define MIME_BOUNDARY_MOST 70 /* RFC 2046 5.1.1 */
#define MIME_NAME_MOST     255

struct mime_entity {
	enum mime_kind kind;
	enum mime_encoding encoding;
	char boundary[MIME_BOUNDARY_MOST + 1]; /* of a multipart */
	char id[MIME_NAME_MOST +
		1];       /* of DICOM: its File ID, or else its file's name; bytes as they come; "" */
	struct span body; /* borrowed, encoded */
};

/* Head and body. Lines end in "\n", or "\r\n". ERR_TYPE: no head; ERR_VALUE: a multipart without a boundary. */
MUST_USE int mime_read(struct span bytes, struct mime_entity *ret_entity);

/*
 * The parts of a multipart, one after another: each is an entity, without the line end that belongs to the boundary. 1: *ret_part, borrowed;
 * 0: there are no more; ERR_TRUNCATED: the last boundary is missing.
 */
struct mime_parts {
	struct span left;
	const char *boundary; /* borrowed */
	bool begun, over;
};
struct mime_parts mime_parts_of(const struct mime_entity *e);
MUST_USE int mime_parts_next(struct mime_parts *p, struct span *ret_part);

/* The body's bytes, piece by piece. ERR_VALUE: not so encoded; ERR_UNSUPPORTED: MIME_UNKNOWN; what put() says. */
typedef int mime_put(void *arg, struct span bytes);
MUST_USE int mime_decode(enum mime_encoding encoding, struct span body, mime_put *put, void *arg);

#endif
