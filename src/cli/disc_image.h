/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DISC_IMAGE_H
#define CLI_DISC_IMAGE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/module.h"

#include <stddef.h>

/*
 * An image of a disc, ISO 9660 level 1 (PS3.12 Annex F), of a folder of ours: names, bytes and times and nothing else, neither owners nor
 * the folder's name. Written with libisofs, in a module. ERR_SYSTEM, with a sentence in why.
 */
typedef int disc_image_function(const char *folder, int fd, char *why, size_t cap);

MODULE_FUNCTION disc_image_function disc_image_write;

/* The longest file that it has. */
#define DISC_IMAGE_FILE_MOST UINT32_MAX

#endif
