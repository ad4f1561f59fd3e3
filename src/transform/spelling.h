/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_SPELLING_H
#define TRANSFORM_SPELLING_H

#include "base/span.h"
#include "dicom/charset.h"

/*
 * A text that is not of ASCII alone, as it may be found elsewhere: as it is, in large and in small letters (of Latin, Greek and Cyrillic
 * script), each in UTF-8, in Latin-1 where that has its letters, and in UTF-16 of both byte orders.
 */
#define SPELLING_TEXT  192 /* bytes of UTF-8 of what is read of a text */
#define SPELLING_BYTES 128 /* of a spelling at most; what is longer is cut between letters */
#define SPELLING_MOST  12

struct spelling {
	uint8_t bytes[SPELLING_BYTES];
	uint8_t len;
	bool wide; /* UTF-16 */
};

/*
 * To UTF-8: of that character set, or else of UTF-8 or Latin-1, as what it is where nothing else was said. Cut behind the last whole
 * letter. The length in bytes; 0: it is none of these.
 */
size_t spelling_utf8(const struct charset *cs, const char *vr, struct span text, char to[SPELLING_TEXT + 1]);

/* Of well-formed UTF-8. How many; some may be the same. */
unsigned spelling_all(struct span utf8, struct spelling ret[SPELLING_MOST]);

/*
 * As somebody writes it who has ASCII alone, in small letters: of Latin script without what is on letters ("muller"), or with what stands for
 * it in German and Nordic languages ("mueller"). The length; 0: it has letters of another script.
 */
size_t spelling_plain(struct span utf8, bool as_two, uint8_t to[SPELLING_BYTES]);

/* The other way round, of ASCII: ae, oe and ue as one letter, in UTF-8. The length; 0: it has none. */
size_t spelling_umlauts(struct span text, uint8_t to[SPELLING_BYTES]);

#endif
