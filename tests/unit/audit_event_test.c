/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_event_made.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint8_t wire[AUDIT_EVENT_MOST + LIMIT_IDENTIFIER];

static size_t written(const struct audit_event *ev)
{
	size_t len = 0;
	assert_int_equal(audit_event_write(ev, wire, sizeof(wire), &len), 0);
	return len;
}

static void assert_same(const struct audit_event *a, const struct audit_event *b)
{
	struct audit_event x = *a, y = *b;
	assert_true(span_eq(x.query, y.query));
	x.query = y.query = (struct span){0};
	/* Both were zeroed, and every field was set by itself, so that padding is the same. */
	assert_int_equal(x.kind, y.kind);
	assert_int_equal(x.outcome, y.outcome);
	assert_int_equal(x.alert, y.alert);
	assert_memory_equal(&x.time_ms, &y.time_ms,
		offsetof(struct audit_event, user_proved) - offsetof(struct audit_event, time_ms));
	assert_int_equal(x.user_proved, y.user_proved);
	assert_int_equal(x.anonymized, y.anonymized);
	assert_int_equal(x.encrypted, y.encrypted);
	assert_int_equal(x.no_fingerprints, y.no_fingerprints);
	assert_memory_equal(&x.from_certificate, &y.from_certificate, sizeof(x.from_certificate));
	assert_memory_equal(&x.to_certificate, &y.to_certificate, sizeof(x.to_certificate));
	assert_memory_equal(
		&x.from, &y.from, offsetof(struct audit_event, sop) - offsetof(struct audit_event, from));
	assert_int_equal(x.n_accession, y.n_accession);
	assert_int_equal(x.n_sop, y.n_sop);
	for (unsigned i = 0; i < x.n_sop; i++) {
		assert_string_equal(x.sop[i].uid, y.sop[i].uid);
		assert_int_equal(x.sop[i].instances, y.sop[i].instances);
	}
	assert_true(x.failed == y.failed);
}

static void there_and_back(void **state)
{
	struct audit_event ev, back;
	for (int kind = AUDIT_START; kind < AUDIT_KIND_COUNT; kind++) {
		for (unsigned i = 0; i < 4 * MADE_STYLES; i++) {
			made_event(i, (enum audit_kind)kind, made_outcomes[i % 4], (enum made_style)(i / 4),
				&ev);
			size_t len = written(&ev);
			memset(&back, 0, sizeof(back));
			assert_int_equal(audit_event_read(span_of(wire, len), &back), 0);
			assert_same(&ev, &back);
		}
	}
}

/* Whatever was there before; and wiped, nothing is left. */
static void used_again(void **state)
{
	static uint8_t again[65536];
	const struct audit_event nothing = {0};
	struct audit_event ev, other, copy;
	size_t len, n;
	for (unsigned i = 0; i < 4 * MADE_STYLES; i++) {
		made_event(i, AUDIT_TRANSFERRED, AUDIT_SUCCESS, (enum made_style)(i / 4), &ev);
		len = written(&ev);
		memset(&other, 0xa5, sizeof(other));
		memset(&copy, 0xa5, sizeof(copy));
		assert_int_equal(audit_event_read_into(span_of(wire, len), &other), 0);
		audit_event_copy(&copy, &other);
		assert_int_equal(audit_event_write(&copy, again, sizeof(again), &n), 0);
		assert_true(span_eq(span_of(again, n), span_of(wire, len)));
		audit_event_clear(&copy);
		copy.kind = ev.kind;
		other = (struct audit_event){.kind = ev.kind};
		assert_int_equal(audit_event_write(&copy, again, sizeof(again), &n), 0);
		assert_true(span_eq(span_of(again, n), span_of(wire, written(&other))));
		audit_event_wipe(&ev);
		assert_memory_equal(&ev, &nothing, sizeof(ev));
	}
}

/* At every byte, in an allocation of just that size; nothing is touched. */
static void truncated(void **state)
{
	struct audit_event ev, out, untouched;
	made_event(3, AUDIT_QUERY, AUDIT_SUCCESS, MADE_FAR, &ev);
	ev.query = span_of("query", 5);
	ev.from_certificate.known = ev.to_certificate.known = true;
	snprintf(ev.from.serial, sizeof(ev.from.serial), "4f2a");
	snprintf(ev.to.serial, sizeof(ev.to.serial), "00");
	size_t issued = 4 * 2 + strlen(ev.from.serial) + strlen(ev.from.issuer) + strlen(ev.to.serial) +
	                strlen(ev.to.issuer);
	size_t len = written(&ev), before = len - 1 - 2 * AUDIT_FINGERPRINT - issued;
	memset(&out, 0x5a, sizeof(out));
	untouched = out;
	for (size_t n = 0; n < len; n++) {
		uint8_t *cut = malloc(n > 0 ? n : 1);
		assert_non_null(cut);
		memcpy(cut, wire, n);
		/* That is the whole of one that was written before there were fingerprints. */
		int wanted = n == before ? 0 : ERR_TRUNCATED;
		assert_int_equal(audit_event_read(span_of(cut, n), &out), wanted);
		out = n == before ? untouched : out;
		assert_memory_equal(&out, &untouched, sizeof(out));
		free(cut);
	}
	wire[len] = 0;
	assert_int_equal(audit_event_read(span_of(wire, len + 1), &out), ERR_TRAILING);
	assert_memory_equal(&out, &untouched, sizeof(out));
	for (size_t n = 0; n < len; n++) {
		size_t ret = 77;
		assert_int_equal(audit_event_write(&ev, wire, n, &ret), ERR_SPACE);
		assert_int_equal(ret, 77);
	}
}

static void longest(void **state)
{
	struct audit_event ev;
	memset(&ev, 0, sizeof(ev));
	made_event(0, AUDIT_ALERT, AUDIT_MAJOR, MADE_PLAIN, &ev);
	ev.query = span_of(NULL, 0);
	ev.n_accession = AUDIT_ACCESSIONS;
	ev.n_sop = AUDIT_CLASSES;
#define LONGEST(field) memset(field, 'x', sizeof(field) - 1)
	struct audit_party *parties[] = {&ev.from, &ev.to};
	for (unsigned i = 0; i < 2; i++) {
		LONGEST(parties[i]->node);
		LONGEST(parties[i]->ae);
		LONGEST(parties[i]->address);
		LONGEST(parties[i]->subject);
		LONGEST(parties[i]->serial);
		LONGEST(parties[i]->issuer);
	}
	for (unsigned i = 0; i < AUDIT_ACCESSIONS; i++) {
		LONGEST(ev.accession[i]);
	}
	for (unsigned i = 0; i < AUDIT_CLASSES; i++) {
		LONGEST(ev.sop[i].uid);
	}
	LONGEST(ev.user);
	LONGEST(ev.patient_id);
	LONGEST(ev.patient_issuer);
	LONGEST(ev.patient_name);
	LONGEST(ev.study);
	LONGEST(ev.query_class);
	LONGEST(ev.query_syntax);
	LONGEST(ev.text);
	LONGEST(ev.object);
	ev.from_certificate.known = ev.to_certificate.known = true;
	size_t len = written(&ev);
	assert_in_range(len, AUDIT_EVENT_MOST - 1024, AUDIT_EVENT_MOST);
}

/* Where things are in the wire form of an event without text. */
enum at {
	AT_KIND = 0,
	AT_OUTCOME = 1,
	AT_FLAGS = 2,
	AT_ALERT = 3,
	AT_TIME = 7,
	AT_NODE = 47,
	AT_ACCESSIONS = 47 + 13 * 2,
	AT_CLASSES = AT_ACCESSIONS + 1,
	AT_QUERY = AT_CLASSES + 1 + 4 * 2,
	AT_FINGERPRINTS = AT_QUERY + 4,
	AT_END = AT_FINGERPRINTS + 1,
};

static void plain(uint8_t bytes[AT_END])
{
	struct audit_event ev = {.kind = AUDIT_START};
	assert_int_equal(written(&ev), AT_END);
	memcpy(bytes, wire, AT_END);
}

static void hostile_values(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		int err;
	} rows[] = {{AT_KIND, 0, ERR_VALUE}, {AT_KIND, AUDIT_KIND_COUNT, ERR_VALUE},
		{AT_KIND, 255, ERR_VALUE}, {AT_KIND, AUDIT_ALERT, ERR_VALUE}, {AT_OUTCOME, 1, ERR_VALUE},
		{AT_OUTCOME, 16, ERR_VALUE}, {AT_FLAGS, 32, ERR_VALUE}, {AT_FLAGS, 0xff, ERR_VALUE},
		{AT_ALERT, 1, ERR_VALUE}, {AT_TIME, 0x80, ERR_VALUE}, {AT_TIME, 1, ERR_VALUE},
		{AT_ACCESSIONS, AUDIT_ACCESSIONS + 1, ERR_VALUE}, {AT_CLASSES, AUDIT_CLASSES + 1, ERR_VALUE},
		{AT_NODE, 1, ERR_LENGTH}, {AT_NODE + 1, 65, ERR_LENGTH}, {AT_QUERY, 1, ERR_LENGTH},
		{AT_QUERY + 3, 2, ERR_TRUNCATED}, {AT_FINGERPRINTS, 1, ERR_TRUNCATED},
		{AT_FINGERPRINTS, 4, ERR_TRUNCATED}, {AT_FINGERPRINTS, 8, ERR_TRUNCATED},
		{AT_FINGERPRINTS, 16, ERR_VALUE}, {AT_FINGERPRINTS, 0xff, ERR_VALUE}};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t bytes[AT_END];
		struct audit_event out = {.kind = AUDIT_EXPORT};
		plain(bytes);
		assert_int_equal(audit_event_read(span_of(bytes, sizeof(bytes)), &out), 0);
		out.kind = AUDIT_EXPORT;
		bytes[rows[i].at] = rows[i].value;
		assert_int_equal(audit_event_read(span_of(bytes, sizeof(bytes)), &out), rows[i].err);
		assert_int_equal(out.kind, AUDIT_EXPORT);
	}
}

/* An end that is marked as having a serial number has one; and records of before there were any are read as what they are. */
static void serials_in_the_wire(void **state)
{
	struct audit_event ev = {.kind = AUDIT_START, .from = {.serial = "4f", .issuer = "CN=CA"}}, out;
	size_t len = written(&ev);
	assert_int_equal(len, AT_END + 2 + 2 + 2 + 5);
	assert_int_equal(wire[AT_FINGERPRINTS], 4);
	assert_int_equal(audit_event_read(span_of(wire, len), &out), 0);
	assert_string_equal(out.from.serial, "4f");
	assert_string_equal(out.from.issuer, "CN=CA");
	assert_false(out.to.serial[0] || out.to.issuer[0]);
	memmove(wire + AT_END + 2, wire + AT_END + 4, len - AT_END - 4);
	wire[AT_END + 1] = 0;
	assert_int_equal(audit_event_read(span_of(wire, len - 2), &out), ERR_VALUE);
	ev = (struct audit_event){.kind = AUDIT_START, .from_certificate.known = true};
	len = written(&ev);
	assert_int_equal(len, AT_END + AUDIT_FINGERPRINT);
	assert_int_equal(audit_event_read(span_of(wire, len), &out), 0);
	assert_true(out.from_certificate.known && !out.from.serial[0] && !out.no_fingerprints);
}

static void serials_as_written(void **state)
{
	static const struct {
		const char *from, *wanted; /* NULL: none */
	} rows[] = {{"4F2A", "4f2a"}, {"4f:2a:", "4f2a"}, {"00:4F:2A", "4f2a"}, {"f2a", "0f2a"}, {"0", "00"},
		{"00:00", "00"}, {"000f", "0f"}, {"4f 2a", "4f2a"}, {"", NULL}, {":", NULL}, {"4f2g", NULL},
		{"0x4f", NULL}, {"-4f", NULL},
		{"0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021",
			"0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		char serial[AUDIT_SERIAL] = "untouched";
		assert_int_equal(audit_serial_set(rows[i].from, serial), rows[i].wanted != NULL);
		assert_string_equal(serial, rows[i].wanted ? rows[i].wanted : "untouched");
	}
}

/* What may stand in a text, and what may not: both ways, in each place. */
static void characters(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {{"a", true}, {" ", true}, {"~", true}, {"\x7f", false}, {"\t", false}, {"\n", false},
		{"\x1f", false}, {"\xc2\x80", false}, {"\xc2\x85", false}, {"\xc2\x9f", false},
		{"\xc2\xa0", true}, {"\xc1\xbf", false}, {"\xc3", false}, {"\x80", false},
		{"\xe0\x9f\xbf", false}, {"\xe0\xa0\x80", true}, {"\xed\x9f\xbf", true},
		{"\xed\xa0\x80", false}, {"\xed\xbf\xbf", false}, {"\xee\x80\x80", true},
		{"\xef\xbf\xbd", true}, {"\xef\xbf\xbe", false}, {"\xef\xbf\xbf", false},
		{"\xf0\x8f\xbf\xbf", false}, {"\xf0\x90\x80\x80", true}, {"\xf4\x8f\xbf\xbf", true},
		{"\xf4\x90\x80\x80", false}, {"\xf5\x80\x80\x80", false}, {"\xff", false},
		{"\xe2\x80", false}, {"\xe2\x28\xa1", false}, {"\xf0\x9f\xa9", false}};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct audit_event ev = {.kind = AUDIT_BEGIN, .n_accession = 1}, out;
		size_t len = 0, n = strlen(rows[i].text);
		int wanted = rows[i].good ? 0 : ERR_VALUE;
		memcpy(ev.accession[0], rows[i].text, n);
		assert_int_equal(audit_event_check(&ev), wanted);
		assert_int_equal(audit_event_write(&ev, wire, sizeof(wire), &len), wanted);
		memset(ev.accession[0], 'x', n);
		len = written(&ev);
		memcpy(wire + AT_ACCESSIONS + 3, rows[i].text, n);
		assert_int_equal(audit_event_read(span_of(wire, len), &out), wanted);
	}
	/* A NUL in the middle, which a string of C would hide. */
	struct audit_event ev = {.kind = AUDIT_BEGIN, .from = {.node = "ab"}}, out;
	size_t len = written(&ev);
	wire[AT_NODE + 2] = 0;
	assert_int_equal(audit_event_read(span_of(wire, len), &out), ERR_VALUE);
}

/* Each byte and one character of two, at each place of texts of each length: what is looked at together stands for no one byte. */
static void characters_among_others(void **state)
{
	for (size_t len = 1; len <= 26; len++) {
		for (size_t at = 0; at < len; at++) {
			char text[32] = "", to[32], wanted[40];
			memset(text, 'x', len);
			for (unsigned c = 1; c < 256; c++) {
				bool good = c >= 0x20 && c < 0x7f;
				text[at] = (char)c;
				assert_int_equal(audit_text_check(text, sizeof(text)), good ? 0 : ERR_VALUE);
				audit_text_set(to, sizeof(to), span_str(text));
				snprintf(wanted, sizeof(wanted), "%.*s%.*s%s", (int)at, text, good ? 1 : 3,
					good ? text + at : "\xef\xbf\xbd", text + at + 1);
				char *from = wanted + strspn(wanted, " ");
				while (*from && from[strlen(from) - 1] == ' ') {
					from[strlen(from) - 1] = 0;
				}
				assert_string_equal(to, from);
			}
			memcpy(text + at, "\xc3\xa9", 2);
			assert_int_equal(audit_text_check(text, sizeof(text)), 0);
			for (size_t cap = 1; cap < sizeof(to); cap++) {
				size_t all = strlen(text), n = all < cap ? all : cap - 1;
				n -= n == at + 1; /* the character is not cut */
				audit_text_set(to, cap, span_str(text));
				assert_int_equal(strlen(to), n);
				assert_memory_equal(to, text, n);
			}
		}
	}
}

static void refuses_to_write(void **state)
{
	static const uint8_t much[LIMIT_IDENTIFIER + 1];
	size_t len = 5;
	struct audit_event ev = {.kind = AUDIT_QUERY, .query = {much, sizeof(much)}};
	assert_int_equal(audit_event_write(&ev, wire, sizeof(wire), &len), ERR_LENGTH);
	ev.query.len--;
	assert_int_equal(audit_event_write(&ev, wire, sizeof(wire), &len), 0);
	struct audit_event bad[] = {{.kind = (enum audit_kind)0}, {.kind = AUDIT_KIND_COUNT},
		{.kind = AUDIT_STOP, .outcome = (enum audit_outcome)2}, {.kind = AUDIT_ALERT},
		{.kind = AUDIT_STOP, .alert = ALERT_NODE_AUTHENTICATION}, {.kind = AUDIT_STOP, .time_ms = -1},
		{.kind = AUDIT_STOP, .time_ms = INT64_C(253402300800000)},
		{.kind = AUDIT_STOP, .n_accession = AUDIT_ACCESSIONS + 1},
		{.kind = AUDIT_STOP, .n_sop = AUDIT_CLASSES + 1},
		{.kind = AUDIT_STOP, .from.issuer = "CN=CA"}, {.kind = AUDIT_STOP, .to.issuer = "CN=CA"},
		{.kind = AUDIT_STOP, .to.serial = "01", .no_fingerprints = true}, {.kind = AUDIT_STOP}};
	memset(bad[ARRAY_LEN(bad) - 1].object, 'x', sizeof(bad[0].object));
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		len = 5;
		assert_int_equal(audit_event_write(&bad[i], wire, sizeof(wire), &len), ERR_VALUE);
		assert_int_equal(len, 5);
	}
}

static void sets_text(void **state)
{
	static const struct {
		const char *from;
		size_t cap;
		const char *wanted;
	} rows[] = {{"  a b  ", 16, "a b"},
		{"a\x01"
		 "b\xff",
			16,
			"a\xef\xbf\xbd"
			"b\xef\xbf\xbd"},
		{"abcdef", 4, "abc"}, {"ab\xc3\xa9", 4, "ab"}, {"ab\xc3\xa9", 5, "ab\xc3\xa9"},
		{"a \x80", 4, "a"}, {"   ", 4, ""}, {"", 1, ""}, {"x", 1, ""},
		{"\xf0\x9f\xa9\xbb", 5, "\xf0\x9f\xa9\xbb"}, {"\xf0\x9f\xa9\xbb", 4, ""}};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		char to[32];
		memset(to, '#', sizeof(to));
		audit_text_set(to, rows[i].cap, span_str(rows[i].from));
		assert_string_equal(to, rows[i].wanted);
		assert_int_equal(to[rows[i].cap], '#');
		assert_int_equal(audit_text_check(to, rows[i].cap), 0);
	}
}

static void splits(void **state)
{
	struct audit_event ev = {.kind = AUDIT_TRANSFERRED,
				   .outcome = AUDIT_SERIOUS,
				   .failed = 2,
				   .refusal = 9,
				   .n_sop = 1,
				   .sop = {{.uid = "1.2", .instances = 3}},
				   .text = "why",
				   .study = "1.2.3"},
			   failed;
	assert_true(audit_event_split(&ev, &failed));
	assert_int_equal(ev.outcome, AUDIT_SUCCESS);
	assert_true(ev.failed == 0 && ev.refusal == 0 && ev.n_sop == 1 && ev.sop[0].instances == 3 &&
		    !ev.text[0]);
	assert_int_equal(failed.outcome, AUDIT_SERIOUS);
	assert_true(failed.failed == 2 && failed.refusal == 9 && failed.n_sop == 0 &&
		    failed.sop[0].instances == 0);
	assert_string_equal(failed.text, "why");
	assert_string_equal(failed.study, "1.2.3");
	struct audit_event a = ev, b = failed;
	assert_false(audit_event_split(&a, &b));
	a = failed;
	assert_false(audit_event_split(&a, &b));
	a = (struct audit_event){.kind = AUDIT_BEGIN, .failed = 1, .n_sop = 1, .sop = {{.instances = 1}}};
	assert_false(audit_event_split(&a, &b));
}

/* A record of before fingerprints says that it has none to give; and it is not made to say so in the new form. */
static void fingerprints(void **state)
{
	char text[AUDIT_FINGERPRINT_TEXT];
	struct audit_event ev = {.kind = AUDIT_START}, back;
	size_t len = written(&ev);
	assert_int_equal(audit_event_read(span_of(wire, len - 1), &back), 0);
	assert_true(back.no_fingerprints);
	assert_int_equal(written(&back), len - 1);
	back.from_certificate.known = true;
	assert_int_equal(audit_event_check(&back), ERR_VALUE);
	ev.to_certificate.known = true;
	memset(ev.to_certificate.at, 0xa5, AUDIT_FINGERPRINT);
	assert_int_equal(written(&ev), len + AUDIT_FINGERPRINT);
	assert_int_equal(audit_event_read(span_of(wire, len + AUDIT_FINGERPRINT), &back), 0);
	assert_false(back.no_fingerprints || back.from_certificate.known);
	audit_fingerprint_text(&back.to_certificate, text);
	assert_int_equal(strlen(text), sizeof(text) - 1);
	assert_memory_equal(text, "sha256:a5a5a5", 13);
	audit_fingerprint_text(&back.from_certificate, text);
	assert_string_equal(text, "");
}

static void names(void **state)
{
	for (int i = AUDIT_START; i < AUDIT_KIND_COUNT; i++) {
		assert_string_not_equal(audit_kind_name((enum audit_kind)i), "unknown");
	}
	assert_string_equal(audit_kind_name((enum audit_kind)0), "unknown");
	assert_string_equal(audit_kind_name(AUDIT_KIND_COUNT), "unknown");
	assert_string_equal(audit_kind_name(AUDIT_TRANSFERRED), "transferred");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(used_again),
		cmocka_unit_test(truncated),
		cmocka_unit_test(longest),
		cmocka_unit_test(hostile_values),
		cmocka_unit_test(serials_in_the_wire),
		cmocka_unit_test(serials_as_written),
		cmocka_unit_test(characters),
		cmocka_unit_test(characters_among_others),
		cmocka_unit_test(refuses_to_write),
		cmocka_unit_test(sets_text),
		cmocka_unit_test(splits),
		cmocka_unit_test(fingerprints),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
