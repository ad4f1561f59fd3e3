/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "dicom/ae.h"

static int read_title(
	const char *raw, size_t len, unsigned tolerate, char title[AE_SIZE], unsigned *tolerated)
{
	struct span s = exact(raw, len);
	int err = ae_read(s, tolerate, title, tolerated);
	exact_free(s);
	return err;
}

#define READ(raw, tolerate) read_title((raw), sizeof(raw) - 1, (tolerate), title, &tolerated)

static void titles(void **state)
{
	char title[AE_SIZE];
	unsigned tolerated = 0;
	assert_int_equal(READ("STORESCP        ", 0), 0);
	assert_string_equal(title, "STORESCP");
	assert_int_equal(READ("  A/B c~        ", 0), 0);
	assert_string_equal(title, "A/B c~"); /* a slash is legal, and so is a space inside */
	assert_int_equal(READ("SIXTEEN_LETTERS!", 0), 0);
	assert_string_equal(title, "SIXTEEN_LETTERS!");
	assert_int_equal(READ("X", 0), 0);
	assert_string_equal(title, "X");
	assert_int_equal(tolerated, 0);
}

static void refused_titles(void **state)
{
	char title[AE_SIZE] = "before";
	unsigned tolerated = 0;
	assert_int_equal(READ("                ", 0), ERR_MISSING);
	assert_int_equal(READ("", 0), ERR_MISSING);
	assert_int_equal(READ("A\\B             ", 0), ERR_VALUE);
	assert_int_equal(READ("A\nB             ", 0), ERR_VALUE);
	assert_int_equal(READ("A\x7f              ", 0), ERR_VALUE);
	assert_int_equal(READ("M\xc3\xbcller         ", 0), ERR_VALUE);
	assert_int_equal(READ("A\0B             ", AE_TOLERATE_NUL), ERR_VALUE);
	assert_int_equal(READ("SEVENTEEN_LETTERS", 0), ERR_LENGTH);
	assert_string_equal(title, "before");
	assert_int_equal(tolerated, 0);
}

static void nul_padding(void **state)
{
	char title[AE_SIZE] = "before";
	unsigned tolerated = 0;
	assert_int_equal(READ("CT1\0\0\0\0\0\0\0\0\0\0\0\0\0", 0), ERR_VALUE);
	assert_string_equal(title, "before");
	assert_int_equal(READ("CT1\0\0\0\0\0\0\0\0\0\0\0\0\0", AE_TOLERATE_NUL), 0);
	assert_string_equal(title, "CT1");
	assert_int_equal(tolerated, AE_TOLERATE_NUL);
	assert_int_equal(READ("\0\0\0\0", AE_TOLERATE_NUL), ERR_MISSING);
}

static void valid(void **state)
{
	assert_true(ae_valid("CT1"));
	assert_true(ae_valid("SIXTEEN_LETTERS!"));
	assert_false(ae_valid("SEVENTEEN_LETTERS"));
	assert_false(ae_valid(""));
	assert_false(ae_valid(" CT1"));
	assert_false(ae_valid("CT1 "));
	assert_false(ae_valid("C\\T"));
	assert_false(ae_valid("C\tT"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(titles),
		cmocka_unit_test(refused_titles),
		cmocka_unit_test(nul_padding),
		cmocka_unit_test(valid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
