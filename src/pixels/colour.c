/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/colour.h"

/* In 1/65536. */
#define RED_OF_R   91881  /* 1.40200 */
#define GREEN_OF_R 46802  /* 0.71414 */
#define GREEN_OF_B 22554  /* 0.34414 */
#define BLUE_OF_B  116130 /* 1.77200 */
#define HALF       32768

/* Rounded down, also below zero. */
static int32_t whole(int32_t v)
{
	return v >= 0 ? v / 65536 : -((65535 - v) / 65536);
}

static uint8_t within(int32_t v)
{
	return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

void colour_to_rgb(uint8_t *samples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = samples + 3 * i;
		int32_t y = p[0], b = p[1] - 128, r = p[2] - 128;
		p[0] = within(y + whole(RED_OF_R * r + HALF));
		p[1] = within(y + whole(HALF - GREEN_OF_B * b - GREEN_OF_R * r));
		p[2] = within(y + whole(BLUE_OF_B * b + HALF));
	}
}
