/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

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

/* n digits of it, and what comes after them. Not by snprintf: it is in each record, message and line of the log. */
static char *put(char *to, unsigned value, unsigned n, char after)
{
	for (unsigned i = n; i-- > 0; value /= 10) {
		to[i] = (char)('0' + value % 10);
	}
	to[n] = after;
	return to + n + 1;
}

void clock_iso(int64_t wall_ms, char ret_text[CLOCK_ISO_LEN])
{
	int64_t ms = wall_ms % 1000;
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	if (ms < 0) {
		ms += 1000;
		s--;
	}
	if (!gmtime_r(&s, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
		s = 0;
		gmtime_r(&s, &tm);
	}
	char *at = put(ret_text, (unsigned)(tm.tm_year + 1900), 4, '-');
	at = put(at, (unsigned)tm.tm_mon + 1, 2, '-');
	at = put(at, (unsigned)tm.tm_mday, 2, 'T');
	at = put(at, (unsigned)tm.tm_hour, 2, ':');
	at = put(at, (unsigned)tm.tm_min, 2, ':');
	at = put(at, (unsigned)tm.tm_sec, 2, '.');
	at = put(at, (unsigned)ms, 3, 'Z');
	*at = '\0';
}
