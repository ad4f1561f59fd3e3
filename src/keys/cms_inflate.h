/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CMS_INFLATE_H
#define KEYS_CMS_INFLATE_H

#include "keys/cms_parts.h"

/*
 * What Compressed-data says (RFC 3274 1.1: a stream of zlib's), written to a file piece by piece. OpenSSL would do so only where it was
 * built with zlib, and without bounds. ERR_VALUE: it is no such stream, or goes on behind its end; ERR_TRUNCATED; ERR_LIMIT: it is more than
 * *room bytes, which become less by what is written; ERR_SYSTEM: the file takes no more (errno); ERR_NO_MEMORY.
 */
MUST_USE int cms_inflate(const struct cms_parts *parts, int file, uint64_t *room);

#endif
