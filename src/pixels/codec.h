/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_CODEC_H
#define PIXELS_CODEC_H

#include <stddef.h>
#include <stdint.h>

/*
 * The codecs of libraries of others: a module beside the program (base/module.h), written in C++ against GDCM, which has JPEG of 8, 12
 * and 16 bits with its lossless processes, JPEG-LS (CharLS) and JPEG 2000 (OpenJPEG), and against libjxl, which has JPEG XL, OpenJPEG, for some of JPEG 2000, and libjpeg, for JPEG's arithmetic coding. One frame a call. It
 * reads what nobody trusts: in a sandbox alone.
 */
#ifdef __cplusplus
extern "C" {
#endif

enum codec_kind {
	CODEC_JPEG,
	CODEC_JPEG_LOSSLESS_14,
	CODEC_JPEG_LOSSLESS,
	CODEC_JPEG_LS,
	CODEC_JPEG_2000,
	CODEC_JPEG_XL
};

struct codec_frame {
	uint32_t rows, columns, samples, allocated, stored, is_signed, planar;
	char photometric
		[17]; /* decode: of what came, then of the samples; encode: of the samples, then of the stream */
};

struct codec {
	/* Samples by pixel, little endian, all of len bytes. 0; -1: it cannot be decoded to this. */
	int (*decode)(enum codec_kind kind, struct codec_frame *frame, const uint8_t *in, size_t n_in,
		uint8_t *ret_samples, size_t len);
	/* Without loss. *ret_bytes: until the next call. 0, or -1. */
	int (*encode)(enum codec_kind kind, struct codec_frame *frame, const uint8_t *samples, size_t len,
		const uint8_t **ret_bytes, size_t *ret_n);
};

/* The module's one function. */
#define CODEC_MODULE "pixels/gantry-pixels"
typedef const struct codec *codec_function(void);

#ifdef __cplusplus
}
#endif
#endif
