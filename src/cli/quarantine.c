/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "cli/quarantine.h"
#include "audit/spool.h"
#include "cli/place.h"
#include "cli/record.h"
#include "cli/verbs.h"
#include "inspect/check.h"
#include "policy/site.h"
#include "policy/values.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct options_verb verbs[] = {
	{"list", quarantine_list_verb, "what is in quarantine"},
	{"show", quarantine_show_verb, "one object: why, from whom, when; or a copy of it for a specialist"},
	{"release", quarantine_release_verb,
		"ask that an object be delivered, or approve what another asked"},
	{"delete", quarantine_delete_verb, "remove objects for good"},
};

int verb_quarantine(int argc, char **argv)
{
	static const struct options_verbs all = {.name = "gantry quarantine",
		.about = "Objects that the gateway kept from where they were bound, as its inspection\n"
			 "found something in them. For root.\n",
		.more = "`gantry quarantine VERB --help` says more; so does `man gantry-quarantine`.\n",
		.verbs = verbs,
		.n = ARRAY_LEN(verbs)};
	return options_run(&all, argc, argv);
}

/* ---- The place ---- */

static void complain(bool quiet, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void complain(bool quiet, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (!quiet) {
		(void)vfprintf(stderr, format, args);
	}
	va_end(args);
}

static bool take_site(const char *file, bool quiet, struct quarantine_place *p)
{
	struct mistakes mistakes = {0};
	struct site *s = NULL;
	bool ok = site_load_settings(file, &s, &mistakes) == 0;
	if (ok) {
		p->folder = strdup(s->quarantine.folder);
		p->state = strdup(s->state);
		p->has_audit = s->audit.has;
		p->q.most_bytes = s->quarantine.size_most;
		p->q.most_objects = s->quarantine.objects_most;
	} else {
		complain(quiet, "gantry quarantine: %s has mistakes; `gantry check` names them\n", file);
	}
	mistakes_done(&mistakes);
	site_free(s);
	return ok && p->folder && p->state;
}

static bool take_key(bool quiet, struct quarantine_place *p)
{
	char path[4096];
	uint8_t key[QUARANTINE_KEY];
	int n = snprintf(path, sizeof(path), "%s/quarantine.key", p->state);
	/* Never made here: one that is not there opens nothing. */
	int fd = n > 0 && (size_t)n < sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (fd < 0) {
		complain(quiet, "gantry quarantine: its key, %s: %s%s\n", path, strerror(errno),
			errno == EACCES ? "; it is root's alone: try sudo" : "");
		return false;
	}
	close(fd);
	int e = spool_key(path, key);
	e = e == 0 ? quarantine_site(key, &p->site) : e;
	explicit_bzero(key, sizeof(key));
	if (e != 0) {
		complain(quiet, "gantry quarantine: %s is no key: %s\n", path, err_str(e));
	}
	return e == 0;
}

static bool open_place(const char *config, bool quiet, struct quarantine_place *ret_place)
{
	struct quarantine_place p = QUARANTINE_PLACE_NONE;
	p.config = config;
	bool ok = take_site(p.config, quiet, &p);
	if (ok) {
		p.q.dir = open(p.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ok = p.q.dir >= 0;
		if (!ok && errno == ENOENT) {
			complain(quiet,
				"gantry quarantine: there is no folder %s: nothing was ever put in quarantine here\n",
				p.folder);
		} else if (!ok) {
			complain(quiet, "gantry quarantine: %s: %s%s\n", p.folder, strerror(errno),
				errno == EACCES ? ": try sudo" : "");
		}
	}
	ok = ok && take_key(quiet, &p);
	if (!ok) {
		quarantine_place_done(&p);
		return false;
	}
	*ret_place = p;
	ret_place->q.site = &ret_place->site;
	return true;
}

bool quarantine_place(const char *given, struct quarantine_place *ret_place)
{
	const char *config = place_file("quarantine", given);
	return config && open_place(config, false, ret_place);
}

/* ---- Of a refusal ---- */

static bool is_of(const struct quarantine_place *p, const struct quarantine_object *o, uint64_t refusal)
{
	static struct quarantine_item item;
	if (quarantine_open(&p->q, o, &item.file, &item.state, &item.facts) != 0) {
		return false; /* damaged, or gone a moment ago */
	}
	quarantine_file_done(&item.file);
	return item.facts.refusal == refusal || item.state.last_refusal == refusal;
}

int quarantine_of_refusal(const char *config, uint64_t refusal, uint64_t **ret_numbers, size_t *ret_n)
{
	struct quarantine_place p;
	struct quarantine_object *at = NULL;
	size_t n = 0, found = 0;
	if (!open_place(config, true, &p)) {
		return ERR_DENIED;
	}
	int e = quarantine_list(p.q.dir, &at, &n);
	uint64_t *numbers = e == 0 ? calloc(n + 1, sizeof(*numbers)) : NULL;
	e = e == 0 && !numbers ? ERR_NO_MEMORY : e;
	for (size_t i = 0; e == 0 && i < n; i++) {
		if (is_of(&p, &at[i], refusal)) {
			numbers[found++] = at[i].number;
		}
	}
	free(at);
	quarantine_place_done(&p);
	if (e == 0) {
		*ret_numbers = numbers;
		*ret_n = found;
	}
	return e;
}

void quarantine_place_done(struct quarantine_place *p)
{
	free(p->folder);
	free(p->state);
	if (p->q.dir >= 0) {
		close(p->q.dir);
	}
	quarantine_site_done(&p->site);
	*p = QUARANTINE_PLACE_NONE;
}

/* ---- One object ---- */

void quarantine_say_damaged(uint64_t number, int e)
{
	fprintf(stderr, "gantry quarantine: object %" PRIu64 " cannot be read: %s\n", number,
		e == ERR_DENIED   ? "it was changed, or kept with another key"
		: e == ERR_SYSTEM ? strerror(errno)
				  : "its file is damaged");
}

bool quarantine_item(const struct quarantine_place *p, uint64_t number, struct quarantine_item *ret_item,
	bool *ret_damaged)
{
	*ret_damaged = false;
	ret_item->file = QUARANTINE_FILE_NONE;
	int e = quarantine_find(p->q.dir, number, &ret_item->object);
	if (e != 0) {
		fprintf(stderr, "gantry quarantine: there is no object %" PRIu64 " in quarantine\n", number);
		return false;
	}
	e = quarantine_open(&p->q, &ret_item->object, &ret_item->file, &ret_item->state, &ret_item->facts);
	if (e != 0) {
		quarantine_say_damaged(number, e);
		*ret_damaged = true;
	}
	return e == 0;
}

bool quarantine_take(const struct quarantine_item *item)
{
	if (flock(item->file.fd, LOCK_EX | LOCK_NB) == 0) {
		return true;
	}
	fprintf(stderr,
		"gantry quarantine: object %" PRIu64 " is being delivered or deleted at this moment\n",
		item->object.number);
	return false;
}

/* ---- The record ---- */

/* Sub-verbs that take --unrecorded. */
static bool may_go_unrecorded(const char *act)
{
	return strcmp(act, "delete") == 0 || strcmp(act, "export") == 0;
}

static json_t *request_of(const char *act, const struct person *who, const struct quarantine_item *item)
{
	char host[256] = "localhost";
	const struct facts *f = &item->facts;
	json_t *o = json_object();
	const struct {
		const char *key, *text;
	} texts[] = {{"record", "quarantine"}, {"act", act}, {"name", who->name}, {"host", host},
		{"from", f->from}, {"calling", f->calling}, {"address", f->address}, {"subject", f->subject},
		{"certificate", f->certificate}, {"serial", f->serial}, {"issuer", f->issuer}, {"to", f->to},
		{"called", f->called}, {"patient_id", f->patient_id}, {"patient_name", f->patient_name},
		{"study", f->study}, {"sop_class", f->sop_class}, {"sop_instance", f->sop_instance}};
	(void)gethostname(host, sizeof(host) - 1);
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		(void)json_object_set_new(o, texts[i].key, json_string(texts[i].text));
	}
	(void)json_object_set_new(o, "uid", json_integer(who->uid));
	(void)json_object_set_new(o, "number", json_integer((json_int_t)item->object.number));
	(void)json_object_set_new(o, "refusal", json_integer((json_int_t)f->refusal));
	return o;
}

bool quarantine_record(const struct quarantine_place *p, bool unrecorded, const char *act,
	const struct person *who, const struct quarantine_item *item, json_t *more)
{
	json_t *o = request_of(act, who, item);
	if (more) {
		(void)json_object_update(o, more);
		json_decref(more);
	}
	const char *why = record_request(p->config, o);
	json_decref(o);
	/* Its log has a line all the same. */
	if (!why || (!p->has_audit && strcmp(why, record_no_trail) == 0)) {
		return true;
	}
	fprintf(stderr, "gantry quarantine: this could not be recorded: %s%s\n", why,
		unrecorded               ? ""
		: may_go_unrecorded(act) ? "; nothing was done. --unrecorded does it all the same"
					 : "; nothing was done");
	return unrecorded;
}

bool quarantine_agreed(bool yes, const char *question)
{
	char answer[16];
	if (yes) {
		return true;
	}
	printf("%s Type yes: ", question);
	(void)fflush(stdout);
	bool agreed = fgets(answer, sizeof(answer), stdin) && strcmp(answer, "yes\n") == 0;
	if (!agreed) {
		fputs("gantry quarantine: nothing was changed\n", stderr);
	}
	return agreed;
}

/* ---- For people ---- */

const struct facts_finding *quarantine_worst(const struct facts *f)
{
	const struct facts_finding *worst = NULL;
	for (unsigned i = 0; i < f->n_findings; i++) {
		if (!worst || f->finding[i].severity > worst->severity) {
			worst = &f->finding[i];
		}
	}
	return worst;
}

const char *quarantine_word(const struct quarantine_state *s)
{
	return s->released ? "released" : s->asked.has ? "asked for" : "waiting";
}

void quarantine_size(uint64_t n, char buf[24])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double v = (double)n;
	unsigned u = 0;
	while (v >= 1024 && u + 1 < ARRAY_LEN(units)) {
		v /= 1024;
		u++;
	}
	snprintf(buf, 24, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
}
