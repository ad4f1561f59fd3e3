/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CMS_PARTS_H
#define KEYS_CMS_PARTS_H

#include "base/attr.h"
#include "base/err.h"
#include "base/reader.h"
#include "base/writer.h"
#include "keys/cms_ber.h"

/*
 * A structure of CMS (RFC 5652, 5083, 3274) of any size, in BER, taken apart: what is around its content becomes a small structure with detached
 * content, for OpenSSL, which would hold all of it in memory; the content is read piece by piece from where it lies. Pure, and nothing
 * is allocated.
 */
enum cms_type {
	CMS_NONE,  /* none of these */
	CMS_PLAIN, /* id-data: bytes of somebody's */
	CMS_SIGNED_DATA,
	CMS_ENVELOPED_DATA,
	CMS_DIGESTED_DATA,
	CMS_AUTH_ENVELOPED_DATA, /* RFC 5083: encrypted and authenticated at once */
	CMS_COMPRESSED_DATA,     /* RFC 3274 */
};

/* Nesting that is followed; certificates are not looked into. */
#define CMS_DEPTH_MOST BER_DEPTH_MOST

/* What is around the content: certificates, recipients, signatures. Bytes. */
#define CMS_AROUND_MOST (1024u * 1024)

struct cms_parts {
	enum cms_type type, inner; /* its own, and that of its content */
	struct span content;       /* borrowed: octets, or the segments of an octet string */
	bool segments, has_content;
};

/*
 * type: CMS_NONE: a ContentInfo is expected (RFC 5652 3); otherwise the bare structure of that type, which encrypted content is. around:
 * a ContentInfo without content is written there. ERR_TYPE: not CMS, or none of those; ERR_TRUNCATED: it ends too early; ERR_TRAILING;
 * ERR_LENGTH, ERR_VALUE, ERR_ORDER: broken; ERR_LIMIT: deeper than CMS_DEPTH_MOST; ERR_UNSUPPORTED: compressed, and not by zlib; ERR_SPACE: more around it than fits.
 */
MUST_USE int cms_parts_read(
	struct span bytes, enum cms_type type, struct writer *around, struct cms_parts *ret_parts);

/* The content's pieces, in their order. 1: *ret_piece, borrowed; 0: there are no more; ERR_VALUE, ERR_TRUNCATED. */
struct cms_pieces {
	struct reader r;
	bool segments, over;
};
struct cms_pieces cms_pieces_of(const struct cms_parts *parts);
MUST_USE int cms_pieces_next(struct cms_pieces *p, struct span *ret_piece);

#endif
