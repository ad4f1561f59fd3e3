/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_CHARSET_H
#define DICOM_CHARSET_H

#include "base/attr.h"
#include "base/span.h"

/*
 * DICOM text to UTF-8 (PS3.5 6.1). Tables of our own: no locale, no file, no allocation. Neither function can fail:
 * what cannot be understood is replaced and counted, and who asks decides what that means.
 */

/* Values of Specific Character Set that are read; the standard has no use for as many. */
#define CHARSET_VALUES 8

/* What is not by the standard in a Specific Character Set, as a mask. None of it stops the conversion. */
enum charset_fault {
	CHARSET_MISSPELT =
		1 << 0, /* a value that is no defined term, though it is clear which one was meant */
	CHARSET_UNKNOWN = 1 << 1, /* a value that names no character set we know; it is passed over */
	CHARSET_MIXED = 1 << 2,   /* ISO_IR 192, GB18030 or GBK beside others, which they do not allow */
	CHARSET_FIRST = 1 << 3, /* value 1 is a set of two bytes a character, which may only extend another */
	CHARSET_EXTENSION = 1 << 4, /* a term with code extensions alone, or one without among several */
	CHARSET_MANY = 1 << 5,      /* over CHARSET_VALUES; the rest is not read */
};

enum charset_coding {
	CHARSET_ISO2022, /* G0 and G1, with or without code extensions */
	CHARSET_UTF8,
	CHARSET_GB18030,
	CHARSET_GBK,
};

/* A Specific Character Set (0008,0005), read. */
struct charset {
	enum charset_coding coding;
	bool extended;     /* escape sequences are heeded */
	uint8_t g0, g1;    /* enum charset_set at the beginning of a value */
	uint32_t declared; /* the terms that were named, one bit each */
	unsigned faults;   /* a mask of enum charset_fault */
};

/*
 * The value of a Specific Character Set, backslashes and padding included (PS3.3 C.12.1.1.2). Spellings that differ
 * from a defined term in case, spaces, underscores, hyphens and the like are taken for it, and flagged: ISO-IR 100,
 * ISO_2022_IR_87, iso_ir 192, UTF-8. A term with code extensions that stands alone allows them. An empty value is the
 * default repertoire, ISO-IR 6.
 */
struct charset charset_of(struct span value);

enum charset_option {
	/*
	 * ST, LT and UT may have lines (PS3.5 6.1.3). Without this, each TAB and each end of line or page (CR LF, CR, LF,
	 * FF, U+2028, U+2029) becomes one space; with it TAB stays, and each end becomes one LF.
	 */
	CHARSET_LINES = 1 << 0,
	/*
	 * Characters that change the direction of text (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069) can make
	 * a text look like another. They are always counted; with this they are replaced too.
	 */
	CHARSET_NO_BIDI = 1 << 1,
};

struct charset_text {
	size_t len;        /* bytes written, the NUL not counted */
	unsigned replaced; /* how many U+FFFD stand for something else */
	unsigned
		undeclared; /* escape sequences of the standard that the Specific Character Set does not name */
	unsigned bidi;      /* characters that change the direction of text */
	/*
	 * Of those that were replaced: what terminals take for the beginning of a command (ECMA-48 5.4, 5.6). An ESC that begins no
	 * escape sequence of a character set, and U+0090, U+009B, U+009D of C1 where a parameter follows. Other
	 * bytes of C1 are letters in the code pages of PCs, and met where these were not declared.
	 */
	unsigned controls;
	bool truncated; /* the rest did not fit: cut between characters, not counted above */
};

/*
 * Write a value, its delimiters included, as UTF-8 and a NUL to `to`, which has room for cap bytes; with cap 0 nothing
 * is written. `value` and `to` must not overlap. Trailing padding (spaces, NULs) is left away.
 *
 * What is written is safe for a log, XML 1.0 and a terminal: well-formed UTF-8 with no control character (C0, DEL, C1;
 * but TAB and LF with CHARSET_LINES), no surrogate and no noncharacter. Each of these, and what is no character in its
 * set, becomes one U+FFFD: a byte, a pair of bytes of a set of two bytes a character, the well-formed beginning of
 * what would be a character in UTF-8. A byte that would be a character of its own is never taken along.
 *
 * cs: that of the data set, or of the innermost item around the value that has one; NULL if none has. vr: two letters.
 * LO, PN, SH, UC, ST, LT and UT are in the character set cs, every other VR in the default repertoire (PS3.5 6.1.2.3);
 * a UN that holds text is up to the caller.
 *
 * The sets at the beginning are active again after a backslash (but in ST, LT and UT, which have one value), after ^
 * and = in PN, and after a control character (PS3.5 6.1.2.5.3). In ISO-IR 14, 5CH is a YEN SIGN, but a backslash where
 * it delimits values. Where there are code extensions, an escape sequence of the standard that was not declared is
 * heeded and counted. Any other, and all where there are none, are no escape sequences: the ESC is replaced.
 *
 * GBK is read as what of GB 18030 has two bytes: some places that GBK leaves empty have a character there. Sets whose
 * standard had later editions (ISO 8859-7 and -8, KS X 1001, GB 18030) have the later edition's characters too.
 */
void charset_to_utf8(const struct charset *cs, const char *vr, unsigned options, struct span value, char *to,
	size_t cap, struct charset_text *ret_text);

/* Where the decoding of a value is that comes in pieces; all zero at its beginning. */
struct charset_state {
	bool begun;
	uint8_t g0, g1;
};

#define CHARSET_AHEAD 8 /* fewer bytes are left for the next piece, as they may be a part of a character */

/*
 * The same for a value that comes in pieces: how many bytes of this one were read. Fewer than CHARSET_AHEAD are left, none if it is
 * the last one; they begin the next. `to` must have room for three bytes a byte, and a NUL. Padding is not left away. *ret_text is
 * of this piece.
 */
size_t charset_piece(const struct charset *cs, const char *vr, unsigned options, struct charset_state *state,
	struct span piece, bool last, char *to, size_t cap, struct charset_text *ret_text);

#endif
