/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_fixture.h"
#include "base/log.h"
#include "policy/facts.h"
#include "policy/learn.h"
#include "policy/suggest.h"

/* A site that knows little; TLS nodes need only a listener to be checked without a warning, which does not matter here. */
#define LITTLE                                                                                               \
	LISTEN "nodes:\n"                                                                                    \
	       "  archive: { ae: [ ARCHIVE ], address: folder:archive }\n"                                   \
	       "  ct1: { ae: [ CT1 ], from: [ 10.1.1.7 ], transport: plain }\n"                              \
	       "  tls1: { ae: [ TLS1 ], certificate: { san: [ tls1.hospital ] } }\n"                         \
	       "flows:\n  - { name: f, from: [ ct1, tls1 ], to: archive, services: [ echo, store ], sop-classes: [ CTImageStorage ] }\n"

static struct refusal seen_of(const char *ip, const char *calling, const char *service, const char *sop_class)
{
	struct refusal r = {.rule = RULE_NONE, .port = 4711};
	snprintf(r.address, sizeof(r.address), "%s", ip);
	snprintf(r.calling, sizeof(r.calling), "%s", calling);
	snprintf(r.called, sizeof(r.called), "ARCHIVE");
	snprintf(r.target, sizeof(r.target), "archive");
	snprintf(r.service, sizeof(r.service), "%s", service);
	snprintf(r.sop_class, sizeof(r.sop_class), "%s", sop_class);
	snprintf(r.transfer_syntax, sizeof(r.transfer_syntax), "%s", IMPLICIT);
	return r;
}

static struct caller caller_of(const struct refusal *r, const char *san[1])
{
	struct caller c = plain_caller(r->address, r->calling, r->called);
	san[0] = r->san[0];
	if (r->tls) {
		c = tls_caller(r->address, r->calling, r->called, san);
	}
	return c;
}

/* Would this site, as it enforces, let the thing pass? */
static bool allowed(const struct site *s, const struct refusal *r, uint16_t field)
{
	struct route route;
	struct verdict v;
	const char *san[1];
	struct caller c = caller_of(r, san);
	struct command command = {.field = field, .affected_sop_class = span_str(r->sop_class)};
	struct request_facts f = {.command = &command,
		.abstract_syntax = span_str(r->sop_class),
		.transfer_syntax = span_str(r->transfer_syntax),
		.wall_s = 1795392000};
	snprintf(command.move_destination, sizeof(command.move_destination), "%s", r->destination);
	int err = decide_route(s, NULL, &c, &route, &v);
	err = err < 0 || !field ? err : decide_request(s, &route, &f, &v);
	if (err < 0) {
		print_message("%s: %s\n", rule_name(v.rule), v.sentence);
	}
	return err == 0 && !v.observed;
}

static char *learnt(const struct site *s, unsigned flags, const struct refusal *seen, unsigned n)
{
	char *text;
	struct learn *l = learn_new(s, flags);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(learn_add(l, &seen[i]), 0);
	}
	assert_int_equal(learn_write(l, &text), 0);
	learn_free(l);
	return text;
}

static void what_passed_is_allowed_and_nothing_else(void **state)
{
	struct site *s = site_of(LITTLE);
	struct refusal seen[7];
	seen[0] = seen_of("10.1.1.9", "MR 1", "store", MR_IMAGE);
	seen[1] = seen_of("10.1.1.9", "MR 1", "echo", VERIFICATION);
	seen[2] = seen_of("10.1.1.10", "MR 1", "store", MR_IMAGE);
	seen[3] = seen_of("10.1.1.7", "CT1", "store", "1.2.3.4");
	snprintf(seen[3].node, sizeof(seen[3].node), "ct1");
	seen[4] = seen_of("10.1.1.7", "CT1", "move", STUDY_MOVE);
	snprintf(seen[4].node, sizeof(seen[4].node), "ct1");
	snprintf(seen[4].destination, sizeof(seen[4].destination), "WS#1");
	seen[5] = seen_of("10.1.1.30", "US1", "store", CT_IMAGE);
	seen[5].tls = true;
	snprintf(seen[5].san[0], sizeof(seen[5].san[0]), "us1.hospital");
	memset(seen[5].spki, 'a', 64);
	seen[6] = seen_of("10.1.1.7", "CT1", "echo", VERIFICATION); /* allowed already */
	snprintf(seen[6].node, sizeof(seen[6].node), "ct1");
	char *yaml = learnt(s, 0, seen, 7);
	struct site *with = site_with(LITTLE, yaml);
	assert_true(allowed(with, &seen[0], C_STORE_RQ) && allowed(with, &seen[1], C_ECHO_RQ) &&
		    allowed(with, &seen[2], C_STORE_RQ));
	assert_true(allowed(with, &seen[3], C_STORE_RQ) && allowed(with, &seen[4], C_MOVE_RQ) &&
		    allowed(with, &seen[5], C_STORE_RQ));
	/* and not more: */
	struct refusal other = seen_of("10.1.1.9", "MR 1", "store", CT_IMAGE);
	assert_false(allowed(with, &other, C_STORE_RQ));
	other = seen_of("10.1.1.11", "MR 1", "store", MR_IMAGE);
	assert_false(allowed(with, &other, C_STORE_RQ));
	other = seen[5];
	snprintf(other.san[0], sizeof(other.san[0]), "evil.hospital");
	assert_false(allowed(with, &other, C_STORE_RQ));
	assert_null(strstr(yaml, "transfer-syntaxes"));
	assert_null(strstr(yaml, "Verification"));
	/* Learnt again with the lines in place, nothing is missing. */
	char *again = learnt(with, 0, seen, 7);
	assert_string_equal(again, "");
	free(again);
	site_free(with);
	free(yaml);
	/* Transfer syntaxes when asked for. */
	yaml = learnt(s, LEARN_TRANSFER_SYNTAXES, seen, 1);
	assert_non_null(strstr(yaml, "transfer-syntaxes: [ ImplicitVRLittleEndian ]"));
	with = site_with(LITTLE, yaml);
	assert_true(allowed(with, &seen[0], C_STORE_RQ));
	site_free(with);
	free(yaml);
	site_free(s);
}

static void nothing_is_invented(void **state)
{
	struct refusal seen = seen_of("10.1.1.9", "MR1", "store", MR_IMAGE);
	char *yaml = learnt(NULL, 0, &seen, 1);
	assert_non_null(strstr(yaml, "# address:"));
	assert_non_null(strstr(yaml, "  archive:\n    ae: [ ARCHIVE ]\n"));
	struct site *s = NULL;
	struct mistakes m;
	char whole[2048];
	snprintf(whole, sizeof(whole), LISTEN "%s", yaml);
	assert_int_equal(site_parse(span_str(whole), "/g.yaml", &s, &m), ERR_VALUE);
	assert_int_equal(m.n_errors, 1);
	assert_non_null(strstr(m.at[0].text, "has no `address`"));
	mistakes_done(&m);
	/* Filled in, it is a site. */
	char *comment = strstr(whole, "# address: [ \"HOST:PORT\" ]");
	static const char filled[] = "address: [ folder:archive ]#";
	assert_non_null(comment);
	memcpy(comment, filled, sizeof(filled) - 1);
	comment[sizeof(filled) - 2] = ' ';
	comment[sizeof(filled) - 1] = '#';
	site_free(site_of(whole));
	free(yaml);
}

static void forged_lines_are_left_out(void **state)
{
	struct refusal seen = seen_of("10.1.1.9", "MR1", "store", MR_IMAGE);
	snprintf(seen.node, sizeof(seen.node), "x:\n  y");
	char *yaml = learnt(NULL, 0, &seen, 1);
	assert_string_equal(yaml, "");
	free(yaml);
	seen = seen_of("10.1.1.9\n", "MR1", "store", MR_IMAGE);
	yaml = learnt(NULL, 0, &seen, 1);
	assert_string_equal(yaml, "");
	free(yaml);
}

static void odd_titles_and_names_are_written_well(void **state)
{
	struct refusal seen = seen_of("10.1.1.9", "}\"*", "store", MR_IMAGE);
	char *yaml = learnt(NULL, 0, &seen, 1);
	assert_non_null(strstr(yaml, "  node:\n    ae: [ \"}\\\"*\" ]"));
	free(yaml);
	/* A certificate's name that gantry.yaml cannot write gives way to its key. */
	seen = seen_of("::1", "US1", "store", CT_IMAGE);
	seen.tls = true;
	snprintf(seen.san[0], sizeof(seen.san[0]), "not a name");
	memset(seen.spki, 'a', 64);
	struct site *s = site_of(LITTLE);
	yaml = learnt(s, 0, &seen, 1);
	assert_null(strstr(yaml, "not a name"));
	struct site *with = site_with(LITTLE, yaml);
	assert_true(allowed(with, &seen, C_STORE_RQ));
	site_free(with);
	site_free(s);
	free(yaml);
	seen.spki[10] = 'z';
	yaml = learnt(NULL, 0, &seen, 1);
	assert_string_equal(yaml, "");
	free(yaml);
}

static void log_lines_are_read(void **state)
{
	struct refusal seen = seen_of("10.1.1.9", "MR 1", "store", MR_IMAGE);
	struct log_field fields[REFUSAL_LOG_FIELDS];
	char line[LIMIT_LOG_LINE];
	for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
		char *yaml;
		struct learn *l = learn_new(NULL, 0);
		seen.rule = RULE_NONE;
		unsigned n = refusal_log_fields(&seen, fields);
		size_t len = log_format_line((enum log_format)format, line, sizeof(line), LOG_LEVEL_INFO,
			FACT_EVENT, "say \"so\"", fields, n);
		assert_int_equal(learn_log_line(l, span_of(line, len)), 1);
		for (size_t i = 0; i < len; i += 7) { /* cut lines do no harm */
			char *copy = malloc(i ? i : 1);
			memcpy(copy, line, i);
			assert_true(learn_log_line(l, span_of(copy, i)) >= 0);
			free(copy);
		}
		assert_int_equal(learn_write(l, &yaml), 0);
		assert_non_null(strstr(yaml, "ae: [ \"MR 1\" ]"));
		assert_non_null(strstr(yaml, "from: [ 10.1.1.9 ]"));
		assert_non_null(strstr(yaml, "services: [ store ]"));
		assert_non_null(strstr(yaml, "sop-classes: [ MRImageStorage ]"));
		free(yaml);
		learn_free(l);
		/* What was refused is not learnt; other lines are passed over. */
		l = learn_new(NULL, 0);
		seen.rule = RULE_CALLER_UNKNOWN;
		n = refusal_log_fields(&seen, fields);
		len = log_format_line((enum log_format)format, line, sizeof(line), LOG_LEVEL_INFO, FACT_EVENT,
			"", fields, n);
		assert_int_equal(learn_log_line(l, span_of(line, len)), 0);
		len = log_format_line(
			(enum log_format)format, line, sizeof(line), LOG_LEVEL_INFO, "other", "", fields, n);
		assert_int_equal(learn_log_line(l, span_of(line, len)), 0);
		assert_int_equal(learn_log_line(l, span_str("\n")), 0);
		learn_free(l);
	}
}

static void what_is_a_log(void **state)
{
	static const struct {
		const char *line;
		bool is;
	} cases[] = {
		{"2026-11-26T21:35:43.307Z notice  supervisor gateway.serving site=Test \"ready\"\n", true},
		{"2026-11-26T21:35:43.307Z info gate x", true},
		{"{\"time\":\"2026-11-26T21:35:43.307Z\",\"level\":\"info\",\"event\":\"x\"}\n", true},
		{"{\"time\":\"2026-11-26\",\"level\":\"info\"}\n", false},
		{"{\"time\":\"2026-11-26T21:35:43.307Z\",\"level\":\"loud\"}\n", false},
		{"{\"time\":\"2026-11-26T21:35:43.307Z\"\n", false}, {"{}\n", false}, {"\n", false},
		{"", false}, {"nodes:\n", false}, {"2026-11-26T21:35:43.307Z\n", false},
		{"2026-11-26T21:35:43Z info gate x\n", false},
		{"Nov 26 21:35:43 host gantry[1]: 2026-11-26T21:35:43.307Z notice gate x\n", false}};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = strlen(cases[i].line);
		char *line = malloc(n ? n : 1);
		memcpy(line, cases[i].line, n);
		assert_int_equal(learn_is_log_line(span_of(line, n)), cases[i].is);
		free(line);
	}
}

/* Refused by the site; with the suggestion laid over it, allowed. */
static void helps(const char *yaml, struct refusal *r, uint16_t field, enum rule rule)
{
	struct site *s = site_of(yaml);
	struct suggestion g;
	assert_false(allowed(s, r, field));
	r->rule = (uint8_t)rule;
	assert_int_equal(suggest(s, r, &g), 0);
	struct site *with = site_with(yaml, g.yaml);
	if (!allowed(with, r, field)) {
		print_message("%s", g.yaml);
	}
	assert_true(allowed(with, r, field));
	suggestion_done(&g);
	/* Asked again with the lines in place: nothing is missing, and that is said. */
	if (rule != RULE_CALLED_UNKNOWN && rule != RULE_HOURS && rule != RULE_UNTIL) {
		assert_int_equal(suggest(with, r, &g), 0);
		assert_string_equal(g.yaml, "");
		assert_non_null(strstr(g.note, "allows this by now"));
		suggestion_done(&g);
	}
	site_free(with);
	site_free(s);
}

static void suggestions_help(void **state)
{
	struct refusal r = seen_of("10.1.1.9", "NEW1", "", "");
	r.target[0] = '\0';
	helps(LITTLE, &r, 0, RULE_CALLER_UNKNOWN);
	r = seen_of("10.1.1.99", "CT1", "", "");
	helps(LITTLE, &r, 0, RULE_CALLER_ADDRESS);
	r = seen_of("10.1.1.99", "TLS1", "", "");
	r.tls = true;
	snprintf(r.san[0], sizeof(r.san[0]), "renewed.hospital");
	memset(r.spki, 'a', 64);
	helps(LITTLE, &r, 0, RULE_CALLER_CERTIFICATE);
	r = seen_of("10.1.1.99", "TLS1", "", ""); /* came in plain */
	helps(LITTLE, &r, 0, RULE_CALLER_TRANSPORT);
	r = seen_of("10.1.1.7", "CT1", "", "");
	snprintf(r.node, sizeof(r.node), "ct1");
	snprintf(r.called, sizeof(r.called), "OLDPACS");
	r.target[0] = '\0';
	helps(LITTLE, &r, 0, RULE_CALLED_UNKNOWN);
	r = seen_of("10.1.1.7", "CT1", "find", STUDY_FIND);
	snprintf(r.node, sizeof(r.node), "ct1");
	helps(LITTLE, &r, C_FIND_RQ, RULE_SERVICE);
	r = seen_of("10.1.1.7", "CT1", "store", MR_IMAGE);
	snprintf(r.node, sizeof(r.node), "ct1");
	helps(LITTLE, &r, C_STORE_RQ, RULE_SOP_CLASS);
	r.service[0] = '\0'; /* refused as a context */
	helps(LITTLE, &r, C_STORE_RQ, RULE_SOP_CLASS);
	r = seen_of("10.1.1.7", "CT1", "move", STUDY_MOVE);
	snprintf(r.node, sizeof(r.node), "ct1");
	snprintf(r.destination, sizeof(r.destination), "WS1");
	helps(LITTLE, &r, C_MOVE_RQ, RULE_DESTINATION);
}

#define LIMITED(keys)                                                                                        \
	LISTEN "nodes:\n  archive: { ae: [ ARCHIVE ], address: folder:archive }\n"                           \
	       "  ct1: { ae: [ CT1 ], from: [ 10.1.1.7 ], transport: plain }\n"                              \
	       "flows:\n  - { from: [ ct1 ], to: archive, services: [ store ], " keys " }\n"

static void suggestions_help_flows(void **state)
{
	struct refusal r = seen_of("10.1.1.7", "CT1", "store", CT_IMAGE);
	snprintf(r.node, sizeof(r.node), "ct1");
	snprintf(r.flow, sizeof(r.flow), "flow-1"); /* the name of one without a name */
	helps(LIMITED("transfer-syntaxes: [ ExplicitVRLittleEndian ]"), &r, C_STORE_RQ, RULE_TRANSFER_SYNTAX);
	helps(LIMITED("hours: [ tue 01:00-02:00 ]"), &r, C_STORE_RQ, RULE_HOURS);
	helps(LIMITED("until: 2020-01-01, limits: { until: { over: refuse } }"), &r, C_STORE_RQ, RULE_UNTIL);
	/* No flow at all. */
	snprintf(r.flow, sizeof(r.flow), "%s", "");
	helps(LISTEN "nodes:\n  archive: { ae: [ ARCHIVE ], address: folder:archive }\n"
		     "  ct1: { ae: [ CT1 ], from: [ 10.1.1.7 ], transport: plain }\n",
		&r, C_STORE_RQ, RULE_NO_FLOW);
}

static struct site *relaxed(const char *yaml, enum rule rule)
{
	struct site *s = site_of(yaml);
	struct refusal r = seen_of("10.1.1.7", "CT1", "store", CT_IMAGE);
	struct suggestion g;
	snprintf(r.flow, sizeof(r.flow), "flow-1");
	r.rule = (uint8_t)rule;
	assert_int_equal(suggest(s, &r, &g), 0);
	assert_string_not_equal(g.note, "");
	struct site *with = site_with(yaml, g.yaml);
	suggestion_done(&g);
	site_free(s);
	return with;
}

static void suggestions_relax_limits(void **state)
{
	const char *limits = LIMITED(
		"limits: { associations: { at-once: 3 }, objects-per-hour: { most: 5, over: refuse }, "
		"bytes-per-hour: { most: 6, over: refuse }, object-size: { most: 7, over: refuse } }");
	struct site *s = relaxed(limits, RULE_OBJECT_RATE);
	assert_int_equal(s->flows[0].objects_per_hour.over, OVER_ALARM);
	assert_int_equal(s->flows[0].objects_per_hour.most, 5);
	assert_int_equal(s->flows[0].bytes_per_hour.over, OVER_REFUSE);
	assert_int_equal(s->flows[0].associations_at_once.over, OVER_REFUSE);
	site_free(s);
	s = relaxed(limits, RULE_BYTE_RATE);
	assert_int_equal(s->flows[0].bytes_per_hour.over, OVER_ALARM);
	site_free(s);
	s = relaxed(limits, RULE_OBJECT_SIZE);
	assert_int_equal(s->flows[0].object_size.over, OVER_ALARM);
	site_free(s);
	s = relaxed(limits, RULE_ASSOCIATIONS);
	assert_int_equal(s->flows[0].associations_at_once.over, OVER_ALARM);
	site_free(s);
	s = relaxed(LIMITED("query: { require-any: [ PatientID ], matches: 5 }"), RULE_QUERY_MATCHES);
	assert_int_equal(s->flows[0].matches, 10);
	assert_int_equal(s->flows[0].n_require_any, 1);
	site_free(s);
	s = relaxed(LIMITED("query: { require-any: [ PatientID ], matches: 5 }"), RULE_QUERY_KEYS);
	assert_int_equal(s->flows[0].n_require_any, 0);
	assert_int_equal(s->flows[0].matches, 5);
	site_free(s);
}

/* Whether an object may be in quarantine is known of the flow. */
static void a_flow_that_keeps_none_is_known(void **state)
{
	static const struct {
		const char *keys;
		bool none;
	} rows[] = {{"inspect: { danger: refuse }", true}, {"inspect: { danger: quarantine }", false},
		{"name: other, inspect: { danger: refuse }", false}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char yaml[1024];
		snprintf(yaml, sizeof(yaml), LIMITED("%s"), rows[i].keys);
		struct site *s = site_of(yaml);
		struct refusal r = seen_of("10.1.1.7", "CT1", "store", CT_IMAGE);
		struct suggestion g;
		snprintf(r.flow, sizeof(r.flow), "flow-1");
		r.rule = RULE_CONTENT;
		assert_int_equal(suggest(s, &r, &g), 0);
		assert_int_equal(g.keeps_none, rows[i].none);
		assert_non_null(strstr(g.note, "docs/refused-object.md"));
		suggestion_done(&g);
		site_free(s);
	}
}

static void some_things_no_line_allows(void **state)
{
	static const enum rule rules[] = {
		RULE_UPSTREAM_DOWN, RULE_MALFORMED, RULE_STOPPING, RULE_HELD_OFF, RULE_UPSTREAM_LOST};
	struct site *s = site_of(LITTLE);
	struct refusal r = seen_of("10.1.1.7", "CT1", "", "");
	struct suggestion g;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		r.rule = (uint8_t)rules[i];
		assert_int_equal(suggest(s, &r, &g), 0);
		assert_string_equal(g.yaml, "");
		assert_string_not_equal(g.note, "");
		assert_null(strstr(g.note, "by now"));
		suggestion_done(&g);
	}
	snprintf(r.node, sizeof(r.node), "ct1");
	snprintf(r.sentence, sizeof(r.sentence), "`tolerate: [ nul-padding ]`");
	r.rule = RULE_MALFORMED;
	assert_int_equal(suggest(s, &r, &g), 0);
	struct site *with = site_with(LITTLE, g.yaml);
	assert_int_equal(with->nodes[1].tolerate, TOLERATE_NUL_PADDING);
	site_free(with);
	suggestion_done(&g);
	site_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_passed_is_allowed_and_nothing_else),
		cmocka_unit_test(nothing_is_invented),
		cmocka_unit_test(forged_lines_are_left_out),
		cmocka_unit_test(odd_titles_and_names_are_written_well),
		cmocka_unit_test(log_lines_are_read),
		cmocka_unit_test(what_is_a_log),
		cmocka_unit_test(suggestions_help),
		cmocka_unit_test(suggestions_help_flows),
		cmocka_unit_test(suggestions_relax_limits),
		cmocka_unit_test(a_flow_that_keeps_none_is_known),
		cmocka_unit_test(some_things_no_line_allows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
