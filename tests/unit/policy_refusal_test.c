/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_fixture.h"
#include "base/log.h"
#include "policy/facts.h"
#include "policy/refusal.h"
#include "policy/show.h"

static struct refusal sample(void)
{
	struct refusal r = {.number = 17,
		.count = 1,
		.first_ms = 1795392000123,
		.last_ms = 1795392000123,
		.rule = RULE_SERVICE,
		.tls = true,
		.address = "10.1.1.7",
		.port = 4711,
		.calling = "CT1",
		.called = "ARCHIVE",
		.node = "ct1",
		.target = "archive",
		.flow = "f",
		.listener = "tls",
		.line = 12,
		.subject = "CN=ct1 \"x\"\\",
		.serial = "4f2a",
		.issuer = "CN=CA",
		.service = "find",
		.sop_class = STUDY_FIND,
		.transfer_syntax = IMPLICIT,
		.answered = "status 0124H",
		.sentence = "flow f does not allow it"};
	snprintf(r.san[0], sizeof(r.san[0]), "ct1.hospital");
	snprintf(r.san[3], sizeof(r.san[3]), "last");
	return r;
}

static void json_goes_and_comes(void **state)
{
	struct refusal r = sample(), back;
	bool is_count = true;
	char *text;
	assert_int_equal(refusal_to_json(&r, &text), 0);
	size_t n = strlen(text);
	assert_int_equal(text[n - 1], '\n');
	assert_null(memchr(text, '\n', n - 1));
	assert_int_equal(refusal_from_json(span_str(text), &back, &is_count), 0);
	assert_false(is_count);
	assert_memory_equal(&r, &back, sizeof(r));
	/* Cut anywhere, it is nothing. */
	for (size_t i = 0; i + 2 < n; i++) {
		char *copy = malloc(i ? i : 1);
		memcpy(copy, text, i);
		back = (struct refusal){.number = 99};
		assert_true(refusal_from_json(span_of(copy, i), &back, &is_count) < 0);
		assert_int_equal(back.number, 99);
		free(copy);
	}
	free(text);
	assert_int_equal(refusal_count_to_json(17, 5, 1795392000999, &text), 0);
	assert_int_equal(refusal_from_json(span_str(text), &back, &is_count), 0);
	assert_true(is_count && back.number == 17 && back.count == 5 && back.last_ms == 1795392000999);
	free(text);
}

static void bytes_that_are_no_utf8_survive(void **state)
{
	struct refusal r = sample(), back;
	bool is_count;
	char *text;
	memset(r.subject, 0xe2, sizeof(r.subject) - 1);
	r.subject[sizeof(r.subject) - 1] = '\0';
	assert_int_equal(refusal_to_json(&r, &text), 0);
	assert_int_equal(refusal_from_json(span_str(text), &back, &is_count), 0);
	assert_int_equal(strlen(back.subject), sizeof(r.subject) - 1);
	assert_int_equal(back.subject[0], '?');
	free(text);
}

static void foreign_lines_are_refused(void **state)
{
	static const char *const bad[] = {"", "[]", "1", "{}", "{\"number\":1}",
		"{\"number\":-1,\"count\":1}", "{\"number\":1,\"rule\":\"nonsense\"}",
		"{\"number\":\"1\",\"rule\":\"service\"}",
		"{\"number\":1,\"rule\":\"service\",\"port\":65536}",
		"{\"number\":1,\"rule\":\"service\",\"calling\":5}",
		"{\"number\":1,\"rule\":\"service\",\"calling\":\"12345678901234567\"}",
		"{\"number\":1,\"rule\":\"service\",\"calling\":\"A\\u0000B\"}",
		"{\"number\":1,\"number\":2,\"count\":1}"};
	struct refusal back;
	bool is_count;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_true(refusal_from_json(span_str(bad[i]), &back, &is_count) < 0);
	}
	char *giant = malloc(100000);
	memset(giant, '[', 100000);
	assert_int_equal(refusal_from_json(span_of(giant, 100000), &back, &is_count), ERR_LIMIT);
	assert_true(refusal_from_json(span_of(giant, 20000), &back, &is_count) < 0);
	free(giant);
}

static void repeats_are_told(void **state)
{
	struct refusal a = sample(), b = sample();
	b.number = 18;
	b.port = 4712; /* another connection of the same device */
	b.last_ms++;
	snprintf(b.sentence, sizeof(b.sentence), "with other counts");
	assert_true(refusal_same(&a, &b));
	b.rule = RULE_SOP_CLASS;
	assert_false(refusal_same(&a, &b));
	b = sample();
	snprintf(b.sop_class, sizeof(b.sop_class), "%s", STUDY_MOVE);
	assert_false(refusal_same(&a, &b));
	b = sample();
	snprintf(b.address, sizeof(b.address), "10.1.1.8");
	assert_false(refusal_same(&a, &b));
	b = sample();
	b.observed = true;
	assert_false(refusal_same(&a, &b));
	b = sample(); /* a certificate that was renewed, with the same key and names */
	snprintf(b.certificate, sizeof(b.certificate), "00");
	assert_false(refusal_same(&a, &b));
	a.rule = RULE_DEIDENTIFY;
	b = a;
	snprintf(a.sentence, sizeof(a.sentence), "1 of its values is too long");
	snprintf(b.sentence, sizeof(b.sentence), "27 of its values is too long");
	assert_true(refusal_same(&a, &b));
	snprintf(b.sentence, sizeof(b.sentence), "no rule says where text is");
	assert_false(refusal_same(&a, &b));
}

static const struct log_field *field(const struct log_field *f, unsigned n, const char *key)
{
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(f[i].key, key) == 0) {
			return &f[i];
		}
	}
	return NULL;
}

static void log_fields_have_their_names(void **state)
{
	struct refusal r = sample();
	struct log_field f[REFUSAL_LOG_FIELDS];
	unsigned n = refusal_log_fields(&r, f);
	assert_true(n <= REFUSAL_LOG_FIELDS);
	assert_string_equal(field(f, n, FACT_DECISION)->text, DECISION_REFUSE);
	assert_string_equal(field(f, n, FACT_RULE)->text, "service");
	assert_int_equal(field(f, n, FACT_NUMBER)->number, 17);
	assert_string_equal(field(f, n, FACT_TRANSPORT)->text, "tls");
	assert_string_equal(field(f, n, FACT_SAN)->text, "ct1.hospital");
	assert_null(field(f, n, FACT_DESTINATION));
	r.rule = RULE_NONE;
	n = refusal_log_fields(&r, f);
	assert_string_equal(field(f, n, FACT_DECISION)->text, DECISION_ALLOW);
	assert_null(field(f, n, FACT_RULE));
}

static void ledger_is_searched(void **state)
{
	struct refusal r = sample(), found = {0};
	char *one, *count, *other, *all = NULL;
	uint64_t last = 0;
	size_t len;
	assert_int_equal(refusal_to_json(&r, &one), 0);
	assert_int_equal(refusal_count_to_json(17, 3, 1795392009000, &count), 0);
	r.number = 18;
	assert_int_equal(refusal_to_json(&r, &other), 0);
	FILE *f = open_memstream(&all, &len);
	fprintf(f, "%s%s{\"number\":17,\n%s", one, other, count);
	fclose(f);
	f = fmemopen(all, len, "r");
	assert_int_equal(ledger_find(f, 17, &found, &last), 1);
	assert_int_equal(found.count, 3);
	assert_int_equal(found.last_ms, 1795392009000);
	assert_string_equal(found.calling, "CT1");
	rewind(f);
	assert_int_equal(ledger_find(f, 19, &found, &last), 0);
	assert_int_equal(last, 18);
	fclose(f);
	free(one);
	free(other);
	free(count);
	free(all);
}

static void it_is_shown_whole(void **state)
{
	struct refusal r = sample();
	struct suggestion g = {.yaml = (char *)(uintptr_t) "flows: []\n", .note = "mind"};
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	r.count = 3;
	show_refusal(f, "/etc/gantry/gantry.yaml", &r, &g);
	fclose(f);
	static const char *const parts[] = {"Refusal 17, 2026-11-23T00:00:00.123Z, 3 times, last",
		"find, StudyRootQuery", "`CT1` (node ct1) at 10.1.1.7 port 4711, TLS, listener tls",
		"`ARCHIVE` (node archive)", "service, /etc/gantry/gantry.yaml:12 (flow f)",
		"flow f does not allow it", "status 0124H", "flows: []", "mind"};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		assert_non_null(strstr(text, parts[i]));
	}
	free(text);
	f = open_memstream(&text, &len);
	assert_int_equal(show_refusal_json(f, "/g.yaml", &r, &g), 0);
	fclose(f);
	assert_non_null(strstr(text, "\"suggestion\": \"flows: []\\n\""));
	assert_non_null(strstr(text, "\"kept\": null"));
	free(text);
}

static char *shown(const struct refusal *r, const struct suggestion *g, bool json)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	if (json) {
		assert_int_equal(show_refusal_json(f, "/g.yaml", r, g), 0);
	} else {
		show_refusal(f, "/g.yaml", r, g);
	}
	fclose(f);
	return text;
}

static void what_was_kept_is_named(void **state)
{
	static const uint64_t numbers[12] = {3, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27};
	static const struct {
		size_t n;
		const char *says;
	} rows[] = {{0, "look. If its flow quarantines, the object is kept: `gantry quarantine list`."},
		{1, "in quarantine: object 3 (`gantry quarantine show 3`)"},
		{2, "in quarantine: objects 3, 17 (`gantry quarantine show 3`)"},
		{12, "22, 23, 24, 25 and 2 more (`"}};
	struct refusal r = sample();
	r.rule = RULE_CONTENT;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct suggestion g = {.yaml = (char *)(uintptr_t) "",
			.note = "look.",
			.kept = numbers,
			.n_kept = rows[i].n};
		char *text = shown(&r, &g, false);
		assert_non_null(strstr(text, rows[i].says));
		assert_true(!strstr(text, "quarantine list") == (rows[i].n > 0));
		free(text);
		text = shown(&r, &g, true);
		assert_true(!strstr(text, "27") == (rows[i].n < 12));
		assert_null(strstr(text, "\"kept\": null"));
		free(text);
	}
	struct suggestion none = {.yaml = (char *)(uintptr_t) "", .note = "look.", .keeps_none = true};
	char *said = shown(&r, &none, false);
	assert_null(strstr(said, "quarantine"));
	free(said);
	r.rule = RULE_SERVICE;
	char *text = shown(&r, &(struct suggestion){.yaml = (char *)(uintptr_t) "", .note = "look."}, false);
	assert_null(strstr(text, "quarantine"));
	free(text);
}

static void a_mistake_is_pointed_at(void **state)
{
	struct mistake m = {.line = 2, .column = 4, .text = "oh"};
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	show_mistake(f, "g.yaml",
		span_str("a\n\tb\xc3\xbc"
			 "c\nd\n"),
		true, &m, false);
	fclose(f);
	assert_string_equal(text, "g.yaml:2:4: error: oh\n    \tb\xc3\xbc"
				  "c\n    \t  ^\n");
	free(text);
	f = open_memstream(&text, &len);
	m.line = 0;
	show_mistake(f, "g.yaml", span_str("a\n"), false, &m, true);
	m.line = 99;
	show_mistake(f, "g.yaml", span_str("a\n"), false, &m, true);
	show_defaults(f);
	assert_int_equal(show_defaults_json(f), 0);
	fclose(f);
	assert_non_null(strstr(text, "timeouts.artim"));
	assert_non_null(strstr(text, "\033[1;33mwarning:"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_goes_and_comes),
		cmocka_unit_test(bytes_that_are_no_utf8_survive),
		cmocka_unit_test(foreign_lines_are_refused),
		cmocka_unit_test(repeats_are_told),
		cmocka_unit_test(log_fields_have_their_names),
		cmocka_unit_test(ledger_is_searched),
		cmocka_unit_test(it_is_shown_whole),
		cmocka_unit_test(what_was_kept_is_named),
		cmocka_unit_test(a_mistake_is_pointed_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
