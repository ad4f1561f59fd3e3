/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "transform/compressed.h"
#include "transform/leftovers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "transform_looked.h"

/* What is found in values in which something is compressed, and what is said of what cannot be read. */

#define ROOM (40u << 20)

enum { RAW = -15, ZLIB = 15, GZIP = 31 };

static struct compressed c;
static struct leftovers l;
static uint8_t made[2][ROOM], element[ROOM + 16];

/* ---- What is made ---- */

static size_t squeeze(int window, const void *in, size_t n, uint8_t *to)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (uint8_t *)(uintptr_t)in;
	z.avail_in = (unsigned)n;
	z.next_out = to;
	z.avail_out = ROOM - 1024;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	n = z.total_out;
	assert_int_equal(deflateEnd(&z), Z_OK);
	return n;
}

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

static size_t zip(unsigned flags, unsigned method, const void *in, size_t n, uint8_t *to)
{
	memset(to, 0, 30);
	memcpy(to, "PK\x03\x04\x14", 5);
	put16(to + 6, flags);
	put16(to + 8, method);
	put16(to + 26, 5);
	put16(to + 28, 3);
	memcpy(to + 30, "a.txtEXT", 8);
	size_t made_of = method == 8 ? squeeze(RAW, in, n, to + 38) : n;
	if (method != 8) {
		memcpy(to + 38, in, n);
	}
	memcpy(to + 38 + made_of, "PK\x01\x02 and so on", 14);
	return 38 + made_of + 14;
}

static size_t base64(const void *in, size_t n, size_t line, uint8_t *to)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *b = in;
	size_t len = 0, in_line = 0;
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)b[i] << 16 | (i + 1 < n ? (uint32_t)b[i + 1] << 8 : 0) |
		             (i + 2 < n ? b[i + 2] : 0u);
		for (unsigned k = 0; k < 4; k++) {
			to[len++] = (uint8_t)(k > n - i ? '=' : letters[v >> (18 - 6 * k) & 63]);
			if (line > 0 && ++in_line == line) {
				to[len++] = '\r';
				to[len++] = '\n';
				in_line = 0;
			}
		}
	}
	return len;
}

static size_t digits(const void *in, size_t n, uint8_t *to)
{
	for (size_t i = 0; i < n; i++) {
		(void)snprintf((char *)to + 2 * i, 3, "%02x", ((const uint8_t *)in)[i]);
	}
	return 2 * n;
}

/* ---- What is looked through ---- */

static void look(const char *vr, const void *value, size_t n, size_t step)
{
	struct writer w = writer_of(element, sizeof(element));
	writer_bytes(&w, "\x09\0\x01\x10", 4);
	writer_bytes(&w, vr, 2);
	writer_u16le(&w, 0);
	writer_u32le(&w, (uint32_t)n);
	writer_bytes(&w, value, n);
	assert_int_equal(writer_end(&w), 0);
	look_through(&l, writer_span_of(&w), step);
}

static void begin(const char *name)
{
	l.compressed = &c;
	leftovers_begin(&l, 0);
	leftovers_add(&l, 0x00100010, "PN", span_str(name));
}

/* Of any cut the same; once something grave is found nothing more is looked into. */
static bool finds(const char *vr, const void *value, size_t n)
{
	static const size_t steps[] = {1, 2, 7, 29, 30, 31, 64, 513, ROOM};
	bool found = false;
	enum compressed_unread unread = COMPRESSED_READ;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		begin("Zzyzxon^Quentin");
		look(vr, value, n, steps[i]);
		if (i > 0 && (found != l.found || (!found && unread != l.unread))) {
			fail_msg(
				"cut by %zu: %d, %d, not %d, %d", steps[i], l.found, l.unread, found, unread);
		}
		found = l.found;
		unread = l.unread;
	}
	return found;
}

static const char text[] = "<patient><name>Quentin Zzyzxon</name><born>1961-02-03</born></patient>";

/* Each way, at whatever offset, in each kind of value. */
static void ways(void **state)
{
	(void)state;
	static const int windows[] = {ZLIB, GZIP};
	static const char *const vrs[] = {"OB", "UN", "UT", "OW"};
	for (unsigned v = 0; v < 4; v++) {
		for (unsigned i = 0; i < 2; i++) {
			size_t n = squeeze(windows[i], text, sizeof(text) - 1, made[0]);
			for (size_t before = 0; before < 40; before += 3) {
				memset(made[1], 'q', before);
				memcpy(made[1] + before, made[0], n);
				memset(made[1] + before + n, 'q', 20);
				assert_true(finds(vrs[v], made[1], before + n + 20));
				assert_int_equal(l.unread, COMPRESSED_READ);
				assert_true(l.grave);
			}
		}
		size_t n = zip(0, 8, text, sizeof(text) - 1, made[0]);
		assert_true(finds(vrs[v], made[0], n));
		assert_int_equal(l.unread, COMPRESSED_READ);
	}
	for (size_t before = 0; before <= 8; before += 4) { /* a length stands before it */
		memset(made[0], 3, before);
		size_t n = squeeze(RAW, text, sizeof(text) - 1, made[0] + before);
		assert_true(finds("OB", made[0], before + n));
	}
}

/* Of what is not there nothing is found, and of a value that is cut what is left is. */
static void nothing(void **state)
{
	(void)state;
	static const char other[] = "<patient><name>Somebody Else</name></patient>";
	size_t n = squeeze(GZIP, other, sizeof(other) - 1, made[0]);
	assert_false(finds("OB", made[0], n));
	assert_int_equal(l.unread, COMPRESSED_READ);
	n = squeeze(GZIP, text, sizeof(text) - 1, made[0]);
	assert_true(finds("OB", made[0], n - 8));
	for (size_t cut = 0; cut < n; cut++) {
		begin("Zzyzxon^Quentin");
		look("OB", made[0], cut, ROOM);
		assert_int_equal(l.unread, COMPRESSED_READ);
	}
	/* Without who looks into it, it is not. */
	l.compressed = NULL;
	leftovers_begin(&l, 0);
	leftovers_add(&l, 0x00100010, "PN", span_str("Zzyzxon^Quentin"));
	look("OB", made[0], n, ROOM);
	assert_false(l.found);
}

/* Long, and what is searched for anywhere in it. */
static void anywhere(void **state)
{
	(void)state;
	static char all[70000];
	uint32_t random = 1;
	for (size_t i = 0; i < sizeof(all); i++) {
		random = random * 1664525 + 1013904223;
		all[i] = (char)('a' + (random >> 20) % 9);
	}
	for (size_t at = 0; at<sizeof(all) - 20; at += at % 16384> 16300 || at % 16384 < 60 ? 7 : 3001) {
		char was[18];
		memcpy(was, all + at, sizeof(was));
		memcpy(all + at, " Quentin Zzyzxon ", 17);
		size_t n = squeeze(at % 2 ? ZLIB : GZIP, all, sizeof(all), made[0]);
		begin("Zzyzxon^Quentin");
		look("OB", made[0], n, at % 3 ? ROOM : 1000);
		assert_true(l.found);
		memcpy(all + at, was, sizeof(was));
	}
}

/* One in another, in Base64 and in digits. */
static void levels(void **state)
{
	(void)state;
	size_t n = zip(0, 8, text, sizeof(text) - 1, made[0]);
	n = squeeze(GZIP, made[0], n, made[1]);
	assert_true(finds("OB", made[1], n));
	for (size_t line = 0; line <= 76; line += 76) {
		size_t m = (size_t)snprintf((char *)made[0], 20, "{\"report\": \"");
		m += base64(made[1], n, line, made[0] + m);
		memcpy(made[0] + m, "\", \"of\": 1}", 11);
		assert_true(finds("UT", made[0], m + 11));
		assert_true(finds("OB", made[0], m + 11));
		assert_int_equal(l.unread, COMPRESSED_READ);
	}
	size_t m = digits(made[1], n, made[0]);
	assert_true(finds("UT", made[0], m));
	m = squeeze(RAW, text, sizeof(text) - 1, made[1]);
	m = base64(made[1], m, 0, made[0]);
	assert_true(finds("UT", made[0], m));
	/* Base64 in what is inflated, and compressed there. */
	n = squeeze(ZLIB, text, sizeof(text) - 1, made[0]);
	n = base64(made[0], n, 64, made[1]);
	n = squeeze(GZIP, made[1], n, made[0]);
	assert_true(finds("UN", made[0], n));
	for (unsigned deep = 3; deep < 8; deep++) { /* and too deep */
		n = squeeze(GZIP, text, sizeof(text) - 1, made[deep % 2]);
		for (unsigned i = 1; i < deep; i++) {
			uint8_t *in = made[(deep + i + 1) % 2];
			memset(in + n, 'a', 600); /* or it is stored as it is, in sight */
			n = squeeze(GZIP, in, n + 600, made[(deep + i) % 2]);
		}
		bool found = finds("UN", made[(2 * deep - 1) % 2], n);
		assert_int_equal(found, deep <= COMPRESSED_DEPTH);
		assert_int_equal(l.unread, found ? COMPRESSED_READ : COMPRESSED_LIMIT);
	}
}

/* A document: streams, and text that is set letter by letter. */
static void documents(void **state)
{
	(void)state;
	static const char *const shown[] = {"BT (Zzyzxon) Tj ET", "BT [(Zz)-12.5(yzx) 20 (on)] TJ ET",
		"BT <5A7A797A786F6E> Tj ET", "BT (Zzyz\\170on) Tj ET"};
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		size_t n = (size_t)snprintf((char *)made[0], 99,
			"%%PDF-1.5\n4 0 obj <</Filter /FlateDecode /Length 99>>\nstream\r\n");
		n += squeeze(ZLIB, shown[i], strlen(shown[i]), made[0] + n);
		n += (size_t)snprintf((char *)made[0] + n, 99, "\nendstream\nendobj\n");
		if (!finds("OB", made[0], n)) {
			fail_msg("%s is not found", shown[i]);
		}
		assert_int_equal(l.unread, COMPRESSED_READ);
	}
}

/* What cannot be looked into. */
static void unread(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t n;
		enum compressed_unread why;
	} rows[] = {{"\xFD"
		     "7zXZ\0\0\x04",
			    8, COMPRESSED_OTHER},
		{"BZh91AY&SY", 10, COMPRESSED_OTHER}, {"\x28\xB5\x2F\xFD", 4, COMPRESSED_OTHER},
		{"\x04\x22\x4D\x18", 4, COMPRESSED_OTHER}, {"7z\xBC\xAF\x27\x1C", 6, COMPRESSED_OTHER},
		{"Rar!\x1A\x07", 6, COMPRESSED_OTHER}, {"LZIP\x01", 5, COMPRESSED_OTHER},
		{"Salted__", 8, COMPRESSED_ENCRYPTED},
		{"-----BEGIN PGP MESSAGE-----", 27, COMPRESSED_ENCRYPTED},
		{"%PDF-1.4 trailer <</Encrypt 8 0 R>>", 35, COMPRESSED_ENCRYPTED},
		{"%PDF-1.4 <</Filter/LZWDecode>>", 30, COMPRESSED_OTHER},
		{"see /Encrypt", 12, COMPRESSED_READ}, {"BZh and more", 12, COMPRESSED_READ},
		{"Rar!", 4, COMPRESSED_READ}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t before = 0; before < 70; before += 23) {
			memset(made[0], '.', 200);
			memcpy(made[0] + before, rows[i].bytes, rows[i].n);
			assert_false(finds("OB", made[0], before + rows[i].n + 30));
			assert_int_equal(l.unread, rows[i].why);
			assert_int_equal(l.unread_in, rows[i].why == COMPRESSED_READ ? 0 : 0x00091001);
		}
	}
	static const struct {
		unsigned flags, method;
		enum compressed_unread why;
	} members[] = {{1, 8, COMPRESSED_ENCRYPTED}, {1, 0, COMPRESSED_ENCRYPTED}, {0, 12, COMPRESSED_OTHER},
		{0, 93, COMPRESSED_OTHER}, {0, 0, COMPRESSED_READ}};
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		size_t n = zip(members[i].flags, members[i].method, "?????????", 9, made[0]);
		assert_false(finds("OB", made[0], n));
		assert_int_equal(l.unread, members[i].why);
		n = squeeze(GZIP, made[0], n, made[1]); /* and deeper */
		assert_false(finds("OB", made[1], n));
		assert_int_equal(l.unread, members[i].why);
	}
	size_t n = squeeze(GZIP, text, sizeof(text) - 1, made[0]);
	made[0][n - 12] ^= 0x55;
	(void)finds("OB", made[0], n);
	assert_int_equal(l.unread, COMPRESSED_BROKEN);
}

/* What becomes too much, at once and in turn. */
static void bombs(void **state)
{
	(void)state;
	uint8_t *zeros = calloc(1, 64u << 20);
	assert_non_null(zeros);
	size_t n = squeeze(GZIP, zeros, 64u << 20, made[0]);
	begin("Zzyzxon^Quentin");
	look("OB", made[0], n, ROOM);
	assert_int_equal(l.unread, COMPRESSED_LIMIT);
	assert_true(c.left >= COMPRESSED_MOST - (COMPRESSED_FREE + (1u << 20)));
	/* Nine of them in a value: what is left for the object is not gone beyond. */
	for (unsigned i = 0; i < 9; i++) {
		memcpy(made[1] + i * n, made[0], n);
	}
	begin("Zzyzxon^Quentin");
	look("OB", made[1], 9 * n, ROOM);
	assert_int_equal(l.unread, COMPRESSED_LIMIT);
	assert_int_equal(c.left, 0);
	n = squeeze(GZIP, text, sizeof(text) - 1, made[0]);
	look("OB", made[0], n, ROOM);
	assert_false(l.found);
	assert_int_equal(c.unread, COMPRESSED_LIMIT);
	begin("Zzyzxon^Quentin"); /* the next object has all of it again */
	look("OB", made[0], n, ROOM);
	assert_true(l.found);
	free(zeros);
	/* Heads of streams that never begin, each of which takes the rest. */
	for (size_t at = 0; at + 10 <= (24u << 20); at += 10) {
		memcpy(made[0] + at, "\x1F\x8B\x08\x08\x01\x01\x01\x01\x01\x01", 10);
	}
	begin("Zzyzxon^Quentin");
	look("OB", made[0], 24u << 20, ROOM);
	assert_int_equal(l.unread, COMPRESSED_LIMIT);
}

/* Bytes of any kind have such beginnings by chance: nothing is said of them. */
static void chance(void **state)
{
	(void)state;
	uint64_t random = 88172645463325252u;
	for (size_t i = 0; i < (8u << 20); i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		made[0][i] = (uint8_t)(random >> 20);
	}
	begin("Zzyzxon^Quentin");
	look("OB", made[0], 8u << 20, ROOM);
	assert_false(l.found);
	assert_int_equal(l.unread, COMPRESSED_READ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ways),
		cmocka_unit_test(nothing),
		cmocka_unit_test(anywhere),
		cmocka_unit_test(levels),
		cmocka_unit_test(documents),
		cmocka_unit_test(unread),
		cmocka_unit_test(bombs),
		cmocka_unit_test(chance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
