/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "dicom/charset.h"
#include "policy/values.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FIRST_ROW 256 /* what getopt_long() gives for it; below are letters */

/* ---- What is wrong ---- */

/* What was typed, safe for a terminal: names of files are anybody's. Until the next call. */
static const char *printed(const char *typed)
{
	static char text[3 * 1024];
	struct charset utf8 = {.coding = CHARSET_UTF8};
	struct charset_text t;
	charset_to_utf8(&utf8, "ST", CHARSET_NO_BIDI, span_str(typed), text, sizeof(text), &t);
	return text;
}

static void show_usage(const struct options *o)
{
	const char *rest = strstr(o->usage, "\n\n");
	if (rest) {
		fprintf(stderr, "%.*s\n--help says more.\n", (int)(rest - o->usage), o->usage);
	} else {
		fputs(o->usage, stderr);
	}
}

int options_misuse(const struct options *o, const char *format, ...)
{
	va_list ap;
	fprintf(stderr, "%s: ", o->name);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	show_usage(o);
	return 2;
}

/* "remove, shift or keep". */
static void list_words(const struct word *words)
{
	for (const struct word *w = words; w->word; w++) {
		fprintf(stderr, "%s%s", w == words ? "" : w[1].word ? ", " : " or ", w->word);
	}
}

static void say_wanted(const struct option_row *row)
{
	if (row->words) {
		list_words(row->words);
		fputs(row->many ? ", several with commas" : "", stderr);
	} else if (row->number && row->most) {
		fprintf(stderr, "a number from %" PRIu64 " to %" PRIu64, row->least, row->most);
	} else if (row->number) {
		fprintf(stderr, "a number, %" PRIu64 " or more", row->least);
	} else {
		fputs(row->wants ? row->wants : row->value, stderr);
	}
}

static bool lacks(const struct options *o, const struct option_row *row)
{
	fprintf(stderr, "%s: --%s lacks its value: ", o->name, row->name);
	say_wanted(row);
	return false;
}

static bool wrong(const struct options *o, const struct option_row *row, const char *value)
{
	struct nearest near = nearest_to(value);
	fprintf(stderr, "%s: --%s `%s`: expected ", o->name, row->name, printed(value));
	say_wanted(row);
	for (const struct word *w = row->words; w && w->word; w++) {
		nearest_offer(&near, w->word);
	}
	if (row->offer) {
		row->offer(&near);
	}
	if (near.best) {
		fprintf(stderr, "; is `%s` meant?", near.best);
	}
	fputc('\n', stderr);
	return false;
}

/* ---- Values ---- */

static unsigned place_of(const struct options *o, const struct option_row *row)
{
	return (unsigned)(row - o->rows);
}

static bool take_text(const struct options *o, const struct option_row *row, const char *value)
{
	if (row->good && !row->good(value)) {
		return wrong(o, row, value);
	}
	if (row->room == 0) {
		*row->text = value;
		return true;
	}
	if (*row->n == row->room) {
		fprintf(stderr, "%s: --%s `%s`: %u are taken at most\n", o->name, row->name, printed(value),
			row->room);
		return false;
	}
	row->text[(*row->n)++] = value;
	return true;
}

static bool take_word(const struct options *o, const struct option_row *row, const char *value)
{
	for (const struct word *w = row->words; w->word; w++) {
		if (strcasecmp(w->word, value) == 0) {
			*row->bits = row->many ? *row->bits | w->value : w->value;
			return true;
		}
	}
	return wrong(o, row, value);
}

static bool take_words(const struct options *o, const struct option_row *row, const char *value)
{
	char word[NEAREST_WORD + 1];
	for (const char *at = value;; at++) {
		size_t n = strcspn(at, ",");
		snprintf(word, sizeof(word), "%.*s", (int)n, at);
		if (!take_word(o, row, word)) {
			return false;
		}
		at += n;
		if (!*at) {
			return true;
		}
	}
}

static bool take_number(const struct options *o, const struct option_row *row, const char *value)
{
	uint64_t n;
	if (value_number(value, row->most ? row->most : INT64_MAX, &n) < 0 || n < row->least) {
		return wrong(o, row, value);
	}
	*row->number = n;
	return true;
}

static bool take_value(struct options *o, const struct option_row *row, const char *value)
{
	uint64_t bit = (uint64_t)1 << place_of(o, row);
	if (row->once && (o->given & bit)) {
		fprintf(stderr, "%s: --%s is given twice, and one is taken\n", o->name, row->name);
		return false;
	}
	o->given |= bit;
	if (row->flag) {
		*row->flag = true;
		return true;
	}
	if (!value[0] && !row->may_be_empty) {
		(void)lacks(o, row);
		fputs(" (what is there is empty: has a variable of the shell nothing in it?)\n", stderr);
		return false;
	}
	return row->text     ? take_text(o, row, value)
	       : row->number ? take_number(o, row, value)
	       : row->many   ? take_words(o, row, value)
	       : row->words  ? take_word(o, row, value)
	                     : row->take(o->arg, value) || wrong(o, row, value);
}

/* ---- Options ---- */

static const struct option_row *row_of(const struct options *o, int c)
{
	for (const struct option_row *row = o->rows; row->name; row++) {
		if (c >= FIRST_ROW ? c - FIRST_ROW == (int)place_of(o, row) : row->letter == c) {
			return row;
		}
	}
	return NULL;
}

static const struct option_row *row_by_name(const struct options *o, const char *name)
{
	for (const struct option_row *row = o->rows; row->name; row++) {
		if (strcmp(row->name, name) == 0) {
			return row;
		}
	}
	return NULL;
}

/* The word that getopt_long() took for an option of which it knows nothing; of a bundle of letters it is not done with, that. */
static const char *stray(int argc, char **argv)
{
	const char *last = argv[optind - 1];
	bool whole = last[0] == '-' && last[1] && (last[1] == '-' || strchr(last + 1, optopt));
	return whole || optind == argc ? last : argv[optind];
}

static void unknown(const struct options *o, const char *word)
{
	char name[NEAREST_WORD + 1], begins[256] = "";
	const char *bare = word + strspn(word, "-");
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(bare, "="), bare);
	struct nearest near = nearest_to(name);
	unsigned n = 0;
	for (const struct option_row *row = o->rows; row->name; row++) {
		size_t used = strlen(begins);
		nearest_offer(&near, row->name);
		if (strncmp(row->name, name, strlen(name)) == 0 && word[1] == '-') {
			snprintf(
				begins + used, sizeof(begins) - used, "%s--%s", n++ ? " or " : "", row->name);
		}
	}
	nearest_offer(&near, "help");
	bool one = strlen(name) < 2; /* a letter is near to nothing */
	if (n > 1) {
		(void)options_misuse(o, "`%s` may be %s", printed(word), begins);
	} else if (near.best && !one) {
		(void)options_misuse(
			o, "there is no option `%s`: is `--%s` meant?", printed(word), near.best);
	} else {
		(void)options_misuse(o, "there is no option `%s`", printed(word));
	}
}

static bool complain(const struct options *o, int c, int argc, char **argv)
{
	const struct option_row *row = optopt == 'h' ? NULL : row_of(o, optopt);
	if (c == ':' && row) {
		(void)lacks(o, row);
		fputc('\n', stderr);
	} else if (optopt == 'h' || (row && optopt >= FIRST_ROW)) {
		(void)options_misuse(o, "--%s takes no value", row ? row->name : "help");
	} else {
		unknown(o, stray(argc, argv));
	}
	return false;
}

/* `--key --json`: the name of another option stands where the value was to be. */
static bool is_swallowed(const struct options *o, const struct option_row *row, const char *last)
{
	if (!row->value || optarg != last || strncmp(optarg, "--", 2) != 0 || !row_by_name(o, optarg + 2)) {
		return false;
	}
	(void)lacks(o, row);
	fprintf(stderr, ", and `%s` is an option (--%s=%s, if that is it)\n", optarg, row->name, optarg);
	return true;
}

struct getopt_table {
	struct option longs[OPTIONS_MOST + 2];
	char letters[2 * OPTIONS_MOST + 4];
};

static void make_table(const struct options *o, struct getopt_table *t)
{
	size_t n = 0, at = 0;
	*t = (struct getopt_table){0};
	t->letters[at++] = ':';
	t->letters[at++] = 'h';
	for (const struct option_row *row = o->rows; row->name && n < OPTIONS_MOST; row++, n++) {
		t->longs[n] = (struct option){
			row->name, row->value ? required_argument : no_argument, NULL, FIRST_ROW + (int)n};
		if (row->letter) {
			t->letters[at++] = row->letter;
			t->letters[at] = ':';
			at += row->value != NULL;
			t->letters[at] = 0;
		}
	}
	t->longs[n] = (struct option){"help", no_argument, NULL, 'h'};
}

static bool read_options(struct options *o, int argc, char **argv, int *ret_code)
{
	struct getopt_table t;
	make_table(o, &t);
	*ret_code = 2;
	opterr = 0;
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, t.letters, t.longs, NULL)) != -1;) {
		if (c == 'h') {
			fputs(o->usage, stdout);
			*ret_code = 0;
			return false;
		}
		if (c == ':' || c == '?') {
			return complain(o, c, argc, argv);
		}
		const struct option_row *row = row_of(o, c);
		if (is_swallowed(o, row, argv[optind - 1])) {
			return false;
		}
		if (!take_value(o, row, optarg)) {
			fprintf(stderr, "`%s --help` says more.\n", o->name);
			return false;
		}
	}
	return true;
}

bool options_given(const struct options *o, const char *name)
{
	const struct option_row *row = row_by_name(o, name);
	return row && (o->given >> place_of(o, row) & 1);
}

/* ---- What is no option ---- */

/* Is the word one of those with spaces between them? */
static bool is_among(const char *word, const char *words)
{
	size_t n = strlen(word);
	for (const char *at = words; *at; at += *at == ' ') {
		size_t k = strcspn(at, " ");
		if (k == n && memcmp(at, word, n) == 0) {
			return true;
		}
		at += k;
	}
	return false;
}

/* The name of the first that must be there and is not; too many: NULL, and *ret_most. */
static bool count(const char *names, unsigned n, char missing[64], unsigned *ret_most)
{
	unsigned least = 0, most = 0;
	for (const char *at = names; *at; at += *at == ' ') {
		size_t k = strcspn(at, " ");
		bool several = k > 3 && memcmp(at + k - 3, "...", 3) == 0;
		most = several ? UINT16_MAX * 256u : most + 1;
		if (at[0] != '[' && least++ == n) {
			snprintf(missing, 64, "%.*s", (int)(several ? k - 3 : k), at);
			return false;
		}
		at += k;
	}
	*ret_most = most;
	return true;
}

static bool check_arguments(struct options *o, const char *names)
{
	char missing[64];
	unsigned most = 0;
	if (!count(names, o->n, missing, &most)) {
		(void)options_misuse(o, "%s is missing", missing);
		return false;
	}
	if (o->n > most) {
		(void)options_misuse(o, "`%s` is too much: %s%s", printed(o->at[most]),
			names[0] ? "what is taken is " : "options alone are taken", names);
		return false;
	}
	for (unsigned i = 0; i < o->n; i++) {
		if (!o->at[i][0]) {
			(void)options_misuse(
				o, "an argument is empty: has a variable of the shell nothing in it?");
			return false;
		}
	}
	return true;
}

/* The first argument is what to do. */
static bool take_what(struct options *o)
{
	char words[256] = "";
	const char *typed = o->n > 0 ? o->at[0] : "";
	struct nearest near = nearest_to(typed);
	for (o->what = 0; o->whats[o->what].word; o->what++) {
		const char *word = o->whats[o->what].word;
		size_t used = strlen(words);
		if (strcmp(word, typed) == 0) {
			o->n--;
			o->at++;
			return true;
		}
		snprintf(words + used, sizeof(words) - used, "%s%s", used ? ", " : "", word);
		nearest_offer(&near, word);
	}
	if (o->n == 0) {
		(void)options_misuse(o, "say what to do: %s", words);
	} else if (near.best) {
		(void)options_misuse(o, "there is no verb `%s`: is `%s` meant?", printed(typed), near.best);
	} else {
		(void)options_misuse(o, "there is no verb `%s`: %s", printed(typed), words);
	}
	return false;
}

static bool is_of(const struct option_row *row, const char *what)
{
	return !row->only || is_among(what, row->only);
}

static bool misplaced(const struct options *o, const struct option_row *row, const char *what)
{
	char words[128] = "";
	for (const struct options_what *w = o->whats; w && w->word; w++) {
		size_t used = strlen(words);
		if (is_of(row, w->word)) {
			snprintf(words + used, sizeof(words) - used, "%s`%s`", used ? ", " : "", w->word);
		}
	}
	(void)options_misuse(o, "--%s goes with %s, and not with `%s`", row->name, words, what);
	return false;
}

/* Options that are not of this word, and those that must be there. */
static bool check_rows(const struct options *o)
{
	const char *what = o->whats ? o->whats[o->what].word : "";
	for (const struct option_row *row = o->rows; row->name; row++) {
		bool given = o->given >> place_of(o, row) & 1;
		if (given && !is_of(row, what)) {
			return misplaced(o, row, what);
		}
		if (!given && row->needed && is_of(row, what)) {
			(void)options_misuse(o, "--%s %s is missing: %s", row->name, row->value, row->needed);
			return false;
		}
	}
	return true;
}

bool options_read(struct options *o, int argc, char **argv, int *ret_code)
{
	o->name = argv[0];
	o->given = 0;
	if (options_completing) {
		options_complete(o, argc, argv);
		*ret_code = 0;
		return false;
	}
	if (!read_options(o, argc, argv, ret_code)) {
		return false;
	}
	o->n = (unsigned)(argc - optind);
	o->at = argv + optind;
	if (o->whats && !take_what(o)) {
		return false;
	}
	const char *arguments = o->whats ? o->whats[o->what].arguments : o->arguments;
	return check_arguments(o, arguments ? arguments : "") && check_rows(o);
}

bool options_number(const struct options *o, const char *name, const char *text, uint64_t *ret_number)
{
	if (value_number(text, INT64_MAX, ret_number) == 0 && *ret_number > 0) {
		return true;
	}
	(void)options_misuse(o, "%s `%s`: expected a number, 1 or more", name, printed(text));
	return false;
}
