/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify.h"

#include "cli/deidentify_pixels.h"
#include "cli/object_job.h"
#include "cli/options.h"
#include "cli/tree.h"
#include "cli/verbs.h"
#include "dicom/charset.h"
#include "dicom/tag.h"
#include "policy/deidentify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry deidentify --key FILE [OPTION]... IN OUT\n"
	"       gantry deidentify --new-key FILE\n"
	"\n"
	"Makes de-identified copies of DICOM files by the Basic Profile of PS3.15 Annex E. IN: a file or a folder; OUT: a folder,\n"
	"which is made. The copies are named by their new UIDs. Each is searched for what was removed. A file that cannot be made\n"
	"safe is named, and there is no copy of it. The same key makes the same pseudonyms and UIDs, today and in years.\n"
	"\n"
	"  --key FILE            the secret that pseudonyms are made with; --new-key makes one\n"
	"  --dates HOW           remove (the default), shift (each patient's by days of its own), keep\n"
	"  --retain WHAT         uids, device, institution, patient (sex, age, size, weight), safe-private; several with commas\n"
	"  --clean WHAT          descriptors, structured-content, graphics: keep what is known to be harmless of it\n"
	"  --clean-pixels        blank what is burned into pixels, by rules; what may have some and has no rule is not copied\n"
	"  --pixel-rules FILE    rules of the site for that, as YAML\n"
	"  --burned-in keep      copy objects too that say they have burned in annotation\n"
	"  --documents replace   copy encapsulated documents too, without the document\n"
	"  --leftovers keep      name what is left over, and keep the copy\n"
	"  --manifest FILE       what was done to which element of which file, as CSV; it names the files that were read\n"
	"  --json                one JSON object a file and line\n"
	"\n"
	"Exit status: 0 all were copied; 1 some were not, and are named; 2 wrong usage; 3 nothing could be done.\n";

enum { EXIT_GOOD, EXIT_SOME, EXIT_USAGE, EXIT_NOTHING };

#define PART ".gantry-deidentify.part"

struct verb {
	struct deidentify_how how;
	struct deidentify_pixels pixels;
	const char *key, *new_key, *manifest_path, *in, *out;
	bool json, progress;
	FILE *manifest;
	struct sandbox *sandbox;
	int out_fd;
	size_t n_done, n_files, n_good, n_failed, n_left_alone;
	bool folder;
	struct deidentify_said *said;
};

/* A name made safe for a terminal. */
static const char *printed(const char *path)
{
	static char text[3 * 4096];
	struct charset utf8 = {.coding = CHARSET_UTF8};
	struct charset_text t;
	charset_to_utf8(&utf8, "ST", CHARSET_NO_BIDI, span_str(path), text, sizeof(text), &t);
	return text;
}

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "gantry deidentify: %s: %s\n", printed(what), why);
	return EXIT_NOTHING;
}

/* ---- The key ---- */

static int make_key(const char *path)
{
	uint8_t key[PSEUDONYM_KEY];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return complain(path, errno == EEXIST
					      ? "it is there already; a new key would make other pseudonyms"
					      : strerror(errno));
	}
	bool ok = RAND_bytes(key, sizeof(key)) == 1 && write(fd, key, sizeof(key)) == sizeof(key) &&
	          fsync(fd) == 0;
	OPENSSL_cleanse(key, sizeof(key));
	close(fd);
	if (!ok) {
		(void)unlink(path);
		return complain(path, "the key could not be written");
	}
	printf("%s: made. Who has it can tell which pseudonym is whose: keep it as the images themselves.\n",
		printed(path));
	return EXIT_GOOD;
}

static int read_key(struct verb *v)
{
	struct stat st;
	int fd = open(v->key, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		return complain(v->key, strerror(errno));
	}
	const char *why = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != PSEUDONYM_KEY
	                          ? "it is no key of `gantry deidentify --new-key`"
	                  : st.st_mode & (S_IRWXG | S_IRWXO) ? "others may read it: chmod 600"
	                  : read(fd, v->how.key, PSEUDONYM_KEY) != PSEUDONYM_KEY ? "it cannot be read"
	                                                                         : NULL;
	close(fd);
	return why ? complain(v->key, why) : EXIT_GOOD;
}

/* ---- One file ---- */

static const char *name_of(uint32_t tag)
{
	static char text[2][64];
	static unsigned turn;
	const char *keyword = tag_keyword(tag);
	turn = !turn;
	snprintf(text[turn], sizeof(text[0]), "%s(%04X,%04X)", keyword, tag >> 16, tag & 0xFFFF);
	return text[turn];
}

/* Why there is no copy, or what there is to say of it; NULL: nothing. */
static const char *sentence(const struct deidentify_said *s)
{
	static char text[320];
	switch (s->outcome) {
	case OUTCOME_GOOD:
		if (!s->left) {
			return s->unsearched ? "more was removed than could be searched for" : NULL;
		}
		snprintf(text, sizeof(text),
			"copied, but see whether %s, whose value was also that of %s, may stay",
			name_of(s->left_in), name_of(s->left_of));
		return text;
	case OUTCOME_LEFTOVER:
		snprintf(text, sizeof(text), "what was removed from %s is still in %s", name_of(s->left_of),
			name_of(s->left_in));
		return text;
	case OUTCOME_NOT_DICOM:
		return "it is no DICOM file";
	case OUTCOME_DIRECTORY:
		return "a DICOMDIR names what was there, and is not copied";
	case OUTCOME_BURNED_IN:
		return "it says that text is burned into its pixels (Burned In Annotation)";
	case OUTCOME_DOCUMENT:
		return "it holds a document, which cannot be de-identified";
	case OUTCOME_BROKEN:
		snprintf(text, sizeof(text), "it is broken at byte %" PRIu64 ": %s", s->offset,
			err_str(s->error));
		return text;
	case OUTCOME_NOT_WRITTEN:
		return "the copy could not be written";
	case OUTCOME_PIXELS: /* one() has its sentence */
	case OUTCOME_NONE:
		break;
	}
	return "the process that read it has died";
}

static bool is_kept(const struct verb *v, const struct deidentify_said *s)
{
	return s->outcome == OUTCOME_GOOD || (s->outcome == OUTCOME_LEFTOVER && v->how.keep_leftovers);
}

static void tell(struct verb *v, const char *name, const char *copy, const char *why)
{
	static const char *const words[] = {"no copy", "ok", "leftover", "not DICOM", "DICOMDIR", "broken",
		"burned in", "document", "not written", "pixels"};
	const struct deidentify_said *s = v->said;
	if (v->json) {
		json_t *o = json_pack("{s:s%, s:s, s:s*, s:s*, s:i, s:i, s:i, s:i, s:i}", "file", name,
			strlen(name), "outcome", words[s->outcome], "copy", copy, "why", why, "removed",
			(int)s->counts[CONFIDENTIALITY_X], "emptied", (int)s->counts[CONFIDENTIALITY_Z],
			"replaced", (int)s->counts[CONFIDENTIALITY_D], "new_uids",
			(int)s->counts[CONFIDENTIALITY_U], "cleaned", (int)s->counts[CONFIDENTIALITY_CLEAN]);
		char *line = o ? json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
		printf("%s\n", line ? line : "{\"outcome\":\"unprintable name\"}");
		free(line);
		json_decref(o);
	} else if (why) {
		fprintf(stderr, "%s%s: %s\n", v->progress ? "\r\033[K" : "", printed(name), why);
	}
}

static void put_quoted(FILE *to, const char *text)
{
	putc('"', to);
	for (; *text; text++) {
		if (*text == '"') {
			putc('"', to);
		}
		putc(*text, to);
	}
	putc('"', to);
}

/* The child's lines, as long as they are of the letters that such lines have. */
static void write_manifest(const struct verb *v, const char *name, const char *copy)
{
	const struct deidentify_said *s = v->said;
	size_t len = s->list_len < sizeof(s->list) ? s->list_len : sizeof(s->list);
	for (size_t at = 0; at < len;) {
		const char *end = memchr(s->list + at, '\n', len - at);
		size_t n = end ? (size_t)(end - (s->list + at)) : 0;
		if (n == 0 || strspn(s->list + at, "0123456789ABCDEF(),.[]abcdefghijklmnopqrstuvwxyz-") < n) {
			return;
		}
		put_quoted(v->manifest, name);
		putc(',', v->manifest);
		put_quoted(v->manifest, copy);
		const char *comma = memrchr(s->list + at, ',', n);
		size_t path = comma ? (size_t)(comma - (s->list + at)) : n;
		fprintf(v->manifest, ",\"%.*s\"%.*s\n", (int)path, s->list + at, (int)(n - path),
			s->list + at + path);
		at += n + 1;
	}
}

static bool make_folder(int at, const char *name, int *ret_fd)
{
	if (mkdirat(at, name, 0750) < 0 && errno != EEXIST) {
		return false;
	}
	*ret_fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd >= 0;
}

/* PATIENT/STUDY/SERIES/INSTANCE.dcm, of what may be names: the child says what they are. */
static bool place(const struct verb *v, char *copy, size_t size)
{
	struct deidentify_said *s = v->said;
	const char *names[] = {
		s->patient, s->study[0] ? s->study : "NONE", s->series[0] ? s->series : "NONE"};
	char last[UID_MAX + 8];
	int fd = v->out_fd, up;
	s->patient[sizeof(s->patient) - 1] = s->study[UID_MAX] = s->series[UID_MAX] = s->instance[UID_MAX] =
		0;
	for (unsigned i = 0; i < 4; i++) {
		const char *name = i < 3 ? names[i] : s->instance;
		if (!name[0] || name[0] == '.' ||
			strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.") != strlen(name)) {
			errno = EINVAL;
			return false;
		}
	}
	snprintf(copy, size, "%s/%s/%s/%s.dcm", names[0], names[1], names[2], s->instance);
	snprintf(last, sizeof(last), "%s.dcm", s->instance);
	for (unsigned i = 0; i < 3; i++) {
		bool ok = make_folder(fd, names[i], &up);
		if (fd != v->out_fd) {
			close(fd);
		}
		if (!ok) {
			return false;
		}
		fd = up;
	}
	bool ok = renameat2(v->out_fd, PART, fd, last, RENAME_NOREPLACE) == 0;
	int kept = errno;
	close(fd);
	errno = kept;
	return ok;
}

static void one(struct verb *v, const char *name, int in)
{
	char copy[4 * (UID_MAX + 8)] = "";
	struct deidentify_said *s = v->said;
	int out = openat(v->out_fd, PART, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (out < 0) {
		s->outcome = OUTCOME_NOT_WRITTEN;
	} else if (v->pixels.on) {
		deidentify_pixels_file(&v->pixels, &v->how, in, out, s);
	} else {
		deidentify_file(&v->how, in, out, s);
	}
	const char *why = s->outcome == OUTCOME_PIXELS ? v->pixels.why : sentence(s);
	bool good = is_kept(v, s);
	if (good && !place(v, copy, sizeof(copy))) {
		why = errno == EEXIST ? "there is a copy of this SOP instance already" : strerror(errno);
		s->outcome = OUTCOME_NOT_WRITTEN;
		good = false;
	}
	if (out >= 0) {
		close(out);
		(void)unlinkat(v->out_fd, PART, 0); /* where there is a copy, it is not called so any more */
	}
	bool alone = s->outcome == OUTCOME_DIRECTORY || (v->folder && s->outcome == OUTCOME_NOT_DICOM);
	v->n_good += good;
	v->n_left_alone += alone;
	v->n_failed += !good && !alone;
	tell(v, name, good ? copy : NULL, why);
	if (good && v->manifest) {
		write_manifest(v, name, copy);
	}
}

/* ---- All ---- */

static void walk(struct verb *v, const struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		v->n_files += t->entries[i].what == TREE_FILE;
	}
	for (size_t i = 0; i < t->n; i++) {
		const struct tree_entry *e = &t->entries[i];
		int in = e->what == TREE_FILE ? tree_open(t, e->path) : -1;
		if (in < 0) {
			v->n_failed++;
			complain(e->path, e->what == TREE_FILE ? strerror(errno) : "it is no plain file");
			continue;
		}
		one(v, e->path, in);
		close(in);
		v->n_done++;
		if (v->progress) {
			fprintf(stderr, "\r%zu of %zu files, %zu %%", v->n_done, v->n_files,
				v->n_done * 100 / v->n_files);
		}
	}
}

static int go_through(struct verb *v, int in)
{
	struct stat st;
	struct tree t = TREE_NONE;
	if (fstat(in, &st) == 0 && S_ISDIR(st.st_mode)) {
		int e = tree_walk(&t, in);
		if (e < 0) {
			return complain(v->in, err_str(e));
		}
		v->folder = true;
		walk(v, &t);
		tree_done(&t);
	} else {
		v->n_files = 1;
		one(v, v->in, in);
		close(in);
	}
	if (v->progress) {
		fputs("\r\033[K", stderr);
	}
	if (!v->json) {
		printf("%zu copied to %s, %zu not, %zu no DICOM objects\n", v->n_good, printed(v->out),
			v->n_failed, v->n_left_alone);
	}
	return v->n_failed > 0 || v->n_good == 0 ? EXIT_SOME : EXIT_GOOD;
}

static int open_out(struct verb *v)
{
	if (mkdir(v->out, 0750) < 0 && errno != EEXIST) {
		return complain(v->out, strerror(errno));
	}
	v->out_fd = open(v->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->out_fd < 0) {
		return complain(v->out, strerror(errno));
	}
	(void)unlinkat(v->out_fd, PART, 0); /* of a run that was killed */
	return EXIT_GOOD;
}

static int open_manifest(struct verb *v)
{
	int fd = open(v->manifest_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	v->manifest = fd < 0 ? NULL : fdopen(fd, "w");
	if (!v->manifest) {
		return complain(v->manifest_path, strerror(errno));
	}
	fputs("file,copy,element,done\n", v->manifest);
	return EXIT_GOOD;
}

static int close_all(struct verb *v, int code)
{
	if (v->manifest && v->manifest_path && fclose(v->manifest) != 0) {
		code = complain(v->manifest_path, strerror(errno));
	}
	if (v->out_fd >= 0) {
		if (syncfs(v->out_fd) < 0) {
			code = complain(v->out, strerror(errno));
		}
		close(v->out_fd);
	}
	sandbox_free(v->sandbox);
	deidentify_pixels_done(&v->pixels);
	object_job_free(v->said, sizeof(*v->said));
	OPENSSL_cleanse(v->how.key, sizeof(v->how.key));
	return code;
}

static int run(struct verb *v)
{
	v->out_fd = -1;
	v->how.list = v->manifest_path != NULL;
	v->progress = !v->json && isatty(STDERR_FILENO);
	v->said = object_job_memory(sizeof(*v->said));
	int code = v->said ? read_key(v) : EXIT_NOTHING;
	int in = code == 0 ? open(v->in, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	if (code == 0 && in < 0) {
		code = complain(v->in, strerror(errno));
	}
	if (code == 0 && v->pixels.on && !deidentify_pixels_begin(&v->pixels)) {
		code = complain(v->pixels.rules_path ? v->pixels.rules_path : v->in, v->pixels.why);
	}
	code = code ? code : open_out(v);
	code = code || !v->manifest_path ? code : open_manifest(v);
	if (code == 0 && sandbox_new(SANDBOX_KEYS, NULL, 0, &v->sandbox) < 0) {
		code = complain(v->in, "the sandbox for the processes that read it could not be made");
	}
	v->how.sandbox = v->sandbox;
	/* What OpenSSL finds out once is found out before the processes that would each do it. */
	uint8_t warm[32];
	object_job_warm();
	if (code == 0 && pseudonym_make(v->how.key, PSEUDONYM_UID, span_of("", 0), warm) < 0) {
		code = complain(v->key, "OpenSSL makes no HMAC-SHA-256");
	}
	return close_all(v, code ? code : go_through(v, in));
}

/* ---- The command line ---- */

/* Words with commas between them, each of the table. */
static bool take_words(struct verb *v, const struct deidentify_word *words, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, ",");
		const struct deidentify_word *w = words;
		while (w->word && (strlen(w->word) != n || memcmp(w->word, text, n) != 0)) {
			w++;
		}
		if (!w->word) {
			fprintf(stderr, "gantry deidentify: `%.*s` is none of the words for this\n", (int)n,
				printed(text));
			return false;
		}
		v->how.rules.options |= w->option;
		text += n + (text[n] == ',');
	}
	return true;
}

static bool take_option(void *arg, int c)
{
	struct verb *v = arg;
	switch (c) {
	case 'k':
		v->key = optarg;
		return true;
	case 'n':
		v->new_key = optarg;
		return true;
	case 'd':
		v->how.rules.options &= ~(unsigned)(OPTION_SHIFTED_DATES | OPTION_FULL_DATES);
		return take_words(v, deidentify_dates, optarg);
	case 'r':
		return take_words(v, deidentify_retain, optarg);
	case 'l':
		return take_words(v, deidentify_clean, optarg);
	case 'p':
		return v->pixels.on = true;
	case 'x':
		v->pixels.rules_path = optarg;
		return true;
	case 'b':
		return v->how.rules.keep_burned_in = strcmp(optarg, "keep") == 0;
	case 'o':
		return v->how.rules.replace_documents = strcmp(optarg, "replace") == 0;
	case 'f':
		return v->how.keep_leftovers = strcmp(optarg, "keep") == 0;
	case 'm':
		v->manifest_path = optarg;
		return true;
	case 'j':
		return v->json = true;
	default:
		return false;
	}
}

int verb_deidentify(int argc, char **argv)
{
	static const struct option options[] = {{"key", required_argument, NULL, 'k'},
		{"new-key", required_argument, NULL, 'n'}, {"dates", required_argument, NULL, 'd'},
		{"retain", required_argument, NULL, 'r'}, {"clean", required_argument, NULL, 'l'},
		{"clean-pixels", no_argument, NULL, 'p'}, {"pixel-rules", required_argument, NULL, 'x'},
		{"burned-in", required_argument, NULL, 'b'}, {"documents", required_argument, NULL, 'o'},
		{"leftovers", required_argument, NULL, 'f'}, {"manifest", required_argument, NULL, 'm'},
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	static struct verb v;
	int code;
	if (!options_read(argc, argv, options, usage, take_option, &v, &code)) {
		return code;
	}
	if (v.new_key && optind == argc && !v.key) {
		return make_key(v.new_key);
	}
	if (argc - optind != 2 || !v.key || v.new_key) {
		fputs(v.key ? "gantry deidentify: name what to read and where to write, IN and OUT\n"
			    : "gantry deidentify: name the key, --key FILE; --new-key FILE makes one\n",
			stderr);
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (v.pixels.rules_path && !v.pixels.on) {
		fputs("gantry deidentify: --pixel-rules goes with --clean-pixels\n", stderr);
		return EXIT_USAGE;
	}
	v.in = argv[optind];
	v.out = argv[optind + 1];
	return run(&v);
}
