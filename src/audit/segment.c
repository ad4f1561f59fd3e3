/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/segment.h"

#include "base/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char magic[8] = {'G', 'A', 'N', 'T', 'R', 'Y', 'J', '1'};

#define PREFIX   12 /* magic and length */
#define CHECKSUM 8
#define BUFFER   (1024u * 1024)

/* ---- Names ---- */

void segment_name(uint64_t first, char ret_name[SEGMENT_NAME_LEN])
{
	snprintf(ret_name, SEGMENT_NAME_LEN, "segment-%020" PRIu64, first);
}

void segment_checkpoint_name(uint64_t first, char ret_name[CHECKPOINT_NAME_LEN])
{
	snprintf(ret_name, CHECKPOINT_NAME_LEN, "segment-%020" PRIu64 ".checkpoint", first);
}

static bool ends(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);
	return n >= m && strcmp(name + n - m, end) == 0;
}

enum journal_file segment_file_of(const char *name, uint64_t *ret_first)
{
	if (strcmp(name, "checkpoint") == 0) {
		return FILE_CHECKPOINT;
	}
	if (ends(name, ".new")) {
		return FILE_NEW;
	}
	if (strncmp(name, "damaged-", 8) == 0) {
		return FILE_DAMAGED;
	}
	if (strcmp(name, "owed-hand-over") == 0) {
		return FILE_OWED;
	}
	if (strncmp(name, "hand-over-", 10) == 0) {
		return FILE_HANDOVER;
	}
	if (strncmp(name, "record-hand-over-", 17) == 0) {
		return FILE_RECORD;
	}
	size_t n = strlen(name);
	if (strncmp(name, "segment-", 8) != 0 || n < SEGMENT_NAME_LEN - 1) {
		return FILE_FOREIGN;
	}
	uint64_t first = 0;
	for (size_t i = 8; i < SEGMENT_NAME_LEN - 1; i++) {
		if (name[i] < '0' || name[i] > '9' || first >= MERKLE_MOST / 10) {
			return FILE_FOREIGN;
		}
		first = first * 10 + (uint64_t)(name[i] - '0');
	}
	const char *rest = name + SEGMENT_NAME_LEN - 1;
	if (*rest && strcmp(rest, ".checkpoint") != 0) {
		return FILE_FOREIGN;
	}
	*ret_first = first;
	return *rest ? FILE_SEGMENT_CHECKPOINT : FILE_SEGMENT;
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static int collect(DIR *d, uint64_t **list, size_t *n)
{
	size_t cap = 0;
	for (;;) {
		uint64_t first;
		errno = 0;
		const struct dirent *e = readdir(d);
		if (!e) {
			return errno ? ERR_SYSTEM : 0;
		}
		if (segment_file_of(e->d_name, &first) != FILE_SEGMENT) {
			continue;
		}
		if (*n == cap) {
			cap = cap ? 2 * cap : 64;
			uint64_t *more = realloc(*list, cap * sizeof(**list));
			if (!more) {
				return ERR_NO_MEMORY;
			}
			*list = more;
		}
		(*list)[(*n)++] = first;
	}
}

int segment_list(int dir, uint64_t **ret_first, size_t *ret_n)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0) {
			close(fd);
		}
		return ERR_SYSTEM;
	}
	uint64_t *list = NULL;
	size_t n = 0;
	int r = collect(d, &list, &n);
	closedir(d);
	if (r < 0) {
		free(list);
		return r;
	}
	if (n > 0) {
		qsort(list, n, sizeof(*list), ascending);
	}
	*ret_first = list;
	*ret_n = n;
	return 0;
}

/* ---- Heads ---- */

static void checksum(struct span head, uint8_t ret_sum[CHECKSUM])
{
	struct merkle_hash h;
	merkle_sha256(head, (struct span){0}, &h);
	memcpy(ret_sum, h.at, CHECKSUM);
}

int segment_head_write(const struct segment_head *head, uint8_t **ret_bytes, size_t *ret_len)
{
	size_t origin = strlen(head->origin);
	size_t len = PREFIX + 1 + origin + 8 + 1 + head->before.n * MERKLE_HASH + 24 + head->transfers.len +
	             CHECKSUM;
	if (len > SEGMENT_HEAD_MOST) {
		return ERR_LIMIT;
	}
	uint8_t *bytes = malloc(len), sum[CHECKSUM];
	if (!bytes) {
		return ERR_NO_MEMORY;
	}
	struct writer w = writer_of(bytes, len);
	writer_bytes(&w, magic, sizeof(magic));
	writer_u32be(&w, (uint32_t)(len - PREFIX));
	writer_u8(&w, (uint8_t)origin);
	writer_bytes(&w, head->origin, origin);
	writer_u64be(&w, head->first);
	writer_u8(&w, (uint8_t)head->before.n);
	writer_bytes(&w, head->before.node, head->before.n * MERKLE_HASH);
	writer_u64be(&w, head->previous);
	writer_u64be(&w, (uint64_t)head->least_ms);
	writer_u64be(&w, (uint64_t)head->greatest_ms);
	writer_span(&w, head->transfers);
	checksum(writer_span_of(&w), sum);
	writer_bytes(&w, sum, sizeof(sum));
	*ret_bytes = bytes;
	*ret_len = w.len;
	return 0;
}

/* How long the head is, with the prefix. */
static int head_len(struct span bytes, size_t *ret_len)
{
	struct reader r = reader_of(bytes);
	struct span m;
	uint32_t len;
	int e = reader_bytes(&r, sizeof(magic), &m);
	if (e == 0 && memcmp(m.ptr, magic, sizeof(magic)) != 0) {
		return ERR_TYPE;
	}
	e = e < 0 ? e : reader_u32be(&r, &len);
	if (e == 0 && (len < CHECKSUM || len > SEGMENT_HEAD_MOST - PREFIX)) {
		return ERR_LIMIT;
	}
	if (e == 0) {
		*ret_len = PREFIX + len;
	}
	return e;
}

static int read_fields(struct reader *r, struct segment_head *head)
{
	uint8_t n_origin, nodes;
	uint64_t least, greatest;
	struct span origin, range;
	int e = reader_u8(r, &n_origin);
	e = e < 0 ? e : reader_bytes(r, n_origin, &origin);
	e = e < 0 ? e : reader_u64be(r, &head->first);
	e = e < 0 ? e : reader_u8(r, &nodes);
	e = e < 0 ? e : reader_bytes(r, (size_t)nodes * MERKLE_HASH, &range);
	e = e < 0 ? e : reader_u64be(r, &head->previous);
	e = e < 0 ? e : reader_u64be(r, &least);
	e = e < 0 ? e : reader_u64be(r, &greatest);
	e = e < 0 ? e : reader_bytes(r, reader_left(r), &head->transfers);
	if (e < 0) {
		return e;
	}
	if (head->first >= MERKLE_MOST || nodes != __builtin_popcountll(head->first) ||
		!note_name_valid(origin)) {
		return ERR_VALUE;
	}
	memcpy(head->origin, origin.ptr, origin.len);
	head->before.size = head->first;
	head->before.n = nodes;
	if (range.len > 0) {
		memcpy(head->before.node, range.ptr, range.len);
	}
	head->least_ms = (int64_t)least;
	head->greatest_ms = (int64_t)greatest;
	return 0;
}

int segment_head_read(struct span bytes, struct segment_head *ret_head, size_t *ret_len)
{
	size_t len = 0;
	int e = head_len(bytes, &len);
	if (e < 0) {
		return e;
	}
	struct reader r = reader_of(bytes), fields;
	struct span sum;
	uint8_t own[CHECKSUM];
	e = reader_skip(&r, PREFIX);
	e = e < 0 ? e : reader_child(&r, len - PREFIX - CHECKSUM, &fields);
	e = e < 0 ? e : reader_bytes(&r, CHECKSUM, &sum);
	if (e < 0) {
		return e;
	}
	checksum(span_of(bytes.ptr, len - CHECKSUM), own);
	if (memcmp(own, sum.ptr, CHECKSUM) != 0) {
		return ERR_VALUE;
	}
	struct segment_head head = {0};
	e = read_fields(&fields, &head);
	if (e == 0) {
		*ret_head = head;
		*ret_len = len;
	}
	return e;
}

/* ---- Reading ---- */

struct segment {
	const struct journal_io *io;
	int fd;
	struct segment_head head;
	uint8_t *head_bytes;
	uint8_t *buf;
	size_t cap, at, end; /* buf[at..end) is not read yet */
	uint64_t offset;     /* of buf[at] in the file */
	uint64_t index;
};

void segment_free(struct segment *s)
{
	if (!s) {
		return;
	}
	if (s->fd >= 0) {
		(void)s->io->close(s->io->arg, s->fd);
	}
	free(s->head_bytes);
	free(s->buf);
	free(s);
}

static int read_head(struct segment *s)
{
	uint8_t prefix[PREFIX];
	size_t got, len = PREFIX;
	int r = io_read(s->io, s->fd, prefix, sizeof(prefix), 0, &got);
	r = r < 0 ? r : head_len(span_of(prefix, got), &len);
	if (r < 0) {
		return r;
	}
	/* Only as long as the file is, whatever the length says. */
	off_t size = lseek(s->fd, 0, SEEK_END);
	if (size < 0) {
		return ERR_SYSTEM;
	}
	if ((uint64_t)size < len) {
		return ERR_TRUNCATED;
	}
	s->head_bytes = malloc(len);
	if (!s->head_bytes) {
		return ERR_NO_MEMORY;
	}
	r = io_read(s->io, s->fd, s->head_bytes, len, 0, &got);
	r = r < 0 ? r : segment_head_read(span_of(s->head_bytes, got), &s->head, &len);
	s->offset = len;
	return r;
}

int segment_open(const struct journal_io *io, int dir, uint64_t first, struct segment **ret_segment)
{
	char name[SEGMENT_NAME_LEN];
	struct segment *s = calloc(1, sizeof(*s));
	if (!s) {
		return ERR_NO_MEMORY;
	}
	segment_name(first, name);
	s->io = io;
	s->cap = BUFFER + FRAME_HEAD + PAYLOAD_MOST;
	s->buf = malloc(s->cap);
	s->fd = s->buf ? io->open(io->arg, dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0) : -1;
	int r = !s->buf ? ERR_NO_MEMORY : s->fd < 0 ? io_error() : read_head(s);
	if (r == 0 && s->head.first != first) {
		r = ERR_VALUE; /* renamed */
	}
	if (r < 0) {
		segment_free(s);
		return r;
	}
	s->index = first;
	*ret_segment = s;
	return 0;
}

const struct segment_head *segment_head_of(const struct segment *s)
{
	return &s->head;
}

uint64_t segment_offset(const struct segment *s)
{
	return s->offset;
}

/* Have n bytes in the buffer, if the file has them. */
static int fill(struct segment *s, size_t n)
{
	size_t got;
	if (s->end - s->at >= n) {
		return 0;
	}
	memmove(s->buf, s->buf + s->at, s->end - s->at);
	s->end -= s->at;
	s->at = 0;
	size_t want = s->end + BUFFER < s->cap ? BUFFER : s->cap - s->end;
	int r = io_read(s->io, s->fd, s->buf + s->end, want, s->offset + s->end, &got);
	if (r < 0) {
		return r;
	}
	s->end += got;
	if (s->end < n && got == want) {
		/* A frame that is larger than one reading. */
		r = io_read(s->io, s->fd, s->buf + s->end, n - s->end, s->offset + s->end, &got);
		s->end += r < 0 ? 0 : got;
	}
	return r;
}

/* The frame that begins at bytes, if it does; `more` of them could be had. */
static int take(struct span bytes, struct frame *ret_frame, size_t *ret_need)
{
	struct reader r = reader_of(bytes);
	struct frame f = {0};
	uint32_t len;
	struct span sum;
	*ret_need = FRAME_HEAD;
	int e = reader_u32be(&r, &len);
	if (e == 0 && (len < PAYLOAD_LEAST || len > PAYLOAD_MOST)) {
		return ERR_LENGTH;
	}
	e = e < 0 ? e : reader_bytes(&r, 8, &sum);
	if (e < 0) {
		return e;
	}
	*ret_need = FRAME_HEAD + len;
	e = reader_bytes(&r, len, &f.payload);
	if (e < 0) {
		return e;
	}
	merkle_leaf(f.payload, &f.leaf);
	f.whole = memcmp(f.leaf.at, sum.ptr, sum.len) == 0;
	*ret_frame = f;
	return 0;
}

int segment_next(struct segment *s, struct frame *ret_frame)
{
	struct frame f;
	size_t need = FRAME_HEAD;
	int r = fill(s, need);
	if (r == 0 && s->at == s->end) {
		return 0;
	}
	r = r < 0 ? r : take(span_of(s->buf + s->at, s->end - s->at), &f, &need);
	if (r == ERR_TRUNCATED && s->end - s->at < need) {
		r = fill(s, need);
		r = r < 0 ? r : take(span_of(s->buf + s->at, s->end - s->at), &f, &need);
	}
	if (r < 0) {
		return r;
	}
	f.index = s->index++;
	f.offset = s->offset;
	s->at += need;
	s->offset += need;
	*ret_frame = f;
	return 1;
}

int segment_rest(struct segment *s, uint64_t *ret_bytes)
{
	off_t size = lseek(s->fd, 0, SEEK_END);
	if (size < 0) {
		return ERR_SYSTEM;
	}
	*ret_bytes = (uint64_t)size > s->offset ? (uint64_t)size - s->offset : 0;
	return 0;
}

#define TRIES       4096
#define SEARCH_MOST (64u * 1024)

int segment_more(struct segment *s)
{
	unsigned tries = 0;
	int r = fill(s, BUFFER < s->cap ? BUFFER : s->cap);
	if (r < 0) {
		return r;
	}
	size_t left = s->end - s->at, most = left < SEARCH_MOST ? left : SEARCH_MOST;
	for (size_t i = 1; i < most && tries < TRIES; i++) {
		struct frame f;
		size_t need;
		struct journal_record record;
		r = take(span_of(s->buf + s->at + i, left - i), &f, &need);
		tries += r == 0;
		if (r == 0 && f.whole && record_read(f.payload, &record) == 0) {
			return 1;
		}
	}
	return 0;
}
