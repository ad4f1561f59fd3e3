/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/module.h"
#include "cli/disc_directory.h"
#include "cli/disc_image.h"
#include "cli/disc_page.h"
#include "cli/disc_udf.h"
#include "cli/media.h"
#include "cli/media_record.h"
#include "cli/options.h"
#include "cli/stage.h"
#include "dicom/dicomdir_write.h"
#include "keys/mail_seal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry media seal [--to CERTIFICATE]... [--passphrase | --passphrase-fd N]\n"
	"                         [--key FILE --cert FILE] [--udf] [--incomplete] [--recorded]\n"
	"                         [-c FILE] FOLDER OUT\n"
	"\n"
	"Writes a disc that nobody reads but whom it is for: the objects of FOLDER (or of an image) and a\n"
	"DICOMDIR as Secure DICOM Files (PS3.15 D.1, PS3.11 Annex D), encrypted by AES-256. OUT: an image, if\n"
	"it ends in .iso; a mail (S/MIME, PS3.15 B.8), if it ends in .eml; or else a folder. It must not be there.\n"
	"\n"
	"  --to CERTIFICATE     for whoever has the key of this certificate (PEM, RSA); several\n"
	"  --passphrase         for whoever knows it: it is asked for, twice. Without --to that is so anyhow\n"
	"  --passphrase-fd N    the same, the first line of this descriptor\n"
	"  --key FILE           sign each file with this RSA key, of a file or by its pkcs11: URI,\n"
	"  --cert FILE          … whose certificate this is, with those that lead up to an authority (PEM)\n"
	"  --udf                an image for a DVD or a Blu-ray disc: UDF beside ISO 9660 (by genisoimage, which has to be there)\n"
	"  --incomplete         seal what can be, though some files cannot\n"
	"  --recorded           only if a gateway that runs here has recorded the export in its audit trail\n"
	"  -c, --config FILE    its configuration; default: ./gantry.yaml, then /etc/gantry/gantry.yaml\n"
	"\n"
	"Exit status: 0 all was sealed; 1 some was, with --incomplete; 2 wrong usage; 3 nothing was, and there is no OUT.\n";

enum { EXIT_ALL, EXIT_SOME, EXIT_USAGE, EXIT_NOTHING };

#define SECONDS      60
#define SPOOL_MEMORY (512ull * 1024 * 1024)
#define TO_MOST      CMS_RECIPIENTS_MOST
#define SINGLE       "OUT"  /* the file, of an image or a mail */
#define FILES        "DISC" /* what the image is made of, beside it */

/* What OUT is, by the end of its name. */
enum form { FOLDER, IMAGE, MAIL };

struct job {
	const char *to[TO_MOST], *key_path, *cert_path, *out, *config;
	unsigned n_to;
	bool ask, incomplete, recorded, udf;
	enum form form;
	int passphrase_fd;
	struct media m;
	struct media_record record;
	struct stage stage;
	struct cms_sealing *sealing;
	struct private_key *key;
	uint8_t *directory;
	size_t directory_len;
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "gantry media seal: %s: ", media_printed(what));
	fprintf(stderr, "%s; nothing was sealed\n", media_printed(why));
	return EXIT_NOTHING;
}

/* ---- For whom and by whom ---- */

static int add_recipients(struct job *j)
{
	char why[256];
	for (unsigned i = 0; i < j->n_to; i++) {
		uint8_t *pem;
		size_t len;
		if (!media_read_pem("seal", j->to[i], &pem, &len)) {
			return EXIT_NOTHING;
		}
		int e = cms_sealing_to(j->sealing, span_of(pem, len), why, sizeof(why));
		free(pem);
		if (e < 0) {
			return complain(j->to[i], e == ERR_NO_MEMORY ? err_str(e) : why);
		}
	}
	return EXIT_ALL;
}

static int add_passphrase(struct job *j)
{
	char text[MEDIA_PASSPHRASE];
	if (j->n_to > 0 && !j->ask && j->passphrase_fd < 0) {
		return EXIT_ALL;
	}
	bool got = media_passphrase("seal", j->passphrase_fd, true, text);
	const char *fault = got ? cms_passphrase_fault(text) : NULL;
	int e = got && !fault ? cms_sealing_passphrase(j->sealing, text) : 0;
	OPENSSL_cleanse(text, sizeof(text));
	return !got    ? EXIT_NOTHING
	       : fault ? complain("the passphrase", fault)
	       : e < 0 ? complain("the passphrase", err_str(e))
	               : EXIT_ALL;
}

static int add_signer(struct job *j)
{
	char why[512], *whole = NULL;
	uint8_t *pem;
	size_t len;
	if (!j->key_path) {
		return EXIT_ALL;
	}
	if (!media_read_pem("seal", j->cert_path, &pem, &len)) {
		return EXIT_NOTHING;
	}
	if (!private_key_is_token(j->key_path)) {
		whole = realpath(j->key_path, NULL);
	}
	int e = private_key_open(whole ? whole : j->key_path, span_of(pem, len), &j->key, why, sizeof(why));
	int code = e < 0 ? complain(j->key_path, why) : EXIT_ALL;
	if (e == 0 && (e = cms_sealing_signer(j->sealing, j->key, span_of(pem, len), why, sizeof(why))) < 0) {
		code = complain(j->cert_path, e == ERR_NO_MEMORY ? err_str(e) : why);
	}
	free(whole);
	free(pem);
	return code;
}

/* ---- The files ---- */

static int put(void *arg, struct span bytes)
{
	return fwrite(bytes.ptr, 1, bytes.len, arg) == bytes.len ? 0 : ERR_SYSTEM;
}

static int feed_file(void *f, struct span bytes)
{
	return cms_file_more(f, bytes);
}

/* An object, or the DICOMDIR if i is that of none. */
static int feed(const struct job *j, size_t i, cms_put *more, void *arg)
{
	static uint8_t buf[CMS_SEAL_PIECE];
	if (i == j->m.n_objects) {
		return more(arg, span_of(j->directory, j->directory_len));
	}
	uint64_t at = j->m.objects[i].at, len = j->m.objects[i].len;
	while (len > 0) {
		ssize_t n =
			pread(j->m.spool.fd, buf, len < sizeof(buf) ? (size_t)len : sizeof(buf), (off_t)at);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		int e = n <= 0 ? ERR_SYSTEM : more(arg, span_of(buf, (size_t)n));
		if (e < 0) {
			return e;
		}
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* With slashes. */
static int name_of(const struct job *j, size_t i, char name[DICOMDIR_FILE_ID])
{
	if (i == j->m.n_objects) {
		snprintf(name, DICOMDIR_FILE_ID, "DICOMDIR");
		return 0;
	}
	int e = dicomdir_file_id((uint32_t)i, name);
	char *slash = e == 0 ? strchr(name, '\\') : NULL;
	if (slash) {
		*slash = '/';
	}
	return e;
}

static void tell_progress(const struct job *j, size_t i)
{
	if (j->m.progress && i < j->m.n_objects) {
		fprintf(stderr, "\rsealing: %zu of %zu", i + 1, j->m.n_objects);
	} else if (j->m.progress) {
		fputs("\r\033[K", stderr);
	}
}

static FILE *new_file(const struct job *j, const char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "%s%s", j->form == IMAGE ? FILES "/" : "", name);
	int fd = stage_file(&j->stage, path);
	return fd < 0 ? NULL : fdopen(fd, "wb");
}

static int close_file(const struct job *j, FILE *f)
{
	int e = fflush(f) == 0 && !ferror(f) ? 0 : ERR_SYSTEM;
	off_t len = ftello(f);
	if (e == 0 && j->form == IMAGE && (uint64_t)len > DISC_IMAGE_FILE_MOST) {
		e = ERR_LIMIT;
	}
	return fclose(f) == 0 ? e : ERR_SYSTEM;
}

static int seal_one(const struct job *j, size_t i)
{
	struct cms_file *f = NULL;
	char name[DICOMDIR_FILE_ID];
	FILE *to = name_of(j, i, name) < 0 ? NULL : new_file(j, name);
	if (!to) {
		return ERR_SYSTEM;
	}
	int e = cms_file_begin(j->sealing, clock_wall_ms() / 1000, put, to, &f);
	e = e < 0 ? e : feed(j, i, feed_file, f);
	e = e < 0 ? e : cms_file_end(f);
	cms_file_free(f);
	int closed = close_file(j, to);
	return e < 0 ? e : closed;
}

static int write_files(const struct job *j)
{
	const struct disc_page page = {.by_key = j->n_to > 0,
		.by_passphrase = j->n_to == 0 || j->ask || j->passphrase_fd >= 0,
		.is_signed = j->key != NULL};
	int e = 0;
	for (size_t i = 0; e == 0 && i <= j->m.n_objects; i++) {
		tell_progress(j, i);
		e = seal_one(j, i);
	}
	FILE *f = e == 0 ? new_file(j, "README.TXT") : NULL;
	if (!f) {
		return e < 0 ? e : ERR_SYSTEM;
	}
	disc_page_write(&page, f);
	return close_file(j, f);
}

/* ---- As a mail ---- */

static int feed_mail(void *m, struct span bytes)
{
	return mail_more(m, bytes);
}

static int write_mail(const struct job *j)
{
	struct mail *mail = NULL;
	char name[DICOMDIR_FILE_ID];
	FILE *to = new_file(j, SINGLE);
	if (!to) {
		return ERR_SYSTEM;
	}
	int e = mail_begin(j->sealing, clock_wall_ms() / 1000, disc_page_mail, put, to, &mail);
	for (size_t i = 0; e == 0 && i <= j->m.n_objects; i++) {
		tell_progress(j, i);
		e = name_of(j, i, name);
		e = e < 0 ? e : mail_file(mail, name);
		e = e < 0 ? e : feed(j, i, feed_mail, mail);
	}
	e = e < 0 ? e : mail_end(mail);
	mail_free(mail);
	int closed = close_file(j, to);
	return e < 0 ? e : closed;
}

/* ---- The disc ---- */

/* Where libisofs finds what the image is made of: it wants a path from the root. */
static char *folder_of(const struct job *j)
{
	char *path = NULL;
	if (asprintf(&path, "%s/" FILES, j->stage.path) < 0) {
		return NULL;
	}
	char *whole = realpath(path, NULL);
	free(path);
	return whole;
}

static int write_iso(const char *folder, int fd, char *why, size_t cap)
{
	module_function *found;
	int e = module_open("cli/gantry-disc", "disc_image_write", &found, why, cap);
	return e < 0 ? e : ((disc_image_function *)found)(folder, fd, why, cap);
}

static int write_image(const struct job *j, char *why, size_t cap)
{
	char *folder = folder_of(j);
	int fd = folder ? stage_file(&j->stage, SINGLE) : -1;
	int e = fd < 0   ? ERR_SYSTEM
	        : j->udf ? disc_udf_write(folder, fd, why, cap)
	                 : write_iso(folder, fd, why, cap);
	if (fd < 0) {
		snprintf(why, cap, "%s", strerror(errno));
	} else {
		close(fd);
	}
	free(folder);
	return e;
}

static const char *sentence(int e)
{
	return e == ERR_SYSTEM  ? strerror(errno)
	       : e == ERR_LIMIT ? "a file is larger than an image can have: seal into a folder"
	       : e == ERR_VALUE ? "it is there already"
	                        : err_str(e);
}

/* In its place, once it is recorded. */
static int publish(struct job *j, char *why, size_t cap)
{
	char whom[300], more[320];
	cms_sealing_for(j->sealing, whom, sizeof(whom));
	snprintf(more, sizeof(more), "for %s", whom);
	if (!media_record(&j->record, &j->m, j->out, more)) {
		snprintf(why, cap, "it could not be recorded: %s", j->record.why);
		return ERR_SYSTEM;
	}
	int e = j->form == FOLDER ? stage_commit(&j->stage) : stage_commit_file(&j->stage, SINGLE);
	int kept = errno;
	if (e < 0) {
		media_record_undone(&j->record, &j->m, j->out, more);
	}
	errno = kept;
	return e;
}

static int make_disc(struct job *j)
{
	char why[512] = "";
	int e = stage_begin(&j->stage, j->out);
	e = e < 0 ? e : j->form == MAIL ? write_mail(j) : write_files(j);
	e = e == 0 && j->form == IMAGE ? write_image(j, why, sizeof(why)) : e;
	e = e < 0 ? e : publish(j, why, sizeof(why));
	if (e < 0 && !why[0]) {
		snprintf(why, sizeof(why), "%s", sentence(e));
	}
	stage_done(&j->stage);
	if (e < 0) {
		media_record_warn(&j->record, &j->m);
		return complain(j->out, why);
	}
	return EXIT_ALL;
}

/* ---- What is read ---- */

/* All of it, or as much as can be if that was asked for. */
static int read_folder(struct job *j)
{
	struct media *m = &j->m;
	char why[256];
	size_t object = 0;
	int e = sandbox_new(SANDBOX_KEYS, NULL, 0, &m->sandbox);
	e = e ? e : scrap_new(&m->spool, SPOOL_MEMORY);
	snprintf(why, sizeof(why), "%s", err_str(e));
	e = e ? e : media_take(m, why, sizeof(why));
	if (e < 0 || (e = media_sort(m)) < 0) {
		return complain(m->source, e == ERR_NO_MEMORY ? err_str(e) : why);
	}
	media_show(m);
	(void)fflush(stdout);
	if (m->n_objects == 0) {
		return complain(m->source, "there is no object to be sealed");
	}
	if ((m->refused.n > 0 || m->broken[0]) && !j->incomplete) {
		return complain(m->source,
			"some files cannot go onto a disc, as is said above (--incomplete: without them)");
	}
	e = disc_directory(m, &j->directory, &j->directory_len, &object);
	if (e < 0) {
		return complain(e == ERR_VALUE || e == ERR_TIMEOUT ? m->objects[object].file : m->source,
			e == ERR_VALUE ? "it cannot be read to where it says what it is" : sentence(e));
	}
	return EXIT_ALL;
}

/* Secrets come last, when nothing is left to be read by processes that are copies of this one. */
static int run(struct job *j)
{
	int code = access(j->out, F_OK) == 0 ? complain(j->out, "it is there already")
	           : media_record_begin(&j->record, "seal", j->config, j->recorded) ? EXIT_ALL
	                                                                            : EXIT_NOTHING;
	int e = code == EXIT_ALL ? cms_sealing_new(&j->sealing) : 0;
	code = e < 0 ? complain(j->out, err_str(e)) : code;
	code = code == EXIT_ALL ? add_recipients(j) : code;
	code = code == EXIT_ALL ? read_folder(j) : code;
	code = code == EXIT_ALL ? add_passphrase(j) : code;
	code = code == EXIT_ALL ? add_signer(j) : code;
	code = code == EXIT_ALL ? make_disc(j) : code;
	if (code == EXIT_ALL) {
		const struct media *m = &j->m;
		printf("\n%s: %zu object%s sealed\n", media_printed(j->out), m->n_objects,
			m->n_objects == 1 ? "" : "s");
		media_record_tell(&j->record);
		code = m->refused.n > 0 || m->broken[0] ? EXIT_SOME : EXIT_ALL;
	}
	free(j->directory);
	cms_sealing_free(j->sealing);
	private_key_free(j->key);
	media_done(&j->m);
	return code;
}

/* ---- The command line ---- */

static bool take_option(void *arg, int c)
{
	struct job *j = arg;
	char *end;
	switch (c) {
	case 't':
		if (j->n_to == TO_MOST) {
			return false;
		}
		j->to[j->n_to++] = optarg;
		return true;
	case 'p':
		j->ask = true;
		return true;
	case 'f':
		j->passphrase_fd = (int)strtol(optarg, &end, 10);
		return optarg[0] && !*end && j->passphrase_fd >= 0;
	case 'k':
		j->key_path = optarg;
		return true;
	case 'e':
		j->cert_path = optarg;
		return true;
	case 'i':
		j->incomplete = true;
		return true;
	case 'u':
		j->udf = true;
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

static bool ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), k = strlen(end);
	return n > k && strcasecmp(path + n - k, end) == 0;
}

int media_seal(int argc, char **argv)
{
	static const struct option options[] = {{"to", required_argument, NULL, 't'},
		{"passphrase", no_argument, NULL, 'p'}, {"passphrase-fd", required_argument, NULL, 'f'},
		{"key", required_argument, NULL, 'k'}, {"cert", required_argument, NULL, 'e'},
		{"incomplete", no_argument, NULL, 'i'}, {"udf", no_argument, NULL, 'u'},
		{"recorded", no_argument, NULL, 'r'}, {"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'}, {0}};
	static struct job j;
	int code;
	j = (struct job){
		.m = {.spool = SCRAP_NONE, .seconds = SECONDS}, .stage = STAGE_NONE, .passphrase_fd = -1};
	if (!options_read(argc, argv, options, usage, take_option, &j, &code)) {
		return code;
	}
	if (argc - optind != 2 || !j.key_path != !j.cert_path || (j.ask && j.passphrase_fd >= 0)) {
		fprintf(stderr, "gantry media seal: %s\n",
			argc - optind != 2 ? "name the folder to seal and what to write, FOLDER and OUT"
			: !j.key_path != !j.cert_path ? "--key and --cert go together: who signs"
						      : "--passphrase or --passphrase-fd, and not both");
		options_usage(usage);
		return EXIT_USAGE;
	}
	j.m.source = argv[optind];
	j.out = argv[optind + 1];
	j.form = ends_in(j.out, ".iso") ? IMAGE : ends_in(j.out, ".eml") ? MAIL : FOLDER;
	if (j.form == MAIL && (j.n_to == 0 || !j.key_path || j.ask || j.passphrase_fd >= 0)) {
		fputs("gantry media seal: a mail is sealed to certificates and signed (PS3.15 B.8): --to, --key and --cert, without a passphrase\n",
			stderr);
		return EXIT_USAGE;
	}
	if (j.udf && j.form != IMAGE) {
		fputs("gantry media seal: --udf is for an image: an OUT that ends in .iso\n", stderr);
		options_usage(usage);
		return EXIT_USAGE;
	}
	j.m.progress = isatty(STDERR_FILENO) == 1;
	return run(&j);
}
