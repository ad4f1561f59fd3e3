/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_CODEC_J2K_H
#define PIXELS_CODEC_J2K_H

#include "pixels/codec.h"

#include <vector>

/*
 * JPEG 2000 (ISO 15444) by OpenJPEG itself, in the module of codecs, for what GDCM makes another number of bits of: samples of one bit, and of
 * more than 16; without threads. In colour samples are unsigned, and of 24 bits at most. As codec.h says.
 */
bool j2k_is_ours(const codec_frame &frame);
int j2k_decode(const codec_frame &frame, const uint8_t *in, size_t n_in, uint8_t *ret, size_t len);
int j2k_encode(const codec_frame &frame, const uint8_t *samples, size_t len, std::vector<uint8_t> &ret);

#endif
