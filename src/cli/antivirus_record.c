/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/antivirus.h"
#include "cli/place.h"
#include "cli/record_sign.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Records lie in `records`, by the set's hash: the last one under it alone, each with its time behind it. */

static int path_of(const struct antivirus *a, const char *name, char to[4200])
{
	int n = snprintf(to, 4200, "%s/records%s%s", antivirus_store(a), name[0] ? "/" : "", name);
	return n > 0 && n < 4200 ? 0 : ERR_LENGTH;
}

static int write_file(const struct antivirus *a, const char *name, const char *text)
{
	char path[4200], fresh[4200];
	if (path_of(a, name, path) != 0 || path_of(a, ".new", fresh) != 0) {
		return ERR_LENGTH;
	}
	(void)unlink(fresh);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	size_t n = strlen(text);
	bool good = fd >= 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0 && rename(fresh, path) == 0;
	if (fd >= 0) {
		close(fd);
	}
	return good ? 0 : ERR_SYSTEM;
}

static int save(const struct antivirus *a, const char *hash, const char *note)
{
	char path[4200], name[DEFINITIONS_HASH + 32];
	snprintf(name, sizeof(name), "%s.%" PRId64, hash, (int64_t)time(NULL));
	if (path_of(a, "", path) != 0 || (mkdir(path, 0755) < 0 && errno != EEXIST) ||
		write_file(a, name, note) != 0 || write_file(a, hash, note) != 0) {
		antivirus_say("%s/records: %s", a->c->definitions, strerror(errno));
		return ANTIVIRUS_FAILED;
	}
	printf("the record: %s/records/%s\n", a->c->definitions, name);
	return ANTIVIRUS_GOOD;
}

static uint64_t bytes_per_second(const struct replayed *r)
{
	return r->cpu_ns[STAGED] > 0 ? (uint64_t)((double)r->bytes * 1e9 / (double)r->cpu_ns[STAGED]) : 0;
}

int antivirus_record_write(
	const struct antivirus *a, const char *hash, const char *current, const struct replayed *r)
{
	char number[7][24], note[256], *text = NULL;
	const uint64_t values[] = {
		r->files, r->clean, r->found, r->failed, r->differ, bytes_per_second(r), r->memory[STAGED]};
	const char *why;
	for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
		snprintf(number[i], sizeof(number[i]), "%" PRIu64, values[i]);
	}
	bool passed = !r->why[0], uncompared = passed && r->uncompared[0];
	snprintf(note, sizeof(note), "%s%.200s",
		uncompared ? "passed, not compared with those in use: "
		: passed   ? "passed"
			   : "refused: ",
		uncompared ? r->uncompared : r->why);
	for (size_t n = strlen(note); n > 0 && note[n - 1] == ' '; n--) {
		note[n - 1] = '\0'; /* as a text in a record may not end */
	}
	struct record_item items[DEED_FIELDS_MOST] = {{"engine", r->engine[0] ? r->engine : "unknown"},
		{"definitions", hash}, {"corpus", r->corpus}, {"files", number[0]}, {"clean", number[1]},
		{"found", number[2]}, {"failed", number[3]}, {"differ", number[4]},
		{"bytes-per-second", number[5]}, {"memory", number[6]}, {"note", note}};
	unsigned n = 11;
	if (current) {
		items[n++] = (struct record_item){"definitions-before", current};
	}
	if (record_sign(a->config, DEED_ANTIVIRUS_DEFINITIONS, items, n, &text, &why) != 0) {
		antivirus_say("the record could not be signed: %s", why);
		return ANTIVIRUS_FAILED;
	}
	int code = save(a, hash, text);
	free(text);
	return code;
}

/* ---- Reading one ---- */

static int read_file(const char *path, char buf[NOTE_MOST], size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, buf, NOTE_MOST) : -1;
	if (fd >= 0) {
		close(fd);
	}
	if (n < 0 || n == NOTE_MOST) {
		return ERR_NOT_FOUND;
	}
	*ret_len = (size_t)n;
	return 0;
}

/* A key, or a file whose first line is one. */
static int read_key(const char *text, struct note_key *ret_key)
{
	char buf[NOTE_MOST];
	size_t len = 0;
	if (note_key_read(span_str(text), ret_key) == 0) {
		return 0;
	}
	int e = read_file(text, buf, &len);
	const char *end = e == 0 ? memchr(buf, '\n', len) : NULL;
	return e == 0 ? note_key_read(span_of(buf, end ? (size_t)(end - buf) : len), ret_key) : e;
}

/* `gantry audit init` puts it beside the private key, which may be only for the key holder to read. */
static int find_key(const struct antivirus *a, struct note_key *ret_key)
{
	static const char private[] = ".key";
	struct place_audit place = {0};
	char path[4200] = "";
	if (a->vkey) {
		return read_key(a->vkey, ret_key);
	}
	if (!place_audit(NULL, a->config, &place)) {
		return ERR_NOT_FOUND;
	}
	size_t n = strlen(place.record_key), cut = sizeof(private) - 1;
	if (n > cut && n < 4096 && strcmp(place.record_key + n - cut, private) == 0) {
		snprintf(path, sizeof(path), "%.*s.vkey", (int)(n - cut), place.record_key);
	}
	place_audit_done(&place);
	return path[0] ? read_key(path, ret_key) : ERR_NOT_FOUND;
}

int antivirus_record_read(
	const struct antivirus *a, const char *hash, struct deed *ret_deed, const char **ret_why)
{
	static char buf[NOTE_MOST];
	char path[4200];
	struct note_key key;
	struct deed d;
	size_t len;
	if (path_of(a, hash, path) != 0 || read_file(path, buf, &len) != 0) {
		*ret_why = "not validated";
		return ERR_NOT_FOUND;
	}
	if (find_key(a, &key) != 0) {
		*ret_why = "validated, but there is no public key to check the record with: --vkey";
		return ERR_MISSING;
	}
	if (record_check(span_of(buf, len), &key, &d) != 0) {
		*ret_why = "its record is not signed by the gateway, or was changed";
		return ERR_DENIED;
	}
	if (d.what != DEED_ANTIVIRUS_DEFINITIONS || strcmp(deed_get(&d, "definitions"), hash) != 0) {
		*ret_why = "its record is one of other definitions";
		return ERR_DENIED;
	}
	*ret_deed = d;
	return 0;
}
