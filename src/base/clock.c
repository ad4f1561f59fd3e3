/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t now_ms(clockid_t id)
{
	struct timespec ts;
	/* Cannot fail: both clocks exist on every Linux. */
	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
	return now_ms(CLOCK_MONOTONIC);
}

int64_t clock_tick_ms(void)
{
	return now_ms(CLOCK_MONOTONIC_COARSE);
}

int64_t clock_wall_ms(void)
{
	return now_ms(CLOCK_REALTIME);
}

void clock_iso(int64_t wall_ms, char ret_text[CLOCK_ISO_LEN])
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	if (!gmtime_r(&s, &tm)) {
		s = 0;
		gmtime_r(&s, &tm);
	}
	char text[64];
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_ms % 1000));
	snprintf(ret_text, CLOCK_ISO_LEN, "%.24s", text);
}
