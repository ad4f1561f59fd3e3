/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media.h"
#include "cli/door.h"
#include "cli/options.h"
#include "cli/place.h"
#include "cli/verbs.h"
#include "dicom/charset.h"
#include "policy/decide.h"
#include "policy/nearest.h"
#include "policy/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry media import FOLDER|ISO|ZIP --to NODE [--flow NAME] [-c FILE]\n"
	"                    [--note TEXT] [--yes] [--json]\n"
	"\n"
	"Take in a patient's disc or stick: looks into every DICOM file, each in a\n"
	"sandboxed process of its own, leaves everything else unopened or unread, shows\n"
	"patients and studies, asks, and sends what passes to a node through the running\n"
	"gateway. Exit status: 0 all was sent, 1 something was refused, failed or is\n"
	"missing, 3 nothing was sent.\n"
	"\n"
	"      --to NODE      a node of the configuration that takes objects\n"
	"      --flow NAME    go by this flow to the node: with its titles, de-identified\n"
	"                     and signed as it has it. Not needed where no flow to the\n"
	"                     node changes objects (they go as they are), or only one\n"
	"                     flow brings any (they go by it)\n"
	"      --note TEXT    for the log and the audit trail; default: the disc as it\n"
	"                     was named here\n"
	"      --yes          do not ask\n"
	"      --json         one JSON document; without --yes nothing is sent\n"
	"  -c, --config FILE  the running gateway's; default: ./gantry.yaml, then\n"
	"                     /etc/gantry/gantry.yaml\n"
	"  -h, --help         print this\n"
	"\n"
	"`man gantry-media` says more.\n";

enum { EXIT_ALL, EXIT_SOME, EXIT_USAGE, EXIT_NOTHING };

#define SECONDS      60                     /* that a file may take */
#define SPOOL_MEMORY (512ull * 1024 * 1024) /* what more passes waits on the disk */

/* ---- Before the disc is read ---- */

static bool is_node(const struct site *s, const char *file, const char *name)
{
	struct nearest nearest = nearest_to(name);
	bool good = false;
	for (unsigned i = 0; !good && i < s->n_nodes; i++) {
		good = strcmp(s->nodes[i].name, name) == 0 && s->nodes[i].n_address > 0;
		if (s->nodes[i].n_address > 0) {
			nearest_offer(&nearest, s->nodes[i].name);
		}
	}
	if (!good) {
		fprintf(stderr, "gantry media import: %s has no node `%s` with an address", file, name);
		fprintf(stderr, nearest.best ? "; did you mean `%s`?\n" : "\n", nearest.best);
	}
	return good;
}

static bool is_way(const struct site *s, struct media *m)
{
	struct route route = {0};
	struct verdict v = {0};
	if (decide_import(s, m->to, m->by, &route, &v) != 0) {
		fprintf(stderr, "gantry media import: %s; nothing was sent\n", v.sentence);
		return false;
	}
	if (route.n_flows > 0) {
		const struct flow *f = &s->flows[route.flows[0]];
		snprintf(m->by, sizeof(m->by), "%s", f->name);
		m->deidentifies = f->deidentify != NULL;
		m->signs = f->sign.yes;
	}
	return true;
}

/* Where to, and by which flow. A configuration that cannot be read here is the gateway's to judge. */
static bool find_way(struct media *m, const char *file)
{
	struct site *s = NULL;
	struct mistakes found;
	const char *flow = m->flow ? m->flow : "";
	if (strlen(flow) >= sizeof(m->by)) {
		fputs("gantry media import: no flow has so long a name\n", stderr);
		return false;
	}
	snprintf(m->by, sizeof(m->by), "%s", flow);
	int err = site_load_settings(file, &s, &found);
	mistakes_done(&found);
	bool good = err || (is_node(s, file, m->to) && is_way(s, m));
	site_free(s);
	return good;
}

/* ---- What is sent ---- */

static bool ask(const struct media *m)
{
	char line[16];
	if (isatty(STDIN_FILENO) != 1) {
		fputs("gantry media import: nobody can be asked here, and nothing was sent: look at what is above, and say --yes\n",
			stderr);
		return false;
	}
	printf("\nSend %zu object%s to %s%s? [y/N] ", m->n_objects, m->n_objects == 1 ? "" : "s", m->to,
		media_made(m));
	(void)fflush(stdout);
	bool yes = fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
	if (!yes) {
		puts("nothing was sent");
	}
	return yes;
}

static int outcome(const struct media *m)
{
	bool whole = m->refused.n == 0 && m->missing.n == 0 && m->unread == 0 && !m->broken[0];
	return m->n_sent == 0 ? EXIT_NOTHING : m->n_sent < m->n_objects || !whole ? EXIT_SOME : EXIT_ALL;
}

static int send_all(struct media *m, const char *control, bool yes)
{
	if (!m->json) {
		media_show(m);
		(void)fflush(stdout);
	}
	if (m->n_objects > 0 && (m->json ? yes : yes || ask(m)) && media_send(m, control) && !m->json) {
		media_show_sent(m);
	}
	if (m->json) {
		json_t *o = media_json(m);
		(void)json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
	}
	return outcome(m);
}

static int import(struct media *m, const char *control, bool yes)
{
	char why[256];
	int err = sandbox_new(SANDBOX_KEYS, NULL, 0, &m->sandbox);
	err = err ? err : scrap_new(&m->spool, SPOOL_MEMORY);
	snprintf(why, sizeof(why), "%s", err_str(err));
	err = err ? err : media_take(m, why, sizeof(why));
	if (err == 0 && (media_compare(m) != 0 || media_sort(m) != 0)) {
		err = ERR_NO_MEMORY;
		snprintf(why, sizeof(why), "%s", err_str(err));
	}
	if (err) {
		fprintf(stderr, "gantry media import: %s: ", media_printed(m->source));
		fprintf(stderr, "%s; nothing was sent\n", media_printed(why));
		return EXIT_NOTHING;
	}
	return send_all(m, control, yes);
}

/* ---- The command line ---- */

/* What the gateway takes, between characters. */
static void cut_note(const char *from, char to[sizeof(((struct door *)0)->note)])
{
	struct charset utf8 = {.coding = CHARSET_UTF8};
	struct charset_text t;
	charset_to_utf8(
		&utf8, "ST", CHARSET_NO_BIDI, span_str(from), to, sizeof(((struct door *)0)->note), &t);
}

static int begin(struct media *m, const char *file, bool yes)
{
	char said[256];
	file = place_file("media", file);
	char *control = file && find_way(m, file) ? control_path(file) : NULL;
	if (!control) {
		return EXIT_NOTHING;
	}
	int code = EXIT_NOTHING;
	if (door_reach(control, said, sizeof(said)) != 0) {
		fprintf(stderr, "gantry media import: %s\n", said);
	} else {
		code = import(m, control, yes);
	}
	media_done(m);
	free(control);
	return code;
}

static int media_import(int argc, char **argv)
{
	static struct media m = {.spool = SCRAP_NONE, .seconds = SECONDS};
	static const char *file;
	static bool yes;
	static const struct option_row rows[] = {{"config", "FILE", 'c', .text = &file},
		{"to", "NODE", .text = &m.to, .needed = "a node of the configuration that takes objects"},
		{"flow", "FLOW", .text = &m.flow}, {"note", "TEXT", .text = &m.note, .may_be_empty = true},
		{"yes", .flag = &yes}, {"json", .flag = &m.json}, {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "FOLDER|ISO|ZIP"};
	static char note[sizeof(((struct door *)0)->note)];
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	m.source = o.at[0];
	cut_note(m.note ? m.note : m.source, note);
	m.note = note;
	m.progress = isatty(STDERR_FILENO) == 1;
	return begin(&m, file, yes);
}

int verb_media(int argc, char **argv)
{
	static const struct options_verb verbs[] = {
		{"import", media_import, "take in a patient's disc or stick, and send it to a node"},
		{"seal", media_seal, "write a disc or a mail that only its recipients can read"},
		{"open", media_open, "open such a disc or mail, verified, into a folder"},
	};
	static const struct options_verbs all = {.name = "gantry media",
		.about = "Discs, sticks and mails with DICOM files: those that come, and those that go.\n",
		.more = "`gantry media VERB --help` says more; so does `man gantry-media`.\n",
		.verbs = verbs,
		.n = ARRAY_LEN(verbs)};
	return options_run(&all, argc, argv);
}
