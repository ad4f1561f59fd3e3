/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/deflated.h"

#include <zlib.h>

static int ended(const z_stream *z, int said)
{
	if (said == Z_STREAM_END) {
		/* PS3.5 A.4.13: a NUL makes it even. */
		bool padded = z->avail_in == 0 || (z->avail_in == 1 && *z->next_in == 0);
		return z->avail_out > 0 ? ERR_TRUNCATED : padded ? 0 : ERR_LENGTH;
	}
	if (said != Z_OK && said != Z_BUF_ERROR) {
		return said == Z_MEM_ERROR ? ERR_NO_MEMORY : ERR_VALUE;
	}
	return z->avail_out == 0 && z->avail_in > 0 ? ERR_LENGTH : ERR_TRUNCATED;
}

int deflated_decode(struct span in, uint8_t *ret_frame, size_t len)
{
	z_stream z = {.next_in = (uint8_t *)(uintptr_t)in.ptr, /* zlib writes nothing there */
		.avail_in = (unsigned)in.len,
		.next_out = ret_frame,
		.avail_out = (unsigned)len};
	if (in.len > UINT32_MAX || len > DEFLATED_FRAME) {
		return ERR_LENGTH;
	}
	if (inflateInit2(&z, -MAX_WBITS) != Z_OK) {
		return ERR_NO_MEMORY;
	}
	int e = ended(&z, inflate(&z, Z_FINISH));
	(void)inflateEnd(&z);
	return e;
}

size_t deflated_most(size_t len)
{
	return compressBound(len); /* a header and a checksum more than there are */
}

int deflated_encode(struct span frame, uint8_t *to, size_t *ret_n)
{
	z_stream z = {.next_in = (uint8_t *)(uintptr_t)frame.ptr,
		.avail_in = (unsigned)frame.len,
		.next_out = to,
		.avail_out = (unsigned)deflated_most(frame.len)};
	if (frame.len > DEFLATED_FRAME || deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
						  Z_DEFAULT_STRATEGY) != Z_OK) {
		return ERR_NO_MEMORY;
	}
	int said = deflate(&z, Z_FINISH);
	if (said == Z_STREAM_END) {
		*ret_n = z.total_out;
	}
	(void)deflateEnd(&z);
	return said == Z_STREAM_END ? 0 : ERR_NO_MEMORY;
}
