/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/encoded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those before it */
#include <cmocka.h>

/* What is encoded in bytes: a text is looked for in what is given. */
struct wanted {
	const char *text;
	bool found;
	size_t given;
};

static void take(void *arg, const struct encoded_piece *piece)
{
	struct wanted *w = arg;
	assert_in_range(piece->bytes.len, 4, ENCODED_PIECE);
	w->given += piece->bytes.len;
	w->found = w->found || memmem(piece->bytes.ptr, piece->bytes.len, w->text, strlen(w->text)) != NULL;
}

static struct wanted look(const char *text, const void *in, size_t n)
{
	struct wanted w = {text, false, 0};
	uint8_t *exact = malloc(n ? n : 1);
	assert_non_null(exact);
	memcpy(exact, in, n);
	const struct encoded_piece all = {{exact, n}, false, false, false};
	encoded_read(&all, take, &w);
	free(exact);
	return w;
}

/* Cut at every byte, nothing is read behind the end; whole, it is there. */
static void cut(void **state)
{
	static const struct {
		const char *in, *text;
	} of[] = {{"Abc%20d%u00e9", "Abc d\xC3\xA9"}, {"Abc+de", "Abc de"},
		{"abc&#100;&#x65;&eacute;", "abcde\xC3\xA9"}, {"abc&#100 &#101;", "abcd e"},
		{"abc\\u0064\\x65\\146\\/\\\\", "abcdef/\\"}, {"\\ud83d\\ude00 ab", "\xF0\x9F\x98\x80 ab"},
		{"abc=64=\r\ne", "abcde"}, {"61 62:63-6465", "abcde"}, {"YWJjZA==", "abcd"},
		{"_-8_abc", "\xFF\xEF\x3F\x69"}};
	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		size_t len = strlen(of[i].in);
		for (size_t n = 0; n < len; n++) {
			look(of[i].text, of[i].in, n);
		}
		if (!look(of[i].text, of[i].in, len).found) {
			fail_msg("%s", of[i].in);
		}
	}
}

static void nothing(void **state)
{
	static const char *const in[] = {"", "abc", "100 %", "a & b;", "a\\b", "a = b", "1.2.3", "&abcd;ref",
		"%zz%4", "=4", "\\u12g4", "x&#;y", "a+", "1 2 3 4 5 6 7 8 9"};
	(void)state;
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		assert_int_equal(look("?", in[i], strlen(in[i])).given, 0);
	}
}

/* What a value of some megabytes costs is bounded, whatever it is: all that is given is a few times as long. */
static void cost(void **state)
{
	static const char *const in[] = {"%41", "&#65;", "\\u0041", "=41", "41", "41 ", "QUFB", "&", "%",
		"\\", "+a", "=\r\n",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n"};
	const size_t n = 1u << 20;
	char *text = malloc(n);
	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		for (size_t at = 0; at < n; at++) {
			text[at] = in[i][at % strlen(in[i])];
		}
		assert_in_range(look("?", text, n).given, 0, 6 * n);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut), cmocka_unit_test(nothing), cmocka_unit_test(cost)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
