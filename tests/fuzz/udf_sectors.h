/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UDF_SECTORS_H
#define TESTS_UDF_SECTORS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Images of UDF in the corpus: each sector that is not all zeros, behind its number in 16 bits, little endian. */
#define UDF_SECTOR 2048u
#define UDF_RECORD (2 + UDF_SECTOR)
#define UDF_MOST   1024u /* sectors */

static inline size_t udf_number(const uint8_t *record)
{
	return ((size_t)record[0] | (size_t)record[1] << 8) % UDF_MOST;
}

/* Bytes of the image. */
static inline size_t udf_size(const uint8_t *bytes, size_t size)
{
	size_t most = 0;
	for (size_t at = 0; size - at >= UDF_RECORD; at += UDF_RECORD) {
		size_t n = udf_number(bytes + at);
		most = n > most ? n : most;
	}
	return (most + 1) * UDF_SECTOR;
}

/* Into an image of zeros. */
static inline void udf_fill(const uint8_t *bytes, size_t size, uint8_t *image)
{
	for (size_t at = 0; size - at >= UDF_RECORD; at += UDF_RECORD) {
		memcpy(image + udf_number(bytes + at) * UDF_SECTOR, bytes + at + 2, UDF_SECTOR);
	}
}

#endif
