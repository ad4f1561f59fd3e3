/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_deflate.h"
#include "policy_fixture.h"

#include <time.h>

#define SITE(flow_keys)                                                                                      \
	LISTEN "nodes:\n"                                                                                    \
	       "  archive: { ae: [ ARCHIVE ], address: folder:archive }\n"                                   \
	       "  ct1: { ae: [ CT1 ], from: [ 10.1.1.7 ], transport: plain }\n"                              \
	       "  ws1: { ae: [ WS1, WSALT ] }\n"                                                             \
	       "flows:\n  - { name: f, from: [ ct1 ], to: archive, " flow_keys " }\n"

static struct site *site;
static struct route route;
static struct verdict verdict;

static void use(const char *yaml)
{
	struct caller c = plain_caller("10.1.1.7", "CT1", "ARCHIVE");
	site_free(site);
	site = site_of(yaml);
	(void)!decide_route(site, NULL, &c, &route, &verdict);
}

static bool contexts[LIMIT_TRANSFER_SYNTAXES];

static int ask_context(const char *abstract, const char *ts1, const char *ts2)
{
	static struct context c;
	c = (struct context){.id = 1, .abstract = span_str(abstract), .n_transfer = 2};
	c.transfer[0] = span_str(ts1);
	c.transfer[1] = span_str(ts2);
	return decide_context(site, &route, &c, contexts, &verdict);
}

/* May a context of this SOP class be had? */
static bool context_ok(const char *abstract)
{
	return ask_context(abstract, IMPLICIT, EXPLICIT) == 0;
}

static struct command command;
static struct request_facts facts;

static int ask(uint16_t field, const char *abstract)
{
	command.field = field;
	facts.command = &command;
	facts.abstract_syntax = span_str(abstract);
	command.affected_sop_class = span_str(abstract);
	if (!facts.transfer_syntax.ptr) {
		facts.transfer_syntax = span_str(IMPLICIT);
	}
	return decide_request(site, &route, &facts, &verdict);
}

static void forget(void)
{
	command = (struct command){0};
	facts = (struct request_facts){.wall_s = time(NULL)};
}

static void refused(int err, enum rule rule, const char *sentence)
{
	if (err != ERR_DENIED || verdict.rule != rule || !strstr(verdict.sentence, sentence)) {
		print_message("%d %s: %s\n", err, rule_name(verdict.rule), verdict.sentence);
	}
	assert_int_equal(err, ERR_DENIED);
	assert_int_equal(verdict.rule, rule);
	assert_true(verdict.refuse && !verdict.observed);
	assert_non_null(strstr(verdict.sentence, sentence));
}

static void contexts_by_service(void **state)
{
	/* Default deny: what no service of the flow uses is refused. */
	static const struct {
		const char *services;
		bool echo, ct, find, move, get, worklist, mpps, commit;
	} rows[] = {
		{"services: [ echo ]", true, false, false, false, false, false, false, false},
		{"services: [ store ]", false, true, false, false, false, false, false, false},
		{"services: [ find ]", false, false, true, false, false, false, false, false},
		{"services: [ move ], destinations: [ ws1 ]", false, false, false, true, false, false, false,
			false},
		{"services: [ get ]", false, true, false, false, true, false, false, false},
		{"services: [ worklist ]", false, false, false, false, false, true, false, false},
		{"services: [ mpps ]", false, false, false, false, false, false, true, false},
		{"services: [ commit ]", false, false, false, false, false, false, false, true},
		{"services: [ n-services ]", false, false, false, false, false, false, false, false},
		{"services: []", false, false, false, false, false, false, false, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char yaml[1024];
		snprintf(yaml, sizeof(yaml), SITE("%s"), rows[i].services);
		use(yaml);
		assert_int_equal(context_ok(VERIFICATION), rows[i].echo);
		assert_int_equal(context_ok(CT_IMAGE), rows[i].ct);
		assert_int_equal(context_ok(STUDY_FIND), rows[i].find);
		assert_int_equal(context_ok(STUDY_MOVE), rows[i].move);
		assert_int_equal(context_ok(STUDY_GET), rows[i].get);
		assert_int_equal(context_ok(WORKLIST), rows[i].worklist);
		assert_int_equal(context_ok(MPPS), rows[i].mpps);
		assert_int_equal(context_ok(COMMIT), rows[i].commit);
		assert_false(context_ok("1.2.3.4"));
	}
}

static void contexts_by_sop_class(void **state)
{
	use(SITE("services: [ echo, store, find ], sop-classes: [ CTImageStorage, 1.2.3.4 ]"));
	assert_true(context_ok(CT_IMAGE) && context_ok("1.2.3.4") && context_ok(VERIFICATION) &&
		    context_ok(STUDY_FIND));
	refused(ask_context(MR_IMAGE, IMPLICIT, EXPLICIT), RULE_SOP_CLASS, "MRImageStorage");
	assert_int_equal(verdict.flow, 0);
	assert_false(contexts[0] || contexts[1]);
	/* A list that names a model of find means that one. */
	use(SITE("services: [ find ], sop-classes: [ PatientRootQueryRetrieveInformationModelFind ]"));
	assert_false(context_ok(STUDY_FIND));
	use(SITE("services: [ store ], sop-classes: any"));
	assert_true(context_ok(CT_IMAGE) && context_ok("1.2.3.4"));
	assert_false(context_ok(VERIFICATION)); /* known to be another service's */
	use(SITE("services: [ store ], sop-classes: []"));
	assert_false(context_ok(CT_IMAGE));
	char longest[200];
	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(context_ok(longest));
}

static void contexts_by_transfer_syntax(void **state)
{
	use(SITE("services: [ store ], transfer-syntaxes: [ ExplicitVRLittleEndian ]"));
	assert_int_equal(ask_context(CT_IMAGE, IMPLICIT, EXPLICIT), 0);
	assert_false(contexts[0]);
	assert_true(contexts[1]);
	refused(ask_context(CT_IMAGE, IMPLICIT, JPEG), RULE_TRANSFER_SYNTAX, "none of the transfer syntaxes");
	use(SITE("services: [ store ], transfer-syntaxes: []"));
	refused(ask_context(CT_IMAGE, IMPLICIT, EXPLICIT), RULE_TRANSFER_SYNTAX, "CTImageStorage");
	/* A second flow adds to the first. */
	use(SITE(
		"services: [ store ], transfer-syntaxes: [ ExplicitVRLittleEndian ]") "  - { name: g, from: [ ct1 ], to: archive, services: [ store ], transfer-syntaxes: [ ImplicitVRLittleEndian ] }\n");
	assert_int_equal(ask_context(CT_IMAGE, IMPLICIT, EXPLICIT), 0);
	assert_true(contexts[0] && contexts[1]);
}

static void contexts_observed(void **state)
{
	use(SITE("services: [ echo ], mode: observe, transfer-syntaxes: [ ExplicitVRLittleEndian ]"));
	assert_int_equal(ask_context(CT_IMAGE, IMPLICIT, EXPLICIT), 0);
	assert_true(verdict.observed && !verdict.refuse && verdict.rule == RULE_SOP_CLASS);
	assert_true(contexts[0] && contexts[1]);
	assert_int_equal(ask_context(VERIFICATION, IMPLICIT, EXPLICIT), 0);
	assert_true(contexts[0] && contexts[1]); /* not narrowed either */
	use("mode: observe\n" LISTEN "nodes:\n  archive: { ae: [ ARCHIVE ], address: folder:a }\n");
	assert_int_equal(ask_context(CT_IMAGE, IMPLICIT, EXPLICIT), 0);
	assert_true(verdict.observed && verdict.rule == RULE_CALLER_UNKNOWN && contexts[0]);
	forget();
	assert_int_equal(ask(C_STORE_RQ, CT_IMAGE), 0);
	assert_true(verdict.observed && verdict.flow == -1);
}

static void requests_by_service(void **state)
{
	forget();
	use(SITE("services: [ echo, store ]"));
	assert_int_equal(ask(C_ECHO_RQ, VERIFICATION), 0);
	assert_int_equal(verdict.rule, RULE_NONE);
	assert_int_equal(verdict.flow, 0);
	assert_int_equal(ask(C_STORE_RQ, CT_IMAGE), 0);
	refused(ask(C_FIND_RQ, STUDY_FIND), RULE_SERVICE, "does not allow the service `find`");
	refused(ask(N_CREATE_RQ, MPPS), RULE_SERVICE, "`mpps`");
	refused(ask(N_ACTION_RQ, COMMIT), RULE_SERVICE, "`commit`");
	refused(ask(N_ACTION_RQ, "1.2.840.10008.5.1.1.9"), RULE_SERVICE, "`n-services`");
	refused(ask(C_GET_RQ, STUDY_GET), RULE_SERVICE, "`get`");
	refused(ask(C_MOVE_RQ, STUDY_MOVE), RULE_SERVICE, "`move`");
	refused(ask(C_FIND_RQ, WORKLIST), RULE_SERVICE, "`worklist`");
	refused(ask(0x7777, CT_IMAGE), RULE_SERVICE, "");
	assert_int_equal(ask(C_CANCEL_RQ, CT_IMAGE), 0);
	use(SITE("services: [ store ], sop-classes: [ CTImageStorage ]"));
	refused(ask(C_STORE_RQ, MR_IMAGE), RULE_SOP_CLASS, "MRImageStorage");
	/* The message must not name what its context hides. */
	ask(C_STORE_RQ, CT_IMAGE);
	command.affected_sop_class = span_str(MR_IMAGE);
	refused(decide_request(site, &route, &facts, &verdict), RULE_SOP_CLASS,
		"sent on a context of CTImageStorage");
	forget();
	use(SITE("services: [ store ], transfer-syntaxes: [ ExplicitVRLittleEndian ]"));
	refused(ask(C_STORE_RQ, CT_IMAGE), RULE_TRANSFER_SYNTAX, "ImplicitVRLittleEndian");
}

static void requests_from_the_called_side(void **state)
{
	forget();
	use(SITE("services: [ get, commit ]"));
	facts.reverse = true;
	refused(ask(C_STORE_RQ, CT_IMAGE), RULE_SERVICE, "");
	facts.get_outstanding = true;
	assert_int_equal(ask(C_STORE_RQ, CT_IMAGE), 0);
	assert_int_equal(request_service(&facts), SERVICE_GET);
	assert_int_equal(ask(N_EVENT_REPORT_RQ, COMMIT), 0);
	refused(ask(N_ACTION_RQ, COMMIT), RULE_SERVICE, "from the called side");
	facts.reverse = false;
	refused(ask(C_STORE_RQ, CT_IMAGE), RULE_SERVICE, "`store`");
	use(SITE("services: [ store ]"));
	facts.reverse = true;
	facts.get_outstanding = false;
	refused(ask(C_STORE_RQ, CT_IMAGE), RULE_SERVICE, "from the called side");
}

static void destinations_are_listed(void **state)
{
	forget();
	use(SITE("services: [ move ], destinations: [ ws1 ], move-titles: { OLDWS: WS1, BAD: XX }"));
	snprintf(command.move_destination, sizeof(command.move_destination), "WSALT");
	assert_int_equal(ask(C_MOVE_RQ, STUDY_MOVE), 0);
	snprintf(command.move_destination, sizeof(command.move_destination), "OLDWS");
	assert_int_equal(ask(C_MOVE_RQ, STUDY_MOVE), 0);
	assert_string_equal(route_move_title(site, 0, "OLDWS"), "WS1");
	assert_string_equal(route_move_title(site, 0, "WS1"), "WS1");
	assert_string_equal(route_move_title(site, -1, "WS1"), "WS1");
	snprintf(command.move_destination, sizeof(command.move_destination), "WS-1");
	refused(ask(C_MOVE_RQ, STUDY_MOVE), RULE_DESTINATION, "did it mean `WS1`?");
	snprintf(command.move_destination, sizeof(command.move_destination), "BAD");
	refused(ask(C_MOVE_RQ, STUDY_MOVE), RULE_DESTINATION, "`BAD`");
	use(SITE("services: [ move ]"));
	refused(ask(C_MOVE_RQ, STUDY_MOVE), RULE_DESTINATION, "are none");
}

static void hours_and_end(void **state)
{
	forget();
	setenv("TZ", "UTC", 1);
	tzset();
	use(SITE("services: [ echo ], hours: [ mon-fri 07:00-19:00, fri 22:00-02:00 ]"));
	facts.wall_s = 1795392000; /* Monday 2026-11-23, 00:00 UTC */
	refused(ask(C_ECHO_RQ, VERIFICATION), RULE_HOURS, "closed at this hour (00:00)");
	facts.wall_s += 7 * 3600;
	assert_int_equal(ask(C_ECHO_RQ, VERIFICATION), 0);
	assert_int_equal(verdict.rule, RULE_NONE);
	facts.wall_s += 12 * 3600 - 1;
	assert_int_equal(ask(C_ECHO_RQ, VERIFICATION), 0);
	facts.wall_s += 1;
	refused(ask(C_ECHO_RQ, VERIFICATION), RULE_HOURS, "(19:00)");
	facts.wall_s = 1795392000 + 5 * 86400 + 3600; /* Saturday 01:00 belongs to Friday */
	assert_int_equal(ask(C_ECHO_RQ, VERIFICATION), 0);
	facts.wall_s += 3600;
	refused(ask(C_ECHO_RQ, VERIFICATION), RULE_HOURS, "");
	use(SITE("services: [ echo ], hours: [ mon 07:00-08:00 ], limits: { hours: { over: alarm } }"));
	assert_int_equal(ask(C_ECHO_RQ, VERIFICATION), 0);
	assert_true(verdict.alarm && verdict.rule == RULE_HOURS && !verdict.refuse && verdict.flow == 0);
	use(SITE("services: [ echo ], until: 2026-11-30"));
	facts.wall_s = 1795392000 + 8 * 86400 - 1;
	assert_int_equal(ask(C_ECHO_RQ, VERIFICATION), 0);
	assert_int_equal(verdict.rule, RULE_NONE);
	facts.wall_s++;
	assert_int_equal(ask(C_ECHO_RQ, VERIFICATION), 0); /* an end date alarms unless told to refuse */
	assert_true(verdict.alarm && verdict.rule == RULE_UNTIL);
	use(SITE("services: [ echo ], until: 2026-11-30, limits: { until: { over: refuse } }"));
	refused(ask(C_ECHO_RQ, VERIFICATION), RULE_UNTIL, "ended with 2026-11-30");
	/* Another flow that allows it without remark comes before one that alarms. */
	use(SITE(
		"services: [ echo ], until: 2026-11-30") "  - { name: g, from: [ ct1 ], to: archive, services: [ echo ] }\n");
	assert_int_equal(ask(C_ECHO_RQ, VERIFICATION), 0);
	assert_true(verdict.flow == 1 && verdict.rule == RULE_NONE);
}

static void an_observing_flow_lets_pass(void **state)
{
	forget();
	use(SITE(
		"services: [ echo ]") "  - { name: g, from: [ ct1 ], to: archive, services: [ store ], mode: observe }\n");
	assert_int_equal(ask(C_FIND_RQ, STUDY_FIND), 0);
	assert_true(verdict.observed && verdict.rule == RULE_SERVICE && verdict.flow == 1);
	assert_int_equal(ask(C_ECHO_RQ, VERIFICATION), 0);
	assert_true(!verdict.observed && verdict.flow == 0);
	assert_true(route_observes(site, &route, 1) && !route_observes(site, &route, 0) &&
		    route_observes(site, &route, -1));
	use("mode: observe\n" SITE("services: [ echo ], mode: enforce"));
	refused(ask(C_FIND_RQ, STUDY_FIND), RULE_SERVICE, "find");
}

static void volumes(void **state)
{
	struct volume v = {.objects_hour = 10, .bytes_hour = 1000, .object_bytes = 100};
	use(SITE(
		"services: [ store ], limits: { objects-per-hour: 10, bytes-per-hour: 1000, object-size: 100 }"));
	assert_int_equal(decide_volume(site, &route, 0, &v, &verdict), 0);
	assert_int_equal(verdict.rule, RULE_NONE);
	v.objects_hour = 11;
	assert_int_equal(decide_volume(site, &route, 0, &v, &verdict), 0);
	assert_true(verdict.alarm && !verdict.refuse && verdict.rule == RULE_OBJECT_RATE);
	assert_non_null(strstr(verdict.sentence, "11 objects within an hour, its limit is 10"));
	use(SITE(
		"services: [ store ], limits: { objects-per-hour: 10, bytes-per-hour: { most: 1000, over: refuse }, "
		"object-size: { most: 2G, over: refuse } }"));
	v.bytes_hour = 1001;
	refused(decide_volume(site, &route, 0, &v, &verdict), RULE_BYTE_RATE, "bytes-per-hour");
	v.bytes_hour = 0;
	v.object_bytes = ((uint64_t)2 << 30) + 1;
	refused(decide_volume(site, &route, 0, &v, &verdict), RULE_OBJECT_SIZE, "its limit is 2 GiB");
	use("mode: observe\n" SITE(
		"services: [ store ], limits: { object-size: { most: 1, over: refuse } }"));
	assert_int_equal(decide_volume(site, &route, 0, &v, &verdict), 0);
	assert_true(verdict.observed);
	assert_int_equal(decide_volume(site, &route, -1, &v, &verdict), 0);
}

static void association_counts(void **state)
{
	use(SITE("services: [ echo ], limits: { associations: { at-once: 2, per-minute: 5 } }"));
	assert_int_equal(decide_associations(site, &route, 0, 2, 5, &verdict), 0);
	refused(decide_associations(site, &route, 0, 3, 1, &verdict), RULE_ASSOCIATIONS,
		"3 associations at once, its limit is 2");
	refused(decide_associations(site, &route, 0, 1, 6, &verdict), RULE_ASSOCIATION_RATE,
		"within a minute");
	use(SITE("services: [ echo ], limits: { associations: { at-once: 2, over: alarm } }"));
	assert_int_equal(decide_associations(site, &route, 0, 3, 1, &verdict), 0);
	assert_true(verdict.alarm);
}

static int ask_query_of(const char *sop_class, const void *keys, size_t n, const char *ts)
{
	/* Copied to its exact size, so that a read past the end is seen. */
	uint8_t *copy = malloc(n ? n : 1);
	memcpy(copy, keys, n);
	int err =
		decide_query(site, &route, 0, span_of(copy, n), span_str(sop_class), span_str(ts), &verdict);
	free(copy);
	return err;
}

static int ask_query(const void *keys, size_t n, const char *ts)
{
	return ask_query_of(STUDY_FIND, keys, n, ts);
}

#define NAME_BOB                                                                                             \
	"\x10\x00\x10\x00"                                                                                   \
	"\x04\x00\x00\x00"                                                                                   \
	"BOB*"
#define NAME_STAR                                                                                            \
	"\x10\x00\x10\x00"                                                                                   \
	"\x02\x00\x00\x00"                                                                                   \
	"* "
#define NAME_EMPTY                                                                                           \
	"\x10\x00\x10\x00"                                                                                   \
	"\x00\x00\x00\x00"
#define ID_7                                                                                                 \
	"\x10\x00\x20\x00"                                                                                   \
	"\x02\x00\x00\x00"                                                                                   \
	"7 "

static void queries(void **state)
{
	use(SITE("services: [ find ], query: { require-any: [ PatientID, PatientName ] }"));
	assert_int_equal(ask_query(NAME_BOB, sizeof(NAME_BOB) - 1, IMPLICIT), 0);
	assert_int_equal(verdict.rule, RULE_NONE);
	assert_int_equal(ask_query(NAME_STAR ID_7, sizeof(NAME_STAR ID_7) - 1, IMPLICIT), 0);
	refused(ask_query(NAME_STAR, sizeof(NAME_STAR) - 1, IMPLICIT), RULE_QUERY_KEYS,
		"a bare wildcard does not count");
	refused(ask_query(NAME_EMPTY, sizeof(NAME_EMPTY) - 1, IMPLICIT), RULE_QUERY_KEYS,
		"at least one of PatientID, PatientName");
	refused(ask_query("", 0, IMPLICIT), RULE_QUERY_KEYS, "at least one of");
	refused(ask_query(NAME_BOB, sizeof(NAME_BOB) - 1, "1.2.3"), RULE_QUERY_KEYS, "not the standard's");
	for (size_t n = 1; n + 1 < sizeof(NAME_BOB); n++) {
		refused(ask_query(NAME_BOB, n, IMPLICIT), RULE_QUERY_KEYS, "malformed");
	}
	use(SITE("services: [ find ], query: { require-any: [ PatientName ], bare-wildcards: yes }"));
	assert_int_equal(ask_query(NAME_STAR, sizeof(NAME_STAR) - 1, IMPLICIT), 0);
	use(SITE("services: [ find ], query: { require-all: [ PatientID, PatientName ] }"));
	refused(ask_query(NAME_BOB, sizeof(NAME_BOB) - 1, IMPLICIT), RULE_QUERY_KEYS, "PatientID");
	assert_int_equal(ask_query(NAME_BOB ID_7, sizeof(NAME_BOB ID_7) - 1, IMPLICIT), 0);
	use("mode: observe\n" SITE("services: [ find ], query: { require-all: [ PatientID ] }"));
	assert_int_equal(ask_query("", 0, IMPLICIT), 0);
	assert_true(verdict.observed);
	use(SITE("services: [ find ], query: { matches: 5 }"));
	assert_int_equal(ask_query("garbage", 7, IMPLICIT), 0);
}

/* A deflated query is read too, as far as a query may go. */
static void deflated_queries(void **state)
{
	static const char name_bob[] = "\x10\x00\x10\x00PN\x04\x00"
				       "BOB*";
	static const char no_name[] = "\x10\x00\x10\x00PN\x02\x00"
				      "* ";
	uint8_t packed[1024];
	static uint8_t large[(1u << 20) + 64], many[65536];
	use(SITE("services: [ find ], query: { require-any: [ PatientID, PatientName ] }"));
	size_t n = deflate_raw(span_of(name_bob, sizeof(name_bob) - 1), packed, sizeof(packed));
	assert_int_equal(ask_query(packed, n, DEFLATED), 0);
	refused(ask_query(packed, n - 1, DEFLATED), RULE_QUERY_KEYS, "malformed (truncated)");
	n = deflate_raw(span_of(no_name, sizeof(no_name) - 1), packed, sizeof(packed));
	refused(ask_query(packed, n, DEFLATED), RULE_QUERY_KEYS, "a bare wildcard does not count");
	refused(ask_query("BOB", 3, DEFLATED), RULE_QUERY_KEYS, "malformed");
	/* Over 64 KiB by one element, and by many empty ones. */
	memcpy(large, name_bob, sizeof(name_bob) - 1);
	memcpy(large + sizeof(name_bob) - 1, "\x11\x00\x10\x10OB\x00\x00\xe0\xff\x0f\x00", 12);
	n = deflate_raw(span_of(large, sizeof(name_bob) - 1 + 12 + 0xFFFE0), many, sizeof(many));
	refused(ask_query(many, n, DEFLATED), RULE_QUERY_KEYS, "malformed (over a limit)");
	for (uint16_t i = 0; i < 9000; i++) {
		uint8_t head[8] = {
			0x11, 0, (uint8_t)(i + 0x1000), (uint8_t)((i + 0x1000) >> 8), 'L', 'O', 0, 0};
		memcpy(large + sizeof(name_bob) - 1 + 8 * i, head, 8);
	}
	n = deflate_raw(span_of(large, sizeof(name_bob) - 1 + 9000 * 8), many, sizeof(many));
	refused(ask_query(many, n, DEFLATED), RULE_QUERY_KEYS, "malformed (over a limit)");
}

/* Where another reader might see other keys, the guard sees none. */
static void queries_of_two_readings(void **state)
{
	use(SITE("services: [ find ], query: { require-any: [ PatientID ] }"));
	assert_int_equal(ask_query(ID_7, sizeof(ID_7) - 1, IMPLICIT), 0);
	refused(ask_query(ID_7 ID_7, sizeof(ID_7 ID_7) - 1, IMPLICIT), RULE_QUERY_KEYS, "given twice");
	refused(ask_query(ID_7 NAME_BOB, sizeof(ID_7 NAME_BOB) - 1, IMPLICIT), RULE_QUERY_KEYS,
		"out of order");
	static const char stray[] = ID_7 "\xfe\xff\xdd\xe0\x00\x00\x00\x00";
	refused(ask_query(stray, sizeof(stray) - 1, IMPLICIT), RULE_QUERY_KEYS, "out of order");
	static const char odd_vr[] = "\x10\x00\x10\x00??\x00\x00"
				     "\x10\x00\x20\x00LO\x02\x00"
				     "7 ";
	refused(ask_query(odd_vr, sizeof(odd_vr) - 1, EXPLICIT), RULE_QUERY_KEYS, "value not allowed");
	static const char odd_length[] = "\x10\x00\x20\x00LO\x01\x00"
					 "7";
	assert_int_equal(ask_query(odd_length, sizeof(odd_length) - 1, EXPLICIT), 0);
	static uint8_t big[LIMIT_IDENTIFIER + 2];
	refused(ask_query(big, sizeof(big), IMPLICIT), RULE_QUERY_KEYS, "over a limit");
}

#define ASK(sop_class, keys) ask_query_of((sop_class), (keys), sizeof(keys) - 1, IMPLICIT)
#define WORKLIST             "1.2.840.10008.5.1.4.31"
#define STEP_DATE                                                                                            \
	"\x40\x00\x02\x00\x08\x00\x00\x00"                                                                   \
	"20261123"
#define STEP(keys, len)                                                                                      \
	"\x40\x00\x00\x01" len "\x00\x00\x00\xfe\xff\x00\xe0\xff\xff\xff\xff" keys                           \
	"\xfe\xff\x0d\xe0\x00\x00\x00\x00"
#define PRIVATE_SEQUENCE                                                                                     \
	"\x09\x00\x10\x10\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" ID_7                              \
	"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"

/* A key counts where an archive matches on it, and nowhere else. */
static void query_keys_in_their_place(void **state)
{
	use(SITE(
		"services: [ find, worklist ], query: { require-any: [ PatientID, ScheduledProcedureStepStartDate ] }"));
	assert_int_equal(ASK(WORKLIST, STEP(STEP_DATE, "\x20")), 0);
	assert_int_equal(ASK(WORKLIST, ID_7), 0);
	refused(ASK(WORKLIST, STEP_DATE), RULE_QUERY_KEYS, "at least one of");
	refused(ASK(WORKLIST, PRIVATE_SEQUENCE), RULE_QUERY_KEYS, "at least one of");
	refused(ASK(STUDY_FIND, PRIVATE_SEQUENCE), RULE_QUERY_KEYS, "at least one of");
	refused(ASK(STUDY_FIND, STEP(STEP_DATE, "\x20")), RULE_QUERY_KEYS, "at least one of");
}

/* What looks like text and is none: a switch of character sets, controls, a range without ends. */
static void queries_that_say_nothing(void **state)
{
	use(SITE("services: [ find ], query: { require-any: [ PatientName ] }"));
	refused(ASK(STUDY_FIND, "\x10\x00\x10\x00\x04\x00\x00\x00"
				"\x1b(B*"),
		RULE_QUERY_KEYS, "bare wildcard");
	refused(ASK(STUDY_FIND, "\x10\x00\x10\x00\x04\x00\x00\x00"
				"\x1b$)C"),
		RULE_QUERY_KEYS, "at least one of");
	refused(ASK(STUDY_FIND, "\x10\x00\x10\x00\x02\x00\x00\x00"
				"\x1b("),
		RULE_QUERY_KEYS, "at least one of");
	refused(ASK(STUDY_FIND, "\x10\x00\x10\x00\x02\x00\x00\x00"
				"\n*"),
		RULE_QUERY_KEYS, "bare wildcard");
	refused(ASK(STUDY_FIND, "\x10\x00\x10\x00\x02\x00\x00\x00"
				"- "),
		RULE_QUERY_KEYS, "bare wildcard");
	assert_int_equal(ASK(STUDY_FIND, "\x10\x00\x10\x00\x06\x00\x00\x00"
					 "\x1b(BB*\x20"),
		0);
}

static void statuses_and_sentences(void **state)
{
	use(SITE("services: [ store ], refusal-status: 0xA700"));
	assert_int_equal(refusal_status(site, 0, C_STORE_RQ), 0xa700);
	assert_int_equal(refusal_status(site, -1, C_STORE_RQ), command_refusal_status(C_STORE_RQ));
	verdict_of(site, &route, 0, RULE_QUERY_MATCHES, "501", &verdict);
	assert_true(verdict.refuse && verdict.flow == 0 && strstr(verdict.sentence, "501"));
	verdict_of(site, NULL, -1, RULE_STOPPING, NULL, &verdict);
	assert_true(verdict.refuse && verdict.line == 0);
	assert_string_equal(verdict.sentence, "the gateway is stopping");
	use("mode: observe\n" SITE("services: [ find ]"));
	verdict_of(site, &route, 0, RULE_QUERY_MATCHES, "", &verdict);
	assert_true(verdict.observed && !verdict.refuse);
	verdict_of(site, &route, 0, RULE_UPSTREAM_LOST, "reset", &verdict);
	assert_true(verdict.refuse && !verdict.observed);
}

static int tear_down(void **state)
{
	site_free(site);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contexts_by_service),
		cmocka_unit_test(contexts_by_sop_class),
		cmocka_unit_test(contexts_by_transfer_syntax),
		cmocka_unit_test(contexts_observed),
		cmocka_unit_test(requests_by_service),
		cmocka_unit_test(requests_from_the_called_side),
		cmocka_unit_test(destinations_are_listed),
		cmocka_unit_test(hours_and_end),
		cmocka_unit_test(an_observing_flow_lets_pass),
		cmocka_unit_test(volumes),
		cmocka_unit_test(association_counts),
		cmocka_unit_test(queries),
		cmocka_unit_test(deflated_queries),
		cmocka_unit_test(queries_of_two_readings),
		cmocka_unit_test(query_keys_in_their_place),
		cmocka_unit_test(queries_that_say_nothing),
		cmocka_unit_test(statuses_and_sentences),
	};
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
