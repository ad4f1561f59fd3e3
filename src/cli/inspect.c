/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image.h"
#include "cli/inspect_job.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "antivirus/probe.h"
#include "base/clock.h"
#include "policy/values.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry inspect [--json] [--quiet] [--least note|warning|danger]\n"
	"                      [--jobs N] [--seconds N] [--antivirus SOCKET]\n"
	"                      FILE|FOLDER|IMAGE...\n"
	"\n"
	"Looks into DICOM files, and all files in folders and in images of discs (ISO,\n"
	"UDF, ZIP), for what should not be there: broken structure, pixel data that its\n"
	"description does not suit, programs, scripts and archives, text that viewers\n"
	"run. A process of its own looks at each, in a sandbox. Links are not followed.\n"
	"Exit status: 0 nothing worse than a note, 1 warnings or dangers, 3 a file could\n"
	"not be read.\n"
	"\n"
	"  --json       one JSON object a file and line\n"
	"  --quiet      the exit status alone\n"
	"  --least      what is shown: notes and above (the default), warnings and above,\n"
	"               dangers alone\n"
	"  --jobs N     files at once (default: as many as there are processors)\n"
	"  --seconds N  of the processor that a file may take (default 60); ten times\n"
	"               as long by the clock\n"
	"  --antivirus SOCKET  also show each file, and what is in it, to the virus\n"
	"                      scanner clamd\n"
	"\n"
	"`man gantry-inspect` says more; docs/refused-object.md explains each finding.\n";

enum { EXIT_GOOD, EXIT_FOUND, EXIT_USAGE, EXIT_UNREADABLE };

#define JOBS_MOST       64
#define SECONDS_DEFAULT 60

struct file {
	char *path;
	bool named; /* on the command line: it may be an image of a disc */
};

struct slot {
	char *name;
	bool over;
	struct inspect_job job;
};

struct inspecting {
	bool json, quiet, colour, progress;
	unsigned least; /* enum inspect_severity */
	uint64_t n_jobs, seconds;
	struct file *files;
	size_t n_files, n_started;
	struct image *image; /* that is being read; NULL: none */
	int image_fd;
	const char *image_path;
	bool had_image;
	size_t n_found, n_done; /* files that are looked at, members of images among them */
	struct sandbox *sandbox;
	struct clamd clamd;     /* socket NULL: none */
	uint64_t largest, most; /* of the files, in bytes; of what clamd looks at */
	struct slot *slots;     /* in a ring, in the order of the files */
	unsigned first, n_slots;
	size_t by_severity[INSPECT_SEVERITIES]; /* files, by their worst */
	bool unreadable;
};

/* ---- Which files ---- */

/* A name made safe for a terminal. */
static const char *printed(const char *path)
{
	static char text[3 * 4096];
	struct charset utf8 = {.coding = CHARSET_UTF8};
	struct charset_text t;
	charset_to_utf8(&utf8, "ST", CHARSET_NO_BIDI, span_str(path), text, sizeof(text), &t);
	return text;
}

static void clear_progress(const struct inspecting *v)
{
	if (v->progress) {
		fputs("\r\033[K", stderr);
	}
}

static void unreadable(struct inspecting *v, const char *path, const char *why)
{
	clear_progress(v);
	fprintf(stderr, "gantry inspect: %s: %s\n", printed(path), why);
	v->unreadable = true;
}

static int add_file(struct inspecting *v, const char *path, bool named)
{
	if ((v->n_files & (v->n_files - 1)) == 0) {
		struct file *more = realloc(v->files, (v->n_files ? 2 * v->n_files : 1) * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		v->files = more;
	}
	struct file *f = &v->files[v->n_files];
	*f = (struct file){.path = strdup(path), .named = named};
	return f->path ? (v->n_files++, 0) : ERR_NO_MEMORY;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int take_entry(struct inspecting *v, const FTSENT *e)
{
	switch (e->fts_info) {
	case FTS_F:
		v->largest = (uint64_t)e->fts_statp->st_size > v->largest ? (uint64_t)e->fts_statp->st_size
		                                                          : v->largest;
		return add_file(v, e->fts_path, e->fts_level == FTS_ROOTLEVEL);
	case FTS_D:
	case FTS_DP:
	case FTS_DOT:
		return 0;
	case FTS_SL:
	case FTS_SLNONE:
	case FTS_DEFAULT:
	case FTS_DC:
		if (e->fts_level == FTS_ROOTLEVEL) {
			unreadable(v, e->fts_path, "it is no plain file");
			return 0;
		}
		fprintf(stderr, "gantry inspect: %s: skipped, as it is no plain file\n",
			printed(e->fts_path));
		return 0;
	default:
		unreadable(v, e->fts_path, strerror(e->fts_errno));
		return 0;
	}
}

/* In the order of their names. What is named on the command line may be a link. */
static int walk(struct inspecting *v, char **names)
{
	FTS *fts = fts_open(names, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	FTSENT *e;
	int err = fts ? 0 : ERR_SYSTEM;
	while (err == 0 && (e = fts_read(fts))) {
		err = take_entry(v, e);
	}
	if (fts) {
		fts_close(fts);
	}
	return err;
}

/* ---- What is said of one ---- */

static const char *const colours[] = {"\033[2m", "\033[33m", "\033[31m"};

static void tell_finding(const struct inspecting *v, const struct inspect_finding *f)
{
	const struct inspect_check_row *row = inspect_check_row((enum inspect_check)f->check);
	char path[INSPECT_PATH];
	inspect_path(f, path);
	printf("  %s%-7s%s %s: %s\n", v->colour ? colours[row->severity] : "",
		inspect_severity_name(row->severity), v->colour ? "\033[0m" : "", row->name, row->sentence);
	printf("          %s%sbyte %" PRIu64 "%s%s\n", path, path[0] ? ", " : "", f->offset,
		f->excerpt[0] ? ": " : "", f->excerpt);
}

static void tell(const struct inspecting *v, const char *path, const struct inspect *i)
{
	bool named = false;
	for (unsigned k = 0; k < i->n_findings; k++) {
		const struct inspect_finding *f = &i->findings[k];
		if (inspect_check_row((enum inspect_check)f->check)->severity < v->least) {
			continue;
		}
		if (!named) {
			puts(printed(path));
			named = true;
		}
		tell_finding(v, f);
	}
	for (unsigned c = 0; c < CHECK_N; c++) {
		const struct inspect_check_row *row = inspect_check_row((enum inspect_check)c);
		if (i->counts[c] > INSPECT_OF_EACH && row->severity >= v->least) {
			printf("          %s %u times in all\n", row->name, i->counts[c]);
		}
	}
}

static json_t *finding_json(const struct inspect_finding *f)
{
	const struct inspect_check_row *row = inspect_check_row((enum inspect_check)f->check);
	char path[INSPECT_PATH];
	inspect_path(f, path);
	return json_pack("{s:s,s:i,s:s,s:s,s:I,s:s,s:s,s:s}", "check", row->name, "number", (int)row->number,
		"severity", inspect_severity_name(row->severity), "path", path, "offset",
		(json_int_t)f->offset, "excerpt", f->excerpt, "sentence", row->sentence, "action",
		row->action);
}

/* Who removes what was refused must not remove another file in its place. */
static const char *hex(const char *path)
{
	static char text[2 * 4096 + 1];
	size_t n = 0;
	for (; n < 4096 && path[n]; n++) {
		snprintf(text + 2 * n, 3, "%02x", (unsigned char)path[n]);
	}
	text[2 * n] = '\0';
	return text;
}

static void tell_json(const struct inspecting *v, const char *path, const struct inspect *i)
{
	int worst = inspect_worst(i);
	struct inspect_policy policy = inspect_policy_default();
	json_t *findings = json_array(), *counts = json_object();
	for (unsigned k = 0; k < i->n_findings; k++) {
		if (inspect_check_row((enum inspect_check)i->findings[k].check)->severity >= v->least) {
			json_array_append_new(findings, finding_json(&i->findings[k]));
		}
	}
	for (unsigned c = 0; c < CHECK_N; c++) {
		if (i->counts[c] > 0) {
			json_object_set_new(counts, inspect_check_row((enum inspect_check)c)->name,
				json_integer(i->counts[c]));
		}
	}
	json_t *name = json_string(path); /* NULL: no UTF-8 */
	json_t *o = json_pack("{s:o,s:s*,s:I,s:s,s:s,s:o,s:o,s:{s:s,s:s,s:s,s:s,s:s}}", "file",
		name ? name : json_string(printed(path)), "file_hex", name ? NULL : hex(path), "bytes",
		(json_int_t)i->facts.bytes, "worst",
		worst < 0 ? "nothing" : inspect_severity_name((enum inspect_severity)worst), "verdict",
		inspect_action_name(inspect_judge(i, &policy).action), "findings", findings, "counts", counts,
		"facts", "modality", i->facts.modality, "body_part", i->facts.body_part, "burned_in",
		i->facts.burned_in, "sop_class", i->facts.sop_class, "sop_instance", i->facts.sop_instance);
	if (o) {
		(void)json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
	}
	json_decref(o);
}

/* How many files an image has is known when it has been read. */
static void show_progress(const struct inspecting *v)
{
	if (v->had_image) {
		size_t whole = v->n_started - (v->image ? 1 : 0);
		unsigned part = v->image ? image_progress(v->image) : 0;
		fprintf(stderr, "\r%zu file%s, %zu %%", v->n_done, v->n_done == 1 ? "" : "s",
			(whole * 1000 + part) / (v->n_files * 10));
	} else {
		fprintf(stderr, "\r%zu of %zu files, %zu %%", v->n_done, v->n_files,
			v->n_done * 100 / v->n_files);
	}
}

static void report(struct inspecting *v, const struct slot *s)
{
	int worst = inspect_worst(&s->job.said);
	v->n_done++;
	if (s->job.unreadable) {
		unreadable(v, s->name, strerror(s->job.unreadable));
		return;
	}
	if (worst >= 0) {
		v->by_severity[worst]++;
	}
	if (v->quiet) {
		return;
	}
	clear_progress(v);
	if (v->json) {
		tell_json(v, s->name, &s->job.said);
	} else {
		tell(v, s->name, &s->job.said);
	}
	if (v->progress) {
		(void)fflush(stdout);
		show_progress(v);
	}
}

/* ---- All of them ---- */

/* Only what is a plain file still: it may have been replaced since it was found. */
static int open_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

static int start_job(struct inspecting *v, const char *folder, const char *name, int fd)
{
	struct slot *s = &v->slots[(v->first + v->n_slots) % v->n_jobs];
	s->over = false;
	if (asprintf(&s->name, "%s%s%s", folder, folder[0] ? "/" : "", name) < 0) {
		return ERR_NO_MEMORY;
	}
	const struct inspect_how how = {.sandbox = v->sandbox,
		.seconds = v->seconds,
		.clamd = v->clamd.socket ? &v->clamd : NULL,
		.most = v->most};
	int err = inspect_job_start(&s->job, &how, fd);
	if (err) {
		free(s->name);
		return err;
	}
	v->n_found++;
	v->n_slots++;
	return 0;
}

static int start_image(struct inspecting *v, const char *path, int fd)
{
	char why[192];
	const struct image_how how = {.seconds = v->seconds};
	v->had_image = true;
	if (image_open(fd, &how, &v->image, why, sizeof(why)) != 0) {
		unreadable(v, path, why);
		close(fd);
		return 0;
	}
	v->image_fd = fd;
	v->image_path = path;
	return 0;
}

static int start_file(struct inspecting *v)
{
	const struct file *f = &v->files[v->n_started++];
	int fd = open_file(f->path);
	enum image_kind kind = fd >= 0 ? image_kind_of(fd) : IMAGE_NONE;
	if (kind != IMAGE_NONE && f->named) {
		return start_image(v, f->path, fd);
	}
	if (kind != IMAGE_NONE) {
		clear_progress(v);
		fprintf(stderr,
			"gantry inspect: %s: looked at as one file; to have what is in this image looked at, name it\n",
			printed(f->path));
	}
	if (fd < 0) {
		unreadable(v, f->path, strerror(errno));
		v->n_found++;
		v->n_done++;
	}
	int err = fd < 0 ? 0 : start_job(v, "", f->path, fd);
	if (fd >= 0) {
		close(fd);
	}
	return err;
}

static void end_image(struct inspecting *v)
{
	if (v->image) {
		image_close(v->image);
		close(v->image_fd);
		v->image = NULL;
	}
}

/* A member that has no bytes to look at. */
static void skip_member(struct inspecting *v, const struct image_member *m)
{
	static const char *const why[IMAGE_WHATS] = {[IMAGE_LINK] = "it is a link",
		[IMAGE_AGAIN] = "it is another name of a file that was looked at",
		[IMAGE_SPECIAL] = "it is no plain file",
		[IMAGE_OUTSIDE] = "its name leads out of the disc",
		[IMAGE_LOCKED] = "it is encrypted",
		[IMAGE_PACKED] = "it is compressed in a way that is not read"};
	bool harmless = m->what == IMAGE_LINK || m->what == IMAGE_AGAIN || m->what == IMAGE_SPECIAL;
	clear_progress(v);
	fprintf(stderr, "gantry inspect: %s/", printed(v->image_path));
	fprintf(stderr, "%s: skipped, as %s\n", printed(m->name), m->bad ? m->why : why[m->what]);
	v->unreadable = v->unreadable || !harmless;
}

static int start_member(struct inspecting *v)
{
	struct image_member m;
	int more = image_next(v->image, &m);
	if (more <= 0) {
		if (more < 0) {
			unreadable(v, v->image_path, image_why(v->image));
		}
		end_image(v);
		return 0;
	}
	if (m.bytes.fd < 0) {
		skip_member(v, &m);
		return 0;
	}
	int err = start_job(v, v->image_path, m.name, m.bytes.fd);
	scrap_done(&m.bytes);
	return err;
}

static int start(struct inspecting *v)
{
	int err = 0;
	while (err == 0 && v->n_slots < v->n_jobs && (v->image || v->n_started < v->n_files)) {
		err = v->image ? start_member(v) : start_file(v);
	}
	return err;
}

static void wait_for_some(struct inspecting *v)
{
	struct pollfd fds[JOBS_MOST];
	int64_t now = clock_mono_ms(), least = INT32_MAX;
	for (unsigned k = 0; k < v->n_slots; k++) {
		const struct slot *s = &v->slots[(v->first + k) % v->n_jobs];
		fds[k] = (struct pollfd){.fd = s->over ? -1 : s->job.fd, .events = POLLIN};
		int64_t left = s->job.deadline_ms > now ? s->job.deadline_ms - now : 0;
		least = !s->over && left < least ? left : least;
	}
	(void)poll(fds, v->n_slots, (int)least);
	now = clock_mono_ms();
	for (unsigned k = 0; k < v->n_slots; k++) {
		struct slot *s = &v->slots[(v->first + k) % v->n_jobs];
		if (!s->over) {
			s->over = inspect_job_go_on(&s->job, now);
		}
	}
}

static int run(struct inspecting *v)
{
	int err = sandbox_new(v->clamd.socket ? SANDBOX_SCAN : SANDBOX_KEYS, NULL, 0, &v->sandbox);
	v->slots = calloc(v->n_jobs, sizeof(*v->slots));
	err = err == 0 && !v->slots ? ERR_NO_MEMORY : err;
	while (err == 0 && (err = start(v)) == 0 && v->n_slots > 0) {
		wait_for_some(v);
		while (v->n_slots > 0 && v->slots[v->first].over) {
			report(v, &v->slots[v->first]);
			free(v->slots[v->first].name);
			v->first = (v->first + 1) % v->n_jobs;
			v->n_slots--;
		}
	}
	end_image(v);
	clear_progress(v);
	if (err) {
		fprintf(stderr, "gantry inspect: %s\n", err == ERR_SYSTEM ? strerror(errno) : err_str(err));
	}
	return err;
}

static int outcome(const struct inspecting *v, int err)
{
	bool bad = v->by_severity[INSPECT_WARNING] + v->by_severity[INSPECT_DANGER] > 0;
	if (!v->quiet && !v->json && err == 0) {
		printf("%zu %s: %zu with dangers, %zu with warnings, %zu with notes alone\n", v->n_found,
			v->n_found == 1 ? "file" : "files", v->by_severity[INSPECT_DANGER],
			v->by_severity[INSPECT_WARNING], v->by_severity[INSPECT_NOTE]);
	}
	bool told = fflush(stdout) == 0 && !ferror(stdout); /* main() says that it was not */
	return err || v->unreadable || !told ? EXIT_UNREADABLE : bad ? EXIT_FOUND : EXIT_GOOD;
}

/* ---- The virus scanner ---- */

#define PROBE_LEAST (1024ull * 1024)
#define PROBE_MOST  (256ull * 1024 * 1024)

/* Nothing is said of any file by one that does not find what it must. */
static int try_clamd(struct inspecting *v)
{
	struct probe p;
	if (!v->clamd.socket) {
		return 0;
	}
	v->clamd.timeout_ms = (int64_t)v->seconds * 800;
	uint64_t want = v->largest < PROBE_LEAST ? PROBE_LEAST : v->largest;
	probe_long(&v->clamd, want < PROBE_MOST ? want : PROBE_MOST, &p);
	v->most = p.most;
	if (!p.good || p.why[0]) {
		fprintf(stderr, "gantry inspect: %s\n", p.why);
	}
	return p.good ? 0 : ERR_NOT_FOUND;
}

/* ---- The command line ---- */

static const struct word severities[] = {
	{"note", INSPECT_NOTE}, {"warning", INSPECT_WARNING}, {"danger", INSPECT_DANGER}, {0}};

int verb_inspect(int argc, char **argv)
{
	static struct inspecting v = {.seconds = SECONDS_DEFAULT};
	static const struct option_row rows[] = {{"json", .flag = &v.json}, {"quiet", .flag = &v.quiet},
		{"least", "SEVERITY", .bits = &v.least, .words = severities},
		{"jobs", "N", .number = &v.n_jobs, .least = 1, .most = JOBS_MOST},
		{"seconds", "N", .number = &v.seconds, .least = 1, .most = 86400},
		{"antivirus", "SOCKET", .text = &v.clamd.socket}, {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "FILE|FOLDER|IMAGE..."};
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	v.n_jobs = processors < 1 ? 1 : processors > JOBS_MOST ? JOBS_MOST : (uint64_t)processors;
	int usual;
	if (!options_read(&o, argc, argv, &usual)) {
		return usual;
	}
	v.colour = isatty(STDOUT_FILENO) == 1;
	v.progress = isatty(STDERR_FILENO) == 1 && !v.quiet;
	int err = walk(&v, o.at);
	int scanner = err ? 0 : try_clamd(&v);
	err = err || scanner ? err : run(&v);
	int code = scanner ? EXIT_UNREADABLE : outcome(&v, err);
	for (size_t k = 0; k < v.n_files; k++) {
		free(v.files[k].path);
	}
	free(v.files);
	free(v.slots);
	sandbox_free(v.sandbox);
	return code;
}
