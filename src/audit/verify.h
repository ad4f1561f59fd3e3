/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_VERIFY_H
#define AUDIT_VERIFY_H

#include "audit/journal.h"

/*
 * A journal held against what was signed of it. All segments are read, every head is made anew from the records before it,
 * and the root is compared wherever a checkpoint says what it was.
 */

enum verify_kind {
	VERIFY_NO_SEGMENT,  /* there is nothing */
	VERIFY_HEAD,        /* a segment's head cannot be read */
	VERIFY_STATE,       /* a head says something else of the records before it than they do */
	VERIFY_ORIGIN,      /* a segment or checkpoint of another journal */
	VERIFY_RECORD,      /* a record is damaged */
	VERIFY_BYTES,       /* bytes that are no record; what follows in the segment cannot be read */
	VERIFY_GAP,         /* records are missing between two segments */
	VERIFY_OVERLAP,     /* a segment begins before the one before it ends */
	VERIFY_CHECKPOINT,  /* a checkpoint cannot be read */
	VERIFY_SIGNATURE,   /* a checkpoint is not signed by the journal's key */
	VERIFY_UNVOUCHED,   /* no signed checkpoint at all */
	VERIFY_CONTRADICTS, /* a checkpoint vouches for other records: the journal was rewritten */
	VERIFY_TRUNCATED,   /* a checkpoint vouches for more records than there are */
	VERIFY_CHANGED,     /* against a good copy of the leaf hashes: a record is another, */
	VERIFY_REMOVED,     /* is gone, */
	VERIFY_INSERTED,    /* was not there, */
	VERIFY_MOVED,       /* stands elsewhere */
	VERIFY_ASIDE,       /* files that were kept aside as damaged */
	VERIFY_STATEMENT,   /* a hand-over statement does not fit the files */
	/* What follows is no fault. */
	VERIFY_TORN,        /* the last append is half there; a fault unless somebody is writing */
	VERIFY_UNCOVERED,   /* records after the last checkpoint: not yet covered */
	VERIFY_HANDED_OVER, /* older records are elsewhere */
	VERIFY_ELSEWHERE,   /* records are in folders that were not given: the verdict is of a part */
	VERIFY_UNCHECKED,   /* a checkpoint of records that are elsewhere */
	VERIFY_TIME,        /* a clock was set back */
	VERIFY_FOREIGN,     /* a file that is none of the journal's */
	VERIFY_KINDS,
};

/* "contradicts"; static. */
const char *verify_kind_name(enum verify_kind kind);

struct verify_finding {
	enum verify_kind kind;
	bool bad;            /* counts as tampered or damaged */
	uint64_t first, end; /* records [first, end) that it is about; equal: none */
	char file[256];      /* "" none */
	uint64_t offset;     /* in the file */
	char text[400];      /* a sentence */
};

/* A checkpoint that was exported earlier. */
struct verify_exported {
	const char *name; /* of its file */
	struct span note;
};

struct verify_request {
	const int *dirs; /* the journal's folder first, and cold ones; not closed */
	size_t n_dirs;
	bool part; /* dirs are cold ones alone, and what they have is judged */
	const struct note_key *
		keys; /* NOTE_ED25519: the journal's, whose name is its origin; NOTE_COSIGNATURE: witnesses' */
	size_t n_keys;
	const struct verify_exported *exported;
	size_t n_exported;
	const struct merkle_hash
		*good; /* leaf hashes of records good_first on, from a good copy; NULL: none */
	uint64_t good_first;
	size_t n_good;
	void (*found)(void *arg,
		const struct verify_finding *finding); /* its texts are its own only during the call */
	void (*progress)(void *arg, uint64_t done, uint64_t all); /* bytes; may be NULL */
	void *arg;
};

struct verify_result {
	uint64_t first, size; /* records [first, size) are there */
	uint64_t covered;     /* size of the greatest checkpoint that agrees */
	struct merkle_hash root;
	uint64_t segments, bytes;
	unsigned checkpoints; /* that agree */
	unsigned cosigned;    /* of them, by a witness that is known */
	unsigned bad;         /* findings that count */
	bool partial;         /* there are records that were not looked at, as their folders were not given */
	int64_t least_ms, greatest_ms;
};

/*
 * 0, whatever was found; ERR_SYSTEM, ERR_NO_MEMORY: could not be read to the end. ERR_VALUE: no key of a journal's. ERR_NOT_FOUND: the
 * folders have no file of a journal, and request->exported no checkpoint of one.
 */
MUST_USE int journal_verify(const struct verify_request *request, struct verify_result *ret_result);

/* ---- Leaf hashes in a file: the good copy ---- */

/* "gantry-leaves@v1\n<origin>\n<first index>\n", then base64 hashes, one a line. malloc'd. */
void leaves_write_head(struct writer *w, const char *origin, uint64_t first);
/* ERR_VALUE, ERR_TRUNCATED, ERR_LENGTH, ERR_NO_MEMORY. */
MUST_USE int leaves_read(struct span text, char ret_origin[NOTE_NAME_MOST + 1], uint64_t *ret_first,
	struct merkle_hash **ret_leaves, size_t *ret_n);

#endif
