/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/value.h"

#include "base/attr.h"
#include "clean_word_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORD_MOST 24

static void pad(struct writer *w, size_t begun, uint8_t with)
{
	if ((w->len - begun) % 2 != 0) {
		writer_u8(w, with);
	}
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* ---- Dummies ---- */

void value_dummy(const char *vr, struct writer *w)
{
	static const struct {
		char vr[3];
		const char *text;
		uint8_t zeros;
	} dummies[] = {
		{"AE", "REMOVED", 0},
		{"AS", "000Y", 0},
		{"AT", NULL, 4},
		{"CS", "REMOVED", 0},
		{"DA", "19000101", 0},
		{"DS", "0", 0},
		{"DT", "19000101000000", 0},
		{"FD", NULL, 8},
		{"FL", NULL, 4},
		{"IS", "0", 0},
		{"LO", "Removed", 0},
		{"LT", "Removed", 0},
		{"OB", NULL, 2},
		{"OD", NULL, 8},
		{"OF", NULL, 4},
		{"OL", NULL, 4},
		{"OV", NULL, 8},
		{"OW", NULL, 2},
		{"PN", "Removed", 0},
		{"SH", "Removed", 0},
		{"SL", NULL, 4},
		{"SS", NULL, 2},
		{"ST", "Removed", 0},
		{"SV", NULL, 8},
		{"TM", "000000", 0},
		{"UC", "Removed", 0},
		{"UL", NULL, 4},
		{"UN", NULL, 2},
		{"UR", "urn:removed", 0},
		{"US", NULL, 2},
		{"UT", "Removed", 0},
		{"UV", NULL, 8},
	};
	size_t begun = w->len;
	for (unsigned i = 0; i < ARRAY_LEN(dummies); i++) {
		if (memcmp(dummies[i].vr, vr, 2) == 0) {
			writer_fill(w, 0, dummies[i].zeros);
			writer_span(w, span_str(dummies[i].text ? dummies[i].text : ""));
			pad(w, begun, ' ');
			return;
		}
	}
}

/* ---- Dates ---- */

/* Days since 1970-01-01 of the Gregorian calendar, and back; the way is Hinnant's, for any year. */
static int32_t days_of(int y, int m, int d)
{
	y -= m <= 2;
	int era = (y >= 0 ? y : y - 399) / 400;
	int of_era = y - era * 400;
	int of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int32_t days, int *y, int *m, int *d)
{
	days += 719468;
	int era = (days >= 0 ? days : days - 146096) / 146097;
	int of_era = days - era * 146097;
	int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int of_year = of_era - (365 * year + year / 4 - year / 100);
	int month = (5 * of_year + 2) / 153;
	*d = of_year - (153 * month + 2) / 5 + 1;
	*m = month < 10 ? month + 3 : month - 9;
	*y = year + era * 400 + (*m <= 2);
}

static bool number(struct span s, size_t at, size_t n, int *ret)
{
	int value = 0;
	if (at + n > s.len) {
		return false;
	}
	for (size_t i = at; i < at + n; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9') {
			return false;
		}
		value = value * 10 + (s.ptr[i] - '0');
	}
	*ret = value;
	return true;
}

/* How many leading characters are a date: 4, 6 or 8; 0: none. */
static size_t date_digits(struct span s)
{
	size_t n = 0;
	while (n < s.len && n < 8 && s.ptr[n] >= '0' && s.ptr[n] <= '9') {
		n++;
	}
	return n == 4 || n == 6 || n == 8 ? n : 0;
}

/* How many digits begin there, `most` at most. */
static size_t digits_at(struct span s, size_t at, size_t most)
{
	size_t n = 0;
	while (n < most && at + n < s.len && is_digit(s.ptr[at + n])) {
		n++;
	}
	return n;
}

/* PS3.5 6.2, DT: a time, its fraction, its zone, each of which may be absent. Not another date behind a hyphen. */
static bool is_rest_of_datetime(struct span s)
{
	size_t at = digits_at(s, 0, 6);
	if (at % 2 != 0) {
		return false;
	}
	if (at < s.len && s.ptr[at] == '.') {
		size_t n = digits_at(s, at + 1, 6);
		if (n == 0) {
			return false;
		}
		at += 1 + n;
	}
	bool has_zone = at < s.len && (s.ptr[at] == '+' || s.ptr[at] == '-');
	if (has_zone) { /* -1200 to +1400 */
		bool fits = digits_at(s, at + 1, 4) == 4 && s.ptr[at + 1] <= '1' && s.ptr[at + 3] <= '5';
		at += fits ? 5 : 0;
	}
	return at == s.len;
}

bool value_is_zone(struct span value)
{
	while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == 0)) {
		value.len--;
	}
	return value.len == 5 && (value.ptr[0] == '+' || value.ptr[0] == '-') && is_rest_of_datetime(value);
}

static void shift_one(struct span s, bool has_time, int days, struct writer *w)
{
	char old_style[8];
	int y = 0, m = 1, d = 1;
	/* exception: ACR-NEMA's YYYY.MM.DD is still met (PS3.5 6.2, DA). */
	if (!has_time && s.len == 10 && s.ptr[4] == '.' && s.ptr[7] == '.') {
		memcpy(old_style, s.ptr, 4);
		memcpy(old_style + 4, s.ptr + 5, 2);
		memcpy(old_style + 6, s.ptr + 8, 2);
		s = span_of(old_style, 8);
	}
	size_t n = date_digits(s);
	bool is_date = (has_time ? n > 0 : n == 8 && s.len == 8) && number(s, 0, 4, &y) &&
	               (n < 6 || number(s, 4, 2, &m)) && (n < 8 || number(s, 6, 2, &d)) && m >= 1 &&
	               m <= 12 && d >= 1 && d <= 31;
	char text[32];
	if (!is_date) {
		return;
	}
	if (!is_rest_of_datetime(span_of(s.ptr + n, s.len - n))) {
		return;
	}
	date_of(days_of(y, m, d) + days, &y, &m, &d);
	if (y < 0 || y > 9999) {
		return;
	}
	snprintf(text, sizeof(text), "%04d%02d%02d", y, m, d);
	writer_bytes(w, text, n);
	writer_bytes(w, s.ptr + n, s.len - n);
}

void value_shift(const char *vr, struct span value, int days, struct writer *w)
{
	bool has_time = memcmp(vr, "DT", 2) == 0;
	size_t begun = w->len, from = 0;
	for (size_t at = 0; at <= value.len; at++) {
		if (at < value.len && value.ptr[at] != '\\') {
			continue;
		}
		struct span one = span_of(value.ptr + from, at - from);
		while (one.len > 0 && (one.ptr[one.len - 1] == ' ' || one.ptr[one.len - 1] == 0)) {
			one.len--;
		}
		if (from > 0) {
			writer_u8(w, '\\');
		}
		shift_one(one, has_time, days, w);
		from = at + 1;
	}
	pad(w, begun, ' ');
}

/* ---- Numbers ---- */

bool value_is_number(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.ptr[i];
		bool after_digit = i > 0 && (is_digit(value.ptr[i - 1]) || value.ptr[i - 1] == '.');
		bool is_letter = c != 0 && strchr("eEDWMY", c); /* of an exponent, of an age */
		bool is_sign = (c != 0 && strchr(" \\+-.:", c)) || (c == 0 && i == value.len - 1);
		if (!is_digit(c) && !is_sign && !(is_letter && after_digit)) {
			return false;
		}
	}
	return true;
}

/* ---- Texts ---- */

static bool is_letter(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* What is not ASCII belongs to a word: so a word with an accent is none that the table has, and no part of it is. */
static bool is_of_word(uint8_t c)
{
	return is_digit(c) || is_letter(c) || c >= 0x80 || c == 0x1B;
}

static int compare_word(const void *key, const void *member)
{
	return strcmp(key, *(const char *const *)member);
}

/* In lower case. False: it is too long for any that the table has. */
static bool fold(struct span word, char ret[WORD_MOST])
{
	if (word.len >= WORD_MOST) {
		return false;
	}
	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = word.ptr[i];
		ret[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	ret[word.len] = 0;
	return true;
}

static bool is_named(const char *word, const struct value_names *names)
{
	for (unsigned i = 0; names && i < ARRAY_LEN(names->of); i++) {
		const struct span s = names->of[i];
		for (size_t at = 0, from = 0; at <= s.len; at++) {
			char part[WORD_MOST];
			if (at < s.len && is_of_word(s.ptr[at])) {
				continue;
			}
			if (at > from && fold(span_of(s.ptr + from, at - from), part) &&
				strcmp(part, word) == 0) {
				return true;
			}
			from = at + 1;
		}
	}
	return false;
}

static bool is_short_number(struct span word)
{
	return word.len >= 1 && word.len <= 2 && is_digit(word.ptr[0]) &&
	       (word.len == 1 || is_digit(word.ptr[1]));
}

/* ---- Numbers that are part of more ---- */

/* The word before `at`, or behind it; empty: there is none. */
static struct span word_before(struct span text, size_t at)
{
	while (at > 0 && !is_of_word(text.ptr[at - 1])) {
		at--;
	}
	size_t end = at;
	while (at > 0 && is_of_word(text.ptr[at - 1])) {
		at--;
	}
	return span_of(text.ptr + at, end - at);
}

static struct span word_behind(struct span text, size_t at)
{
	while (at < text.len && !is_of_word(text.ptr[at])) {
		at++;
	}
	size_t begun = at;
	while (at < text.len && is_of_word(text.ptr[at])) {
		at++;
	}
	return span_of(text.ptr + begun, at - begun);
}

static bool is_digits(struct span word)
{
	for (size_t i = 0; i < word.len; i++) {
		if (!is_digit(word.ptr[i])) {
			return false;
		}
	}
	return word.len > 0;
}

static bool begins_with_one(struct span word, const char *const *beginnings, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (word.len == 0 || ((word.ptr[0] ^ (uint8_t)beginnings[i][0]) & 0xDF) != 0) {
			continue; /* most words, of most beginnings */
		}
		size_t len = strlen(beginnings[i]);
		if (word.len >= len && strncasecmp((const char *)word.ptr, beginnings[i], len) == 0) {
			return true;
		}
	}
	return false;
}

/* Of a few languages; that "marrow" begins like one costs no more than the numbers beside it. */
static bool is_month(struct span word)
{
	static const char *const months[] = {"jan", "feb", "fev", "f\xC3\xA9v", "f\xE9v", "mar", "m\xC3\xA4r",
		"m\xE4r", "apr", "abr", "avr", "may", "mai", "mag", "mei", "jun", "jui", "giu", "jul", "lug",
		"aug", "aou", "ago", "sep", "set", "oct", "okt", "out", "ott", "nov", "dec", "dez", "dic",
		"d\xC3\xA9", "d\xE9"};
	return begins_with_one(word, months, ARRAY_LEN(months));
}

/* Words of age, and of sex, beside which a number is an age. */
static bool is_age(struct span word)
{
	static const char *const ages[] = {"y", "yo", "yr", "yrs", "year", "years", "old", "j", "jahr",
		"jahre", "a", "an", "ans", "anni", "anos", "jaar", "age", "aged", "alter", "m", "f", "w", "h",
		"male", "female", "man", "woman", "mann", "frau", "homme", "femme", "dob", "born"};
	for (unsigned i = 0; i < ARRAY_LEN(ages); i++) {
		if (begins_with_one(word, &ages[i], 1) && word.len == strlen(ages[i])) {
			return true;
		}
	}
	return false;
}

static unsigned value_of(struct span digits)
{
	unsigned n = 0;
	for (size_t i = 0; i < digits.len; i++) {
		n = n * 10 + (unsigned)(digits.ptr[i] - '0');
	}
	return n;
}

/* "5/6", "05-06", "05.06", "5.6.": a day and a month without a year. Not "1.5", nor vertebrae 4-5. */
static bool is_day_and_month(struct span text, struct span one, struct span other)
{
	if (!is_digits(one) || !is_digits(other) || one.len > 2 || other.len > 2 ||
		one.ptr + one.len + 1 != other.ptr) {
		return false;
	}
	unsigned a = value_of(one), b = value_of(other);
	const size_t end = (size_t)(other.ptr - text.ptr) + other.len;
	const uint8_t between = one.ptr[one.len];
	bool is_padded = one.len == 2 && other.len == 2 && (one.ptr[0] == '0' || other.ptr[0] == '0');
	bool is_dotted = between == '.' && end < text.len && text.ptr[end] == '.';
	bool may_be = a > 0 && b > 0 && a <= 31 && b <= 31 && (a <= 12 || b <= 12);
	return may_be && (between == '/' || is_dotted || (is_padded && (between == '.' || between == '-')));
}

/*
 * Is a short number a date, of a telephone or an age? It is where three numbers stand in a row, where one beside it is longer, or a month,
 * where a word of age or sex is beside it, and where two are a day and a month. Not "1.5" or "3 of 12".
 */
static bool is_part_of_more(struct span text, struct span number)
{
	size_t begun = (size_t)(number.ptr - text.ptr), end = begun + number.len;
	unsigned in_row = 1;
	struct span before = word_before(text, begun), behind = word_behind(text, end);
	bool is_more = is_age(before) || is_age(behind) || is_day_and_month(text, before, number) ||
	               is_day_and_month(text, number, behind);
	for (unsigned i = 0; i < 2; i++) {
		struct span word = word_before(text, begun);
		is_more = is_more || is_month(word) || (is_digits(word) && word.len > 2);
		if (!is_digits(word)) {
			break;
		}
		in_row++;
		begun = (size_t)(word.ptr - text.ptr);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct span word = word_behind(text, end);
		is_more = is_more || is_month(word) || (is_digits(word) && word.len > 2);
		if (!is_digits(word)) {
			break;
		}
		in_row++;
		end = (size_t)(word.ptr - text.ptr) + word.len;
	}
	return is_more || in_row > 2;
}

/* "head", "t2", "12", and "5mm" too. */
static bool may_stay(struct span word, const struct value_names *names)
{
	char folded[WORD_MOST];
	if (!fold(word, folded) || is_named(folded, names)) {
		return false;
	}
	if (is_short_number(word) || bsearch(folded, clean_word_table, ARRAY_LEN(clean_word_table),
					     sizeof(clean_word_table[0]), compare_word)) {
		return true;
	}
	size_t digits = 0;
	while (digits < word.len && is_digit(word.ptr[digits])) {
		digits++;
	}
	return digits >= 1 && digits <= 2 && digits < word.len &&
	       !is_age(span_of(word.ptr + digits, word.len - digits)) &&
	       may_stay(span_of(word.ptr + digits, word.len - digits), names);
}

/* How many bytes there are to where ASCII goes on (PS3.5 6.1.2.5): other sets have bytes that look like letters. */
static size_t escaped(struct span text)
{
	const uint8_t *back = text.len > 3 ? memmem(text.ptr + 1, text.len - 1, "\x1B(B", 3) : NULL;
	return back ? (size_t)(back - text.ptr) + 3 : text.len;
}

/* Words that may stay, and single spaces between them. *ret_left_out: whether there was another. */
static void clean(struct span text, const struct value_names *names, struct writer *w, bool *ret_left_out)
{
	bool first = true;
	for (size_t at = 0, from = 0; at <= text.len; at++) {
		struct span word = span_of(text.ptr + from, at - from);
		if (at < text.len && is_of_word(text.ptr[at])) {
			at += text.ptr[at] == 0x1B ? escaped(span_of(text.ptr + at, text.len - at)) - 1 : 0;
			continue;
		}
		from = at + 1;
		if (word.len == 0) {
			continue;
		}
		if (!may_stay(word, names) || (is_short_number(word) && is_part_of_more(text, word))) {
			*ret_left_out = true;
			continue;
		}
		if (w && !first) {
			writer_u8(w, ' ');
		}
		if (w) {
			writer_span(w, word);
		}
		first = false;
	}
}

void value_clean(struct span text, const struct value_names *names, struct writer *w)
{
	bool left_out = false;
	size_t begun = w->len;
	clean(text, names, w, &left_out);
	pad(w, begun, ' ');
}

void value_clean_each(struct span text, const struct value_names *names, struct writer *w)
{
	size_t begun = w->len, from = 0;
	bool left_out = false;
	for (size_t at = 0; at <= text.len; at++) {
		if (at < text.len && text.ptr[at] != '\\') {
			continue;
		}
		if (from > 0) {
			writer_u8(w, '\\');
		}
		clean(span_of(text.ptr + from, at - from), names, w, &left_out);
		from = at + 1;
	}
	pad(w, begun, ' ');
}

bool value_is_clean(struct span text, const struct value_names *names)
{
	bool left_out = false;
	clean(text, names, NULL, &left_out);
	return !left_out;
}
