/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/deed.h"

#include "audit/armor.h"

#include <stdio.h>
#include <time.h>

static const char title[] = "gantry-record@v1";

#define TIME_LEN 20                    /* 2026-11-26T02:18:40Z */
#define TIME_END INT64_C(253402300800) /* the year 10000 */
#define HASH_LEN 64

static const struct kind {
	const char *name;
	bool of_auditor;
	struct deed_field field[DEED_FIELDS_MOST];
} kinds[DEED_WHAT_COUNT] = {
	[DEED_ANTIVIRUS_DEFINITIONS] = {"antivirus-definitions", false,
		{
			{"engine", DEED_TEXT},
			{"definitions-before", DEED_HASH, true},
			{"definitions", DEED_HASH},
			{"corpus", DEED_HASH},
			{"files", DEED_NUMBER},
			{"clean", DEED_NUMBER},
			{"found", DEED_NUMBER},
			{"failed", DEED_NUMBER},
			{"differ", DEED_NUMBER, true},
			{"bytes-per-second", DEED_NUMBER},
			{"memory", DEED_NUMBER},
			{"note", DEED_TEXT, true},
		}},
	[DEED_HAND_OVER] = {"hand-over", true,
		{
			{"first", DEED_NUMBER},
			{"next", DEED_NUMBER},
			{"segments", DEED_NUMBER},
			{"bytes", DEED_NUMBER},
			{"statement", DEED_TEXT},
			{"sha256", DEED_HASH},
		}},
};

const char *deed_name(enum deed_what what)
{
	return kinds[what].name;
}

bool deed_is_auditors(enum deed_what what)
{
	return kinds[what].of_auditor;
}

int deed_what_of(struct span name, enum deed_what *ret_what)
{
	for (unsigned i = 0; i < DEED_WHAT_COUNT; i++) {
		if (span_eq(name, span_str(kinds[i].name))) {
			*ret_what = (enum deed_what)i;
			return 0;
		}
	}
	return ERR_NOT_FOUND;
}

const struct deed_field *deed_fields(enum deed_what what, unsigned *ret_n)
{
	unsigned n = 0;
	while (n < DEED_FIELDS_MOST && kinds[what].field[n].name) {
		n++;
	}
	*ret_n = n;
	return kinds[what].field;
}

/* ---- Values ---- */

static bool is_hash(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!(s.ptr[i] >= '0' && s.ptr[i] <= '9') && !(s.ptr[i] >= 'a' && s.ptr[i] <= 'f')) {
			return false;
		}
	}
	return s.len == HASH_LEN;
}

static bool is_text(struct span s)
{
	return s.len > 0 && s.len <= DEED_VALUE_MOST && s.ptr[0] != ' ' && s.ptr[s.len - 1] != ' ' &&
	       note_line_valid(s);
}

static bool is_value(enum deed_value kind, struct span s)
{
	uint64_t n;
	switch (kind) {
	case DEED_HASH:
		return is_hash(s);
	case DEED_NUMBER:
		return armor_read_number(s, &n) == 0;
	default:
		return is_text(s);
	}
}

/* -1: it has none of that name. */
static int field_at(enum deed_what what, const char *name)
{
	unsigned n;
	const struct deed_field *f = deed_fields(what, &n);
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(f[i].name, name) == 0) {
			return (int)i;
		}
	}
	return -1;
}

int deed_set(struct deed *d, const char *field, const char *value)
{
	int at = field_at(d->what, field);
	struct span s = span_str(value);
	if (at < 0) {
		return ERR_NOT_FOUND;
	}
	if (!is_value(kinds[d->what].field[at].value, s)) {
		return ERR_VALUE;
	}
	memcpy(d->value[at], value, s.len + 1);
	return 0;
}

const char *deed_get(const struct deed *d, const char *field)
{
	int at = field_at(d->what, field);
	return at < 0 ? "" : d->value[at];
}

const char *deed_missing(const struct deed *d)
{
	unsigned n;
	const struct deed_field *f = deed_fields(d->what, &n);
	for (unsigned i = 0; i < n; i++) {
		if (!d->value[i][0] && !f[i].may_be_absent) {
			return f[i].name;
		}
	}
	return NULL;
}

/* ---- Time: RFC 3339, in UTC, to the second ---- */

static int write_time(int64_t time_s, char text[TIME_LEN + 1])
{
	struct tm tm;
	time_t t = (time_t)time_s;
	return time_s >= 0 && time_s < TIME_END && gmtime_r(&t, &tm) &&
	                       strftime(text, TIME_LEN + 1, "%Y-%m-%dT%H:%M:%SZ", &tm) == TIME_LEN
	               ? 0
	               : ERR_VALUE;
}

static int read_time(struct span s, int64_t *ret_time_s)
{
	/* What is no time is another text when it is written again. */
	static const uint8_t at[] = {0, 5, 8, 11, 14, 17}, digits[] = {4, 2, 2, 2, 2, 2};
	int part[6] = {0};
	char again[TIME_LEN + 1];
	if (s.len != TIME_LEN) {
		return ERR_VALUE;
	}
	for (unsigned i = 0; i < ARRAY_LEN(at); i++) {
		for (unsigned k = 0; k < digits[i]; k++) {
			uint8_t c = s.ptr[at[i] + k];
			if (c < '0' || c > '9') {
				return ERR_VALUE;
			}
			part[i] = 10 * part[i] + (c - '0');
		}
	}
	struct tm tm = {.tm_year = part[0] - 1900,
		.tm_mon = part[1] - 1,
		.tm_mday = part[2],
		.tm_hour = part[3],
		.tm_min = part[4],
		.tm_sec = part[5]};
	int64_t time_s = timegm(&tm);
	if (write_time(time_s, again) < 0 || memcmp(again, s.ptr, TIME_LEN) != 0) {
		return ERR_VALUE;
	}
	*ret_time_s = time_s;
	return 0;
}

/* ---- Writing ---- */

static void put_line(struct writer *w, const char *word, const char *value)
{
	armor_write_text(w, word);
	armor_write_text(w, " ");
	armor_write_text(w, value);
	armor_write_text(w, "\n");
}

int deed_write(const struct deed *d, char *buf, size_t cap, size_t *ret_len)
{
	struct writer w = writer_of(buf, cap < DEED_MOST ? cap : DEED_MOST);
	char time_text[TIME_LEN + 1], by[16 + DEED_NAME_MOST + 1];
	unsigned n;
	const struct deed_field *f = deed_fields(d->what, &n);
	if (!note_name_valid(span_str(d->origin)) || write_time(d->time_s, time_text) < 0 ||
		!is_text(span_str(d->by)) || deed_missing(d)) {
		return ERR_VALUE;
	}
	snprintf(by, sizeof(by), "%u %s", d->uid, d->by);
	armor_write_text(&w, title);
	armor_write_text(&w, "\n");
	armor_write_text(&w, d->origin);
	armor_write_text(&w, "\n");
	put_line(&w, "what", kinds[d->what].name);
	put_line(&w, "time", time_text);
	put_line(&w, "by", by);
	for (unsigned i = 0; i < n; i++) {
		if (!d->value[i][0]) {
			continue;
		}
		if (!is_value(f[i].value, span_str(d->value[i]))) {
			return ERR_VALUE;
		}
		put_line(&w, f[i].name, d->value[i]);
	}
	int e = writer_end(&w);
	if (e == 0) {
		*ret_len = w.len;
	}
	return e;
}

/* ---- Reading ---- */

/* The value of the next line, which begins with that word. */
static int take(struct span *text, const char *word, struct span *ret_value)
{
	struct span line;
	int e = armor_line(text, &line);
	return e < 0 ? e : armor_after(line, word, ret_value) ? 0 : ERR_VALUE;
}

static int take_origin(struct span *text, struct deed *d)
{
	struct span line;
	int e = armor_line(text, &line);
	e = e < 0 ? e : span_eq(line, span_str(title)) ? armor_line(text, &line) : ERR_VALUE;
	if (e < 0 || !note_name_valid(line)) {
		return e < 0 ? e : ERR_VALUE;
	}
	memcpy(d->origin, line.ptr, line.len);
	return 0;
}

static int take_by(struct span *text, struct deed *d)
{
	struct span value;
	uint64_t uid;
	int e = take(text, "by", &value);
	const uint8_t *space = e == 0 && value.len > 0 ? memchr(value.ptr, ' ', value.len) : NULL;
	if (!space) {
		return e < 0 ? e : ERR_VALUE;
	}
	struct span number = span_of(value.ptr, (size_t)(space - value.ptr));
	struct span name = span_of(space + 1, value.len - number.len - 1);
	if (armor_read_number(number, &uid) < 0 || uid > UINT32_MAX || !is_text(name)) {
		return ERR_VALUE;
	}
	d->uid = (uint32_t)uid;
	memcpy(d->by, name.ptr, name.len);
	return 0;
}

static int take_fields(struct span *text, struct deed *d)
{
	unsigned n;
	const struct deed_field *f = deed_fields(d->what, &n);
	for (unsigned i = 0; i < n; i++) {
		struct span rest = *text, value;
		int e = take(&rest, f[i].name, &value);
		if (e < 0 && f[i].may_be_absent) {
			continue; /* what stands there must be the next one's */
		}
		if (e < 0 || !is_value(f[i].value, value)) {
			return e < 0 ? e : ERR_VALUE;
		}
		memcpy(d->value[i], value.ptr, value.len);
		*text = rest;
	}
	return text->len == 0 ? 0 : ERR_TRAILING;
}

int deed_read(struct span text, struct deed *ret_deed)
{
	struct deed d = {0};
	struct span value;
	if (text.len > DEED_MOST) {
		return ERR_LENGTH;
	}
	int e = take_origin(&text, &d);
	e = e < 0 ? e : take(&text, "what", &value);
	if (e == 0 && deed_what_of(value, &d.what) < 0) {
		e = ERR_VALUE;
	}
	e = e < 0 ? e : take(&text, "time", &value);
	e = e < 0 ? e : read_time(value, &d.time_s);
	e = e < 0 ? e : take_by(&text, &d);
	e = e < 0 ? e : take_fields(&text, &d);
	if (e == 0) {
		*ret_deed = d;
	}
	return e;
}

int deed_key_make(const char *origin, const uint8_t public_key[32], struct note_key *ret_key)
{
	char name[NOTE_NAME_MOST + 1];
	int n = snprintf(name, sizeof(name), "%s" DEED_KEY_SUFFIX, origin);
	return n < 0 || (size_t)n >= sizeof(name) ? ERR_VALUE
	                                          : note_key_make(name, NOTE_ED25519, public_key, ret_key);
}
