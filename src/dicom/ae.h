/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_AE_H
#define DICOM_AE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/* Application Entity titles (PS3.5 6.2, VR AE). */

#define AE_MAX  16
#define AE_SIZE 17 /* with the NUL */

/* Misbehaviour that can be forgiven. A parser that forgives reports it in its tolerated bits. */
#define AE_TOLERATE_NUL  0x1u /* padded with NUL in place of spaces; also a UID of an A-ASSOCIATE item */
#define AE_TOLERATE_CASE 0x2u /* wrong case: nothing for a parser to see; who compares titles looks at it */

/*
 * Read a title from its field (16 bytes in a PDU, up to 16 in a command set): leading and trailing spaces are not
 * significant and are left out. ERR_LENGTH: over 16. ERR_MISSING: nothing but padding (PS3.5 6.2 forbids it).
 * ERR_VALUE: a backslash, a control character, or a byte outside the default repertoire. tolerate: AE_TOLERATE_NUL
 * drops NULs at the end; *ret_tolerated has the bit added where that was needed and is otherwise untouched.
 */
MUST_USE int ae_read(struct span raw, unsigned tolerate, char ret_title[AE_SIZE], unsigned *ret_tolerated);

/* Is this a title as ae_read() gives it: 1 to 16 characters, no space at its ends? */
bool ae_valid(const char *title);

#endif
