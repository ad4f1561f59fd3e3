/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "cli/fresh_file.h"
#include "cli/options.h"
#include "cli/passphrase.h"
#include "cli/verbs.h"
#include "policy/values.h"
#include "users/users.h"

#include <argon2.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "usage: gantry user set FILE NAME [--groups GROUP,…]\n"
			    "       gantry user remove FILE NAME\n"
			    "       gantry user list FILE\n"
			    "\n"
			    "Keeps the file of `users: passwords`: names, Argon2id hashes of passcodes,\n"
			    "groups. `set` asks for the passcode, or reads a line from standard input where\n"
			    "that is no terminal. The gateway takes the file at its next reload.\n"
			    "\n"
			    "  -g, --groups LIST  groups of the user, separated by commas\n"
			    "  -h, --help         print this\n"
			    "\n"
			    "Exits with 0, 1 for a failure, 2 for a wrong command line.\n";

/* RFC 9106 4, the second recommended option. */
#define ROUNDS    3
#define MEMORY    65536 /* KiB */
#define LANES     1
#define SALT      16
#define HASH      32
#define LINE_MOST 4096
#define FILE_MOST (1 << 20) /* as the gateway has it */

struct job {
	const char *path, *name, *groups;
	bool set;
	char line[LINE_MOST]; /* of `set`: what the user's line will be */
	unsigned found;
};

static int fail(const char *path, const char *what)
{
	fprintf(stderr, "gantry user: %s %s: %s\n", what, path, strerror(errno));
	return 1;
}

/* ---- The passcode ---- */

static int ask_twice(char passcode[256])
{
	if (!passphrase_ask_twice("Passcode: ", passcode, 256)) {
		fputs("gantry user: the passcode is empty, or the two are not the same\n", stderr);
		return 1;
	}
	return 0;
}

static int make_line(struct job *j)
{
	char passcode[256] = "", hash[256];
	uint8_t salt[SALT];
	int e = ask_twice(passcode);
	if (e == 0 && (RAND_bytes(salt, sizeof(salt)) != 1 ||
			      argon2id_hash_encoded(ROUNDS, MEMORY, LANES, passcode, strlen(passcode), salt,
				      sizeof(salt), HASH, hash, sizeof(hash)) != ARGON2_OK)) {
		fputs("gantry user: the passcode could not be hashed: is there too little memory?\n", stderr);
		e = 1;
	}
	OPENSSL_cleanse(passcode, sizeof(passcode));
	if (e == 0) {
		snprintf(j->line, sizeof(j->line), "%s:%s%s%s\n", j->name, hash, j->groups[0] ? ":" : "",
			j->groups);
	}
	return e;
}

/* ---- The file ---- */

static bool is_of(const char *line, const char *name)
{
	size_t n = strlen(name);
	return strncmp(line, name, n) == 0 && line[n] == ':';
}

static int copy(FILE *from, FILE *to, struct job *j)
{
	char line[LINE_MOST];
	while (from && fgets(line, sizeof(line), from)) {
		bool mine = is_of(line, j->name);
		j->found += mine;
		if (!mine) {
			fputs(line, to);
		} else if (j->set && j->found == 1) {
			fputs(j->line, to);
		}
	}
	if (j->set && j->found == 0) {
		fputs(j->line, to);
	}
	return (from && ferror(from)) || fflush(to) != 0;
}

/* A file of something else is neither shown nor changed. False after it has said so. */
static bool is_ours(const char *path, FILE *from)
{
	struct stat st;
	char why[160] = "";
	char *text = fstat(fileno(from), &st) == 0 && st.st_size <= FILE_MOST ? malloc((size_t)st.st_size + 1)
	                                                                      : NULL;
	size_t n = text ? fread(text, 1, (size_t)st.st_size, from) : 0;
	bool good = text && !ferror(from) &&
	            users_check_passwords(span_of((uint8_t *)text, n), why, sizeof(why)) == 0;
	free(text);
	rewind(from);
	if (!good) {
		fprintf(stderr, "gantry user: %s is no file of users: %s\n", path,
			why[0] ? why : "it cannot be read, or is too long");
	}
	return good;
}

/* The file that is there, for us alone until it is closed. False: errno; with *ret_from NULL and no error, there is none. */
static bool open_old(const char *path, FILE **ret_from)
{
	struct stat st, now;
	*ret_from = NULL;
	for (;;) {
		FILE *from = fopen(path, "re");
		if (!from) {
			return errno == ENOENT;
		}
		/* Whoever had it has put another in its place meanwhile. */
		if (flock(fileno(from), LOCK_EX) == 0 && fstat(fileno(from), &st) == 0 &&
			stat(path, &now) == 0 && st.st_dev == now.st_dev && st.st_ino == now.st_ino) {
			*ret_from = from;
			return true;
		}
		fclose(from);
	}
}

/* Of the same owner and mode; a new one is for its owner alone. */
static bool write_new(struct job *j, FILE *from, struct fresh_file *f)
{
	struct stat st = {.st_mode = 0600, .st_uid = geteuid(), .st_gid = getegid()};
	if (from) {
		(void)fstat(fileno(from), &st);
	}
	int fd = fresh_begin(f, j->path, 0600) ? dup(f->fd) : -1;
	FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
	bool good = to && fchmod(fd, st.st_mode & 0660) == 0 &&
	            (geteuid() != 0 || fchown(fd, st.st_uid, st.st_gid) == 0) && copy(from, to, j) == 0;
	if (to) {
		good = fclose(to) == 0 && good;
	} else if (fd >= 0) {
		close(fd);
	}
	return good;
}

/* The whole file anew, then in the old one's place: whoever reads it has the one or the other. */
static int rewrite(struct job *j)
{
	struct fresh_file f = FRESH_NONE;
	FILE *from;
	if (!open_old(j->path, &from) || (!from && !j->set)) {
		return fail(j->path, "cannot read");
	}
	if (from && !is_ours(j->path, from)) {
		fclose(from);
		return 1;
	}
	bool good = write_new(j, from, &f) && fresh_commit(&f, from != NULL);
	fresh_done(&f);
	int kept = errno;
	if (from) {
		fclose(from);
	}
	if (!good && !from && kept == EEXIST) {
		return rewrite(j); /* somebody else has made the first one meanwhile */
	}
	errno = kept;
	return good ? 0 : fail(j->path, "cannot write");
}

static int list(const char *path)
{
	char line[LINE_MOST];
	FILE *from = fopen(path, "re");
	if (!from) {
		return fail(path, "cannot read");
	}
	if (!is_ours(path, from)) {
		fclose(from);
		return 1;
	}
	while (fgets(line, sizeof(line), from)) {
		char *hash = strchr(line, ':'), *groups = hash ? strchr(hash + 1, ':') : NULL;
		if (line[0] == '#' || !hash) {
			continue;
		}
		*hash = 0;
		line[strcspn(line, "\n")] = 0;
		if (groups) {
			groups[strcspn(groups, "\n")] = 0;
		}
		printf("%s%s%s\n", line, groups && groups[1] ? "  " : "", groups ? groups + 1 : "");
	}
	int bad = ferror(from);
	fclose(from);
	return bad ? fail(path, "cannot read") : 0;
}

static bool is_groups(const char *text)
{
	return strlen(text) <= 1000 && !strpbrk(text, ":\n");
}

static int run(struct job *j)
{
	int e = j->set ? make_line(j) : 0;
	e = e == 0 ? rewrite(j) : e;
	if (e == 0 && !j->set && j->found == 0) {
		fprintf(stderr, "gantry user: there is no `%s` in %s\n", j->name, j->path);
		return 1;
	}
	if (e == 0) {
		printf("%s %s in %s. Reload the gateway to have it take effect.\n", j->name,
			!j->set    ? "is no more"
			: j->found ? "has a new passcode"
				   : "is new",
			j->path);
	}
	return e;
}

int verb_user(int argc, char **argv)
{
	static const struct options_what whats[] = {
		{"set", "FILE NAME"}, {"remove", "FILE NAME"}, {"list", "FILE"}, {0}};
	static struct job j = {.groups = ""};
	static const struct option_row rows[] = {
		{"groups", "GROUPS", 'g', .text = &j.groups, .good = is_groups,
			.wants = "names of groups, with commas", .only = "set", .may_be_empty = true},
		{0}};
	struct options o = {.usage = usage, .rows = rows, .whats = whats};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	if (strlen(o.at[0]) > 4096) {
		return options_misuse(&o, "the name of FILE is too long");
	}
	if (strcmp(whats[o.what].word, "list") == 0) {
		return list(o.at[0]);
	}
	j.path = o.at[0];
	j.name = o.at[1];
	j.set = strcmp(whats[o.what].word, "set") == 0;
	if (!value_is_user(j.name) || j.name[0] == '@' || strpbrk(j.name, ":#\n")) {
		return options_misuse(&o,
			"`%.300s` is no name: 1 to 255 characters, no comma, colon, # or leading @", j.name);
	}
	return run(&j);
}
