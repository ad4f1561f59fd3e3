/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SCRAP_H
#define CLI_SCRAP_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/*
 * A place for bytes that nobody else finds and that is gone with us: memory without a name, and above a size a file without
 * a name in $TMPDIR, or else in /var/tmp. It never fills the disk: a GiB, or a twentieth of a smaller one, stays free.
 */
struct scrap {
	int fd; /* -1: none */
	uint64_t len, memory;
	bool on_disk;
};

#define SCRAP_NONE ((struct scrap){.fd = -1})

/* memory: bytes of it; more is on the disk. ERR_SYSTEM. */
MUST_USE int scrap_new(struct scrap *s, uint64_t memory);

/* At its end. ERR_SYSTEM; errno is ENOSPC where there is no more room. */
MUST_USE int scrap_add(struct scrap *s, struct span bytes);

/* The first len bytes of another file. ERR_TRUNCATED: it has fewer. ERR_SYSTEM. */
MUST_USE int scrap_copy(struct scrap *s, int from, uint64_t len);

/* On a disk of so many bytes, of which so many are available: may so many more be written? */
bool scrap_has_room(uint64_t size, uint64_t available, uint64_t more);

/* Have the next read() of s->fd begin at its start. */
void scrap_rewind(const struct scrap *s);

/* Are the len bytes at `at` of one file those at `at` of another? */
bool scrap_same(int a, uint64_t a_at, int b, uint64_t b_at, uint64_t len);

void scrap_done(struct scrap *s);

#endif
