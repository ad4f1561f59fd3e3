/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/spool_parts.h"
#include "base/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

/* Entries that wait for a decision: those of a commit of the journal. */

void spool_begin(struct spool *s)
{
	s->group = (struct group){.begun = true};
}

static int seal_group(struct spool *s, const uint8_t mark[SPOOL_MARK])
{
	uint8_t bytes[SPOOL_GROUP_LEN];
	struct writer w = writer_of(bytes, sizeof(bytes));
	writer_u32be(&w, s->group.n);
	writer_bytes(&w, mark, SPOOL_MARK);
	return spool_frame_seal(
		s->file_key, s->group.frame, SPOOL_GROUP, 0, writer_span_of(&w), s->pending + s->group.at);
}

int spool_prepare(struct spool *s, const uint8_t mark[SPOOL_MARK])
{
	if (s->group.n == 0) {
		spool_forget(s);
		return 0;
	}
	int e = seal_group(s, mark);
	e = e == 0 ? spool_write_pending(s) : e;
	if (e != 0) {
		return spool_failed(s, e);
	}
	spool_written(s);
	s->group.prepared = true;
	return 0;
}

static int put_decision(struct spool *s, bool counts)
{
	const uint8_t byte = counts;
	s->group.begun = false;
	return spool_put(s, SPOOL_DECISION, 0, span_of(&byte, 1));
}

int spool_decide(struct spool *s, bool counts, int64_t now_ms)
{
	if (!s->group.prepared) {
		return 0;
	}
	int e = put_decision(s, counts);
	bool end = e == 0 && spool_is_due(s, now_ms);
	e = end ? spool_put(s, SPOOL_END, 0, span_of(NULL, 0)) : e;
	e = e == 0 ? spool_write_all(s, s->pending, s->len) : e;
	/* What the journal says is as good, while there is no later file. */
	if (e == 0 && end && s->set.io->sync(s->fd) < 0) {
		e = ERR_SYSTEM;
	}
	if (!counts) {
		spool_count_lost(&s->state.lost, s->telling.entries, s->telling.first_ms, s->telling.last_ms);
		s->waiting = s->telling = (struct spool_lost){0};
	}
	s->committed_entry = s->next_entry; /* they have their places, also those that do not count */
	if (e != 0) {
		return spool_failed(s, e);
	}
	spool_written(s);
	s->state.entries += s->waiting.entries;
	s->made_ms = s->made_ms == 0 ? now_ms : s->made_ms;
	spool_forget_pending(s);
	if (end) {
		spool_leave_file(s);
	}
	return 0;
}

void spool_forget(struct spool *s)
{
	if (s->group.prepared) {
		return;
	}
	spool_count_lost(&s->state.lost, s->telling.entries, s->telling.first_ms, s->telling.last_ms);
	s->next_entry = s->committed_entry;
	s->frames = s->good_frames;
	spool_forget_pending(s);
	if (s->fd < 0) {
		spool_leave_file(s); /* none has been made */
	}
}

bool spool_undecided(const struct spool *s, uint8_t ret_mark[SPOOL_MARK])
{
	if (s->undecided.file != 0) {
		memcpy(ret_mark, s->undecided.tail.mark, SPOOL_MARK);
	}
	return s->undecided.file != 0;
}

/* Its entries once more, in a file of our own, from which they are sent. */
static int append_again(struct spool *s, int fd, const uint8_t *file_key, uint8_t *buf)
{
	const struct spool_tail *t = &s->undecided.tail;
	uint64_t at = t->offset;
	int e = 0;
	for (uint32_t i = 0; e == 0 && i < t->n; i++) {
		struct spool_found f;
		e = spool_frame_at(fd, file_key, at, t->frame + i, buf, &f);
		at += e == 0 ? 4 + (uint64_t)f.len : 0;
		e = e == 0 ? spool_put(s, f.type, f.time_ms, f.bytes) : e;
		if (e == 0) {
			spool_count_lost(&s->waiting, 1, f.time_ms, f.time_ms);
			s->next_entry++;
		}
	}
	return e == ERR_TRUNCATED ? ERR_SYSTEM : e;
}

static int settle(struct spool *s, int fd, int64_t now_ms)
{
	uint8_t head[SPOOL_HEAD_LEN], file_key[SPOOL_KEY_LEN],
		*buf = malloc(SPOOL_ENTRY_MOST + SPOOL_FRAME_MORE);
	struct spool_head h;
	int e = !buf ? ERR_NO_MEMORY
	        : spool_pread(fd, head, sizeof(head), 0) == SPOOL_HEAD_LEN
	                ? spool_head_read(span_of(head, sizeof(head)), &h)
	                : ERR_SYSTEM;
	e = e == 0 ? spool_file_key(s->set.key, &h, file_key) : e;
	spool_begin(s);
	e = e == 0 ? append_again(s, fd, file_key, buf) : e;
	e = e == 0 ? seal_group(s, s->undecided.tail.mark) : e;
	e = e == 0 ? put_decision(s, true) : e;
	OPENSSL_cleanse(file_key, sizeof(file_key));
	free(buf);
	if (e != 0) {
		return spool_failed(s, e);
	}
	return spool_commit(s, now_ms);
}

int spool_settle(struct spool *s, bool counts, int64_t now_ms)
{
	char name[SPOOL_NAME_LEN];
	int e = 0;
	if (s->undecided.file != 0 && counts) {
		spool_forget(s);
		spool_file_name(s->undecided.file, name);
		int fd = openat(s->set.dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		e = fd < 0 ? ERR_SYSTEM : settle(s, fd, now_ms);
		if (fd >= 0) {
			close(fd);
		}
	}
	/* What does not count is stepped over when there is a later file. */
	s->undecided.file = 0;
	return e;
}
