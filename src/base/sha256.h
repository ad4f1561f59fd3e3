/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * SHA-256 (FIPS 180-4), which OpenSSL looks up by its name once a thread, and not at each use. What a thread has for it is its own.
 */
#define SHA256_LEN 32

/* Once before a sandbox is entered, if at all: sha256_of() does it itself. ERR_NO_MEMORY. */
MUST_USE int sha256_prepare(void);

/* Of a || b || c. False: it cannot be had. */
MUST_USE bool sha256_of(struct span a, struct span b, struct span c, uint8_t ret[SHA256_LEN]);

/* What was hashed last leaves a state behind, which is overwritten: for what is secret, or follows from it. */
MUST_USE bool sha256_forget(void);

/* At the end of a thread before the process's. */
void sha256_done(void);

#endif
