/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/module.h"
#include "cli/disc_directory.h"
#include "cli/disc_image.h"
#include "cli/media.h"
#include "cli/media_record.h"
#include "cli/options.h"
#include "cli/stage.h"
#include "dicom/dicomdir_write.h"
#include "keys/cms_seal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry media seal [--to CERTIFICATE]... [--passphrase | --passphrase-fd N] [--key FILE --cert FILE] [--incomplete] [--recorded] [-c FILE] FOLDER OUT\n"
	"\n"
	"Writes a disc that nobody reads but whom it is for: the objects of FOLDER (or of an image) and a DICOMDIR as Secure DICOM Files\n"
	"(PS3.15 D.1, PS3.11 Annex D), encrypted by AES-256. OUT: an image, if it ends in .iso, or else a folder; it must not be there.\n"
	"\n"
	"  --to CERTIFICATE     for whoever has the key of this certificate (PEM, RSA); several\n"
	"  --passphrase         for whoever knows it: it is asked for, twice. Without --to that is so anyhow\n"
	"  --passphrase-fd N    the same, the first line of this descriptor\n"
	"  --key FILE           sign each file with this RSA key, of a file or by its pkcs11: URI,\n"
	"  --cert FILE          … whose certificate this is, with those that lead up to an authority (PEM)\n"
	"  --incomplete         seal what can be, though some files cannot\n"
	"  --recorded           only if a gateway that runs here has recorded the export in its audit trail\n"
	"  -c, --config FILE    its configuration; default: ./gantry.yaml, then /etc/gantry/gantry.yaml\n"
	"\n"
	"Exit status: 0 all was sealed; 1 some was, with --incomplete; 2 wrong usage; 3 nothing was, and there is no OUT.\n";

enum { EXIT_ALL, EXIT_SOME, EXIT_USAGE, EXIT_NOTHING };

#define SECONDS      60
#define SPOOL_MEMORY (512ull * 1024 * 1024)
#define TO_MOST      CMS_RECIPIENTS_MOST
#define IMAGE        "IMAGE"
#define FILES        "DISC" /* what the image is made of, beside it */

struct job {
	const char *to[TO_MOST], *key_path, *cert_path, *out, *config;
	unsigned n_to;
	bool ask, incomplete, image, recorded;
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

/* From the spool, or from memory if bytes has any. */
static int feed(struct cms_file *f, const struct job *j, struct span bytes, uint64_t at, uint64_t len)
{
	static uint8_t buf[CMS_SEAL_PIECE];
	if (bytes.ptr) {
		return cms_file_more(f, bytes);
	}
	while (len > 0) {
		ssize_t n =
			pread(j->m.spool.fd, buf, len < sizeof(buf) ? (size_t)len : sizeof(buf), (off_t)at);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		int e = n <= 0 ? ERR_SYSTEM : cms_file_more(f, span_of(buf, (size_t)n));
		if (e < 0) {
			return e;
		}
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static FILE *new_file(const struct job *j, const char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "%s%s", j->image ? FILES "/" : "", name);
	int fd = stage_file(&j->stage, path);
	return fd < 0 ? NULL : fdopen(fd, "wb");
}

static int close_file(const struct job *j, FILE *f)
{
	int e = fflush(f) == 0 && !ferror(f) ? 0 : ERR_SYSTEM;
	off_t len = ftello(f);
	if (e == 0 && j->image && (uint64_t)len > DISC_IMAGE_FILE_MOST) {
		e = ERR_LIMIT;
	}
	return fclose(f) == 0 ? e : ERR_SYSTEM;
}

static int seal_one(const struct job *j, const char *name, struct span bytes, uint64_t at, uint64_t len)
{
	struct cms_file *f = NULL;
	FILE *to = new_file(j, name);
	if (!to) {
		return ERR_SYSTEM;
	}
	int e = cms_file_begin(j->sealing, clock_wall_ms() / 1000, put, to, &f);
	e = e < 0 ? e : feed(f, j, bytes, at, len);
	e = e < 0 ? e : cms_file_end(f);
	cms_file_free(f);
	int closed = close_file(j, to);
	return e < 0 ? e : closed;
}

static int seal_all(const struct job *j)
{
	const struct media *m = &j->m;
	char name[DICOMDIR_FILE_ID];
	int e = seal_one(j, "DICOMDIR", span_of(j->directory, j->directory_len), 0, 0);
	for (size_t i = 0; e == 0 && i < m->n_objects; i++) {
		if (m->progress) {
			fprintf(stderr, "\rsealing: %zu of %zu", i + 1, m->n_objects);
		}
		e = dicomdir_file_id((uint32_t)i, name);
		char *slash = e == 0 ? strchr(name, '\\') : NULL;
		if (slash) {
			*slash = '/';
		}
		e = e < 0 ? e : seal_one(j, name, span_of(NULL, 0), m->objects[i].at, m->objects[i].len);
	}
	if (m->progress) {
		fputs("\r\033[K", stderr);
	}
	return e;
}

/* ---- The page for the recipient: nothing of whom it is about, or who made it ---- */

static const char page[] =
	"This disc has medical images for you. They are encrypted: every file but\r\n"
	"this one is a Secure DICOM File (DICOM PS3.10 7.4, PS3.15 D.1).\r\n"
	"\r\n"
	"It opens with %s.\r\n"
	"\r\n"
	"With Gantry (the disc is at /media/cdrom; OUT is a folder that is made):\r\n"
	"\r\n"
	"  gantry media open%s /media/cdrom OUT\r\n"
	"\r\n"
	"With any program for DICOM media that knows this profile.\r\n"
	"\r\n"
	"With OpenSSL, file by file:\r\n"
	"\r\n"
	"%s"
	"  (printf '\\060\\200\\006\\011\\052\\206\\110\\206\\367\\015\\001\\007\\00%u\\240\\200'; \\\r\n"
	"   cat inner; printf '\\000\\000\\000\\000') > whole\r\n"
	"  openssl cms %s -in whole -inform DER \\\r\n"
	"    -binary -out F0000000.dcm\r\n"
	"\r\n"
	"The last command also says whether the file is as it was made%s.\r\n"
	"DICOMDIR has the list of files, and opens in the same way.\r\n";

static const char by_key[] = "  openssl cms -decrypt -inform DER -in D0000000/F0000000 \\\r\n"
			     "    -binary -inkey your-key.pem -out inner\r\n";
static const char by_passphrase[] = "  openssl cms -decrypt -inform DER -in D0000000/F0000000 \\\r\n"
				    "    -binary -pwri_password 'THE PASSPHRASE' -out inner\r\n";

static int write_page(const struct job *j)
{
	bool passphrase = j->n_to == 0 || j->ask || j->passphrase_fd >= 0;
	char both[sizeof(by_key) + sizeof(by_passphrase) + 16];
	snprintf(both, sizeof(both), "%s%s%s", j->n_to ? by_key : "", j->n_to && passphrase ? "or\r\n" : "",
		passphrase ? by_passphrase : "");
	FILE *f = new_file(j, "README.TXT");
	if (!f) {
		return ERR_SYSTEM;
	}
	fprintf(f, page,
		!passphrase    ? "the private key of your certificate"
		: j->n_to == 0 ? "a passphrase, which you get in another way"
			       : "the private key of your certificate, or a passphrase",
		!passphrase ? " --key your-key.pem"
		: j->n_to   ? " [--key your-key.pem]"
			    : "",
		both, j->key ? 2u : 5u,
		j->key ? "-verify -CAfile authority.pem -purpose any" : "-digest_verify",
		j->key ? ",\r\nand by whom" : "");
	return close_file(j, f);
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

static int write_image(const struct job *j, char *why, size_t cap)
{
	module_function *found;
	int e = module_open("cli/gantry-disc", "disc_image_write", &found, why, cap);
	if (e < 0) {
		return e;
	}
	char *folder = folder_of(j);
	int fd = folder ? stage_file(&j->stage, IMAGE) : -1;
	if (fd < 0) {
		snprintf(why, cap, "%s", strerror(errno));
		e = ERR_SYSTEM;
	} else {
		e = ((disc_image_function *)found)(folder, fd, why, cap);
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
	if (!media_record(&j->record, &j->m, j->out, more, true)) {
		snprintf(why, cap, "it could not be recorded: %s", j->record.why);
		return ERR_SYSTEM;
	}
	int e = j->image ? stage_commit_file(&j->stage, IMAGE) : stage_commit(&j->stage);
	int kept = errno;
	if (e < 0) {
		(void)media_record(&j->record, &j->m, j->out, more, false);
	}
	errno = kept;
	return e;
}

static int make_disc(struct job *j)
{
	char why[512] = "";
	int e = stage_begin(&j->stage, j->out);
	e = e < 0 ? e : seal_all(j);
	e = e < 0 ? e : write_page(j);
	e = e == 0 && j->image ? write_image(j, why, sizeof(why)) : e;
	e = e < 0 ? e : publish(j, why, sizeof(why));
	if (e < 0 && !why[0]) {
		snprintf(why, sizeof(why), "%s", sentence(e));
	}
	stage_done(&j->stage);
	return e < 0 ? complain(j->out, why) : EXIT_ALL;
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

int media_seal(int argc, char **argv)
{
	static const struct option options[] = {{"to", required_argument, NULL, 't'},
		{"passphrase", no_argument, NULL, 'p'}, {"passphrase-fd", required_argument, NULL, 'f'},
		{"key", required_argument, NULL, 'k'}, {"cert", required_argument, NULL, 'e'},
		{"incomplete", no_argument, NULL, 'i'}, {"recorded", no_argument, NULL, 'r'},
		{"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
	static struct job j;
	int code;
	j = (struct job){
		.m = {.spool = SCRAP_NONE, .seconds = SECONDS}, .stage = STAGE_NONE, .passphrase_fd = -1};
	if (!options_read(argc, argv, options, usage, take_option, &j, &code)) {
		return code;
	}
	if (argc - optind != 2 || !j.key_path != !j.cert_path || (j.ask && j.passphrase_fd >= 0)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	j.m.source = argv[optind];
	j.out = argv[optind + 1];
	size_t n = strlen(j.out);
	j.image = n > 4 && strcasecmp(j.out + n - 4, ".iso") == 0;
	j.m.progress = isatty(STDERR_FILENO) == 1;
	return run(&j);
}
