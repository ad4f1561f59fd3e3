/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_COLOUR_H
#define PIXELS_COLOUR_H

#include <stddef.h>
#include <stdint.h>

/*
 * Samples of 8 bits by pixel, YBR_FULL become RGB (PS3.3 C.7.6.3.1.2, with its factors turned round): rounded as IJG's libjpeg does it, and with that
 * all programs that show JPEG. n: pixels.
 */
void colour_to_rgb(uint8_t *samples, size_t n);

#endif
