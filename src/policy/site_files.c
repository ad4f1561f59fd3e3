/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/site.h"
#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"
#include "policy/deidentify.h"
#include "policy/site_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}

static int read_all(int fd, uint8_t *buf, size_t cap, size_t *ret_len)
{
	size_t len = 0;
	while (len < cap) {
		ssize_t n = read(fd, buf + len, cap - len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return ERR_SYSTEM;
		}
		if (n == 0) {
			break;
		}
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

int file_read(struct region *r, const char *path, struct span *ret_bytes, unsigned *ret_mode)
{
	struct stat st;
	/* Not blocking: a pipe in a file's place is told apart instead of waited for. */
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		return ERR_SYSTEM;
	}
	if (!S_ISREG(st.st_mode)) {
		return ERR_TYPE;
	}
	if (st.st_size < 0 || st.st_size > LIMIT_CONFIG_FILE) {
		return ERR_LIMIT;
	}
	size_t cap = (size_t)st.st_size, len;
	uint8_t *buf = region_alloc(r, cap + 1);
	if (!buf) {
		return ERR_NO_MEMORY;
	}
	int err = read_all(fd, buf, cap, &len);
	if (err < 0) {
		return err;
	}
	*ret_bytes = span_of(buf, len);
	*ret_mode = (unsigned)st.st_mode;
	return 0;
}

static const char *why_unread(int err)
{
	switch (err) {
	case ERR_SYSTEM:
		/* Who looks by hand is not the gateway. */
		return errno == EACCES && geteuid() != 0 ? "Permission denied: try sudo" : strerror(errno);
	case ERR_TYPE:
		return "it is no regular file";
	case ERR_LIMIT:
		return "it is larger than a megabyte";
	default:
		return err_str(err);
	}
}

/* The blobs that are packed, in their order. NULL at the end. */
static struct blob *packed_blob(const struct site *s, unsigned i)
{
	const struct audit_config *a = &s->audit;
	const struct {
		struct blob *at;
		unsigned n;
	} lists[] = {{s->trust, s->n_trust}, {s->crl, s->n_crl}, {a->auditors, a->n_auditors},
		{s->signatures.trust, s->signatures.n_trust},
		{s->signatures.timestamps, s->signatures.n_timestamps},
		{s->signatures.crl, s->signatures.n_crl}};
	if (i < s->n_identities) {
		return &s->identities[i].certificate;
	}
	i -= s->n_identities;
	for (unsigned k = 0; k < ARRAY_LEN(lists); k++) {
		if (i < lists[k].n) {
			return &lists[k].at[i];
		}
		i -= lists[k].n;
	}
	if (i < s->n_flows) {
		return &s->flows[i].user_passcode;
	}
	i -= s->n_flows;
	for (unsigned k = 0; k < s->n_flows; k++) {
		const struct deidentify_flow *d = s->flows[k].deidentify;
		if (d && i < d->n_originals_to) {
			return &d->originals_to[i];
		}
		i -= d ? d->n_originals_to : 0;
		if (d && d->pixel_rules.path && i-- == 0) {
			return (struct blob *)(uintptr_t)&d->pixel_rules;
		}
	}
	const struct blob *single[] = {&s->revocation.certificate, &s->signatures.certificate};
	for (unsigned k = 0; k < ARRAY_LEN(single); k++) {
		if (single[k]->path && i-- == 0) {
			return (struct blob *)(uintptr_t)single[k];
		}
	}
	for (unsigned k = 0; k < a->n_repositories; k++) {
		if (i < a->repositories[k].n_trust) {
			return &a->repositories[k].trust[i];
		}
		i -= a->repositories[k].n_trust;
	}
	return NULL;
}

static bool is_passcode(const struct site *s, const struct blob *b)
{
	for (unsigned i = 0; i < s->n_flows; i++) {
		if (b == &s->flows[i].user_passcode) {
			return true;
		}
	}
	return false;
}

static void read_blob(struct site *s, struct blob *b, bool secret, struct mistake_list *m)
{
	unsigned mode = 0;
	if (!b->path || !b->path[0]) {
		return; /* missing: said already */
	}
	int err = file_read(s->region, b->path, &b->bytes, &mode);
	if (err == ERR_SYSTEM && errno == ENOENT && b->may_be_absent) {
		return;
	}
	if (err < 0) {
		mistake_error(m, b->line, b->column, "cannot read %s: %s", b->path, why_unread(err));
		return;
	}
	if (b->bytes.len == 0) {
		mistake_error(m, b->line, b->column, "%s is empty", b->path);
	}
	if (secret && mode & S_IRWXO) {
		mistake_error(m, b->line, b->column,
			"%s holds secrets and can be read by every user of this machine: `chmod o= %s`",
			b->path, b->path);
	}
}

void site_read_files(struct site *s, struct mistake_list *m)
{
	struct blob *b;
	for (unsigned i = 0; (b = packed_blob(s, i)); i++) {
		if (b->path && !blob_is_url(b)) {
			read_blob(s, b, is_passcode(s, b), m);
		}
	}
	for (unsigned f = 0; f < USER_FILES; f++) {
		read_blob(s, (struct blob *)(uintptr_t)site_user_file(s, (enum user_file)f),
			f == FILE_PASSWORDS || f == FILE_LDAP_PASSCODE || f == FILE_KEYTAB, m);
	}
}

/* A text that belongs to the caller's file and cannot even be read. */
static int no_file(const char *path, int err, struct mistakes *ret_mistakes)
{
	struct mistake_list m;
	const char *why = why_unread(err);
	if (mistakes_begin(&m) < 0) {
		return ERR_NO_MEMORY;
	}
	mistake_error(&m, 0, 0, "cannot read %s: %s", path, why);
	int end = mistakes_end(&m, ret_mistakes);
	return end < 0 ? end : ERR_VALUE;
}

static int load(
	const char *path, struct site_text *text, struct site **ret_site, struct mistakes *ret_mistakes)
{
	char absolute[PATH_MAX];
	unsigned mode;
	*ret_mistakes = (struct mistakes){0};
	struct region *r = region_new();
	if (!r) {
		return ERR_NO_MEMORY;
	}
	int err = realpath(path, absolute) ? file_read(r, absolute, &text->yaml, &mode) : ERR_SYSTEM;
	if (err < 0) {
		err = err == ERR_NO_MEMORY ? err : no_file(path, err, ret_mistakes);
	} else {
		text->file = absolute;
		err = site_parse_text(text, ret_site, ret_mistakes);
	}
	text->yaml = span_of(NULL, 0);
	text->file = NULL;
	region_free(r);
	return err;
}

int site_load(const char *path, struct site **ret_site, struct mistakes *ret_mistakes)
{
	return load(path, &(struct site_text){.read_files = true}, ret_site, ret_mistakes);
}

int site_load_look(
	const char *path, struct site_text *text, struct site **ret_site, struct mistakes *ret_mistakes)
{
	text->read_files = true;
	return load(path, text, ret_site, ret_mistakes);
}

int site_load_settings(const char *path, struct site **ret_site, struct mistakes *ret_mistakes)
{
	return load(path, &(struct site_text){.read_files = false}, ret_site, ret_mistakes);
}

const char *site_default_path(void)
{
	return access("gantry.yaml", F_OK) == 0 ? "gantry.yaml" : "/etc/gantry/gantry.yaml";
}

/*
 * A packed site: "GANTRYS3", then path, YAML and blobs, each a length of 4 bytes and its bytes. The blobs stand in the
 * order of packed_blob(), so that they need no names.
 */
static const char pack_magic[8] = {'G', 'A', 'N', 'T', 'R', 'Y', 'S', '3'};

static void put(struct writer *w, struct span s)
{
	writer_u32be(w, (uint32_t)s.len);
	writer_span(w, s);
}

static void pack(const struct site *s, struct writer *w)
{
	writer_bytes(w, pack_magic, sizeof(pack_magic));
	put(w, span_str(s->file));
	put(w, s->yaml);
	const struct blob *b;
	for (unsigned i = 0; (b = packed_blob(s, i)); i++) {
		put(w, b->bytes);
	}
}

int site_pack(const struct site *s, uint8_t **ret_bytes, size_t *ret_len)
{
	size_t n = sizeof(pack_magic) + 8 + strlen(s->file) + s->yaml.len;
	const struct blob *b;
	for (unsigned i = 0; (b = packed_blob(s, i)); i++) {
		n += 4 + b->bytes.len;
	}
	uint8_t *bytes = malloc(n);
	if (!bytes) {
		return ERR_NO_MEMORY;
	}
	struct writer w = writer_of(bytes, n);
	pack(s, &w);
	int err = writer_end(&w);
	if (err < 0) {
		free(bytes);
		return err;
	}
	*ret_bytes = bytes;
	*ret_len = w.len;
	return 0;
}

static int take(struct reader *r, struct span *ret_s)
{
	uint32_t n;
	int err = reader_u32be(r, &n);
	if (err < 0) {
		return err;
	}
	return n > LIMIT_CONFIG_FILE ? ERR_LIMIT : reader_bytes(r, n, ret_s);
}

static int take_blob(struct site *s, struct reader *r, struct blob *b)
{
	struct span bytes;
	int err = take(r, &bytes);
	if (err < 0) {
		return err;
	}
	char *copy = region_strn(s->region, bytes.len ? (const char *)bytes.ptr : "", bytes.len);
	if (!copy) {
		return ERR_NO_MEMORY;
	}
	b->bytes = span_of(copy, bytes.len);
	return 0;
}

static int take_blobs(struct site *s, struct reader *r)
{
	int err = 0;
	struct blob *b;
	for (unsigned i = 0; err == 0 && (b = packed_blob(s, i)); i++) {
		err = take_blob(s, r, b);
	}
	return err < 0 ? err : reader_end(r);
}

static int take_text(struct reader *r, struct region *scratch, struct site_text *ret_text)
{
	struct span magic, file, yaml;
	if (reader_bytes(r, sizeof(pack_magic), &magic) < 0 || take(r, &file) < 0 || take(r, &yaml) < 0) {
		return ERR_TRUNCATED;
	}
	if (memcmp(magic.ptr, pack_magic, sizeof(pack_magic)) != 0 || file.len == 0 || file.len >= PATH_MAX ||
		memchr(file.ptr, 0, file.len)) {
		return ERR_VALUE;
	}
	const char *path = region_strn(scratch, (const char *)file.ptr, file.len);
	*ret_text = (struct site_text){.yaml = yaml, .file = path};
	return path ? 0 : ERR_NO_MEMORY;
}

int site_unpack(struct span packed, struct site **ret_site, struct mistakes *ret_mistakes)
{
	struct reader r = reader_of(packed);
	struct site_text text;
	struct site *s = NULL;
	*ret_mistakes = (struct mistakes){0};
	struct region *scratch = region_new();
	if (!scratch) {
		return ERR_NO_MEMORY;
	}
	int err = take_text(&r, scratch, &text);
	err = err < 0 ? err : site_parse_text(&text, &s, ret_mistakes);
	err = err < 0 ? err : take_blobs(s, &r);
	region_free(scratch);
	if (err < 0) {
		site_free(s);
		return err;
	}
	*ret_site = s;
	return 0;
}
