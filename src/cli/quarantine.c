/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "cli/quarantine.h"
#include "audit/spool.h"
#include "cli/place.h"
#include "cli/record.h"
#include "cli/verbs.h"
#include "inspect/check.h"
#include "policy/nearest.h"
#include "policy/site.h"
#include "policy/values.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{"list", quarantine_list_verb, "what is in quarantine"},
	{"show", quarantine_show_verb, "one object: why, from whom, when; or a copy of it for a specialist"},
	{"release", quarantine_release_verb,
		"ask that an object be delivered, or approve what another asked"},
	{"delete", quarantine_delete_verb, "remove objects for good"},
};

static void usage(FILE *to)
{
	fputs("usage: gantry quarantine VERB [ARGUMENTS]\n"
	      "\n"
	      "Objects that the gateway kept from where they were bound, as its inspection\n"
	      "found something in them. For root.\n"
	      "\n",
		to);
	for (unsigned i = 0; i < ARRAY_LEN(verbs); i++) {
		fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].help);
	}
	fputs("\n`gantry quarantine VERB --help` says more; so does `man gantry-quarantine`.\n", to);
}

int verb_quarantine(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return QUARANTINE_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return QUARANTINE_DONE;
	}
	struct nearest nearest = nearest_to(argv[1]);
	for (unsigned i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0) {
			char name[48];
			snprintf(name, sizeof(name), "gantry quarantine %s", verbs[i].name);
			argv[1] = name;
			return verbs[i].run(argc - 1, argv + 1);
		}
		nearest_offer(&nearest, verbs[i].name);
	}
	fprintf(stderr, "gantry quarantine: there is no verb `%s`", argv[1]);
	if (nearest.best) {
		fprintf(stderr, ": is `%s` meant?", nearest.best);
	}
	fputs("\n\n", stderr);
	usage(stderr);
	return QUARANTINE_USAGE;
}

/* ---- The command line ---- */

static const struct option all_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"help", no_argument, NULL, 'h'},
	{"json", no_argument, NULL, 'j'},
	{"all", no_argument, NULL, 'a'},
	{"findings", no_argument, NULL, 'f'},
	{"export", required_argument, NULL, 'e'},
	{"yes", no_argument, NULL, 'y'},
	{"reason", required_argument, NULL, 'r'},
	{"unrecorded", no_argument, NULL, 'u'},
	{"withdraw", no_argument, NULL, 'w'},
	{NULL, 0, NULL, 0},
};

static bool take_option(struct quarantine_options *o, int c)
{
	switch (c) {
	case 'c':
		o->config = optarg;
		break;
	case 'j':
		o->json = true;
		break;
	case 'a':
		o->all = true;
		break;
	case 'f':
		o->findings = true;
		break;
	case 'e':
		o->export = optarg;
		break;
	case 'y':
		o->yes = true;
		break;
	case 'r':
		o->reason = optarg;
		break;
	case 'u':
		o->unrecorded = true;
		break;
	default:
		o->withdraw = true;
		break;
	}
	return true;
}

static bool take_numbers(struct quarantine_options *o, int argc, char **argv, size_t least, size_t most)
{
	o->n = (size_t)(argc - optind);
	if (o->n < least || o->n > most) {
		fprintf(stderr, "%s: %s\n", argv[0],
			most == 0   ? "there is nothing to name"
			: most == 1 ? "name one object by its number"
				    : "name objects by their numbers");
		return false;
	}
	o->numbers = calloc(o->n + 1, sizeof(*o->numbers));
	for (size_t i = 0; o->numbers && i < o->n; i++) {
		const char *text = argv[optind + (int)i];
		if (value_number(text, INT64_MAX, &o->numbers[i]) != 0 || o->numbers[i] == 0) {
			fprintf(stderr, "%s: `%s` is no number of an object\n", argv[0], text);
			return false;
		}
	}
	return o->numbers != NULL;
}

bool quarantine_options(int argc, char **argv, const char *usage_text, const char *letters, size_t least,
	size_t most, struct quarantine_options *ret, int *ret_code)
{
	int c, which = 0;
	*ret = (struct quarantine_options){0};
	*ret_code = QUARANTINE_USAGE;
	while ((c = getopt_long(argc, argv, "c:h", all_options, &which)) != -1) {
		if (c == 'h') {
			fputs(usage_text, stdout);
			*ret_code = QUARANTINE_DONE;
			return false;
		}
		if (c == '?') {
			options_usage(usage_text);
			return false;
		}
		if (c != 'c' && !strchr(letters, c)) {
			fprintf(stderr, "%s: --%s is not taken here\n", argv[0], all_options[which].name);
			options_usage(usage_text);
			return false;
		}
		(void)take_option(ret, c);
	}
	if (!take_numbers(ret, argc, argv, least, most)) {
		quarantine_options_done(ret);
		options_usage(usage_text);
		return false;
	}
	return true;
}

void quarantine_options_done(struct quarantine_options *o)
{
	free(o->numbers);
	o->numbers = NULL;
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
