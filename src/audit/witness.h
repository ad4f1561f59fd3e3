/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_WITNESS_H
#define AUDIT_WITNESS_H

#include "audit/note.h"

/*
 * What is said to a witness, and what it answers (c2sp.org/tlog-witness, add-checkpoint, over plain HTTP: what is said is public,
 * and what is answered is signed). Bytes in, bytes out.
 */

struct witness_url {
	char host[256], path[512]; /* path: of add-checkpoint */
	uint16_t port;
};

/* "http://host[:port][/path]". ERR_VALUE: another scheme, or no host. */
MUST_USE int witness_url_read(const char *url, struct witness_url *ret_url);

/* What add-checkpoint takes, apart. Spans borrow. */
struct witness_submission {
	uint64_t old;      /* size that the proof begins with */
	struct span proof; /* lines */
	struct span note;  /* the checkpoint, signed */
	uint64_t size;     /* of the checkpoint */
	struct span text;  /* of the note */
};
/* ERR_VALUE, ERR_TRUNCATED: it is none. The proof is not looked at. */
MUST_USE int witness_submission_read(struct span bytes, struct witness_submission *ret);

/* The request, with `old` in place of the submission's; a proof from 0, or from its own size, is empty. ERR_SPACE. */
MUST_USE int witness_request(const struct witness_url *url, const struct witness_submission *s, uint64_t old,
	char *buf, size_t cap, size_t *ret_len);

#define WITNESS_ANSWER_MOST (16u * 1024)

enum witness_said {
	WITNESS_COSIGNED,
	WITNESS_CONFLICT, /* 409: its checkpoint of ours is of another size */
	WITNESS_REFUSED,  /* another status */
};

struct witness_answer {
	enum witness_said said;
	unsigned status;
	uint64_t size;     /* WITNESS_CONFLICT: of the checkpoint that it has; 0: none */
	struct span lines; /* WITNESS_COSIGNED: signature lines; borrowed */
};

/* A whole HTTP/1 response. ERR_TRUNCATED: the body is shorter than its length says; ERR_VALUE: no such response. */
MUST_USE int witness_answer_read(struct span bytes, struct witness_answer *ret_answer);

/*
 * The checkpoint with the witness's lines after its own, into buf. ERR_NOT_FOUND, ERR_DENIED: the key has not signed it;
 * ERR_VALUE: the lines are none; ERR_SPACE. *ret_time_s: when the witness says that it saw it.
 */
MUST_USE int witness_cosigned(struct span note, struct span lines, const struct note_key *key, char *buf,
	size_t cap, size_t *ret_len, uint64_t *ret_time_s);

#endif
