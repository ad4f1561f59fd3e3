/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "policy/nearest.h"
#include "policy/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static void numbers(void **state)
{
	uint64_t n = 7;
	assert_int_equal(value_number("0", 10, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(value_number("10", 10, &n), 0);
	assert_int_equal(n, 10);
	assert_int_equal(value_number("18446744073709551615", UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	n = 7;
	const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "0x10", "11", "99999999999999999999999", "1e1"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(value_number(bad[i], 10, &n), ERR_VALUE);
	}
	assert_int_equal(value_number("18446744073709551616", UINT64_MAX, &n), ERR_VALUE);
	assert_int_equal(n, 7); /* untouched */
}

static void seconds_and_bytes(void **state)
{
	uint64_t n;
	assert_int_equal(value_seconds("30", &n), 0);
	assert_int_equal(n, 30);
	assert_int_equal(value_seconds("10m", &n), 0);
	assert_int_equal(n, 600);
	assert_int_equal(value_seconds("2h", &n), 0);
	assert_int_equal(n, 7200);
	assert_int_equal(value_seconds("1d", &n), 0);
	assert_int_equal(n, 86400);
	assert_int_equal(value_seconds("1w", &n), ERR_VALUE);
	assert_int_equal(value_seconds("m", &n), ERR_VALUE);
	assert_int_equal(value_seconds("1mm", &n), ERR_VALUE);
	assert_int_equal(value_seconds("9223372036854775807d", &n), ERR_VALUE);
	assert_int_equal(value_bytes("128K", &n), 0);
	assert_int_equal(n, 131072);
	assert_int_equal(value_bytes("50M", &n), 0);
	assert_int_equal(n, 52428800);
	assert_int_equal(value_bytes("2G", &n), 0);
	assert_true(n == (uint64_t)2 << 30);
	assert_int_equal(value_bytes("2GB", &n), ERR_VALUE);
}

static void booleans_and_statuses(void **state)
{
	bool b = false;
	uint16_t s;
	assert_int_equal(value_bool("Yes", &b), 0);
	assert_true(b);
	assert_int_equal(value_bool("off", &b), 0);
	assert_false(b);
	assert_int_equal(value_bool("maybe", &b), ERR_VALUE);
	assert_int_equal(value_status("0xA700", &s), 0);
	assert_int_equal(s, 0xa700);
	assert_int_equal(value_status("0124H", &s), 0);
	assert_int_equal(s, 0x124);
	assert_int_equal(value_status("42752", &s), 0);
	assert_int_equal(s, 0xa700);
	const char *const bad[] = {"", "0x", "0xA7000", "A700", "0xA7H", "65536", "H", "0xG"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(value_status(bad[i], &s), ERR_VALUE);
	}
}

static void dates(void **state)
{
	int64_t s;
	setenv("TZ", "UTC", 1);
	tzset();
	assert_int_equal(value_until("2027-06-30", &s), 0);
	assert_int_equal(s, 1814400000); /* 2027-07-01T00:00:00Z */
	assert_int_equal(value_until("2028-02-29", &s), 0);
	setenv("TZ", "Europe/Vienna", 1);
	tzset();
	assert_int_equal(value_until("2027-06-30", &s), 0);
	assert_int_equal(s, 1814400000 - 7200);
	assert_int_equal(value_until("2027-12-31", &s), 0);
	assert_int_equal(s, 1830297600 - 3600);
	const char *const bad[] = {"", "2027-6-30", "2027-02-29", "2027-13-01", "2027-00-10", "2027-01-32",
		"27-01-01", "2027-01-01 ", "2027/01/01", "1969-01-01", "2027-01-00"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(value_until(bad[i], &s), ERR_VALUE);
	}
	setenv("TZ", "UTC", 1);
	tzset();
}

static void hours(void **state)
{
	struct hours h;
	assert_int_equal(value_hours("mon-fri 07:00-19:00", &h), 0);
	assert_int_equal(h.days, 0x1f);
	assert_int_equal(h.from, 420);
	assert_int_equal(h.to, 1140);
	assert_int_equal(value_hours("sat 8:00-24:00", &h), 0);
	assert_int_equal(h.days, 0x20);
	assert_int_equal(h.to, 1440);
	assert_int_equal(value_hours("fri-mon 22:00-06:00", &h), 0);
	assert_int_equal(h.days, 0x71);
	assert_int_equal(value_hours("daily 00:00-12:00", &h), 0);
	assert_int_equal(h.days, 0x7f);
	const char *const bad[] = {"", "mon", "mon 7-19", "mon 07:00", "mon 07:00-07:00", "mon 25:00-26:00",
		"mon 07:60-08:00", "mon 24:01-01:00", "foo 07:00-08:00", "mon-foo 07:00-08:00",
		"mon 07:00-08:00x", "mon 24:00-08:00", "mon 07:0-08:00"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(value_hours(bad[i], &h), ERR_VALUE);
	}
}

static void networks(void **state)
{
	struct network n;
	bool stray;
	struct in6_addr ip;
	assert_int_equal(value_network("10.1.1.0/24", &n, &stray), 0);
	assert_int_equal(n.prefix, 120);
	assert_false(stray);
	assert_int_equal(value_ip("10.1.1.77", &ip), 0);
	assert_true(network_has(&n, &ip));
	assert_int_equal(value_ip("10.1.2.77", &ip), 0);
	assert_false(network_has(&n, &ip));
	assert_int_equal(value_network("10.1.1.7/20", &n, &stray), 0);
	assert_true(stray);
	assert_int_equal(value_ip("10.1.15.255", &ip), 0);
	assert_true(network_has(&n, &ip));
	assert_int_equal(value_ip("10.1.16.0", &ip), 0);
	assert_false(network_has(&n, &ip));
	assert_int_equal(value_network("2001:db8::/33", &n, &stray), 0);
	assert_int_equal(value_ip("2001:db8:7fff::1", &ip), 0);
	assert_true(network_has(&n, &ip));
	assert_int_equal(value_ip("2001:db8:8000::1", &ip), 0);
	assert_false(network_has(&n, &ip));
	assert_int_equal(value_network("::1", &n, &stray), 0);
	assert_int_equal(n.prefix, 128);
	const char *const bad[] = {"", "10.1.1", "10.1.1.0/33", "10.1.1.0/", "10.1.1.0/-1", "::1/129", "ct1",
		"10.1.1.0/24/8", "300.1.1.1", "/8"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(value_network(bad[i], &n, &stray), ERR_VALUE);
	}
}

static void hosts_and_ports(void **state)
{
	char host[64];
	uint16_t port;
	assert_int_equal(value_host_port("10.1.1.7:11112", host, sizeof(host), &port), 0);
	assert_string_equal(host, "10.1.1.7");
	assert_int_equal(port, 11112);
	assert_int_equal(value_host_port("[::1]:104", host, sizeof(host), &port), 0);
	assert_string_equal(host, "::1");
	assert_int_equal(value_host_port("ct1.hospital:65535", host, sizeof(host), &port), 0);
	const char *const bad[] = {"", "ct1", "ct1:", "ct1:0", "ct1:65536", "::1:104", "[::1]", "[ct1]:104",
		"ct 1:104", ":104", "10.1.1:104", "-ct:104", "ct-:104", "[10.0.0.1]:104", "..:104"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(value_host_port(bad[i], host, sizeof(host), &port), ERR_VALUE);
	}
	assert_int_equal(value_host_port("ct1.hospital:104", host, 5, &port), ERR_VALUE);
}

static void pins(void **state)
{
	uint8_t out[32] = {0};
	assert_int_equal(
		value_spki("sha256:000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F", out),
		0);
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(out[i], i);
	}
	assert_int_equal(
		value_spki(
			"sha256:00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:"
			"19:1a:1b:1c:1d:1e:1f",
			out),
		0);
	assert_int_equal(value_spki("sha256:00", out), ERR_VALUE);
	assert_int_equal(value_spki("sha1:00", out), ERR_VALUE);
	assert_int_equal(
		value_spki("sha256:000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F20", out),
		ERR_VALUE);
	assert_int_equal(
		value_spki("sha256:00010203040506070809zz0b0c0d0e0f101112131415161718191A1B1C1D1E1F", out),
		ERR_VALUE);
}

static void titles(void **state)
{
	assert_true(value_is_ae("CT1"));
	assert_true(value_is_ae("A B/C"));
	assert_true(value_is_ae("1234567890123456"));
	assert_false(value_is_ae("12345678901234567"));
	assert_false(value_is_ae(""));
	assert_false(value_is_ae(" CT1"));
	assert_false(value_is_ae("CT1 "));
	assert_false(value_is_ae("CT\\1"));
	assert_false(value_is_ae("CT\t1"));
	assert_false(value_is_ae("CT\xc3\xbc"));
}

static void spelling(void **state)
{
	assert_int_equal(nearest_distance("adress", "address"), 1);
	assert_int_equal(nearest_distance("form", "from"), 1); /* a swap is one step */
	assert_int_equal(nearest_distance("CT1", "ct1"), 0);
	assert_int_equal(nearest_distance("", "abc"), 3);
	struct nearest n = nearest_to("adress");
	nearest_offer(&n, "port");
	assert_null(n.best);
	nearest_offer(&n, "address");
	nearest_offer(&n, "addressee");
	assert_string_equal(n.best, "address");
	n = nearest_to("xyz");
	nearest_offer(&n, "abc");
	assert_null(n.best);
	n = nearest_to("CT-1");
	nearest_offer(&n, "CT1");
	assert_string_equal(n.best, "CT1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(seconds_and_bytes),
		cmocka_unit_test(booleans_and_statuses),
		cmocka_unit_test(dates),
		cmocka_unit_test(hours),
		cmocka_unit_test(networks),
		cmocka_unit_test(hosts_and_ports),
		cmocka_unit_test(pins),
		cmocka_unit_test(titles),
		cmocka_unit_test(spelling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
