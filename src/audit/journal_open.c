/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/journal_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define SEGMENT_BYTES (64u * 1024 * 1024)
#define SEGMENT_MS    (INT64_C(24) * 3600 * 1000)
#define PENDING_MOST  (8u * 1024 * 1024)
#define KEPT_MOST     1000 /* names tried for what is kept aside */
#define COPY          65536

const char *journal_damage_text(enum journal_damage damage)
{
	static const char *const texts[] = {
		[JOURNAL_UNDAMAGED] = "nothing is damaged",
		[JOURNAL_CUT] = "records are gone that a signed checkpoint vouches for",
		[JOURNAL_HOLE] = "there are bytes that are no record, and records after them",
		[JOURNAL_HEAD] = "the head of the last segment cannot be read",
		[JOURNAL_CONTRADICTS] = "the records are not those that a signed checkpoint vouches for",
		[JOURNAL_CHECKPOINT] = "the stored checkpoint cannot be read, or is another journal's",
	};
	return (unsigned)damage < ARRAY_LEN(texts) ? texts[damage] : "unknown";
}

/* The first damage is the one that is told. */
static void blame(struct journal_recovered *rec, enum journal_damage damage, const char *file,
	uint64_t offset, uint64_t index)
{
	if (rec->damage == JOURNAL_UNDAMAGED) {
		rec->damage = damage;
		snprintf(rec->damaged, sizeof(rec->damaged), "%s", file);
		rec->damaged_offset = offset;
		rec->damaged_index = index;
	}
}

/* Give a file another name beside its own: "damaged-NAME-1". The first name told is the one of the damage that is told. */
static int keep(struct journal *j, struct journal_recovered *rec, const char *name)
{
	char kept[64];
	for (unsigned i = 1; i <= KEPT_MOST; i++) {
		snprintf(kept, sizeof(kept), "damaged-%s-%u", name, i);
		if (j->io->link(j->io->arg, j->dir, name, kept) == 0) {
			if (!rec->kept[0]) {
				memcpy(rec->kept, kept, sizeof(kept));
			}
			return j->io->fsync(j->io->arg, j->dir) < 0 ? io_error() : 0;
		}
		if (errno != EEXIST) {
			return io_error();
		}
	}
	return ERR_LIMIT;
}

static int put_aside(struct journal *j, struct journal_recovered *rec, const char *name)
{
	int r = keep(j, rec, name);
	if (r == 0 && (j->io->unlink(j->io->arg, j->dir, name) < 0 || j->io->fsync(j->io->arg, j->dir) < 0)) {
		r = io_error();
	}
	return r;
}

/* ---- The folder ---- */

static int open_folder(struct journal *j, int dir)
{
	j->dir = j->io->open(j->io->arg, dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (j->dir < 0) {
		return ERR_SYSTEM;
	}
	if (flock(j->dir, LOCK_EX | LOCK_NB) < 0) {
		return errno == EWOULDBLOCK ? ERR_EXISTS : ERR_SYSTEM;
	}
	return 0;
}

/* Files that were being made when something stopped. */
static int remove_new(struct journal *j)
{
	int fd = openat(j->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0) {
			close(fd);
		}
		return ERR_SYSTEM;
	}
	int r = 0;
	const struct dirent *e;
	uint64_t first;
	while (r == 0 && (e = readdir(d))) {
		if (segment_file_of(e->d_name, &first) == FILE_NEW &&
			j->io->unlink(j->io->arg, j->dir, e->d_name) < 0 && errno != ENOENT) {
			r = ERR_SYSTEM;
		}
	}
	closedir(d);
	return r;
}

/* ---- Stored checkpoints ---- */

/* 0: there is one, and it is this journal's; ERR_NOT_FOUND; ERR_VALUE: damaged. */
static int read_checkpoint(
	struct journal *j, const char *name, struct checkpoint *ret_c, uint8_t **ret_note, size_t *ret_len)
{
	struct signed_note note;
	struct checkpoint c;
	uint8_t *bytes;
	size_t len;
	int r = io_read_file(j->io, j->dir, name, NOTE_MOST, &bytes, &len);
	if (r < 0) {
		return r == ERR_LIMIT ? ERR_VALUE : r;
	}
	if (checkpoint_read_note(span_of(bytes, len), &note, &c) < 0 || strcmp(c.origin, j->origin) != 0) {
		free(bytes);
		return ERR_VALUE;
	}
	*ret_c = c;
	*ret_note = bytes;
	*ret_len = len;
	return 0;
}

/* The greatest: `checkpoint`, or that of a finished segment if the other is gone. */
static int load_checkpoints(struct journal *j, struct journal_recovered *rec, const uint64_t *first, size_t n)
{
	int r = read_checkpoint(j, "checkpoint", &j->last, &j->last_note, &j->last_note_len);
	if (r == ERR_VALUE) {
		blame(rec, JOURNAL_CHECKPOINT, "checkpoint", 0, 0);
		r = put_aside(j, rec, "checkpoint");
	} else if (r == ERR_NOT_FOUND) {
		r = 0;
	}
	for (size_t i = n; r == 0 && i > 0; i--) {
		char name[CHECKPOINT_NAME_LEN];
		struct checkpoint c;
		uint8_t *note;
		size_t len;
		segment_checkpoint_name(first[i - 1], name);
		r = read_checkpoint(j, name, &c, &note, &len);
		if (r == 0 && c.size > j->last.size) {
			free(j->last_note);
			j->last = c;
			j->last_note = note;
			j->last_note_len = len;
		} else if (r == 0) {
			free(note);
		}
		if (r == 0) {
			break; /* older ones are smaller */
		}
		r = r == ERR_NOT_FOUND || r == ERR_VALUE ? 0 : r;
	}
	rec->vouched = j->last.size;
	return r;
}

/*
 * The stored checkpoint does not hold for what is there: it is evidence, and what is signed from now on is another tree's.
 * So is that of the last segment, if the segment had been finished, unless it vouches for just what is there.
 */
static int forget_checkpoint(struct journal *j, struct journal_recovered *rec, uint64_t last_segment)
{
	char name[CHECKPOINT_NAME_LEN];
	struct merkle_hash root;
	int r = put_aside(j, rec, "checkpoint");
	if (r < 0 && r != ERR_NOT_FOUND) {
		return r;
	}
	free(j->last_note);
	j->last_note = NULL;
	j->last = (struct checkpoint){0};
	segment_checkpoint_name(last_segment, name);
	r = read_checkpoint(j, name, &j->last, &j->last_note, &j->last_note_len);
	merkle_root(&j->range, &root);
	if (r == ERR_VALUE ||
		(r == 0 && (j->last.size != j->range.size || !merkle_same(&j->last.root, &root)))) {
		free(j->last_note);
		j->last_note = NULL;
		j->last = (struct checkpoint){0};
		r = put_aside(j, rec, name);
	}
	return r == ERR_NOT_FOUND ? 0 : r;
}

/* ---- The last segment ---- */

struct scan {
	struct segment *segment;
	bool bad;         /* it does not end with a whole frame */
	bool more;        /* and there are whole frames behind what is none */
	uint64_t offset;  /* where what is good ends */
	bool contradicts; /* the root at the stored checkpoint's size is another */
	struct segment_head head;
};

static void check_root(const struct journal *j, struct scan *scan)
{
	struct merkle_hash root;
	if (j->last.size > 0 && j->range.size == j->last.size) {
		merkle_root(&j->range, &root);
		scan->contradicts = !merkle_same(&root, &j->last.root);
	}
}

/* What follows the first frame that is not whole. */
static int scan_rest(struct scan *scan)
{
	struct frame f;
	int r;
	while ((r = segment_next(scan->segment, &f)) == 1) {
		if (f.whole) {
			scan->more = true;
			return 0;
		}
	}
	if (r == ERR_LENGTH || r == ERR_TRUNCATED) {
		r = segment_more(scan->segment);
		scan->more = r == 1;
	}
	return r < 0 ? r : 0;
}

/* All whole frames into the journal's state. ERR_SYSTEM, ERR_NO_MEMORY. */
static int scan_frames(struct journal *j, struct scan *scan)
{
	struct frame f;
	struct journal_record record;
	int r;
	check_root(j, scan);
	for (;;) {
		scan->offset = segment_offset(scan->segment);
		r = segment_next(scan->segment, &f);
		if (r <= 0) {
			break;
		}
		r = f.whole ? record_read(f.payload, &record) : ERR_VALUE;
		if (r < 0) {
			scan->bad = true;
			return scan_rest(scan);
		}
		if (record.kind == AUDIT_BEGIN) {
			r = transfers_reserve(&j->transfers, 1);
			if (r == ERR_NO_MEMORY) {
				return r;
			}
		}
		journal_took(j, &record, &f.leaf);
		check_root(j, scan);
	}
	if (r == ERR_LENGTH || r == ERR_TRUNCATED) {
		scan->bad = true;
		r = segment_more(scan->segment);
		scan->more = r == 1;
	}
	return r < 0 ? r : 0;
}

/* Keep the file aside, and have the good part of it in its place. */
static int replace_by_good(struct journal *j, struct journal_recovered *rec, const char *name, uint64_t len)
{
	int from = -1, to = -1;
	uint8_t *bytes = malloc(COPY);
	int r = bytes ? keep(j, rec, name) : ERR_NO_MEMORY;
	if (r == 0) {
		from = j->io->open(j->io->arg, j->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
		r = from < 0 ? io_error() : 0;
	}
	/* Named .new until it is whole: written here, and renamed by hand. */
	char fresh[SEGMENT_NAME_LEN + 8];
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	if (r == 0) {
		to = j->io->open(
			j->io->arg, j->dir, fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
		r = to < 0 ? io_error() : 0;
	}
	for (uint64_t at = 0; r == 0 && at < len;) {
		size_t got, want = len - at < COPY ? (size_t)(len - at) : COPY;
		r = io_read(j->io, from, bytes, want, at, &got);
		r = r < 0 ? r : got < want ? ERR_SYSTEM : io_write(j->io, to, bytes, got, at);
		at += got;
	}
	if (r == 0 &&
		(j->io->fdatasync(j->io->arg, to) < 0 || j->io->rename(j->io->arg, j->dir, fresh, name) < 0 ||
			j->io->fsync(j->io->arg, j->dir) < 0)) {
		r = io_error();
	}
	if (from >= 0) {
		(void)j->io->close(j->io->arg, from);
	}
	if (to >= 0) {
		(void)j->io->close(j->io->arg, to);
	}
	free(bytes);
	return r;
}

/* Have the file end where what is good ends. */
static int mend(struct journal *j, struct journal_recovered *rec, const struct scan *scan, const char *name)
{
	uint64_t rest = 0;
	int r = 0;
	bool cut = j->range.size < j->last.size;
	if (cut || scan->contradicts || (scan->bad && scan->more)) {
		blame(rec,
			cut                 ? JOURNAL_CUT
			: scan->contradicts ? JOURNAL_CONTRADICTS
					    : JOURNAL_HOLE,
			name, scan->offset, cut || scan->more ? j->range.size : scan->head.first);
	}
	if (scan->bad && (cut || scan->more)) {
		r = replace_by_good(j, rec, name, scan->offset);
	}
	if (r == 0 && (cut || scan->contradicts)) {
		r = forget_checkpoint(j, rec, scan->head.first);
	}
	if (r < 0) {
		return r;
	}
	j->fd = j->io->open(j->io->arg, j->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
	off_t end = j->fd < 0 ? -1 : lseek(j->fd, 0, SEEK_END);
	if (end < 0) {
		return ERR_SYSTEM;
	}
	rest = (uint64_t)end > scan->offset ? (uint64_t)end - scan->offset : 0;
	if (rest > 0 && j->io->truncate(j->io->arg, j->fd, (off_t)scan->offset) < 0) {
		return io_error();
	}
	/* Records that were read may never have been synced: from now on they count. */
	if (j->io->fdatasync(j->io->arg, j->fd) < 0) {
		return io_error();
	}
	rec->cut_bytes = rest;
	j->len = scan->offset;
	return 0;
}

/* ERR_VALUE and others of segment_head_read(): its head is damaged. */
static int load_segment(struct journal *j, struct journal_recovered *rec, uint64_t first)
{
	struct scan scan = {0};
	char name[SEGMENT_NAME_LEN];
	segment_name(first, name);
	int r = segment_open(j->io, j->dir, first, &scan.segment);
	if (r < 0) {
		return r;
	}
	scan.head = *segment_head_of(scan.segment);
	if (strcmp(scan.head.origin, j->origin) != 0) {
		segment_free(scan.segment);
		return ERR_DENIED;
	}
	r = transfers_read(scan.head.transfers, &j->transfers);
	if (r == 0) {
		j->range = scan.head.before;
		j->first = first;
		r = scan_frames(j, &scan);
	}
	segment_free(scan.segment);
	return r < 0 ? r : mend(j, rec, &scan, name);
}

static bool is_system(int r)
{
	return r == ERR_SYSTEM || r == ERR_NO_MEMORY || r == ERR_SPACE;
}

/* The last segment whose head can be read; damaged ones are put aside. */
static int load_last(struct journal *j, struct journal_recovered *rec, const uint64_t *first, size_t *n)
{
	while (*n > 0) {
		char name[SEGMENT_NAME_LEN];
		int r = load_segment(j, rec, first[*n - 1]);
		if (r == 0 || is_system(r) || r == ERR_DENIED) {
			return r == ERR_DENIED ? ERR_VALUE : r;
		}
		/* Heads are whole before a segment has its name: this is no accident of writing. */
		segment_name(first[*n - 1], name);
		blame(rec, JOURNAL_HEAD, name, 0, first[*n - 1]);
		transfers_done(&j->transfers);
		r = put_aside(j, rec, name);
		if (r < 0) {
			return r == ERR_NOT_FOUND ? ERR_SYSTEM : r;
		}
		--*n;
	}
	if (j->last.size > 0) {
		blame(rec, JOURNAL_CUT, "checkpoint", 0, 0);
		return forget_checkpoint(j, rec, 0);
	}
	return 0;
}

/* Finished segments that nobody signed yet: a boundary is what the head of the next says of what is before it. */
static int load_boundaries(struct journal *j, const uint64_t *first, size_t n)
{
	int r = 0;
	for (size_t i = 1; r == 0 && i < n; i++) {
		struct segment *s;
		struct merkle_hash root;
		if (first[i] <= j->last.size) {
			continue;
		}
		r = segment_open(j->io, j->dir, first[i], &s);
		if (r < 0) {
			/* A verifier will say what is wrong with it. */
			r = is_system(r) ? r : 0;
			continue;
		}
		merkle_root(&segment_head_of(s)->before, &root);
		segment_free(s);
		r = journal_add_boundary(j, first[i - 1], first[i], &root);
	}
	return r;
}

static int load(struct journal *j, struct journal_recovered *rec)
{
	uint64_t *first = NULL;
	size_t n = 0;
	int r = remove_new(j);
	r = r < 0 ? r : segment_list(j->dir, &first, &n);
	r = r < 0 ? r : load_checkpoints(j, rec, first, n);
	rec->fresh = n == 0 && j->last.size == 0;
	r = r < 0 ? r : load_last(j, rec, first, &n);
	r = r < 0 ? r : load_boundaries(j, first, n);
	free(first);
	if (r == 0 && j->fd < 0) {
		r = journal_begin_segment(j);
	}
	return r;
}

static void set_params(struct journal *j, const struct journal_params *params)
{
	j->params = params ? *params : (struct journal_params){0};
	j->params.segment_bytes = j->params.segment_bytes ? j->params.segment_bytes : SEGMENT_BYTES;
	j->params.segment_ms = j->params.segment_ms ? j->params.segment_ms : SEGMENT_MS;
	j->params.pending_most = j->params.pending_most ? j->params.pending_most : PENDING_MOST;
}

int journal_open(int dir, const char *origin, const struct journal_params *params,
	const struct journal_io *io, struct journal **ret_journal, struct journal_recovered *ret_recovered)
{
	struct journal_recovered rec = {0};
	struct span name = span_str(origin);
	if (!note_name_valid(name)) {
		return ERR_VALUE;
	}
	struct journal *j = calloc(1, sizeof(*j));
	if (!j) {
		return ERR_NO_MEMORY;
	}
	j->io = io ? io : &journal_io_system;
	j->fd = -1;
	memcpy(j->origin, name.ptr, name.len);
	set_params(j, params);
	int r = merkle_prepare();
	r = r < 0 ? r : open_folder(j, dir);
	r = r < 0 ? r : load(j, &rec);
	if (r < 0) {
		journal_close(j);
		return r;
	}
	j->pending = j->range;
	rec.size = j->range.size;
	rec.open = j->transfers.open;
	rec.n_open = j->transfers.n_open;
	rec.closed = j->transfers.closed;
	rec.n_closed = j->transfers.n_closed;
	*ret_journal = j;
	*ret_recovered = rec;
	return 0;
}
