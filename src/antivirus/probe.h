/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANTIVIRUS_PROBE_H
#define ANTIVIRUS_PROBE_H

#include "antivirus/clamd.h"

/*
 * What clamd can be relied on for, shown by trying. It says OK to what is above its MaxFileSize or MaxScanSize, without having
 * looked at it: how large a file it looks at is learnt from the test string that every scanner knows, followed by zeros.
 */
struct probe {
	bool good;           /* it is there, and finds the test string */
	uint64_t most;       /* bytes of one file that it was seen to look at; at most what was asked for */
	bool tells;          /* it says so itself when a file is over its limits (AlertExceedsMax) */
	char version[128];   /* what it calls itself and its definitions */
	char why[SCAN_TEXT]; /* not good, or most is less than was asked for */
};

/* The test string (EICAR), put together so that this program has it nowhere. */
#define PROBE_STRING 68
void probe_string(char to[PROBE_STRING + 1]);

/* Is it there, and does it find the test string? A few milliseconds. */
void probe_short(const struct clamd *clamd, struct probe *ret);

/* The same, and from `want` bytes down by halves how large a file it looks at, 1 MiB at least. */
void probe_long(const struct clamd *clamd, uint64_t want, struct probe *ret);

#endif
