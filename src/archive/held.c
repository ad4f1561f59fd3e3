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

/* 0: a file with that room; 1: it has it now. */
static int give_room(struct held *h, struct held_file *f, int64_t wanted)
{
	if (wanted <= 0 || (uint64_t)wanted <= f->room) {
		return ERR_VALUE;
	}
	uint64_t most = (uint64_t)wanted;
	if (most > h->quota || most > share_of(h->quota)) {
		return ERR_LENGTH; /* whatever others have */
	}
	if (!has_room(h->quota, others_room(h, f, true), most)) {
		warn(h, "the quota, `hold-quota`, is used up");
		return ERR_LIMIT;
	}
	if (!has_room(share_of(h->quota), others_room(h, f, false), most)) {
		warn(h, "an association has its share of `hold-quota`, half of it");
		return ERR_LIMIT;
	}
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

/* False: it is done with. */
static bool serve(struct held *h, struct held_file *f)
{
	static struct message m;
	int e = message_recv(f->channel, FROM_HOLDER, &m);
	if (e != 0) {
		return e == ERR_AGAIN;
	}
	struct message reply = {.type = MSG_ROOMED, .fd = -1};
	reply.number = give_room(h, f, m.number);
	reply.fd = reply.number == 0 ? f->file : -1;
	return message_send(f->channel, &reply) == 0;
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
	return over;
}

void held_done(struct held *h)
{
	while (h->n > 0) {
		drop(h, h->n - 1);
	}
}
