/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "cli/ca_index.h"
#include "cli/options.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry ca make DIR [--name NAME] [--days N]\n"
	"       gantry ca sign DIR REQUEST --by PERSON [--use client|server|both]\n"
	"                 [--days N] [--yes]\n"
	"       gantry ca list DIR [--json]\n"
	"       gantry ca renew DIR SERIAL|CERTIFICATE --by PERSON [--use ...] [--days N]\n"
	"                 [--yes]\n"
	"       gantry ca revoke DIR SERIAL|CERTIFICATE --by PERSON [--reason REASON]\n"
	"                 [--yes]\n"
	"       gantry ca crl DIR [--days N]\n"
	"       gantry ca delegate DIR REQUEST --by PERSON [--days N] [--yes]\n"
	"\n"
	"A site's own certificate authority, in the folder DIR: it signs devices'\n"
	"requests (PKCS#10) when a named person has approved them, remembers what it\n"
	"issued, and publishes the list of what it revoked (DIR/crl.pem, for `tls: crl`).\n"
	"Keep the folder on a machine of its own: the gateway needs ca.pem and crl.pem,\n"
	"and never ca.key. delegate certifies a gateway's key for revocation lists, and\n"
	"for nothing else: `gantry revoke` blocks certificates with it there.\n"
	"\n"
	"  --by PERSON   who approves; written to the index\n"
	"  --use USE     what the certificate is for; default both (client for a device\n"
	"                that only calls)\n"
	"  --days N      days that it is valid: an authority 3650, a certificate 397, a\n"
	"                list 30\n"
	"  --reason R    keyCompromise, superseded, cessationOfOperation,\n"
	"                affiliationChanged, privilegeWithdrawn\n"
	"  --yes         do not ask\n";

#define DAY_S            86400
#define DAYS_AUTHORITY   3650
#define DAYS_CERTIFICATE 397
#define DAYS_LIST        30

struct job {
	const char *folder, *what, *name, *by;
	uint64_t days; /* 0: the default */
	unsigned use, reason;
	bool yes, json;
};

static int64_t now_s(void)
{
	return clock_wall_ms() / 1000;
}

static void day_text(int64_t s, char buf[16])
{
	time_t t = (time_t)s;
	struct tm tm;
	buf[0] = 0;
	if (gmtime_r(&t, &tm)) {
		strftime(buf, 16, "%Y-%m-%d", &tm);
	}
}

/* Subjects come from devices: nothing of them may command a terminal. x509_name_text() has escaped them already. */
static void show(const struct ca_facts *f)
{
	printf("  subject  %s\n  key      %s, sha256:%s\n", f->subject, f->key, f->spki);
	for (unsigned i = 0; i < f->n_san; i++) {
		printf("  name     %s\n", f->san[i]);
	}
	if (f->n_san == 0) {
		printf("  name     none: nodes can know it by its key alone\n");
	}
}

/* A person looks, and says so. */
static bool approved(const struct job *o, const char *question)
{
	char answer[16];
	if (o->yes) {
		return true;
	}
	printf("%s Type yes: ", question);
	(void)fflush(stdout);
	bool yes = fgets(answer, sizeof(answer), stdin) && strcmp(answer, "yes\n") == 0;
	if (!yes) {
		fputs("gantry ca: not approved; nothing was changed\n", stderr);
	}
	return yes;
}

static char *read_file(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	char *text = f ? malloc(65537) : NULL;
	if (text) {
		*ret_len = fread(text, 1, 65536, f);
		text[*ret_len] = 0;
	} else {
		fprintf(stderr, "gantry ca: %s: %s\n", path, strerror(errno));
	}
	if (f) {
		(void)fclose(f);
	}
	return text;
}

/* ---- The list of the revoked ---- */

static int publish(struct ca_index *i, uint64_t days)
{
	struct ca_revoked *revoked = calloc(i->n + 1, sizeof(*revoked));
	char *pem = NULL, next[16];
	size_t n = 0, len = 0;
	for (size_t k = 0; revoked && k < i->n; k++) {
		const struct ca_entry *e = &i->entries[k];
		/* RFC 5280 3.3: what has expired need not be listed any more. */
		if (e->revoked_s > 0 && e->facts.not_after_s > now_s()) {
			snprintf(revoked[n].serial, sizeof(revoked[n].serial), "%s", e->facts.serial);
			revoked[n].at_s = e->revoked_s;
			revoked[n++].reason = e->reason;
		}
	}
	int64_t until = now_s() + (int64_t)(days ? days : DAYS_LIST) * DAY_S;
	i->crl_number++;
	int r = revoked ? ca_make_crl(&i->ca, revoked, n, i->crl_number, now_s(), until, &pem, &len)
	                : ERR_NO_MEMORY;
	free(revoked);
	if (r < 0) {
		fprintf(stderr, "gantry ca: the list could not be signed: %s\n", err_str(r));
		return 1;
	}
	r = ca_index_listed(i) < 0 ? -1 : ca_index_write(i, "crl.pem", pem, len, 0644);
	free(pem);
	if (r < 0) {
		return 1;
	}
	day_text(until, next);
	printf("crl.pem: %zu revoked; the next list is due by %s. Take it to the gateway (`tls: crl`) and reload.\n",
		n, next);
	return 0;
}

static int verb_crl(const struct job *o)
{
	struct ca_index i;
	if (ca_index_open(o->folder, true, &i) < 0) {
		return 1;
	}
	int code = publish(&i, o->days);
	ca_index_done(&i);
	return code;
}

/* ---- The authority ---- */

static int verb_make(const struct job *o)
{
	struct ca_index i = {.folder = o->folder, .file = -1};
	struct ca_request request = {.common_name = o->name ? o->name : "Gantry site authority",
		.key = CA_KEY_P256,
		.not_before_s = now_s() - 60,
		.not_after_s = now_s() + (int64_t)(o->days ? o->days : DAYS_AUTHORITY) * DAY_S};
	if (mkdir(o->folder, 0700) < 0 && errno != EEXIST) {
		fprintf(stderr, "gantry ca: %s: %s\n", o->folder, strerror(errno));
		return 1;
	}
	i.dir = open(o->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (i.dir < 0 || faccessat(i.dir, "ca.pem", F_OK, 0) == 0 ||
		faccessat(i.dir, "ca.key", F_OK, 0) == 0) {
		fprintf(stderr, "gantry ca: there is an authority in %s already, and nothing was changed\n",
			o->folder);
		ca_index_done(&i);
		return 1;
	}
	int r = ca_make(&request, &i.ca);
	if (r < 0) {
		fprintf(stderr,
			"gantry ca: the authority could not be made (its name may be 64 characters long): %s\n",
			err_str(r));
	} else if (ca_index_write(&i, "ca.key", i.ca.key_pem, i.ca.key_len, 0600) < 0 ||
		   ca_index_write(&i, "ca.pem", i.ca.certificate_pem, i.ca.certificate_len, 0644) < 0) {
		r = -1;
	}
	ca_index_done(&i);
	if (r < 0) {
		return 1;
	}
	printf("%s/ca.pem: give it to devices and, as `tls: trust`, to the gateway. %s/ca.key: keep it here.\n",
		o->folder, o->folder);
	return verb_crl(&(struct job){.folder = o->folder});
}

/* ---- Certificates ---- */

/* The certificate of who may sign lists as well, for the certificates that are issued from then on; empty: nobody. */
static struct span delegate_of(const struct ca_index *i, char *buf, size_t cap)
{
	int fd = openat(i->dir, "delegate.pem", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, buf, cap) : 0;
	if (fd >= 0) {
		close(fd);
	}
	return span_of(buf, n > 0 ? (size_t)n : 0);
}

/* Sign what was approved: first the line in the index, then the file, so that nothing is out that is not written down. */
static int issue(struct ca_index *i, const struct job *o, struct span from, int use)
{
	char delegate[8192];
	struct ca_request how = {.use = (unsigned)use,
		.delegate =
			use == CA_USE_LISTS ? span_of(NULL, 0) : delegate_of(i, delegate, sizeof(delegate)),
		.not_before_s = now_s() - 60,
		.not_after_s = now_s() + (int64_t)(o->days ? o->days : DAYS_CERTIFICATE) * DAY_S};
	struct ca_entry e = {.issued_s = now_s()};
	char *pem = NULL, why[200] = "", name[100], day[16];
	size_t len = 0;
	int r = ca_sign(&i->ca, from, &how, &pem, &len, why, sizeof(why));
	if (r == 0) {
		r = ca_read_certificate(span_of(pem, len), &e.facts);
	}
	if (r < 0) {
		fprintf(stderr, "gantry ca: not signed: %s\n", why[0] ? why : err_str(r));
		free(pem);
		return 1;
	}
	snprintf(e.by, sizeof(e.by), "%s", o->by);
	snprintf(name, sizeof(name), "issued/%s.pem", e.facts.serial);
	r = ca_index_issued(i, &e) < 0 ? -1 : ca_index_write(i, name, pem, len, 0644);
	r = r == 0 && use == CA_USE_LISTS ? ca_index_write(i, "delegate.pem", pem, len, 0644) : r;
	free(pem);
	if (r < 0) {
		return 1;
	}
	day_text(e.facts.not_after_s, day);
	printf("%s/%s, valid until %s\n", o->folder, name, day);
	return 0;
}

static int sign_request(const struct job *o, int use, const char *what, const char *question)
{
	struct ca_index i;
	struct ca_facts facts;
	char why[200] = "";
	size_t len = 0;
	char *text = read_file(o->what, &len);
	if (!text || ca_index_open(o->folder, true, &i) < 0) {
		free(text);
		return 1;
	}
	int code = 1;
	if (ca_read_request(span_of(text, len), &facts, why, sizeof(why)) < 0) {
		fprintf(stderr, "gantry ca: %s cannot be signed: %s\n", o->what, why);
	} else {
		printf("%s asks for a certificate%s:\n", o->what, what);
		show(&facts);
		code = approved(o, question) ? issue(&i, o, span_of(text, len), use) : 1;
	}
	ca_index_done(&i);
	free(text);
	return code;
}

static int verb_certify(const struct job *o)
{
	return sign_request(o, (int)o->use, "", "Is this the device's own request?");
}

static int verb_delegate(const struct job *o)
{
	int code = sign_request(o, CA_USE_LISTS, " for revocation lists",
		"Is this the gateway's own request? It may then block every certificate of this authority.");
	if (code == 0) {
		printf("Take it to the gateway, as `certificate` of `tls: revocation`. Certificates that are issued from now on "
		       "name it\n(cRLIssuer), for programs that ask for that.\n");
	}
	return code;
}

static int verb_renew(const struct job *o)
{
	struct ca_index i;
	int use = (int)o->use, code = 1;
	size_t len = 0;
	if (ca_index_open(o->folder, true, &i) < 0) {
		return 1;
	}
	const struct ca_entry *e = ca_index_find(&i, o->what);
	char path[4200], *text = NULL;
	if (e && e->revoked_s > 0) {
		fputs("gantry ca: this certificate is revoked: its device needs a new key, and a new request\n",
			stderr);
	} else if (e) {
		snprintf(path, sizeof(path), "%s/issued/%s.pem", o->folder, e->facts.serial);
		text = read_file(path, &len);
	}
	if (text) {
		printf("A new certificate for the same key and names:\n");
		show(&e->facts);
		code = approved(o, "Is the key still the device's alone?")
		               ? issue(&i, o, span_of(text, len), use)
		               : 1;
	}
	free(text);
	ca_index_done(&i);
	return code;
}

static int verb_block(const struct job *o)
{
	struct ca_index i;
	int code = 1;
	if (ca_index_open(o->folder, true, &i) < 0) {
		return 1;
	}
	struct ca_entry *e = ca_index_find(&i, o->what);
	if (e && e->revoked_s > 0) {
		fprintf(stderr, "gantry ca: it was revoked before, by %s\n", e->revoked_by);
	} else if (e) {
		show(&e->facts);
		if (approved(o, "Revoke it for good?")) {
			e->revoked_s = now_s();
			e->reason = (int)o->reason;
			snprintf(e->revoked_by, sizeof(e->revoked_by), "%s", o->by);
			code = ca_index_revoked(&i, e) < 0 ? 1 : publish(&i, o->days);
		}
	}
	ca_index_done(&i);
	return code;
}

static void list_json(const struct ca_index *i)
{
	json_t *list = json_array();
	for (size_t k = 0; k < i->n; k++) {
		const struct ca_entry *e = &i->entries[k];
		json_t *san = json_array();
		for (unsigned n = 0; n < e->facts.n_san; n++) {
			(void)json_array_append_new(san, json_string(e->facts.san[n]));
		}
		json_t *o =
			json_pack("{s:s,s:s,s:s,s:s,s:o,s:s,s:I,s:I,s:b,s:s,s:s}", "serial", e->facts.serial,
				"subject", e->facts.subject, "key", e->facts.key, "spki", e->facts.spki,
				"san", san, "by", e->by, "issued_s", (json_int_t)e->issued_s, "not_after_s",
				(json_int_t)e->facts.not_after_s, "revoked", e->revoked_s > 0, "revoked_by",
				e->revoked_by, "reason", e->revoked_s > 0 ? ca_reason_word(e->reason) : "");
		(void)json_array_append_new(list, o);
	}
	(void)json_dumpf(list, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(list);
}

static int verb_list(const struct job *o)
{
	struct ca_index i;
	if (ca_index_open(o->folder, false, &i) < 0) {
		return 1;
	}
	if (o->json) {
		list_json(&i);
		ca_index_done(&i);
		return 0;
	}
	if (i.n == 0) {
		puts("It has issued no certificate.");
	}
	for (size_t k = 0; k < i.n; k++) {
		const struct ca_entry *e = &i.entries[k];
		char until[16];
		int64_t left = (e->facts.not_after_s - now_s()) / DAY_S;
		day_text(e->facts.not_after_s, until);
		printf("%s  %s  %-9s %s  by %s%s%s\n", e->facts.serial, until,
			e->revoked_s > 0                  ? "revoked"
			: e->facts.not_after_s <= now_s() ? "expired"
			: left <= 60                      ? "expiring"
							  : "valid",
			e->facts.subject, e->by, e->revoked_s > 0 ? ", revoked by " : "", e->revoked_by);
	}
	ca_index_done(&i);
	return 0;
}

/* ---- The command line ---- */

#define APPROVED "sign renew revoke delegate"

/* Written to the index. */
static bool is_person(const char *text)
{
	return strlen(text) <= 120;
}

static const struct word uses[] = {
	{"client", CA_USE_CLIENT}, {"server", CA_USE_SERVER}, {"both", CA_USE_CLIENT | CA_USE_SERVER}, {0}};

static const struct options_what verbs[] = {{"make", "DIR"}, {"sign", "DIR REQUEST"}, {"list", "DIR"},
	{"renew", "DIR SERIAL|CERTIFICATE"}, {"revoke", "DIR SERIAL|CERTIFICATE"}, {"crl", "DIR"},
	{"delegate", "DIR REQUEST"}, {0}};
static int (*const runs[])(const struct job *o) = {
	verb_make, verb_certify, verb_list, verb_renew, verb_block, verb_crl, verb_delegate};
static_assert(ARRAY_LEN(verbs) == ARRAY_LEN(runs) + 1, "a function a verb");

int verb_ca(int argc, char **argv)
{
	static struct job j = {.use = CA_USE_CLIENT | CA_USE_SERVER};
	static const struct option_row rows[] = {{"name", "NAME", .text = &j.name, .only = "make"},
		{"by", "PERSON", .text = &j.by, .good = is_person,
			.wants = "a name of 120 characters at most", .only = APPROVED,
			.needed = "every approval has a name"},
		{"use", "USE", .bits = &j.use, .words = uses, .only = "sign renew"},
		{"days", "N", .number = &j.days, .least = 1, .most = 36500,
			.only = "make sign renew revoke crl delegate"},
		{"reason", "REASON", .bits = &j.reason, .words = ca_reasons, .only = "revoke"},
		{"yes", .flag = &j.yes, .only = APPROVED}, {"json", .flag = &j.json, .only = "list"}, {0}};
	struct options o = {.usage = usage, .rows = rows, .whats = verbs};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	j.folder = o.at[0];
	j.what = o.n > 1 ? o.at[1] : NULL;
	return runs[o.what](&j);
}
