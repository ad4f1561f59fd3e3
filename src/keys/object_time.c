/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/object_parts.h"
#include "keys/x509.h"

#include <string.h>
#include <time.h>

#define CLOCKS 300         /* seconds that two may differ */
#define EAST   (14 * 3600) /* of a time without its zone: as far as zones go */
#define WEST   (12 * 3600)

static unsigned digits(const char *text, unsigned n)
{
	unsigned value = 0;
	for (unsigned i = 0; i < n; i++) {
		value = 10 * value + (unsigned)(text[i] - '0');
	}
	return value;
}

/* Behind the fraction: "+0100". False: there is none. */
static bool read_zone(const char *text, int64_t *ret_s)
{
	text += *text == '.' ? 1 + strspn(text + 1, "0123456789") : 0;
	if ((*text != '+' && *text != '-') || strspn(text + 1, "0123456789") != 4 || text[5] != '\0') {
		return false;
	}
	int64_t s = 3600 * (int64_t)digits(text + 1, 2) + 60 * (int64_t)digits(text + 3, 2);
	*ret_s = *text == '-' ? -s : s;
	return true;
}

/* PS3.5 6.2, DT: the first and the last second that it may mean. False: it does not name a day. */
static bool read_time(const char *text, int64_t *ret_first, int64_t *ret_last)
{
	static const int64_t rest[] = {[4] = 86399, [5] = 3599, [6] = 59, [7] = 0}; /* by pairs of digits */
	size_t n = strspn(text, "0123456789");
	char all[15] = "00000000000000";
	int64_t zone;
	if (n < 8 || n > 14 || n % 2 == 1) {
		return false;
	}
	memcpy(all, text, n);
	struct tm tm = {.tm_year = (int)digits(all, 4) - 1900,
		.tm_mon = (int)digits(all + 4, 2) - 1,
		.tm_mday = (int)digits(all + 6, 2),
		.tm_hour = (int)digits(all + 8, 2),
		.tm_min = (int)digits(all + 10, 2),
		.tm_sec = (int)digits(all + 12, 2)};
	int64_t first = (int64_t)timegm(&tm);
	bool zoned = read_zone(text + n, &zone);
	*ret_first = first - (zoned ? zone : EAST);
	*ret_last = first + rest[n / 2] - (zoned ? zone : -WEST);
	return true;
}

enum object_time object_time_of(const struct object_verdict *v, const X509 *cert, int64_t now_s)
{
	int64_t first, last, from, until;
	int64_t there = v->stamp.present && v->stamp.state == OBJECT_GOOD ? v->stamp.time_s : now_s;
	if (!read_time(v->time, &first, &last) || x509_time_s(X509_get0_notBefore(cert), &from) < 0 ||
		x509_time_s(X509_get0_notAfter(cert), &until) < 0) {
		return OBJECT_TIME_UNKNOWN;
	}
	return first > there + CLOCKS                           ? OBJECT_TIME_LATER
	       : last < from - CLOCKS || first > until + CLOCKS ? OBJECT_TIME_OUTSIDE
	                                                        : OBJECT_TIME_FITS;
}
