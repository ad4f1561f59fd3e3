/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds of a clock that never steps. For timeouts and rates. */
int64_t clock_mono_ms(void);

/*
 * The same clock at the kernel's last tick: at most 10 ms behind it, never before what it said last, and cheaper, as the
 * processor's counter is not read. For what is asked with every message, beside timeouts of seconds.
 */
int64_t clock_tick_ms(void);

/* Milliseconds since 1970 UTC. For records. */
int64_t clock_wall_ms(void);

#define CLOCK_ISO_LEN 25 /* "2026-11-23T17:11:00.123Z" and the NUL */

/* Write a wall-clock time as ISO 8601 in UTC with milliseconds. */
void clock_iso(int64_t wall_ms, char ret_text[CLOCK_ISO_LEN]);

#endif
