/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/spool.h"
#include "audit/spool_file.h"
#include "base/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct spool_reader {
	int dir, fd; /* fd -1: no file is open */
	uint8_t key[SPOOL_KEY_LEN], file_key[SPOOL_KEY_LEN];
	char name[256], place_name[SPOOL_NAME_LEN];
	struct spool_place at, confirmed;
	uint64_t damaged, missed;
	bool begun;    /* r->at.entry is of an entry that was there */
	bool waits;    /* what is at hand is a group without a decision */
	uint64_t end;  /* of what of it can be read */
	uint32_t held; /* its entries in that */
	uint8_t sealed[SPOOL_ENTRY_MOST + SPOOL_FRAME_MORE], plain[SPOOL_ENTRY_MOST + SPOOL_FRAME_MORE];
};

int spool_reader_open(
	int dir, const uint8_t key[SPOOL_KEY_LEN], const char *name, struct spool_reader **ret_reader)
{
	struct spool_reader *r = calloc(1, sizeof(*r));
	if (!r) {
		return ERR_NO_MEMORY;
	}
	r->dir = dir;
	r->fd = -1;
	memcpy(r->key, key, SPOOL_KEY_LEN);
	snprintf(r->name, sizeof(r->name), "%s", name);
	spool_place_name(name, r->place_name);
	int e = spool_place_load(dir, r->place_name, r->name, &r->confirmed);
	if (e == ERR_SYSTEM) {
		spool_reader_close(r);
		return e;
	}
	/* None, or a damaged one: from the oldest on. What was sent already is sent again. */
	r->at = r->confirmed;
	r->begun = e == 0;
	*ret_reader = r;
	return 0;
}

static void leave_file(struct spool_reader *r)
{
	if (r->fd >= 0) {
		close(r->fd);
		r->fd = -1;
	}
}

void spool_reader_close(struct spool_reader *r)
{
	if (r) {
		leave_file(r);
		OPENSSL_cleanse(r, sizeof(*r));
	}
	free(r);
}

/* The first file from number `from` on. ERR_NOT_FOUND. */
static int find_file(int dir, uint64_t from, uint64_t *ret_number)
{
	struct spool_list l;
	int e = spool_list(dir, &l);
	if (e != 0) {
		return e;
	}
	e = ERR_NOT_FOUND;
	for (unsigned i = 0; e != 0 && i < l.n; i++) {
		if (l.at[i].number >= from) {
			*ret_number = l.at[i].number;
			e = 0;
		}
	}
	spool_list_done(&l);
	return e;
}

/* A group of which nothing was decided before its writer died does not count, or is in a later file once more. */
static void next_file(struct spool_reader *r)
{
	leave_file(r);
	r->at = (struct spool_place){.file = r->at.file + 1, .entry = r->at.entry + r->held};
	r->waits = false;
	r->held = 0;
}

/* ERR_AGAIN: its head is not there yet, or never will be. */
static int take_head(struct spool_reader *r)
{
	uint8_t bytes[SPOOL_HEAD_LEN];
	struct spool_head h;
	ssize_t n = spool_pread(r->fd, bytes, sizeof(bytes), 0);
	if (n < 0) {
		return ERR_SYSTEM;
	}
	if (spool_head_read(span_of(bytes, (size_t)n), &h) != 0 || h.number != r->at.file) {
		return ERR_AGAIN;
	}
	if (spool_file_key(r->key, &h, r->file_key) != 0) {
		return ERR_SYSTEM;
	}
	if (r->at.offset == 0 || memcmp(r->at.id, h.id, sizeof(h.id)) != 0) {
		r->missed += r->begun && h.first > r->at.entry ? h.first - r->at.entry : 0;
		r->begun = true;
		r->at = (struct spool_place){.file = h.number, .offset = SPOOL_HEAD_LEN, .entry = h.first};
		memcpy(r->at.id, h.id, sizeof(h.id));
	}
	return 0;
}

/* The file of r->at, or the next that is there. ERR_AGAIN: none yet. */
static int enter_file(struct spool_reader *r)
{
	char name[SPOOL_NAME_LEN];
	uint64_t number;
	int e = find_file(r->dir, r->at.file, &number);
	if (e != 0) {
		return e == ERR_NOT_FOUND ? ERR_AGAIN : e;
	}
	if (number != r->at.file) {
		r->at = (struct spool_place){.file = number, .entry = r->at.entry};
	}
	spool_file_name(number, name);
	r->fd = openat(r->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r->fd < 0) {
		return errno == ENOENT ? ERR_AGAIN : ERR_SYSTEM;
	}
	return take_head(r);
}

/* The frame at hand into r->sealed. ERR_AGAIN: it is not whole, yet or for ever. */
static int fetch(struct spool_reader *r, uint64_t offset, uint32_t *ret_len, bool *ret_control)
{
	uint32_t len;
	bool control;
	ssize_t n = spool_pread(r->fd, r->sealed, 4, offset);
	if (n < 0) {
		return ERR_SYSTEM;
	}
	if (spool_frame_len(span_of(r->sealed, (size_t)n), &len, &control) != 0) {
		return ERR_AGAIN;
	}
	n = spool_pread(r->fd, r->sealed + 4, len, offset + 4);
	if (n < 0) {
		return ERR_SYSTEM;
	}
	if ((uint32_t)n < len) {
		return ERR_AGAIN;
	}
	*ret_len = len;
	*ret_control = control;
	return 0;
}

static int open_frame(struct spool_reader *r, uint64_t frame, uint32_t len, uint8_t *ret_type,
	int64_t *ret_time_ms, struct span *ret_bytes)
{
	return spool_frame_open(r->file_key, frame, span_of(r->sealed, 4 + (size_t)len), r->plain, ret_type,
		ret_time_ms, ret_bytes);
}

static bool has_bytes_left(const struct spool_reader *r)
{
	uint8_t byte;
	return r->fd >= 0 && spool_pread(r->fd, &byte, 1, r->waits ? r->end : r->at.offset) == 1;
}

/*
 * At the end of what can be read of a file. Once there is a later one nobody writes into it any more: what is there then is all,
 * and the rest was torn when its writer died. *finished: the file of which that is known, so that it is looked into once more
 * before it is left. 0: go on; ERR_AGAIN: wait.
 */
static int past_end(struct spool_reader *r, uint64_t *finished)
{
	uint64_t number;
	if (*finished != r->at.file) {
		int e = find_file(r->dir, r->at.file + 1, &number);
		*finished = r->at.file;
		return e == ERR_NOT_FOUND ? ERR_AGAIN : e;
	}
	r->damaged += has_bytes_left(r);
	next_file(r);
	return 0;
}

static bool is_known(uint8_t type)
{
	return type >= SPOOL_MESSAGE && type < SPOOL_TYPE_COUNT;
}

/* ---- Groups ---- */

static int group_size(struct span bytes, uint32_t *ret_n)
{
	struct reader r = reader_of(bytes);
	int e = reader_u32be(&r, ret_n);
	e = e == 0 ? reader_skip(&r, SPOOL_MARK) : e;
	return e == 0 ? reader_end(&r) : e;
}

/*
 * The frame at hand, of len bytes, begins a group of n entries. Those that count are read as all others; those that do not are
 * stepped over. ERR_AGAIN: it is not decided. Who has changed the decision's frame has them sent.
 */
static int take_group(struct spool_reader *r, uint32_t len, uint32_t n)
{
	uint64_t after = r->at.offset + 4 + (uint64_t)len, at = after;
	uint8_t type = 0;
	bool control = false;
	int64_t ignored;
	struct span bytes = {0};
	int e = 0;
	r->waits = true;
	r->held = 0;
	for (uint32_t i = 0; e == 0 && i <= n; i++) {
		e = fetch(r, at, &len, &control);
		at += e == 0 ? 4 + (uint64_t)len : 0;
		r->held += e == 0 && !control;
	}
	r->end = at;
	if (e != 0) {
		return e;
	}
	r->waits = false;
	r->held = 0;
	e = open_frame(r, r->at.frame + 1 + n, len, &type, &ignored, &bytes);
	if (e == 0 && type == SPOOL_DECISION && bytes.len == 1 && bytes.ptr[0] == 0) {
		r->at.offset = at;
		r->at.frame += 2 + (uint64_t)n;
		r->at.entry += n;
	} else {
		r->at.offset = after;
		r->at.frame++;
	}
	return ERR_NOT_FOUND;
}

/* One frame was fetched: 0 for an entry, ERR_NOT_FOUND for what is none, ERR_AGAIN for what waits. */
static int take(struct spool_reader *r, uint32_t len, bool control, struct spool_entry *ret_entry)
{
	uint8_t type = 0;
	int64_t time_ms = 0;
	uint32_t n = 0;
	struct span bytes = {0};
	int e = open_frame(r, r->at.frame, len, &type, &time_ms, &bytes);
	if (e == 0 && type == SPOOL_END) {
		next_file(r);
		return ERR_NOT_FOUND;
	}
	if (e == 0 && type == SPOOL_GROUP && group_size(bytes, &n) == 0) {
		return take_group(r, len, n);
	}
	r->at.offset += 4 + (uint64_t)len;
	r->at.frame++;
	r->at.entry += !control;
	if (e != 0 || !is_known(type)) {
		r->damaged += !control || e != 0;
		return ERR_NOT_FOUND;
	}
	*ret_entry = (struct spool_entry){(enum spool_type)type, time_ms, bytes, r->at};
	return 0;
}

int spool_next(struct spool_reader *r, struct spool_entry *ret_entry)
{
	uint64_t finished = UINT64_MAX;
	for (;;) {
		uint32_t len = 0;
		bool control = false;
		int e = r->fd < 0 ? enter_file(r) : 0;
		bool headless = e == ERR_AGAIN;
		e = e == 0 ? fetch(r, r->at.offset, &len, &control) : e;
		e = e == 0 ? take(r, len, control, ret_entry) : e;
		if (e == ERR_NOT_FOUND) {
			continue;
		}
		if (e != ERR_AGAIN) {
			return e;
		}
		if (headless) {
			leave_file(r);
		}
		e = past_end(r, &finished);
		if (e != 0) {
			return e;
		}
	}
}

struct spool_place spool_at(const struct spool_reader *r)
{
	return r->at;
}

void spool_rewind(struct spool_reader *r)
{
	leave_file(r);
	r->at = r->confirmed;
	r->waits = false;
	r->held = 0;
}

static int write_place(const struct spool_reader *r, const struct spool_place *place, const char *name)
{
	uint8_t bytes[SPOOL_PLACE_MOST];
	size_t len = spool_place_write(place, r->name, bytes);
	int fd = openat(r->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	int e = write(fd, bytes, len) == (ssize_t)len && fdatasync(fd) == 0 ? 0 : ERR_SYSTEM;
	int kept = errno;
	close(fd);
	errno = kept;
	return e;
}

int spool_confirm(struct spool_reader *r, const struct spool_place *place)
{
	char fresh[SPOOL_NAME_LEN];
	if (memcmp(place, &r->confirmed, sizeof(*place)) == 0) {
		return 0;
	}
	/* "at-" and "of-": not among the places that are listed. */
	snprintf(fresh, sizeof(fresh), "of%s", r->place_name + 2);
	int e = write_place(r, place, fresh);
	if (e == 0 && renameat(r->dir, fresh, r->dir, r->place_name) < 0) {
		e = ERR_SYSTEM;
	}
	if (e == 0) {
		r->confirmed = *place;
	}
	return e;
}

uint64_t spool_damaged(const struct spool_reader *r)
{
	return r->damaged;
}

uint64_t spool_missed(const struct spool_reader *r)
{
	return r->missed;
}

/* The index after the last entry of a file. */
static int count_last(int dir, uint64_t number, uint64_t *ret_entry)
{
	char name[SPOOL_NAME_LEN];
	struct spool_head h;
	uint64_t end, entries;
	spool_file_name(number, name);
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	int e = spool_walk(fd, NULL, &h, &end, &entries);
	close(fd);
	if (e == 0) {
		*ret_entry = h.first + entries;
	}
	return e;
}

static int first_of(int dir, uint64_t number, uint64_t *ret_first)
{
	char name[SPOOL_NAME_LEN];
	uint8_t bytes[SPOOL_HEAD_LEN];
	struct spool_head h;
	spool_file_name(number, name);
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	ssize_t n = spool_pread(fd, bytes, sizeof(bytes), 0);
	close(fd);
	int e = n < 0 ? ERR_SYSTEM : spool_head_read(span_of(bytes, (size_t)n), &h);
	if (e == 0) {
		*ret_first = h.first;
	}
	return e;
}

int spool_queue(const struct spool_reader *r, uint64_t *ret_entries, uint64_t *ret_bytes)
{
	struct spool_list l;
	const struct spool_place *at = &r->confirmed;
	uint64_t bytes = 0, begin = at->entry, end = 0;
	int e = spool_list(r->dir, &l);
	if (e != 0) {
		return e;
	}
	for (unsigned i = 0; i < l.n; i++) {
		uint64_t from = l.at[i].number == at->file ? at->offset : 0;
		bytes += l.at[i].number >= at->file && l.at[i].size > from ? l.at[i].size - from : 0;
	}
	/* Who has not begun begins with the oldest. */
	if (l.n > 0 && at->file == 0) {
		(void)!first_of(r->dir, l.at[0].number, &begin);
	}
	if (l.n > 0 && l.at[l.n - 1].number >= at->file) {
		(void)!count_last(r->dir, l.at[l.n - 1].number, &end);
	}
	spool_list_done(&l);
	*ret_entries = end > begin ? end - begin : 0;
	*ret_bytes = bytes;
	return 0;
}

/* ---- Sweeping ---- */

static bool is_of(const char *name, const char *const *names, unsigned n)
{
	char of[SPOOL_NAME_LEN];
	for (unsigned i = 0; i < n; i++) {
		spool_place_name(names[i], of);
		if (strcmp(of, name) == 0) {
			return true;
		}
	}
	return false;
}

/* All groups are done with what is before *ret_least, and one at least with what is before *ret_most. */
static void done_with(int dir, const char *const *names, unsigned n, uint64_t *ret_least, uint64_t *ret_most)
{
	uint64_t least = n > 0 ? UINT64_MAX : 0, most = 0;
	for (unsigned i = 0; i < n; i++) {
		char name[SPOOL_NAME_LEN];
		struct spool_place p;
		spool_place_name(names[i], name);
		uint64_t file = spool_place_load(dir, name, names[i], &p) == 0 ? p.file : 0;
		least = file < least ? file : least;
		most = file > most ? file : most;
	}
	*ret_least = least;
	*ret_most = most;
}

static int unlink_file(int dir, uint64_t number)
{
	char name[SPOOL_NAME_LEN];
	spool_file_name(number, name);
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? ERR_SYSTEM : 0;
}

int spool_sweep(int dir, const char *const *names, unsigned n, uint64_t most)
{
	struct spool_list l;
	uint64_t all_done, one_done, total = 0;
	done_with(dir, names, n, &all_done, &one_done);
	int e = spool_list(dir, &l);
	if (e != 0) {
		return e;
	}
	for (unsigned i = 0; i < l.n; i++) {
		total += l.at[i].size;
	}
	bool tight = total > most / 8 * 7;
	for (unsigned i = 0; i < l.n; i++) {
		bool crowded = tight && total > most / 4 * 3 && l.at[i].number < one_done;
		if (l.at[i].number < all_done || crowded) {
			e = unlink_file(dir, l.at[i].number) != 0 ? ERR_SYSTEM : e;
			total -= l.at[i].size;
		}
	}
	for (unsigned i = 0; i < l.n_places; i++) {
		if (!is_of(l.places[i], names, n) && unlinkat(dir, l.places[i], 0) < 0 && errno != ENOENT) {
			e = ERR_SYSTEM;
		}
	}
	spool_list_done(&l);
	return e;
}

int spool_erase(int dir, unsigned *ret_files)
{
	struct spool_list l;
	int e = spool_list(dir, &l);
	if (e != 0) {
		return e;
	}
	for (unsigned i = 0; i < l.n; i++) {
		e = unlink_file(dir, l.at[i].number) != 0 ? ERR_SYSTEM : e;
	}
	for (unsigned i = 0; i < l.n_places; i++) {
		e = unlinkat(dir, l.places[i], 0) < 0 && errno != ENOENT ? ERR_SYSTEM : e;
	}
	*ret_files = l.n;
	spool_list_done(&l);
	return e;
}
