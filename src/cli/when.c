/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/when.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* n digits. */
static bool digits(const char **s, unsigned n, int *ret_v)
{
	int v = 0;
	for (unsigned i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9') {
			return false;
		}
		v = v * 10 + (**s - '0');
	}
	*ret_v = v;
	return true;
}

static bool sign(const char **s, char c)
{
	bool has = **s == c;
	*s += has;
	return has;
}

/* "7d". */
static int ago(const char *s, int64_t now_ms, int64_t *ret_ms)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {{'m', 60000}, {'h', 3600000}, {'d', 86400000}};
	int64_t n = 0;
	size_t len = strspn(s, "0123456789");
	if (len == 0 || len > 6 || s[len] == 0 || s[len + 1] != 0) {
		return ERR_VALUE;
	}
	for (size_t i = 0; i < len; i++) {
		n = n * 10 + (s[i] - '0');
	}
	for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
		if (units[i].unit == s[len]) {
			*ret_ms = now_ms - n * units[i].ms;
			return 0;
		}
	}
	return ERR_VALUE;
}

/* "", "Z", "+01:00". */
static bool zone(const char **s, bool *ret_has, int *ret_minutes)
{
	int hours, minutes = 0;
	*ret_has = **s != 0;
	*ret_minutes = 0;
	if (!*ret_has || sign(s, 'Z')) {
		return **s == 0;
	}
	bool east = sign(s, '+');
	if (!east && !sign(s, '-')) {
		return false;
	}
	if (!digits(s, 2, &hours) || (sign(s, ':'), !digits(s, 2, &minutes)) || hours > 14 || minutes > 59) {
		return false;
	}
	*ret_minutes = (east ? 1 : -1) * (hours * 60 + minutes);
	return **s == 0;
}

static bool is_day(const struct tm *t)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year = t->tm_year + 1900;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return year >= 1970 && t->tm_mon >= 0 && t->tm_mon < 12 && t->tm_mday >= 1 &&
	       t->tm_mday <= days[t->tm_mon] - (t->tm_mon == 1 && !leap);
}

static bool same_minute(const struct tm *a, const struct tm *b)
{
	return a->tm_min == b->tm_min && a->tm_hour == b->tm_hour && a->tm_mday == b->tm_mday &&
	       a->tm_mon == b->tm_mon && a->tm_year == b->tm_year;
}

/* Clocks go back and forward by these. */
static const int steps_s[] = {-7200, -3600, -1800, 1800, 3600, 7200};

/* The first second of [from, from + 7200] with another offset than from has, or from. */
static time_t change_after(time_t from)
{
	struct tm t, begin;
	time_t low = from, high = from + 7200;
	if (!localtime_r(&low, &begin) || !localtime_r(&high, &t) || t.tm_gmtoff == begin.tm_gmtoff) {
		return from;
	}
	while (high - low > 1) {
		time_t middle = low + (high - low) / 2;
		if (localtime_r(&middle, &t) && t.tm_gmtoff == begin.tm_gmtoff) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return high;
}

/*
 * A local time in s. One that there is twice, as clocks were set back, is the earlier, or the later. One that there is not, as they
 * were set forward, is the second when they were; *ret_none says so.
 */
static time_t local_s(const struct tm *wanted, bool later, bool *ret_none)
{
	struct tm t = *wanted, is;
	time_t at = mktime(&t), best, as_utc;
	t = *wanted;
	as_utc = timegm(&t); /* makes a day after its month's end one of the next, too */
	if (!localtime_r(&at, &is)) {
		return at;
	}
	if (!same_minute(&is, &t)) {
		time_t other = as_utc - is.tm_gmtoff;
		*ret_none = true;
		return change_after((at < other ? at : other) - 1);
	}
	best = at;
	for (unsigned i = 0; i < ARRAY_LEN(steps_s); i++) {
		time_t other = at + steps_s[i];
		if (localtime_r(&other, &is) && same_minute(&is, &t) &&
			(later ? other > best : other < best)) {
			best = other;
		}
	}
	return best;
}

int when_parse(const char *text, bool end, int64_t now_ms, int64_t *ret_ms)
{
	const char *s = text;
	struct tm t = {.tm_isdst = -1};
	int minutes = 0;
	bool has_zone = false;
	int64_t length_s = 60;
	if (ago(text, now_ms, ret_ms) == 0) {
		return 0;
	}
	if (!digits(&s, 4, &t.tm_year) || !sign(&s, '-') || !digits(&s, 2, &t.tm_mon) || !sign(&s, '-') ||
		!digits(&s, 2, &t.tm_mday)) {
		return ERR_VALUE;
	}
	t.tm_year -= 1900;
	t.tm_mon -= 1;
	bool whole = *s == 0;
	if (!is_day(&t)) {
		return ERR_VALUE;
	}
	if (!whole) {
		if ((!sign(&s, 'T') && !sign(&s, ' ')) || !digits(&s, 2, &t.tm_hour) || !sign(&s, ':') ||
			!digits(&s, 2, &t.tm_min)) {
			return ERR_VALUE;
		}
		if (sign(&s, ':')) {
			length_s = 1;
			if (!digits(&s, 2, &t.tm_sec)) {
				return ERR_VALUE;
			}
		}
		if (t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 59 || !zone(&s, &has_zone, &minutes)) {
			return ERR_VALUE;
		}
	} else if (end) {
		t.tm_mday++; /* a day may have 23 or 25 hours */
		length_s = 0;
	}
	/* What is asked for is never cut short: the earlier of two for a beginning and a day's end, the later for an end. */
	bool none = false;
	int64_t at = has_zone ? (int64_t)timegm(&t) - minutes * 60
	                      : (int64_t)local_s(&t, end && length_s > 0, &none);
	*ret_ms = at * 1000 + (end ? (none ? 0 : length_s) * 1000 - 1 : 0);
	return 0;
}

static bool local(int64_t ms, struct tm *ret)
{
	time_t s = (time_t)(ms / 1000);
	return localtime_r(&s, ret) != NULL;
}

void when_text(int64_t ms, char ret_text[WHEN_LEN])
{
	struct tm t;
	if (!local(ms, &t) || strftime(ret_text, WHEN_LEN, "%Y-%m-%d %H:%M:%S", &t) == 0) {
		snprintf(ret_text, WHEN_LEN, "?");
	}
}

void when_zoned(int64_t ms, char ret_text[WHEN_ZONED_LEN])
{
	struct tm t;
	if (!local(ms, &t) || strftime(ret_text, WHEN_ZONED_LEN, "%Y-%m-%d %H:%M:%S %z", &t) == 0) {
		snprintf(ret_text, WHEN_ZONED_LEN, "?");
	}
}

void when_day(int64_t ms, char ret_text[WHEN_DAY_LEN])
{
	struct tm t;
	if (!local(ms, &t) || strftime(ret_text, WHEN_DAY_LEN, "%Y-%m-%d", &t) == 0) {
		snprintf(ret_text, WHEN_DAY_LEN, "?");
	}
}

int64_t when_day_number(int64_t ms)
{
	struct tm t;
	if (!local(ms, &t)) {
		return 0;
	}
	struct tm day = {.tm_year = t.tm_year, .tm_mon = t.tm_mon, .tm_mday = t.tm_mday};
	return (int64_t)timegm(&day) / 86400;
}
