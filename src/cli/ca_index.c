/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ca_index.h"
#include "cli/fresh_file.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MOST   (64 * 1024)
#define INDEX_MOST ((size_t)64 * 1024 * 1024)

const struct word ca_reasons[] = {{"keyCompromise", 1}, {"superseded", 4}, {"cessationOfOperation", 5},
	{"affiliationChanged", 3}, {"privilegeWithdrawn", 9}, {0}};

const char *ca_reason_word(int reason)
{
	for (const struct word *w = ca_reasons; w->word; w++) {
		if ((int)w->value == reason) {
			return w->word;
		}
	}
	return reason == 0 ? "unspecified" : "?";
}

static int complain(const char *name)
{
	fprintf(stderr, "gantry ca: %s: %s\n", name, strerror(errno));
	return -1;
}

/* ---- Files ---- */

static char *read_whole(int fd, size_t most, size_t *ret_len)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_size < 0 || (size_t)st.st_size > most) {
		errno = errno ? errno : EFBIG;
		return NULL;
	}
	char *text = malloc((size_t)st.st_size + 1);
	size_t len = 0;
	while (text && len < (size_t)st.st_size) {
		ssize_t n = pread(fd, text + len, (size_t)st.st_size - len, (off_t)len);
		if (n <= 0) {
			break;
		}
		len += (size_t)n;
	}
	if (text) {
		text[len] = 0;
		*ret_len = len;
	}
	return text;
}

static int read_pem(int dir, const char *name, char **ret_text, size_t *ret_len)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	*ret_text = fd < 0 ? NULL : read_whole(fd, PEM_MOST, ret_len);
	if (fd >= 0) {
		close(fd);
	}
	return *ret_text ? 0 : complain(name);
}

int ca_index_write(const struct ca_index *i, const char *name, const char *text, size_t len, unsigned mode)
{
	char path[4200];
	int n = snprintf(path, sizeof(path), "%s/%s", i->folder, name);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return complain(name);
	}
	return fresh_write(path, mode, text, len) && fsync(i->dir) == 0 ? 0 : complain(name);
}

static int add_line(const struct ca_index *i, json_t *line)
{
	char when[CLOCK_ISO_LEN];
	clock_iso(clock_wall_ms(), when);
	(void)json_object_set_new(line, "time", json_string(when));
	char *text = json_dumps(line, JSON_COMPACT);
	json_decref(line);
	size_t len = text ? strlen(text) : 0;
	bool ok = text != NULL;
	if (ok) {
		text[len] = '\n'; /* in the place of its NUL: one write */
		ok = write(i->file, text, len + 1) == (ssize_t)len + 1 && fsync(i->file) == 0;
	}
	free(text);
	return ok ? 0 : complain("index.jsonl");
}

/* ---- Lines ---- */

static const char *word(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

static int64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static struct ca_entry *by_serial(struct ca_index *i, const char *serial)
{
	for (size_t k = 0; k < i->n; k++) {
		if (strcmp(i->entries[k].facts.serial, serial) == 0) {
			return &i->entries[k];
		}
	}
	return NULL;
}

static int push(struct ca_index *i, const struct ca_entry *e)
{
	struct ca_entry *more = realloc(i->entries, (i->n + 1) * sizeof(*more));
	if (!more) {
		return complain("memory");
	}
	i->entries = more;
	i->entries[i->n++] = *e;
	return 0;
}

static int take_issued(struct ca_index *i, const json_t *o)
{
	struct ca_entry e = {.issued_s = number(o, "issued_s")};
	struct ca_facts *f = &e.facts;
	snprintf(f->serial, sizeof(f->serial), "%s", word(o, "serial"));
	snprintf(f->subject, sizeof(f->subject), "%s", word(o, "subject"));
	snprintf(f->key, sizeof(f->key), "%s", word(o, "key"));
	snprintf(f->spki, sizeof(f->spki), "%s", word(o, "spki"));
	snprintf(e.by, sizeof(e.by), "%s", word(o, "by"));
	f->not_after_s = number(o, "not_after_s");
	size_t k;
	json_t *san;
	json_array_foreach(json_object_get(o, "san"), k, san)
	{
		if (f->n_san < CA_SANS && json_is_string(san)) {
			snprintf(f->san[f->n_san++], CA_TEXT, "%s", json_string_value(san));
		}
	}
	return push(i, &e);
}

static int take_line(struct ca_index *i, const json_t *o)
{
	struct ca_entry *e = by_serial(i, word(o, "serial"));
	if (strcmp(word(o, "event"), "issued") == 0) {
		return take_issued(i, o);
	}
	if (strcmp(word(o, "event"), "listed") == 0) {
		i->crl_number = number(o, "number");
	}
	if (e && strcmp(word(o, "event"), "revoked") == 0) {
		e->revoked_s = number(o, "revoked_s");
		e->reason = (int)number(o, "reason");
		snprintf(e->revoked_by, sizeof(e->revoked_by), "%s", word(o, "by"));
	}
	return 0;
}

/* A line that was cut by a crash was never answered with success; any other that cannot be read stops us. */
static int read_index(struct ca_index *i)
{
	size_t len = 0;
	char *text = read_whole(i->file, INDEX_MOST, &len);
	int r = text ? 0 : complain("index.jsonl");
	unsigned line = 0;
	for (char *at = text, *end; r == 0 && at && *at; at = end) {
		end = strchr(at, '\n');
		line++;
		if (!end) {
			fprintf(stderr,
				"gantry ca: index.jsonl:%u: the last line is cut off; mend or remove it\n",
				line);
			r = -1;
			break;
		}
		json_t *o = json_loadb(at, (size_t)(end - at), 0, NULL);
		if (!o) {
			fprintf(stderr, "gantry ca: index.jsonl:%u: this line cannot be read\n", line);
			r = -1;
		} else {
			r = take_line(i, o);
			json_decref(o);
		}
		end++;
	}
	free(text);
	return r;
}

int ca_index_open(const char *folder, bool with_key, struct ca_index *ret_index)
{
	struct ca_index i = {.folder = folder, .file = -1};
	i.dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (i.dir < 0) {
		return complain(folder);
	}
	if (faccessat(i.dir, "ca.pem", F_OK, 0) < 0) {
		fprintf(stderr,
			"gantry ca: %s: there is no authority here, as it has no ca.pem: `gantry ca make` makes one\n",
			folder);
		ca_index_done(&i);
		return -1;
	}
	i.file = openat(i.dir, "index.jsonl", O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	int r = i.file < 0 || flock(i.file, LOCK_EX) < 0 ? complain("index.jsonl") : read_index(&i);
	if (r == 0 && with_key) {
		r = read_pem(i.dir, "ca.pem", &i.ca.certificate_pem, &i.ca.certificate_len);
	}
	if (r == 0 && with_key) {
		r = read_pem(i.dir, "ca.key", &i.ca.key_pem, &i.ca.key_len);
	}
	if (r == 0 && mkdirat(i.dir, "issued", 0750) < 0 && errno != EEXIST) {
		r = complain("issued");
	}
	if (r < 0) {
		ca_index_done(&i);
		return r;
	}
	*ret_index = i;
	return 0;
}

void ca_index_done(struct ca_index *i)
{
	ca_pair_done(&i->ca);
	free(i->entries);
	if (i->file >= 0) {
		close(i->file);
	}
	if (i->dir >= 0) {
		close(i->dir);
	}
	*i = (struct ca_index){.dir = -1, .file = -1};
}

struct ca_entry *ca_index_find(struct ca_index *i, const char *serial_or_file)
{
	struct ca_facts facts = {0};
	int fd = open(serial_or_file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		size_t len = 0;
		char *text = read_whole(fd, PEM_MOST, &len);
		close(fd);
		if (!text || ca_read_certificate(span_of(text, len), &facts) < 0) {
			fprintf(stderr, "gantry ca: %s holds no certificate in PEM\n", serial_or_file);
			free(text);
			return NULL;
		}
		free(text);
	} else {
		snprintf(facts.serial, sizeof(facts.serial), "%s", serial_or_file);
	}
	struct ca_entry *e = by_serial(i, facts.serial);
	if (!e) {
		fprintf(stderr,
			"gantry ca: this authority has issued no certificate with the serial number %s (`gantry ca list`)\n",
			facts.serial);
	}
	return e;
}

int ca_index_issued(struct ca_index *i, const struct ca_entry *e)
{
	json_t *san = json_array();
	for (unsigned k = 0; k < e->facts.n_san; k++) {
		(void)json_array_append_new(san, json_string(e->facts.san[k]));
	}
	json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:I,s:I}", "event", "issued", "serial",
		e->facts.serial, "subject", e->facts.subject, "key", e->facts.key, "spki", e->facts.spki,
		"san", san, "by", e->by, "issued_s", (json_int_t)e->issued_s, "not_after_s",
		(json_int_t)e->facts.not_after_s);
	if (!o || add_line(i, o) < 0) {
		return -1;
	}
	return push(i, e);
}

int ca_index_revoked(struct ca_index *i, struct ca_entry *e)
{
	json_t *o = json_pack("{s:s,s:s,s:s,s:I,s:i}", "event", "revoked", "serial", e->facts.serial, "by",
		e->revoked_by, "revoked_s", (json_int_t)e->revoked_s, "reason", e->reason);
	return o ? add_line(i, o) : -1;
}

int ca_index_listed(struct ca_index *i)
{
	json_t *o = json_pack("{s:s,s:I}", "event", "listed", "number", (json_int_t)i->crl_number);
	return o ? add_line(i, o) : -1;
}
