/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_QUARANTINE_FILE_H
#define ARCHIVE_QUARANTINE_FILE_H

#include "archive/facts.h"
#include "audit/aead.h"

/*
 * An object in quarantine, as a file. All of it but the first 12 bytes is AES-256-GCM under a key of the object's own, which stands
 * in the file wrapped with the site's key:
 *
 *	"GTYQUAR" 0x01, u32 length of the sealed facts
 *	nonce (12), the wrapped key and its tag (48); the bytes before are authenticated with it
 *	two places for the state: nonce (12), state (QUARANTINE_STATE), tag
 *	the facts and their tag
 *	the data set in pieces of QUARANTINE_PIECE bytes, the last of them shorter or empty, each with its tag
 *
 * Facts, states and pieces have keys derived from the object's. A piece's nonce is its number, and it is authenticated with
 * whether it is the last, so that pieces that were left out, cut off, moved or brought from another file are found. The state
 * changes (how often the object came, who released it): the older place of the two is written, so that a torn write loses nothing.
 * An object that was released keeps state and facts, and none of its pieces.
 */
#define QUARANTINE_KEY    32
#define QUARANTINE_PIECE  (64u * 1024)
#define QUARANTINE_STATE  1024
#define QUARANTINE_HASH   32

#define QUARANTINE_PERSON 129

/* Who asked for a release, or approved it. */
struct quarantine_person {
	bool has;
	uint32_t uid;
	char name[QUARANTINE_PERSON];
	int64_t at_ms; /* wall */
};

/* All of an object that changes, and what is known only when it has come whole. */
struct quarantine_state {
	uint64_t sequence; /* the place with the higher one counts */
	uint64_t number;
	uint8_t same[QUARANTINE_HASH]; /* keyed hash of what makes it the same object */
	uint8_t sha256[32];            /* of the data set */
	uint64_t size;                 /* of the data set */
	int64_t first_ms, last_ms;     /* wall: when it came first, and last */
	uint64_t count;                /* how often it came, 1 and more */
	uint64_t last_refusal;         /* of the last time; 0: none */
	bool released;
	struct quarantine_person asked, approved; /* approved: set when delivering begins */
	int64_t ended_ms; /* of the last attempt to deliver, or of its beginning where it was cut short; 0: none */
	char outcome[257]; /* of it */
};

/* The state's wire form: QUARANTINE_STATE bytes, filled with zeros. ERR_VALUE: a text that is none, or a count of 0; ERR_SPACE. */
MUST_USE int quarantine_state_write(const struct quarantine_state *s, uint8_t ret_buf[QUARANTINE_STATE]);
/* ERR_TRUNCATED, ERR_TRAILING (not zeros), ERR_LENGTH, ERR_VALUE; *ret_state is untouched then. */
MUST_USE int quarantine_state_read(struct span bytes, struct quarantine_state *ret_state);

/* The file's beginning. */
#define QUARANTINE_HEAD (8 + 4 + AEAD_NONCE + QUARANTINE_KEY + AEAD_TAG)

struct quarantine_head {
	uint32_t facts;            /* length, sealed */
	struct span nonce, sealed; /* the wrapped key; borrowed */
};

/* ERR_TRUNCATED, ERR_TYPE (no such file), ERR_LENGTH (facts). */
MUST_USE int quarantine_head_read(struct span bytes, struct quarantine_head *ret_head);

/* Keys of one object. quarantine_file_done() wipes them. */
struct quarantine_keys {
	uint8_t facts[QUARANTINE_KEY], state[QUARANTINE_KEY], pieces[QUARANTINE_KEY];
};

/* An open file. */
struct quarantine_file {
	int fd; /* -1: none */
	struct quarantine_keys keys;
	uint64_t pieces; /* where they begin */
	uint64_t at;     /* being written: the next piece's number */
	unsigned place;  /* of the state that counts */
	uint32_t facts;  /* length, sealed */
};

#define QUARANTINE_FILE_NONE ((struct quarantine_file){.fd = -1})

/* What the site's key is used as; wiped with quarantine_site_done(). */
struct quarantine_site {
	uint8_t wrap[QUARANTINE_KEY], same[QUARANTINE_KEY];
};
MUST_USE int quarantine_site(const uint8_t key[QUARANTINE_KEY], struct quarantine_site *ret_site);
void quarantine_site_done(struct quarantine_site *s);

/*
 * Begin a file: head and facts into fd, which it takes in case of success. Until quarantine_file_state() it has no state, and
 * opens as nothing. ERR_SPACE (disk, quota, size limit), ERR_SYSTEM, and what facts_write() says.
 */
MUST_USE int quarantine_file_begin(const struct quarantine_site *site, int fd, const struct facts *facts,
	struct quarantine_file *ret_file);

/* The next piece; all but the last have QUARANTINE_PIECE bytes. ERR_SPACE, ERR_SYSTEM. */
MUST_USE int quarantine_file_piece(struct quarantine_file *f, struct span bytes, bool last);

/* Write the state with the next sequence (which it sets), and have the file on the disk. ERR_SPACE, ERR_SYSTEM, ERR_VALUE. */
MUST_USE int quarantine_file_state(struct quarantine_file *f, struct quarantine_state *s);

/*
 * Open one that is there; it takes fd in case of success. ERR_DENIED: not of this site's key, or changed; ERR_TRUNCATED,
 * ERR_TYPE, ERR_LENGTH, ERR_VALUE: damaged; ERR_SYSTEM. ret_facts may be NULL.
 */
MUST_USE int quarantine_file_open(const struct quarantine_site *site, int fd,
	struct quarantine_file *ret_file, struct quarantine_state *ret_state, struct facts *ret_facts);

/* The state that counts now, for who holds the folder's lock. The same errors. */
MUST_USE int quarantine_file_again(struct quarantine_file *f, struct quarantine_state *ret_state);

/*
 * Read piece n into buf, of QUARANTINE_PIECE bytes. ERR_DENIED: it was changed, cut off or moved; ERR_NOT_FOUND: there is none,
 * the object was released; ERR_SYSTEM.
 */
MUST_USE int quarantine_file_read(
	const struct quarantine_file *f, uint64_t n, uint8_t *buf, size_t *ret_len, bool *ret_last);

/* Drop the pieces. ERR_SYSTEM. */
MUST_USE int quarantine_file_empty(struct quarantine_file *f);

void quarantine_file_done(struct quarantine_file *f);

/* Use each algorithm once, so that the library has loaded all it opens: before a sandbox. */
void quarantine_prepare(void);

#endif
