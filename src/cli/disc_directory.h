/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DISC_DIRECTORY_H
#define CLI_DISC_DIRECTORY_H

#include "cli/media.h"

/*
 * The DICOMDIR of what was taken and sorted (media_sort()); the nth object's file is dicomdir_file_id(n). *ret_bytes: the caller's to free.
 * ERR_VALUE: an object cannot be read so far, whose number is in *ret_object; where there is room for it, ret_bad[n] is true for each that cannot; ERR_TIMEOUT, ERR_LIMIT, ERR_SPACE, ERR_SYSTEM, ERR_NO_MEMORY.
 */
MUST_USE int disc_directory(
	const struct media *m, uint8_t **ret_bytes, size_t *ret_len, size_t *ret_object, bool *ret_bad);

#endif
