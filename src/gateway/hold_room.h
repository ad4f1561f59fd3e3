/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_ROOM_H
#define GATEWAY_HOLD_ROOM_H

#include "audit/aead.h"
#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Room on disk for one large object that is held: a file without a name, of the store role's (archive/held.h). It is
 * written in blocks, sealed with a key that only this process has and that is of this object alone, so that nobody who
 * reads the disk learns anything, and no change goes unseen.
 */
#define HOLD_BLOCK (512u * 1024)

struct hold_room {
	bool open;
	int channel, file;       /* the store's; valid where open */
	uint64_t room;           /* bytes of the file that are ours */
	uint64_t stored, loaded; /* plain bytes: written, and read back */
	int64_t idle_ms;         /* since when nothing is in it, of the monotonic clock */
	bool waits;              /* for room that others have; set by who has it */
	bool queued,
		waited; /* it was told to wait: for the answer that is still to come, or for one before */
	uint64_t asked; /* for how much an answer is still to come; 0: none is */
	int64_t asked_ms;
	uint8_t key[AEAD_KEY];
};

struct association;

/* Nothing is in it. What it has of the store it keeps for the next object, if that is little, and if that comes soon. */
void hold_room_reset(struct hold_room *r);

/* Give back what no object has needed for a second: others may want it. When to be called again; INT64_MAX: it has nothing, or is in use. */
int64_t hold_room_rest(struct hold_room *r, int64_t now_ms);

/*
 * n is a multiple of HOLD_BLOCK. ERR_CLOSED (the gate or the store is lost), ERR_TIMEOUT, ERR_LIMIT (the quota is used up),
 * ERR_LENGTH (it is more than there can ever be of the quota),
 * ERR_SPACE (the disk is full), ERR_SYSTEM; it stays as it was then. ERR_AGAIN, where it waits: others have the room. Call again with the same in
 * HOLD_ROOM_AGAIN_MS; it is ERR_LIMIT when that has gone on for HOLD_ROOM_WAIT_MS.
 */
#define HOLD_ROOM_AGAIN_MS 50
#define HOLD_ROOM_WAIT_MS  10000
MUST_USE int hold_room_store(struct association *as, struct hold_room *r, const uint8_t *bytes, size_t n);

/* The next bytes, in their order: up to cap, which is a multiple of HOLD_BLOCK. 0 with *ret_n, or ERR_DENIED, ERR_SYSTEM. */
MUST_USE int hold_room_load(struct hold_room *r, uint8_t *to, size_t cap, size_t *ret_n);

/* Why hold_room_store() failed, behind "it is larger than what is held in memory, and". */
const char *hold_room_why(int e);

/* From the first byte again. */
void hold_room_again(struct hold_room *r);

#endif
