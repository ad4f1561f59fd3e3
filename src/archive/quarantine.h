/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_QUARANTINE_H
#define ARCHIVE_QUARANTINE_H

#include "archive/quarantine_file.h"

#include <openssl/types.h>

/*
 * The quarantine: a folder with a file for each object (quarantine_file.h).
 *
 *	17-<32 hexadecimal digits>   object 17; the digits begin the keyed hash of what it is, which only the site's key tells
 *	17-released                  what is left of it when it was released
 *	.new-<process>-<n>           one that has not come whole: locked by who writes it, removed at the next start
 *	next                         the least number that was never given
 *	lock                         held by whoever changes the folder or a state
 *
 * An object is the same as another if SOP class, instance, transfer syntax, data set and where it was bound are: it is then only
 * counted. Numbers are never given twice. Nothing is ever removed to make room.
 */
struct quarantine {
	int dir; /* borrowed */
	const struct quarantine_site *site;
	uint64_t most_bytes,
		most_objects; /* of files, and of objects that were not released; 0: as many as there is room for */
};

#define QUARANTINE_DIGITS 16 /* bytes of the keyed hash that a name has */

/* What is in it. */
struct quarantine_totals {
	uint64_t objects, bytes; /* not released; of all files, those that have not come whole too */
	uint64_t released;
	uint64_t oldest; /* number of the first object; 0: none */
	uint64_t greatest;
};
MUST_USE int quarantine_count(int dir, struct quarantine_totals *ret_totals);

/* Is there no room for one more object? */
bool quarantine_is_full(const struct quarantine *q, const struct quarantine_totals *t);

/* Remove what a crash left of objects that had not come whole. Returns how many, or ERR_SYSTEM. */
MUST_USE int quarantine_clean(int dir);

/* ---- Taking one in ---- */

struct quarantine_intake {
	const struct quarantine *q; /* borrowed */
	struct quarantine_file file;
	char name[40];        /* in the folder; "" none: there is no room, and what comes is only compared */
	int full;             /* why: ERR_SPACE, or what failed; 0: there was room so far */
	const char *full_why; /* for people; static */
	uint64_t room;        /* bytes that may still be written before the folder is counted again */
	EVP_MD_CTX *digest;
	uint64_t size;
	uint8_t same[QUARANTINE_HASH]; /* keyed hash of what is known at the beginning */
	size_t held;
	uint8_t piece[QUARANTINE_PIECE];
};

/*
 * Begin. *i must stay where it is, and needs quarantine_drop() or quarantine_finish() after success only. A full quarantine or disk is
 * no failure yet, as the object may be there already. ERR_VALUE, ERR_LIMIT (facts), ERR_NO_MEMORY, ERR_SYSTEM.
 */
MUST_USE int quarantine_begin(
	const struct quarantine *q, const struct facts *facts, struct quarantine_intake *i);

/* More of the data set. ERR_SYSTEM: only quarantine_drop() may follow. */
MUST_USE int quarantine_write(struct quarantine_intake *i, struct span bytes);

struct quarantine_kept {
	uint64_t number, count;
	bool is_new;
};

/*
 * It is whole: keep it, or count it if it is there, and return when that is on the disk. now_ms: wall. refusal: of this time.
 * ERR_SPACE: it is new, and there is no room (i->full_why); ERR_SYSTEM. *i is done in every case.
 */
MUST_USE int quarantine_finish(
	struct quarantine_intake *i, int64_t now_ms, uint64_t refusal, struct quarantine_kept *ret_kept);

void quarantine_drop(struct quarantine_intake *i);

/* ---- Those that are there ---- */

#define QUARANTINE_NAME 64

struct quarantine_object {
	uint64_t number;
	bool released; /* by its name */
	char name[QUARANTINE_NAME];
	uint64_t bytes; /* of the file */
};

/* All of them by number, malloc'd. ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int quarantine_list(int dir, struct quarantine_object **ret_objects, size_t *ret_n);

/* One of them. ERR_NOT_FOUND. */
MUST_USE int quarantine_find(int dir, uint64_t number, struct quarantine_object *ret_object);

/*
 * Open it. What is in the file is compared with its name: ERR_DENIED where they differ, or the file is not of the site's key or was
 * changed. Else as quarantine_file_open(). ret_facts may be NULL.
 */
MUST_USE int quarantine_open(const struct quarantine *q, const struct quarantine_object *o,
	struct quarantine_file *ret_file, struct quarantine_state *ret_state, struct facts *ret_facts);

/*
 * Change its state, which is read again under the lock: change() may return an error, which is passed on, and then nothing is
 * changed. *ret_state (may be NULL) is as written.
 */
MUST_USE int quarantine_change(const struct quarantine *q, struct quarantine_file *f,
	int (*change)(struct quarantine_state *s, void *arg), void *arg, struct quarantine_state *ret_state);

/* It was released, and its state says so: drop its pieces and give it the other name. ERR_SYSTEM. */
MUST_USE int quarantine_let_go(
	const struct quarantine *q, const struct quarantine_object *o, struct quarantine_file *f);

/* Remove it, for good. ERR_NOT_FOUND, ERR_SYSTEM. */
MUST_USE int quarantine_delete(const struct quarantine *q, const struct quarantine_object *o);

#endif
