/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "policy/vocabulary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What a command line says on a stream, and what it means. */

static const char usage[] = "usage: try [--json] IN OUT\n\nTries.\n\n  --jobs N   at once\n";

static struct {
	bool json;
	const char *key, *name, *trust[2];
	uint64_t jobs, limit;
	unsigned dates, retain, n_trust;
	uint32_t tag;
} got;

static bool take_tag(void *arg, const char *value)
{
	return word_tag(value, arg) == 0;
}

static bool is_short(const char *text)
{
	return strlen(text) < 8;
}

static const struct word dates[] = {{"remove", 1}, {"shift", 2}, {"keep", 4}, {0}};
static const struct word retain[] = {{"uids", 1}, {"device", 2}, {"patient", 4}, {0}};

static const struct option_row rows[] = {{"json", .letter = 'j', .flag = &got.json},
	{"key", "FILE", 'k', .text = &got.key}, {"jobs", "N", .number = &got.jobs, .least = 1, .most = 64},
	{"limit", "N", .number = &got.limit, .least = 1},
	{"dates", "HOW", .bits = &got.dates, .words = dates, .once = true},
	{"retain", "WHAT", .bits = &got.retain, .words = retain, .many = true},
	{"trust", "FILE", .text = got.trust, .room = 2, .n = &got.n_trust},
	{"name", "NAME", .text = &got.name, .good = is_short, .wants = "a short name", .may_be_empty = true},
	{"tag", "TAG", .take = take_tag, .wants = "a keyword", .offer = word_nearest_tag}, {0}};

static const struct options_what whats[] = {{"sign", "DIR REQUEST"}, {"list", "DIR"}, {0}};
static bool yes;
static const char *by;
static const struct option_row verb_rows[] = {{"yes", .flag = &yes, .only = "sign"},
	{"by", "PERSON", .text = &by, .only = "sign", .needed = "every approval has a name"}, {0}};

#define WORDS_MOST 8

/* stream: 1 or 2. All of what is said there, in static storage; *ret_code is as it was if the line may go on. */
static const char *said(struct options *o, int stream, const char *const *words, int *ret_code)
{
	static char text[4096];
	char copies[WORDS_MOST + 1][64], *argv[WORDS_MOST + 2] = {(char[]){"try"}};
	FILE *file = tmpfile(), *to = stream == 1 ? stdout : stderr;
	int argc = 1, kept = dup(stream);
	memset(&got, 0, sizeof(got));
	for (; words[argc - 1]; argc++) {
		snprintf(copies[argc], sizeof(copies[argc]), "%s", words[argc - 1]);
		argv[argc] = copies[argc];
	}
	assert_true(file && kept >= 0 && fflush(to) == 0 && dup2(fileno(file), stream) >= 0);
	bool on = options_read(o, argc, argv, ret_code);
	assert_true(fflush(to) == 0 && dup2(kept, stream) >= 0);
	close(kept);
	rewind(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	if (on) {
		assert_int_equal(*ret_code, 2);
		*ret_code = -1;
	}
	return text;
}

static void test_wrong(void **state)
{
	static const struct {
		const char *words[WORDS_MOST];
		const char *text; /* all that is said, up to the usage */
	} cases[] = {
		{{"--jobs", "65", "a", "b"}, "try: --jobs `65`: expected a number from 1 to 64\n"},
		{{"--jobs", "0", "a", "b"}, "try: --jobs `0`: expected a number from 1 to 64\n"},
		{{"--jobs=-1", "a", "b"}, "try: --jobs `-1`: expected a number from 1 to 64\n"},
		{{"--limit", "0", "a", "b"}, "try: --limit `0`: expected a number, 1 or more\n"},
		{{"--limit", "9223372036854775808"},
			"try: --limit `9223372036854775808`: expected a number, 1 or more\n"},
		{{"--dates", "keeep"},
			"try: --dates `keeep`: expected remove, shift or keep; is `keep` meant?\n"},
		{{"--dates", "other"}, "try: --dates `other`: expected remove, shift or keep\n"},
		{{"--dates", "keep", "--dates", "shift"}, "try: --dates is given twice, and one is taken\n"},
		{{"--retain", "uids,devise"},
			"try: --retain `devise`: expected uids, device or patient, several with commas; is `device` meant?\n"},
		{{"--retain", "uids,"},
			"try: --retain ``: expected uids, device or patient, several with commas\n"},
		{{"--name", "much too long"}, "try: --name `much too long`: expected a short name\n"},
		{{"--tag", "PatientIDD"},
			"try: --tag `PatientIDD`: expected a keyword; is `PatientID` meant?\n"},
		{{"--trust", "a", "--trust", "b", "--trust", "c"}, "try: --trust `c`: 2 are taken at most\n"},
		{{"--jobs"}, "try: --jobs lacks its value: a number from 1 to 64\n"},
		{{"a", "--key"}, "try: --key lacks its value: FILE\n"},
		{{"-k"}, "try: --key lacks its value: FILE\n"},
		{{"--dates"}, "try: --dates lacks its value: remove, shift or keep\n"},
		{{"--key", ""}, "try: --key lacks its value: FILE (what is there is empty: has a variable"},
		{{"--key", "--json", "a", "b"},
			"try: --key lacks its value: FILE, and `--json` is an option (--key=--json, if that is it)\n"},
		{{"--key", "\033[31m", "--jobs", "\033[31m"}, "try: --jobs `\357\277\275[31m`: expected"},
		{{"--jbos", "3", "a", "b"}, "try: there is no option `--jbos`: is `--jobs` meant?\nusage: "},
		{{"--hepl"}, "try: there is no option `--hepl`: is `--help` meant?\nusage: "},
		{{"--colour"}, "try: there is no option `--colour`\nusage: "},
		{{"-x"}, "try: there is no option `-x`\nusage: "},
		{{"-json"}, "try: there is no option `-json`: is `--json` meant?\nusage: "},
		{{"-jx", "a"}, "try: there is no option `-jx`\nusage: "},
		{{"--j=3"}, "try: `--j=3` may be --json or --jobs\nusage: "},
		{{"--json=yes"}, "try: --json takes no value\nusage: "},
		{{"--help=yes"}, "try: --help takes no value\nusage: "},
		{{NULL}, "try: IN is missing\nusage: "},
		{{"a"}, "try: OUT is missing\nusage: "},
		{{"a", "b", "c"}, "try: `c` is too much: what is taken is IN OUT\nusage: "},
		{{"a", ""}, "try: an argument is empty: has a variable"},
	};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct options o = {.usage = usage, .rows = rows, .arguments = "IN OUT", .arg = &got.tag};
		int code = -1;
		const char *text = said(&o, 2, cases[i].words, &code);
		assert_int_equal(code, 2);
		assert_true(strncmp(text, cases[i].text, strlen(cases[i].text)) == 0 ||
			    !fprintf(stderr, "%s", text));
	}
}

static void test_right(void **state)
{
	static const char *const words[] = {
		"--json", "a", "--jobs=64", "--retain", "uids,PATIENT", "--dates", "Shift", "b", NULL};
	static const char *const more[] = {"-jkfile", "--name=", "--trust", "t", "--", "--a", "b", NULL};
	struct options o = {.usage = usage, .rows = rows, .arguments = "IN OUT", .arg = &got.tag};
	int code = 0;
	assert_string_equal(said(&o, 2, words, &code), "");
	assert_int_equal(code, -1);
	assert_true(got.json && got.jobs == 64 && got.retain == 5 && got.dates == 2 && !got.key);
	assert_true(o.n == 2 && options_given(&o, "jobs") && !options_given(&o, "key"));
	assert_string_equal(said(&o, 2, more, &code), "");
	assert_int_equal(code, -1);
	assert_true(got.json && options_given(&o, "key") && got.n_trust == 1 && options_given(&o, "name"));
	static const char *const help[] = {"--jobs", "3", "-h", NULL};
	assert_string_equal(said(&o, 1, help, &code), usage);
	assert_int_equal(code, 0);
}

/* "[FILE]", "FILE...", nothing, and words that come first. */
static void test_arguments(void **state)
{
	static const struct {
		const char *arguments; /* NULL: whats */
		const char *words[WORDS_MOST];
		const char *text; /* NULL: right */
	} cases[] = {{"[FILE]", {NULL}, NULL}, {"[FILE]", {"a"}, NULL},
		{"[FILE]", {"a", "b"}, "try: `b` is too much: what is taken is [FILE]\n"},
		{"FILE...", {NULL}, "try: FILE is missing\n"}, {"FILE...", {"a", "b", "c"}, NULL},
		{"IN... OUT", {"a"}, "try: OUT is missing\n"}, {"IN... OUT", {"a", "b", "c"}, NULL},
		{"[WHAT] [FIELD=VALUE]...", {"a", "b", "c"}, NULL}, {"", {NULL}, NULL},
		{"", {"a"}, "try: `a` is too much: options alone are taken\n"},
		{NULL, {NULL}, "try: say what to do: sign, list\n"},
		{NULL, {"sgin", "a", "b"}, "try: there is no verb `sgin`: is `sign` meant?\n"},
		{NULL, {"make"}, "try: there is no verb `make`: sign, list\n"},
		{NULL, {"sign", "a"}, "try: REQUEST is missing\n"},
		{NULL, {"sign", "a", "b"}, "try: --by PERSON is missing: every approval has a name\n"},
		{NULL, {"sign", "a", "--by", "me", "b"}, NULL}, {NULL, {"list", "a"}, NULL},
		{NULL, {"list", "a", "--yes"}, "try: --yes goes with `sign`, and not with `list`\n"}};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		bool verb = !cases[i].arguments;
		struct options o = {.usage = usage,
			.rows = verb ? verb_rows : rows,
			.arguments = cases[i].arguments,
			.whats = verb ? whats : NULL};
		int code = 0;
		const char *text = said(&o, 2, cases[i].words, &code);
		assert_int_equal(code, cases[i].text ? 2 : -1);
		assert_true(strncmp(text, cases[i].text ? cases[i].text : "",
				    cases[i].text ? strlen(cases[i].text) : sizeof(usage)) == 0 ||
			    !fprintf(stderr, "%s", text));
	}
}

/* What a shell is offered. */
static void test_complete(void **state)
{
	static const struct {
		const char *words[WORDS_MOST];
		const char *text;
	} cases[] = {{{"--dates", ""}, "remove\nshift\nkeep\n"}, {{"--dates", "k"}, "keep\n"},
		{{"--jo"}, "--jobs\tat once\n"}, {{"--key", ""}, ":files\n"}, {{"-k", "a"}, ":files\n"},
		{{"--jobs", ""}, ""}, {{"--json", ""}, ":files\n"}, {{"a", ""}, ":folders\n"},
		{{"a", "b", ""}, ""}};
	options_completing = true;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct options o = {.usage = usage, .rows = rows, .arguments = "IN FOLDER"};
		int code = -1;
		assert_string_equal(said(&o, 1, cases[i].words, &code), cases[i].text);
		assert_int_equal(code, 0);
	}
	struct options o = {.usage = usage, .rows = verb_rows, .whats = whats};
	int code = -1;
	static const char *const first[] = {"", NULL}, *const second[] = {"sign", "a", "", NULL};
	assert_string_equal(said(&o, 1, first, &code), "sign\nlist\n");
	assert_string_equal(said(&o, 1, second, &code), ":files\n");
	options_completing = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_wrong), cmocka_unit_test(test_right),
		cmocka_unit_test(test_arguments), cmocka_unit_test(test_complete)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
