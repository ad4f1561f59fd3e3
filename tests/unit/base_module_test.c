/* SPDX-License-Identifier: Apache-2.0 */
#include "base/module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void finds_the_path(void **state)
{
	char path[256], small[8] = "before";
	assert_int_equal(module_path("/b/src/cli/gantry", "audit/one", path, sizeof(path)), 0);
	assert_string_equal(path, "/b/src/audit/one.so");
	assert_int_equal(module_path("/usr/local/bin/gantry", "audit/one", path, sizeof(path)), 0);
	assert_string_equal(path, GANTRY_MODULES "/one.so");
	/* Something else of that tree, or of that name, is not the tree's program. */
	assert_int_equal(module_path("/b/src/cli/gantry2", "one", path, sizeof(path)), 0);
	assert_string_equal(path, GANTRY_MODULES "/one.so");
	assert_int_equal(module_path("/b/src/cli/gantry", "/else/one.so", path, sizeof(path)), 0);
	assert_string_equal(path, "/else/one.so");
	assert_int_equal(module_path("/b/src/cli/gantry", "audit/one", small, sizeof(small)), ERR_LIMIT);
	assert_string_equal(small, "before");
}

static void says_what_fails(void **state)
{
	char why[256] = "";
	module_function *f = NULL;
	assert_int_equal(module_open("/nowhere/one.so", "f", &f, why, sizeof(why)), ERR_NOT_FOUND);
	assert_non_null(strstr(why, "/nowhere/one.so"));
	assert_null(f);
	assert_int_equal(module_open("/proc/self/exe", "f", &f, why, sizeof(why)), ERR_NOT_FOUND);
	/* It is there, and has no such function. */
	assert_int_equal(module_open(AUDIT_MODULE, "no_such_function", &f, why, sizeof(why)), ERR_NOT_FOUND);
	assert_non_null(strstr(why, "no_such_function"));
	assert_null(f);
	assert_int_equal(module_open(AUDIT_MODULE, "audit_xml_write", &f, why, sizeof(why)), 0);
	assert_non_null(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_path),
		cmocka_unit_test(says_what_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
