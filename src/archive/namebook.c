/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/namebook.h"
#include "base/writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define SUMMED  (NAMEBOOK_RECORD - 4)
#define BLOCK   (512u * NAMEBOOK_RECORD) /* read at once */
#define NAME    sizeof("names-0123456789abcdef")
#define VOLUMES (4 * NAMEBOOK_VOLUMES) /* that are read, if limits were larger once */

static const char magic[8] = {'G', 'N', 'T', 'N', 'A', 'M', 'E', '1'};

struct slot {
	uint32_t mark; /* of the token */
	uint32_t at;   /* 1 + the record's number; 0: empty */
};

struct volume {
	int fd;
	uint64_t number;
	uint32_t made_s, last_s;
	uint32_t before;    /* records of the one before it, when it was made; 0: who knows */
	uint32_t n;         /* records in it */
	struct slot *slots; /* a power of two of them, twice as many as records at least */
	uint32_t n_slots;
};

struct namebook {
	int dir;
	struct namebook_limits limits;
	struct volume volumes[VOLUMES]; /* oldest first */
	unsigned n;
	uint64_t headless[VOLUMES]; /* numbers of those that say nothing, ascending */
	unsigned n_headless;
	uint32_t fresh; /* records of the last volume that are written and not committed */
	uint64_t next;  /* volume's number */
	bool closed;    /* the last volume is not written to any more */
	int lost; /* errno: some that were entered could not be committed, and who entered them is not told yet */
};

static void name_of(uint64_t number, char ret_name[NAME])
{
	snprintf(ret_name, NAME, "names-%016" PRIx64, number);
}

static uint32_t sum_of(const uint8_t *record)
{
	return (uint32_t)crc32(crc32(0, NULL, 0), record, SUMMED);
}

static uint32_t number_at(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool is_sound(const uint8_t *record)
{
	return number_at(record + SUMMED) == sum_of(record);
}

static void finish(uint8_t record[NAMEBOOK_RECORD])
{
	struct writer w = writer_of(record + SUMMED, 4);
	writer_u32be(&w, sum_of(record));
}

/* ---- The index ---- */

static uint32_t hash_of(const uint8_t *token)
{
	return number_at(token + 4); /* tokens are as good as random */
}

static int make_index(struct volume *v, uint32_t records)
{
	uint32_t n = 64;
	while (n < 2 * (uint64_t)records && n < 1u << 31) {
		n *= 2;
	}
	v->slots = calloc(n, sizeof(*v->slots));
	v->n_slots = v->slots ? n : 0;
	return v->slots ? 0 : ERR_NO_MEMORY;
}

static void index_add(struct volume *v, const uint8_t *token, uint32_t at)
{
	uint32_t i = hash_of(token) & (v->n_slots - 1);
	while (v->slots[i].at != 0) {
		i = (i + 1) & (v->n_slots - 1);
	}
	v->slots[i] = (struct slot){.mark = number_at(token), .at = at + 1};
}

static bool read_record(const struct volume *v, uint32_t at, uint8_t record[NAMEBOOK_RECORD])
{
	off_t where = (off_t)(at + 1ull) * NAMEBOOK_RECORD;
	return pread(v->fd, record, NAMEBOOK_RECORD, where) == NAMEBOOK_RECORD && is_sound(record);
}

/* The last of them, if it was entered more than once. */
static bool look_up(const struct volume *v, const uint8_t *token, uint8_t record[NAMEBOOK_RECORD])
{
	bool found = false;
	uint8_t r[NAMEBOOK_RECORD];
	uint32_t mark = number_at(token);
	for (uint32_t i = hash_of(token) & (v->n_slots - 1); v->slots[i].at != 0;
		i = (i + 1) & (v->n_slots - 1)) {
		if (v->slots[i].mark == mark && read_record(v, v->slots[i].at - 1, r) &&
			memcmp(r, token, NAMEBOOK_TOKEN) == 0) {
			memcpy(record, r, sizeof(r));
			found = true;
		}
	}
	return found;
}

/* ---- Volumes ---- */

static uint32_t share_of(const struct namebook *b)
{
	uint64_t n = b->limits.most / NAMEBOOK_VOLUMES / NAMEBOOK_RECORD;
	return n < 8 ? 7 : n > 1u << 24 ? (1u << 24) - 1 : (uint32_t)n - 1; /* without the head */
}

static void close_volume(struct volume *v)
{
	close(v->fd);
	free(v->slots);
}

static void drop_first(struct namebook *b)
{
	char name[NAME];
	name_of(b->volumes[0].number, name);
	(void)unlinkat(b->dir, name, 0);
	close_volume(&b->volumes[0]);
	memmove(b->volumes, b->volumes + 1, --b->n * sizeof(b->volumes[0]));
}

static void drop_headless(struct namebook *b, unsigned at)
{
	char name[NAME];
	name_of(b->headless[at], name);
	(void)unlinkat(b->dir, name, 0);
	memmove(b->headless + at, b->headless + at + 1, (--b->n_headless - at) * sizeof(b->headless[0]));
}

static void drop_oldest(struct namebook *b)
{
	if (b->n_headless > 0 && (b->n == 0 || b->headless[0] < b->volumes[0].number)) {
		drop_headless(b, 0);
	} else {
		drop_first(b);
	}
}

static void make_head(uint64_t number, int64_t now_s, uint32_t before, uint8_t head[NAMEBOOK_RECORD])
{
	struct writer w = writer_of(head, NAMEBOOK_RECORD);
	writer_bytes(&w, magic, sizeof(magic));
	writer_u64be(&w, number);
	writer_u32be(&w, (uint32_t)now_s);
	writer_u32be(&w, before);
	writer_fill(&w, 0, SUMMED - w.len);
	finish(head);
}

static int begin_volume(struct namebook *b, int64_t now_s)
{
	char name[NAME];
	uint8_t head[NAMEBOOK_RECORD];
	struct volume v = {.number = b->next, .made_s = (uint32_t)now_s, .last_s = (uint32_t)now_s};
	while (b->n + b->n_headless >= NAMEBOOK_VOLUMES) {
		drop_oldest(b);
	}
	const struct volume *last = b->n > 0 ? &b->volumes[b->n - 1] : NULL;
	v.before = last && last->number + 1 == v.number ? last->n : 0;
	int e = make_index(&v, share_of(b));
	if (e < 0) {
		return e;
	}
	name_of(v.number, name);
	make_head(v.number, now_s, v.before, head);
	v.fd = openat(b->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (v.fd < 0 || pwrite(v.fd, head, sizeof(head), 0) != sizeof(head) || fsync(v.fd) < 0 ||
		fsync(b->dir) < 0) {
		int why = errno;
		if (v.fd >= 0) {
			(void)unlinkat(b->dir, name, 0);
			close(v.fd);
		}
		free(v.slots);
		errno = why;
		return ERR_SYSTEM;
	}
	b->volumes[b->n++] = v;
	b->next++;
	b->fresh = 0;
	b->closed = false;
	return 0;
}

/* ---- Opening ---- */

/* Records behind the last good one count for nothing: what a crash left, which the last volume writes over. */
static int read_records(struct volume *v, uint8_t *block, struct namebook_found *f)
{
	uint32_t at = 0, bad = 0;
	ssize_t n;
	while ((n = pread(v->fd, block, BLOCK, (off_t)(at + 1ull) * NAMEBOOK_RECORD)) >= NAMEBOOK_RECORD) {
		for (size_t i = 0; i < (size_t)n / NAMEBOOK_RECORD; i++, at++) {
			const uint8_t *r = block + i * NAMEBOOK_RECORD;
			if (!is_sound(r)) {
				bad++;
				continue;
			}
			index_add(v, r, at);
			v->last_s = number_at(r + NAMEBOOK_ENTRY);
			v->n = at + 1;
			f->names++;
			f->damaged += bad;
			bad = 0;
		}
	}
	return n < 0 ? ERR_SYSTEM : 0;
}

static bool read_head(struct volume *v)
{
	uint8_t head[NAMEBOOK_RECORD], own[NAMEBOOK_RECORD];
	if (pread(v->fd, head, sizeof(head), 0) != sizeof(head)) {
		return false;
	}
	v->made_s = v->last_s = number_at(head + 16);
	v->before = number_at(head + 20);
	make_head(v->number, v->made_s, v->before, own);
	return memcmp(head, own, sizeof(head)) == 0;
}

/* ERR_VALUE: it is none. */
static int open_volume(struct namebook *b, uint64_t number, uint8_t *block, struct namebook_found *f)
{
	char name[NAME];
	struct stat st;
	struct volume v = {.number = number};
	name_of(number, name);
	v.fd = openat(b->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (v.fd < 0 || fstat(v.fd, &st) < 0) {
		return ERR_SYSTEM;
	}
	uint64_t records = (uint64_t)st.st_size / NAMEBOOK_RECORD;
	int e = !S_ISREG(st.st_mode) || records > 1u << 24 || !read_head(&v) ? ERR_VALUE : 0;
	/* It may be the one that is written to. */
	e = e == 0 ? make_index(&v, records > share_of(b) ? (uint32_t)records : share_of(b)) : e;
	e = e == 0 ? read_records(&v, block, f) : e;
	if (e < 0) {
		close_volume(&v);
		return e;
	}
	b->volumes[b->n++] = v;
	return 0;
}

static bool number_of(const char *name, uint64_t *ret_number)
{
	char own[NAME];
	uint64_t n = 0;
	if (strlen(name) != NAME - 1) {
		return false;
	}
	for (const char *c = name + 6; *c; c++) {
		const char *digit = strchr("0123456789abcdef", *c);
		if (!digit) {
			return false;
		}
		n = n << 4 | (uint64_t)(digit - "0123456789abcdef");
	}
	name_of(n, own);
	*ret_number = n;
	return strcmp(own, name) == 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Their numbers, ascending; the newest, if there are more than VOLUMES. */
static int list_volumes(int dir, uint64_t numbers[VOLUMES + 1], unsigned *ret_n)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	unsigned n = 0;
	if (!d) {
		return ERR_SYSTEM;
	}
	while ((entry = readdir(d))) {
		if (number_of(entry->d_name, &numbers[n])) {
			n++;
		}
		if (n > VOLUMES) {
			qsort(numbers, n, sizeof(*numbers), by_number);
			memmove(numbers, numbers + 1, --n * sizeof(*numbers));
		}
	}
	closedir(d);
	qsort(numbers, n, sizeof(*numbers), by_number);
	*ret_n = n;
	return 0;
}

/* What a crash left at the end of the last volume is cut off. */
static int cut_off(const struct namebook *b, struct namebook_found *f)
{
	const struct volume *v = &b->volumes[b->n - 1];
	struct stat st;
	off_t end = (off_t)(v->n + 1ull) * NAMEBOOK_RECORD;
	if (fstat(v->fd, &st) < 0) {
		return ERR_SYSTEM;
	}
	f->torn = st.st_size > end ? (uint64_t)(st.st_size - end) : 0;
	return f->torn > 0 && ftruncate(v->fd, end) < 0 ? ERR_SYSTEM : 0;
}

/* A crash in the midst of its making: it has nothing. */
static bool is_unmade(int dir, const char *name)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size <= NAMEBOOK_RECORD;
}

/* Records that were there when the next volume was made. Of the last one nobody knows how many there were. */
static void count_missing(const struct namebook *b, struct namebook_found *f)
{
	for (unsigned i = 1; i < b->n; i++) {
		const struct volume *v = &b->volumes[i - 1], *next = &b->volumes[i];
		if (v->number + 1 == next->number && v->n < next->before) {
			f->damaged += next->before - v->n;
		}
	}
}

static int open_volumes(struct namebook *b, struct namebook_found *f)
{
	uint64_t numbers[VOLUMES + 1];
	unsigned n = 0;
	uint8_t *block = malloc(BLOCK);
	int e = block ? list_volumes(b->dir, numbers, &n) : ERR_NO_MEMORY;
	for (unsigned i = 0; e == 0 && i < n; i++) {
		e = open_volume(b, numbers[i], block, f);
		char name[NAME];
		name_of(numbers[i], name);
		if (e == ERR_VALUE && is_unmade(b->dir, name) && unlinkat(b->dir, name, 0) == 0) {
			f->torn++;
			e = 0;
		}
		if (e == ERR_VALUE) {
			b->headless[b->n_headless++] = numbers[i];
			f->damaged++;
			e = 0;
		}
		b->next = numbers[i] + 1;
	}
	free(block);
	count_missing(b, f);
	return e == 0 && b->n > 0 && f->torn == 0 ? cut_off(b, f) : e;
}

int namebook_open(int dir, const struct namebook_limits *limits, int64_t now_s, struct namebook **ret_book,
	struct namebook_found *ret_found)
{
	struct namebook_found found = {0};
	struct namebook *b = calloc(1, sizeof(*b));
	if (!b) {
		return ERR_NO_MEMORY;
	}
	b->dir = dir;
	b->limits = *limits;
	b->next = 1;
	int e = open_volumes(b, &found);
	if (e < 0) {
		namebook_close(b);
		return e;
	}
	namebook_expire(b, now_s);
	*ret_book = b;
	*ret_found = found;
	return 0;
}

void namebook_close(struct namebook *b)
{
	int why = errno;
	for (unsigned i = 0; b && i < b->n; i++) {
		close_volume(&b->volumes[i]);
	}
	free(b);
	errno = why;
}

void namebook_limit(struct namebook *b, const struct namebook_limits *limits)
{
	b->limits = *limits;
	b->closed = true; /* the next one has the new share */
}

/* ---- Writing ---- */

static bool is_older(const struct namebook *b, uint32_t then_s, int64_t now_s, unsigned part)
{
	return now_s - (int64_t)then_s > b->limits.keep_s / part;
}

static bool is_there(const struct namebook *b, const uint8_t *token, int64_t now_s)
{
	uint8_t record[NAMEBOOK_RECORD];
	for (unsigned i = b->n; i > 0 && !is_older(b, b->volumes[i - 1].made_s, now_s, 2); i--) {
		if (look_up(&b->volumes[i - 1], token, record)) {
			return true;
		}
	}
	return false;
}

static bool has_room(const struct namebook *b, int64_t now_s)
{
	const struct volume *v = b->n > 0 ? &b->volumes[b->n - 1] : NULL;
	return v && !b->closed && v->n + b->fresh < share_of(b) &&
	       2 * (uint64_t)(v->n + b->fresh + 1) <= v->n_slots &&
	       !is_older(b, v->made_s, now_s, NAMEBOOK_VOLUMES);
}

static int commit(struct namebook *b)
{
	struct volume *v = b->n > 0 ? &b->volumes[b->n - 1] : NULL;
	uint32_t fresh = b->fresh;
	b->fresh = 0;
	if (!v || fresh == 0) {
		return 0;
	}
	if (fdatasync(v->fd) < 0) {
		b->closed = true; /* what the disk has of it is unknown (see audit/journal.c) */
		return ERR_SYSTEM;
	}
	for (uint32_t i = 0; i < fresh; i++) {
		uint8_t record[NAMEBOOK_RECORD];
		if (read_record(v, v->n, record)) {
			index_add(v, record, v->n);
			v->last_s = number_at(record + NAMEBOOK_ENTRY);
		}
		v->n++;
	}
	return 0;
}

int namebook_enter(struct namebook *b, const uint8_t entry[NAMEBOOK_ENTRY], int64_t now_s)
{
	uint8_t record[NAMEBOOK_RECORD];
	if (is_there(b, entry, now_s)) {
		return 0;
	}
	if (!has_room(b, now_s)) {
		/* What was entered before is committed on its own: a batch may go over two volumes. */
		int e = commit(b);
		b->lost = e < 0 ? errno : b->lost;
		e = e == 0 ? begin_volume(b, now_s) : e;
		if (e < 0) {
			return e;
		}
	}
	struct volume *v = &b->volumes[b->n - 1];
	struct writer w = writer_of(record, sizeof(record));
	writer_bytes(&w, entry, NAMEBOOK_ENTRY);
	writer_u32be(&w, (uint32_t)now_s);
	writer_fill(&w, 0, SUMMED - w.len);
	finish(record);
	off_t where = (off_t)(v->n + b->fresh + 1ull) * NAMEBOOK_RECORD;
	ssize_t n = pwrite(v->fd, record, sizeof(record), where);
	if (n != sizeof(record)) {
		errno = n < 0 ? errno : ENOSPC; /* what is there of it is written over */
		return ERR_SYSTEM;
	}
	b->fresh++;
	return 0;
}

int namebook_commit(struct namebook *b)
{
	int e = commit(b);
	errno = e == 0 ? b->lost : errno;
	e = b->lost ? ERR_SYSTEM : e;
	b->lost = 0;
	return e;
}

/* ---- Reading ---- */

bool namebook_find(
	const struct namebook *b, const uint8_t token[NAMEBOOK_TOKEN], uint8_t ret_sealed[NAMEBOOK_SEALED])
{
	uint8_t record[NAMEBOOK_RECORD];
	for (unsigned i = b->n; i > 0; i--) {
		if (look_up(&b->volumes[i - 1], token, record)) {
			memcpy(ret_sealed, record + NAMEBOOK_TOKEN, NAMEBOOK_SEALED);
			return true;
		}
	}
	return false;
}

void namebook_expire(struct namebook *b, int64_t now_s)
{
	while (b->n > 0 && is_older(b, b->volumes[0].last_s, now_s, 1)) {
		b->fresh = b->n == 1 ? 0 : b->fresh;
		drop_first(b);
	}
	for (unsigned i = b->n_headless; i > 0; i--) {
		char name[NAME];
		struct stat st;
		name_of(b->headless[i - 1], name);
		if (fstatat(b->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			now_s - (int64_t)st.st_mtime > b->limits.keep_s) {
			drop_headless(b, i - 1);
		}
	}
}

uint64_t namebook_names(const struct namebook *b)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < b->n; i++) {
		n += b->volumes[i].n;
	}
	return n;
}
