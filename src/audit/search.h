/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SEARCH_H
#define AUDIT_SEARCH_H

#include "audit/event.h"
#include "audit/hpke.h"
#include "audit/journal.h"

/*
 * What a journal says of a patient, a node, a time: read with an auditor's private key.
 *
 * Where the epoch's KEY record holds the blind index's key, records without the right tokens are left out unread; where it
 * does not, every record is opened. Either way what is found was opened, and its event compared: a token alone finds
 * nothing. The records of one transfer (BEGIN, PROGRESS, TRANSFERRED, INTERRUPTED) are one hit.
 */

struct search_criteria {
	/* NULL or "": any. All are compared as audit/blind.h makes them the same. */
	const char *patient, *issuer, *name, *accession, *study, *user;
	const char *node, *address; /* of either end */
	/*
	 * Of either end. fingerprint (AUDIT_FINGERPRINT bytes, or NULL): that one certificate. Records of before fingerprints have its
	 * subject at most: they are of it as far as certificate, its subject, says so ("": it has none); NULL: that is not known.
	 * Without a fingerprint every certificate of that subject, exact, with that serial number (as audit_serial_set() makes it), of that
	 * issuer, exact; NULL: any. Records of before serial numbers do not say.
	 */
	const char *certificate, *serial, *certificate_issuer;
	const uint8_t *fingerprint;
	uint32_t kinds;                /* 1u << enum audit_kind; a transfer is AUDIT_BEGIN. 0: all */
	uint32_t outcomes;             /* 1u << enum audit_outcome; 0: all */
	uint64_t refusal, association; /* 0: any */
	/*
	 * Both inclusive. A transfer is of all times from its first record to its last, also where it has none of the time that is asked
	 * for; whatever else happened to it is looked for before and after.
	 */
	int64_t from_ms, until_ms;
	uint64_t first,
		end;    /* records [first, end) alone, whatever their order in time; 0, UINT64_MAX: all */
	bool open_all;  /* trust no token: open every record of such a kind */
	bool under_way; /* of [first, end): also transfers that had begun before record `first` and had not ended, if no record of it is of them */
};

/* All of a journal. */
#define SEARCH_ALL                                                                                           \
	{                                                                                                    \
		.from_ms = INT64_MIN, .until_ms = INT64_MAX, .end = UINT64_MAX                               \
	}

enum search_state {
	SEARCH_EVENT,   /* no transfer */
	SEARCH_RUNNING, /* the journal has no end of it */
	SEARCH_COMPLETE,
	SEARCH_PARTLY,      /* some instances, and not all */
	SEARCH_FAILED,      /* no instance was taken */
	SEARCH_REFUSED,     /* the same, and the gateway refused them */
	SEARCH_INTERRUPTED, /* the gateway ended; there may have been more */
};

/* "complete"; static. SEARCH_EVENT: "". */
const char *search_state_name(enum search_state state);

#define SEARCH_PARTS 3

struct search_hit {
	uint64_t index;          /* of its first record */
	int64_t time_ms, end_ms; /* by the records; the same where it is one */
	enum search_state state;
	enum audit_outcome outcome; /* the worst of its records */
	uint64_t refusal;
	uint64_t count, failed; /* instances that were passed on, and that were not */
	bool at_least;          /* there may have been more */
	bool by_subject; /* it has no fingerprint, and its certificate's subject is the one that is asked for */
	bool sealed_end; /* its last record could not be opened: counts are those of its clear head */
	const struct audit_event *event; /* the one that says most. Until the next hit is asked for */
	unsigned n_parts;                /* records, in order; without those of progress */
	uint64_t part[SEARCH_PARTS];
};

enum search_problem_kind {
	SEARCH_DAMAGED, /* records [first, end) cannot be read; end 0: nobody knows how many */
	SEARCH_GAP,     /* records [first, end) are not in these folders */
	SEARCH_NO_KEY, /* records among [first, end) are sealed under a key that is not there: record `key` */
	SEARCH_SHUT, /* the same, but the key is there and the auditor's key does not open it, though it is for it */
	SEARCH_UNSEALED, /* record `first` does not open with the key of its epoch, or holds no event */
	SEARCH_AWAY, /* record `first` goes on with a transfer that began in record `key`, which is not there */
};

struct search_problem {
	enum search_problem_kind kind;
	uint64_t first, end, key;
	uint64_t segment, offset; /* SEARCH_DAMAGED */
};

/* A sentence. */
void search_problem_text(const struct search_problem *p, char *buf, size_t cap);

struct search_totals {
	uint64_t read;        /* records in the scope */
	uint64_t first, last; /* the least and the greatest of them; meaningful if read > 0 */
	int64_t last_ms;      /* time of what was read last: for progress */
	uint64_t opened;      /* bodies */
	uint64_t closed, closed_first,
		closed_last; /* records that this key cannot open: they are for others */
	uint64_t unnamed, unnamed_first,
		unnamed_last; /* records that fit in all else, and do not say of which certificate they are */
	uint64_t epochs, closed_epochs; /* that were wanted and opened; that are not for this key */
	uint64_t problems;
	struct merkle_hash
		chain; /* over the leaves of the records in scope: SHA-256 of the one before and the leaf */
};

struct search;

/*
 * criteria, opener and dirs (journal_reader_open()) are borrowed until search_free(). problem may be NULL. ERR_VALUE: nothing
 * is left of a criterion's text when it is made the same; or as journal_reader_open().
 */
MUST_USE int search_open(const int *dirs, size_t n_dirs, const struct hpke_opener *opener,
	const struct search_criteria *criteria, void (*problem)(void *arg, const struct search_problem *p),
	void *arg, struct search **ret_search);
void search_free(struct search *s);

/*
 * 1: a hit, in the order of their first records, but for transfers that began before the scope. 0: that was all. ERR_AGAIN: go on
 * asking (a moment has passed: show progress). ERR_SYSTEM, ERR_NO_MEMORY: it cannot go on.
 */
MUST_USE int search_next(struct search *s, struct search_hit *ret_hit);

/*
 * The audit message of a part of the hit that was returned last, BODY_XML_MOST at most. ERR_MISSING: its record could not be
 * opened; or as body_read().
 */
MUST_USE int search_message(struct search *s, unsigned part, uint8_t *buf, size_t cap, size_t *ret_len);

const struct search_totals *search_totals(const struct search *s);

#endif
