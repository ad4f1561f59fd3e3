/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_HELD_H
#define ARCHIVE_HELD_H

#include "base/attr.h"
#include "base/err.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Room on disk for large objects that wait for their verdict: files without a name, gone when nobody has them open. What
 * is in them is encrypted by the association that holds the object, with a key that never leaves it. Room is given as it
 * is asked for, within a quota over all, and comes back when the association closes its channel or ends.
 *
 * Who asks for more than there is waits for what the others give back, and whose channel is oldest has it first: nobody overtakes, so that each
 * is the first one day. Where all that have room wait for more, none will give any back: of these the youngest is refused then.
 */
#define HELD_MOST 512 /* objects at once */

/* Of one association: for each direction one, and one for what it becomes when its pixels are cleaned. */
#define HELD_EACH 4

/* All files of one association have half of the quota, or so much: one that was taken over leaves room to others. */
#define HELD_SHARE_LEAST (64ull << 20)

struct held_file {
	int channel, file;    /* file: -1 until it is first asked for */
	uint64_t association; /* whose; 0: nobody's */
	uint64_t room;
	uint64_t wanted; /* it waits for so much in all; 0: it does not wait */
};

struct held {
	struct held_file at[HELD_MOST];
	unsigned n;
	uint64_t room;     /* of all */
	uint64_t quota;    /* of the last that asked: bytes */
	char folder[4096]; /* of the last one */
	bool warned;       /* that there is no room */
	bool waits;        /* it was said that some wait */
};

/*
 * An association's channel, which this owns from now on. One that has HELD_EACH loses its oldest. ERR_LIMIT: too many in all,
 * and it was closed.
 */
MUST_USE int held_add(struct held *h, int channel, uint64_t association, const char *folder, uint64_t quota);

/* poll() entries: of at[0] and so on. */
void held_poll(const struct held *h, struct pollfd *fds);

/* After poll(). Entries are those of held_poll(). */
void held_serve(struct held *h, const struct pollfd *fds, unsigned n);

/*
 * Files that are larger than the room they were given are emptied and closed: their association was taken over. To be
 * called each second while there are any. Returns how many.
 */
unsigned held_check(struct held *h);

void held_done(struct held *h);

#endif
