/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/antivirus.h"
#include "cli/options.h"
#include "cli/place.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry antivirus stage [-c FILE] FOLDER\n"
	"       gantry antivirus validate [-c FILE]\n"
	"       gantry antivirus promote [-c FILE] [--vkey KEY]\n"
	"       gantry antivirus rollback [-c FILE]\n"
	"       gantry antivirus status [-c FILE] [--vkey KEY]\n"
	"\n"
	"Definitions of the virus scanner clamd are tried before they are used.\n"
	"\n"
	"  stage     copy a folder's definitions to where they are tried\n"
	"  validate  show DICOM files, good/ and bad/, to one clamd with the new\n"
	"            definitions and to one with those in use; compare what they say, how\n"
	"            fast, and with how much memory; have the running gateway sign a\n"
	"            record of it\n"
	"  promote   put what was validated to use: clamd loads it, and is asked whether\n"
	"            it has; else those before are used on\n"
	"  rollback  use those before again\n"
	"  status    which are staged, in use, and before; what clamd has loaded\n"
	"\n"
	"  --vkey KEY         the public key of records; default: beside the configured\n"
	"                     `record-key`\n"
	"  -c, --config FILE  default: ./gantry.yaml, then /etc/gantry/gantry.yaml\n"
	"  -h, --help         print this\n"
	"\n"
	"Exit status: 0 done, 1 the definitions are not good enough or not in use, 2\n"
	"wrong usage, 3 could not be tried or done.\n";

void antivirus_say(const char *format, ...)
{
	va_list ap;
	(void)fflush(stdout);
	fputs("gantry antivirus: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

const char *antivirus_store(const struct antivirus *a)
{
	return a->store[0] ? a->store : a->c->definitions;
}

const char *antivirus_set(const struct antivirus *a, const char *hash)
{
	static char path[4200];
	snprintf(path, sizeof(path), "%s/sets/%s", a->c->definitions, hash);
	return path;
}

void antivirus_told(const struct antivirus *a, const char *act, const char *hash, bool good)
{
	const char *why = "there is no memory";
	char host[256] = "localhost", name[256];
	(void)gethostname(host, sizeof(host) - 1);
	snprintf(name, sizeof(name), "%.120s@%.120s", control_user(), host);
	json_t *request = json_pack("{s:s,s:s,s:s,s:s,s:b}", "record", "antivirus", "act", act, "set", hash,
		"name", name, "good", good ? 1 : 0);
	char *path = control_path(a->config);
	json_t *answer = request && path ? control_request(path, request, 8, &why) : NULL;
	const char *said = json_string_value(json_object_get(answer, "why"));
	bool recorded = json_is_integer(json_object_get(answer, "recorded"));
	why = said ? said : why;
	if (a->site->audit.has && !recorded) {
		antivirus_say("this is not in the audit trail: %s", why);
	}
	json_decref(answer);
	json_decref(request);
	free(path);
}

/* ---- stage ---- */

static int stage(struct antivirus *a, const char *folder)
{
	struct definitions d;
	char why[512];
	if (definitions_stage(folder, antivirus_store(a), &d, why, sizeof(why)) != 0) {
		antivirus_say("%s", why);
		return ANTIVIRUS_FAILED;
	}
	(void)definitions_tidy(antivirus_store(a));
	printf("staged %s: %u file%s, %" PRIu64 " bytes\n", d.hash, d.files, PLURAL(d.files), d.bytes);
	antivirus_told(a, "staged", d.hash, true);
	puts("now: gantry antivirus validate");
	return ANTIVIRUS_GOOD;
}

/* ---- status ---- */

static void tell_link(const struct antivirus *a, const char *link, bool serves)
{
	char hash[DEFINITIONS_HASH + 1];
	struct deed r;
	const char *why = "";
	int e = definitions_linked(antivirus_store(a), link, hash);
	if (e != 0) {
		printf("%-9s %s\n", link, e == ERR_NOT_FOUND ? "none" : "is no link to a set");
		return;
	}
	printf("%-9s %s", link, hash);
	if (antivirus_record_read(a, hash, &r, &why) != 0) {
		printf(", %s", why);
	} else {
		printf(", validated by %s: %s", r.by, deed_get(&r, "note"));
	}
	puts(serves && antivirus_serves(&a->clamd, hash) ? ", clamd has loaded it" : "");
}

static int status(struct antivirus *a)
{
	char version[256], current[DEFINITIONS_HASH + 1];
	tell_link(a, "staged", false);
	tell_link(a, "current", true);
	tell_link(a, "previous", false);
	if (clamd_ask(&a->clamd, "VERSION", version, sizeof(version)) != 0) {
		printf("%-9s %s does not answer\n", "clamd", a->c->socket);
		return ANTIVIRUS_BAD;
	}
	printf("%-9s %s at %s\n", "clamd", version, a->c->socket);
	if (definitions_linked(antivirus_store(a), "current", current) != 0 ||
		!antivirus_serves(&a->clamd, current)) {
		printf("clamd does not use %s/current: that must be its DatabaseDirectory\n",
			a->c->definitions);
		return ANTIVIRUS_BAD;
	}
	return ANTIVIRUS_GOOD;
}

/* ---- The verb ---- */

static int load(struct antivirus *a)
{
	struct mistakes mistakes = {0};
	a->config = place_file("antivirus", a->config);
	if (!a->config) {
		return ANTIVIRUS_FAILED;
	}
	int e = site_load_settings(a->config, &a->site, &mistakes);
	if (e != 0) {
		antivirus_say("%s: %s", a->config,
			mistakes.n_errors ? mistakes.at[0].text
			: e == ERR_SYSTEM ? strerror(errno)
					  : err_str(e));
	}
	mistakes_done(&mistakes);
	if (e == 0 && !a->site->antivirus.has) {
		antivirus_say("%s has no `antivirus:`: see gantry-antivirus(1)", a->config);
		e = ERR_NOT_FOUND;
	}
	if (e != 0) {
		return ANTIVIRUS_FAILED;
	}
	a->c = &a->site->antivirus;
	a->clamd = (struct clamd){.socket = a->c->socket, .timeout_ms = (int64_t)a->c->timeout_s * 1000};
	return ANTIVIRUS_GOOD;
}

/*
 * The folder may lie in one of clamd's, as AppArmor wants it, and clamd reads hostile bytes: who has taken clamd over must not lead
 * what root writes and removes here elsewhere. So it is opened, is ours alone, and is worked in by that descriptor.
 */
static int open_store(struct antivirus *a)
{
	struct stat st;
	(void)mkdir(a->c->definitions, 0755);
	int fd = open(a->c->definitions, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		antivirus_say("%s: %s", a->c->definitions,
			errno == ELOOP || errno == ENOTDIR ? "it is a link, or no folder" : strerror(errno));
	} else if (st.st_uid != geteuid() || (st.st_mode & 022)) {
		antivirus_say(
			"%s can be changed by another user than who runs this: have it owned by, and writable for, that one alone",
			a->c->definitions);
	} else {
		(void)fchmod(fd, 0755); /* clamd reads there */
		snprintf(a->store, sizeof(a->store), "/proc/self/fd/%d", fd);
		return fd; /* until this process ends */
	}
	if (fd >= 0) {
		close(fd);
	}
	return -1;
}

/* One at a time: two that swap links would undo each other's. */
static int lock(struct antivirus *a)
{
	int store = open_store(a);
	if (store < 0) {
		return ANTIVIRUS_FAILED;
	}
	int fd = openat(store, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		antivirus_say("%s/.lock: %s", a->c->definitions, strerror(errno));
		return ANTIVIRUS_FAILED;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		antivirus_say("%s is in use by another `gantry antivirus`", a->c->definitions);
		close(fd);
		return ANTIVIRUS_FAILED;
	}
	antivirus_mend(a);
	return ANTIVIRUS_GOOD; /* until this process ends */
}

static int validate_word(struct antivirus *a, const char *unused)
{
	(void)unused;
	return antivirus_validate(a);
}

static int promote_word(struct antivirus *a, const char *unused)
{
	(void)unused;
	return antivirus_promote(a);
}

static int rollback_word(struct antivirus *a, const char *unused)
{
	(void)unused;
	return antivirus_rollback(a);
}

static int status_word(struct antivirus *a, const char *unused)
{
	(void)unused;
	return status(a);
}

static const struct options_what whats[] = {
	{"stage", "FOLDER"}, {"validate", ""}, {"promote", ""}, {"rollback", ""}, {"status", ""}, {0}};
static const struct {
	int (*run)(struct antivirus *a, const char *argument);
	bool reads;
} words[] = {{stage, false}, {validate_word, false}, {promote_word, false}, {rollback_word, false},
	{status_word, true}};
static_assert(ARRAY_LEN(whats) == ARRAY_LEN(words) + 1, "a function a word");

int verb_antivirus(int argc, char **argv)
{
	static struct antivirus a;
	static const struct option_row rows[] = {{"vkey", "KEY", .text = &a.vkey, .only = "promote status"},
		{"config", "FILE", 'c', .text = &a.config}, {0}};
	struct options o = {.usage = usage, .rows = rows, .whats = whats};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	code = load(&a);
	code = code == ANTIVIRUS_GOOD && !words[o.what].reads ? lock(&a) : code;
	code = code == ANTIVIRUS_GOOD ? words[o.what].run(&a, o.at[0]) : code;
	site_free(a.site);
	return code;
}
