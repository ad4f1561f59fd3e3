/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_AUDITOR_STATE_H
#define GATEWAY_AUDITOR_STATE_H

#include "audit/blind.h"
#include "audit/body.h"
#include "audit/event.h"
#include "audit/handover.h"
#include "audit/journal.h"
#include "audit/seal.h"
#include "audit/spool.h"
#include "audit/xml.h"
#include "gateway/audit_line.h"
#include "keys/link_audit.h"
#include "policy/site.h"
#include "priv/message.h"
#include "priv/sandbox.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The auditor: events in, records out. What came in one turn of its loop is one batch: its tokens are asked for in one
 * question to the key holder, its records are made durable by one commit, and then all who told are answered.
 * Shared by the auditor_ files.
 */

#define BATCH_MOST 64

/* Transfers that one association may have open here; an honest one has half of them. */
#define OPEN_MOST 32

/* Who tells. Of an association the gate says which it is, and it is believed nothing else of who its caller is. */
enum teller_kind { TELLER_SUPERVISOR, TELLER_GATE, TELLER_ASSOCIATION, TELLER_LINE /* see struct line */ };

struct teller {
	int fd; /* -1: gone, and to be freed after the batch */
	enum teller_kind kind;
	bool answers; /* it waits for each record */
	uint64_t association;
	uint64_t gate; /* which gate counts so: another one has an association of the same number */
	struct in6_addr ip;
	struct line *line; /* NULL: the channel is its own */
	uint64_t turn;     /* on it */
	struct teller *next;
};

/* A channel that associations have in turn: gateway/audit_line.h. */
struct line {
	struct teller
		channel; /* first: what epoll knows. kind TELLER_LINE, or 0: there is none; fd -1: broken */
	uint64_t turn;
	struct teller *teller; /* of this turn; NULL: has said nothing yet, or is gone */
	bool told;             /* it tells nothing more, if all is recorded */
	bool gone;             /* the gate says so of it */
	bool ended;            /* it had a teller, which is gone: of this turn nothing is taken any more */
};

/* Tokens of one event. */
struct tokens {
	unsigned n;
	struct journal_token at[JOURNAL_TOKENS_MOST];
};

/* A transfer that has begun. */
struct open_transfer {
	uint64_t record;       /* of its AUDIT_BEGIN */
	struct teller *teller; /* NULL: of before this process, and nobody has claimed it yet */
	bool has_event;        /* ev is known: it began in this process */
	bool ending;           /* by the batch under way */
	bool moved; /* it came from a channel that is gone: its teller may not know of its record */
	uint64_t association;
	uint32_t count, written; /* instances; in the last record of them */
	uint32_t durable;        /* in the last that was committed */
	int64_t written_ms;      /* monotonic */
	struct tokens tokens;
	struct audit_event ev; /* nearly last, as what is before it alone is cleared */
	struct open_transfer *next;
};

struct work {
	struct audit_event ev;
	struct teller *teller; /* NULL: the auditor itself */
	bool answer;
	struct open_transfer *of; /* that it goes on with or ends; NULL */
	bool has_index;           /* it was recorded before, in index: its answer was lost */
	int err;                  /* it alone cannot be recorded */
	bool again;               /* if it cannot be recorded, who made it makes it again */
	struct tokens tokens;
	uint64_t index;       /* of its record */
	uint8_t *query;       /* malloc'ed: ev.query borrows it */
	struct made *made[2]; /* malloc'ed, auditor_record.c */
};

/* Copies of checkpoints, by a process of its own. */
#define COPY_MOST (CHECKPOINT_MOST + NOTE_LINE_MOST + 2)
struct copier {
	struct teller channel;
	bool busy, late; /* it writes one; and that has been told of, as it does not end */
	int64_t since_ms;
	bool owed; /* the newest is not there, and is not being written */
	int64_t retry_ms;
	size_t len;
	uint8_t note[COPY_MOST]; /* the newest */
};

struct auditor {
	int epoll;
	struct teller supervisor, gate, cold; /* channels that live as long as we do */
	struct copier copy;
	struct teller *tellers, *gone;
	struct line lines[AUDIT_LINES];
	struct audit_line *line_table; /* NULL: none */
	uint64_t gates;                /* that there have been */
	struct site *site;
	struct link_audit keys; /* fd -1: none */
	int dir;                /* of the journal */
	struct journal *journal;
	struct seal *seal;
	uint8_t index_envelope[ENVELOPE_MOST];
	size_t index_envelope_len;
	bool has_index_envelope;
	uint64_t epoch; /* record of the epoch's key */
	bool epoch_new; /* it is in the batch under way */
	struct spool *spool;
	bool has_spool_key;
	int spool_dir;    /* -1: not open */
	int64_t spool_ms; /* monotonic: look whether its file is old */
	bool losing;      /* messages are lost, and the log has it */
	bool lost_in_batch, sent_in_batch;
	uint8_t spool_key[SPOOL_KEY_LEN];
	audit_xml_function *xml;
	struct body_packer *packer;
	struct audit_source source;
	char host[257];
	struct open_transfer *open;
	struct work batch[BATCH_MOST];
	unsigned n_batch;
	struct merkle_range checkpointed_range;
	int64_t checkpoint_ms;                 /* monotonic: the next one */
	int64_t unsigned_ms, unsigned_wall_ms; /* since when none could be signed; 0: one could */
	bool unsigned_told;                    /* and a record says so */
	int64_t claim_by_ms; /* monotonic: until when transfers of before may be claimed; 0: over */
	int64_t cold_ms;     /* monotonic: the next hand-over; INT64_MAX: one is under way */
	bool cold_owed;      /* what went has no record yet: cold_done */
	struct handover cold_done;
	bool stopping, failing; /* failing: the last commit failed */
	int64_t retry_ms;       /* monotonic: of what is our own to record, after a failure */
	struct journal_closed closed[TRANSFERS_CLOSED_MOST]; /* those that the process before ended last */
	size_t n_closed;
	uint64_t records, lost_in_spool;
	/* auditor_kept.c */
	struct kept *kept, *kept_last;
	unsigned n_kept;
	bool has_missed;
	uint64_t missed[AUDIT_KIND_COUNT]; /* since the last record that told of it */
	/* auditor_health.c */
	struct msg_journal health, told; /* as it is; as the gate knows it */
	int64_t tell_ms;                 /* monotonic: tell it no earlier */
	bool tell_again;                 /* then look whether there is something to tell */
	bool gap;                        /* records could not be made, and no record says so yet */
	int64_t gap_ms;                  /* monotonic: try to make it, or one that tells of what was missed */
	int64_t gap_from_ms, gap_to_ms;  /* wall; 0: it goes on */
	char gap_why[128];
};

/* auditor.c */
#define TAKE_A_TURN 16 /* events of one teller, before the others have their turn */
void teller_add(struct auditor *a, struct teller *t); /* of an association; ends the one that it had */
void teller_end(
	struct auditor *a, struct teller *t); /* it may still stand in this turn's events, and in the batch */
void teller_free_gone(struct auditor *a);     /* when it stands in neither any more */

/* auditor_line.c */
void line_message(struct auditor *a, const struct message *m); /* MSG_LINE; takes its descriptor */
void line_hear(struct auditor *a, struct line *l);
void line_settle(struct auditor *a);
void line_failed(const struct teller *t);                  /* something that it told is not recorded */
void line_gone(struct auditor *a, const struct teller *t); /* nobody has it any more */

/* auditor_batch.c */
/* Take an event into the batch, which is written when it is full. number: as of MSG_EVENT. */
void batch_take(struct auditor *a, struct teller *t, int64_t number, struct span bytes);
void batch_add(struct auditor *a, const struct audit_event *ev); /* of our own */
void batch_write(struct auditor *a);                             /* commit, and answer */

/* auditor_tokens.c: of all that is in the batch. What was asked for must be taken. */
MUST_USE int tokens_ask(struct auditor *a);
MUST_USE int tokens_take(struct auditor *a);
void tokens_forget(void); /* those that are remembered: the key may be another one */

/* auditor_record.c: one event's record into the journal and its message into the spool. */
/* Its messages and bodies, into w->made; w->err: what is wrong with it. */
void record_make(struct auditor *a, struct work *w);
/* Those into the journal and the spool; w->err as before. Other errors are nobody's fault, and concern all. */
MUST_USE int record_append(struct auditor *a, struct work *w);
void record_forget(struct work *w);
MUST_USE int record_progress(struct auditor *a, struct open_transfer *t, int64_t now_ms);
MUST_USE int record_key(struct auditor *a, int64_t time_ms); /* if the next record begins a segment */

/* auditor_open.c: transfers */
struct open_transfer *open_find(struct auditor *a, uint64_t record);
void open_recovered(struct auditor *a, const struct journal_recovered *r, int64_t now_ms);
void open_progress(struct auditor *a, struct teller *t, int64_t number, const struct audit_event *ev);
void open_check(struct auditor *a, int64_t now_ms); /* progress that is due, claims that did not come */
int64_t open_next_ms(const struct auditor *a);
/* With all that it has told and is not recorded yet, which is recorded now. */
void open_teller_moved(struct auditor *a, struct teller *from, struct teller *to);
/* The transfer that this AUDIT_BEGIN tells of again, as its answer went to a channel that is gone; NULL: it is a new one. */
struct open_transfer *open_told_again(
	struct auditor *a, const struct teller *t, const struct audit_event *ev);
unsigned open_count(const struct auditor *a, const struct teller *teller);
/* May it end that, or go on with it? Its own, or one of an association with its number that the process before had. */
bool open_may_claim(const struct open_transfer *t, const struct teller *teller);
void open_teller_gone(struct auditor *a, const struct teller *t);
void open_remove(struct auditor *a, struct open_transfer *t);
void open_settle(struct auditor *a, bool committed); /* of the batch */

/* auditor_spool.c: messages for repositories. One batch: begin, messages, prepare; the journal's commit; decide. */
void auditor_use_spool(struct auditor *a);  /* if it has none and there is somebody to send to */
void auditor_drop_spool(struct auditor *a); /* if there is nobody */
void send_begin(struct auditor *a);
bool send_wants(const struct auditor *a); /* is there anybody to send messages to? */
void send_message(struct auditor *a, int64_t time_ms, struct span xml);
void send_prepare(struct auditor *a);
void send_decide(struct auditor *a, bool recorded);
void send_forget(struct auditor *a); /* instead of prepare */
void send_check(struct auditor *a, int64_t now_ms);

/* auditor_checkpoint.c */
#define CARRIED_FILE "carried" /* in the spool: the size of the last checkpoint that was put there */
void checkpoint_check(struct auditor *a, int64_t now_ms, bool now);
void checkpoint_resume(struct auditor *a, uint64_t vouched); /* size of the last checkpoint; 0: none */
int64_t checkpoint_next_ms(const struct auditor *a);

/* auditor_worker.c: a process for what takes long, in a sandbox with those paths. work() gets its end of the channel. */
struct worker {
	const char *name, *event; /* of the process; of the log, when it cannot start */
	void (*work)(int fd, const struct audit_config *c);
	const struct sandbox_path *paths;
	unsigned n_paths;
};
MUST_USE int worker_start(
	struct auditor *a, const struct worker *w, int *ret_fd); /* before the sandbox, and before any key */

/* auditor_copy.c: checkpoints in `checkpoint-file` */
MUST_USE int copy_start(struct auditor *a); /* as worker_start() */
void copy_checkpoint(struct auditor *a, struct span note);
void copy_take(struct auditor *a); /* what the process says */
void copy_check(struct auditor *a, int64_t now_ms);
int64_t copy_next_ms(const struct auditor *a);
void copy_rest(struct auditor *a); /* at the end: wait a moment for the last */

/* auditor_kept.c: what could not be recorded */
#define KEPT_TELL_MS 1000
void kept_take(struct auditor *a);  /* of a batch that failed: what nobody tells again */
void kept_check(struct auditor *a); /* record what was kept, if that can be */
void kept_end(struct auditor *a);
void kept_missed(struct auditor *a, unsigned kind,
	uint64_t n); /* so many of a kind are not recorded, and never will be */
void kept_text(const struct auditor *a, char *buf, size_t cap); /* sentences, or "" */
void kept_told(struct auditor *a);                              /* they are in a record */

/* auditor_health.c: how it goes, for the gate, and records of gaps */
const char *health_why(int e);                                 /* what failed, for people */
void health_start(struct auditor *a, uint64_t vouched);        /* by the stored checkpoint */
void health_of_records(struct auditor *a, const char *why);    /* of a commit; NULL: good */
void health_of_checkpoint(struct auditor *a, const char *why); /* NULL: good */
void health_signed(struct auditor *a, uint64_t size);
void health_check(struct auditor *a, int64_t now_ms);
int64_t health_next_ms(const struct auditor *a);

/* auditor_cold.c */
MUST_USE int cold_start(struct auditor *a); /* as worker_start() */
void cold_take(struct auditor *a);
void cold_check(struct auditor *a, int64_t now_ms);

/* auditor_start.c */
MUST_USE int auditor_start(struct auditor *a); /* with the first site: opens the journal */
MUST_USE int auditor_use_site(struct auditor *a, struct site *fresh); /* takes it */

#endif
