/* SPDX-License-Identifier: Apache-2.0 */
#include "base/attr.h"
#include "cli/boxed.h"
#include "cli/deidentify.h"
#include "cli/object_job.h"
#include "cli/options.h"
#include "cli/stage.h"
#include "cli/verbs.h"
#include "dicom/implementation.h"
#include "dicom/inflater.h"
#include "dicom/part10.h"
#include "keys/key_file.h"
#include "transform/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* An object gets its originals back from its Encrypted Attributes Sequence, by the key of somebody whom they are encrypted to. */

static const char usage[] =
	"usage: gantry reidentify --key FILE IN OUT\n"
	"\n"
	"Makes a copy of a DICOM file in which the encrypted originals (`gantry deidentify --originals-to`, PS3.15 E.1.1) are in their\n"
	"place again. What was not encrypted, as private attributes and sequences, does not come back.\n"
	"\n"
	"  --key FILE  the private key of somebody whom they are encrypted to: PEM, RSA, not encrypted\n"
	"\n"
	"Exit status: 0 it was made; 2 wrong usage; 3 nothing was made.\n";

#define INFLATED_MOST (256u << 20)

enum step { STEP_READ, STEP_FIND, STEP_OPEN, STEP_ORIGINALS, STEP_MERGE, STEP_DONE };

/* What both processes have. */
struct said {
	enum step step; /* where it failed, with error */
	int error;
	unsigned n; /* attributes that are back */
};

struct job {
	const char *key_path;
	struct span key;
	int out;
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
		e = attributes_decrypt(w->found[i].cms, j->key, w->plain, sizeof(w->plain), &len);
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
		return s->error == ERR_VALUE
		               ? "the key is no RSA key in PEM without a passphrase, or its encrypted originals are broken"
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

static int make(struct job *j, int in, const char *source, const char *out)
{
	const struct object_job job = {.work = work, .arg = j, .sandbox = SANDBOX_KEYS};
	struct stage stage = STAGE_NONE;
	struct stage_scratch made = STAGE_NO_SCRATCH;
	struct said *said = object_job_memory(sizeof(*said));
	int e = said ? stage_begin(&stage, out) : ERR_NO_MEMORY, code = EXIT_GOOD;
	e = e < 0 ? e : stage_scratch(&stage, &made);
	j->out = made.fd;
	int ran = e == 0 ? object_job_run(&job, in, said) : 0;
	if (e == 0 && ran == 0 && said->step == STEP_DONE) {
		e = publish(&stage, &made);
	}
	if (e < 0) {
		code = complain(out, stage_sentence(e));
	} else if (ran < 0) {
		code = complain(source, ran == ERR_LENGTH ? "it is no DICOM file"
					: ran == ERR_TYPE
						? "it is no plain file; copies are put back one by one"
						: "the process that read it has died");
	} else if (said->step != STEP_DONE) {
		code = complain(source, sentence(said));
	} else {
		printf("%s: made, with %u attributes as they were; it names the patient again\n",
			deidentify_printed(out), said->n);
	}
	stage_drop(&stage, &made);
	stage_done(&stage);
	object_job_free(said, sizeof(*said));
	return code;
}

static bool take_option(void *arg, int c)
{
	struct job *j = arg;
	j->key_path = c == 'k' ? optarg : j->key_path;
	return c == 'k';
}

int verb_reidentify(int argc, char **argv)
{
	static const struct option options[] = {
		{"key", required_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct key_file key CLEANUP(key_file_done) = {0};
	struct job j = {.out = -1};
	char why[512] = "";
	int code;
	if (!options_read(argc, argv, options, usage, take_option, &j, &code)) {
		return code;
	}
	if (argc - optind != 2 || !j.key_path) {
		fputs("gantry reidentify: name the key, --key FILE, what to read and what to write, IN and OUT\n",
			stderr);
		options_usage(usage);
		return EXIT_USAGE;
	}
	if (key_file_read(j.key_path, "private key", S_IRWXO, &key, why, sizeof(why)) < 0) {
		return complain(j.key_path, why[0] ? why : "there is no memory");
	}
	j.key = span_of(key.bytes, key.len);
	const char *source = argv[optind];
	int in = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (in < 0) {
		return complain(source, strerror(errno));
	}
	code = make(&j, in, source, argv[optind + 1]);
	close(in);
	return code;
}
