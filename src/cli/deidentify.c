/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify.h"

#include "cli/deidentify_lanes.h"
#include "cli/deidentify_place.h"
#include "cli/object_job.h"
#include "cli/options.h"
#include "cli/tree.h"
#include "cli/verbs.h"
#include "policy/deidentify.h"
#include "policy/values.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry deidentify --key FILE [OPTION]... IN OUT\n"
	"       gantry deidentify --new-key FILE\n"
	"\n"
	"Makes de-identified copies of DICOM files by the Basic Profile of PS3.15 Annex\n"
	"E. IN: a file or a folder; OUT: a folder, which is made. The copies are named by\n"
	"their new UIDs. Each is searched for what was removed. A file that cannot be\n"
	"made safe is named, and there is no copy of it. The same key makes the same\n"
	"pseudonyms and UIDs, today and in years.\n"
	"\n"
	"  --key FILE            the secret that pseudonyms are made with; --new-key\n"
	"                        makes one\n"
	"  --dates HOW           remove (the default), shift (each patient's by days of\n"
	"                        its own), keep\n"
	"  --retain WHAT         uids, device, institution, patient (sex, age, size,\n"
	"                        weight), safe-private; several with commas\n"
	"  --clean WHAT          descriptors, structured-content, graphics: keep what is\n"
	"                        known to be harmless of it\n"
	"  --clean-pixels        blank what is burned into pixels, by rules; what may\n"
	"                        have some and has no rule is not copied\n"
	"  --pixel-rules FILE    rules of the site for that, as YAML\n"
	"  --clean-features      copy only images of which such a rule says that nobody\n"
	"                        can be recognized in what is left\n"
	"  --burned-in keep      copy objects too that say they have burned in annotation\n"
	"  --videos keep         copy videos with their sound, titles and the like, which\n"
	"                        otherwise go\n"
	"  --documents replace   copy encapsulated documents too, without the document\n"
	"  --leftovers keep      name what is left over, and keep the copy\n"
	"  --manifest FILE       what was done to which element of which file, as CSV; it\n"
	"                        names the files that were read\n"
	"  --originals-to CERT   put what was removed or replaced into the copy,\n"
	"                        encrypted to a certificate (PEM, RSA); repeatable\n"
	"  --into-existing       OUT may have something in it\n"
	"  --isolate             a process for each file; otherwise one for files of a\n"
	"                        folder, which is faster\n"
	"  --jobs N              processes at once (default: as there are processors)\n"
	"  --json                one JSON object a file and line\n"
	"\n"
	"Exit status: 0 all were copied; 1 some were not, and are named; 2 wrong usage; 3\n"
	"nothing could be done.\n";

#define BIG                                                                                                  \
	(32u << 20) /* bytes for each process: then files are given to them in smaller batches, so that all have some */

struct verb {
	struct deidentify_how how;
	struct deidentify_pixels pixels;
	const char *key, *new_key, *manifest_path, *in, *out;
	bool json, progress;
	FILE *manifest;
	struct sandbox *sandbox;
	size_t n_done, n_files, n_good, n_failed, n_left_alone;
	bool folder;
	uint64_t n_jobs; /* 0: as many as there are processors */
	struct deidentify_lanes *lanes;
	struct deidentify_place place;
	bool isolate, into_existing;
	bool made_out, made_manifest; /* by us, in this run */
	const char *originals_to[ATTRIBUTES_RECIPIENTS_MOST];
};

/* ---- One file ---- */

static void tell(
	struct verb *v, const struct deidentify_said *s, const char *name, const char *copy, const char *why)
{
	if (v->json) {
		deidentify_tell_json(s, name, copy, why);
	} else if (why) {
		fprintf(stderr, "%s%s: %s\n", v->progress ? "\r\033[K" : "", deidentify_printed(name), why);
	}
}

/* ---- What became of them ---- */

static void finish(struct verb *v, const char *name, unsigned place_of_part, struct deidentify_became *b)
{
	char copy[4 * (UID_MAX + 8)] = "", part[DEIDENTIFY_PART_SIZE];
	struct deidentify_said *s = &b->said;
	const char *no;
	bool good = s->outcome == OUTCOME_GOOD || (s->outcome == OUTCOME_LEFTOVER && v->how.keep_leftovers);
	const char *why = s->outcome == OUTCOME_PIXELS ? b->why : deidentify_sentence(s, v->pixels.on);
	why = !why && b->why[0] ? b->why : why;
	deidentify_part(place_of_part, part);
	if (good && (no = deidentify_place_put(
			     &v->place, s, part, v->how.n_recipients > 0, copy, sizeof(copy)))) {
		why = no;
		s->outcome = OUTCOME_NOT_WRITTEN;
		good = false;
	}
	if (b->has_part && !good) {
		(void)unlinkat(v->place.out_fd, part, 0);
	}
	bool alone = s->outcome == OUTCOME_DIRECTORY || (v->folder && s->outcome == OUTCOME_NOT_DICOM);
	v->n_good += good;
	v->n_left_alone += alone;
	v->n_failed += !good && !alone;
	tell(v, s, name, good ? copy : NULL, why);
	if (good && v->manifest) {
		deidentify_tell_manifest(v->manifest, s, name, copy);
	}
}

static void finish_task(struct verb *v, const struct tree *t, const struct deidentify_task *task,
	struct deidentify_became *became)
{
	for (unsigned i = 0; i < task->n; i++) {
		const struct tree_entry *e = &t->entries[task->first + i];
		v->n_done += e->what == TREE_FILE;
		if (became[i].unopened) {
			v->n_failed++;
			deidentify_complain(e->path,
				e->what == TREE_FILE ? strerror(became[i].unopened) : "it is no plain file");
		} else {
			finish(v, e->path, task->place + i, &became[i]);
		}
	}
	if (v->progress && v->n_files > 0) {
		fprintf(stderr, "\r%zu of %zu files, %zu %%", v->n_done, v->n_files,
			v->n_done * 100 / v->n_files);
	}
}

/* ---- All ---- */

static unsigned processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	return n < 1 ? 1 : n > DEIDENTIFY_LANES ? DEIDENTIFY_LANES : (unsigned)n;
}

/* How many files are given at once, to how many processes. */
static unsigned share(const struct verb *v, const struct tree *t, unsigned *ret_lanes)
{
	const size_t most = v->n_jobs ? v->n_jobs : processors();
	size_t batch = DEIDENTIFY_BATCH;
	uint64_t bytes = 0;
	for (size_t i = 0; i < t->n; i++) {
		bytes += t->entries[i].size;
	}
	if (v->isolate || v->pixels.on) {
		batch = 1; /* and pixels that were cleaned are held in memory */
	} else if (t->n < 2 * most * batch && bytes >= most * BIG) {
		batch = t->n / (2 * most) > 0 ? t->n / (2 * most) : 1;
	}
	size_t n_batches = (t->n + batch - 1) / batch;
	*ret_lanes = (unsigned)(n_batches < most ? n_batches : most);
	return (unsigned)batch;
}

/* What comes next: of one folder, as a process is not given files of others. n is 0: nothing does. */
static struct deidentify_task task_of(const struct tree *t, size_t first, unsigned batch)
{
	struct deidentify_task task = {.first = first};
	while (task.n < batch && first + task.n < t->n &&
		(task.n == 0 ||
			deidentify_same_folder(t->entries[first].path, t->entries[first + task.n].path))) {
		task.n++;
	}
	return task;
}

/* False: no process could be started, or no more of them. */
static bool walk(struct verb *v, const struct tree *t, unsigned batch)
{
	struct deidentify_task next = task_of(t, 0, batch), task;
	struct deidentify_became *became = NULL;
	do {
		while (next.n > 0 && deidentify_lanes_give(v->lanes, next)) {
			next = task_of(t, next.first + next.n, batch);
		}
		became = deidentify_lanes_take(v->lanes, &task);
		if (became) {
			finish_task(v, t, &task, became);
		}
	} while (became);
	return next.n == 0;
}

static bool do_all(struct verb *v, const struct tree *t, int in)
{
	unsigned n;
	const unsigned batch = share(v, t, &n);
	const struct deidentify_hands hands = {
		.files = t, .in = in, .out_fd = v->place.out_fd, .pixels = &v->pixels, .isolate = v->isolate};
	for (size_t i = 0; i < t->n; i++) {
		v->n_files += t->entries[i].what == TREE_FILE;
	}
	bool good =
		t->n == 0 || (deidentify_lanes_new(&hands, &v->how, n, &v->lanes) == 0 && walk(v, t, batch));
	deidentify_lanes_free(v->lanes);
	return good;
}

static int go_through(struct verb *v, int in)
{
	struct stat st;
	struct tree t = TREE_NONE;
	struct tree_entry one = {.path = (char *)(uintptr_t)v->in, .what = TREE_FILE};
	bool good;
	v->folder = fstat(in, &st) == 0 && S_ISDIR(st.st_mode);
	if (v->folder) {
		int e = tree_walk(&t, in);
		if (e < 0) {
			return deidentify_complain(v->in, err_str(e));
		}
		if (t.n == 0) {
			tree_done(&t);
			return deidentify_complain(v->in, "there is no DICOM file in it");
		}
		good = do_all(v, &t, in);
		tree_done(&t);
	} else {
		t.entries = &one;
		t.n = 1;
		good = do_all(v, &t, in);
	}
	if (!good) {
		v->n_failed++;
		deidentify_complain(v->in, "not all was done: no process could be started");
	}
	if (v->progress) {
		fputs("\r\033[K", stderr);
	}
	if (!v->json) {
		printf("%zu copied to %s, %zu not, %zu left alone\n", v->n_good, deidentify_printed(v->out),
			v->n_failed, v->n_left_alone);
	}
	return v->n_failed > 0 || v->n_good == 0 ? EXIT_SOME : EXIT_GOOD;
}

/* But for what is left of a run that was killed, which is removed. */
static bool is_empty(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	bool empty = d != NULL;
	const struct dirent *e;
	while (d && (e = readdir(d))) {
		bool is_part = strncmp(e->d_name, DEIDENTIFY_PART, sizeof(DEIDENTIFY_PART) - 1) == 0;
		if (is_part) {
			(void)unlinkat(folder, e->d_name, 0);
		}
		empty = empty && (is_part || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
	}
	if (d) {
		closedir(d);
	} else if (fd >= 0) {
		close(fd);
	}
	return empty;
}

/* OUT is IN, or below it. */
static bool is_within(const char *in, const char *out)
{
	char *above = realpath(in, NULL), *below = realpath(out, NULL);
	size_t n = above ? strlen(above) : 0;
	bool is = n > 0 && below && strncmp(above, below, n) == 0 &&
	          (below[n] == '/' || below[n] == '\0' || n == 1);
	free(above);
	free(below);
	return is;
}

static int open_out(struct verb *v)
{
	v->made_out = mkdir(v->out, 0750) == 0;
	if (!v->made_out && errno != EEXIST) {
		return deidentify_complain(v->out, strerror(errno));
	}
	v->place.out_fd = open(v->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->place.out_fd < 0) {
		return deidentify_complain(v->out, strerror(errno));
	}
	if (!v->made_out && !is_empty(v->place.out_fd) && !v->into_existing) {
		return deidentify_complain(v->out,
			"there is something in it: name a new folder, or say --into-existing to add to it");
	}
	if (is_within(v->in, v->out)) {
		return deidentify_complain(v->out, "it is IN, or in it: copies would be copied again");
	}
	return EXIT_GOOD;
}

static int open_manifest(struct verb *v)
{
	int fd = open(v->manifest_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	v->made_manifest = fd >= 0;
	v->manifest = fd < 0 ? NULL : fdopen(fd, "w");
	if (!v->manifest) {
		return deidentify_complain(v->manifest_path,
			errno == EEXIST ? "it is there already: name a new file" : strerror(errno));
	}
	deidentify_lanes_end_clean(v->place.out_fd, deidentify_printed(v->out), v->manifest_path);
	fputs("file,copy,element,done,why\n", v->manifest);
	return EXIT_GOOD;
}

static int close_manifest(struct verb *v, int code)
{
	if (!v->manifest_path) {
		deidentify_lanes_end_as_usual(); /* all are there */
		return code;
	}
	bool unwritten = v->manifest && ferror(v->manifest);
	unwritten = (v->manifest && fclose(v->manifest) != 0) || unwritten;
	if (unwritten) {
		code = deidentify_complain(v->manifest_path,
			"it could not be written whole, and is removed: see whether the disk is full");
		(void)unlink(v->manifest_path);
	} else if (v->made_manifest && code == EXIT_NOTHING) {
		(void)unlink(v->manifest_path);
	}
	deidentify_lanes_end_as_usual(); /* it is whole */
	return code;
}

static int close_all(struct verb *v, int code)
{
	code = close_manifest(v, code);
	deidentify_place_done(&v->place);
	if (v->place.out_fd >= 0) {
		if (syncfs(v->place.out_fd) < 0) {
			code = deidentify_complain(v->out, strerror(errno));
		}
		close(v->place.out_fd);
	}
	if (v->made_out && code == EXIT_NOTHING) {
		(void)rmdir(v->out); /* if something is in it, it stays */
	}
	sandbox_free(v->sandbox);
	deidentify_pixels_done(&v->pixels);
	deidentify_forget_keys(&v->how);
	return code;
}

static int run(struct verb *v)
{
	v->place = (struct deidentify_place){.out_fd = -1, .series_fd = -1};
	v->how.list = v->manifest_path != NULL;
	v->progress = !v->json && isatty(STDERR_FILENO);
	int code = deidentify_read_key(v->key, &v->how);
	int in = code == 0 ? open(v->in, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	if (code == 0 && in < 0) {
		code = deidentify_complain(v->in, strerror(errno));
	}
	if (code == 0 && !deidentify_pixels_begin(&v->pixels)) {
		code = deidentify_complain(
			v->pixels.rules_path ? v->pixels.rules_path : v->in, v->pixels.why);
	}
	code = code ? code : deidentify_read_recipients(v->originals_to, &v->how);
	code = code ? code : open_out(v);
	deidentify_lanes_end_clean(v->place.out_fd, deidentify_printed(v->out), NULL);
	code = code || !v->manifest_path ? code : open_manifest(v);
	if (code == 0 && sandbox_new(SANDBOX_COPY, NULL, 0, &v->sandbox) < 0) {
		code = deidentify_complain(
			v->in, "the sandbox for the processes that read it could not be made");
	}
	v->how.sandbox = v->sandbox;
	/* What OpenSSL finds out once is found out before the processes that would each do it. */
	uint8_t warm[32];
	object_job_warm();
	if (code == 0 && pseudonym_make(v->how.key, PSEUDONYM_UID, span_of("", 0), warm) < 0) {
		code = deidentify_complain(v->key, "OpenSSL makes no HMAC-SHA-256");
	}
	return close_all(v, code ? code : go_through(v, in));
}

/* ---- The command line ---- */

static const struct word keep[] = {{"keep", true}, {0}}, replace[] = {{"replace", true}, {0}};
static struct verb v;
static unsigned dates, burned_in, videos, documents, leftovers; /* words of theirs */
static const struct option_row rows[] = {{"key", "FILE", .text = &v.key},
	{"new-key", "FILE", .text = &v.new_key}, {"dates", "HOW", .bits = &dates, .words = deidentify_dates},
	{"retain", "WHAT", .bits = &v.how.rules.options, .words = deidentify_retain, .many = true},
	{"clean", "WHAT", .bits = &v.how.rules.options, .words = deidentify_clean, .many = true},
	{"clean-pixels", .flag = &v.pixels.on}, {"pixel-rules", "FILE", .text = &v.pixels.rules_path},
	{"clean-features", .flag = &v.pixels.features},
	{"burned-in", "HOW", .bits = &burned_in, .words = keep},
	{"videos", "HOW", .bits = &videos, .words = keep},
	{"documents", "HOW", .bits = &documents, .words = replace},
	{"leftovers", "HOW", .bits = &leftovers, .words = keep},
	{"manifest", "FILE", .text = &v.manifest_path},
	{"originals-to", "CERT", .text = v.originals_to, .room = ATTRIBUTES_RECIPIENTS_MOST,
		.n = &v.how.n_recipients},
	{"into-existing", .flag = &v.into_existing}, {"isolate", .flag = &v.isolate},
	{"jobs", "N", .number = &v.n_jobs, .least = 1, .most = DEIDENTIFY_LANES}, {"json", .flag = &v.json},
	{0}};

/* What goes together, and what does not. NULL: all is well. */
static const char *misuse_of(const struct options *o)
{
	return v.new_key && (v.key || o->n > 0) ? "--new-key FILE makes a key, and nothing else"
	       : v.new_key                      ? NULL
	       : !v.key
	               ? "--key FILE is missing: the secret that pseudonyms are made with (--new-key FILE makes one)"
	       : o->n < 2                            ? "name what to read and where to write, IN and OUT"
	       : v.pixels.rules_path && !v.pixels.on ? "--pixel-rules goes with --clean-pixels"
	       : v.pixels.features && !v.pixels.rules_path
	               ? "--clean-features goes with --clean-pixels and --pixel-rules: only a site's rules say so"
	               : NULL;
}

int verb_deidentify(int argc, char **argv)
{
	struct options o = {.usage = usage, .rows = rows, .arguments = "[IN] [OUT]"};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	const char *misuse = misuse_of(&o);
	if (misuse) {
		return options_misuse(&o, "%s", misuse);
	}
	if (v.new_key) {
		return deidentify_make_key(v.new_key);
	}
	v.how.rules.options |= dates;
	v.how.rules.keep_burned_in = burned_in;
	v.how.rules.keep_videos = v.pixels.keeps_videos = videos;
	v.how.rules.replace_documents = documents;
	v.how.keep_leftovers = leftovers;
	v.in = o.at[0];
	v.out = o.at[1];
	return run(&v);
}
