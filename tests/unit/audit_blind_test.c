/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/blind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *made(enum blind_kind kind, const char *text, const char *second)
{
	static char value[BLIND_VALUE_MOST + 1];
	size_t len = 0;
	int e = blind_value(kind, span_str(text), span_str(second), (uint8_t *)value, &len);
	if (e != 0) {
		assert_int_equal(e, ERR_MISSING);
		return "(none)";
	}
	assert_in_range(len, 1, BLIND_VALUE_MOST);
	value[len] = 0;
	return value;
}

static void identifiers(void **state)
{
	static const enum blind_kind kinds[] = {BLIND_PATIENT, BLIND_ACCESSION, BLIND_STUDY, BLIND_NODE};
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		assert_string_equal(made(kinds[i], "  A 17b ", "x"), "A 17b");
		assert_string_equal(made(kinds[i], "007", ""), "007");
		assert_string_equal(made(kinds[i], "", ""), "(none)");
		assert_string_equal(made(kinds[i], "   ", ""), "(none)");
	}
	uint8_t value[BLIND_VALUE_MOST];
	size_t len = 0;
	/* A UID is padded with a NUL (PS3.5 9.1). */
	assert_int_equal(blind_value(BLIND_STUDY, span_of("1.2.3\0", 6), span_of(NULL, 0), value, &len), 0);
	assert_int_equal(len, 5);
	assert_int_equal(
		blind_value(BLIND_STUDY, span_of("\0\0", 2), span_of(NULL, 0), value, &len), ERR_MISSING);
	assert_int_equal(
		blind_value(BLIND_STUDY, span_of(NULL, 0), span_of(NULL, 0), value, &len), ERR_MISSING);
	assert_int_equal(blind_value(0, span_str("x"), span_str(""), value, &len), ERR_TYPE);
	assert_int_equal(blind_value(BLIND_KIND_COUNT, span_str("x"), span_str(""), value, &len), ERR_TYPE);
}

static void users(void **state)
{
	static const char *const same[] = {"weber", "Weber", "  WEBER ", "weber "};
	for (unsigned i = 0; i < ARRAY_LEN(same); i++) {
		assert_string_equal(made(BLIND_USER, same[i], ""), "weber");
	}
	assert_string_equal(made(BLIND_USER, "Anna  M\xc3\x9cLLER", ""), "anna m\xc3\xbcller");
	assert_string_equal(made(BLIND_USER, "HOSPITAL\\weber", ""), "hospital\\weber");
	assert_string_equal(made(BLIND_USER, "  ", ""), "(none)");
}

static void identifiers_of_issuers(void **state)
{
	assert_string_equal(made(BLIND_PATIENT_OF_ISSUER, " 17 ", " ward "), "17\\ward");
	assert_string_equal(made(BLIND_PATIENT_OF_ISSUER, "17", ""), "(none)");
	assert_string_equal(made(BLIND_PATIENT_OF_ISSUER, "", "ward"), "(none)");
}

static void names(void **state)
{
	static const struct {
		const char *text, *same;
	} rows[] = {
		{"Doe^John", "doe^john"},
		{"DOE^JOHN^^^", "doe^john"},
		{" Doe  ^ John   Paul ^", "doe^john paul"},
		{"^John", "^john"},
		{"Doe^^^Dr", "doe^^^dr"},
		{"Yamada^Tarou=\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e=x^y", "yamada^tarou"},
		{"=\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e",
			"\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e"},
		{" ^ = ^ =x", "x"},
		{"M\xc3\x9cLLER^J\xc3\x96RG", "m\xc3\xbcller^j\xc3\xb6rg"},
		{"\xc5\x81UKASZ \xc5\xbb", "\xc5\x82ukasz \xc5\xbc"},
		{"\xce\xa3\xce\xa9\xce\x9a\xce\xa1\xce\x91\xce\xa4\xce\x97\xce\xa3",
			"\xcf\x83\xcf\x89\xce\xba\xcf\x81\xce\xb1\xcf\x84\xce\xb7\xcf\x83"},
		{"\xcf\x83\xcf\x89\xce\xba\xcf\x81\xce\xb1\xcf\x84\xce\xb7\xcf\x82",
			"\xcf\x83\xcf\x89\xce\xba\xcf\x81\xce\xb1\xcf\x84\xce\xb7\xcf\x83"},
		{"\xd0\x98\xd0\x92\xd0\x90\xd0\x9d \xd0\x81", "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd \xd1\x91"},
		{"\xc3\x97\xc3\xb7", "\xc3\x97\xc3\xb7"}, /* signs, not letters */
		{"a\xff\xc3", "a\xff\xc3"},
		{"", "(none)"},
		{"^^^", "(none)"},
		{"==", "(none)"},
		{" ^ = ", "(none)"},
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		assert_string_equal(made(BLIND_NAME, rows[i].text, ""), rows[i].same);
	}
	/* What is the same already stays so. */
	for (unsigned i = 0; i < ARRAY_LEN(rows) - 4; i++) {
		assert_string_equal(made(BLIND_NAME, rows[i].same, ""), rows[i].same);
	}
}

static void addresses(void **state)
{
	assert_string_equal(made(BLIND_ADDRESS, "::ffff:10.1.1.7", ""), "10.1.1.7");
	assert_string_equal(made(BLIND_ADDRESS, "10.1.1.7", ""), "10.1.1.7");
	assert_string_equal(made(BLIND_ADDRESS, "2001:DB8:0:0:0:0:0:1", ""), "2001:db8::1");
	assert_string_equal(made(BLIND_ADDRESS, "CT1.Hospital", ""), "ct1.hospital");
}

static void long_ones_are_cut(void **state)
{
	static char longer[5000];
	memset(longer, 'A', sizeof(longer) - 1);
	assert_int_equal(strlen(made(BLIND_NAME, longer, "")), BLIND_VALUE_MOST - 1);
	assert_int_equal(strlen(made(BLIND_PATIENT, longer, "")), BLIND_VALUE_MOST - 1);
	assert_int_equal(strlen(made(BLIND_PATIENT_OF_ISSUER, longer, longer)), BLIND_VALUE_MOST - 1);
	memset(longer, '^', sizeof(longer) - 1);
	longer[0] = 'a';
	assert_string_equal(made(BLIND_NAME, longer, ""), "a");
}

/* Made with openssl: printf '\003A1' | openssl dgst -sha256 -mac hmac -macopt hexkey:0001…1f */
static void tokens(void **state)
{
	static const uint8_t want[BLIND_TOKEN] = {0xef, 0x4f, 0xa5, 0xbc, 0x21, 0x3c, 0x34, 0x58, 0x8b, 0x62,
		0xf4, 0x49, 0x02, 0x81, 0x88, 0x43};
	uint8_t key[BLIND_KEY], token[BLIND_TOKEN], other[BLIND_TOKEN];
	for (unsigned i = 0; i < sizeof(key); i++) {
		key[i] = (uint8_t)i;
	}
	assert_int_equal(blind_token(key, BLIND_ACCESSION, span_str("A1"), token), 0);
	assert_memory_equal(token, want, sizeof(want));
	assert_int_equal(blind_token(key, BLIND_PATIENT, span_str("A1"), other), 0);
	assert_memory_not_equal(token, other, sizeof(token));
	key[31] ^= 1;
	assert_int_equal(blind_token(key, BLIND_ACCESSION, span_str("A1"), other), 0);
	assert_memory_not_equal(token, other, sizeof(token));
	assert_int_equal(blind_token(key, 0, span_str("A1"), other), ERR_TYPE);
	assert_int_equal(blind_token(key, BLIND_KIND_COUNT, span_str("A1"), other), ERR_TYPE);
	assert_string_equal(blind_kind_name(BLIND_ACCESSION), "accession");
	assert_string_equal(blind_kind_name(0), "unknown");
}

/* Each group that says something, none twice, and no more than a name has. */
static void groups(void **state)
{
	static const struct {
		const char *name, *groups[BLIND_GROUPS];
	} rows[] = {{"", {NULL}}, {"=", {NULL}}, {"^^= =^", {NULL}}, {"Doe^Jane", {"Doe^Jane"}},
		{"Doe^Jane=", {"Doe^Jane"}}, {"==X^Y", {"X^Y"}}, {"A=B=C", {"A", "B", "C"}},
		{"A==C", {"A", "C"}}, {"A=B=C=D=E", {"A", "B", "C"}}, {"====E", {"E"}}};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct span got[BLIND_GROUPS];
		unsigned n = blind_name_groups(span_str(rows[i].name), got), wanted = 0;
		while (wanted < BLIND_GROUPS && rows[i].groups[wanted]) {
			wanted++;
		}
		assert_int_equal(n, wanted);
		for (unsigned k = 0; k < n; k++) {
			assert_true(span_eq(got[k], span_str(rows[i].groups[k])));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups),
		cmocka_unit_test(identifiers),
		cmocka_unit_test(users),
		cmocka_unit_test(identifiers_of_issuers),
		cmocka_unit_test(names),
		cmocka_unit_test(addresses),
		cmocka_unit_test(long_ones_are_cut),
		cmocka_unit_test(tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
