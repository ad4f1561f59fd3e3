/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_LIKENESS_H
#define ARCHIVE_LIKENESS_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

/*
 * A flow that signs gives an object that is sent again another signature: of another time, with another UID, and so another value. All else
 * of the two is the same. This is a digest of a signed data set from which those three of each of its signatures (PS3.15 Annex C; PS3.3
 * C.12.1.1.3: 0400,0100, 0400,0105 and 0400,0120 in items of FFFA,FFFA at the top) are left out, and the lengths around them: who
 * signed, what, and how, and that nobody else did, counts.
 *
 * A flow with `originals-to` encrypts what an object was anew each time. Where the mark of that is beside it (transform/originals.h), which is
 * the same for the same originals and people, Encrypted Content (0400,0520) in 0400,0500 at the top is left out, too.
 */
#define LIKENESS_LEN 32

/* Once before a sandbox is entered. */
void likeness_prepare(void);

/*
 * Of the bytes of an open file from `at` to its end, in this transfer syntax. ERR_NOT_FOUND: it has neither; ERR_VALUE: it cannot be
 * read to its end, or not in one way alone; ERR_SYSTEM, ERR_NO_MEMORY.
 */
MUST_USE int likeness_of(int fd, uint64_t at, struct span transfer_syntax, uint8_t ret[LIKENESS_LEN]);

#endif
