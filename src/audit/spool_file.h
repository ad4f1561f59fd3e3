/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SPOOL_FILE_H
#define AUDIT_SPOOL_FILE_H

#include "audit/spool.h"

#include <stddef.h>

/* The bytes of a spool's files, for the spool_ files. */

#define SPOOL_HEAD_LEN   40
#define SPOOL_FRAME_MORE 29 /* of a frame beside the entry's bytes: length, type, time, tag */
#define SPOOL_NAME_LEN   32
#define SPOOL_END        0x7f /* type of the frame that ends a file */
#define SPOOL_GROUP      0x70 /* a control frame: the entries after it wait. u32 their number, SPOOL_MARK bytes */
#define SPOOL_DECISION   0x71 /* a control frame after them: u8, 1: they count; 0: they do not */
#define SPOOL_GROUP_LEN  (4 + SPOOL_MARK)
#define SPOOL_PLACE_MOST 320

struct spool_head {
	uint8_t id[16];
	uint64_t number, first;
};

void spool_head_write(const struct spool_head *h, uint8_t ret_bytes[SPOOL_HEAD_LEN]);
/* ERR_TRUNCATED, ERR_TRAILING, ERR_VALUE. */
MUST_USE int spool_head_read(struct span bytes, struct spool_head *ret_head);

/* The key of the file's frames. ERR_SYSTEM: OpenSSL fails. */
MUST_USE int spool_file_key(
	const uint8_t key[SPOOL_KEY_LEN], const struct spool_head *h, uint8_t ret_key[SPOOL_KEY_LEN]);

/* Control frames are no entries, which is seen without the key: the highest bit of their length is set. */
static inline bool spool_is_control(uint8_t type)
{
	return type == SPOOL_GROUP || type == SPOOL_DECISION;
}

/* A whole frame into buf, which has room for bytes.len + SPOOL_FRAME_MORE. ERR_SYSTEM. */
MUST_USE int spool_frame_seal(const uint8_t file_key[SPOOL_KEY_LEN], uint64_t frame, uint8_t type,
	int64_t time_ms, struct span bytes, uint8_t *buf);

/*
 * The length in a frame's first four bytes, of what follows. ERR_TRUNCATED, ERR_LENGTH: no frame has it.
 * Opening: whole is all of it, with its length. plain has room for as much. ERR_VALUE: not what was written there.
 */
MUST_USE int spool_frame_len(struct span bytes, uint32_t *ret_len, bool *ret_control);
MUST_USE int spool_frame_open(const uint8_t file_key[SPOOL_KEY_LEN], uint64_t frame, struct span whole,
	uint8_t *plain, uint8_t *ret_type, int64_t *ret_time_ms, struct span *ret_bytes);

/* A group's place, and the file that it is in. Reading is strict: ERR_TRUNCATED, ERR_TRAILING, ERR_VALUE. */
void spool_place_name(const char *group, char ret_name[SPOOL_NAME_LEN]);
size_t spool_place_write(const struct spool_place *p, const char *group, uint8_t ret_bytes[SPOOL_PLACE_MOST]);
MUST_USE int spool_place_read(struct span bytes, const char *group, struct spool_place *ret_place);
/* From the folder. ERR_NOT_FOUND, ERR_VALUE (damaged), ERR_SYSTEM. group NULL: whose it is does not matter. */
MUST_USE int spool_place_load(int dir, const char *name, const char *group, struct spool_place *ret_place);

void spool_file_name(uint64_t number, char ret_name[SPOOL_NAME_LEN]);

/* The folder's files. */
struct spool_list {
	struct spool_listed {
		uint64_t number, size;
	} * at; /* in order */
	unsigned n;
	char (*places)[SPOOL_NAME_LEN]; /* names of at- files */
	unsigned n_places;
};
MUST_USE int spool_list(int dir, struct spool_list *ret_list);
void spool_list_done(struct spool_list *l);

/* pread until n bytes are there or the file ends; -1. */
ssize_t spool_pread(int fd, void *buf, size_t n, uint64_t offset);

/*
 * How far a file's frames are whole, by their lengths and, with a key, by their tags: *ret_end is the offset after the last,
 * *ret_entries the number of entries in them. ERR_SYSTEM, ERR_NO_MEMORY; ERR_VALUE: it has no head.
 */
MUST_USE int spool_walk(
	int fd, const uint8_t *key, struct spool_head *ret_head, uint64_t *ret_end, uint64_t *ret_entries);

/* A frame of a file as it is read: whole, and (with the file's key) opened. */
struct spool_found {
	uint32_t len; /* of what follows its length */
	bool control;
	uint8_t type; /* these with a key alone */
	int64_t time_ms;
	struct span bytes; /* borrows buf */
};

/* buf: SPOOL_ENTRY_MOST + SPOOL_FRAME_MORE bytes; file_key NULL: by lengths alone. ERR_TRUNCATED: none that is whole; ERR_SYSTEM. */
MUST_USE int spool_frame_at(int fd, const uint8_t *file_key, uint64_t offset, uint64_t frame, uint8_t *buf,
	struct spool_found *ret_found);

/* The group of entries without a decision with which a file ends. */
struct spool_tail {
	bool open;       /* there is one */
	bool whole;      /* all its entries are there */
	bool alone;      /* nothing was written in the file before it */
	uint64_t offset; /* of its first entry */
	uint64_t frame;
	uint32_t n;
	uint8_t mark[SPOOL_MARK];
};
/* As spool_walk(). */
MUST_USE int spool_tail_of(int fd, const uint8_t key[SPOOL_KEY_LEN], struct spool_tail *ret_tail);

#endif
