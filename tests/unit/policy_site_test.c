/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_fixture.h"
#include "policy/deidentify.h"
#include "policy/keys.h"
#include "policy/match.h"
#include "policy/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Does one of the mistakes stand at this place and say this? */
static bool has(const struct mistakes *m, bool error, unsigned line, unsigned column, const char *text)
{
	for (unsigned i = error ? 0 : m->n_errors; i < (error ? m->n_errors : m->n); i++) {
		if (m->at[i].line == line && (!column || m->at[i].column == column) &&
			strstr(m->at[i].text, text)) {
			return true;
		}
	}
	return false;
}

static void expect(const char *yaml, bool error, unsigned line, unsigned column, const char *text)
{
	struct site *s = NULL;
	struct mistakes m;
	int err = site_parse(span_str(yaml), "/etc/gantry/gantry.yaml", &s, &m);
	bool found = has(&m, error, line, column, text);
	if (!found) {
		print_message("wanted %u:%u: %s\n", line, column, text);
		for (unsigned i = 0; i < m.n; i++) {
			print_message("  %s %u:%u: %s\n", i < m.n_errors ? "E" : "W", m.at[i].line,
				m.at[i].column, m.at[i].text);
		}
	}
	assert_true(found);
	assert_int_equal(err, m.n_errors ? ERR_VALUE : 0);
	assert_int_equal(s == NULL, m.n_errors > 0);
	mistakes_done(&m);
	site_free(s);
}

#define BASE                                                                                                 \
	LISTEN "nodes:\n"                                                                                    \
	       "  archive: { ae: [ ARCHIVE ], address: folder:archive }\n"                                   \
	       "  ct1: { ae: [ CT1 ], from: [ 10.1.1.0/24 ], transport: plain }\n"
#define FLOW "flows:\n  - { name: f, from: [ ct1 ], to: archive, services: [ echo, store ] }\n"

/* Of a mistaken `clean-pixels` that is said alone, and not what would go with it. */
static void mistakes_hide_what_follows(void **state)
{
	static const char *const values[] = {"1", "[ yes ]", "{}", "''"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct site *s = NULL;
		struct mistakes m;
		char yaml[512];
		snprintf(yaml, sizeof(yaml),
			BASE
			"deidentify: { key: k }\nflows:\n  - from: [ ct1 ]\n    to: archive\n    services: [ store ]\n"
			"    deidentify:\n      pixel-rules: r\n      clean-features: yes\n      clean-pixels: %s\n",
			values[i]);
		assert_int_equal(site_parse(span_str(yaml), "/etc/gantry/gantry.yaml", &s, &m), ERR_VALUE);
		assert_int_equal(m.n_errors, 1);
		assert_true(has(&m, true, 13, 0, "clean-pixels"));
		mistakes_done(&m);
	}
}

static void values_are_kept(void **state)
{
	struct site *s = site_of(
		"site: St. Anna\nmode: observe\nstate: var\nrun: /run/g\nlog: { file: log/g.log, format: json, level: debug }\n"
		"timeouts: { idle: 2h }\nassociations: { at-once: 7 }\n"
		"implementation: { class: 1.2.3, version: X_1 }\n"
		"listeners:\n  - { port: 104, transport: plain, address: '*', transparent: yes, proxy-from: [ 10.0.0.5 ], max-pdu: 0 }\n"
		"nodes:\n"
		"  ct1:\n    ae: CT1\n    from: [ 10.1.1.0/24, ct1.hospital, '2001:db8::/32' ]\n    transport: plain\n"
		"    address: [ 10.1.1.7:11112, '[::1]:104' ]\n    tolerate: [ nul-padding, pdu-overrun ]\n    source: caller\n"
		"    proxy-protocol: v2\n    max-pdu: 16K\n    mode: enforce\n    timeouts: { idle: 5m }\n"
		"  archive: { ae: [ ARCHIVE, OLD ], address: folder:archive, transport: plain }\n"
		"groups: { a: [ CTImageStorage, b ], b: MRImageStorage }\n"
		"flows:\n  - name: f\n    from: ct1\n    to: archive\n    called: X\n    services: [ echo, store, find ]\n"
		"    sop-classes: [ a, 1.2.3.4, CTImageStorage ]\n    transfer-syntaxes: [ ExplicitVRLittleEndian ]\n"
		"    titles: { calling: G, called: P }\n    move-titles: { OLDWS: WS1 }\n    implementation: gateway\n"
		"    refusal-status: 0xA700\n    hours: [ mon-fri 07:00-19:00 ]\n    until: 2099-06-30\n"
		"    limits:\n      associations: { at-once: 4, per-minute: 60, over: alarm }\n      objects-per-hour: 5000\n"
		"      bytes-per-hour: { most: 50G, over: refuse }\n      until: { over: refuse }\n"
		"    query: { require-any: [ PatientID, '(0008,0050)' ], matches: 500 }\n");
	assert_string_equal(s->name, "St. Anna");
	assert_string_equal(s->state, "/etc/gantry/var");
	assert_string_equal(s->log_file, "/etc/gantry/log/g.log");
	assert_true(s->log_json);
	assert_int_equal(s->mode, MODE_OBSERVE);
	assert_int_equal(s->timeouts.idle, 7200);
	assert_int_equal(s->timeouts.artim, 30);
	assert_int_equal(s->associations_at_once, 7);
	assert_int_equal(s->associations_per_address, 100);
	const struct listener *l = &s->listeners[0];
	assert_string_equal(l->name, "listener-1");
	assert_int_equal(l->max_pdu, 0);
	assert_true(l->transparent);
	assert_int_equal(l->n_proxy_from, 1);
	const struct node *n = &s->nodes[0];
	assert_int_equal(n->n_from, 3);
	assert_string_equal(n->from[1].host, "ct1.hospital");
	assert_string_equal(n->address[1].host, "::1");
	assert_int_equal(n->tolerate, TOLERATE_NUL_PADDING | TOLERATE_PDU_OVERRUN);
	assert_true(n->source_is_caller && n->proxy_v2);
	assert_int_equal(n->max_pdu, 16384);
	assert_int_equal(site_timeouts(s, n).idle, 300);
	assert_int_equal(site_timeouts(s, n).connect, 10);
	assert_string_equal(s->nodes[1].address[0].folder, "/etc/gantry/archive");
	assert_int_equal(s->nodes[1].max_pdu, 131072);
	assert_string_equal(s->nodes[1].server_name, "");
	const struct flow *f = &s->flows[0];
	assert_int_equal(f->to, 1);
	assert_int_equal(f->sop_classes.n, 3);
	assert_true(names_have_sorted(&f->sop_classes, MR_IMAGE) &&
		    names_have_sorted(&f->sop_classes, "1.2.3.4"));
	assert_int_equal(f->refusal_status, 0xa700);
	assert_int_equal(f->associations_at_once.over, OVER_ALARM);
	assert_int_equal(f->objects_per_hour.most, 5000);
	assert_int_equal(f->objects_per_hour.over, OVER_ALARM);
	assert_int_equal(f->bytes_per_hour.over, OVER_REFUSE);
	assert_int_equal(f->until_over, OVER_REFUSE);
	assert_int_equal(f->hours_over, OVER_REFUSE);
	assert_int_equal(f->require_any[1], 0x00080050);
	assert_false(f->bare_wildcards);
	assert_true(f->implementation_is_gateway);
	assert_string_equal(f->move_titles[0].to, "WS1");
	site_free(s);
}

struct slip {
	const char *yaml;
	bool error;
	unsigned line, column;
	const char *text;
};

static const struct slip slips[] = {
	/* keys */
	{BASE "  ct2: { adress: 1.2.3.4:104 }\n", true, 5, 10,
		"unknown key `adress` in node ct2; did you mean `address`?"},
	{BASE "mod: observe\n", true, 5, 1, "did you mean `mode`?"},
	{BASE "qqqqqq: 1\n", true, 5, 1, "unknown key `qqqqqq`"},
	{BASE "mode: observe\nmode: enforce\n", true, 6, 1, "stands twice; the first is in line 5"},
	{BASE "nodes: {}\n", true, 5, 1, "stands twice; the first is in line 2: put these lines under it"},
	{BASE "  ct1: { ae: [ X ] }\n", true, 5, 3, "`ct1` stands twice"},
	{"nodes: {}\n", true, 1, 1, "`listeners` is missing"},
	{LISTEN "flows: [ { to: a } ]\n", true, 2, 10, "`services` is missing in flow"},
	{BASE "mode:\n", true, 5, 0, "`mode` has no value"},
	{BASE "mode: [ observe ]\n", true, 5, 7, "takes one value"},
	{BASE "mode: obsrve\n", true, 5, 7, "did you mean `observe`?"},
	{BASE "log: { level: loud }\n", true, 5, 15, "expected one of debug, info"},
	{BASE "log: stderr\n", true, 5, 6, "expected keys and values in log"},
	/* kinds of values */
	{BASE "timeouts: { idle: soon }\n", true, 5, 19, "is no time"},
	{BASE "timeouts: { idle: 0 }\n", true, 5, 19, "out of range"},
	{BASE "associations: { at-once: many }\n", true, 5, 26, "expected a number"},
	{BASE "tls: { resumption: perhaps }\n", true, 5, 20, "expected yes or no"},
	{BASE "implementation: { class: 1.02.3 }\n", true, 5, 26, "is no UID"},
	{BASE "implementation: { version: 12345678901234567 }\n", true, 5, 28, "1 to 16 plain characters"},
	{"listeners: [ { port: 0 } ]\n", true, 1, 22, "is no TCP port"},
	{"listeners: [ { port: 65536 } ]\n", true, 1, 22, "is no TCP port"},
	{"listeners: [ { port: 104, address: here } ]\n", true, 1, 36, "expected an IP address"},
	{"listeners: [ { port: 104, max-pdu: 100 } ]\n", true, 1, 36, "expected 0 (unlimited) or"},
	{"listeners: { port: 104 }\n", true, 1, 12, "takes a list of entries"},
	/* nodes */
	{BASE "  ct2: { ae: [ 'A\\B' ] }\n", true, 5, 16, "is no AE title"},
	{BASE "  ct2: { ae: [ 12345678901234567 ] }\n", true, 5, 16, "is no AE title"},
	{BASE "  ct2: { from: [ 10.1.1.0/33 ] }\n", true, 5, 18, "is no address, network or host name"},
	{BASE "  ct2: { from: [ 10.1.1.7/24 ] }\n", false, 5, 18, "has address bits after its prefix"},
	{BASE "  ct2: { from: [ 10.1.1.7, 10.1.1.7 ] }\n", false, 5, 28, "stands twice"},
	{BASE "  ct2: { from: [ any, 10.1.1.7 ] }\n", true, 5, 18, "stands alone"},
	{BASE "  ct2: { from: }\n", true, 5, 0, "`from` in node ct2 has no value"},
	{BASE "  ct2: { from: [] }\n", false, 5, 0, "empty list in `from`: it admits no one"},
	{BASE "  ct2: { certificate: { spki: [ abc ] } }\n", true, 5, 33, "is no key pin"},
	{BASE "  ct2: { certificate: {} }\n", true, 5, 23, "needs `san` or `spki`"},
	{BASE "  ct2: { certificate: { san: [ 'a b' ] } }\n", true, 5, 32, "no subject alternative name"},
	{BASE "  ct2: { address: ct2 }\n", true, 5, 19, "cannot be called"},
	{BASE "  ct2: { address: [ folder:a, 1.2.3.4:104 ] }\n", true, 5, 19, "a folder stands alone"},
	{BASE "  ct2: { tolerate: [ ae-cas ] }\n", true, 5, 22, "did you mean `ae-case`?"},
	{BASE "  'ct 2': { ae: [ X ] }\n", true, 5, 3, "is no name for a node"},
	{BASE "  ct2: { ae: { X: Y } }\n", true, 5, 14, "takes a list"},
	{BASE "  ct2: { ae: [ [ X ] ] }\n", true, 5, 16, "list of plain words"},
	{BASE FLOW "  - { from: [ arch ], to: archive, services: [ echo ] }\n", true, 7, 15,
		"no node `arch`"},
	/* who is a caller */
	{BASE "  ct2: { ae: [ CT2 ], transport: plain }\nflows: [ { from: [ ct2 ], to: archive, services: [ echo ] } ]\n",
		true, 5, 0, "by its AE title alone"},
	{BASE "  ct2: { ae: [ CT2 ], from: any, transport: plain }\nflows: [ { from: [ ct2 ], to: archive, services: [ echo ] } "
	      "]\n",
		false, 5, 29, "anyone who knows its AE title"},
	{BASE "  ct2: { certificate: { san: [ a.b ] }, transport: plain }\nflows: [ { from: [ ct2 ], to: archive, services: [ "
	      "echo ] } ]\n",
		true, 5, 23, "plain connections have none"},
	{BASE "  ct2: { from: [ 10.2.2.2 ] }\nflows: [ { from: [ ct2 ], to: archive, services: [ echo ] } ]\n",
		false, 5, 0, "no listener is `transport: tls`"},
	{BASE "  ct2: { ae: [ CT1 ], from: [ 10.1.1.9 ], transport: plain }\nflows: [ { from: [ ct1, ct2 ], to: archive, services: "
	      "[ echo ] } ]\n",
		false, 5, 0, "can be matched by the same caller"},
	{BASE FLOW "groups: {}\n", false, 0, 0, ""},
	/* flows */
	{BASE "flows: [ { from: [ ct1 ], to: archiv, services: [ echo ] } ]\n", true, 5, 31,
		"did you mean `archive`?"},
	{BASE "flows: [ { from: [ ct1 ], to: ARCHIVE, services: [ echo ] } ]\n", true, 5, 31,
		"did you mean `archive`?"},
	{BASE "flows: [ { from: [ ct1 ], to: [ archive, ct1 ], services: [ echo ] } ]\n", true, 5, 31,
		"takes one node"},
	{BASE "flows: [ { from: [ ct1 ], to: ct1, services: [ echo ] } ]\n", true, 5, 31, "has no `address`"},
	{BASE "  x: { address: folder:x }\nflows: [ { from: [ ct1 ], to: x, services: [ echo ] } ]\n", true,
		6, 31, "can never be meant"},
	{BASE "  x: { ae: [ X ], address: '10.1.1.1:104' }\nflows: [ { from: [ ct1 ], to: x, services: [ echo ] } ]\n",
		true, 5, 0, "names no authority to verify it by"},
	{BASE "flows: [ { from: [], to: archive, services: [ echo ] } ]\n", false, 5, 18, "empty `from`"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [] } ]\n", false, 5, 50, "empty `services`"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ stor ] } ]\n", true, 5, 52,
		"did you mean `store`?"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ store ], sop-classes: [ CTImageStorag ] } ]\n",
		true, 5, 76, "did you mean `CTImageStorage`?"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ store ], sop-classes: [ 1.2.03 ] } ]\n",
		true, 5, 76, "is no SOP class, UID or group"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ store ], sop-classes: [] } ]\n", false, 5,
		74, "empty `sop-classes`"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], sop-classes: [ CTImageStorage ] } ]\n",
		false, 5, 73, "none of its services uses"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ store ], transfer-syntaxes: [ ExplicitVRLittleEndan ] } ]\n",
		true, 5, 82, "did you mean `ExplicitVRLittleEndian`?"},
	{BASE "deidentify: { key: k }\nflows: [ { from: [ ct1 ], to: archive, services: [ store ], deidentify: { originals-to: [] } } ]\n",
		true, 6, 89, "leave it out if nobody"},
	{BASE "deidentify: { key: k }\nflows: [ { from: [ ct1 ], to: archive, services: [ store ], inspect: { hold: tail }, deidentify: { originals-to: c } } ]\n",
		false, 6, 0, "`hold: tail` does nothing"},
	{BASE "deidentify: { key: k }\nflows: [ { from: [ ct1 ], to: archive, services: [ store ], deidentify: { pixel-rules: r } } ]\n",
		true, 6, 0, "goes with `clean-pixels: yes`"},
	{BASE "deidentify: { key: k }\nflows: [ { from: [ ct1 ], to: archive, services: [ store ], deidentify: { clean-pixels: yes, clean-features: yes } } ]\n",
		true, 6, 0, "only a site's rules say so"},
	{BASE "deidentify: { key: k }\nflows: [ { from: [ ct1 ], to: archive, services: [ store ], inspect: { hold: tail }, deidentify: { clean-pixels: yes } } ]\n",
		false, 6, 0, "cleans pixels, so that its objects are held whole"},
	{BASE "deidentify: { key: k }\nflows: [ { from: [ ct1 ], to: archive, services: [ store ], transfer-syntaxes: [ JPEGBaseline8Bit, RLELossless ], deidentify: { clean-pixels: yes } } ]\n",
		false, 6, 0, "leaves as JPEGLosslessSV1, which is not among"},
	{BASE "deidentify: { key: k }\nflows:\n  - from: [ ct1 ]\n    to: archive\n    deidentify:\n      dates: keep\n    services: [ store, find ]\n",
		false, 11, 15, "queries by UIDs and patient IDs"},
	{BASE "deidentify: { key: k }\nflows:\n  - from: [ ct1 ]\n    to: archive\n    deidentify:\n      dates: keep\n    services: [ get, find ]\n",
		false, 11, 15, "not what queries are answered"},
	{BASE "deidentify: { key: k }\nflows: [ { name: a, from: [ ct1 ], to: archive, services: [ store ], deidentify: yes }, { name: b, from: [ ct1 ], to: archive, services: [ find ] } ]\n",
		false, 6, 0, "flow b between the same nodes does not"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ move ] } ]\n", false, 5, 0,
		"no `destinations`"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], destinations: [ ct1 ] } ]\n", false,
		5, 0, "`move` is not among"},
	{BASE "  x: { from: [ 10.9.9.9 ] }\nflows: [ { from: [ ct1 ], to: archive, services: [ move ], destinations: [ x ] } ]\n",
		true, 6, 0, "no C-MOVE can name it"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], query: { matches: 5 } } ]\n", false,
		5, 0, "neither find nor worklist"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ find ], query: { require-any: [ PatentID ] } } ]\n",
		true, 5, 84, "did you mean `PatientID`?"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], refusal-status: 0xFF00 } ]\n", true,
		5, 76, "must not look done"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], refusal-status: B000H } ]\n", true,
		5, 76, "must not look done"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], refusal-status: nope } ]\n", true,
		5, 76, "is no DIMSE status"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], hours: [ mon 7-19 ] } ]\n", true, 5,
		69, "is no span of hours"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], hours: [] } ]\n", true, 5, 67,
		"spans of time"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], until: 2027-02-30 } ]\n", true, 5,
		67, "is no date"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], until: 2001-01-01 } ]\n", false, 5,
		67, "has ended"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], limits: { object-size: 2X } } ]\n",
		true, 5, 83, "is no size"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], limits: { object-size: { over: alarm } } } ]\n",
		true, 5, 83, "`most` is missing"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], limits: { hours: { over: alarm } } } ]\n",
		false, 5, 0, "has no `hours`"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], titles: { calling: 12345678901234567 } } ]\n",
		true, 5, 79, "is no AE title"},
	{BASE "flows: [ { from: [ ct1 ], to: archive, services: [ echo ], move-titles: [ a ] } ]\n", true, 5,
		73, "takes a map"},
	{BASE FLOW "  - { name: f, from: [ ct1 ], to: archive, services: [ find ] }\n", true, 7, 0,
		"a second flow f"},
	{BASE "  b: { ae: [ ARCHIVE ], address: folder:b }\n" FLOW
	      "  - { from: [ ct1 ], to: b, services: [ echo ] }\n",
		false, 8, 0, "but go to archive and b"},
	{BASE "  b: { ae: [ B ] }\n" FLOW, false, 5, 0, "is in no flow"},
	/* groups */
	{BASE "groups: { a: [ b ], b: [ a ] }\n", true, 5, 0, "contains itself"},
	{BASE "groups: { a: [ CTImgeStorage ] }\n", true, 5, 16, "did you mean `CTImageStorage`?"},
	{BASE "groups: { CTImageStorage: [ 1.2.3 ] }\n", true, 5, 11, "has the name of a SOP class"},
	/* listeners */
	{"listeners: [ { port: 104, transport: plain } ]\n", false, 1, 14, "readable by anyone on the way"},
	{"listeners: [ { port: 2762 } ]\n", true, 1, 14, "has no certificate"},
	{"listeners: [ { port: 2762 } ]\n", true, 1, 14, "names no authority"},
	{"listeners: [ { name: a, port: 1, transport: plain }, { name: a, port: 2, transport: plain } ]\n",
		true, 1, 0, "a second listener a"},
	{"listeners: [ { port: 1, transport: plain }, { port: 1, transport: plain } ]\n", true, 1, 0,
		"same address and port"},
	/* YAML itself */
	{"a: [ 1, 2\nb: 3\n", true, 2, 0, "this is not YAML"},
	{"a:\n\t- b\n", true, 2, 1, "indent with spaces"},
	{"a: *\n", true, 1, 0, "a lone * is written"},
	{"a: *b\n", true, 1, 4, "names no anchor"},
	{"a: &a [ *a ]\n", true, 1, 9, "inside the value that it names"},
	{"---\na: 1\n---\nb: 1\n", true, 3, 0, "second YAML document"},
	{"[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]\n", true, 1, 0, "nested too deeply"},
	{"? [ a ]\n: b\n", true, 1, 3, "a key must be a plain word"},
	{"site: \"a\\0b\"\n", true, 1, 7, "control character"},
	{"just words\n", true, 1, 1, "expected keys and values"},
	{"", true, 1, 1, "`listeners` is missing"},
};

static void mistakes_are_found(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(slips); i++) {
		const struct slip *t = &slips[i];
		if (t->text[0]) {
			expect(t->yaml, t->error, t->line, t->column, t->text);
		} else {
			site_free(site_of(t->yaml));
		}
	}
}

/* A key that is there under a wrong name is one mistake: that it is missing is not said beside it, nor before. */
static void a_misspelt_key_is_not_missing(void **state)
{
	struct mistakes m;
	struct site *s = NULL;
	static const char yaml[] = BASE "flows: [ { from: ct1, to: ct1, servces: [ echo ] } ]\n";
	assert_int_equal(site_parse(span_str(yaml), "gantry.yaml", &s, &m), ERR_VALUE);
	for (unsigned i = 0; i < m.n_errors; i++) {
		assert_null(strstr(m.at[i].text, "missing"));
	}
	assert_true(has(&m, true, 5, 0, "`servces` in flow without a name; did you mean `services`?"));
	mistakes_done(&m);
}

static void one_pass_finds_all(void **state)
{
	struct site *s = NULL;
	struct mistakes m;
	const char *yaml = "mod: x\nlisteners: [ { port: 0 } ]\nnodes: { a: { adress: x, ae: [ 'A\\B' ] } }\n"
			   "flows: [ { from: [ b ], to: c, services: [ d ], until: e } ]\n";
	assert_int_equal(site_parse(span_str(yaml), "/g.yaml", &s, &m), ERR_VALUE);
	assert_true(has(&m, true, 1, 1, "mod") && has(&m, true, 2, 0, "TCP port") &&
		    has(&m, true, 3, 0, "adress"));
	assert_true(has(&m, true, 3, 0, "AE title") && has(&m, true, 4, 0, "no node `b`") &&
		    has(&m, true, 4, 0, "no node `c`"));
	assert_true(has(&m, true, 4, 0, "no service `d`") && has(&m, true, 4, 0, "is no date"));
	for (unsigned i = 1; i < m.n_errors; i++) {
		assert_true(m.at[i - 1].line <= m.at[i].line);
	}
	mistakes_done(&m);
}

static void too_many_mistakes_are_counted(void **state)
{
	char *yaml = calloc(1, 20000);
	struct site *s = NULL;
	struct mistakes m;
	for (unsigned i = 0; i < MISTAKES_MOST + 100; i++) {
		size_t used = strlen(yaml);
		snprintf(yaml + used, 20000 - used, "zz%u: 1\n", i);
	}
	assert_int_equal(site_parse(span_str(yaml), "/g.yaml", &s, &m), ERR_VALUE);
	assert_int_equal(m.n, MISTAKES_MOST + 1);
	assert_true(has(&m, true, 0, 0, "more mistakes are not shown"));
	mistakes_done(&m);
	free(yaml);
}

static void aliases_are_bounded(void **state)
{
	char yaml[4096] = "a0: &a0 [ x, x, x, x, x, x, x, x, x, x ]\n";
	struct site *s = NULL;
	struct mistakes m;
	for (unsigned i = 1; i < 12; i++) {
		size_t used = strlen(yaml);
		snprintf(yaml + used, sizeof(yaml) - used,
			"a%u: &a%u [ *a%u, *a%u, *a%u, *a%u, *a%u, *a%u, *a%u, *a%u ]\n", i, i, i - 1, i - 1,
			i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	}
	assert_int_equal(site_parse(span_str(yaml), "/g.yaml", &s, &m), ERR_VALUE);
	assert_true(has(&m, true, 6, 0, "aliases expanded") || has(&m, true, 5, 0, "aliases expanded"));
	mistakes_done(&m);
	/* and what is sensible works */
	s = site_of(LISTEN "nodes:\n  archive: { ae: [ ARCHIVE ], address: folder:a }\n"
			   "  ct1: &ct { ae: [ CT1 ], from: [ 10.1.1.1 ], transport: plain }\n"
			   "  ct2: { <<: *ct, ae: [ CT2 ] }\n");
	assert_int_equal(s->n_nodes, 3);
	assert_string_equal(s->nodes[2].ae.at[0], "CT2");
	assert_int_equal(s->nodes[2].n_from, 1);
	assert_int_equal(s->nodes[2].transport, TRANSPORT_PLAIN);
	site_free(s);
}

static void file_is_capped(void **state)
{
	size_t n = 1024 * 1024 + 1;
	char *yaml = malloc(n);
	struct site *s = NULL;
	struct mistakes m;
	memset(yaml, ' ', n);
	assert_int_equal(site_parse(span_of(yaml, n), "/g.yaml", &s, &m), ERR_VALUE);
	assert_true(has(&m, true, 0, 0, "larger than"));
	mistakes_done(&m);
	free(yaml);
}

static void groups_grow_no_further(void **state)
{
	/* Each group holds the two before it: named sets, not expansions. */
	char yaml[8192] = BASE "groups:\n  g0: [ CTImageStorage ]\n  g1: [ g0, MRImageStorage ]\n";
	for (unsigned i = 2; i < 30; i++) {
		size_t used = strlen(yaml);
		snprintf(yaml + used, sizeof(yaml) - used, "  g%u: [ g%u, g%u ]\n", i, i - 1, i - 2);
	}
	snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
		"flows: [ { from: [ ct1 ], to: archive, services: [ store ], sop-classes: [ g29 ] } ]\n");
	struct site *s = site_of(yaml);
	assert_int_equal(s->flows[0].sop_classes.n, 2);
	site_free(s);
}

static void overlay_changes_entries(void **state)
{
	struct site *s = site_with(BASE FLOW,
		"nodes:\n  ct1: { from: [ 10.2.2.2 ] }\n  mr1: { ae: [ MR1 ], from: [ 10.3.3.3 ], transport: plain }\n"
		"flows:\n  - { name: f, services: [ find ] }\n  - { name: g, from: [ mr1 ], to: archive, services: [ echo ] }\n");
	assert_int_equal(s->n_nodes, 3);
	assert_int_equal(s->nodes[1].n_from, 1);
	assert_string_equal(s->nodes[1].ae.at[0], "CT1");
	assert_int_equal(s->n_flows, 2);
	assert_int_equal(s->flows[0].services, SERVICE_BIT(SERVICE_FIND));
	assert_int_equal(s->flows[0].n_from, 1);
	site_free(s);
}

static void write_file(const char *dir, const char *name, const char *text, mode_t mode)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void pack_and_unpack(struct site *s)
{
	uint8_t *bytes;
	size_t len;
	struct site *t = NULL;
	struct mistakes m;
	assert_int_equal(site_pack(s, &bytes, &len), 0);
	assert_int_equal(site_unpack(span_of(bytes, len), &t, &m), 0);
	mistakes_done(&m);
	assert_string_equal(t->file, s->file);
	assert_string_equal(t->identities[0].key.path, s->identities[0].key.path);
	assert_true(span_eq(t->identities[0].certificate.bytes, span_str("CERT")));
	assert_true(span_eq(t->trust[0].bytes, span_str("CA")));
	assert_null(t->flows[0].deidentify);
	const struct deidentify_flow *d = t->flows[1].deidentify;
	assert_true(d && d->n_originals_to == 2 && d->rules.replace_documents);
	assert_true(span_eq(d->originals_to[0].bytes, span_str("CERT")));
	assert_true(span_eq(d->originals_to[1].bytes, span_str("CA")));
	assert_true(d->clean_pixels && !d->clean_features && site_cleans(t));
	assert_true(span_eq(d->pixel_rules.bytes, span_str("RULES")));
	site_free(t);
	/* Truncated at every byte, and with one too many, it is nothing. */
	for (size_t i = 0; i <= len; i++) {
		size_t n = i == len ? len + 1 : i;
		uint8_t *copy = malloc(n ? n : 1);
		memcpy(copy, bytes, i);
		if (n > len) {
			copy[len] = 0;
		}
		t = NULL;
		assert_true(site_unpack(span_of(copy, n), &t, &m) < 0);
		assert_null(t);
		mistakes_done(&m);
		free(copy);
	}
	free(bytes);
}

static void files_are_read(void **state)
{
	char dir[] = "/tmp/gantry-policy-XXXXXX", path[64], name[] = "gantry.yaml";
	struct site *s = NULL;
	struct mistakes m;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	write_file(dir, name,
		"listeners: [ { port: 2762 } ]\ntls:\n  identities: [ { certificate: c.pem, key: k.pem } ]\n  trust: [ ca.pem ]\n"
		"nodes: { a: { ae: [ A ], address: folder:a }, b: { ae: [ B ], from: [ 10.1.1.1 ] } }\ndeidentify: { key: p.key }\n"
		"flows:\n  - { name: f, from: [ b ], to: a, services: [ echo ] }\n"
		"  - { name: g, from: [ b ], to: a, services: [ store ], deidentify: { documents: replace, originals-to: [ c.pem, ca.pem ], clean-pixels: yes, pixel-rules: r.yaml } }\n",
		0644);
	write_file(dir, "c.pem", "CERT", 0644);
	assert_int_equal(site_load(path, &s, &m), ERR_VALUE);
	assert_true(has(&m, true, 4, 12, "No such file"));
	mistakes_done(&m);
	assert_int_equal(site_load_settings(path, &s, &m), 0);
	mistakes_done(&m);
	site_free(s);
	write_file(dir, "ca.pem", "CA", 0644);
	write_file(dir, "r.yaml", "RULES", 0644);
	assert_int_equal(site_load(path, &s, &m), 0);
	mistakes_done(&m);
	pack_and_unpack(s);
	site_free(s);
	const char *const names[] = {name, "c.pem", "ca.pem", "r.yaml"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	assert_int_equal(site_load(path, &s, &m), ERR_VALUE);
	assert_true(has(&m, true, 0, 0, "cannot read"));
	mistakes_done(&m);
	rmdir(dir);
}

/* The archive makes a folder in one that is there: anything else is warned of. */
static void folders_are_looked_for(void **state)
{
	static const char *const addresses[] = {"fresh", "no/such", "gantry.yaml", "."};
	static const char *const warnings[] = {
		NULL, "no/such is not there", "gantry.yaml is no folder", NULL};
	char dir[] = "/tmp/gantry-policy-XXXXXX", path[64], yaml[512];
	struct mistakes m;
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/gantry.yaml", dir);
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		struct site *s = NULL;
		snprintf(yaml, sizeof(yaml),
			"user: root\nlisteners: [ { port: 11112, transport: plain } ]\n"
			"nodes: { a: { ae: [ A ], address: folder:%s }, b: { ae: [ B ], from: [ 10.1.1.1 ], transport: plain } }\n"
			"flows: [ { from: [ b ], to: a, services: [ echo ] } ]\n",
			addresses[i]);
		write_file(dir, "gantry.yaml", yaml, 0644);
		assert_int_equal(site_load(path, &s, &m), 0);
		assert_int_equal(has(&m, false, 3, 35, "is no"), warnings[i] != NULL);
		assert_true(!warnings[i] || has(&m, false, 3, 35, warnings[i]));
		mistakes_done(&m);
		site_free(s);
	}
	unlink(path);
	rmdir(dir);
}

static void table_is_whole(void **state)
{
	for (size_t i = 0; i < keys_count; i++) {
		assert_non_null(keys[i].help);
		assert_non_null(keys[i].read);
		for (size_t j = 0; j < i; j++) {
			assert_false(keys[i].in == keys[j].in && strcmp(keys[i].name, keys[j].name) == 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_hide_what_follows),
		cmocka_unit_test(values_are_kept),
		cmocka_unit_test(mistakes_are_found),
		cmocka_unit_test(a_misspelt_key_is_not_missing),
		cmocka_unit_test(one_pass_finds_all),
		cmocka_unit_test(too_many_mistakes_are_counted),
		cmocka_unit_test(aliases_are_bounded),
		cmocka_unit_test(file_is_capped),
		cmocka_unit_test(groups_grow_no_further),
		cmocka_unit_test(overlay_changes_entries),
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(folders_are_looked_for),
		cmocka_unit_test(table_is_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
