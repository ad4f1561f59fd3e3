/* SPDX-License-Identifier: Apache-2.0 */
#include "base/attr.h"
#include "cli/boxed.h"
#include "cli/deidentify.h"
#include "cli/object_job.h"
#include "cli/opening_key.h"
#include "cli/options.h"
#include "cli/stage.h"
#include "cli/tree.h"
#include "cli/verbs.h"
#include "dicom/implementation.h"
#include "dicom/inflater.h"
#include "dicom/part10.h"
#include "transform/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* An object gets its originals back from its Encrypted Attributes Sequence, by the key of somebody whom they are encrypted to. */

static const char usage[] =
	"usage: gantry reidentify --key FILE [--cert FILE] [--passphrase-file FILE] IN\n"
	"                         OUT\n"
	"       gantry reidentify --key FILE [OPTION]... IN... FOLDER\n"
	"\n"
	"Makes copies of DICOM files in which the encrypted originals (`gantry deidentify\n"
	"--originals-to`, PS3.15 E.1.1) are in their place again. What was not encrypted,\n"
	"as private attributes and sequences, does not come back. One file becomes the\n"
	"file OUT; of a folder, or several, those that can be put back are in FOLDER,\n"
	"under their names. It must not be there.\n"
	"\n"
	"  --key FILE              the private key of somebody whom they are encrypted\n"
	"                          to: RSA, in PEM, or its pkcs11: URI, with --cert\n"
	"  --cert FILE             its certificate\n"
	"  --passphrase-file FILE  its first line is the key's passphrase, which is asked\n"
	"                          for otherwise\n"
	"\n"
	"Exit status: 0 all were made; 1 some were not, and are named; 2 wrong usage; 3\n"
	"nothing was made.\n";

#define INFLATED_MOST (256u << 20)

enum step { STEP_READ, STEP_FIND, STEP_OPEN, STEP_ORIGINALS, STEP_MERGE, STEP_DONE };

/* What both processes have. */
struct said {
	enum step step; /* where it failed, with error */
	int error;
	unsigned n; /* attributes that are back */
};

struct job {
	struct opening_key key;
	struct cms_opening *opening;
	struct key_desk desk;
	struct sandbox *sandbox;
	struct stage stage;
	struct said *said;
	int out; /* of the file that is being made */
	size_t n_good, n_failed, n_left_alone;
};

struct work {
	struct restore restore;
	struct restore_found found[RESTORE_FOUND];
	struct inflater inflater;
	uint8_t plain[ATTRIBUTES_CONTENT_MOST];
};

/* ---- In a process of its own ---- */

static int put(void *arg, struct span bytes)
{
	const struct job *j = arg;
	return boxed_write(j->out, bytes.ptr, bytes.len) ? 0 : ERR_SYSTEM;
}

/* A deflated data set becomes one that is not. */
static int inflate_all(struct work *w, struct span *data)
{
	uint8_t *all = NULL;
	size_t n = 0, cap = 0;
	struct span piece;
	int e = inflater_begin(&w->inflater);
	inflater_feed(&w->inflater, *data);
	while (e == 0 && (e = inflater_next(&w->inflater, &piece)) == 0) {
		if (piece.len > cap - n) {
			cap = 2 * (n + piece.len);
			uint8_t *more = cap > INFLATED_MOST ? NULL : realloc(all, cap);
			if (!more) {
				e = ERR_LIMIT;
				break;
			}
			all = more;
		}
		if (piece.len > 0) {
			memcpy(all + n, piece.ptr, piece.len);
		}
		n += piece.len;
	}
	if (e != ERR_AGAIN || !w->inflater.ended) {
		free(all);
		return e == ERR_AGAIN ? ERR_TRUNCATED : e;
	}
	*data = span_of(all, n); /* to the end of the process */
	return 0;
}

/* The first that the key opens to a data set of that kind. */
static int open_one(struct work *w, const struct job *j, unsigned n, struct said *said)
{
	int e = ERR_DENIED;
	for (unsigned i = 0; i < n && e != 0; i++) {
		size_t len = 0;
		e = attributes_decrypt(w->found[i].cms, j->opening, w->plain, sizeof(w->plain), &len);
		if (e == 0) {
			said->step = STEP_ORIGINALS;
			e = restore_read(&w->restore, span_of(w->plain, len), uid_trim(w->found[i].syntax));
		}
	}
	return e;
}

static int write_all(struct work *w, struct job *j, const struct part10_meta *meta, struct span syntax,
	enum encoding encoding, struct span data)
{
	uint8_t bytes[PART10_META_MAX];
	struct writer to = writer_of(bytes, sizeof(bytes));
	struct span instance = restore_instance(&w->restore);
	const struct restore_output out = {put, j};
	const struct part10_meta fresh = {.sop_class = meta->sop_class,
		.sop_instance = instance.len > 0 ? instance : meta->sop_instance,
		.transfer_syntax = syntax,
		.implementation_class = span_str(GANTRY_IMPLEMENTATION_CLASS),
		.implementation_version = GANTRY_IMPLEMENTATION_VERSION};
	int e = part10_write(&fresh, &to);
	e = e ? e : put(j, writer_span_of(&to));
	return e ? e : restore_merge(&w->restore, data, encoding, &out);
}

static int restore_file(struct work *w, struct job *j, struct span file, struct said *said)
{
	struct part10_meta meta;
	enum encoding encoding = ENCODING_IMPLICIT_LE;
	size_t at = 0;
	unsigned n = 0;
	int e = file.len < 132 ? ERR_TYPE : part10_read(file, &meta, &at, NULL);
	e = e ? e : encoding_of(meta.transfer_syntax, &encoding);
	if (e < 0) {
		return e;
	}
	struct span data = span_of(file.ptr + at, file.len - at), syntax = meta.transfer_syntax;
	if (encoding == ENCODING_DEFLATED_LE) {
		encoding = ENCODING_EXPLICIT_LE;
		syntax = span_str("1.2.840.10008.1.2.1");
		e = inflate_all(w, &data);
	}
	if (e < 0) {
		return e;
	}
	said->step = STEP_FIND;
	e = restore_find(data, encoding, w->found, &n);
	if (e < 0) {
		return e;
	}
	said->step = STEP_OPEN;
	e = open_one(w, j, n, said);
	if (e < 0) {
		return e;
	}
	said->step = STEP_MERGE;
	said->n = w->restore.n;
	return write_all(w, j, &meta, syntax, encoding, data);
}

static void work(void *arg, struct span file, void *shared)
{
	struct job *j = arg;
	struct said *said = shared;
	struct work *w = calloc(1, sizeof(*w));
	int e = w ? restore_file(w, j, file, said) : ERR_NO_MEMORY;
	said->error = e;
	said->step = e < 0 ? said->step : STEP_DONE;
	if (w) {
		OPENSSL_cleanse(w->plain, sizeof(w->plain));
	}
}

/* ---- Who started it ---- */

static const char *sentence(const struct said *s)
{
	switch (s->step) {
	case STEP_FIND:
		return s->error == ERR_MISSING ? "there are no encrypted originals in it" : err_str(s->error);
	case STEP_OPEN:
		return s->error == ERR_VALUE ? "its encrypted originals are broken"
		                             : "its originals are encrypted to others, or were changed";
	case STEP_ORIGINALS:
		return "what the key opens is no data set of originals: it is another's key, or they were changed";
	default:
		return s->error == ERR_TYPE ? "it is no DICOM file" : err_str(s->error);
	}
}

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "gantry reidentify: %s: %s\n", deidentify_printed(what), why);
	return EXIT_NOTHING;
}

/* On the disk and in its place, for who made it alone. */
static int publish(struct stage *s, struct stage_scratch *made)
{
	int e = fchmod(made->fd, 0600) < 0 ? ERR_SYSTEM : stage_keep(s, made, "OUT");
	return e < 0 ? e : stage_commit_file(s, "OUT");
}

static const char *stage_sentence(int e)
{
	return e == ERR_VALUE ? "it is there already" : e == ERR_SYSTEM ? strerror(errno) : err_str(e);
}

/* Who reads one file has nothing of those that were made before. */
static int forget(void *arg, void *shared)
{
	(void)arg;
	(void)shared;
	stage_forget();
	return 0;
}

/* 0: said and the file say what came of it. */
static int run_one(struct job *j, int in, int out)
{
	const struct object_job job = {
		.prepare = forget, .work = work, .arg = j, .sandbox = SANDBOX_KEYS, .ready = j->sandbox};
	*j->said = (struct said){0};
	j->out = out;
	return object_job_run(&job, in, j->said);
}

static const char *why_not(const struct job *j, int ran)
{
	return ran == ERR_LENGTH ? "it is no DICOM file"
	       : ran == ERR_TYPE ? "it is no plain file"
	       : ran < 0         ? "the process that read it has died"
	                         : sentence(j->said);
}

/* ---- One file to one file ---- */

static int make_file(struct job *j, int in, const char *source, const char *out)
{
	struct stage_scratch made = STAGE_NO_SCRATCH;
	int e = stage_begin(&j->stage, out), code = EXIT_GOOD;
	e = e < 0 ? e : stage_scratch(&j->stage, &made);
	int ran = e == 0 ? run_one(j, in, made.fd) : 0;
	bool good = e == 0 && ran == 0 && j->said->step == STEP_DONE;
	e = good ? publish(&j->stage, &made) : e;
	if (e < 0) {
		code = complain(out, stage_sentence(e));
	} else if (!good) {
		code = complain(source, why_not(j, ran));
	} else {
		printf("%s: made, with %u attributes as they were; it names the patient again\n",
			deidentify_printed(out), j->said->n);
	}
	stage_drop(&j->stage, &made);
	return code;
}

/* ---- Several, to a folder ---- */

#define NAME_MOST 512

/* What it is called in FOLDER, of what it was called: names there have letters, digits, `_`, `-` and `.`, that not first. */
static bool name_of(const char *before, const char *path, char name[NAME_MOST])
{
	int n = snprintf(name, NAME_MOST, "%s%s%s", before, before[0] ? "/" : "", path);
	for (char *c = name; n > 0 && *c; c++) {
		bool first = c == name || c[-1] == '/';
		bool usual = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		             (*c >= '0' && *c <= '9') || *c == '_' || *c == '-' || *c == '/';
		*c = usual || (*c == '.' && !first) ? *c : '_';
	}
	return n > 0 && n < NAME_MOST && stage_is_name(name);
}

static int keep(struct job *j, struct stage_scratch *made, const char *name)
{
	return fchmod(made->fd, 0600) < 0 ? ERR_SYSTEM : stage_keep(&j->stage, made, name);
}

/* False: FOLDER cannot be filled, and nothing is gone on with. */
static bool add(struct job *j, int in, const char *source, const char *name)
{
	struct stage_scratch made = STAGE_NO_SCRATCH;
	int e = stage_scratch(&j->stage, &made);
	if (e < 0) {
		complain(j->stage.out, stage_sentence(e));
		return false;
	}
	int ran = run_one(j, in, made.fd);
	bool other =
		ran == ERR_LENGTH || (ran == 0 && j->said->step == STEP_READ && j->said->error == ERR_TYPE);
	bool good = ran == 0 && j->said->step == STEP_DONE;
	e = good ? keep(j, &made, name) : 0;
	if (!good || e < 0) {
		complain(source, !good ? why_not(j, ran)
				 : e == ERR_SYSTEM && errno == EEXIST
					 ? "another file has the name that it gets"
					 : stage_sentence(e));
	}
	j->n_good += good && e == 0;
	j->n_left_alone += other;
	j->n_failed += (!good && !other) || e < 0;
	stage_drop(&j->stage, &made);
	return true;
}

/* before: what names begin with, "" for nothing. */
static bool add_folder(struct job *j, int in, const char *source, const char *before)
{
	struct tree t = TREE_NONE;
	char name[NAME_MOST];
	bool goes_on = true;
	int e = tree_walk(&t, in);
	if (e < 0) {
		complain(source, err_str(e));
		return false;
	}
	for (size_t i = 0; i < t.n && goes_on; i++) {
		const struct tree_entry *f = &t.entries[i];
		bool named = name_of(before, f->path, name);
		int fd = f->what == TREE_FILE && named ? tree_open(&t, f->path) : -1;
		if (fd < 0) {
			j->n_failed++;
			complain(f->path, f->what != TREE_FILE ? "it is no plain file"
					  : !named             ? "its path is too long for FOLDER"
							       : strerror(errno));
			continue;
		}
		goes_on = add(j, fd, f->path, name);
		close(fd);
	}
	tree_done(&t);
	return goes_on;
}

static bool add_any(struct job *j, const char *source, bool alone)
{
	struct stat st;
	char name[NAME_MOST], *path = strdup(source);
	size_t n = path ? strlen(path) : 0;
	while (n > 1 && path[n - 1] == '/') {
		path[--n] = '\0';
	}
	const char *slash = path ? strrchr(path, '/') : NULL, *last = slash && slash[1] ? slash + 1 : path;
	int in = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	bool goes_on = true;
	if (in < 0 || fstat(in, &st) < 0) {
		j->n_failed++;
		complain(source, strerror(errno));
	} else if (S_ISDIR(st.st_mode)) {
		goes_on = add_folder(j, in, source, alone ? "" : last);
		in = -1;
	} else if (!name_of("", last, name)) {
		j->n_failed++;
		complain(source, "its name is too long for FOLDER");
	} else {
		goes_on = add(j, in, source, name);
	}
	if (in >= 0) {
		close(in);
	}
	free(path);
	return goes_on;
}

static int make_folder(struct job *j, char *const *sources, int n, const char *out)
{
	int e = stage_begin(&j->stage, out);
	if (e < 0) {
		return complain(out, stage_sentence(e));
	}
	for (int i = 0; i < n; i++) {
		if (!add_any(j, sources[i], n == 1)) {
			return EXIT_NOTHING;
		}
	}
	if (j->n_good == 0) {
		return complain(out, "nothing was put back, and it is not made");
	}
	e = stage_commit(&j->stage);
	if (e < 0) {
		return complain(out, stage_sentence(e));
	}
	printf("%zu put back in %s, %zu not, %zu left alone; they name the patients again\n", j->n_good,
		deidentify_printed(out), j->n_failed, j->n_left_alone);
	return j->n_failed > 0 ? EXIT_SOME : EXIT_GOOD;
}

/* ---- The command line ---- */

static int make(struct job *j, char *const *sources, int n, const char *out)
{
	struct stat st;
	int in = n == 1 ? open(sources[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	if (n == 1 && (in < 0 || fstat(in, &st) < 0)) {
		return complain(sources[0], strerror(errno));
	}
	bool one = n == 1 && !S_ISDIR(st.st_mode);
	int code = cms_opening_new(&j->opening) < 0 || !(j->said = object_job_memory(sizeof(*j->said)))
	                   ? complain(out, err_str(ERR_NO_MEMORY))
	           : !opening_key_use(&j->key, j->opening, &j->desk) ? EXIT_NOTHING
	                                                             : EXIT_GOOD;
	object_job_warm();
	if (code == EXIT_GOOD && sandbox_new(SANDBOX_KEYS, NULL, 0, &j->sandbox) < 0) {
		code = complain(out, "the sandbox for the processes that read files could not be made");
	}
	if (code == EXIT_GOOD) {
		code = one ? make_file(j, in, sources[0], out) : make_folder(j, sources, n, out);
	}
	if (in >= 0) {
		close(in);
	}
	stage_done(&j->stage);
	sandbox_free(j->sandbox);
	cms_opening_free(j->opening);
	key_desk_close(&j->desk);
	object_job_free(j->said, sizeof(*j->said));
	return code;
}

int verb_reidentify(int argc, char **argv)
{
	static struct job j = {.out = -1,
		.stage = STAGE_NONE,
		.desk = KEY_DESK_NONE,
		.key = {.verb = "reidentify", .after = ""}};
	static const struct option_row rows[] = {
		{"key", "FILE", .text = &j.key.key, .needed = "the private key that opens the originals"},
		{"cert", "FILE", .text = &j.key.cert},
		{"passphrase-file", "FILE", .text = &j.key.passphrase_file}, {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "IN... OUT"};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	const char *misuse = opening_key_misuse(&j.key);
	if (misuse) {
		return options_misuse(&o, "%s", misuse);
	}
	return make(&j, o.at, (int)o.n - 1, o.at[o.n - 1]);
}
