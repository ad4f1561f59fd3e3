/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_WHEN_H
#define CLI_WHEN_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* The form, for usage texts. */
#define WHEN_FORM "2026-11-23, 2026-11-23T17:11[:05][Z|+01:00], or 7d, 12h, 30m ago"

/*
 * A time that people write, in ms since 1970: a day, a time of a day (T or a space between), or how long ago. Without a zone it is local
 * time. end: of what is written, its last millisecond; otherwise its first. A local time that there is twice when clocks are set back is the
 * earlier one for a beginning and the later one for an end; one that there is not stands for the moment when they were set forward. ERR_VALUE.
 */
MUST_USE int when_parse(const char *text, bool end, int64_t now_ms, int64_t *ret_ms);

/* "2026-11-23 17:11:05", local. */
#define WHEN_LEN 20
void when_text(int64_t ms, char ret_text[WHEN_LEN]);

/* "2026-11-23 17:11:05 +0100", local, for who reads it elsewhere. */
#define WHEN_ZONED_LEN 26
void when_zoned(int64_t ms, char ret_text[WHEN_ZONED_LEN]);

/* "2026-11-23", local. */
#define WHEN_DAY_LEN 11
void when_day(int64_t ms, char ret_text[WHEN_DAY_LEN]);

/* The same as a number: one more a day. */
int64_t when_day_number(int64_t ms);

#endif
