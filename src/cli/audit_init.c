/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/armor.h"
#include "audit/blind.h"
#include "audit/note.h"
#include "cli/audit.h"
#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry audit init [--folder DIR] [--origin NAME] [--auditor NAME] [--passphrase-file FILE]\n"
	"\n"
	"Makes the keys of an audit trail: the one that signs checkpoints, the one of the blind index, and an auditor's pair,\n"
	"whose private half is kept under a passphrase. Prints the lines for gantry.yaml, and what to carry where. Nothing that\n"
	"is there is overwritten.\n"
	"\n"
	"  --folder DIR            where to (default: audit)\n"
	"  --origin NAME           of this journal, for ever: the name of its checkpoints (default: this host's name and /gantry)\n"
	"  --auditor NAME          of the auditor's files (default: auditor)\n"
	"  --passphrase-file FILE  its first line, instead of asking twice on the terminal\n"
	"  -h, --help              print this\n"
	"\n"
	"Exits with 0, 1 for a failure, 2 for a wrong command line.\n";

#define VERB             "gantry audit init"

#define PASSPHRASE_LEAST 8
/* PBKDF2 with HMAC-SHA-256: what takes a good part of a second of who guesses, for each guess. */
#define ROUNDS 600000

enum made { CHECKPOINT_KEY, CHECKPOINT_VKEY, INDEX_KEY, AUDITOR_KEY, AUDITOR_PEM, MADE_COUNT };

struct job {
	const char *folder, *auditor, *passphrase_file;
	char origin[NOTE_NAME_MOST + 1];
	char passphrase[256];
	char path[MADE_COUNT][4200];
	bool is_ours[MADE_COUNT]; /* made by this run */
	bool folder_is_ours;
};

static int fail(const char *what, const char *path)
{
	fprintf(stderr, VERB ": %s %s: %s\n", what, path, strerror(errno));
	return 1;
}

static int out_of(const char *what)
{
	fprintf(stderr, VERB ": OpenSSL cannot make %s\n", what);
	return 1;
}

/* ---- Files ---- */

static void name_files(struct job *j)
{
	static const char *const fixed[MADE_COUNT] = {[CHECKPOINT_KEY] = "checkpoint.key",
		[CHECKPOINT_VKEY] = "checkpoint.vkey",
		[INDEX_KEY] = "index.key"};
	for (unsigned i = 0; i < MADE_COUNT; i++) {
		if (fixed[i]) {
			snprintf(j->path[i], sizeof(j->path[i]), "%s/%s", j->folder, fixed[i]);
		} else {
			snprintf(j->path[i], sizeof(j->path[i]), "%s/%s.%s", j->folder, j->auditor,
				i == AUDITOR_KEY ? "key" : "pem");
		}
	}
}

static int nothing_there(const struct job *j)
{
	for (unsigned i = 0; i < MADE_COUNT; i++) {
		struct stat st;
		if (lstat(j->path[i], &st) == 0) {
			fprintf(stderr, VERB ": %s is there already, and is not overwritten\n", j->path[i]);
			return 1;
		}
	}
	return 0;
}

static int write_file(struct job *j, enum made which, mode_t mode, const void *bytes, size_t len)
{
	const char *path = j->path[which];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0) {
		return fail("cannot make", path);
	}
	j->is_ours[which] = true;
	bool ok = fchmod(fd, mode) == 0 && write(fd, bytes, len) == (ssize_t)len && fsync(fd) == 0;
	int kept = errno;
	close(fd);
	errno = kept;
	return ok ? 0 : fail("cannot write", path);
}

static int write_bio(struct job *j, enum made which, mode_t mode, BIO *bio)
{
	char *text = NULL;
	long len = BIO_get_mem_data(bio, &text);
	return len > 0 ? write_file(j, which, mode, text, (size_t)len) : out_of(j->path[which]);
}

/* ---- Keys ---- */

static int make_checkpoint_key(struct job *j)
{
	uint8_t public[32];
	char vkey[NOTE_LINE_MOST + 2];
	size_t len = sizeof(public);
	struct note_key note;
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_secmem());
	int status = 1;
	if (!key || !bio || EVP_PKEY_get_raw_public_key(key, public, &len) != 1 ||
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1 ||
		note_key_make(j->origin, NOTE_ED25519, public, &note) < 0 ||
		note_key_write(&note, vkey, sizeof(vkey) - 1) < 0) {
		status = out_of("a key that signs checkpoints");
	} else {
		status = write_bio(j, CHECKPOINT_KEY, 0600, bio);
		len = strlen(vkey);
		vkey[len] = '\n';
		status = status == 0 ? write_file(j, CHECKPOINT_VKEY, 0644, vkey, len + 1) : status;
	}
	BIO_free(bio);
	EVP_PKEY_free(key);
	return status;
}

static int make_index_key(struct job *j)
{
	uint8_t key[BLIND_KEY];
	char text[2 * BLIND_KEY + 1];
	struct writer w = writer_of(text, sizeof(text));
	int status = 1;
	if (RAND_priv_bytes(key, sizeof(key)) != 1) {
		status = out_of("a key for the index");
	} else {
		armor_write_hex(&w, span_of(key, sizeof(key)));
		writer_u8(&w, '\n');
		status = write_file(j, INDEX_KEY, 0600, text, w.len);
	}
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(text, sizeof(text));
	return status;
}

/* PKCS#8, PBES2: AES-256-CBC under PBKDF2. */
static X509_SIG *encrypt(EVP_PKEY *key, const char *passphrase)
{
	PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
	X509_SIG *sealed = plain ? PKCS8_encrypt(-1, EVP_aes_256_cbc(), passphrase, (int)strlen(passphrase),
					   NULL, 16, ROUNDS, plain)
	                         : NULL;
	PKCS8_PRIV_KEY_INFO_free(plain);
	return sealed;
}

static int make_auditor(struct job *j)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	X509_SIG *sealed = key ? encrypt(key, j->passphrase) : NULL;
	BIO *private = BIO_new(BIO_s_mem()), *public = BIO_new(BIO_s_mem());
	int status = 1;
	if (!sealed || !private || !public || PEM_write_bio_PKCS8(private, sealed) != 1 ||
		PEM_write_bio_PUBKEY(public, key) != 1) {
		status = out_of("an auditor's keys");
	} else {
		status = write_bio(j, AUDITOR_KEY, 0600, private);
		status = status == 0 ? write_bio(j, AUDITOR_PEM, 0644, public) : status;
	}
	BIO_free(private);
	BIO_free(public);
	X509_SIG_free(sealed);
	EVP_PKEY_free(key);
	return status;
}

/* ---- All ---- */

static int take_passphrase(struct job *j)
{
	bool ok = j->passphrase_file
	                  ? passphrase_of_file(VERB, j->passphrase_file, j->passphrase, sizeof(j->passphrase))
	                  : isatty(STDIN_FILENO) &&
	                            passphrase_ask_twice("Passphrase of the auditor's key: ", j->passphrase,
					    sizeof(j->passphrase));
	if (!ok) {
		if (!j->passphrase_file) {
			fputs(isatty(STDIN_FILENO) ? VERB
					": the passphrase is empty, or the two are not the same\n"
						   : VERB
					": there is no terminal to ask for a passphrase: use --passphrase-file\n",
				stderr);
		}
		return 1;
	}
	if (strlen(j->passphrase) < PASSPHRASE_LEAST) {
		fprintf(stderr, VERB ": the passphrase has less than %d characters\n", PASSPHRASE_LEAST);
		return 1;
	}
	return 0;
}

static int make_all(struct job *j)
{
	if (mkdir(j->folder, 0750) == 0) {
		j->folder_is_ours = true;
	} else if (errno != EEXIST) {
		return fail("cannot make", j->folder);
	}
	int status = make_checkpoint_key(j);
	status = status == 0 ? make_index_key(j) : status;
	return status == 0 ? make_auditor(j) : status;
}

static void take_back(const struct job *j)
{
	for (unsigned i = 0; i < MADE_COUNT; i++) {
		if (j->is_ours[i]) {
			(void)unlink(j->path[i]);
		}
	}
	if (j->folder_is_ours) {
		(void)rmdir(j->folder);
	}
}

static void tell(const struct job *j)
{
	printf("# For gantry.yaml:\n"
	       "audit:\n"
	       "  origin: %s\n"
	       "  auditors: [ %s ]\n"
	       "  checkpoint-key: %s\n"
	       "  index-key: %s\n",
		j->origin, j->path[AUDITOR_PEM], j->path[CHECKPOINT_KEY], j->path[INDEX_KEY]);
	printf("\n"
	       "# Carry to the auditor, and then delete here:\n"
	       "#   %s   reads the records, with its passphrase. Without it, and without that of another\n"
	       "#   auditor, nobody ever reads them: keep a second copy in a safe.\n"
	       "# Carry to whoever verifies the journal, by a way that the gateway's administrator does not rule:\n"
	       "#   %s   public; checkpoints are held against it.\n"
	       "# Stay here, for root alone:\n"
	       "#   %s, %s   the key holder opens them. The auditor gets the\n"
	       "#   index's key with the records.\n",
		j->path[AUDITOR_KEY], j->path[CHECKPOINT_VKEY], j->path[CHECKPOINT_KEY], j->path[INDEX_KEY]);
}

static int run(struct job *j)
{
	if (!note_name_valid(span_str(j->origin))) {
		fprintf(stderr,
			VERB ": `%s` is no origin: letters, digits, dots and slashes, no space and no plus\n",
			j->origin);
		return 2;
	}
	if (!j->auditor[0] || j->auditor[0] == '.' || strchr(j->auditor, '/') || strlen(j->auditor) > 64 ||
		strlen(j->folder) > 4000) {
		fprintf(stderr, VERB ": `%s` is no name for a file\n", j->auditor);
		return 2;
	}
	name_files(j);
	int status = nothing_there(j);
	status = status == 0 ? take_passphrase(j) : status;
	status = status == 0 ? make_all(j) : status;
	OPENSSL_cleanse(j->passphrase, sizeof(j->passphrase));
	if (status != 0) {
		take_back(j);
		return status;
	}
	tell(j);
	return 0;
}

int audit_init(int argc, char **argv)
{
	static const struct option options[] = {{"folder", required_argument, NULL, 'f'},
		{"origin", required_argument, NULL, 'o'}, {"auditor", required_argument, NULL, 'a'},
		{"passphrase-file", required_argument, NULL, 'p'}, {"help", no_argument, NULL, 'h'}, {0}};
	static struct job j = {.folder = "audit", .auditor = "auditor"};
	char host[65] = "";
	int o;
	(void)gethostname(host, sizeof(host) - 1);
	snprintf(j.origin, sizeof(j.origin), "%s/gantry", host[0] ? host : "localhost");
	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (o) {
		case 'f':
			j.folder = optarg;
			break;
		case 'o':
			snprintf(j.origin, sizeof(j.origin), "%s",
				strlen(optarg) < sizeof(j.origin) ? optarg : "");
			break;
		case 'a':
			j.auditor = optarg;
			break;
		case 'p':
			j.passphrase_file = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc) {
		fputs(usage, stderr);
		return 2;
	}
	return run(&j);
}
