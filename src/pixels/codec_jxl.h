/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_CODEC_JXL_H
#define PIXELS_CODEC_JXL_H

#include "pixels/codec.h"

#include <vector>

/*
 * JPEG XL (ISO 18181) by libjxl, in the module of codecs: samples of 8, 16 and 24 bits, one or three a pixel, signed ones alone, without threads. As codec.h says; three are
 * red, green and blue, however they are in the stream. What is no still picture of these many samples is not decoded.
 */
int jxl_decode(const codec_frame &frame, const uint8_t *in, size_t n_in, uint8_t *ret, size_t len);
int jxl_encode(const codec_frame &frame, const uint8_t *samples, size_t len, std::vector<uint8_t> &ret);

#endif
