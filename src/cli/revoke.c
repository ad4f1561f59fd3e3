/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/armor.h"
#include "base/clock.h"
#include "cli/options.h"
#include "cli/ca_index.h"
#include "cli/fresh_file.h"
#include "cli/place.h"
#include "cli/verbs.h"
#include "keys/list_key.h"
#include "keys/list_make.h"
#include "policy/site.h"
#include "policy/values.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char usage[] = "usage: gantry revoke [-c FILE] [--reason REASON] [--issuer FILE] [--days N]\n"
			    "                     [--yes] SERIAL|CERTIFICATE\n"
			    "       gantry revoke [-c FILE] [--days N] --renew\n"
			    "       gantry revoke [-c FILE] --list\n"
			    "\n"
			    "Block a certificate at once: on new connections, resumed sessions and open\n"
			    "associations. The running gateway signs the site's own revocation list (`tls:\n"
			    "revocation`) with the key that `gantry ca delegate` has certified; the list is\n"
			    "written to its file, and the gateway reads it. Other gateways of the site take\n"
			    "the same file under `tls: crl`.\n"
			    "\n"
			    "  --reason R    keyCompromise, superseded, cessationOfOperation,\n"
			    "                affiliationChanged, privilegeWithdrawn\n"
			    "  --issuer FILE the authority's certificate, for a SERIAL where `tls: trust`\n"
			    "                has several\n"
			    "  --renew       sign the list again, before its next update is due\n"
			    "  --list        print who is blocked\n"
			    "  --days N      until the next list is due; default 30, at most 93\n"
			    "  --yes         do not ask\n"
			    "  -c, --config FILE  default: ./gantry.yaml, then /etc/gantry/gantry.yaml\n";

#define DAY_S     86400
#define DAYS_LIST 30
#define WAIT_S    8

struct job {
	const char *config, *issuer, *what;
	uint64_t days;
	bool yes, renew, list;
	unsigned reason;
	struct site *site;
	struct span *trust;
	struct list_target target;
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "gantry revoke: %s: %s\n", what, why);
	return 1;
}

/* ---- The site ---- */

static int open_site(struct job *j)
{
	struct mistakes mistakes = {0};
	int e = site_load(j->config, &j->site, &mistakes);
	unsigned errors = mistakes.n_errors;
	mistakes_done(&mistakes);
	if (e < 0) {
		return complain(
			j->config, errors > 0 ? "it has mistakes; `gantry check` names them" : err_str(e));
	}
	if (!j->site->revocation.certificate.path) {
		return complain(j->config, "it has no `revocation` in `tls`: see gantry-revoke(1)");
	}
	j->trust = calloc(j->site->n_trust + 1, sizeof(*j->trust));
	for (unsigned i = 0; j->trust && i < j->site->n_trust; i++) {
		j->trust[i] = j->site->trust[i].bytes;
	}
	return j->trust ? 0 : 1;
}

static char *read_file(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	char *text = f ? malloc(65537) : NULL;
	if (text) {
		*ret_len = fread(text, 1, 65536, f);
		text[*ret_len] = 0;
	}
	if (f) {
		(void)fclose(f);
	}
	return text;
}

/* ---- Whose certificate ---- */

static int find_serial(struct job *j, char *why, size_t cap)
{
	size_t len = 0;
	char *text = j->issuer ? read_file(j->issuer, &len) : NULL;
	if (j->issuer && !text) {
		return complain(j->issuer, strerror(errno));
	}
	struct span issuer = span_of(text, len);
	int e = list_target_serial(
		j->what, text ? &issuer : NULL, j->trust, j->site->n_trust, &j->target, why, cap);
	free(text);
	return e < 0 ? complain(j->what, why) : 0;
}

static int find_target(struct job *j)
{
	char why[200] = "";
	size_t len = 0;
	char *text = access(j->what, F_OK) == 0 ? read_file(j->what, &len) : NULL;
	if (!text) {
		return find_serial(j, why, sizeof(why));
	}
	int e = list_target_certificate(
		span_of(text, len), j->trust, j->site->n_trust, &j->target, why, sizeof(why));
	free(text);
	return e < 0 ? complain(j->what, why) : 0;
}

static bool approved(const struct job *j)
{
	char answer[16];
	printf("  serial   %s\n  issuer   %s\n", j->target.serial, j->target.issuer);
	if (j->target.subject[0]) {
		printf("  subject  %s\n", j->target.subject);
	}
	if (j->yes) {
		return true;
	}
	printf("Block it for good? Type yes: ");
	(void)fflush(stdout);
	bool yes = fgets(answer, sizeof(answer), stdin) && strcmp(answer, "yes\n") == 0;
	if (!yes) {
		fputs("gantry revoke: not approved; nothing was changed\n", stderr);
	}
	return yes;
}

/* ---- The list ---- */

static json_t *request_of(struct span tbs)
{
	char name[280], host[256] = "localhost";
	size_t cap = ARMOR_LEN(tbs.len) + 1;
	char *text = malloc(cap);
	json_t *o = NULL;
	(void)gethostname(host, sizeof(host) - 1);
	snprintf(name, sizeof(name), "%.120s@%.120s", control_user(), host);
	if (text) {
		struct writer w = writer_of(text, cap - 1);
		armor_write(&w, tbs);
		text[w.len] = 0;
		o = json_pack("{s:s,s:s}", "sign-list", text, "name", name);
	}
	free(text);
	return o;
}

/* The key holder's signature, by way of the running gateway. */
static int have_signed(const struct job *j, struct span tbs, uint8_t *sig, size_t cap, size_t *ret_len)
{
	const char *why = "no memory";
	json_t *request = request_of(tbs), *reply = NULL;
	char *path = control_path(j->config);
	for (unsigned i = 0; request && path && !json_object_get(reply, "list") && i < 4; i++) {
		if (i > 0) {
			/* A gateway that is busy may close at once. */
			(void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
		}
		json_decref(reply);
		reply = control_request(path, request, WAIT_S, &why);
		if (!reply && strcmp(why, "the gateway did not answer") != 0) {
			break;
		}
	}
	const char *text = json_string_value(json_object_get(reply, "list"));
	const char *said = json_string_value(json_object_get(reply, "why"));
	int e = text ? armor_read(span_str(text), sig, cap, ret_len) : ERR_DENIED;
	if (e < 0) {
		(void)complain("the list was not signed", said ? said : why);
	}
	json_decref(reply);
	json_decref(request);
	free(path);
	return e;
}

static int sign_and_write(const struct job *j, struct span tbs, int64_t number)
{
	uint8_t sig[1024];
	size_t len = 0, pem_len = 0;
	char *pem = NULL;
	if (have_signed(j, tbs, sig, sizeof(sig), &len) < 0) {
		return 1;
	}
	int e = list_finish(j->site->revocation.certificate.bytes, tbs, span_of(sig, len), &pem, &pem_len);
	if (e < 0) {
		return complain(
			"the running gateway's signature is not by the key of `certificate`", err_str(e));
	}
	/* A gateway that reads it meanwhile reads the old or the new one. */
	int code = fresh_write(j->site->revocation.list.path, 0644, pem, pem_len)
	                   ? 0
	                   : complain(j->site->revocation.list.path, strerror(errno));
	free(pem);
	if (code == 0) {
		printf("%s: list %lld is written.\n", j->site->revocation.list.path, (long long)number);
	}
	return code;
}

static int publish(const struct job *j)
{
	int64_t now_s = clock_wall_ms() / 1000, number = 0;
	uint8_t *tbs = NULL;
	size_t len = 0;
	const struct list_draft d = {.certificate = j->site->revocation.certificate.bytes,
		.list = site_own_list(j->site)->bytes,
		.add = j->renew ? NULL : &j->target,
		.reason = (int)j->reason,
		.now_s = now_s,
		.next_s = now_s + (int64_t)(j->days ? j->days : DAYS_LIST) * DAY_S};
	int e = list_draft(&d, &tbs, &len, &number);
	if (e < 0) {
		return complain(j->renew ? "the list" : j->what,
			e == ERR_EXISTS  ? "it is blocked already"
			: e == ERR_VALUE ? "the list or the certificate of `tls: revocation` cannot be used"
					 : err_str(e));
	}
	int code = sign_and_write(j, span_of(tbs, len), number);
	free(tbs);
	char *path = code == 0 ? control_path(j->config) : NULL;
	if (path) {
		code = control_reload(path);
		free(path);
	}
	return code;
}

static void print_entry(const struct list_entry *e, void *arg)
{
	char day[16] = "";
	time_t t = (time_t)e->at_s;
	struct tm tm;
	if (gmtime_r(&t, &tm)) {
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	}
	printf("%s  %s  %s%s%s\n", e->serial, day, e->issuer, e->reason > 0 ? "  " : "",
		e->reason > 0 ? ca_reason_word(e->reason) : "");
}

static int run(struct job *j)
{
	int code = open_site(j);
	if (code != 0) {
		return code;
	}
	struct span list = site_own_list(j->site)->bytes;
	if (j->list) {
		return list.len > 0 && list_each(list, print_entry, NULL) < 0
		               ? complain(j->site->revocation.list.path, "it holds no revocation list in PEM")
		               : 0;
	}
	if (!j->renew) {
		code = find_target(j);
		code = code == 0 && !approved(j) ? 1 : code;
	}
	return code == 0 ? publish(j) : code;
}

int verb_revoke(int argc, char **argv)
{
	static struct job j;
	static const struct option_row rows[] = {{"reason", "REASON", .bits = &j.reason, .words = ca_reasons},
		{"issuer", "FILE", .text = &j.issuer}, {"renew", .flag = &j.renew}, {"list", .flag = &j.list},
		{"days", "N", .number = &j.days, .least = 1, .most = LIST_KEY_DAYS_MOST},
		{"yes", .flag = &j.yes}, {"config", "FILE", 'c', .text = &j.config}, {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "[SERIAL|CERTIFICATE]"};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	if (j.renew && j.list) {
		return options_misuse(&o, "--renew or --list, and not both");
	}
	if ((o.n == 0) != (j.renew || j.list)) {
		return options_misuse(&o,
			o.n == 0 ? "name whom to block: SERIAL|CERTIFICATE is missing"
				 : "--renew and --list are about the whole list: leave out `%.200s`",
			o.n == 0 ? "" : o.at[0]);
	}
	j.what = o.n > 0 ? o.at[0] : NULL;
	j.config = place_file("revoke", j.config);
	code = j.config ? run(&j) : 1;
	site_free(j.site);
	free(j.trust);
	return code;
}
