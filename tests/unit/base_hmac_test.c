/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hmac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* RFC 4231 4.2 to 4.5: shorter keys are the same with zeros behind them. */
static const struct {
	const char *key, *data, *mac;
	uint8_t key_byte, key_len, data_byte, data_len;
} cases[] = {
	{.key_byte = 0x0b,
		.key_len = 20,
		.data = "Hi There",
		.mac = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{.key = "Jefe",
		.data = "what do ya want for nothing?",
		.mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{.key_byte = 0xaa,
		.key_len = 20,
		.data_byte = 0xdd,
		.data_len = 50,
		.mac = "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	{.key = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19",
		.data_byte = 0xcd,
		.data_len = 50,
		.mac = "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
};

/* Wherever the text is divided. */
static void vectors(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t key[HMAC_LEN] = {0}, text[64], mac[HMAC_LEN];
		char hex[2 * HMAC_LEN + 1];
		size_t len = cases[i].data ? strlen(cases[i].data) : cases[i].data_len;
		memset(key, cases[i].key_byte, cases[i].key_len);
		memcpy(key, cases[i].key ? cases[i].key : "", cases[i].key ? strlen(cases[i].key) : 0);
		memset(text, cases[i].data_byte, sizeof(text));
		memcpy(text, cases[i].data ? cases[i].data : "", cases[i].data ? len : 0);
		for (size_t at = 0; at <= len; at++) {
			memset(mac, 0, sizeof(mac));
			assert_int_equal(
				hmac_sha256(key, span_of(text, at), span_of(text + at, len - at), mac), 0);
			for (unsigned k = 0; k < HMAC_LEN; k++) {
				snprintf(hex + 2 * (size_t)k, 3, "%02x", mac[k]);
			}
			assert_string_equal(hex, cases[i].mac);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(vectors)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
