/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SEARCH_PARTS_H
#define AUDIT_SEARCH_PARTS_H

#include "audit/blind.h"
#include "audit/body.h"
#include "audit/seal.h"
#include "audit/search.h"

/* Shared by the search_ files. */

/* ---- search_match.c ---- */

/* A criterion that has tokens. */
struct wanted {
	enum blind_kind kind;
	size_t len;
	uint8_t value[BLIND_VALUE_MOST];
};
#define WANTED_MOST 8

struct matcher {
	const struct search_criteria *criteria;
	unsigned n;
	struct wanted wanted[WANTED_MOST];
};

struct wanted_tokens {
	uint8_t at[WANTED_MOST][BLIND_TOKEN];
};

struct epoch;

MUST_USE int matcher_make(const struct search_criteria *c, struct matcher *ret_matcher); /* ERR_VALUE */
/* What the head says: kind and association. */
bool matcher_head(const struct matcher *m, const struct journal_record *r);
/* Is a certificate asked for, in whatever way? No token tells of it. */
bool matcher_certificate(const struct matcher *m);
/* The event itself. */
enum match {
	MATCH_NOT,
	MATCH_UNKNOWN,    /* all but its certificate, which it does not name */
	MATCH_BY_SUBJECT, /* the same, but the certificate's subject is the one that is asked for */
	MATCH_WHOLLY,
};
enum match matcher_event(const struct matcher *m, const struct audit_event *ev);
MUST_USE int matcher_tokens(
	const struct matcher *m, const uint8_t key[BLIND_KEY], struct wanted_tokens *ret_tokens);
/* Does the record have a token of each criterion that has tokens, or may it be of it without? */
bool matcher_has_tokens(const struct matcher *m, const struct epoch *epoch, const struct journal_record *r);

/* ---- search_keys.c: epochs ---- */

struct epoch {
	uint64_t index; /* JOURNAL_NONE: none */
	uint8_t *body;  /* of its KEY record; NULL: it is not there */
	size_t len;
	uint32_t rules; /* BLIND_RULES, as the KEY record has it */
	bool tried, tried_tokens;
	int error; /* of opening it: ERR_NOT_FOUND, it is for others; ERR_MISSING, its record is not there */
	struct seal_epoch *seal;
	bool has_tokens;
	struct wanted_tokens tokens;
	uint64_t used;
};
#define EPOCHS_KEPT 8

/* Epochs that were wanted last: as a rule the one that is being read, and that of an old transfer. */
struct epochs {
	const struct hpke_opener *opener;
	const struct matcher *matcher;
	uint64_t turn;
	struct epoch at[EPOCHS_KEPT];
	/* Most epochs have the index's key in the same envelope. */
	uint8_t envelope[ENVELOPE_MOST];
	size_t envelope_len;
	struct wanted_tokens tokens;
};

void epochs_init(struct epochs *e, const struct hpke_opener *opener, const struct matcher *m);
void epochs_done(struct epochs *e);
/* NULL: it is not kept. */
struct epoch *epochs_find(struct epochs *e, uint64_t index);
/* key: its KEY record; NULL where it is not to be had. ERR_NO_MEMORY. */
MUST_USE int epochs_add(
	struct epochs *e, uint64_t index, const struct journal_record *key, struct epoch **ret_epoch);
/* Here and below ERR_SYSTEM and ERR_NO_MEMORY alone; what else is wrong is in p. */
MUST_USE int epoch_tokens(struct epochs *e, struct epoch *p);
MUST_USE int epoch_open(struct epochs *e, struct epoch *p);

/* ---- A search ---- */

struct part {
	uint64_t index;
	uint8_t *body; /* NULL: it could not be opened */
	size_t len;
};

struct item {
	struct item *next;
	uint64_t index;
	int64_t time_ms, end_ms;
	bool transfer, ended, final, sealed_end;
	enum search_state state;
	uint8_t outcome;
	uint32_t count;
	unsigned n, best; /* best: the part whose event says most */
	struct part part[SEARCH_PARTS];
};

/* A transfer that has begun and has not ended. */
struct track {
	uint64_t begin;
	bool away;         /* its beginning is not there */
	struct item *item; /* NULL: it is not asked for */
};

struct search {
	const int *dirs;
	size_t n_dirs;
	struct search_criteria criteria;
	struct matcher matcher;
	struct epochs epochs;
	void (*problem)(void *arg, const struct search_problem *p);
	void *arg;
	struct journal_reader *reader, *tail;
	struct journal_reader *keys,
		*begins; /* records from elsewhere, each good until the next of its kind */
	bool done;
	struct item *queue, **queue_end, *current;
	uint64_t
		ending; /* transfer that the last record ended, if the next one does not go on with it; JOURNAL_NONE */
	struct track *tracks; /* ascending */
	size_t n_tracks, cap_tracks;
	bool unsealed; /* a record that this key should open does not open */
	bool damaged;
	struct search_problem damage; /* not yet told: how far it goes is not known */
	struct search_problem held;   /* the same, of a key that is not there; end 0: none */
	uint64_t next;                /* after the last that was read */
	struct search_totals totals;
	struct audit_event event, other;
	uint8_t body[BODY_MOST];
};

void search_tell(struct search *s, const struct search_problem *p);

/* search_look.c: opening records */
/* A record that is not where the pass is. ERR_NOT_FOUND. */
MUST_USE int search_fetch(
	struct search *s, struct journal_reader **reader, uint64_t index, struct journal_entry *ret_entry);
/*
 * 1: the record is one that is asked for, s->event is its event and s->body its body. 0: it is not, or cannot be known.
 * check: false to open it whatever is asked for.
 */
MUST_USE int search_look(struct search *s, const struct journal_entry *e, bool check, size_t *ret_len);
/* s->event, of record `index`, is one that is asked for. */
bool search_fits(struct search *s, uint64_t index);
/* ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int search_epoch(struct search *s, const struct journal_record *r, struct epoch **ret_epoch);
MUST_USE int search_key(struct search *s, const struct journal_entry *e);

/* search_transfer.c: records into items */
void item_free(struct item *i);
MUST_USE int search_take(struct search *s, const struct journal_entry *e);
/* Of a record after the scope: transfers of the scope alone. */
MUST_USE int search_take_tail(struct search *s, const struct journal_entry *e);
/* Transfers that were under way before the record that the reader was told to seek. */
MUST_USE int search_under_way(struct search *s, const struct journal_reader *r);
/* Nothing more will be said of the transfer that the last record ended. */
void search_settle(struct search *s);
/* Is there one that has not ended, or may be going on to? The first record of the first of them. */
bool search_waits(const struct search *s, uint64_t *ret_begin);

#endif
