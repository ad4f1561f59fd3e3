/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HMAC_H
#define BASE_HMAC_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

/*
 * HMAC-SHA-256 (RFC 2104) with a key of 32 bytes, over a || b. OpenSSL's own looks itself up by name, allocates and copies at
 * each use, which costs some ten times what it hashes here. Nothing of the key or of what was made is left in memory.
 */
#define HMAC_LEN 32

/* Once before a sandbox is entered, if at all: hmac_sha256() does it itself. ERR_NO_MEMORY. */
MUST_USE int hmac_prepare(void);

/* ERR_NO_MEMORY, ERR_SYSTEM. */
MUST_USE int hmac_sha256(
	const uint8_t key[HMAC_LEN], struct span a, struct span b, uint8_t ret_mac[HMAC_LEN]);

#endif
