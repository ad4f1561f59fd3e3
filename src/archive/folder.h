/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_FOLDER_H
#define ARCHIVE_FOLDER_H

#include "base/attr.h"
#include "base/err.h"

/*
 * A folder of the archive: <2 hexadecimal digits>/<SOP instance UID>.dcm, and .incoming/ for objects that have not
 * come whole. The digits begin the SHA-256 of the UID.
 */
struct folder {
	int dir, incoming; /* descriptors; -1: none */
};

#define FOLDER_NONE ((struct folder){.dir = -1, .incoming = -1})

/* Open it, and make what is missing: .incoming, and the folder itself if its parent is there. ERR_SYSTEM. */
MUST_USE int folder_open(const char *path, struct folder *ret_folder);
void folder_done(struct folder *f);

/*
 * Remove what a crash left in .incoming. What a living process writes there is locked, and stays.
 * Returns how many were removed, or ERR_SYSTEM.
 */
MUST_USE int folder_clean(const struct folder *f);

#endif
