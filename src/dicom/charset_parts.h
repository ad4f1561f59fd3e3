/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_CHARSET_PARTS_H
#define DICOM_CHARSET_PARTS_H

#include "base/reader.h"
#include "dicom/charset.h"

/* Between charset.c, which knows the terms, and charset_text.c, which knows the sets. */

/* A set of graphic characters, for G0 or G1. */
enum charset_set {
	SET_NONE,
	SET_ASCII,
	SET_ROMAJI,
	SET_KATAKANA,
	SET_LATIN1,
	SET_LATIN2,
	SET_LATIN3,
	SET_LATIN4,
	SET_LATIN5,
	SET_LATIN9,
	SET_CYRILLIC,
	SET_ARABIC,
	SET_GREEK,
	SET_HEBREW,
	SET_THAI,
	SET_JISX0208,
	SET_JISX0212,
	SET_KSX1001,
	SET_GB2312,
	SETS
};

/*
 * Read what follows an ESC and designate the set that it names to *g0 or *g1. *ret_declared: cs has it among its terms.
 * ERR_NOT_FOUND: no escape sequence of PS3.3 C.12.1.1.2; nothing is consumed.
 */
MUST_USE int charset_escape(
	const struct charset *cs, struct reader *r, uint8_t *g0, uint8_t *g1, bool *ret_declared);

#endif
