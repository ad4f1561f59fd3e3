/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INSPECT_SIGNATURE_H
#define INSPECT_SIGNATURE_H

#include "base/span.h"

/* What bytes are, by how they begin. */
enum signature {
	SIGNATURE_NONE,
	SIGNATURE_PE, /* "MZ" */
	SIGNATURE_ELF,
	SIGNATURE_MACHO,  /* and Java classes, which share a number with its universal files */
	SIGNATURE_SCRIPT, /* "#!", and batch files */
	SIGNATURE_ARCHIVE,
	SIGNATURE_PDF,
	SIGNATURE_DOCUMENT, /* office documents (OLE), RTF */
	SIGNATURE_HTML,
	SIGNATURE_XML,
	SIGNATURE_TIFF,
	SIGNATURE_N,
};

/* The bytes that tell all of them. */
#define SIGNATURE_BYTES 128

/*
 * of: the beginning, SIGNATURE_BYTES of it or all there is; more is not looked at. White space before text formats is
 * stepped over. PE is said for what has "MZ" and an offset of its header behind it, or a DOS header's page counts.
 */
enum signature signature_of(struct span of);

/* "a Windows program"; static storage. */
const char *signature_name(enum signature s);

#endif
