/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DISC_UDF_H
#define CLI_DISC_UDF_H

#include "base/attr.h"
#include "base/err.h"

#include <stddef.h>

/*
 * An image of a disc that is UDF 1.02 and ISO 9660 level 1 at once (as PS3.12 has it for DVDs), of a folder of ours, by the program
 * genisoimage, as no library writes one. Names, bytes and times, as disc_image_write(). ERR_NOT_FOUND: it is not installed; ERR_SYSTEM; with
 * a sentence in why.
 */
MUST_USE int disc_udf_write(const char *folder, int fd, char *why, size_t cap);

#endif
