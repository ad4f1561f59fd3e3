/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_fixture.h"

#include <fcntl.h>
#include <unistd.h>

/* `audit:` of gantry.yaml. */

#define HEAD                                                                                                 \
	LISTEN "audit:\n"                                                                                    \
	       "  origin: hospital.example/gantry1\n"                                                        \
	       "  auditors: [ a.pem, /etc/b.pem ]\n"                                                         \
	       "  checkpoint-key: c.key\n"                                                                   \
	       "  index-key: i.key\n"
#define REPOSITORY "  repositories:\n    - name: soc\n"
#define TEN(x)     x x x x x x x x x x

struct row {
	const char *yaml;
	bool error;
	unsigned line, column;
	const char *text;
};

static bool is(const struct mistakes *m, const struct row *r)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct mistake *at = &m->at[i];
		if ((i < m->n_errors) == r->error && at->line == r->line && at->column == r->column &&
			strcmp(at->text, r->text) == 0) {
			return true;
		}
	}
	return false;
}

/* Each alone, at its place, and nothing else is wrong. */
static void expect(const struct row *rows, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct site *s = NULL;
		struct mistakes m;
		int err = site_parse(span_str(rows[i].yaml), "/etc/gantry/gantry.yaml", &s, &m);
		bool good = m.n == 1 && is(&m, &rows[i]);
		for (unsigned k = 0; !good && k < m.n; k++) {
			print_message("%s %u:%u: %s\n", k < m.n_errors ? "E" : "W", m.at[k].line,
				m.at[k].column, m.at[k].text);
		}
		if (!good) {
			print_message("wanted %u:%u: %s\n", rows[i].line, rows[i].column, rows[i].text);
		}
		assert_true(good);
		assert_int_equal(err, rows[i].error ? ERR_VALUE : 0);
		mistakes_done(&m);
		site_free(s);
	}
}

static void mistakes_of_audit(void **state)
{
	static const struct row rows[] = {
		{LISTEN "audit:\n  auditors: [ a.pem ]\n  checkpoint-key: c\n  index-key: i\n", true, 3, 3,
			"`origin` is missing in audit"},
		{LISTEN "audit:\n  origin: o\n  checkpoint-key: c\n  index-key: i\n", true, 3, 3,
			"`auditors` is missing in audit"},
		{LISTEN "audit:\n  origin: o\n  auditors: [ a ]\n  index-key: i\n", true, 3, 3,
			"`checkpoint-key` is missing in audit"},
		{LISTEN "audit:\n  origin: o\n  auditors: [ a ]\n  checkpoint-key: c\n", true, 3, 3,
			"`index-key` is missing in audit"},
		{LISTEN "audit:\n  origin: o\n  auditors: []\n  checkpoint-key: c\n  index-key: i\n", true, 4,
			13, "`auditors` in audit is empty: nobody could ever read the records"},
		{LISTEN "audit:\n  origin: o\n  auditors: [ " TEN(
			 "a,") "a,a,a,a,a,a,a ]\n  checkpoint-key: c\n"
			       "  index-key: i\n",
			true, 4, 13, "`auditors` in audit has more than 16 entries"},
		{LISTEN "audit:\n  origin: a b\n  auditors: [ a ]\n  checkpoint-key: c\n  index-key: i\n",
			true, 3, 3,
			"`origin: a b` in audit: 1 to 128 printable characters without spaces and plus signs, such as "
			"hospital.example/gantry1"},
		{LISTEN "audit:\n  origin: a+b\n  auditors: [ a ]\n  checkpoint-key: c\n  index-key: i\n",
			true, 3, 3,
			"`origin: a+b` in audit: 1 to 128 printable characters without spaces and plus signs, such as "
			"hospital.example/gantry1"},
		{LISTEN "audit: yes\n", true, 2, 8, "expected keys and values in audit"},
		{HEAD "  jurnal: j\n", true, 7, 3, "unknown key `jurnal` in audit; did you mean `journal`?"},
		{HEAD "  journal: j\n  cold: j\n", true, 3, 3, "`cold` in audit is the journal's own folder"},
		{HEAD "  unrecorded: drop\n", true, 7, 15,
			"`unrecorded: drop` in audit: expected one of hold, refuse, pass"},
		{HEAD "  unrecorded: pass\n", false, 3, 3,
			"`unrecorded: pass`: with a full disk images pass without a record of them"},
	};
	expect(rows, ARRAY_LEN(rows));
}

static void mistakes_of_repositories(void **state)
{
	static const struct row rows[] = {
		{HEAD REPOSITORY, true, 8, 7, "`addresses` is missing in repository soc"},
		{HEAD REPOSITORY "      addresses: []\n", true, 9, 18,
			"`addresses` in repository soc takes 1 to 8 addresses"},
		{HEAD REPOSITORY "      addresses: [ " TEN("tls://h,") " ]\n", true, 9, 18,
			"`addresses` in repository soc takes 1 to 8 addresses"},
		{HEAD REPOSITORY "      addresses: [ tcp://h:6514 ]\n", true, 9, 20,
			"`tcp://h:6514` in repository soc is no address of a repository: expected tls://host:port or "
			"udp://host:port"},
		{HEAD REPOSITORY "      addresses: [ 'tls://2001:db8::1' ]\n", true, 9, 20,
			"`tls://2001:db8::1` in repository soc is no address of a repository: expected tls://host:port or "
			"udp://host:port"},
		{HEAD REPOSITORY "      addresses: [ tls://h:0 ]\n", true, 9, 20,
			"`tls://h:0` in repository soc is no address of a repository: expected tls://host:port or "
			"udp://host:port"},
		{HEAD REPOSITORY "      addresses: [ tls://h ]\n      app-name: a b\n", true, 8, 7,
			"`app-name` in repository soc: 1 to 48 printable characters without spaces (RFC 5424)"},
		{HEAD REPOSITORY "      addresses: [ tls://h ]\n      app-name: " TEN("abcde") "\n", true, 8,
			7,
			"`app-name` in repository soc: 1 to 48 printable characters without spaces (RFC 5424)"},
		{HEAD REPOSITORY "      addresses: [ tls://h ]\n      msgid: " TEN("abcd") "\n", true, 8, 7,
			"`msgid` in repository soc: 1 to 32 printable characters without spaces (RFC 5424)"},
		{HEAD REPOSITORY "      addresses: [ udp://h ]\n", false, 8, 7,
			"`udp://h` in repository soc is plain UDP: messages, which name patients, can be read, lost and "
			"cut on the way"},
		{HEAD "  repositories:\n    - { name: a b, addresses: [ tls://h ] }\n", true, 8, 15,
			"`a b` is no name for a repository: use 1 to 64 letters, digits, dots, hyphens and underscores, the first "
			"no dot or hyphen"},
		{HEAD "  witnesses:\n    - { url: 'http://w.example/', key: nokey }\n", true, 8, 7,
			"`key` in audit is no verifier key of the form NAME+HASH+KEY (C2SP signed-note)"},
		{HEAD "  witnesses:\n    - { url: 'http://w.example/' }\n", true, 8, 7,
			"`key` is missing in audit"},
	};
	expect(rows, ARRAY_LEN(rows));
}

/* Ranges: the least and the most are taken, one less and one more are not. */
static void ranges(void **state)
{
	static const struct {
		const char *key, *least, *under, *most, *over;
	} rows[] = {
		{"checkpoint-every", "1", "0", "60", "61"},
		{"hold-most", "1", "0", "600", "601"},
		{"keep", "1d", "86399", "36600d", "36601d"},
		{"spool-most", "1M", "1048575", "9223372036854775807", "9223372036854775808"},
		{"source: { type", "1 }", "0 }", "9 }", "10 }"},
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const values[] = {rows[i].least, rows[i].most, rows[i].under, rows[i].over};
		for (unsigned k = 0; k < ARRAY_LEN(values); k++) {
			char yaml[1024];
			struct site *s = NULL;
			struct mistakes m;
			snprintf(yaml, sizeof(yaml), HEAD "  %s: %s\n", rows[i].key, values[k]);
			int err = site_parse(span_str(yaml), "/etc/gantry/gantry.yaml", &s, &m);
			if (err != (k < 2 ? 0 : ERR_VALUE)) {
				print_message("%s: %s\n", rows[i].key, values[k]);
			}
			assert_int_equal(err, k < 2 ? 0 : ERR_VALUE);
			assert_int_equal(m.n, k < 2 ? 0 : 1);
			assert_true(k < 2 || m.at[0].line == 7);
			mistakes_done(&m);
			site_free(s);
		}
	}
}

static void defaults(void **state)
{
	struct site *s = site_of(LISTEN);
	assert_false(s->audit.has);
	site_free(s);
	s = site_of(HEAD);
	const struct audit_config *a = &s->audit;
	assert_true(a->has);
	assert_string_equal(a->journal, "/var/lib/gantry/audit");
	assert_string_equal(a->origin, "hospital.example/gantry1");
	assert_int_equal(a->n_auditors, 2);
	assert_string_equal(a->auditors[0].path, "/etc/gantry/a.pem");
	assert_string_equal(a->auditors[1].path, "/etc/b.pem");
	assert_string_equal(a->checkpoint_key.path, "/etc/gantry/c.key");
	assert_string_equal(a->index_key.path, "/etc/gantry/i.key");
	assert_int_equal(a->checkpoint_every, 60);
	assert_string_equal(a->checkpoint_file, "");
	assert_int_equal(a->unrecorded, UNRECORDED_HOLD);
	assert_int_equal(a->hold_most, 30);
	assert_int_equal(a->keep, 2192u * 86400);
	assert_string_equal(a->cold, "");
	assert_int_equal(a->spool_most, 1u << 30);
	assert_string_equal(a->enterprise_site, "");
	assert_string_equal(a->source_id, "");
	assert_int_equal(a->source_type, 4);
	assert_int_equal(a->n_repositories + a->n_witnesses, 0);
	site_free(s);
	s = site_of("state: /srv/g\n" HEAD "  repositories:\n    - { addresses: [ tls://soc.example ] }\n");
	assert_string_equal(s->audit.journal, "/srv/g/audit");
	const struct repository *r = &s->audit.repositories[0];
	assert_string_equal(r->name, "repository-1");
	assert_string_equal(r->msgid, "IHE+RFC-3881");
	assert_string_equal(r->app_name, "gantry");
	assert_string_equal(r->server_name, "");
	assert_int_equal(r->n_trust, 0);
	assert_int_equal(r->n_address, 1);
	assert_string_equal(r->address[0].host, "soc.example");
	assert_int_equal(r->address[0].port, 6514);
	assert_true(r->address[0].tls);
	site_free(s);
}

static const char whole[] = HEAD
	"  journal: j\n  checkpoint-every: 10\n  checkpoint-file: /mnt/worm/checkpoint\n  unrecorded: refuse\n"
	"  hold-most: 2m\n  keep: 3650d\n  cold: /mnt/cold\n  spool-most: 2G\n"
	"  source: { site: St. Anna, id: gw1, type: 9 }\n"
	"  repositories:\n"
	"    - { name: soc, addresses: [ 'tls://soc.example:7000', 'tls://[2001:db8::1]', udp://old ],"
	" trust: [ soc.pem ], server-name: syslog.example, msgid: DICOM+RFC3881, app-name: gw }\n"
	"    - { name: two, addresses: [ tls://10.0.0.1 ] }\n"
	"  witnesses:\n    - { url: 'http://w.example/a', key: w.example+12345678+AQID }\n";

static void expect_whole(const struct audit_config *a)
{
	assert_string_equal(a->checkpoint_file, "/mnt/worm/checkpoint");
	assert_int_equal(a->checkpoint_every, 10);
	assert_int_equal(a->unrecorded, UNRECORDED_REFUSE);
	assert_int_equal(a->hold_most, 120);
	assert_int_equal(a->keep, 3650u * 86400);
	assert_string_equal(a->cold, "/mnt/cold");
	assert_int_equal(a->spool_most, 2ull << 30);
	assert_string_equal(a->enterprise_site, "St. Anna");
	assert_string_equal(a->source_id, "gw1");
	assert_int_equal(a->source_type, 9);
	assert_int_equal(a->n_repositories, 2);
	const struct repository *r = &a->repositories[0];
	assert_int_equal(r->n_address, 3);
	assert_int_equal(r->address[0].port, 7000);
	assert_string_equal(r->address[1].host, "2001:db8::1");
	assert_int_equal(r->address[1].port, 6514);
	assert_false(r->address[2].tls);
	assert_int_equal(r->address[2].port, 514);
	assert_string_equal(r->server_name, "syslog.example");
	assert_string_equal(r->msgid, "DICOM+RFC3881");
	assert_string_equal(r->app_name, "gw");
	assert_string_equal(a->repositories[1].name, "two");
	assert_int_equal(a->n_witnesses, 1);
	assert_string_equal(a->witnesses[0].url, "http://w.example/a");
	assert_string_equal(a->witnesses[0].key, "w.example+12345678+AQID");
}

static void values_are_kept(void **state)
{
	struct site *s = site_of(whole);
	assert_string_equal(s->audit.journal, "/etc/gantry/j");
	expect_whole(&s->audit);
	site_free(s);
}

/* Each is a list of one where it is one word. */
static void one_is_a_list(void **state)
{
	struct site *s =
		site_of(LISTEN "audit: { origin: o, auditors: a.pem, checkpoint-key: c, index-key: i,"
			       " repositories: [ { addresses: tls://h, trust: t.pem } ] }\n");
	assert_int_equal(s->audit.n_auditors, 1);
	assert_int_equal(s->audit.repositories[0].n_address, 1);
	assert_int_equal(s->audit.repositories[0].n_trust, 1);
	site_free(s);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* What roles are given: auditors and what repositories are trusted by come along, secret keys never. */
static void goes_to_roles(void **state)
{
	char dir[] = "/tmp/gantry-policy-XXXXXX", path[128], yaml[2048];
	static const char *const names[] = {"gantry.yaml", "a.pem", "b.pem", "soc.pem", "c.key", "i.key"};
	struct site *s = NULL, *t = NULL;
	struct mistakes m;
	uint8_t *bytes;
	size_t len;
	assert_non_null(mkdtemp(dir));
	snprintf(yaml, sizeof(yaml), "%s", whole);
	memcpy(strstr(yaml, "/etc/b.pem"), "b.pem     ", 10);
	write_file(dir, "gantry.yaml", yaml);
	snprintf(path, sizeof(path), "%s/gantry.yaml", dir);
	assert_int_equal(site_load(path, &s, &m), ERR_VALUE); /* files are missing */
	assert_int_equal(m.n_errors, 3);
	mistakes_done(&m);
	write_file(dir, "a.pem", "AUDITOR A");
	write_file(dir, "b.pem", "AUDITOR B");
	write_file(dir, "soc.pem", "SOC");
	write_file(dir, "c.key", "SECRET C");
	write_file(dir, "i.key", "SECRET I");
	assert_int_equal(site_load(path, &s, &m), 0);
	mistakes_done(&m);
	assert_int_equal(site_pack(s, &bytes, &len), 0);
	assert_null(memmem(bytes, len, "SECRET", 6));
	assert_int_equal(site_unpack(span_of(bytes, len), &t, &m), 0);
	mistakes_done(&m);
	expect_whole(&t->audit);
	assert_true(span_eq(t->audit.auditors[0].bytes, span_str("AUDITOR A")));
	assert_true(span_eq(t->audit.auditors[1].bytes, span_str("AUDITOR B")));
	assert_int_equal(t->audit.repositories[0].n_trust, 1);
	assert_true(span_eq(t->audit.repositories[0].trust[0].bytes, span_str("SOC")));
	assert_int_equal(t->audit.repositories[1].n_trust, 0);
	assert_int_equal(t->audit.checkpoint_key.bytes.len + t->audit.index_key.bytes.len, 0);
	assert_string_equal(t->audit.checkpoint_key.path, s->audit.checkpoint_key.path);
	site_free(t);
	site_free(s);
	free(bytes);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_of_audit),
		cmocka_unit_test(mistakes_of_repositories),
		cmocka_unit_test(ranges),
		cmocka_unit_test(defaults),
		cmocka_unit_test(values_are_kept),
		cmocka_unit_test(one_is_a_list),
		cmocka_unit_test(goes_to_roles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
