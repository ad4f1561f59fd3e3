/* SPDX-License-Identifier: Apache-2.0 */
#include "antivirus/definitions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST      "gantry-set.txt"
#define MARK_FILE "gantry-set.ndb"
#define PATH_CAP  4096
#define NAME_CAP  256

/* As clamd's own table has them (clamd(8), sigtool(1)). */
static const char *const suffixes[] = {"cat", "cbc", "cdb", "cfg", "cld", "crb", "cud", "cvd", "fp", "ftm",
	"gdb", "hdb", "hdu", "hsb", "hsu", "idb", "ign", "ign2", "imp", "info", "ioc", "ldb", "ldu", "mdb",
	"mdu", "msb", "msu", "ndb", "ndu", "pdb", "pwdb", "sfp", "wdb", "yar", "yara", "zmd", "db", "rmd"};

bool definitions_is_file(const char *name)
{
	const char *dot = strrchr(name, '.');
	bool is = false;
	for (unsigned i = 0; dot && dot != name && i < ARRAY_LEN(suffixes); i++) {
		is |= strcmp(dot + 1, suffixes[i]) == 0;
	}
	return is && strcmp(name, MARK_FILE) != 0;
}

static int fail(int e, char *why, size_t cap, const char *path, const char *what)
{
	snprintf(why, cap, "%s: %s", path, e == ERR_SYSTEM ? strerror(errno) : what);
	return e;
}

static int path_of(char *to, const char *folder, const char *name)
{
	int n = snprintf(to, PATH_CAP, "%s/%s", folder, name);
	return n > 0 && n < PATH_CAP ? 0 : ERR_LENGTH;
}

/* ---- One file ---- */

struct entry {
	char name[NAME_CAP];
	char hash[DEFINITIONS_HASH + 1];
	uint64_t size;
};

static void hex(const uint8_t *bytes, char to[DEFINITIONS_HASH + 1])
{
	for (unsigned i = 0; i < DEFINITIONS_HASH / 2; i++) {
		snprintf(to + 2 * (size_t)i, 3, "%02x", bytes[i]);
	}
}

static int write_all(int fd, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		ssize_t wrote = write(fd, bytes, n);
		if (wrote < 0 && errno == EINTR) {
			continue;
		}
		if (wrote < 0) {
			return ERR_SYSTEM;
		}
		bytes += wrote;
		n -= (size_t)wrote;
	}
	return 0;
}

/* Hash it, and copy it where to >= 0. */
static int read_through(int from, int to, struct entry *e)
{
	static uint8_t buf[128 * 1024];
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int err = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 ? 0 : ERR_NO_MEMORY;
	e->size = 0;
	for (ssize_t n = 1; err == 0 && n != 0;) {
		n = read(from, buf, sizeof(buf));
		if (n < 0 && errno == EINTR) {
			continue;
		}
		err = n < 0 ? ERR_SYSTEM : 0;
		if (n > 0) {
			err = EVP_DigestUpdate(ctx, buf, (size_t)n) == 1 ? 0 : ERR_NO_MEMORY;
			err = err == 0 && to >= 0 ? write_all(to, buf, (size_t)n) : err;
			e->size += (uint64_t)n;
		}
	}
	err = err == 0 && EVP_DigestFinal_ex(ctx, digest, &len) != 1 ? ERR_NO_MEMORY : err;
	EVP_MD_CTX_free(ctx);
	if (err == 0) {
		hex(digest, e->hash);
	}
	return err;
}

int definitions_hash(int fd, char ret_hash[DEFINITIONS_HASH + 1])
{
	struct entry e;
	int err = read_through(fd, -1, &e);
	if (err == 0) {
		memcpy(ret_hash, e.hash, sizeof(e.hash));
	}
	return err;
}

/* Plain files alone: a link could lead out of the folder. */
static int open_plain(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

static int take_file(const char *folder, const char *to_folder, struct entry *e, char *why, size_t cap)
{
	char path[PATH_CAP], copy[PATH_CAP];
	int to = -1, err = path_of(path, folder, e->name);
	err = err == 0 && to_folder ? path_of(copy, to_folder, e->name) : err;
	if (err != 0) {
		return fail(err, why, cap, folder, err_str(err));
	}
	int from = open_plain(path);
	if (from < 0) {
		return fail(ERR_SYSTEM, why, cap, path, "");
	}
	if (to_folder) {
		to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
		err = to < 0 || fchmod(to, 0644) < 0 ? ERR_SYSTEM : 0;
	}
	err = err == 0 ? read_through(from, to, e) : err;
	err = err == 0 && to >= 0 && fsync(to) < 0 ? ERR_SYSTEM : err;
	err = err == 0 ? 0 : fail(err, why, cap, to_folder ? copy : path, err_str(err));
	close(from);
	if (to >= 0) {
		close(to);
	}
	return err;
}

/* ---- A folder ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* A name with a line end could stand for two files in the list. */
static bool is_one_line(const char *name)
{
	while (*name && (unsigned char)*name >= ' ' && *name != 0x7F) {
		name++;
	}
	return *name == '\0';
}

/* Their names, sorted; *ret is malloc'ed. */
static int list_names(const char *folder, struct entry **ret, unsigned *ret_n, char *why, size_t cap)
{
	struct entry *list = calloc(DEFINITIONS_MOST, sizeof(*list));
	DIR *dir = list ? opendir(folder) : NULL;
	const struct dirent *d;
	unsigned n = 0;
	int e = dir ? 0 : list ? ERR_SYSTEM : ERR_NO_MEMORY;
	while (e == 0 && (d = readdir(dir))) {
		if (!definitions_is_file(d->d_name)) {
			continue;
		}
		e = !is_one_line(d->d_name) ? ERR_VALUE : n < DEFINITIONS_MOST ? 0 : ERR_LIMIT;
		if (e == 0) {
			snprintf(list[n++].name, NAME_CAP, "%s", d->d_name);
		}
	}
	if (e == 0 && n == 0) {
		e = ERR_NOT_FOUND;
	}
	if (e != 0) {
		(void)fail(e, why, cap, folder,
			e == ERR_NOT_FOUND ? "there are no definitions in it"
			: e == ERR_LIMIT   ? "there are too many files in it"
			: e == ERR_VALUE   ? "the name of a file in it has control characters"
					   : err_str(e));
		free(list);
		list = NULL;
	}
	if (dir) {
		closedir(dir);
	}
	if (e == 0) {
		qsort(list, n, sizeof(*list), by_name);
		*ret = list;
		*ret_n = n;
	}
	return e;
}

/* The list's text is what is hashed: what `sha256sum` prints, so that others can check it. malloc'ed. */
static char *text_of(const struct entry *list, unsigned n)
{
	size_t cap = (size_t)n * (DEFINITIONS_HASH + NAME_CAP + 4) + 1, len = 0;
	char *text = malloc(cap);
	for (unsigned i = 0; text && i < n; i++) {
		len += (size_t)snprintf(text + len, cap - len, "%s  %s\n", list[i].hash, list[i].name);
	}
	return text;
}

static int sum_up(const struct entry *list, unsigned n, char **ret_text, struct definitions *ret)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	char *text = text_of(list, n);
	struct definitions d = {.files = n};
	if (!text || EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1) {
		free(text);
		return ERR_NO_MEMORY;
	}
	hex(digest, d.hash);
	for (unsigned i = 0; i < n; i++) {
		d.bytes += list[i].size;
	}
	*ret = d;
	*ret_text = text;
	return 0;
}

/* Read them all; copies them where to is a folder. *ret_text: the list, malloc'ed. */
static int take_folder(
	const char *folder, const char *to, char **ret_text, struct definitions *ret, char *why, size_t cap)
{
	struct entry *list = NULL;
	unsigned n = 0;
	int e = list_names(folder, &list, &n, why, cap);
	for (unsigned i = 0; e == 0 && i < n; i++) {
		e = take_file(folder, to, &list[i], why, cap);
	}
	if (e == 0) {
		e = sum_up(list, n, ret_text, ret);
		e = e == 0 ? 0 : fail(e, why, cap, folder, err_str(e));
	}
	free(list);
	return e;
}

int definitions_read(const char *folder, struct definitions *ret, char *why, size_t cap)
{
	char *text = NULL;
	int e = take_folder(folder, NULL, &text, ret, why, cap);
	free(text);
	return e;
}

/* ---- A new set ---- */

void definitions_mark(const char *hash, uint8_t ret_bytes[DEFINITIONS_MARK], char ret_name[DEFINITIONS_NAME])
{
	char text[DEFINITIONS_HASH + 32];
	uint8_t digest[EVP_MAX_MD_SIZE] = {0};
	snprintf(text, sizeof(text), "gantry set %.*s", DEFINITIONS_HASH, hash);
	(void)EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
	memcpy(ret_bytes, digest, DEFINITIONS_MARK);
	snprintf(ret_name, DEFINITIONS_NAME, "Gantry.Set.%.12s", hash);
}

static int sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int e = fd >= 0 && fsync(fd) == 0 ? 0 : ERR_SYSTEM;
	if (fd >= 0) {
		close(fd);
	}
	return e;
}

static int write_file(const char *folder, const char *name, const char *text)
{
	char path[PATH_CAP];
	int fd = path_of(path, folder, name) == 0
	                 ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644)
	                 : -1;
	bool good = fd >= 0 && fchmod(fd, 0644) == 0 &&
	            write_all(fd, (const uint8_t *)text, strlen(text)) == 0 && fsync(fd) == 0;
	if (fd >= 0) {
		close(fd);
	}
	return good ? 0 : ERR_SYSTEM;
}

/* An .ndb definition: name, any type of file, at any offset, bytes. */
static int write_mark(const char *folder, const char *hash)
{
	char name[DEFINITIONS_NAME], text[256], digits[2 * DEFINITIONS_MARK + 1];
	uint8_t bytes[DEFINITIONS_MARK];
	definitions_mark(hash, bytes, name);
	hex(bytes, digits);
	snprintf(text, sizeof(text), "%s:0:*:%s\n", name, digits);
	return write_file(folder, MARK_FILE, text);
}

/* No link is followed: what it leads to is not ours to empty. */
static void remove_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;
	while (dir && (d = readdir(dir))) {
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0) {
			(void)unlinkat(fd, d->d_name, 0);
		}
	}
	if (dir) {
		closedir(dir);
	} else if (fd >= 0) {
		close(fd);
	}
	if (rmdir(path) < 0) {
		(void)unlink(path); /* a link, or what else it is */
	}
}

/* Ours, or none. */
static int make_folder(const char *path)
{
	struct stat st;
	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		return ERR_SYSTEM;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool good = fd >= 0 && fstat(fd, &st) == 0, others = good && st.st_uid != geteuid();
	good = good && !others && fchmod(fd, 0755) == 0;
	int kept = others ? EPERM : errno;
	if (fd >= 0) {
		close(fd);
	}
	errno = kept;
	return good ? 0 : ERR_SYSTEM;
}

static bool is_there(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

/* The new one takes its name; where there is one of that name it is the same, or it is not what it was. */
static int settle(const char *fresh, const char *path, const struct definitions *d, char *why, size_t cap)
{
	struct definitions old;
	if (!is_there(path)) {
		return rename(fresh, path) == 0 ? 0 : fail(ERR_SYSTEM, why, cap, path, "");
	}
	int e = definitions_read(path, &old, why, cap);
	if (e == 0 && strcmp(old.hash, d->hash) != 0) {
		e = fail(ERR_VALUE, why, cap, path, "somebody has changed it: remove it");
	}
	remove_folder(fresh);
	return e;
}

int definitions_stage(const char *from, const char *store, struct definitions *ret, char *why, size_t cap)
{
	char sets[PATH_CAP], fresh[PATH_CAP], path[PATH_CAP], *text = NULL;
	struct definitions d;
	if (path_of(sets, store, "sets") != 0 || path_of(fresh, sets, ".new") != 0) {
		return fail(ERR_LENGTH, why, cap, store, "its name is too long");
	}
	remove_folder(fresh);
	if ((mkdir(store, 0755) < 0 && errno != EEXIST) || make_folder(sets) != 0 ||
		make_folder(fresh) != 0) {
		return fail(ERR_SYSTEM, why, cap, fresh, "");
	}
	int e = take_folder(from, fresh, &text, &d, why, cap);
	if (e == 0 && (path_of(path, sets, d.hash) != 0 || write_file(fresh, LIST, text) != 0 ||
			      write_mark(fresh, d.hash) != 0 || sync_folder(fresh) != 0)) {
		e = fail(ERR_SYSTEM, why, cap, fresh, "");
	}
	free(text);
	e = e == 0 ? settle(fresh, path, &d, why, cap) : e;
	if (e == 0 && (sync_folder(sets) != 0 || definitions_link(store, "staged", d.hash) != 0)) {
		e = fail(ERR_SYSTEM, why, cap, store, "");
	}
	if (e != 0) {
		remove_folder(fresh);
		return e;
	}
	*ret = d;
	return 0;
}

/* ---- Links ---- */

static bool is_hash(const char *s)
{
	return strlen(s) == DEFINITIONS_HASH && strspn(s, "0123456789abcdef") == DEFINITIONS_HASH;
}

int definitions_linked(const char *store, const char *link, char ret_hash[DEFINITIONS_HASH + 1])
{
	static const char sets[] = "sets/";
	char path[PATH_CAP], to[PATH_CAP];
	int e = path_of(path, store, link);
	ssize_t n = e == 0 ? readlink(path, to, sizeof(to) - 1) : -1;
	if (n < 0) {
		return e == 0 && errno == ENOENT ? ERR_NOT_FOUND : ERR_VALUE;
	}
	to[n] = '\0';
	if (strncmp(to, sets, sizeof(sets) - 1) != 0 || !is_hash(to + sizeof(sets) - 1)) {
		return ERR_VALUE;
	}
	memcpy(ret_hash, to + sizeof(sets) - 1, DEFINITIONS_HASH + 1);
	return 0;
}

int definitions_link(const char *store, const char *link, const char *hash)
{
	char path[PATH_CAP], fresh[PATH_CAP], to[DEFINITIONS_HASH + 8];
	if (path_of(path, store, link) != 0 || path_of(fresh, store, ".link") != 0) {
		return ERR_SYSTEM;
	}
	if (!hash) {
		return (unlink(path) == 0 || errno == ENOENT) ? sync_folder(store) : ERR_SYSTEM;
	}
	snprintf(to, sizeof(to), "sets/%s", hash);
	(void)unlink(fresh);
	if (symlink(to, fresh) < 0 || rename(fresh, path) < 0) {
		return ERR_SYSTEM;
	}
	return sync_folder(store);
}

unsigned definitions_tidy(const char *store)
{
	static const char *const links[] = {"staged", "current", "previous", "replaced"};
	char sets[PATH_CAP], path[PATH_CAP], kept[ARRAY_LEN(links)][DEFINITIONS_HASH + 1] = {""};
	unsigned removed = 0;
	for (unsigned i = 0; i < ARRAY_LEN(links); i++) {
		int e = definitions_linked(store, links[i], kept[i]);
		if (e != 0 && e != ERR_NOT_FOUND) {
			return 0; /* who knows where it leads */
		}
	}
	DIR *dir = path_of(sets, store, "sets") == 0 ? opendir(sets) : NULL;
	const struct dirent *d;
	while (dir && (d = readdir(dir))) {
		bool keep = !is_hash(d->d_name);
		for (unsigned i = 0; i < ARRAY_LEN(links); i++) {
			keep |= strcmp(d->d_name, kept[i]) == 0;
		}
		if (!keep && path_of(path, sets, d->d_name) == 0) {
			remove_folder(path);
			removed++;
		}
	}
	if (dir) {
		closedir(dir);
	}
	return removed;
}
