/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SPOOL_H
#define AUDIT_SPOOL_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What is still to be sent to audit repositories and witnesses: a folder of small files that the auditor appends to, that
 * each group of repositories reads at its own pace, and that are unlinked when every group is done with them. All in them
 * is encrypted under a key that only this machine has, so that a copy of the folder without the key tells nothing.
 *
 * A file is `spool-` and its number in 20 digits. Its head: "GANTRYS1", 16 random bytes, u64 number, u64 index of its first
 * entry. Then frames: u32 length of what follows; AES-256-GCM (key: HMAC-SHA-256 under the spool's key of the head; nonce:
 * u32 0 and u64 place of the frame in the file; the length is authenticated too) of u8 type, i64 time, bytes; 16 bytes of
 * tag. Frames whose length has its highest bit set are no entries: they say that the entries that follow wait for a decision,
 * and what it was. A writer never goes on with a file of an earlier writer, nor with one in which a write failed, so that no nonce
 * serves twice. The last frame of a file that was ended in order says so. All numbers are big endian.
 *
 * Where a group is stands in `at-` and a hash of its name, a small file that is renamed into place.
 */

#define SPOOL_KEY_LEN    32
#define SPOOL_ENTRY_MOST (256u * 1024) /* bytes of one entry, which has one at least */
#define SPOOL_MARK       40            /* bytes by which who decided finds out again what it decided */

enum spool_type {
	SPOOL_MESSAGE = 1, /* an audit message: XML, UTF-8 without a byte order mark */
	SPOOL_CHECKPOINT,  /* a checkpoint of the journal: a signed note */
	/*
	 * For a witness: what add-checkpoint takes (C2SP tlog-witness): "old ", the size of the checkpoint before (0: none),
	 * lines of the consistency proof from there (none where it is 0), an empty line, and the checkpoint.
	 */
	SPOOL_WITNESS,
	SPOOL_LOST, /* the writer's own: struct spool_lost, when there is room again */
	SPOOL_TYPE_COUNT,
};

/* What the spool had no room for, or could not be written. The journal has its records. */
struct spool_lost {
	uint64_t entries;
	int64_t first_ms, last_ms; /* wall times of the first and the last of them */
};

/* ---- The key ---- */

/*
 * The key of a file of 32 bytes, which is made (mode 0600) if there is none. For the supervisor, which hands it to the
 * auditor and the forwarder. ERR_VALUE: it is of another size; ERR_SYSTEM.
 */
MUST_USE int spool_key(const char *path, uint8_t ret_key[SPOOL_KEY_LEN]);

/* ---- Writing: one process ---- */

/* The system, so that tests can let it fail. Return as the system calls of these names, with errno. */
struct spool_io {
	int (*create)(int dir, const char *name);
	ssize_t (*write)(int fd, const void *buf, size_t n);
	int (*sync)(int fd);
	int (*cut)(int fd, off_t size);
	int (*sync_dir)(int dir);
};
extern const struct spool_io spool_system;

#define SPOOL_FILE_BYTES (1024u * 1024)
#define SPOOL_FILE_MS    10000

struct spool_settings {
	int dir; /* the folder; stays the caller's and open */
	uint8_t key[SPOOL_KEY_LEN];
	uint64_t most;       /* bytes of all files; beyond it entries are lost, and counted */
	uint32_t file_bytes; /* a file is ended when it has so many, or is so old; 0: SPOOL_FILE_… */
	uint32_t file_ms;
	const struct spool_io *io; /* NULL: spool_system */
};

struct spool;

/* Cuts what a crash left torn at the end of the last file. ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int spool_open(const struct spool_settings *settings, struct spool **ret_spool);
/* What is not committed is dropped. NULL is harmless. */
void spool_close(struct spool *s);

/*
 * Add an entry to what the next commit writes; bytes are copied. time_ms: wall, when it happened. ERR_SPACE: there is no room
 * for it in `most`; ERR_LIMIT: it, or what is pending, is too large, or it is empty; ERR_NO_MEMORY. It is lost then, and counted: the
 * caller alarms and goes on.
 */
MUST_USE int spool_append(struct spool *s, enum spool_type type, int64_t time_ms, struct span bytes);

/*
 * A message is sent if its record is made, and only then; no crash may leave one without the other. So what belongs to a commit
 * of the journal is a group: spool_begin() before its entries, spool_prepare() when all are appended, durably, but no reader is
 * given them; then the journal's commit; then spool_decide(). After a crash before that spool_undecided() gives the mark by which
 * the journal is asked whether that commit took place, and spool_settle() does what was not done. A group without
 * entries is none, and the decision about it nothing. spool_prepare() fails as spool_commit(); then there is nothing to decide.
 */
void spool_begin(struct spool *s);
MUST_USE int spool_prepare(struct spool *s, const uint8_t mark[SPOOL_MARK]);
/* ERR_SPACE, ERR_SYSTEM: the group's entries are lost, and counted. */
MUST_USE int spool_decide(struct spool *s, bool counts, int64_t now_ms);
/* Drop what was appended and neither committed nor prepared, as its records will not be made. It is not counted as lost. */
void spool_forget(struct spool *s);

/* Of an earlier writer. False: none. */
bool spool_undecided(const struct spool *s, uint8_t ret_mark[SPOOL_MARK]);
/* As spool_commit(). */
MUST_USE int spool_settle(struct spool *s, bool counts, int64_t now_ms);

/*
 * Write what was appended, durably. ERR_SPACE,
 * ERR_SYSTEM: all that was appended since the last good commit is lost, and counted; the next entries begin a new file.
 * With nothing to write it ends a file that has become too old, so that it can be erased: call it now and then.
 * now_ms: monotonic.
 */
MUST_USE int spool_commit(struct spool *s, int64_t now_ms);

struct spool_state {
	uint64_t bytes;         /* of all files */
	uint64_t entries;       /* written by this process */
	struct spool_lost lost; /* not yet told to the readers by a SPOOL_LOST */
	uint64_t lost_ever;     /* by this process */
};
void spool_look(const struct spool *s, struct spool_state *ret_state);

/* ---- Reading: each group of repositories, by its name ---- */

/* Where a reader is. */
struct spool_place {
	uint64_t file, offset; /* offset 0: its beginning, whatever is in it */
	uint64_t frame;        /* in the file */
	uint64_t entry;        /* index over all files, of the next one */
	uint8_t id[16];        /* of the file */
};

struct spool_entry {
	enum spool_type type;
	int64_t time_ms;
	struct span bytes;        /* borrowed until the next call */
	struct spool_place after; /* to be confirmed when it, and all before it, has been delivered */
};

struct spool_reader;

/* Goes on where the group was; a group that is new begins with the oldest entry. The folder stays the caller's. */
MUST_USE int spool_reader_open(
	int dir, const uint8_t key[SPOOL_KEY_LEN], const char *name, struct spool_reader **ret_reader);
void spool_reader_close(struct spool_reader *r);

/* The next entry. ERR_AGAIN: there is none yet. ERR_SYSTEM, ERR_NO_MEMORY. What is damaged is stepped over, and counted. */
MUST_USE int spool_next(struct spool_reader *r, struct spool_entry *ret_entry);

/* The place of the next one. When all that was read is delivered, confirm this: it may be in the next file already. */
struct spool_place spool_at(const struct spool_reader *r);

/* Back to what was confirmed last. */
void spool_rewind(struct spool_reader *r);

/* Remember durably that all before the place has been delivered. ERR_SYSTEM: the old place holds. */
MUST_USE int spool_confirm(struct spool_reader *r, const struct spool_place *place);

/* Frames that could not be read since the reader was opened. */
uint64_t spool_damaged(const struct spool_reader *r);

/* What is not confirmed yet. ERR_SYSTEM. */
MUST_USE int spool_queue(const struct spool_reader *r, uint64_t *ret_entries, uint64_t *ret_bytes);

/* Entries that were gone before they were read, since the reader was opened: see spool_sweep(). */
uint64_t spool_missed(const struct spool_reader *r);

/*
 * Unlink the files that all of these groups are done with, and what is known of groups that are not among them. When the files
 * have more than seven eighths of `most` bytes, also the oldest ones that at least one group is done with, until there are
 * three quarters: so one group that is away for ever takes the room of none that keeps up. For one process. ERR_SYSTEM.
 */
MUST_USE int spool_sweep(int dir, const char *const *names, unsigned n, uint64_t most);

/* Unlink all files, and all that is known of groups: nobody reads any more. For the writer, which has closed it. ERR_SYSTEM. */
MUST_USE int spool_erase(int dir, unsigned *ret_files);

#endif
