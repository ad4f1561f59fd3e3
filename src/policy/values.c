/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/values.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Digits from *s on; *s is moved behind them. */
static int digits(const char **s, uint64_t most, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = *s;
	if (!isdigit((unsigned char)*p)) {
		return ERR_VALUE;
	}
	for (; isdigit((unsigned char)*p); p++) {
		uint64_t d = (uint64_t)(*p - '0');
		if (v > (most - d) / 10 || most < d) {
			return ERR_VALUE;
		}
		v = v * 10 + d;
	}
	*ret = v;
	*s = p;
	return 0;
}

int value_number(const char *s, uint64_t most, uint64_t *ret)
{
	uint64_t v;
	if (digits(&s, most, &v) < 0 || *s) {
		return ERR_VALUE;
	}
	*ret = v;
	return 0;
}

struct unit {
	char letter;
	uint64_t factor;
};

static int with_unit(const char *s, const struct unit *units, size_t n, uint64_t *ret)
{
	uint64_t v, factor = 1;
	if (digits(&s, INT64_MAX, &v) < 0) {
		return ERR_VALUE;
	}
	if (*s) {
		factor = 0;
		for (size_t i = 0; i < n; i++) {
			factor = units[i].letter == *s ? units[i].factor : factor;
		}
		s++;
	}
	if (*s || factor == 0 || v > INT64_MAX / factor) {
		return ERR_VALUE;
	}
	*ret = v * factor;
	return 0;
}

int value_seconds(const char *s, uint64_t *ret)
{
	static const struct unit units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	return with_unit(s, units, ARRAY_LEN(units), ret);
}

int value_bytes(const char *s, uint64_t *ret)
{
	static const struct unit units[] = {
		{'K', 1u << 10}, {'M', 1u << 20}, {'G', 1u << 30}, {'T', (uint64_t)1 << 40}, {'k', 1u << 10}};
	return with_unit(s, units, ARRAY_LEN(units), ret);
}

int value_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {"no", "false", "off"};
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcasecmp(s, yes[i]) == 0) {
			*ret = true;
			return 0;
		}
		if (strcasecmp(s, no[i]) == 0) {
			*ret = false;
			return 0;
		}
	}
	return ERR_VALUE;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int value_status(const char *s, uint16_t *ret)
{
	size_t n = strlen(s);
	bool prefixed = n > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	bool suffixed = n > 1 && (s[n - 1] == 'H' || s[n - 1] == 'h');
	if (!prefixed && !suffixed) {
		uint64_t v;
		if (value_number(s, UINT16_MAX, &v) < 0) {
			return ERR_VALUE;
		}
		*ret = (uint16_t)v;
		return 0;
	}
	const char *from = prefixed ? s + 2 : s, *to = s + n - (suffixed ? 1 : 0);
	unsigned v = 0;
	if (to - from < 1 || to - from > 4 || (prefixed && suffixed)) {
		return ERR_VALUE;
	}
	for (; from < to; from++) {
		int d = hex_value(*from);
		if (d < 0) {
			return ERR_VALUE;
		}
		v = v * 16 + (unsigned)d;
	}
	*ret = (uint16_t)v;
	return 0;
}

static bool leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int value_until(const char *s, int64_t *ret_s)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (strlen(s) != 10 || s[4] != '-' || s[7] != '-') {
		return ERR_VALUE;
	}
	for (unsigned i = 0; i < 10; i++) {
		if (i != 4 && i != 7 && !isdigit((unsigned char)s[i])) {
			return ERR_VALUE;
		}
	}
	int year = (s[0] - '0') * 1000 + (s[1] - '0') * 100 + (s[2] - '0') * 10 + s[3] - '0';
	int month = (s[5] - '0') * 10 + s[6] - '0', day = (s[8] - '0') * 10 + s[9] - '0';
	if (year < 1970 || month < 1 || month > 12 || day < 1 ||
		day > days[month - 1] + (month == 2 && leap(year) ? 1 : 0)) {
		return ERR_VALUE;
	}
	/*
	 * Midnight after that day in the local zone. Not by mktime(), which reads the zone's file again: a sandboxed
	 * process could not, and would fall back to UTC. The second round is for a change of clocks in between.
	 */
	struct tm next = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day + 1};
	time_t utc = timegm(&next), t = utc;
	for (unsigned i = 0; i < 2; i++) {
		struct tm local;
		if (!localtime_r(&t, &local)) {
			return ERR_VALUE;
		}
		t = utc - local.tm_gmtoff;
	}
	*ret_s = t;
	return 0;
}

static int day_number(const char *s, size_t n)
{
	static const char *const names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
	for (int i = 0; i < 7; i++) {
		if (n == 3 && strncasecmp(s, names[i], 3) == 0) {
			return i;
		}
	}
	return -1;
}

/* "mon", "mon-fri", "fri-mon", "daily" */
static int parse_days(const char *s, size_t n, uint8_t *ret)
{
	if (n == 5 && strncasecmp(s, "daily", 5) == 0) {
		*ret = 0x7f;
		return 0;
	}
	const char *dash = memchr(s, '-', n);
	int first = day_number(s, dash ? (size_t)(dash - s) : n);
	int last = dash ? day_number(dash + 1, n - (size_t)(dash - s) - 1) : first;
	if (first < 0 || last < 0) {
		return ERR_VALUE;
	}
	uint8_t bits = 0;
	for (int d = first;; d = (d + 1) % 7) {
		bits |= (uint8_t)(1u << d);
		if (d == last) {
			break;
		}
	}
	*ret = bits;
	return 0;
}

static int parse_time(const char **s, uint16_t *ret)
{
	const char *p = *s;
	uint64_t h, m;
	if (digits(&p, 24, &h) < 0 || p - *s > 2 || *p != ':') {
		return ERR_VALUE;
	}
	const char *minutes = ++p;
	if (digits(&p, 59, &m) < 0 || p - minutes != 2 || (h == 24 && m != 0)) {
		return ERR_VALUE;
	}
	*ret = (uint16_t)(h * 60 + m);
	*s = p;
	return 0;
}

int value_hours(const char *s, struct hours *ret)
{
	struct hours h;
	const char *space = strchr(s, ' ');
	if (!space || parse_days(s, (size_t)(space - s), &h.days) < 0) {
		return ERR_VALUE;
	}
	const char *p = space + strspn(space, " ");
	if (parse_time(&p, &h.from) < 0 || *p++ != '-' || parse_time(&p, &h.to) < 0 || *p || h.from == h.to ||
		h.from == 1440) {
		return ERR_VALUE;
	}
	*ret = h;
	return 0;
}

int value_ip(const char *s, struct in6_addr *ret)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (inet_pton(AF_INET, s, &v4) == 1) {
		memset(&v6, 0, sizeof(v6));
		v6.s6_addr[10] = v6.s6_addr[11] = 0xff;
		memcpy(&v6.s6_addr[12], &v4, 4);
		*ret = v6;
		return 0;
	}
	if (inet_pton(AF_INET6, s, &v6) == 1) {
		*ret = v6;
		return 0;
	}
	return ERR_VALUE;
}

int value_network(const char *s, struct network *ret, bool *ret_stray)
{
	char text[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	if (n >= sizeof(text)) {
		return ERR_VALUE;
	}
	memcpy(text, s, n);
	text[n] = '\0';
	struct network net = {.host = ""};
	bool v4 = !memchr(text, ':', n), stray = false;
	uint64_t prefix = v4 ? 32 : 128;
	if (value_ip(text, &net.ip) < 0 || (slash && value_number(slash + 1, prefix, &prefix) < 0)) {
		return ERR_VALUE;
	}
	net.prefix = (uint8_t)(v4 ? prefix + 96 : prefix);
	for (unsigned i = net.prefix; i < 128; i++) {
		uint8_t bit = (uint8_t)(0x80u >> (i % 8));
		stray |= (net.ip.s6_addr[i / 8] & bit) != 0;
		net.ip.s6_addr[i / 8] &= (uint8_t)~bit;
	}
	*ret = net;
	*ret_stray = stray;
	return 0;
}

bool value_is_host(const char *s)
{
	size_t label = 0, total = strlen(s);
	bool letter = false;
	if (total == 0 || total > 253) {
		return false;
	}
	for (size_t i = 0; i < total; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '.') {
			if (label == 0 || s[i - 1] == '-') {
				return false;
			}
			label = 0;
			continue;
		}
		bool hyphen = c == '-';
		if (c >= 0x80 || (!isalnum(c) && c != '_' && !hyphen) || (hyphen && label == 0) ||
			++label > 63) {
			return false;
		}
		letter |= isalpha(c) != 0;
	}
	return letter && label > 0 && s[total - 1] != '-';
}

int value_host_port(const char *s, char *ret_host, size_t cap, uint16_t *ret_port)
{
	const char *colon = strrchr(s, ':'), *host = s;
	struct in6_addr ip;
	char text[254];
	uint64_t port;
	if (!colon || value_number(colon + 1, UINT16_MAX, &port) < 0 || port == 0) {
		return ERR_VALUE;
	}
	size_t n = (size_t)(colon - s);
	bool brackets = n > 2 && s[0] == '[' && s[n - 1] == ']';
	if (brackets) {
		host++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(text) || n >= cap) {
		return ERR_VALUE;
	}
	memcpy(text, host, n);
	text[n] = '\0';
	bool v6 = strchr(text, ':') != NULL;
	if (v6 != brackets || (value_ip(text, &ip) < 0 && (v6 || !value_is_host(text)))) {
		return ERR_VALUE;
	}
	memcpy(ret_host, text, n + 1);
	*ret_port = (uint16_t)port;
	return 0;
}

int value_spki(const char *s, uint8_t ret_sha256[32])
{
	uint8_t out[32];
	unsigned n = 0;
	if (strncasecmp(s, "sha256:", 7) != 0) {
		return ERR_VALUE;
	}
	for (s += 7; *s; n++) {
		int high = hex_value(s[0]), low = high < 0 ? -1 : hex_value(s[1]);
		if (low < 0 || n == sizeof(out)) {
			return ERR_VALUE;
		}
		out[n] = (uint8_t)(high * 16 + low);
		s += 2;
		s += *s == ':' && s[1] ? 1 : 0;
	}
	if (n != sizeof(out)) {
		return ERR_VALUE;
	}
	memcpy(ret_sha256, out, sizeof(out));
	return 0;
}

bool value_is_san(const char *s)
{
	struct in6_addr ip;
	for (const char *p = s; *p; p++) {
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f) {
			return false;
		}
	}
	return value_is_host(s) || value_ip(s, &ip) == 0 || strchr(s, ':') || strchr(s, '@');
}

bool value_is_user(const char *s)
{
	size_t n = strlen(s);
	return n >= 1 && n <= 255 && !strchr(s, ',') && strcmp(s, "@") != 0;
}

bool value_is_environment(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
	return n > 0 && (s[0] < '0' || s[0] > '9') && s[n] == '=' && strlen(s) < 4096;
}

bool value_is_ae(const char *s)
{
	size_t n = strlen(s);
	if (n < 1 || n > 16 || s[0] == ' ' || s[n - 1] == ' ') {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c < 0x20 || c >= 0x7f || c == '\\') {
			return false;
		}
	}
	return true;
}
