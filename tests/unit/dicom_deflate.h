/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DICOM_DEFLATE_H
#define TESTS_DICOM_DEFLATE_H

#include "net_bytes.h"

#include <zlib.h>

/* Deflated without a header, as PS3.5 A.5 has it. How many bytes it became; they fit, or the test fails. */
static inline size_t deflate_raw(struct span s, uint8_t *buf, size_t cap)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (uint8_t *)(uintptr_t)s.ptr;
	z.avail_in = (unsigned)s.len;
	z.next_out = buf;
	z.avail_out = (unsigned)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t n = cap - z.avail_out;
	deflateEnd(&z);
	return n;
}

#endif
