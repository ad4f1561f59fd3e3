/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "net/proxy.h"

#include <arpa/inet.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        SIGNATURE "\x21\x11\0\x0c\x0a\1\1\7\xc0\0\2\1\x30\x39\x0a\xca"

static int read_header(const char *bytes, size_t len, struct proxy_header *h, size_t *used)
{
	struct span s = exact(bytes, len);
	int err = proxy_read(s, h, used);
	exact_free(s);
	return err;
}

#define READ(literal) read_header((literal), sizeof(literal) - 1, &h, &used)

static void assert_address(const struct in6_addr *ip, const char *text)
{
	struct in6_addr expected;
	assert_int_equal(inet_pton(AF_INET6, text, &expected), 1);
	assert_memory_equal(ip, &expected, sizeof(expected));
}

static void v4(void **state)
{
	struct proxy_header h;
	size_t used = 0;
	assert_int_equal(READ(V4 "\x16\3\1"), 0); /* what follows is not ours */
	assert_int_equal(used, 28);
	assert_false(h.is_local);
	assert_address(&h.source, "::ffff:10.1.1.7");
	assert_address(&h.destination, "::ffff:192.0.2.1");
	assert_int_equal(h.source_port, 12345);
	assert_int_equal(h.destination_port, 2762);
}

static void truncated(void **state)
{
	for (size_t i = 0; i < sizeof(V4) - 1; i++) {
		struct proxy_header h = {.source_port = 7};
		size_t used = 7;
		struct span s = exact(V4, i);
		assert_int_equal(proxy_read(s, &h, &used), ERR_AGAIN);
		assert_int_equal(used, 7);
		assert_int_equal(h.source_port, 7);
		assert_int_equal(proxy_wants(s), i < 16 ? 16 - i : 28 - i);
		exact_free(s);
	}
	assert_int_equal(proxy_wants(SPAN_LITERAL(V4)), 0);
	assert_int_equal(proxy_wants(SPAN_LITERAL("GET /")), 0);
}

static void others(void **state)
{
	struct proxy_header h;
	size_t used;
	assert_int_equal(READ(SIGNATURE "\x20\0\0\0"), 0); /* LOCAL */
	assert_true(h.is_local && used == 16);
	assert_int_equal(READ(SIGNATURE "\x20\x11\0\4abcd"), 0); /* LOCAL: the rest is skipped */
	assert_true(h.is_local && used == 20);
	assert_int_equal(READ(SIGNATURE "\x21\0\0\2ab"), 0); /* UNSPEC */
	assert_true(h.is_local && used == 18);
	assert_int_equal(READ(SIGNATURE "\x21\x21\0\x24"
					"0123456789abcdefFEDCBA9876543210\0\1\0\2"),
		0);
	assert_memory_equal(&h.source, "0123456789abcdef", 16);
	assert_memory_equal(&h.destination, "FEDCBA9876543210", 16);
	assert_int_equal(h.destination_port, 2);
	/* TLVs: whole ones are skipped */
	assert_int_equal(READ(SIGNATURE "\x21\x11\0\x11"
					"abcdefgh\0\1\0\2"
					"\3\0\2xy"),
		0);
	assert_int_equal(used, 33);
	assert_int_equal(READ(SIGNATURE "\x21\x11\0\x11"
					"abcdefgh\0\1\0\2"
					"\3\0\3xy"),
		ERR_LENGTH);
	assert_int_equal(READ(SIGNATURE "\x21\x11\0\x0e"
					"abcdefgh\0\1\0\2"
					"\3\0"),
		ERR_LENGTH);
}

static void malformed(void **state)
{
	struct proxy_header h;
	size_t used;
	assert_int_equal(READ("PROXY TCP4 "), ERR_TYPE);
	assert_int_equal(READ("\x01"), ERR_TYPE);
	assert_int_equal(READ("\r\n\r\n\0\r\nQUIT\r"), ERR_TYPE);
	assert_int_equal(READ(SIGNATURE "\x11\x11\0\0"), ERR_VALUE); /* version 1 */
	assert_int_equal(READ(SIGNATURE "\x22\x11\0\0"), ERR_VALUE); /* command 2 */
	assert_int_equal(READ(SIGNATURE "\x21\x12\0\0"), ERR_VALUE); /* UDP */
	assert_int_equal(READ(SIGNATURE "\x21\x31\0\0"), ERR_VALUE); /* UNIX */
	assert_int_equal(READ(SIGNATURE "\x21\x11\0\x0b"
					"abcdefgh\0\1\0"),
		ERR_LENGTH);
	assert_int_equal(READ(SIGNATURE "\x21\x21\0\x0c"
					"abcdefgh\0\1\0\2"),
		ERR_LENGTH);
	assert_int_equal(READ(SIGNATURE "\x21\x11\xff\xff"), ERR_LIMIT);
	assert_int_equal(READ(SIGNATURE "\x21\x11\2\x09"), ERR_LIMIT);
	assert_int_equal(READ(SIGNATURE "\x21\x11\2\x08"), ERR_AGAIN);
}

static void round_trip(const char *source, const char *destination, size_t len)
{
	struct in6_addr s, d;
	uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));
	struct proxy_header h;
	size_t used;
	inet_pton(AF_INET6, source, &s);
	inet_pton(AF_INET6, destination, &d);
	proxy_write(&w, &s, 1, &d, 65535);
	assert_int_equal(writer_end(&w), 0);
	assert_int_equal(w.len, len);
	assert_int_equal(read_header((const char *)buf, w.len, &h, &used), 0);
	assert_int_equal(used, len);
	assert_address(&h.source, source);
	assert_address(&h.destination, destination);
	assert_true(h.source_port == 1 && h.destination_port == 65535);
}

static void writes(void **state)
{
	round_trip("::ffff:10.1.1.7", "::ffff:192.0.2.1", 28);
	round_trip("fd00::7", "fd00::1", 52);
	round_trip("fd00::7", "::ffff:192.0.2.1", 52);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v4),
		cmocka_unit_test(truncated),
		cmocka_unit_test(others),
		cmocka_unit_test(malformed),
		cmocka_unit_test(writes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
