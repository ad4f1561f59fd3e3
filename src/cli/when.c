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
	int64_t at = has_zone ? (int64_t)timegm(&t) - minutes * 60 : (int64_t)mktime(&t);
	*ret_ms = at * 1000 + (end ? length_s * 1000 - 1 : 0);
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
