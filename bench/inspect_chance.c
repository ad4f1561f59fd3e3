/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: inspect_chance [MEGABYTES]
 *
 * How often numbers that are close to each other are taken for a program, a script, an archive or a document: of each kind so many MB (10^6, 500 unless
 * said), made anew for each value of 50 MB. tests/unit/mark_chance.py computes what is too rare to be met here.
 */
#include "base/writer.h"
#include "inspect/inspect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define VALUE (50u * 1000 * 1000)
#define CHUNK (128u * 1024)

static struct inspect inspected;
static struct inflater inflater;
static uint64_t state = 0x9E3779B97F4A7C15u;
static float normals[65536];

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545F4914F6CDD1Du >> 16;
}

/* Picked from a table, which has tails of four deviations. */
static float about(float mean, float deviation)
{
	return mean + deviation * normals[any() & 0xFFFF];
}

static void fill_normals(void)
{
	for (unsigned k = 0; k < 65536; k += 2) {
		double r = sqrt(-2 * log((k + 1) / 65537.0)),
		       turn = 6.283185307179586 * (double)any() / 0x1p48;
		normals[k] = (float)(r * cos(turn));
		normals[k + 1] = (float)(r * sin(turn));
	}
}

static float cut(float v, float least, float most)
{
	return v < least ? least : v > most ? most : v;
}

/* Speckle about what a tissue echoes, which changes every few samples; a third of the picture is black. */
static void ultrasound(uint8_t *to)
{
	float mean = 0;
	for (size_t k = 0; k < VALUE; k++) {
		if (k % 64 == 0) {
			uint64_t r = any();
			mean = r % 3 == 0 ? -100 : (float)(r >> 8 & 255);
		}
		to[k] = (uint8_t)cut(about(mean, 16), 0, 255);
	}
}

/* As colours of a flow have it: half of what stands beside them is nothing. */
static void sparse(uint8_t *to)
{
	float mean = 0;
	for (size_t k = 0; k < VALUE; k++) {
		uint64_t r = any();
		mean = k % 64 == 0 ? (float)(r & 255) : mean;
		to[k] = r >> 8 & 1 ? 0 : (uint8_t)cut(about(mean, 8), 0, 255);
	}
}

static void put16(uint8_t *to, int v)
{
	to[0] = (uint8_t)v;
	to[1] = (uint8_t)(v >> 8);
}

/* Hounsfield units, of 12 bits above -1024. */
static void ct(uint8_t *to)
{
	static const float tissues[8] = {-1000, -1000, -800, -100, 20, 50, 200, 1000};
	float mean = 0;
	for (size_t k = 0; k < VALUE; k += 2) {
		mean = k % 128 == 0 ? tissues[any() & 7] : mean;
		put16(to + k, (int)cut(about(mean + 1024, 30), 0, 4095));
	}
}

static void hounsfield(uint8_t *to)
{
	static const float tissues[8] = {-1000, -1000, -800, -100, 20, 50, 200, 1000};
	float mean = 0;
	for (size_t k = 0; k < VALUE; k += 2) {
		mean = k % 128 == 0 ? tissues[any() & 7] : mean;
		put16(to + k, (int)about(mean, 200));
	}
}

static void waveform(uint8_t *to)
{
	for (size_t k = 0; k < VALUE; k += 2) {
		put16(to + k, (int)about(0, 800));
	}
}

static void put_float(uint8_t *to, float v)
{
	memcpy(to, &v, sizeof(v));
}

static void coordinates(uint8_t *to)
{
	float at[3] = {0};
	for (size_t k = 0; k < VALUE; k += 4) {
		unsigned axis = (unsigned)(k / 4 % 3);
		at[axis] = cut(about(at[axis], 1), -500, 500);
		put_float(to + k, at[axis]);
	}
}

static void float_table(uint8_t *to)
{
	for (size_t k = 0; k < VALUE; k += 4) {
		put_float(to + k, about(40, 10));
	}
}

/* What is in one value: checks of "content" that found something. */
static unsigned look(const uint8_t *value)
{
	uint8_t head[64];
	struct writer w = writer_of(head, sizeof(head));
	struct inspect_about about = {.transfer_syntax = span_str("1.2.840.10008.1.2.1")};
	unsigned n = 0;
	writer_u16le(&w, 0x0009);
	writer_u16le(&w, 0x1001);
	writer_bytes(&w, "OB\0\0", 4);
	writer_u32le(&w, VALUE);
	inspect_begin(&inspected, &about, &inflater);
	inspect_feed(&inspected, writer_span_of(&w));
	for (size_t at = 0; at < VALUE; at += CHUNK) {
		inspect_feed(&inspected, span_of(value + at, VALUE - at < CHUNK ? VALUE - at : CHUNK));
	}
	inspect_end(&inspected);
	for (unsigned c = CHECK_EMBEDDED_PROGRAM; c <= CHECK_EMBEDDED_TEST_VIRUS; c++) {
		n += inspected.counts[c];
	}
	return n;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*make)(uint8_t *to);
	} kinds[] = {{"ultrasound of 8 bits", ultrasound}, {"8 bits, half of them 0", sparse},
		{"CT of 12 bits", ct}, {"Hounsfield units", hounsfield}, {"waveforms", waveform},
		{"coordinates", coordinates}, {"a table of floats", float_table}};
	unsigned long values = (argc > 1 ? strtoul(argv[1], NULL, 10) : 500) / 50, total = 0;
	uint8_t *value = malloc(VALUE);
	if (!value) {
		return 1;
	}
	fill_normals();
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		unsigned long n = 0;
		for (unsigned long v = 0; v < values; v++) {
			kinds[k].make(value);
			n += look(value);
		}
		printf("%s: %lu found in %lu MB\n", kinds[k].name, n, values * 50);
		total += n;
	}
	free(value);
	return total > 0;
}
