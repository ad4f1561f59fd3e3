/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "cli/options.h"
#include "cli/audit.h"
#include "cli/object_job.h"
#include "cli/place.h"
#include "cli/verbs.h"
#include "dicom/sign_profile.h"
#include "dicom/tag.h"
#include "keys/object_site.h"
#include "policy/site.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry verify [-c FILE | --trust FILE... [--crl FILE...]]\n"
	"                     [--timestamp-trust FILE...]\n"
	"                     [--require PROFILE] [--require-timestamp] [--json] FILE...\n"
	"\n"
	"Verify the digital signatures of DICOM files (PS3.15 Annex C): each MAC, and\n"
	"each signer's certificate. A file is read by a process of its own, in a sandbox.\n"
	"\n"
	"  --trust FILE   authorities whose certificates are believed (PEM); otherwise\n"
	"                 `signatures: trust` of the configuration, or its `tls: trust`;\n"
	"                 and its revocation lists\n"
	"  --crl FILE     revocation lists of these authorities, with --trust\n"
	"  --timestamp-trust FILE  authorities of certified timestamps (RFC 3161);\n"
	"                          otherwise `signatures: timestamps` of the\n"
	"                          configuration, or those of signers\n"
	"  --require-timestamp  each signature must have a good one\n"
	"  --require P    creator, authorization, report, verified-report: one good\n"
	"                 signature at least must be over what that profile asks for;\n"
	"                 report asks for both where the report is verified\n"
	"  --json         print a JSON object a file\n"
	"  -c, --config FILE  default: ./gantry.yaml, then /etc/gantry/gantry.yaml\n"
	"\n"
	"Exit status: 0 all signatures and timestamps are good; 1 one is not; 2 wrong\n"
	"usage; 3 a file has none, or could not be read.\n";

#define TRUST_MOST 64
#define EXIT_NONE  3

struct job {
	const char *config, *trust[TRUST_MOST], *stamps[TRUST_MOST], *crl[TRUST_MOST];
	unsigned n_trust, n_stamps, n_crl, require; /* enum signed_profile; 0: none */
	bool json, require_stamp;
	struct site *site;
	struct crl_list *lists;
	struct object_trust *believed;
};

static const struct word profiles[] = {{"creator", SIGNED_CREATOR}, {"authorization", SIGNED_AUTHORIZATION},
	{"report", SIGNED_REPORT}, {"verified-report", SIGNED_VERIFIED_REPORT}, {0}};
static const char *const profile_names[] = {"Creator", "Authorization", "SR", "SR, verified"};
static_assert(ARRAY_LEN(profiles) == ARRAY_LEN(profile_names) + 1, "a name a profile");

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "gantry verify: %s: %s\n", what, why);
	return EXIT_NONE;
}

/* ---- Whom we believe ---- */

/* The bytes of some files, one list after the other. */
struct files {
	struct span at[3 * TRUST_MOST];
	unsigned n;
};

static int read_files(struct files *f, const char *const *paths, unsigned n)
{
	const struct audit_input in = {.verb = "verify", .beside = true};
	for (unsigned i = 0; i < n; i++) {
		uint8_t *bytes;
		size_t len;
		if (audit_read_file(&in, paths[i], 1u << 20, &bytes, &len) != AUDIT_GOOD) {
			return EXIT_NONE; /* it has said why */
		}
		f->at[f->n++] = span_of(bytes, len);
	}
	return 0;
}

static void files_done(struct files *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		free((void *)(uintptr_t)f->at[i].ptr);
	}
}

static int no_authority(const char *option, int e)
{
	return complain(option, e == ERR_VALUE ? "a file holds no certificate in PEM" : err_str(e));
}

static int use_stamps(struct job *j, const struct span *at)
{
	int e = j->n_stamps > 0 ? object_trust_stamps(j->believed, at, j->n_stamps) : 0;
	return e < 0 ? no_authority("--timestamp-trust", e) : 0;
}

/* The authorities that were named, and lists that are theirs. */
static int believe_named(struct job *j)
{
	struct files f = {0};
	char why[256] = "no memory";
	int code = read_files(&f, j->trust, j->n_trust), e = 0;
	code = code == 0 ? read_files(&f, j->stamps, j->n_stamps) : code;
	unsigned anchors = f.n;
	code = code == 0 ? read_files(&f, j->crl, j->n_crl) : code;
	if (code == 0) {
		e = crl_list_new(f.at + anchors, j->n_crl, f.at, anchors, &j->lists, why, sizeof(why));
		code = e < 0 ? complain("--crl", why) : 0;
	}
	if (code == 0) {
		e = object_trust_new(f.at, j->n_trust, j->lists, &j->believed);
		code = e < 0 ? no_authority("--trust", e) : use_stamps(j, f.at + j->n_trust);
	}
	files_done(&f);
	return code;
}

static int believe_site(struct job *j)
{
	struct files f = {0};
	char why[256];
	int e = object_trust_of_site(j->site, &j->lists, &j->believed, why, sizeof(why));
	int code = e < 0 ? complain(j->config, why) : read_files(&f, j->stamps, j->n_stamps);
	code = code == 0 ? use_stamps(j, f.at) : code;
	files_done(&f);
	return code;
}

static int find_trust(struct job *j)
{
	struct mistakes mistakes = {0};
	if (j->n_trust > 0) {
		return believe_named(j);
	}
	bool named = j->config != NULL;
	j->config = place_file("verify", j->config);
	if (!j->config && !named) {
		fputs("Or say whose signatures you believe: --trust FILE, their authorities' certificates.\n",
			stderr);
	}
	if (!j->config) {
		return EXIT_NONE;
	}
	int e = site_load(j->config, &j->site, &mistakes);
	mistakes_done(&mistakes);
	return e < 0 ? complain(j->config, "it has mistakes; `gantry check` names them") : believe_site(j);
}

/* ---- A file ---- */

static void look(void *arg, struct span file, void *shared)
{
	struct object_report *r = shared;
	const struct job *j = arg;
	if (object_verify(file, j->believed, clock_wall_ms() / 1000, r) < 0 && !r->why[0]) {
		snprintf(r->why, sizeof(r->why), "it cannot be read");
	}
}

static void make_safe(char *text, size_t size)
{
	text[size - 1] = 0;
	for (size_t k = 0; text[k]; k++) {
		if (text[k] < ' ' || text[k] > '~') {
			text[k] = '?';
		}
	}
}

/* The other process has parsed what others wrote: nothing that it says is taken as it is. */
static void make_sane(struct object_report *r)
{
	r->n = r->n <= SIGNED_MOST ? r->n : SIGNED_MOST;
	make_safe(r->why, sizeof(r->why));
	for (uint32_t i = 0; i < r->n; i++) {
		struct object_verdict *v = &r->verdicts[i];
		v->state = v->state <= OBJECT_UNKNOWN ? v->state : OBJECT_UNKNOWN;
		v->when = v->when <= OBJECT_TIME_LATER ? v->when : OBJECT_TIME_UNKNOWN;
		make_safe(v->where, sizeof(v->where));
		make_safe(v->uid, sizeof(v->uid));
		make_safe(v->time, sizeof(v->time));
		make_safe(v->algorithm, sizeof(v->algorithm));
		make_safe(v->purpose, sizeof(v->purpose));
		make_safe(v->subject, sizeof(v->subject));
		make_safe(v->why, sizeof(v->why));
		v->stamp.state = v->stamp.state <= OBJECT_UNKNOWN ? v->stamp.state : OBJECT_UNKNOWN;
		make_safe(v->stamp.time, sizeof(v->stamp.time));
		make_safe(v->stamp.by, sizeof(v->stamp.by));
		make_safe(v->stamp.why, sizeof(v->stamp.why));
	}
}

static const char *const state_words[] = {[OBJECT_GOOD] = "good",
	[OBJECT_UNTRUSTED] = "untrusted",
	[OBJECT_FALSE] = "false",
	[OBJECT_UNKNOWN] = "unknown"};

static void print_stamp(const struct object_stamp *s)
{
	printf("  timestamp: %s%s, %s, by %s", s->state == OBJECT_FALSE ? "FALSE" : state_words[s->state],
		s->weak ? " (weak)" : "", s->time[0] ? s->time : "no time", s->by[0] ? s->by : "nobody");
	printf("%s%s\n", s->why[0] ? ": " : "", s->why);
}

static const char *const when_words[] = {[OBJECT_TIME_UNKNOWN] = "",
	[OBJECT_TIME_FITS] = "",
	[OBJECT_TIME_OUTSIDE] = "its certificate was not valid at the time that it says",
	[OBJECT_TIME_LATER] = "the time that it says is later than it can be"};

static void print_verdict(const char *path, const struct object_verdict *v)
{
	printf("%s: %s: signature %s%s%s over %u element%s%s, %s%s, of %s, by %s", path,
		v->state == OBJECT_FALSE ? "FALSE" : state_words[v->state], v->uid, v->where[0] ? " in " : "",
		v->where, v->n_signed, v->n_signed == 1 ? "" : "s", v->covers_all ? " (all)" : "",
		v->algorithm[0] ? v->algorithm : "no MAC", v->weak ? " (weak)" : "",
		v->time[0] ? v->time : "no time", v->subject[0] ? v->subject : "nobody");
	printf("%s%s\n", v->why[0] ? ": " : "", v->why);
	printf("  profiles: Base");
	for (unsigned i = 0; i < ARRAY_LEN(profile_names); i++) {
		if (v->profiles & profiles[i].value) {
			printf(", %s", profile_names[i]);
		}
	}
	if (v->lacking && !v->where[0]) {
		printf("; not Creator, which asks for (%04X,%04X) %s", v->lacking >> 16, v->lacking & 0xFFFF,
			tag_keyword(v->lacking));
	}
	putchar('\n');
	if (!v->where[0] && !v->over_instance && v->state == OBJECT_GOOD) {
		puts("  it is not over the SOP Instance UID: in another object it would be as good");
	}
	if (v->state == OBJECT_GOOD && when_words[v->when][0]) {
		printf("  %s\n", when_words[v->when]);
	}
	if (v->stamp.present) {
		print_stamp(&v->stamp);
	}
}

static json_t *json_of(const struct object_verdict *v)
{
	json_t *list = json_array();
	(void)json_array_append_new(list, json_string("base"));
	for (unsigned i = 0; i < ARRAY_LEN(profile_names); i++) {
		if (v->profiles & profiles[i].value) {
			(void)json_array_append_new(list, json_string(profiles[i].word));
		}
	}
	const struct object_stamp *s = &v->stamp;
	json_t *stamp = !s->present ? json_null()
	                            : json_pack("{s:s,s:s,s:s,s:s,s:b}", "state", state_words[s->state],
					      "why", s->why, "time", s->time, "by", s->by, "weak", s->weak);
	bool fits = v->when != OBJECT_TIME_OUTSIDE && v->when != OBJECT_TIME_LATER;
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:s,s:s,s:s,s:I,s:b,s:b,s:b,s:o,s:o}", "state",
		state_words[v->state], "why", v->why, "where", v->where, "uid", v->uid, "time", v->time,
		"time_fits", fits, "algorithm", v->algorithm, "purpose", v->purpose, "subject", v->subject,
		"elements", (json_int_t)v->n_signed, "all", v->covers_all, "instance", v->over_instance,
		"weak", v->weak, "timestamp", stamp, "profiles", list);
}

static void print_json(const char *path, const struct object_report *r)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < r->n; i++) {
		(void)json_array_append_new(list, json_of(&r->verdicts[i]));
	}
	json_t *o = json_pack("{s:s,s:s,s:o}", "file", path, "why", r->why, "signatures", list);
	if (o) {
		(void)json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
	}
	json_decref(o);
}

static int judge(const struct job *j, const char *path, const struct object_report *r)
{
	unsigned met = 0;
	bool all = true, stamped = true;
	for (uint32_t i = 0; i < r->n; i++) {
		const struct object_verdict *v = &r->verdicts[i];
		all = all && v->state == OBJECT_GOOD && (!v->stamp.present || v->stamp.state == OBJECT_GOOD);
		stamped = stamped && v->stamp.present;
		met |= v->state == OBJECT_GOOD ? v->profiles : 0;
		if (!j->json) {
			print_verdict(path, v);
		}
	}
	if (j->json) {
		print_json(path, r);
	} else if (r->why[0] || r->n == 0) {
		printf("%s: %s\n", path, r->why[0] ? r->why : "it has no signature");
	}
	if (r->why[0] || r->n == 0) {
		return EXIT_NONE;
	}
	/* PS3.15 C.4: one that is verified has a signature for that, too. */
	bool lacks = j->require == SIGNED_REPORT && r->verified && !(met & SIGNED_VERIFIED_REPORT);
	if (all && j->require && (lacks || !(met & j->require))) {
		fprintf(stderr, "gantry verify: %s: no signature is over what the profile asks for\n", path);
		return 1;
	}
	if (all && j->require_stamp && !stamped) {
		fprintf(stderr, "gantry verify: %s: a signature has no certified timestamp\n", path);
		return 1;
	}
	return all ? 0 : 1;
}

static int verify(struct job *j, const char *path, struct object_report *r)
{
	const struct object_job job = {.work = look, .arg = j, .sandbox = SANDBOX_KEYS};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		return complain(path, strerror(errno));
	}
	r->n = 0;
	r->why[0] = 0;
	int e = object_job_run(&job, fd, r);
	close(fd);
	if (e != 0) {
		return complain(path, e == ERR_LENGTH ? "it is empty"
				      : e == ERR_TYPE ? "it is no plain file; name files one by one"
						      : "the process that reads it has died");
	}
	make_sane(r);
	return judge(j, path, r);
}

static int run(struct job *j, int n, char **paths)
{
	struct object_report *r = object_job_memory(sizeof(*r));
	int code = r ? find_trust(j) : EXIT_NONE;
	for (int i = 0; code != EXIT_NONE && i < n; i++) {
		int one = verify(j, paths[i], r);
		code = one > code ? one : code;
		if (one == EXIT_NONE && i + 1 < n) {
			/* The others are looked at all the same. */
			for (i++; i < n; i++) {
				(void)verify(j, paths[i], r);
			}
		}
	}
	object_trust_free(j->believed);
	crl_list_free(j->lists);
	site_free(j->site);
	object_job_free(r, sizeof(*r));
	return code;
}

/* ---- The command line ---- */

int verb_verify(int argc, char **argv)
{
	static struct job j;
	static const struct option_row rows[] = {{"config", "FILE", 'c', .text = &j.config},
		{"trust", "FILE", .text = j.trust, .room = TRUST_MOST, .n = &j.n_trust},
		{"crl", "FILE", .text = j.crl, .room = TRUST_MOST, .n = &j.n_crl},
		{"timestamp-trust", "FILE", .text = j.stamps, .room = TRUST_MOST, .n = &j.n_stamps},
		{"require", "PROFILE", .bits = &j.require, .words = profiles},
		{"require-timestamp", .flag = &j.require_stamp}, {"json", .flag = &j.json}, {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "FILE..."};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	if (j.n_crl > 0 && j.n_trust == 0) {
		return options_misuse(&o, "--crl goes with --trust");
	}
	return run(&j, (int)o.n, o.at);
}
