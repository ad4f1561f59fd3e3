/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SPOOL_PARTS_H
#define AUDIT_SPOOL_PARTS_H

#include "audit/spool.h"
#include "audit/spool_file.h"

/* What spool.c and spool_group.c share: the writer. */

struct spool {
	struct spool_settings set;
	int fd;     /* -1: the file at hand is not made yet */
	bool begun; /* there is a file at hand: its head is written, or pending */
	struct spool_head head;
	uint8_t file_key[SPOOL_KEY_LEN];
	uint64_t frames, good; /* of the file at hand, pending ones included; bytes that are committed */
	uint64_t good_frames;
	int64_t made_ms; /* 0: not committed yet */
	uint64_t next_number, next_entry, committed_entry;
	uint8_t *pending;
	size_t len, cap;
	struct spool_lost waiting; /* what the pending entries are, should they be lost; their number */
	struct spool_lost telling; /* what a pending SPOOL_LOST tells */
	struct group {
		bool begun;     /* what is appended belongs to it */
		bool has_frame; /* its control frame has its place in what is pending */
		bool prepared;  /* it is written, and waits for its decision */
		size_t at;      /* of that frame */
		uint64_t frame;
		uint32_t n; /* entries */
	} group;
	struct {
		uint64_t file; /* 0: none */
		struct spool_tail tail;
	} undecided;
	uint64_t total; /* bytes of all files, of when it was last looked, and of what was written since */
	int64_t looked_ms;
	struct spool_state state;
};

/* A frame among what is pending. ERR_LIMIT, ERR_NO_MEMORY, ERR_SYSTEM. */
MUST_USE int spool_put(struct spool *s, uint8_t type, int64_t time_ms, struct span bytes);
/* ERR_SPACE, ERR_SYSTEM, and errno. */
MUST_USE int spool_write_all(struct spool *s, const uint8_t *bytes, size_t len);
MUST_USE int spool_write_pending(struct spool *s); /* and sync it */

void spool_written(struct spool *s); /* what was pending */
/* What was not committed is lost, and counted. Returns e, with errno as it was. */
int spool_failed(struct spool *s, int e);
void spool_forget_pending(struct spool *s);
void spool_leave_file(struct spool *s);
bool spool_is_due(const struct spool *s, int64_t now_ms); /* to be ended */
void spool_count_lost(struct spool_lost *to, uint64_t entries, int64_t first_ms, int64_t last_ms);

#endif
