/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/codec_arithmetic.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>

namespace
{

#define SOF_SEQUENTIAL  0xC9
#define SOF_PROGRESSIVE 0xCA
#define SOS             0xDA

struct errors {
	jpeg_error_mgr manager; /* libjpeg's: what it is given is cast back */
	std::jmp_buf back;
};

void fail(j_common_ptr info)
{
	std::longjmp(reinterpret_cast<errors *>(info->err)->back, 1);
}

/* A warning is that something is damaged: nothing is made up for it. */
void hear(j_common_ptr info, int level)
{
	if (level < 0) {
		fail(info);
	}
}

struct pair {
	errors err;
	jpeg_decompress_struct from;
	jpeg_compress_struct to;
	unsigned char *bytes;
	unsigned long n;
};

/* No object with a destructor lives here: libjpeg leaves it by longjmp(). */
int transcode(pair *p, const uint8_t *in, size_t n)
{
	if (setjmp(p->err.back)) {
		return -1;
	}
	jpeg_create_decompress(&p->from);
	jpeg_create_compress(&p->to);
	jpeg_mem_src(&p->from, in, static_cast<unsigned long>(n));
	jpeg_mem_dest(&p->to, &p->bytes, &p->n);
	if (jpeg_read_header(&p->from, TRUE) != JPEG_HEADER_OK) {
		return -1;
	}
	jvirt_barray_ptr *coefficients = jpeg_read_coefficients(&p->from);
	jpeg_copy_critical_parameters(&p->from, &p->to);
	p->to.arith_code = FALSE;
	p->to.optimize_coding = TRUE;
	p->to.write_JFIF_header = p->from.saw_JFIF_marker;
	p->to.write_Adobe_marker = p->from.saw_Adobe_marker;
	jpeg_write_coefficients(&p->to, coefficients);
	jpeg_finish_compress(&p->to);
	return jpeg_finish_decompress(&p->from) ? 0 : -1;
}

} // namespace

bool jpeg_is_arithmetic(const uint8_t *in, size_t n)
{
	size_t at = 2;
	while (n >= 4 && at < n - 3 && in[at] == 0xFF) {
		uint8_t code = in[at + 1];
		if (code == SOF_SEQUENTIAL || code == SOF_PROGRESSIVE) {
			return true;
		}
		if (code == SOS) {
			return false;
		}
		at += code == 0xFF ? 1 : 2 + (static_cast<size_t>(in[at + 2]) << 8 | in[at + 3]);
	}
	return false;
}

int jpeg_to_huffman(const uint8_t *in, size_t n, std::vector<uint8_t> &ret)
{
	static pair p;
	p = pair();
	p.from.err = p.to.err = jpeg_std_error(&p.err.manager);
	p.err.manager.error_exit = fail;
	p.err.manager.emit_message = hear;
	int e = transcode(&p, in, n);
	jpeg_destroy_decompress(&p.from);
	jpeg_destroy_compress(&p.to);
	if (e == 0) {
		ret.assign(p.bytes, p.bytes + p.n);
	}
	std::free(p.bytes);
	return e;
}
