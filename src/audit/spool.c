/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/spool.h"
#include "audit/spool_parts.h"
#include "base/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What may be appended between two commits. A commit a tenth of a second has room for far more than a gateway tells. */
#define PENDING_MOST (16u * 1024 * 1024)

/* How often the folder is looked at again while it is full, in the entries' own time. */
#define LOOK_AGAIN_MS 1000

#define LOST_LEN      24

/* ---- The system ---- */

static int system_create(int dir, const char *name)
{
	return openat(dir, name, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static ssize_t system_write(int fd, const void *buf, size_t n)
{
	return write(fd, buf, n);
}

static int system_sync(int fd)
{
	return fdatasync(fd);
}

static int system_cut(int fd, off_t size)
{
	return ftruncate(fd, size);
}

static int system_sync_dir(int dir)
{
	return fsync(dir);
}

const struct spool_io spool_system = {system_create, system_write, system_sync, system_cut, system_sync_dir};

/* ---- Opening ---- */

/* After all that a reader may remember, also of files that are gone. */
static void number_after(struct spool *s, const struct spool_list *l)
{
	struct spool_place p;
	for (unsigned i = 0; i < l->n; i++) {
		s->next_number = l->at[i].number >= s->next_number ? l->at[i].number + 1 : s->next_number;
		s->total += l->at[i].size;
	}
	for (unsigned i = 0; i < l->n_places; i++) {
		if (spool_place_load(s->set.dir, l->places[i], NULL, &p) == 0) {
			s->next_number = p.file >= s->next_number ? p.file + 1 : s->next_number;
			s->next_entry = p.entry > s->next_entry ? p.entry : s->next_entry;
		}
	}
}

/*
 * The last file: what is torn at its end goes, so that nobody takes it for damage. ERR_NOT_FOUND: it has not even a head, and
 * does not tell where the entries are.
 */
static int mend(struct spool *s, const struct spool_listed *last, struct spool_tail *ret_tail)
{
	char name[SPOOL_NAME_LEN];
	struct spool_head h;
	uint64_t end = 0, entries = 0;
	spool_file_name(last->number, name);
	int fd = openat(s->set.dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	int e = spool_walk(fd, s->set.key, &h, &end, &entries);
	bool headless = e == ERR_VALUE; /* nothing was committed in it */
	e = headless ? 0 : e;
	if (e == 0 && end < last->size) {
		e = s->set.io->cut(fd, (off_t)end) < 0 || s->set.io->sync(fd) < 0 ? ERR_SYSTEM : 0;
		s->total -= last->size - end;
	}
	if (e == 0 && !headless && h.first + entries > s->next_entry) {
		s->next_entry = h.first + entries;
	}
	e = e == 0 && !headless ? spool_tail_of(fd, s->set.key, ret_tail) : e;
	close(fd);
	return e == 0 && headless ? ERR_NOT_FOUND : e;
}

/*
 * Also the group that waits for its decision. One that is not whole was never decided about: its writer died before it was told
 * that it is prepared. If it is all that a file has, it may be one that was being settled: then the one before it is looked at.
 */
static int mend_last(struct spool *s, const struct spool_list *l)
{
	bool more = true;
	int e = 0;
	for (unsigned i = l->n; e == 0 && more && i > 0; i--) {
		struct spool_tail t = {.alone = true};
		e = mend(s, &l->at[i - 1], &t);
		e = e == ERR_NOT_FOUND ? 0 : e;
		more = t.alone && !t.whole;
		if (e == 0 && t.whole) {
			s->undecided.file = l->at[i - 1].number;
			s->undecided.tail = t;
		}
	}
	return e;
}

int spool_open(const struct spool_settings *settings, struct spool **ret_spool)
{
	struct spool *s = calloc(1, sizeof(*s));
	struct spool_list l = {0};
	if (!s) {
		return ERR_NO_MEMORY;
	}
	s->set = *settings;
	s->set.file_bytes = s->set.file_bytes ? s->set.file_bytes : SPOOL_FILE_BYTES;
	s->set.file_ms = s->set.file_ms ? s->set.file_ms : SPOOL_FILE_MS;
	s->set.io = s->set.io ? s->set.io : &spool_system;
	s->fd = -1;
	s->next_number = 1;
	int e = spool_list(s->set.dir, &l);
	if (e == 0) {
		number_after(s, &l);
		e = mend_last(s, &l);
	}
	spool_list_done(&l);
	s->committed_entry = s->next_entry;
	if (e != 0) {
		spool_close(s);
		return e;
	}
	*ret_spool = s;
	return 0;
}

void spool_close(struct spool *s)
{
	if (!s) {
		return;
	}
	if (s->fd >= 0) {
		close(s->fd);
	}
	if (s->pending) {
		OPENSSL_cleanse(s->pending, s->cap);
	}
	free(s->pending);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}

/* ---- Appending ---- */

void spool_count_lost(struct spool_lost *to, uint64_t entries, int64_t first_ms, int64_t last_ms)
{
	if (entries > 0) {
		to->first_ms = to->entries == 0 || first_ms < to->first_ms ? first_ms : to->first_ms;
		to->last_ms = to->entries == 0 || last_ms > to->last_ms ? last_ms : to->last_ms;
		to->entries += entries;
	}
}

static int lose(struct spool *s, int64_t time_ms, int e)
{
	spool_count_lost(&s->state.lost, 1, time_ms, time_ms);
	s->state.lost_ever++;
	return e;
}

static int reserve(struct spool *s, size_t more)
{
	if (more > PENDING_MOST - s->len) {
		return ERR_LIMIT;
	}
	if (s->len + more <= s->cap) {
		return 0;
	}
	size_t cap = s->cap ? s->cap : 64 * 1024;
	while (cap < s->len + more) {
		cap *= 2;
	}
	uint8_t *grown = realloc(s->pending, cap);
	if (!grown) {
		return ERR_NO_MEMORY;
	}
	s->pending = grown;
	s->cap = cap;
	return 0;
}

/* A file that is not there yet: its key, and its head among what is pending. */
static int begin_file(struct spool *s)
{
	struct spool_head h = {.number = s->next_number, .first = s->next_entry};
	if (RAND_bytes(h.id, sizeof(h.id)) != 1 || spool_file_key(s->set.key, &h, s->file_key) != 0) {
		return ERR_SYSTEM;
	}
	int e = reserve(s, SPOOL_HEAD_LEN);
	if (e != 0) {
		return e;
	}
	spool_head_write(&h, s->pending + s->len);
	s->len += SPOOL_HEAD_LEN;
	s->head = h;
	s->begun = true;
	s->frames = s->good = s->good_frames = 0;
	s->made_ms = 0;
	s->next_number++;
	return 0;
}

/* The place of the control frame before the entries, which is written when their number is known. */
static int begin_group(struct spool *s)
{
	int e = reserve(s, SPOOL_GROUP_LEN + SPOOL_FRAME_MORE);
	if (e == 0) {
		s->group.has_frame = true;
		s->group.at = s->len;
		s->group.frame = s->frames++;
		s->len += SPOOL_GROUP_LEN + SPOOL_FRAME_MORE;
	}
	return e;
}

int spool_put(struct spool *s, uint8_t type, int64_t time_ms, struct span bytes)
{
	int e = s->begun ? 0 : begin_file(s);
	e = e == 0 && s->group.begun && !s->group.has_frame ? begin_group(s) : e;
	e = e == 0 ? reserve(s, bytes.len + SPOOL_FRAME_MORE) : e;
	e = e == 0 ? spool_frame_seal(s->file_key, s->frames, type, time_ms, bytes, s->pending + s->len) : e;
	if (e == 0) {
		s->len += bytes.len + SPOOL_FRAME_MORE;
		s->frames++;
		s->group.n += s->group.begun;
	}
	return e;
}

static int look_again(struct spool *s, int64_t time_ms)
{
	struct spool_list l;
	int64_t since = time_ms - s->looked_ms;
	if (since >= 0 && since < LOOK_AGAIN_MS) {
		return 0;
	}
	int e = spool_list(s->set.dir, &l);
	if (e != 0) {
		return e;
	}
	s->looked_ms = time_ms;
	s->total = 0;
	for (unsigned i = 0; i < l.n; i++) {
		s->total += l.at[i].size;
	}
	spool_list_done(&l);
	return 0;
}

static bool has_room(struct spool *s, int64_t time_ms, size_t more)
{
	uint64_t want = s->len + more + SPOOL_HEAD_LEN;
	if (s->total + want > s->set.most && look_again(s, time_ms) != 0) {
		return false;
	}
	return s->total + want <= s->set.most;
}

/* Before the first entry that has room again. */
static int tell_lost(struct spool *s, int64_t time_ms)
{
	uint8_t bytes[LOST_LEN];
	struct writer w = writer_of(bytes, sizeof(bytes));
	if (s->state.lost.entries == 0) {
		return 0;
	}
	writer_u64be(&w, s->state.lost.entries);
	writer_u64be(&w, (uint64_t)s->state.lost.first_ms);
	writer_u64be(&w, (uint64_t)s->state.lost.last_ms);
	int e = spool_put(s, SPOOL_LOST, time_ms, writer_span_of(&w));
	if (e == 0) {
		spool_count_lost(
			&s->telling, s->state.lost.entries, s->state.lost.first_ms, s->state.lost.last_ms);
		s->state.lost = (struct spool_lost){0};
		s->next_entry++;
	}
	return e;
}

int spool_append(struct spool *s, enum spool_type type, int64_t time_ms, struct span bytes)
{
	if (bytes.len == 0 || bytes.len > SPOOL_ENTRY_MOST) {
		return lose(s, time_ms, ERR_LIMIT);
	}
	if (!has_room(s, time_ms, bytes.len + LOST_LEN + SPOOL_GROUP_LEN + 5 * (size_t)SPOOL_FRAME_MORE)) {
		return lose(s, time_ms, ERR_SPACE);
	}
	int e = tell_lost(s, time_ms);
	e = e == 0 ? spool_put(s, (uint8_t)type, time_ms, bytes) : e;
	if (e != 0) {
		return lose(s, time_ms, e);
	}
	spool_count_lost(&s->waiting, 1, time_ms, time_ms);
	s->next_entry++;
	return 0;
}

/* ---- Committing ---- */

int spool_write_all(struct spool *s, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = s->set.io->write(s->fd, bytes, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 && (errno == ENOSPC || errno == EDQUOT) ? ERR_SPACE : ERR_SYSTEM;
		}
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int create(struct spool *s)
{
	char name[SPOOL_NAME_LEN];
	spool_file_name(s->head.number, name);
	s->fd = s->set.io->create(s->set.dir, name);
	return s->fd >= 0 ? 0 : errno == ENOSPC || errno == EDQUOT ? ERR_SPACE : ERR_SYSTEM;
}

void spool_leave_file(struct spool *s)
{
	if (s->fd >= 0) {
		close(s->fd);
		s->fd = -1;
	}
	s->begun = false;
	s->made_ms = 0;
	s->good_frames = 0;
	OPENSSL_cleanse(s->file_key, sizeof(s->file_key));
}

void spool_forget_pending(struct spool *s)
{
	s->len = 0;
	s->waiting = s->telling = (struct spool_lost){0};
	s->group = (struct group){0};
}

/* What was committed before stays; what was not is taken out of the file as well as that goes. */
static void fail(struct spool *s)
{
	if (s->fd >= 0 && s->good > 0) {
		(void)s->set.io->cut(s->fd, (off_t)s->good);
	} else if (s->fd >= 0) {
		char name[SPOOL_NAME_LEN];
		spool_file_name(s->head.number, name);
		(void)unlinkat(s->set.dir, name, 0);
	}
	spool_leave_file(s);
	spool_count_lost(&s->state.lost, s->waiting.entries, s->waiting.first_ms, s->waiting.last_ms);
	spool_count_lost(&s->state.lost, s->telling.entries, s->telling.first_ms, s->telling.last_ms);
	s->state.lost_ever += s->waiting.entries;
	s->next_entry = s->committed_entry;
	spool_forget_pending(s);
}

bool spool_is_due(const struct spool *s, int64_t now_ms)
{
	return s->good + s->len >= s->set.file_bytes ||
	       (s->made_ms != 0 && now_ms - s->made_ms >= (int64_t)s->set.file_ms);
}

int spool_write_pending(struct spool *s)
{
	bool fresh = s->fd < 0;
	int e = fresh ? create(s) : 0;
	e = e == 0 ? spool_write_all(s, s->pending, s->len) : e;
	if (e == 0 && (s->set.io->sync(s->fd) < 0 || (fresh && s->set.io->sync_dir(s->set.dir) < 0))) {
		e = errno == ENOSPC || errno == EDQUOT ? ERR_SPACE : ERR_SYSTEM;
	}
	return e;
}

/* What failed leaves errno. */
int spool_failed(struct spool *s, int e)
{
	int kept = errno;
	fail(s);
	errno = kept;
	return e;
}

void spool_written(struct spool *s)
{
	s->good += s->len;
	s->good_frames = s->frames;
	s->total += s->len;
	s->len = 0;
}

int spool_commit(struct spool *s, int64_t now_ms)
{
	bool end = s->begun && spool_is_due(s, now_ms);
	if ((s->len == 0 && !end) || s->group.prepared) {
		return 0;
	}
	int e = end ? spool_put(s, SPOOL_END, 0, span_of(NULL, 0)) : 0;
	e = e == 0 ? spool_write_pending(s) : e;
	if (e != 0) {
		return spool_failed(s, e);
	}
	spool_written(s);
	s->committed_entry = s->next_entry;
	s->state.entries += s->waiting.entries;
	s->made_ms = s->made_ms == 0 ? now_ms : s->made_ms;
	spool_forget_pending(s);
	if (end) {
		spool_leave_file(s);
	}
	return 0;
}

void spool_look(const struct spool *s, struct spool_state *ret_state)
{
	*ret_state = s->state;
	ret_state->bytes = s->total;
}
