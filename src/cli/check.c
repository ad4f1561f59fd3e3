/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verbs.h"
#include "base/clock.h"
#include "keys/cert.h"
#include "policy/show.h"
#include "policy/site_parse.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAYS_SOON 30 /* a certificate that ends sooner is warned of */

static const char usage[] =
	"usage: gantry check [FILE] [-c FILE] [--json]\n"
	"       gantry check --defaults [--json]\n"
	"\n"
	"Finds every mistake of gantry.yaml in one pass: where it is, what it is, and the likely spelling; and looks\n"
	"at the certificates and keys that it names. Default FILE: ./gantry.yaml, then /etc/gantry/gantry.yaml.\n"
	"\n"
	"  --defaults   print every key with its default and what it is for\n"
	"  --json       for programs\n"
	"\n"
	"Exits with 0 when there is no error (warnings may be), 1 when there are errors, 2 for a wrong command line.\n";

struct check {
	const char *path;
	struct span yaml; /* for showing lines; may be empty */
	struct mistakes found;
	struct mistake_list later; /* of certificates */
	struct site *site;
	json_t *certificates;
};

static void say_days(struct check *c, const struct blob *b, const char *subject, int days)
{
	if (days < 0) {
		mistake_error(&c->later, b->line, b->column, "the certificate in %s (%s) expired %d days ago",
			b->path, subject, -days);
	} else if (days < DAYS_SOON) {
		mistake_warning(&c->later, b->line, b->column,
			"the certificate in %s (%s) expires in %d days", b->path, subject, days);
	}
	json_t *row = json_pack("{s:s,s:s?,s:i}", "file", b->path, "subject", subject, "days_left", days);
	(void)json_array_append_new(c->certificates, row ? row : json_null());
}

static void check_certificate(struct check *c, const struct blob *b)
{
	char subject[256] = "";
	int days, count;
	if (cert_count(b->bytes, &count) < 0 ||
		cert_days_left(b->bytes, clock_wall_ms() / 1000, &days, subject) < 0) {
		mistake_error(&c->later, b->line, b->column, "%s holds no certificate that can be read (PEM)",
			b->path);
		return;
	}
	say_days(c, b, subject, days);
}

static void check_key(struct check *c, const struct identity_files *f)
{
	int err = cert_key_matches(f->certificate.bytes, f->key.bytes);
	if (err == ERR_DENIED) {
		mistake_error(&c->later, f->key.line, f->key.column,
			"the key %s does not belong to the certificate %s", f->key.path, f->certificate.path);
	} else if (err < 0) {
		mistake_error(&c->later, f->key.line, f->key.column,
			"%s holds no private key that can be read (PEM)", f->key.path);
	}
}

static void check_files(struct check *c)
{
	for (unsigned i = 0; i < c->site->n_identities; i++) {
		check_certificate(c, &c->site->identities[i].certificate);
		check_key(c, &c->site->identities[i]);
	}
	for (unsigned i = 0; i < c->site->n_trust; i++) {
		check_certificate(c, &c->site->trust[i]);
	}
}

static void print_all(const struct check *c, const struct mistakes *m, bool errors)
{
	bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	for (unsigned i = errors ? 0 : m->n_errors; i < (errors ? m->n_errors : m->n); i++) {
		show_mistake(stdout, c->path, c->yaml, errors, &m->at[i], colour);
	}
}

static void print_sum(const struct check *c, unsigned errors, unsigned warnings)
{
	if (errors + warnings == 0) {
		printf("%s is in order: %u listeners, %u nodes, %u flows\n", c->path, c->site->n_listeners,
			c->site->n_nodes, c->site->n_flows);
		return;
	}
	printf("%s: %u error%s, %u warning%s\n", c->path, errors, errors == 1 ? "" : "s", warnings,
		warnings == 1 ? "" : "s");
}

static void add_json(json_t *list, const struct mistakes *m, bool errors)
{
	for (unsigned i = errors ? 0 : m->n_errors; i < (errors ? m->n_errors : m->n); i++) {
		json_t *row = json_pack("{s:s,s:i,s:i,s:s%}", "severity", errors ? "error" : "warning",
			"line", (int)m->at[i].line, "column", (int)m->at[i].column, "text", m->at[i].text,
			strlen(m->at[i].text));
		(void)json_array_append_new(list, row ? row : json_null());
	}
}

static int print_json(struct check *c, const struct mistakes *more, unsigned errors, unsigned warnings)
{
	json_t *list = json_array();
	add_json(list, &c->found, true);
	add_json(list, more, true);
	add_json(list, &c->found, false);
	add_json(list, more, false);
	json_t *o = json_pack("{s:s,s:i,s:i,s:o,s:O}", "file", c->path, "errors", (int)errors, "warnings",
		(int)warnings, "mistakes", list, "certificates", c->certificates);
	int bad = o ? json_dumpf(o, stdout, JSON_INDENT(2)) : -1;
	json_decref(o);
	putchar('\n');
	return bad;
}

static int run(struct check *c, bool json)
{
	struct mistakes more;
	struct region *r = region_new();
	unsigned mode;
	int err =
		r && mistakes_begin(&c->later) == 0 ? site_load(c->path, &c->site, &c->found) : ERR_NO_MEMORY;
	if (err == ERR_NO_MEMORY) {
		fprintf(stderr, "gantry check: %s\n", err_str(err));
		region_free(r);
		return 1;
	}
	if (file_read(r, c->path, &c->yaml, &mode) < 0) {
		c->yaml = span_of(NULL, 0); /* said by site_load() */
	}
	if (c->site) {
		check_files(c);
	}
	if (mistakes_end(&c->later, &more) < 0) {
		region_free(r);
		return 1;
	}
	unsigned errors = c->found.n_errors + more.n_errors, warnings = c->found.n + more.n - errors;
	if (json) {
		errors += print_json(c, &more, errors, warnings) != 0;
	} else {
		print_all(c, &c->found, true);
		print_all(c, &more, true);
		print_all(c, &c->found, false);
		print_all(c, &more, false);
		print_sum(c, errors, warnings);
	}
	mistakes_done(&more);
	region_free(r);
	return errors ? 1 : 0;
}

int verb_check(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
		{"defaults", no_argument, NULL, 'd'}, {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'}, {0}};
	struct check c = {0};
	bool defaults = false, json = false;
	int o;
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			c.path = optarg;
			break;
		case 'd':
			defaults = true;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind > 1 || (argc - optind == 1 && (c.path || defaults))) {
		fputs(usage, stderr);
		return 2;
	}
	if (defaults) {
		if (json) {
			return show_defaults_json(stdout) < 0;
		}
		show_defaults(stdout);
		return 0;
	}
	c.path = optind < argc ? argv[optind] : c.path ? c.path : site_default_path();
	c.certificates = json_array();
	int code = c.certificates ? run(&c, json) : 1;
	json_decref(c.certificates);
	mistakes_done(&c.found);
	site_free(c.site);
	return code;
}
