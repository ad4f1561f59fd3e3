/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit.h"
#include "cli/audit_keys.h"
#include "cli/options.h"
#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry audit init [--folder DIR] [--origin NAME] [--auditor NAME]\n"
	"                    [--passphrase-file FILE]\n"
	"\n"
	"Makes the keys of an audit trail: the one that signs checkpoints, the one that\n"
	"signs records, the one of the blind index, and an auditor's pair, whose private\n"
	"half is kept under a passphrase. Prints the lines for gantry.yaml, and what to\n"
	"carry where. Nothing that is there is overwritten.\n"
	"\n"
	"  --folder DIR            where to (default: audit)\n"
	"  --origin NAME           of this journal, for ever: the name of its checkpoints\n"
	"                          (default: this host's name and /gantry)\n"
	"  --auditor NAME          of the auditor's files (default: auditor)\n"
	"  --passphrase-file FILE  its first line, instead of asking twice on the\n"
	"                          terminal\n"
	"  -h, --help              print this\n"
	"\n"
	"Exits with 0, 1 for a failure, 2 for a wrong command line.\n";

#define VERB             "gantry audit init"

#define PASSPHRASE_LEAST 8
struct job {
	const char *folder, *origin, *auditor, *passphrase_file;
	char passphrase[256];
	char path[AUDIT_KEY_FILES][4200];
	bool is_ours[AUDIT_KEY_FILES]; /* made by this run */
	struct audit_keys keys;
	bool folder_is_ours;
};

static int fail(const char *what, const char *path)
{
	fprintf(stderr, VERB ": %s %s: %s\n", what, path, strerror(errno));
	return 1;
}

/* ---- Files ---- */

static void name_files(struct job *j)
{
	static const char *const fixed[AUDIT_KEY_FILES] = {[AUDIT_CHECKPOINT_KEY] = "checkpoint.key",
		[AUDIT_CHECKPOINT_VKEY] = "checkpoint.vkey",
		[AUDIT_RECORD_KEY] = "record.key",
		[AUDIT_RECORD_VKEY] = "record.vkey",
		[AUDIT_INDEX_KEY] = "index.key"};
	for (unsigned i = 0; i < AUDIT_KEY_FILES; i++) {
		if (fixed[i]) {
			snprintf(j->path[i], sizeof(j->path[i]), "%s/%s", j->folder, fixed[i]);
		} else {
			snprintf(j->path[i], sizeof(j->path[i]), "%s/%s.%s", j->folder, j->auditor,
				i == AUDIT_AUDITOR_KEY ? "key" : "pem");
		}
	}
}

static int nothing_there(const struct job *j)
{
	for (unsigned i = 0; i < AUDIT_KEY_FILES; i++) {
		struct stat st;
		if (lstat(j->path[i], &st) == 0) {
			fprintf(stderr, VERB ": %s is there already, and is not overwritten\n", j->path[i]);
			return 1;
		}
	}
	return 0;
}

static int write_file(struct job *j, enum audit_key_file which)
{
	const char *path = j->path[which];
	const struct audit_key_text *text = &j->keys.file[which];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, text->mode);
	if (fd < 0) {
		return fail("cannot make", path);
	}
	j->is_ours[which] = true;
	bool ok = fchmod(fd, text->mode) == 0 && write(fd, text->bytes, text->len) == (ssize_t)text->len &&
	          fsync(fd) == 0;
	int kept = errno;
	close(fd);
	errno = kept;
	return ok ? 0 : fail("cannot write", path);
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
	if (audit_keys_make(j->origin, j->passphrase, &j->keys) < 0) {
		fputs(VERB ": OpenSSL cannot make the keys\n", stderr);
		return 1;
	}
	int status = 0;
	for (unsigned i = 0; status == 0 && i < AUDIT_KEY_FILES; i++) {
		status = write_file(j, (enum audit_key_file)i);
	}
	return status;
}

static void take_back(const struct job *j)
{
	for (unsigned i = 0; i < AUDIT_KEY_FILES; i++) {
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
	       "  record-key: %s\n"
	       "  index-key: %s\n",
		j->origin, j->path[AUDIT_AUDITOR_PEM], j->path[AUDIT_CHECKPOINT_KEY],
		j->path[AUDIT_RECORD_KEY], j->path[AUDIT_INDEX_KEY]);
	printf("\n"
	       "# Carry to the auditor, and then delete here:\n"
	       "#   %s   reads the records, with its passphrase. Without it, and without that of another\n"
	       "#   auditor, nobody ever reads them: keep a second copy in a safe.\n"
	       "# Carry to whoever verifies the journal, by a way that the gateway's administrator does not rule:\n"
	       "#   %s   public; checkpoints are held against it.\n"
	       "#   %s   public; signed records are held against it (`gantry record verify`).\n"
	       "# Stay here, for root alone:\n"
	       "#   %s, %s, %s   the key holder opens them. The auditor\n"
	       "#   gets the index's key with the records.\n",
		j->path[AUDIT_AUDITOR_KEY], j->path[AUDIT_CHECKPOINT_VKEY], j->path[AUDIT_RECORD_VKEY],
		j->path[AUDIT_CHECKPOINT_KEY], j->path[AUDIT_RECORD_KEY], j->path[AUDIT_INDEX_KEY]);
}

static int run(struct job *j)
{
	name_files(j);
	int status = nothing_there(j);
	status = status == 0 ? take_passphrase(j) : status;
	status = status == 0 ? make_all(j) : status;
	OPENSSL_cleanse(j->passphrase, sizeof(j->passphrase));
	OPENSSL_cleanse(&j->keys, sizeof(j->keys));
	if (status != 0) {
		take_back(j);
		return status;
	}
	tell(j);
	return 0;
}

static bool is_origin(const char *text)
{
	return note_name_valid(span_str(text));
}

static bool is_file_name(const char *text)
{
	return text[0] != '.' && !strchr(text, '/') && strlen(text) <= 64;
}

static bool is_folder(const char *text)
{
	return strlen(text) <= 4000;
}

int audit_init(int argc, char **argv)
{
	static struct job j = {.folder = "audit", .auditor = "auditor"};
	static char usual[NOTE_NAME_MOST + 1];
	static const struct option_row rows[] = {
		{"folder", "DIR", .text = &j.folder, .good = is_folder, .wants = "a shorter name"},
		{"origin", "NAME", .text = &j.origin, .good = is_origin,
			.wants = "letters, digits, dots and slashes, no space and no plus"},
		{"auditor", "NAME", .text = &j.auditor, .good = is_file_name,
			.wants = "a name for files, without a slash, of 64 characters at most"},
		{"passphrase-file", "FILE", .text = &j.passphrase_file}, {0}};
	struct options o = {.usage = usage, .rows = rows};
	int code;
	audit_origin(usual);
	j.origin = usual;
	return options_read(&o, argc, argv, &code) ? run(&j) : code;
}
