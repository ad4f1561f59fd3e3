/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/held.h"
#include "base/log.h"
#include "base/span.h"
#include "priv/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than a file's own metadata can add to what was asked for. */
#define SLACK 4096

static void drop(struct held *h, unsigned i)
{
	struct held_file *f = &h->at[i];
	close(f->channel);
	if (f->file >= 0) {
		close(f->file);
	}
	h->room -= f->room;
	h->warned = h->warned && h->room > h->quota / 2;
	/* In their order, so that the oldest of an association is the first. */
	memmove(f, f + 1, (--h->n - i) * sizeof(*f));
}

static void make_place(struct held *h, uint64_t association)
{
	unsigned n = 0, oldest = 0;
	for (unsigned i = h->n; i > 0; i--) {
		if (h->at[i - 1].association == association) {
			oldest = i - 1;
			n++;
		}
	}
	if (n >= HELD_EACH) {
		drop(h, oldest);
	}
}

int held_add(struct held *h, int channel, uint64_t association, const char *folder, uint64_t quota)
{
	size_t n = strlen(folder);
	make_place(h, association);
	if (h->n == HELD_MOST || n >= sizeof(h->folder) || fcntl(channel, F_SETFL, O_NONBLOCK) < 0) {
		close(channel);
		return ERR_LIMIT;
	}
	memcpy(h->folder, folder, n + 1);
	h->quota = quota;
	h->at[h->n++] = (struct held_file){.channel = channel, .file = -1, .association = association};
	return 0;
}

/* Without a name from the beginning, or, where the file system cannot do that, from a moment later. */
static int open_nameless(const char *folder)
{
	char path[sizeof(((struct held *)0)->folder) + 16];
	if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
		return -1;
	}
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) {
		return fd;
	}
	snprintf(path, sizeof(path), "%s/held.XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0) {
		(void)unlink(path);
	}
	return fd;
}

static void warn(struct held *h, const char *why)
{
	if (!h->warned) {
		h->warned = true;
		log_event(LOG_LEVEL_ERROR, "hold.full",
			"There is no room on disk for an object that waits for its verdict.",
			LOG_TEXT("folder", h->folder), LOG_TEXT("error", why),
			LOG_NUMBER("objects", (int64_t)h->n), LOG_NUMBER("bytes", (int64_t)h->room));
	}
}

/* The blocks themselves, so that no write can fail for want of them later. */
static int reserve(const struct held_file *f, uint64_t most)
{
	int e = fallocate(f->file, FALLOC_FL_KEEP_SIZE, (off_t)f->room, (off_t)(most - f->room));
	return e < 0 && errno != EOPNOTSUPP ? ERR_SYSTEM : 0;
}

/* What the other files have: of that association, or of all. */
static uint64_t others_room(const struct held *h, const struct held_file *f, bool of_all)
{
	uint64_t room = 0;
	for (unsigned i = 0; i < h->n; i++) {
		if (&h->at[i] != f && (of_all || h->at[i].association == f->association)) {
			room += h->at[i].room;
		}
	}
	return room;
}

static uint64_t share_of(uint64_t quota)
{
	return quota / 2 > HELD_SHARE_LEAST ? quota / 2 : HELD_SHARE_LEAST;
}

static bool has_room(uint64_t quota, uint64_t others, uint64_t most)
{
	return others <= quota && most <= quota - others;
}

/* 0: it can have that much; ERR_AGAIN: others have it. */
static int judge(struct held *h, const struct held_file *f, int64_t wanted)
{
	if (wanted <= 0 || (uint64_t)wanted <= f->room) {
		return ERR_VALUE;
	}
	uint64_t most = (uint64_t)wanted;
	if (most > h->quota || most > share_of(h->quota)) {
		return ERR_LENGTH; /* whatever others have */
	}
	if (!has_room(share_of(h->quota), others_room(h, f, false), most)) {
		warn(h, "an association has its share of `hold-quota`, half of it");
		return ERR_LIMIT;
	}
	return has_room(h->quota, others_room(h, f, true), most) ? 0 : ERR_AGAIN;
}

/* 0: a file with that room; 1: it has it now; errors as above. */
static int give_room(struct held *h, struct held_file *f, int64_t wanted)
{
	int e = judge(h, f, wanted);
	if (e != 0) {
		return e;
	}
	uint64_t most = (uint64_t)wanted;
	bool first = f->file < 0;
	f->file = first ? open_nameless(h->folder) : f->file;
	if (f->file < 0 || reserve(f, most) != 0) {
		warn(h, strerror(errno));
		return ERR_SPACE;
	}
	h->room += most - f->room;
	f->room = most;
	return first ? 0 : 1;
}

static int answer(const struct held_file *f, int number)
{
	struct message reply = {.type = MSG_ROOMED, .fd = number == 0 ? f->file : -1, .number = number};
	return message_send(f->channel, &reply);
}

/* ---- Who waits ---- */

static bool is_first(const struct held *h, const struct held_file *f)
{
	for (const struct held_file *older = h->at; older < f; older++) {
		if (older->wanted > 0) {
			return false;
		}
	}
	return true;
}

static void wait_for_others(struct held *h, struct held_file *f, uint64_t wanted)
{
	f->wanted = wanted;
	if (!h->waits) {
		h->waits = true;
		log_event(LOG_LEVEL_WARNING, "hold.waits",
			"An object waits for room on disk, which others have that wait for their verdicts.",
			LOG_NUMBER("objects", (int64_t)h->n), LOG_NUMBER("bytes", (int64_t)h->room),
			LOG_NUMBER("quota", (int64_t)h->quota));
	}
}

/* What cannot be told, as its channel is closed, is seen there. */
static void end_of_wait(struct held_file *f, int number)
{
	f->wanted = 0;
	(void)!answer(f, number);
}

/* The youngest of those that have room, if all of them wait. NULL: one does not, or none has any. */
static struct held_file *youngest_of_stuck(struct held *h)
{
	struct held_file *youngest = NULL;
	for (unsigned i = 0; i < h->n; i++) {
		struct held_file *f = &h->at[i];
		if (f->room > 0 && f->wanted == 0) {
			return NULL;
		}
		youngest = f->room > 0 ? f : youngest;
	}
	return youngest;
}

/* There may be room now for some, in their order; or there will be none for any. */
static void settle(struct held *h)
{
	bool waits = false;
	for (unsigned i = 0; i < h->n && !waits; i++) {
		struct held_file *f = &h->at[i];
		int number = f->wanted > 0 ? give_room(h, f, (int64_t)f->wanted) : 0;
		waits = number == ERR_AGAIN;
		if (f->wanted > 0 && !waits) {
			end_of_wait(f, number);
		}
	}
	struct held_file *youngest = waits ? youngest_of_stuck(h) : NULL;
	if (youngest) {
		warn(h, "all that have room of `hold-quota` wait for more: the youngest was refused");
		end_of_wait(youngest, ERR_LIMIT);
	}
	h->waits = h->waits && waits;
}

/* False: it is done with. */
static bool serve(struct held *h, struct held_file *f)
{
	static struct message m;
	int e = message_recv(f->channel, FROM_HOLDER, &m);
	if (e != 0) {
		return e == ERR_AGAIN;
	}
	if (f->wanted > 0) {
		return false; /* it has not had its answer */
	}
	bool patient = m.type == MSG_ROOM, first = !patient || is_first(h, f);
	int number = first ? give_room(h, f, m.number) : judge(h, f, m.number);
	number = number == 0 && !first ? ERR_AGAIN : number;
	if (number == ERR_AGAIN && patient) {
		wait_for_others(h, f, (uint64_t)m.number);
	} else if (number == ERR_AGAIN) {
		warn(h, "the quota, `hold-quota`, is used up");
		number = ERR_LIMIT;
	}
	return answer(f, number) == 0;
}

void held_poll(const struct held *h, struct pollfd *fds)
{
	for (unsigned i = 0; i < h->n; i++) {
		fds[i] = (struct pollfd){.fd = h->at[i].channel, .events = POLLIN};
	}
}

void held_serve(struct held *h, const struct pollfd *fds, unsigned n)
{
	/* From the last on: what goes moves only those that were looked at. */
	for (unsigned i = n; i > 0; i--) {
		if (fds[i - 1].revents && !serve(h, &h->at[i - 1])) {
			drop(h, i - 1);
		}
	}
	settle(h);
}

unsigned held_check(struct held *h)
{
	unsigned over = 0;
	for (unsigned i = h->n; i > 0; i--) {
		struct held_file *f = &h->at[i - 1];
		struct stat st;
		if (f->file >= 0 && fstat(f->file, &st) == 0 && (uint64_t)st.st_size > f->room + SLACK) {
			(void)!ftruncate(f->file, 0);
			log_event(LOG_LEVEL_ERROR, "hold.overrun",
				"An association wrote more than the room that it was given: it was emptied.",
				LOG_NUMBER("bytes", (int64_t)st.st_size),
				LOG_NUMBER("room", (int64_t)f->room));
			drop(h, i - 1);
			over++;
		}
	}
	if (over > 0) {
		settle(h);
	}
	return over;
}

void held_done(struct held *h)
{
	while (h->n > 0) {
		drop(h, h->n - 1);
	}
}
