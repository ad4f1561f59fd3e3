/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_LOOKUP_STATE_H
#define GATEWAY_LOOKUP_STATE_H

#include "base/attr.h"
#include "gateway/once.h"
#include "keys/ocsp.h"
#include "pixels/cleaner.h"
#include "pixels/codec.h"
#include "policy/site.h"
#include "priv/message.h"
#include "users/users.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The lookup: a parent that reads no byte of the network, and a job for each question, which does: a forked child in a
 * sandbox, with a deadline, that sends one message and ends. Shared by the lookup_ files.
 */

#define JOBS_MOST          (24 + JOBS_MOST_SCAN + JOBS_MOST_CLEAN)
#define JOBS_MOST_SCAN     96 /* a job lasts as long as its object is on its way */
#define JOBS_MOST_CLEAN    2  /* each may take CLEAN_JOB_MEMORY, and twice LIMIT_CLEANED */
#define JOBS_MOST_STANDING 12 /* so that host names have room beside them */

/* One way to prove a user, and what its job is given: it sees these files and no other, and is as alone as it can be. */
struct proof_kind {
	uint8_t type;   /* PS3.7 D.3.3.7.1 */
	size_t needs;   /* offset of a `const char *` in struct users: configured if it is there */
	unsigned files; /* a bit each, by enum user_file */
	bool network;   /* its job may ask servers */
	prove_function *prove;
	const char *module, *function; /* where prove is NULL: base/module.h */
};

enum job_kind {
	JOB_FREE,
	JOB_RESOLVE,
	JOB_STANDING,
	JOB_STAPLE,
	JOB_LIST,
	JOB_USER,
	JOB_SCAN,
	JOB_PROBE,
	JOB_CLEAN
};

struct job {
	enum job_kind kind;
	pid_t pid;
	int fd;
	int64_t deadline_ms;
	uint16_t node; /* JOB_CLEAN: of whom */
	int64_t id;    /* JOB_SCAN, JOB_CLEAN: who asked; JOB_USER: who asked, */
	uint8_t *
		who; /* and with what, where another kind may have to be asked: owned, and wiped; NULL: not */
	size_t who_len;
	const struct proof_kind *proof;
	unsigned index; /* of the entry, list or identity; */
	uint32_t site;  /* the site's number when it began: an answer for an older one is dropped */
	char host[256]; /* JOB_RESOLVE */
};

/*
 * A chain that was asked about. What is said of it is said of these very certificates: whoever asks with others above the
 * same one, as a process that was taken over may, changes nothing for the rest.
 */
#define ENTRIES_MOST 1024
struct entry {
	uint8_t key[32]; /* SHA-256 of the chain */
	uint8_t *chain;
	size_t len;
	uint8_t *staple; /* what the peer itself has shown of it, for the next job; NULL */
	size_t staple_len;
	struct standing said; /* of the last job that had an answer */
	int64_t again_ms;     /* ask again then; 0: nothing is known yet */
	bool due, asking;
	int64_t *waiting; /* who is owed an answer */
	unsigned n_waiting, cap_waiting;
	uint64_t used;
};

/* A revocation list of a URL. */
struct fetched {
	const char *url; /* the site's */
	int fd;          /* memfd; -1: none yet */
	int64_t next_ms; /* fetch again then */
	bool asking, failing;
};

/* One of our certificates, whose standing is shown to callers. */
struct own {
	int64_t next_ms;
	int64_t until_s; /* of what the gate has; 0: nothing */
	bool asking, failing;
};

/* An object that waits for a job. */
#define SCANS_WAITING  256
#define CLEANS_WAITING 256
struct waiting_object {
	int fd;
	int64_t id; /* who asked */
	/* Whose pixels are to be cleaned: */
	uint16_t node;      /* of whom */
	bool codec;         /* by others' decoders */
	bool video;         /* … of videos too */
	uint64_t node_turn; /* when its node has its turn; the same for all of one */
	uint64_t turn;      /* and when, among those of its node; 0: after another of its association */
};

/* The virus scanner. */
struct scanning {
	bool known;                /* it was tried since it was last found away; until then objects wait */
	bool probing, changed;     /* changed: the gate is to be told */
	struct msg_antivirus said; /* of it */
	int64_t probe_ms, probed_ms, long_ms,
		told_ms; /* when to try it next; when it was; by halves; the gate */
	struct waiting_object waiting[SCANS_WAITING];
	unsigned n_waiting;
};

/*
 * Objects whose pixels are cleaned. A job's address space, of GDCM, which holds a frame several times over, and OpenJPEG, which has
 * 32 bits for each sample; the file and its result are in memory beside it, each at most LIMIT_CLEANED.
 */
#define CLEAN_JOB_MEMORY (3ull << 30)
struct clean_job {
	int fd;                    /* the object's stream */
	int file, result;          /* memory without a name */
	bool decodes;              /* the module is needed: its pixels are encoded, otherwise than by RLE */
	bool is_video;             /* so is the other */
	const struct codec *codec; /* NULL: there is none; where it is needed, */
	const struct video_codec *video;
	char why[CLEANER_TEXT]; /* for this reason */
};

struct cleaning {
	const char *module;                            /* that decodes; NULL: CODEC_MODULE */
	const char *video;                             /* that decodes videos; NULL: VIDEO_MODULE */
	struct waiting_object waiting[CLEANS_WAITING]; /* as they came */
	unsigned n_waiting;
	uint64_t turns;       /* that were given */
	struct clean_job job; /* of who is being forked: its stream, the module; in the child the rest */
};

struct lookup {
	int gate;                /* -1 */
	struct sandbox *sandbox; /* of a job that uses the network */
	struct sandbox *proof_sandbox,
		*module_sandbox; /* of one that proves a user: by our code alone, by others'; and cleans pixels */
	struct sandbox *scan_sandbox; /* of one that shows clamd an object */
	struct site *site;            /* NULL: none, or none that asks */
	uint32_t number;              /* of the site */
	struct job jobs[JOBS_MOST];
	struct entry *entries[ENTRIES_MOST];
	unsigned n_entries;
	uint64_t tick;
	struct fetched *lists;
	unsigned n_lists;
	struct own *own;
	int files[USER_FILES]; /* memfds; 0: none */
	struct once
		*once;   /* what was proved by something that is good once; NULL: none, and nothing can be */
	int64_t since_s; /* its beginning: jobs have no other part of it */
	struct span *trust; /* of the site, for crl_list_new() */
	struct scanning scanning;
	struct cleaning cleaning;
};

/*
 * lookup.c. A free job's slot, forked; *ret_child in the child, in its sandbox. proof: of JOB_USER; NULL otherwise.
 * ERR_LIMIT, ERR_SYSTEM.
 */
MUST_USE int job_fork(struct lookup *l, enum job_kind kind, const struct proof_kind *proof, int64_t wait_ms,
	struct job **ret_job, bool *ret_child);
unsigned jobs_of(const struct lookup *l, enum job_kind kind);
void lookup_tell_gate(struct lookup *l, const struct message *m);

/* lookup_jobs.c: in the child. What is found goes into *reply. */
void job_resolve(const char *host, struct message *reply);
void job_standing(const struct lookup *l, struct span chain, struct span staple, struct message *reply);
void job_staple(const struct lookup *l, unsigned identity, struct message *reply);
void job_list(const struct lookup *l, unsigned list, struct message *reply);

/* lookup_user.c: in the parent. */
void user_asked(struct lookup *l, const struct message *m);
void user_answered(struct lookup *l, const struct job *j, const struct message *m); /* m NULL: it failed */
void user_file(struct lookup *l, int64_t which, int fd);                            /* takes it */
void user_forget(struct job *j);                          /* with what it was asked */
void user_before_sandbox(const struct proof_kind *proof); /* in the job */

/* lookup_scan.c: in the parent. */
void scan_site(struct lookup *l);                                                   /* there is a new one */
void scan_asked(struct lookup *l, const struct message *m);                         /* takes the descriptor */
void scan_answered(struct lookup *l, const struct job *j, const struct message *m); /* m NULL: it failed */
int64_t scan_start_due(struct lookup *l, int64_t now_ms); /* as standing_start_due() */
void scan_before_sandbox(struct lookup *l);               /* in a job: what waits is others' */

/* lookup_clean.c: in the parent. */
void clean_asked(struct lookup *l, const struct message *m); /* takes the descriptor */
void clean_ended(const struct job *j, int status);           /* as of waitpid() */
void clean_start(struct lookup *l);                          /* what waits, as far as it may */
/* Of those that wait, at least one: whose turn it is. */
struct waiting_object clean_take_next(struct lookup *l);
void clean_before_sandbox(struct lookup *l, bool ours, int channel); /* in a job, of this kind or another */

/* clean_job.c: in the child, with all that it needs open. Its exit status. */
int job_clean(const struct clean_job *j);

/* scan_job.c: in the child. */
void job_scan(
	const struct antivirus_config *config, uint64_t most, bool patient, int fd, struct message *reply);
void job_probe(const struct antivirus_config *config, bool at_length, struct message *reply);

/* lookup_standing.c: in the parent. */
void standing_site(struct lookup *l, struct site *fresh); /* takes it */
void standing_asked(struct lookup *l, const struct message *m);
void standing_answered(
	struct lookup *l, const struct job *j, const struct message *m); /* m NULL: it failed */
int64_t standing_start_due(
	struct lookup *l, int64_t now_ms);   /* when to be called again, INT64_MAX: no need */
void standing_forget_gate(struct lookup *l); /* a new gate has other numbers */

#endif
