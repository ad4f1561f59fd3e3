/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_fixture.h"

#define NODES                                                                                                        \
	LISTEN "nodes:\n"                                                                                            \
	       "  archive: { ae: [ ARCHIVE ], address: folder:archive }\n"                                           \
	       "  ct1: { ae: [ CT1 ], from: [ 10.1.1.7 ], transport: plain }\n"                                      \
	       "  net: { ae: [ CT1 ], from: [ 10.1.0.0/16 ], transport: plain }\n"                                   \
	       "  named: { ae: [ NM1 ], from: [ nm1.hospital ], transport: plain }\n"                                \
	       "  shut: { ae: [ SHUT ], from: [], transport: plain }\n"                                              \
	       "  mr1: { ae: [ MR1 ], from: [ 10.1.1.0/24 ], certificate: { san: [ mr1.hospital ] } }\n"             \
	       "  mr2: { ae: [ MR2 ], certificate: { san: [ mr2.hospital ], spki: [ "                                \
	       "'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' ] } }\n"                   \
	       "  old: { ae: [ Old ], from: [ 10.1.1.50 ], transport: plain, tolerate: [ ae-case, nul-padding ] }\n" \
	       "  strict: { ae: [ STRICT ], from: [ 10.1.1.51 ], transport: plain, mode: enforce }\n"
#define FLOWS                                                                                                                  \
	"flows:\n"                                                                                                             \
	"  - { name: in, from: [ ct1, net, named, shut, mr1, mr2, old ], to: archive, called: [ OLDPACS ], services: [ echo, " \
	"store ] }\n"                                                                                                          \
	"  - { name: more, from: [ ct1 ], to: archive, services: [ find ] }\n"

static struct hosts *hosts;
static struct route route;
static struct verdict verdict;

static int ask(const char *yaml, const struct caller *c)
{
	struct site *s = site_of(yaml);
	int err = decide_route(s, hosts, c, &route, &verdict);
	assert_int_equal(verdict.refuse, err < 0);
	assert_true(err == 0 || err == ERR_DENIED);
	site_free(s);
	return err;
}

static void refused(const char *yaml, const struct caller *c, enum rule rule, const char *sentence)
{
	int err = ask(yaml, c);
	if (err != ERR_DENIED || verdict.rule != rule || !strstr(verdict.sentence, sentence)) {
		print_message("%d %s: %s\n", err, rule_name(verdict.rule), verdict.sentence);
	}
	assert_int_equal(err, ERR_DENIED);
	assert_int_equal(verdict.rule, rule);
	assert_non_null(strstr(verdict.sentence, sentence));
}

static void known_callers_pass(void **state)
{
	static const char *const mr1[] = {"MR1.hospital"};
	struct caller c = plain_caller("10.1.1.7", "CT1", "ARCHIVE");
	assert_int_equal(ask(NODES FLOWS, &c), 0);
	assert_int_equal(verdict.rule, RULE_NONE);
	assert_string_equal(verdict.sentence, "");
	assert_int_equal(route.from, 1); /* equal criteria: the first in the file */
	assert_int_equal(route.to, 0);
	assert_int_equal(route.n_flows, 2);
	c = plain_caller("10.1.2.3", "CT1", "OLDPACS");
	assert_int_equal(ask(NODES FLOWS, &c), 0);
	assert_int_equal(route.from, 2);
	assert_int_equal(route.n_flows, 1);
	c = tls_caller("10.1.1.9", "MR1", "ARCHIVE", mr1);
	assert_int_equal(ask(NODES FLOWS, &c), 0);
	assert_int_equal(route.from, 6 - 1);
}

static void every_criterion_counts(void **state)
{
	static const char *const mr1[] = {"mr1.hospital"}, *const mr2[] = {"mr2.hospital"};
	struct caller c = plain_caller("10.2.1.7", "CT1", "ARCHIVE");
	refused(NODES FLOWS, &c, RULE_CALLER_ADDRESS,
		"the call came from 10.2.1.7; its entry allows 10.1.1.7");
	assert_int_equal(verdict.line, 4);
	c = tls_caller("10.1.1.7", "CT1", "ARCHIVE", mr1);
	refused(NODES FLOWS, &c, RULE_CALLER_TRANSPORT, "called by TLS; its entry says `transport: plain`");
	c = plain_caller("10.1.1.9", "MR1", "ARCHIVE");
	refused(NODES FLOWS, &c, RULE_CALLER_TRANSPORT, "called by plain DICOM");
	c = tls_caller("10.1.1.9", "MR1", "ARCHIVE", mr2);
	refused(NODES FLOWS, &c, RULE_CALLER_CERTIFICATE,
		"the certificate is for mr2.hospital; its entry names mr1.hospital");
	c.has_certificate = false;
	refused(NODES FLOWS, &c, RULE_CALLER_CERTIFICATE, "showed none");
	c = tls_caller("10.2.1.9", "MR1", "ARCHIVE", mr1);
	refused(NODES FLOWS, &c, RULE_CALLER_ADDRESS, "10.2.1.9");
	c = tls_caller("10.9.9.9", "MR2", "ARCHIVE", mr2);
	assert_int_equal(ask(NODES FLOWS, &c), 0); /* both san and pin match */
	c.spki_sha256[31] = 0;
	refused(NODES FLOWS, &c, RULE_CALLER_CERTIFICATE, "not one of its pins");
	c = tls_caller("10.9.9.9", "MR2", "ARCHIVE", mr1);
	refused(NODES FLOWS, &c, RULE_CALLER_CERTIFICATE, "mr1.hospital"); /* the pin alone is not enough */
}

static void an_empty_list_admits_no_one(void **state)
{
	struct caller c = plain_caller("10.1.1.7", "SHUT", "ARCHIVE");
	refused(NODES FLOWS, &c, RULE_CALLER_ADDRESS, "its entry allows no address at all");
	c = plain_caller("10.1.1.7", "CT1", "ARCHIVE");
	refused(LISTEN, &c, RULE_CALLER_UNKNOWN, "no node has the AE title `CT1`");
	refused(NODES, &c, RULE_NO_FLOW, "no flow has ct1 under `from`");
	c = plain_caller("10.1.1.7", "ANY", "ARCHIVE");
	refused(LISTEN
		"nodes:\n  archive: { ae: [ ARCHIVE ], address: folder:a }\n  x: { ae: [], from: any, transport: plain }\n"
		"flows: [ { from: [ x ], to: archive, services: [ echo ] } ]\n",
		&c, RULE_CALLER_UNKNOWN, "ANY");
	refused(LISTEN "nodes:\n  archive: { ae: [ ARCHIVE ], address: folder:a }\n"
		       "  x: { ae: [ ANY ], from: [ 10.1.1.7 ], transport: plain }\n"
		       "flows: [ { from: [], to: archive, services: [ echo ] } ]\n",
		&c, RULE_NO_FLOW, "no flow has x");
}

static void nobody_is_known_by_title_alone(void **state)
{
	struct caller c = plain_caller("10.1.1.7", "ARCHIVE", "ARCHIVE");
	c.transport = TRANSPORT_TLS;
	refused(NODES FLOWS, &c, RULE_CALLER_ADDRESS, "names neither `from` nor `certificate`");
}

static void near_misses_name_the_title(void **state)
{
	struct caller c = plain_caller("10.9.9.9", "CT-1", "ARCHIVE");
	refused(NODES FLOWS, &c, RULE_CALLER_UNKNOWN, "node ct1 has `CT1`");
	c = plain_caller("10.1.1.7", "ct1", "ARCHIVE");
	refused(NODES FLOWS, &c, RULE_CALLER_UNKNOWN, "AE titles compare with case");
	c = plain_caller("10.1.1.7", "SOMETHINGELSE", "ARCHIVE");
	refused(NODES FLOWS, &c, RULE_CALLER_UNKNOWN, "otherwise matches node ct1, whose title is `CT1`");
	c = plain_caller("10.9.9.9", "SOMETHINGELSE", "ARCHIVE");
	refused(NODES FLOWS, &c, RULE_CALLER_UNKNOWN, "add a node for it");
	c = plain_caller("10.1.1.7", "CT1", "ARCHIV");
	refused(NODES FLOWS, &c, RULE_CALLED_UNKNOWN, "did it mean `ARCHIVE`?");
	c = plain_caller("10.1.1.7", "CT1", "archive");
	refused(NODES FLOWS, &c, RULE_CALLED_UNKNOWN, "did it mean `ARCHIVE`?");
}

static void tolerance_is_by_node(void **state)
{
	struct caller c = plain_caller("10.1.1.50", "OLD", "archive");
	assert_int_equal(ask(NODES FLOWS, &c), 0);
	assert_int_equal(route.tolerated, TOLERATE_AE_CASE);
	c = plain_caller("10.1.1.50", "Old", "ARCHIVE");
	c.tolerated = TOLERATE_NUL_PADDING;
	assert_int_equal(ask(NODES FLOWS, &c), 0);
	assert_int_equal(route.tolerated, TOLERATE_NUL_PADDING);
	c = plain_caller("10.1.1.7", "CT1", "ARCHIVE");
	c.tolerated = TOLERATE_NUL_PADDING;
	refused(NODES FLOWS, &c, RULE_MALFORMED, "`tolerate: [ nul-padding ]`");
	refused(NODES FLOWS "mode: observe\n", &c, RULE_MALFORMED, "NUL"); /* malformed is never softened */
}

static void host_names_match_what_was_looked_up(void **state)
{
	struct caller c = plain_caller("10.3.3.3", "NM1", "ARCHIVE");
	refused(NODES FLOWS, &c, RULE_CALLER_ADDRESS, "nm1.hospital");
	struct in6_addr ips[2];
	assert_int_equal(value_ip("10.3.3.4", &ips[0]), 0);
	assert_int_equal(value_ip("10.3.3.3", &ips[1]), 0);
	assert_int_equal(hosts_set(hosts, "NM1.hospital", ips, 2), 0);
	assert_int_equal(ask(NODES FLOWS, &c), 0);
	assert_int_equal(hosts_set(hosts, "nm1.hospital", ips, 1), 0);
	refused(NODES FLOWS, &c, RULE_CALLER_ADDRESS, "nm1.hospital");
	const struct in6_addr *known;
	assert_int_equal(hosts_get(hosts, "nm1.hospital", &known), 1);
	assert_int_equal(hosts_set(hosts, "nm1.hospital", ips, 0), 0);
}

static void the_more_specific_wins(void **state)
{
	static const char *const san[] = {"a.hospital"};
	/* Behind one address: told apart by certificate; a node without the title matches by certificate alone. */
	const char *yaml = LISTEN "nodes:\n  archive: { ae: [ ARCHIVE ], address: folder:a }\n"
				  "  any: { from: [ 10.0.0.0/8 ] }\n"
				  "  a: { from: [ 10.0.0.0/8 ], certificate: { san: [ a.hospital ] } }\n"
				  "flows: [ { from: [ any, a ], to: archive, services: [ echo ] } ]\n";
	struct caller c = tls_caller("10.1.1.1", "X", "ARCHIVE", san);
	assert_int_equal(ask(yaml, &c), 0);
	assert_int_equal(route.from, 2);
	c.has_certificate = false;
	assert_int_equal(ask(yaml, &c), 0);
	assert_int_equal(route.from, 1);
}

static void observing_lets_pass_and_says_so(void **state)
{
	struct caller c = plain_caller("10.9.9.9", "NEW", "ARCHIVE");
	assert_int_equal(ask(NODES FLOWS "mode: observe\n", &c), 0);
	assert_true(verdict.observed && verdict.rule == RULE_CALLER_UNKNOWN);
	assert_int_equal(route.from, -1);
	assert_int_equal(route.to, 0);
	assert_int_equal(route.n_flows, 0);
	c = plain_caller("10.9.9.9", "NEW", "NOWHERE"); /* bound for nowhere */
	refused(NODES FLOWS "mode: observe\n", &c, RULE_CALLED_UNKNOWN, "NOWHERE");
	c = plain_caller("10.9.9.9", "STRICT", "ARCHIVE"); /* an enforced node's title is not lent */
	refused(NODES FLOWS "mode: observe\n", &c, RULE_CALLER_ADDRESS, "10.1.1.51");
	c = plain_caller("10.1.1.7", "CT1", "ARCHIVE");
	assert_int_equal(ask(NODES "mode: observe\n", &c), 0);
	assert_true(verdict.observed && verdict.rule == RULE_NO_FLOW);
	assert_int_equal(route.from, 1);
	/* The caller's node observes; then the called one. */
#define PAIR(archive_mode, x_mode)                                                                           \
	LISTEN "nodes:\n  archive: { ae: [ ARCHIVE ], address: folder:a" archive_mode " }\n"                 \
	       "  x: { ae: [ X ], from: [ 10.1.1.7 ], transport: plain" x_mode " }\n"
	c = plain_caller("10.1.1.7", "X", "ARCHIVE");
	assert_int_equal(ask(PAIR("", ", mode: observe"), &c), 0);
	assert_int_equal(ask(PAIR(", mode: observe", ""), &c), 0);
	refused(PAIR(", mode: observe", ", mode: enforce"), &c, RULE_NO_FLOW, "no flow");
	c = plain_caller("10.9.9.9", "X", "ARCHIVE"); /* but not for strangers */
	refused(PAIR(", mode: observe", ""), &c, RULE_CALLER_ADDRESS, "10.9.9.9");
}

/* A certificate that has expired since: an alarm, unless the node refuses, and then what it observes passes; what is revoked is not softened. */
static void expired_since(void **state)
{
#define EXPIRED(how)                                                                                         \
	LISTEN "nodes:\n  archive: { ae: [ ARCHIVE ], address: folder:a }\n"                                 \
	       "  mr1: { ae: [ MR1 ], certificate: { san: [ mr1.hospital ] }" how " }\n"                     \
	       "flows:\n  - { name: in, from: [ mr1 ], to: archive, services: [ echo ] }\n"
	static const char *const mr1[] = {"mr1.hospital"};
	struct caller c = tls_caller("10.1.1.9", "MR1", "ARCHIVE", mr1);
	assert_int_equal(ask(EXPIRED(", expired: refuse"), &c), 0);
	assert_int_equal(verdict.rule, RULE_NONE);
	c.expired = "expired on 2026-11-20";
	assert_int_equal(ask(EXPIRED(""), &c), 0);
	assert_true(verdict.rule == RULE_EXPIRED && verdict.alarm && !verdict.observed && route.from == 1);
	assert_non_null(strstr(verdict.sentence, "of node mr1 expired on 2026-11-20, while"));
	refused(EXPIRED(", expired: refuse"), &c, RULE_EXPIRED, "of node mr1 expired on 2026-11-20, while");
	assert_int_equal(ask(EXPIRED(", expired: refuse, mode: observe"), &c), 0);
	assert_true(verdict.rule == RULE_EXPIRED && verdict.observed);
	c.revoked = "was revoked on 2026-11-21";
	refused(EXPIRED(""), &c, RULE_REVOKED, "was revoked");
}

static void rules_have_names_and_triples(void **state)
{
	for (int r = 0; r < RULE_COUNT; r++) {
		assert_int_equal(rule_by_name(rule_name((enum rule)r)), r);
		assert_true(pdu_reject_valid(rule_reject((enum rule)r)));
		assert_true(rule_context_result((enum rule)r) <= 4);
	}
	assert_int_equal(rule_by_name("nonsense"), RULE_COUNT);
	assert_int_equal(rule_reject(RULE_CALLER_ADDRESS).reason, 3);
	assert_int_equal(rule_reject(RULE_CALLED_UNKNOWN).reason, 7);
	assert_int_equal(rule_reject(RULE_ASSOCIATIONS).source, 3);
	assert_int_equal(rule_reject(RULE_ASSOCIATIONS).reason, 2);
	assert_int_equal(rule_reject(RULE_PROTOCOL_VERSION).source, 2);
	assert_int_equal(rule_context_result(RULE_SOP_CLASS), 3);
	assert_int_equal(rule_context_result(RULE_TRANSFER_SYNTAX), 4);
}

static int set_up(void **state)
{
	hosts = hosts_new();
	return hosts ? 0 : -1;
}

static int tear_down(void **state)
{
	hosts_free(hosts);
	return 0;
}

/* What is released has the flow by which the object came, or does not leave. */
static void door_has_its_flow(void **state)
{
	static const struct {
		const char *node, *flow;
		enum rule rule;
		const char *sentence;
	} rows[] = {
		{"archive", "in", RULE_NONE, ""}, {"archive", "more", RULE_NONE, ""},
		{"ct1", "in", RULE_CALLED_UNKNOWN, "no node `ct1` that has an `address`"},
		{"gone", "in", RULE_CALLED_UNKNOWN, "no node `gone`"},
		{"archive", "gone", RULE_NO_FLOW,
			"`gone`, by which the object came, is no longer in the configuration"},
		{"archive", "", RULE_NO_FLOW, "it is not known by which flow the object came"},
		{"other", "in", RULE_NO_FLOW, "no longer joins node other"},
		{"reader", "back", RULE_NONE, ""}, /* who asked by C-GET */
	};
	static const char yaml[] = NODES
		"  other: { ae: [ OTHER ], address: folder:other }\n"
		"  reader: { ae: [ READER ], from: [ 10.1.1.60 ], address: folder:reader, transport: plain }\n" FLOWS
		"  - { name: back, from: [ reader ], to: archive, services: [ get ] }\n";
	struct site *s = site_of(yaml);
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		int err = decide_release(s, rows[k].node, rows[k].flow, &route, &verdict);
		assert_int_equal(err, rows[k].rule == RULE_NONE ? 0 : ERR_DENIED);
		assert_int_equal(verdict.rule, rows[k].rule);
		assert_non_null(strstr(verdict.sentence, rows[k].sentence));
		assert_true(route.local);
		assert_int_equal(route.n_flows, err == 0 ? 1 : 0);
		if (route.n_flows) {
			assert_string_equal(s->flows[route.flows[0]].name, rows[k].flow);
		}
	}
	site_free(s);
}

/* What is imported goes as it is only where flows let objects pass so; and by one that does not, or by none. */
static void import_has_a_way(void **state)
{
	static const struct {
		const char *node, *flow, *by;
		enum rule rule;
		const char *sentence;
	} rows[] = {
		{"archive", "", "", RULE_NONE, ""},
		{"archive", "in", "in", RULE_NONE, ""},
		{"alone", "", "", RULE_NONE, ""}, /* no flow leads there */
		{"research", "", "made", RULE_NONE, ""},
		{"research", "made", "made", RULE_NONE, ""},
		{"reader", "", "asked", RULE_NONE, ""}, /* who gets objects by C-GET */
		{"vna", "plain", "plain", RULE_NONE, ""},
		{"vna", "signed", "signed", RULE_NONE, ""},
		{"gone", "", "", RULE_CALLED_UNKNOWN, "no node `gone`"},
		{"ct1", "", "", RULE_CALLED_UNKNOWN, "no node `ct1` that has an `address`"},
		{"vna", "", "", RULE_NO_FLOW, "--flow NAME` (plain, signed)"},
		{"research", "in", "", RULE_NO_FLOW,
			"no flow `in` brings objects to node research; these do: made"},
		{"archive", "more", "", RULE_NO_FLOW, "no flow `more`"}, /* queries alone */
		{"alone", "in", "", RULE_NO_FLOW, "no flow `in` brings objects to node alone"},
	};
	static const char yaml[] = NODES
		"  research: { ae: [ RESEARCH ], address: folder:research }\n"
		"  vna: { ae: [ VNA ], address: folder:vna }\n"
		"  alone: { ae: [ ALONE ], address: folder:alone }\n"
		"  reader: { ae: [ READER ], from: [ 10.1.1.60 ], address: folder:reader, transport: plain }\n" FLOWS
		"  - { name: made, from: [ ct1 ], to: research, services: [ echo, store ], deidentify: yes }\n"
		"  - { name: ask, from: [ ct1 ], to: research, services: [ find ], deidentify: yes }\n"
		"  - { name: plain, from: [ mr1 ], to: vna, services: [ store ] }\n"
		"  - { name: signed, from: [ ct1 ], to: vna, services: [ store ], sign: yes }\n"
		"  - { name: asked, from: [ reader ], to: archive, services: [ get ], deidentify: yes }\n"
		"deidentify: { key: k }\nsignatures: { certificate: c, key: k }\n";
	struct site *s = site_of(yaml);
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		int err = decide_import(s, rows[k].node, rows[k].flow, &route, &verdict);
		assert_int_equal(verdict.rule, rows[k].rule);
		assert_int_equal(err, rows[k].rule == RULE_NONE ? 0 : ERR_DENIED);
		assert_non_null(strstr(verdict.sentence, rows[k].sentence));
		assert_true(route.local);
		assert_int_equal(route.n_flows, rows[k].by[0] ? 1 : 0);
		if (route.n_flows) {
			assert_string_equal(s->flows[route.flows[0]].name, rows[k].by);
		}
	}
	site_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_callers_pass),
		cmocka_unit_test(every_criterion_counts),
		cmocka_unit_test(an_empty_list_admits_no_one),
		cmocka_unit_test(nobody_is_known_by_title_alone),
		cmocka_unit_test(near_misses_name_the_title),
		cmocka_unit_test(tolerance_is_by_node),
		cmocka_unit_test(host_names_match_what_was_looked_up),
		cmocka_unit_test(the_more_specific_wins),
		cmocka_unit_test(observing_lets_pass_and_says_so),
		cmocka_unit_test(expired_since),
		cmocka_unit_test(rules_have_names_and_triples),
		cmocka_unit_test(door_has_its_flow),
		cmocka_unit_test(import_has_a_way),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
