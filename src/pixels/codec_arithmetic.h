/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_CODEC_ARITHMETIC_H
#define PIXELS_CODEC_ARITHMETIC_H

#include <stddef.h>
#include <stdint.h>

#include <vector>

/*
 * JPEG with arithmetic coding (ISO 10918-1 processes 3, 7, 9, 11 and the like, all retired from DICOM), of 8 bits: GDCM has none of it. libjpeg reads its coefficients, and writes the same
 * ones with Huffman's coding, which GDCM decodes as any other. In the module of codecs.
 */
bool jpeg_is_arithmetic(const uint8_t *in, size_t n);

/* 0; -1: it cannot be read, or not to its end. */
int jpeg_to_huffman(const uint8_t *in, size_t n, std::vector<uint8_t> &ret);

#endif
