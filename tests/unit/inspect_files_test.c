/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_said.h"

#include <sys/stat.h>

/*
 * What is found in each file of tests/data is what its EXPECT.tsv says; and it does not depend on how the file was cut: whole,
 * in pieces of many sizes, and cut once at many places.
 */
static const struct inspect_about a_file = {.file = true};

static struct span load(const char *path)
{
	struct stat st;
	FILE *file = fopen(path, "rbe");
	if (!file) {
		fail_msg("%s cannot be opened", path);
	}
	assert_int_equal(fstat(fileno(file), &st), 0);
	uint8_t *bytes = malloc((size_t)st.st_size + 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, (size_t)st.st_size, file), st.st_size);
	fclose(file);
	return span_of(bytes, (size_t)st.st_size);
}

static unsigned each_row(void (*test)(const char *name, struct span s, const char *worst, const char *checks))
{
	char line[1024];
	unsigned n = 0;
	FILE *table = fopen(TESTS_DATA "/inspect/EXPECT.tsv", "re");
	assert_non_null(table);
	while (fgets(line, sizeof(line), table)) {
		char *save, *name = strtok_r(line, "\t\n", &save), *worst = strtok_r(NULL, "\t\n", &save),
			    *checks = strtok_r(NULL, "\t\n", &save);
		if (line[0] == '#' || strcmp(name, "file") == 0) {
			continue;
		}
		assert_non_null(checks);
		/* Files that are used as they should be have no more than notes, or a reason. */
		bool good = strcmp(worst, "nothing") == 0 || strcmp(worst, "note") == 0;
		bool meant_well = strncmp(name, "dicom/", 6) == 0 || strncmp(name, "valid/", 6) == 0;
		if (meant_well && !good && !strtok_r(NULL, "\t\n", &save)) {
			fail_msg("%s: no reason is given", name);
		}
		char path[512];
		snprintf(path, sizeof(path), TESTS_DATA "/%s", name);
		struct span s = load(path);
		test(name, s, worst, strcmp(checks, "-") == 0 ? "" : checks);
		exact_free(s);
		n++;
	}
	fclose(table);
	return n;
}

static void as_expected(const char *name, struct span s, const char *worst, const char *checks)
{
	char is[1024];
	inspect_pieces(&inspected, &a_file, s, 0, 0, true);
	said_checks(&inspected, is, sizeof(is));
	int w = inspect_worst(&inspected);
	const char *worst_is = w < 0 ? "nothing" : inspect_severity_name((enum inspect_severity)w);
	if (strcmp(is, checks) != 0 || strcmp(worst_is, worst) != 0) {
		fail_msg("%s: %s, %s; expected: %s, %s", name, worst_is, is, worst, checks);
	}
	assert_int_equal(inspected.facts.bytes, s.len);
}

static void files_have_their_findings(void **state)
{
	assert_true(each_row(as_expected) >= 260);
}

static char whole[SAID_MOST], other[SAID_MOST];

static void same(const char *name, struct span s, size_t first, size_t step, bool exactly)
{
	inspect_pieces(&inspected, &a_file, s, first, step, exactly);
	said_text(&inspected, other);
	if (strcmp(whole, other) != 0) {
		fail_msg("%s, first %zu, then pieces of %zu:\n%s\nwhole:\n%s", name, first, step, other,
			whole);
	}
}

static void any_cut(const char *name, struct span s, const char *worst, const char *checks)
{
	static const size_t sizes[] = {1, 2, 3, 7, 11, 16, 131, 1000, 4095, 4097};
	inspect_pieces(&inspected, &a_file, s, 0, 0, true);
	said_text(&inspected, whole);
	for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
		same(name, s, 0, sizes[k], sizes[k] > 100);
	}
	/* Each split of small files; of larger ones those of the beginning and the end, and some between: fewer, the longer. */
	size_t most = s.len < 100000 ? 300 : 1 + 30000000 / s.len, stride = 1 + s.len / most;
	for (size_t at = 1; at < s.len; at++) {
		if (s.len < 1200 || at % stride == 0 || at < most || s.len - at < 60) {
			same(name, s, at, 0, false);
		}
	}
}

static void findings_do_not_depend_on_cuts(void **state)
{
	assert_true(each_row(any_cut) >= 260);
}

/* One struct serves for object after object, and not all of it is cleared for each. */
static void after_any_other(const char *name, struct span s, const char *worst, const char *checks)
{
	const struct inspect_about abouts[] = {a_file, {.transfer_syntax = span_str("1.2.840.10008.1.2.1")},
		{.transfer_syntax = span_str("1.2.840.10008.1.2.4.50")},
		{.transfer_syntax = span_str("1.2.3")}};
	for (size_t k = 0; k < ARRAY_LEN(abouts); k++) {
		struct span of = k == 0 || s.len < 400 ? s : span_of(s.ptr + 132, s.len - 132);
		memset(&inspected, 0, sizeof(inspected));
		inspect_pieces(&inspected, &abouts[k], of, 0, 4097, false);
		said_text(&inspected, whole);
		memset(&inspected, 0xFF, sizeof(inspected));
		inspect_pieces(&inspected, &abouts[k], of, 0, 4097, false);
		said_text(&inspected, other);
		assert_string_equal(whole, other);
	}
}

static void findings_do_not_depend_on_the_object_before(void **state)
{
	assert_true(each_row(after_any_other) >= 260);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_have_their_findings),
		cmocka_unit_test(findings_do_not_depend_on_cuts),
		cmocka_unit_test(findings_do_not_depend_on_the_object_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
