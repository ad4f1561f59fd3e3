/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "cli/image.h"
#include "cli/media.h"
#include "cli/media_record.h"
#include "cli/object_job.h"
#include "cli/options.h"
#include "cli/stage.h"
#include "cli/tree.h"
#include "keys/cms_open.h"
#include "keys/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry media open [--passphrase-fd N | --key FILE [--cert FILE]] [--trust FILE]... [--incomplete] [--recorded] [-c FILE] DISC OUT\n"
	"\n"
	"Opens a disc of Secure DICOM Files (PS3.15 D.1), a folder or an image, into the folder OUT, which must not be there. Each file is\n"
	"opened by a process of its own in a sandbox and is verified: OUT has whole files of DICOM as they were sealed, or there is no OUT.\n"
	"\n"
	"  --passphrase-fd N  the first line of this descriptor; without it and --key the passphrase is asked for\n"
	"  --key FILE         the private key of somebody whom it is for (PEM, not encrypted)\n"
	"  --cert FILE        its certificate: says of a disc that is for others that it is\n"
	"  --trust FILE       authorities (PEM): only files that are signed by whom they certify\n"
	"  --incomplete       keep what can be opened, though some files cannot\n"
	"  --recorded         only if a gateway that runs here has recorded the import in its audit trail\n"
	"  -c, --config FILE  its configuration; default: ./gantry.yaml, then /etc/gantry/gantry.yaml\n"
	"\n"
	"Exit status: 0 all was opened; 1 some was, or the DICOMDIR lists more than is there; 2 wrong usage; 3 nothing was, and there is no OUT.\n";

enum { EXIT_ALL, EXIT_SOME, EXIT_USAGE, EXIT_NOTHING };

#define SECONDS    60
#define TRUST_MOST 64

struct job {
	const char *source, *out, *key, *cert, *config, *trust[TRUST_MOST];
	unsigned n_trust;
	int passphrase_fd;
	bool incomplete, progress, recorded;
	char passphrase[MEDIA_PASSPHRASE];
	struct cms_opening *opening;
	struct media_record record;
	struct stage stage;
	struct media
		m; /* names: what was opened; objects: the same, if they are recorded; refused, listed, missing */
	struct stage_scratch layers[CMS_LAYERS];
	size_t n_unsigned, n_untrusted;
	char signer[256];
};

/* What the process that opened it leaves. */
struct outcome {
	int err;
	struct cms_found found;
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "gantry media open: %s: ", media_printed(what));
	fprintf(stderr, "%s; nothing was opened\n", media_printed(why));
	return EXIT_NOTHING;
}

/* ---- With what ---- */

static int use_key(struct job *j)
{
	struct key_file key CLEANUP(key_file_done) = {0};
	char why[512] = "";
	uint8_t *cert = NULL;
	size_t len = 0;
	if (key_file_read(j->key, "private key", S_IRWXO, &key, why, sizeof(why)) < 0) {
		return complain(j->key, why[0] ? why : "there is no memory");
	}
	if (j->cert && !media_read_pem("open", j->cert, &cert, &len)) {
		return EXIT_NOTHING;
	}
	int e = cms_opening_key(j->opening, span_of(key.bytes, key.len), span_of(cert, len));
	free(cert);
	return e == 0 ? EXIT_ALL
	              : complain(j->key,
				j->cert ? "it is no private key in PEM without a passphrase, or not that of the certificate"
					: "it is no private key in PEM without a passphrase");
}

static int prepare(struct job *j)
{
	int code = EXIT_ALL;
	if (cms_opening_new(&j->opening) < 0) {
		return complain(j->source, "there is no memory");
	}
	for (unsigned i = 0; code == EXIT_ALL && i < j->n_trust; i++) {
		uint8_t *pem;
		size_t len;
		if (!media_read_pem("open", j->trust[i], &pem, &len)) {
			return EXIT_NOTHING;
		}
		if (cms_opening_trust(j->opening, span_of(pem, len)) < 0) {
			code = complain(j->trust[i], "it holds no certificate in PEM");
		}
		free(pem);
	}
	if (code == EXIT_ALL && j->key) {
		return use_key(j);
	}
	if (code == EXIT_ALL) {
		code = media_passphrase("open", j->passphrase_fd, false, j->passphrase) ? EXIT_ALL
		                                                                        : EXIT_NOTHING;
		cms_opening_passphrase(j->opening, j->passphrase);
	}
	return code;
}

/* ---- A file ---- */

/* Who opens one file has nothing of those that were opened before. */
static int forget(void *arg, void *shared)
{
	(void)arg;
	(void)shared;
	stage_forget();
	return 0;
}

static void open_it(void *arg, struct span bytes, void *shared)
{
	const struct job *j = arg;
	struct outcome *o = shared;
	int files[CMS_LAYERS];
	for (unsigned i = 0; i < CMS_LAYERS; i++) {
		files[i] = j->layers[i].fd;
	}
	o->err = cms_open(j->opening, bytes, files, clock_wall_ms() / 1000, &o->found);
}

/* As systems show names of discs: without the version of ISO 9660 7.5 and an empty ending. */
static void cut_name(const char *name, char *to, size_t size)
{
	size_t n = strlen(name);
	const char *version = strrchr(name, ';');
	n = version ? (size_t)(version - name) : n;
	n -= n > 0 && name[n - 1] == '.';
	snprintf(to, size, "%.*s", (int)n, name);
}

static int refuse(struct job *j, const char *name, const char *why)
{
	return media_add(&j->m.refused, name, NULL, why);
}

/* Whoever signed the files. NULL: good, or the sentence that says why not. */
static const char *judge(struct job *j, struct cms_found *f)
{
	static char why[256];
	f->subject[sizeof(f->subject) - 1] = f->doubt[sizeof(f->doubt) - 1] = '\0';
	if (j->n_trust > 0 && f->signer != CMS_TRUSTED) {
		if (f->signer == CMS_NOBODY) {
			return "nobody has signed it";
		}
		snprintf(why, sizeof(why), "it is signed by somebody whom --trust does not know: %s",
			f->doubt);
		return why;
	}
	j->n_unsigned += f->signer == CMS_NOBODY;
	j->n_untrusted += f->signer == CMS_UNTRUSTED;
	if (f->signer != CMS_NOBODY && !j->signer[0]) {
		snprintf(j->signer, sizeof(j->signer), "%s", f->subject);
	} else if (f->signer != CMS_NOBODY && strcmp(j->signer, f->subject) != 0) {
		snprintf(j->signer, sizeof(j->signer), "several");
	}
	return NULL;
}

/* Whose it is, for the record. One of nobody's is recorded as that. */
static int keep_whose(struct job *j, const char *name)
{
	struct described d;
	if (j->record.why) {
		return 0;
	}
	int fd = stage_open(&j->stage, name);
	int e = fd < 0 ? fd : describe(j->m.sandbox, fd, SECONDS, &d);
	if (fd >= 0) {
		close(fd);
	}
	if (e == ERR_VALUE || e == ERR_TIMEOUT) {
		d = (struct described){0};
		e = 0;
	}
	return e < 0 || d.directory ? e : media_add_object(&j->m, name, &d);
}

/* What was in it, in its place. */
static int keep(struct job *j, const char *name, struct cms_found *f)
{
	uint8_t magic[4];
	struct stage_scratch *last = &j->layers[f->layers - 1];
	const char *why = judge(j, f);
	if (why) {
		return refuse(j, name, why);
	}
	if (pread(last->fd, magic, sizeof(magic), 128) != (ssize_t)sizeof(magic) ||
		memcmp(magic, "DICM", 4) != 0) {
		return refuse(j, name, "what is in it is no DICOM file");
	}
	int e = stage_keep(&j->stage, last, name);
	if (e == ERR_VALUE || (e == ERR_SYSTEM && errno == EEXIST)) {
		return refuse(j, name,
			e == ERR_VALUE ? "it has a name that no file of a disc has"
				       : "there are two of this name");
	}
	e = e < 0 ? e : keep_whose(j, name);
	return e < 0 ? e : media_add(&j->m.names, name, NULL, "");
}

static int open_layers(struct job *j)
{
	int e = 0;
	for (unsigned i = 0; e == 0 && i < CMS_LAYERS; i++) {
		e = stage_scratch(&j->stage, &j->layers[i]);
	}
	return e;
}

static void close_layers(struct job *j)
{
	for (unsigned i = 0; i < CMS_LAYERS; i++) {
		stage_drop(&j->stage, &j->layers[i]);
	}
}

static int take_sealed(struct job *j, const char *name, int fd, struct outcome *o)
{
	const struct object_job job = {
		.prepare = forget, .work = open_it, .arg = j, .sandbox = SANDBOX_KEYS, .ready = j->m.sandbox};
	struct cms_kek kek = o->found.kek;
	int e = open_layers(j);
	*o = (struct outcome){.err = ERR_SYSTEM, .found.kek = kek};
	int ran = e < 0 ? e : object_job_run(&job, fd, o);
	o->found.why[sizeof(o->found.why) - 1] = '\0';
	if (e < 0) {
		close_layers(j);
		return e;
	}
	if (ran != 0 || (o->err == 0 && (o->found.layers < 1 || o->found.layers > CMS_LAYERS))) {
		e = refuse(j, name, "the process that opens it has died");
	} else if (o->err < 0) {
		e = refuse(j, name, o->found.why[0] ? o->found.why : err_str(o->err));
		/* Of the others nothing else would be said. */
		e = e == 0 && (o->err == ERR_DENIED || o->err == ERR_MISSING || o->err == ERR_NOT_FOUND)
		            ? ERR_DENIED
		            : e;
	} else {
		e = keep(j, name, &o->found);
	}
	close_layers(j);
	return e;
}

static int take_file(struct job *j, const char *whole_name, int fd, struct outcome *o)
{
	char name[LIMIT_MEMBER_NAME + 1];
	uint8_t first = 0, magic[4] = {0};
	cut_name(whole_name, name, sizeof(name));
	if (j->progress) {
		fprintf(stderr, "\ropening: %zu files", j->m.names.n);
	}
	if (pread(fd, magic, sizeof(magic), 128) == (ssize_t)sizeof(magic) && memcmp(magic, "DICM", 4) == 0) {
		return refuse(j, name, "it is not sealed");
	}
	if (pread(fd, &first, 1, 0) != 1 || first != 0x30) {
		return media_add(&j->m.left[LEFT_OTHER], name, NULL, "");
	}
	return take_sealed(j, name, fd, o);
}

/* ---- All of them ---- */

static int take_folder(struct job *j, int root, struct outcome *o, char *why, size_t cap)
{
	struct tree t = TREE_NONE;
	int e = tree_walk(&t, root);
	if (e == ERR_LIMIT) {
		snprintf(why, cap, "it has more files or deeper folders than a disc would");
	}
	for (size_t i = 0; e == 0 && i < t.n; i++) {
		const struct tree_entry *entry = &t.entries[i];
		int fd = entry->what == TREE_FILE ? tree_open(&t, entry->path) : -1;
		if (fd >= 0) {
			e = take_file(j, entry->path, fd, o);
			close(fd);
		} else {
			e = refuse(j, entry->path,
				entry->what == TREE_FILE || entry->what == TREE_UNREADABLE
					? "it cannot be read"
					: "it is no plain file");
		}
	}
	tree_done(&t);
	return e;
}

static int take_image(struct job *j, int fd, struct outcome *o, char *why, size_t cap)
{
	struct image *image;
	struct image_member got;
	const struct image_how how = {.seconds = SECONDS};
	int e = image_open(fd, &how, &image, why, cap), more = 0;
	if (e) {
		return e;
	}
	while (e == 0 && (more = image_next(image, &got)) > 0) {
		e = got.what != IMAGE_FILE ? refuse(j, got.name, "it is no plain file")
		    : got.bad              ? refuse(j, got.name, got.why)
		                           : take_file(j, got.name, got.bytes.fd, o);
		scrap_done(&got.bytes);
	}
	if (e == 0 && more < 0) {
		snprintf(why, cap, "%s", image_why(image));
		e = more == ERR_DENIED ? ERR_VALUE : more;
	}
	image_close(image);
	return e;
}

static int take(struct job *j, struct outcome *o, char *why, size_t cap)
{
	struct stat st;
	int fd = open(j->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(why, cap, "%s", strerror(errno));
		if (fd >= 0) {
			close(fd);
		}
		return ERR_SYSTEM;
	}
	if (S_ISDIR(st.st_mode)) {
		return take_folder(j, fd, o, why, cap);
	}
	enum image_kind kind = S_ISREG(st.st_mode) ? image_kind_of(fd) : IMAGE_NONE;
	int e = ERR_TYPE;
	if (kind == IMAGE_ISO || kind == IMAGE_ZIP) {
		e = take_image(j, fd, o, why, cap);
	} else {
		snprintf(why, cap, "%s",
			kind == IMAGE_UDF ? "it is an image with UDF alone: mount it and give the folder"
					  : "it is neither a folder nor an image of a disc (ISO or ZIP)");
	}
	close(fd);
	return e;
}

/* ---- What came of it ---- */

static int on_listed(void *arg, const char *path)
{
	struct job *j = arg;
	return media_add(&j->m.listed, path, NULL, "");
}

static int compare(struct job *j)
{
	size_t unread = 0;
	int e = 0;
	for (size_t i = 0; e == 0 && i < j->m.names.n; i++) {
		const char *name = j->m.names.at[i].file;
		int fd = strcasecmp(name, "DICOMDIR") == 0 ? stage_open(&j->stage, name) : -1;
		if (fd >= 0) {
			e = describe_directory(j->m.sandbox, fd, SECONDS, on_listed, j, &unread);
			close(fd);
			e = e == ERR_VALUE || e == ERR_TIMEOUT
			            ? refuse(j, name, "it is a DICOMDIR that cannot be read")
			            : e;
		}
	}
	return e < 0 ? e : media_compare(&j->m);
}

static void tell(const struct media_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		fprintf(stderr, "%s: ", media_printed(l->at[i].file));
		fprintf(stderr, "%s\n", media_printed(l->at[i].why));
	}
}

static void say_who(const struct job *j)
{
	size_t n = j->m.names.n;
	if (j->n_unsigned == n) {
		puts("they are as they were sealed; nobody has signed them");
	} else if (j->n_unsigned > 0) {
		printf("%zu of them nobody has signed\n", j->n_unsigned);
	} else {
		printf("signed by %s%s\n", media_printed(j->signer),
			j->n_untrusted > 0
				? ", whose certificate nobody vouches for: give an authority, --trust"
				: "");
	}
}

/* In its place, once it is recorded. */
static int publish(struct job *j, char *why, size_t cap)
{
	char more[300];
	snprintf(more, sizeof(more), "%s%.200s%s", j->n_unsigned == 0 ? "signed by " : "not signed",
		j->n_unsigned == 0 ? j->signer : "",
		j->n_unsigned == 0 && j->n_untrusted > 0 ? ", whom nobody vouches for" : "");
	if (media_sort(&j->m) < 0) {
		return ERR_NO_MEMORY;
	}
	if (!media_record(&j->record, &j->m, j->source, more, true)) {
		snprintf(why, cap, "it could not be recorded: %s", j->record.why);
		return ERR_SYSTEM;
	}
	int e = stage_commit(&j->stage), kept = errno;
	if (e < 0) {
		(void)media_record(&j->record, &j->m, j->source, more, false);
	}
	errno = kept;
	return e;
}

static int finish(struct job *j, int e, char *why, size_t cap)
{
	e = e < 0 ? e : compare(j);
	tell(&j->m.refused);
	if (e == ERR_DENIED) {
		snprintf(why, cap, "it does not open");
	} else if (e == 0 && j->m.names.n == 0) {
		snprintf(why, cap, "there is no Secure DICOM File that can be opened");
		e = ERR_NOT_FOUND;
	} else if (e == 0 && j->m.refused.n > 0 && !j->incomplete) {
		snprintf(why, cap, "not all files open, as is said above (--incomplete: without them)");
		e = ERR_VALUE;
	}
	e = e < 0 ? e : publish(j, why, cap);
	if (e < 0) {
		if (!why[0]) {
			snprintf(why, cap, "%s",
				e == ERR_SYSTEM  ? strerror(errno)
				: e == ERR_VALUE ? "OUT is there meanwhile"
						 : err_str(e));
		}
		return complain(j->source, why);
	}
	printf("%s: %zu file%s opened\n", media_printed(j->out), j->m.names.n, j->m.names.n == 1 ? "" : "s");
	say_who(j);
	media_record_tell(&j->record);
	tell(&j->m.missing);
	return j->m.refused.n > 0 || j->m.missing.n > 0 ? EXIT_SOME : EXIT_ALL;
}

static int run(struct job *j)
{
	char why[512] = "";
	struct outcome *o = object_job_memory(sizeof(*o));
	object_job_warm();
	int e = o ? sandbox_new(SANDBOX_KEYS, NULL, 0, &j->m.sandbox) : ERR_NO_MEMORY;
	int code = e < 0 ? complain(j->source, err_str(e))
	           : media_record_begin(&j->record, "open", j->config, j->recorded) ? EXIT_ALL
	                                                                            : EXIT_NOTHING;
	if (code == EXIT_ALL && (e = stage_begin(&j->stage, j->out)) < 0) {
		code = complain(j->out, e == ERR_VALUE    ? "it is there already"
					: e == ERR_SYSTEM ? strerror(errno)
							  : err_str(e));
	}
	code = code == EXIT_ALL ? prepare(j) : code;
	if (code == EXIT_ALL) {
		e = take(j, o, why, sizeof(why));
		if (j->progress) {
			fputs("\r\033[K", stderr);
		}
		code = finish(j, e, why, sizeof(why));
	}
	stage_done(&j->stage);
	cms_opening_free(j->opening);
	OPENSSL_cleanse(j->passphrase, sizeof(j->passphrase));
	if (o) {
		OPENSSL_cleanse(o, sizeof(*o));
	}
	object_job_free(o, sizeof(*o));
	media_done(&j->m);
	return code;
}

/* ---- The command line ---- */

static bool take_option(void *arg, int c)
{
	struct job *j = arg;
	char *end;
	switch (c) {
	case 'f':
		j->passphrase_fd = (int)strtol(optarg, &end, 10);
		return optarg[0] && !*end && j->passphrase_fd >= 0;
	case 'k':
		j->key = optarg;
		return true;
	case 'e':
		j->cert = optarg;
		return true;
	case 't':
		if (j->n_trust == TRUST_MOST) {
			return false;
		}
		j->trust[j->n_trust++] = optarg;
		return true;
	case 'i':
		j->incomplete = true;
		return true;
	case 'r':
		j->recorded = true;
		return true;
	case 'c':
		j->config = optarg;
		return true;
	default:
		return false;
	}
}

int media_open(int argc, char **argv)
{
	static const struct option options[] = {{"passphrase-fd", required_argument, NULL, 'f'},
		{"key", required_argument, NULL, 'k'}, {"cert", required_argument, NULL, 'e'},
		{"trust", required_argument, NULL, 't'}, {"incomplete", no_argument, NULL, 'i'},
		{"recorded", no_argument, NULL, 'r'}, {"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'}, {0}};
	static struct job j;
	int code;
	j = (struct job){.m = {.spool = SCRAP_NONE, .seconds = SECONDS},
		.stage = STAGE_NONE,
		.passphrase_fd = -1,
		.layers = {STAGE_NO_SCRATCH, STAGE_NO_SCRATCH, STAGE_NO_SCRATCH}};
	if (!options_read(argc, argv, options, usage, take_option, &j, &code)) {
		return code;
	}
	if (argc - optind != 2 || (j.cert && !j.key) || (j.key && j.passphrase_fd >= 0)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	j.source = argv[optind];
	j.out = argv[optind + 1];
	j.progress = isatty(STDERR_FILENO) == 1;
	return run(&j);
}
