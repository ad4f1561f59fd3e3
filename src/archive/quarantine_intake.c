/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/quarantine_parts.h"
#include "audit/io.h"
#include "base/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/* Taking an object in. */

/* The folder is counted again after so many bytes, as others write into it too. */
#define COUNT_EVERY (64u * 1024 * 1024)

static const char why_full[] = "the quarantine is full";
static const char why_disk[] = "the disk is full";
static const char why_failed[] = "the quarantine's folder cannot be written";

/* ---- The keyed hash ---- */

static void add_text(struct writer *w, const char *text)
{
	size_t n = strlen(text);
	writer_u16be(w, (uint16_t)n);
	writer_bytes(w, text, n);
}

static int keyed(const struct quarantine *q, struct span bytes, uint8_t ret[QUARANTINE_HASH])
{
	unsigned n = 0;
	const void *made =
		HMAC(EVP_sha256(), q->site->same, sizeof(q->site->same), bytes.ptr, bytes.len, ret, &n);
	return made && n == QUARANTINE_HASH ? 0 : ERR_SYSTEM;
}

/* What is known before the data set has come. */
static int same_begin(struct quarantine_intake *i, const struct facts *f)
{
	uint8_t buf[512];
	struct writer w = writer_of(buf, sizeof(buf));
	add_text(&w, f->sop_class);
	add_text(&w, f->sop_instance);
	add_text(&w, f->transfer_syntax);
	add_text(&w, f->to);
	add_text(&w, f->called);
	int e = writer_end(&w);
	return e == 0 ? keyed(i->q, writer_span_of(&w), i->same) : e;
}

static int same_end(struct quarantine_intake *i, uint8_t ret_sha256[32])
{
	uint8_t both[QUARANTINE_HASH + 32];
	unsigned n = 0;
	memcpy(both, i->same, QUARANTINE_HASH);
	if (EVP_DigestFinal_ex(i->digest, both + QUARANTINE_HASH, &n) != 1 || n != 32) {
		ERR_clear_error();
		return ERR_SYSTEM;
	}
	memcpy(ret_sha256, both + QUARANTINE_HASH, 32);
	return keyed(i->q, span_of(both, sizeof(both)), i->same);
}

/* ---- Room ---- */

static void leave_file(struct quarantine_intake *i)
{
	if (i->name[0]) {
		int error = errno;
		unlinkat(i->q->dir, i->name, 0);
		errno = error;
	}
	i->name[0] = 0;
	quarantine_file_done(&i->file);
}

/* Go on without a file: it may still turn out to be one that is there. */
static void no_room(struct quarantine_intake *i, int e, const char *why)
{
	leave_file(i);
	i->full = e;
	i->full_why = why;
}

static int count_room(struct quarantine_intake *i)
{
	struct quarantine_totals t;
	int e = quarantine_count(i->q->dir, &t);
	if (e != 0) {
		return e;
	}
	/* This one's own file is among the bytes, and not yet among the objects. */
	if (quarantine_is_full(i->q, &t)) {
		return ERR_SPACE;
	}
	uint64_t left = i->q->most_bytes > 0 ? i->q->most_bytes - t.bytes : COUNT_EVERY;
	i->room = left < COUNT_EVERY ? left : COUNT_EVERY;
	return 0;
}

/* A name that no process uses, for who locks the file right after making it. */
static int make_file(struct quarantine_intake *i)
{
	static unsigned number;
	int fd;
	do {
		snprintf(i->name, sizeof(i->name), ".new-%ld-%u", (long)getpid(), ++number);
		fd = openat(i->q->dir, i->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	} while (fd < 0 && errno == EEXIST);
	if (fd < 0) {
		i->name[0] = 0;
		return io_error();
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return ERR_SYSTEM;
	}
	return fd;
}

static int begin_file(struct quarantine_intake *i, const struct facts *facts)
{
	int e = count_room(i);
	if (e == ERR_SPACE) {
		no_room(i, e, why_full);
		return 0;
	}
	int fd = e == 0 ? make_file(i) : e;
	e = fd < 0 ? fd : quarantine_file_begin(i->q->site, fd, facts, &i->file);
	if (e != 0 && fd >= 0) {
		close(fd);
	}
	if (e == ERR_VALUE || e == ERR_LIMIT || e == ERR_NO_MEMORY) {
		leave_file(i);
		return e;
	}
	if (e != 0) {
		no_room(i, e, e == ERR_SPACE ? why_disk : why_failed);
	}
	return 0;
}

int quarantine_begin(const struct quarantine *q, const struct facts *facts, struct quarantine_intake *i)
{
	*i = (struct quarantine_intake){.q = q, .file = QUARANTINE_FILE_NONE};
	i->digest = EVP_MD_CTX_new();
	if (!i->digest || EVP_DigestInit_ex(i->digest, EVP_sha256(), NULL) != 1) {
		ERR_clear_error();
		quarantine_drop(i);
		return ERR_NO_MEMORY;
	}
	int e = same_begin(i, facts);
	e = e == 0 ? begin_file(i, facts) : e;
	if (e != 0) {
		quarantine_drop(i);
	}
	return e;
}

static int write_piece(struct quarantine_intake *i, bool last)
{
	int e = 0;
	if (i->name[0] && i->room < i->held) {
		e = count_room(i);
		e = e == 0 && i->room < i->held ? ERR_SPACE : e;
		if (e != 0) {
			no_room(i, e, e == ERR_SPACE ? why_full : why_failed);
		}
	}
	if (i->name[0]) {
		i->room -= i->held;
		e = quarantine_file_piece(&i->file, span_of(i->piece, i->held), last);
		if (e != 0) {
			no_room(i, e, e == ERR_SPACE ? why_disk : why_failed);
		}
	}
	i->held = 0;
	return 0;
}

int quarantine_write(struct quarantine_intake *i, struct span bytes)
{
	if (EVP_DigestUpdate(i->digest, bytes.ptr, bytes.len) != 1) {
		ERR_clear_error();
		return ERR_SYSTEM;
	}
	i->size += bytes.len;
	while (bytes.len > 0) {
		/* Only when there is more: the last piece is to be known as such. */
		int e = i->held == sizeof(i->piece) ? write_piece(i, false) : 0;
		if (e != 0) {
			return e;
		}
		size_t n = sizeof(i->piece) - i->held;
		n = bytes.len < n ? bytes.len : n;
		memcpy(i->piece + i->held, bytes.ptr, n);
		i->held += n;
		bytes = span_of(bytes.ptr + n, bytes.len - n);
	}
	return 0;
}

/* ---- The end ---- */

/* This time, of one that is there. */
struct again {
	int64_t now_ms;
	uint64_t refusal;
};

static int count_again(struct quarantine_state *s, void *arg)
{
	const struct again *a = arg;
	s->count++;
	s->last_ms = a->now_ms;
	s->last_refusal = a->refusal;
	return 0;
}

/* One of these bytes that opens; of two, which only damage can make, the first. */
static int find_same(const struct quarantine_intake *i, struct quarantine_file *ret_file,
	struct quarantine_state *ret_state)
{
	struct quarantine_object *at;
	size_t n;
	char name[QUARANTINE_NAME];
	int e = quarantine_list(i->q->dir, &at, &n);
	if (e != 0) {
		return e;
	}
	e = ERR_NOT_FOUND;
	for (size_t k = 0; e == ERR_NOT_FOUND && k < n; k++) {
		quarantine_name_write(at[k].number, i->same, name);
		if (strcmp(name, at[k].name) != 0) {
			continue;
		}
		/* One that is damaged is left for people to see, and the object is kept anew. */
		if (quarantine_open(i->q, &at[k], ret_file, ret_state, NULL) == 0) {
			e = 0;
			if (memcmp(ret_state->same, i->same, sizeof(i->same)) != 0) {
				quarantine_file_done(ret_file);
				e = ERR_NOT_FOUND;
			}
		}
	}
	free(at);
	return e;
}

static int count_same(const struct quarantine_intake *i, struct again *a, struct quarantine_kept *ret_kept)
{
	struct quarantine_file f;
	struct quarantine_state s;
	int e = find_same(i, &f, &s);
	if (e != 0) {
		return e;
	}
	e = count_again(&s, a);
	e = e == 0 ? quarantine_file_state(&f, &s) : e;
	quarantine_file_done(&f);
	if (e == 0) {
		*ret_kept = (struct quarantine_kept){.number = s.number, .count = s.count};
	}
	return e == ERR_NOT_FOUND ? ERR_SYSTEM : e;
}

/* Under the lock. */
static int settle(struct quarantine_intake *i, const struct again *a, const uint8_t sha256[32],
	struct quarantine_kept *ret_kept)
{
	struct quarantine_totals t;
	char name[QUARANTINE_NAME];
	struct quarantine_state s = {.size = i->size,
		.first_ms = a->now_ms,
		.last_ms = a->now_ms,
		.count = 1,
		.last_refusal = a->refusal};
	memcpy(s.same, i->same, sizeof(s.same));
	memcpy(s.sha256, sha256, sizeof(s.sha256));
	int e = quarantine_count(i->q->dir, &t);
	if (e == 0 && i->q->most_objects > 0 && t.objects >= i->q->most_objects) {
		i->full_why = why_full;
		return ERR_SPACE;
	}
	e = e == 0 ? quarantine_number(i->q->dir, t.greatest, &s.number) : e;
	e = e == 0 ? quarantine_file_state(&i->file, &s) : e;
	quarantine_name_write(s.number, s.same, name);
	if (e == 0 && renameat2(i->q->dir, i->name, i->q->dir, name, RENAME_NOREPLACE) < 0 &&
		((errno != EINVAL && errno != ENOSYS) || renameat(i->q->dir, i->name, i->q->dir, name) < 0)) {
		e = io_error();
	}
	if (e == 0) {
		i->name[0] = 0; /* it is no longer ours to remove */
		e = fsync(i->q->dir) < 0 ? io_error() : 0;
	}
	if (e == 0) {
		*ret_kept = (struct quarantine_kept){.number = s.number, .count = 1, .is_new = true};
	} else {
		i->full_why = e == ERR_SPACE ? why_disk : why_failed;
	}
	return e;
}

int quarantine_finish(
	struct quarantine_intake *i, int64_t now_ms, uint64_t refusal, struct quarantine_kept *ret_kept)
{
	uint8_t sha256[32];
	struct again a = {.now_ms = now_ms, .refusal = refusal};
	int e = write_piece(i, true);
	e = e == 0 ? same_end(i, sha256) : e;
	/* What takes long is done before the lock is held. */
	if (e == 0 && i->name[0] && fdatasync(i->file.fd) < 0) {
		e = io_error();
		no_room(i, e, e == ERR_SPACE ? why_disk : why_failed);
		e = 0;
	}
	int lock = e == 0 ? quarantine_lock(i->q->dir) : -1;
	if (e == 0) {
		e = lock < 0 ? io_error() : count_same(i, &a, ret_kept);
	}
	if (lock >= 0 && e == ERR_NOT_FOUND) {
		e = i->name[0] ? settle(i, &a, sha256, ret_kept) : i->full;
	}
	if (lock >= 0) {
		close(lock);
	}
	const char *why = i->full_why;
	quarantine_drop(i);
	i->full_why = why ? why : why_failed;
	return e == ERR_NOT_FOUND ? ERR_SYSTEM : e;
}

void quarantine_drop(struct quarantine_intake *i)
{
	leave_file(i);
	EVP_MD_CTX_free(i->digest);
	i->digest = NULL;
	OPENSSL_cleanse(i->piece, sizeof(i->piece));
}
