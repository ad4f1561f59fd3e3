/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_keys.h"
#include "base/put.h"
#include "cli/options.h"
#include "cli/starter.h"
#include "cli/verbs.h"
#include "keys/ca.h"
#include "keys/x509.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY_S         86400
#define CA_DAYS       3650
#define LEAF_DAYS     825  /* `gantry status` counts them down */
#define CLOCK_SLACK_S 3600 /* devices' clocks run behind */
#define FILES_MAX     24
#define STARTER_USER  "gantry" /* as starter.c writes it */
#define WORDS         16       /* bytes of chance in a passphrase */

/* One file of the site, in the order of writing. gantry.yaml is last: a site without one is not a site. */
struct file {
	const char *path; /* relative to the site's folder; static storage */
	mode_t mode;
	const void *bytes;
	size_t len;
};

struct site {
	int dir;
	struct ca_pair ca, ecdsa, rsa, scanner;
	uint8_t image[STARTER_IMAGE_CAP];
	struct audit_keys audit;
	char passphrase[2 * WORDS + 2]; /* and a line's end */
	char yaml[STARTER_YAML_CAP];
	struct file files[FILES_MAX];
	size_t n_files;
};

static const struct {
	const char *path;
	mode_t mode;
	bool roles; /* what the processes that meet the network write to, as the user of `user:` */
} folders[] = {{"tls", 0755, false}, {"audit", 0755, false}, {"archive", 0750, true}, {"state", 0750, true},
	{"run", 0755, true}};

static void add_file(struct site *site, const char *path, mode_t mode, const void *bytes, size_t len)
{
	site->files[site->n_files++] = (struct file){path, mode, bytes, len};
}

static void add_pair(
	struct site *site, const char *cert_path, const char *key_path, const struct ca_pair *pair)
{
	add_file(site, key_path, 0600, pair->key_pem, pair->key_len);
	add_file(site, cert_path, 0644, pair->certificate_pem, pair->certificate_len);
}

/* The names of this machine by which devices may call it. */
static int make_gateway(struct site *site, int64_t now_s)
{
	char host[HOST_NAME_MAX + 1] = "";
	const char *san[] = {"localhost", "gantry", "127.0.0.1", "::1", host};
	size_t n_san = ARRAY_LEN(san);
	if (gethostname(host, sizeof(host) - 1) < 0 || !x509_dns_name(host, strlen(host), false)) {
		n_san--;
	}
	struct ca_request request = {
		.common_name = "Gantry gateway",
		.use = CA_USE_SERVER | CA_USE_CLIENT,
		.san = san,
		.n_san = n_san,
		.not_before_s = now_s - CLOCK_SLACK_S,
		.not_after_s = now_s + LEAF_DAYS * DAY_S,
	};
	request.key = CA_KEY_P256;
	int r = ca_issue(&site->ca, &request, &site->ecdsa);
	request.key = CA_KEY_RSA2048;
	return r < 0 ? r : ca_issue(&site->ca, &request, &site->rsa);
}

/* The passphrase is in a file beside what it protects until the auditor takes both away. */
static int make_passphrase(char text[2 * WORDS + 2])
{
	uint8_t chance[WORDS];
	if (RAND_priv_bytes(chance, sizeof(chance)) != 1) {
		return ERR_SYSTEM;
	}
	for (size_t i = 0; i < sizeof(chance); i++) {
		snprintf(text + 2 * i, 3, "%02x", chance[i]);
	}
	OPENSSL_cleanse(chance, sizeof(chance));
	return 0;
}

static int make_audit(struct site *site, const char *origin)
{
	static const char *const paths[AUDIT_KEY_FILES] = {[AUDIT_CHECKPOINT_KEY] = "audit/checkpoint.key",
		[AUDIT_CHECKPOINT_VKEY] = "audit/checkpoint.vkey",
		[AUDIT_RECORD_KEY] = "audit/record.key",
		[AUDIT_RECORD_VKEY] = "audit/record.vkey",
		[AUDIT_INDEX_KEY] = "audit/index.key",
		[AUDIT_AUDITOR_KEY] = "audit/auditor.key",
		[AUDIT_AUDITOR_PEM] = "audit/auditor.pem"};
	int r = make_passphrase(site->passphrase);
	r = r == 0 ? audit_keys_make(origin, site->passphrase, &site->audit) : r;
	for (size_t i = 0; r == 0 && i < AUDIT_KEY_FILES; i++) {
		const struct audit_key_text *t = &site->audit.file[i];
		add_file(site, paths[i], t->mode, t->bytes, t->len);
	}
	if (r == 0) {
		site->passphrase[2 * WORDS] = '\n';
		add_file(site, "audit/auditor.passphrase", 0600, site->passphrase, 2 * WORDS + 1);
	}
	return r;
}

static int make_content(struct site *site)
{
	static const char *const scanner_san[] = {"scanner"};
	int64_t now_s = time(NULL);
	struct ca_request authority = {
		.common_name = "Gantry starter authority",
		.key = CA_KEY_P256,
		.not_before_s = now_s - CLOCK_SLACK_S,
		.not_after_s = now_s + (int64_t)CA_DAYS * DAY_S,
	};
	struct ca_request scanner = {
		.common_name = "scanner",
		.key = CA_KEY_P256,
		.use = CA_USE_CLIENT,
		.san = scanner_san,
		.n_san = ARRAY_LEN(scanner_san),
		.not_before_s = now_s - CLOCK_SLACK_S,
		.not_after_s = now_s + LEAF_DAYS * DAY_S,
	};
	size_t image_len = 0;
	char origin[NOTE_NAME_MOST + 1];
	audit_origin(origin);
	int r = ca_make(&authority, &site->ca);
	if (r == 0) {
		r = make_gateway(site, now_s);
	}
	if (r == 0) {
		r = ca_issue(&site->ca, &scanner, &site->scanner);
	}
	if (r == 0) {
		r = starter_image(site->image, &image_len);
	}
	if (r == 0) {
		r = make_audit(site, origin);
	}
	if (r == 0) {
		r = starter_yaml(origin, site->yaml, sizeof(site->yaml));
	}
	if (r < 0) {
		return r;
	}
	add_pair(site, "tls/ca.pem", "tls/ca.key", &site->ca);
	add_pair(site, "tls/gateway-ecdsa.pem", "tls/gateway-ecdsa.key", &site->ecdsa);
	add_pair(site, "tls/gateway-rsa.pem", "tls/gateway-rsa.key", &site->rsa);
	add_pair(site, "tls/scanner.pem", "tls/scanner.key", &site->scanner);
	add_file(site, "trial.dcm", 0644, site->image, image_len);
	add_file(site, "gantry.yaml", 0644, site->yaml, strlen(site->yaml));
	return 0;
}

/* Not every file system knows RENAME_NOREPLACE; there, the look at the start of init must do. */
static int rename_new(int dir, const char *from, const char *to)
{
	if (renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0) {
		return 0;
	}
	if (errno == EEXIST) {
		return ERR_EXISTS;
	}
	if (errno != EINVAL && errno != ENOSYS) {
		return ERR_SYSTEM;
	}
	return renameat(dir, from, dir, to) == 0 ? 0 : ERR_SYSTEM;
}

static int sync_folder_of(int dir, const char *path)
{
	const char *slash = strchr(path, '/');
	char folder[64] = ".";
	if (slash) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	}
	int fd = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	int r = fsync(fd) == 0 ? 0 : ERR_SYSTEM;
	close(fd);
	return r;
}

static int write_file(int dir, const struct file *file)
{
	char fresh[80];
	snprintf(fresh, sizeof(fresh), "%s.%d.new", file->path, (int)getpid());
	/* 0600 until the content is whole; umask takes from the final mode what it would have taken from the first. */
	int fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		return errno == EEXIST ? ERR_EXISTS : ERR_SYSTEM;
	}
	mode_t mask = umask(0);
	umask(mask);
	int r = put_all(fd, span_of(file->bytes, file->len));
	if (r == 0 && (fchmod(fd, file->mode & ~mask) < 0 || fsync(fd) < 0)) {
		r = ERR_SYSTEM;
	}
	if (close(fd) < 0 && r == 0) {
		r = ERR_SYSTEM;
	}
	if (r == 0) {
		r = rename_new(dir, fresh, file->path);
	}
	if (r < 0) {
		int kept = errno;
		unlinkat(dir, fresh, 0);
		errno = kept;
		return r;
	}
	return sync_folder_of(dir, file->path);
}

static int make_folders(int dir)
{
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		bool made = mkdirat(dir, folders[i].path, folders[i].mode) == 0;
		const struct passwd *user =
			made && folders[i].roles && geteuid() == 0 ? getpwnam(STARTER_USER) : NULL;
		bool given = !user || fchownat(dir, folders[i].path, user->pw_uid, user->pw_gid,
					      AT_SYMLINK_NOFOLLOW) == 0;
		if ((!made || !given) && errno != EEXIST) {
			fprintf(stderr, "gantry init: cannot make the folder %s: %s\n", folders[i].path,
				strerror(errno));
			return ERR_SYSTEM;
		}
	}
	return 0;
}

/* 0 if none of the files is there yet. */
static int look_first(const struct site *site, const char *where)
{
	for (size_t i = 0; i < site->n_files; i++) {
		struct stat st;
		if (fstatat(site->dir, site->files[i].path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			fprintf(stderr,
				"gantry init: %s/%s exists already, and nothing was changed. Choose another folder "
				"(`gantry init DIR`), or move what is there away first.\n",
				where, site->files[i].path);
			return ERR_EXISTS;
		}
	}
	return 0;
}

/* Write every file; after a failure, take away those that this run has written. */
static int write_site(struct site *site, const char *where)
{
	int r = look_first(site, where);
	if (r == 0) {
		r = make_folders(site->dir);
	}
	for (size_t i = 0; r == 0 && i < site->n_files; i++) {
		r = write_file(site->dir, &site->files[i]);
		if (r < 0) {
			fprintf(stderr, "gantry init: cannot write %s/%s: %s\n", where, site->files[i].path,
				r == ERR_SYSTEM ? strerror(errno) : err_str(r));
			while (i > 0) {
				unlinkat(site->dir, site->files[--i].path, 0);
			}
			break;
		}
	}
	return r;
}

/* A path as a word of the shell. */
static void put_word(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,:@%";
	if (text[0] && strspn(text, plain) == strlen(text)) {
		fputs(text, stdout);
		return;
	}
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'') {
			fputs("'\\''", stdout);
		} else {
			putchar(*text);
		}
	}
	putchar('\'');
}

static void put_path(const char *where, const char *file)
{
	char path[PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/%s", where, file);
	putchar(' ');
	put_word(path);
}

static void put_trial(const char *program, const char *where, bool tls, bool image)
{
	printf("  %s -v", program);
	if (tls) {
		fputs(" +tls", stdout);
		put_path(where, "tls/scanner.key");
		put_path(where, "tls/scanner.pem");
		fputs(" +cf", stdout);
		put_path(where, "tls/ca.pem");
	}
	printf(" -aet %s -aec ARCHIVE 127.0.0.1 %s", tls ? "SCANNER_TLS" : "SCANNER",
		tls ? STARTER_PORT_TLS : STARTER_PORT_PLAIN);
	if (image) {
		put_path(where, "trial.dcm");
	}
	putchar('\n');
}

/* By its path, where it is not installed. */
static const char *our_name(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
	bool installed = strncmp(path, "/usr/", 5) == 0 || n <= 0;
	return installed ? "gantry" : path;
}

static void put_records(const char *where)
{
	char path[PATH_MAX];
	puts("What was recorded of it, held against the journal's signed checkpoints (one a minute):");
	fputs("  ", stdout);
	put_word(our_name(path));
	fputs(" audit verify", stdout);
	put_path(where, "state/audit");
	fputs(" --key", stdout);
	put_path(where, "audit/checkpoint.vkey");
	putchar('\n');
}

static void put_trials(const char *where)
{
	puts("Plain DICOM:");
	put_trial("echoscu", where, false, false);
	put_trial("storescu", where, false, true);
	puts("DICOM over TLS, with the scanner's certificate:");
	put_trial("echoscu", where, true, false);
	put_trial("storescu", where, true, true);
	puts("A caller that nobody knows, which is refused:");
	puts("  echoscu -v -aet STRANGER -aec ARCHIVE 127.0.0.1 " STARTER_PORT_PLAIN);
	put_records(where);
}

static void say_done(const char *where)
{
	printf("A starter site is in %s:\n"
	       "  gantry.yaml    who is known and who may do what, with comments\n"
	       "  tls/           an authority, the gateway's certificates, one for a device called scanner\n"
	       "  audit/         keys of the audit trail, and an auditor's, who alone reads the records\n"
	       "  archive/       where images are kept until a real archive is named\n"
	       "  trial.dcm      an invented image to send\n\n"
	       "Start the gateway:\n"
	       "  gantry run -c",
		where);
	put_path(where, "gantry.yaml");
	puts("\n\nThen try it from another terminal, with DCMTK's programs:");
	put_trials(where);
	printf("\nMove to the auditor, away from this machine, before anything real is recorded:\n ");
	put_path(where, "audit/auditor.key");
	put_path(where, "audit/auditor.passphrase");
	puts("\nWithout them nobody reads the records: keep a copy in a safe.");
}

static int open_site(const char *dir, bool make, char where[PATH_MAX])
{
	if (make && mkdir(dir, 0755) < 0 && errno != EEXIST) {
		fprintf(stderr, "gantry init: cannot make %s: %s\n", dir, strerror(errno));
		return -1;
	}
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || !realpath(dir, where)) {
		fprintf(stderr, "gantry init: cannot open the folder %s: %s\n", dir, strerror(errno));
		if (fd >= 0) {
			close(fd);
		}
		return -1;
	}
	return fd;
}

static int make_site(int dir, const char *where)
{
	struct site *site = calloc(1, sizeof(*site));
	if (!site) {
		fprintf(stderr, "gantry init: %s\n", err_str(ERR_NO_MEMORY));
		return ERR_NO_MEMORY;
	}
	site->dir = dir;
	int r = make_content(site);
	if (r < 0) {
		fprintf(stderr, "gantry init: cannot make keys and certificates: %s\n", err_str(r));
	} else {
		r = write_site(site, where);
	}
	ca_pair_done(&site->ca);
	ca_pair_done(&site->ecdsa);
	ca_pair_done(&site->rsa);
	ca_pair_done(&site->scanner);
	OPENSSL_cleanse(&site->audit, sizeof(site->audit));
	OPENSSL_cleanse(site->passphrase, sizeof(site->passphrase));
	free(site);
	return r;
}

static const char usage[] =
	"usage: gantry init [--try] [DIR]\n"
	"\n"
	"Write a starter site into DIR (default: this folder): gantry.yaml, an authority\n"
	"of its own, certificates for the gateway and for one device, keys of an audit\n"
	"trail, a folder that keeps images. Nothing that exists is overwritten.\n"
	"\n"
	"  --try       write nothing; print the lines that try the site in DIR\n"
	"  -h, --help  print this\n";

int verb_init(int argc, char **argv)
{
	static bool trials_only;
	static const struct option_row rows[] = {{"try", .flag = &trials_only}, {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "[DIR]"};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	char where[PATH_MAX];
	int dir = open_site(o.n > 0 ? o.at[0] : ".", !trials_only, where);
	if (dir < 0) {
		return 1;
	}
	int r = 0;
	if (trials_only && faccessat(dir, "gantry.yaml", F_OK, 0) < 0) {
		fprintf(stderr,
			"gantry init: there is no site in %s, as it has no gantry.yaml: `gantry init` makes one\n",
			where);
		r = ERR_NOT_FOUND;
	} else if (trials_only) {
		put_trials(where);
	} else {
		r = make_site(dir, where);
		if (r == 0) {
			say_done(where);
		}
	}
	close(dir);
	return r < 0 ? 1 : 0;
}
