/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_SUPERVISOR_STATE_H
#define GATEWAY_SUPERVISOR_STATE_H

#include "keys/pseudonym_key.h"
#include "policy/site.h"
#include "priv/message.h"
#include "priv/spawn.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the supervisor knows; shared by the supervisor files. */

#define SUPERVISOR_LISTENERS 64
#define SUPERVISOR_OLD       16 /* of each kind that may live on after another took its place */

struct bound {
	char address[64];
	uint16_t port;
	bool transparent;
	int fd; /* -1: none */
};

struct role_process {
	pid_t pid;          /* 0: not running */
	int channel;        /* -1 */
	int64_t restart_ms; /* when it may be started again; 0: at once */
	int64_t started_ms;
	unsigned failures; /* in a row; each doubles the wait */
	char mark
		[PSEUDONYM_MARK]; /* a key holder's that was waited for: of its key of pseudonyms; "": it has none */
};

#define UNTOLD_MOST 64

struct supervisor {
	const char *file;
	struct site *site;
	int site_fd;                              /* memfd of the site */
	struct bound bound[SUPERVISOR_LISTENERS]; /* as site->listeners */
	int exe, null, log, signals, ledger, control, state_dir;
	int once; /* the record of proofs that are good once; 0: none was made yet */
	char control_path[108], door_path[108];
	int door; /* listening socket of the local door */
	struct drop drop;
	struct role_process role[ROLE_COUNT];
	pid_t old_gates[SUPERVISOR_OLD]; /* process groups in which associations of dead gates may live on */
	pid_t old_keys[SUPERVISOR_OLD]; /* key holders of earlier sites, which live until nobody needs them */
	unsigned n_old_gates, n_old_keys;
	bool ready_once, stopping, killed;
	unsigned reloads; /* that the gate has not answered yet */
	bool trail_begun; /* the audit trail has the start, with the version */
	int exit_status;
	int64_t n_cut; /* associations, told by the gate, and those of earlier gates that roles_kill ended */
	int64_t kept_ms; /* when a reload was last refused, wall; 0: none since the site in use was taken */
	char kept[256];  /* why */
	char mark[PSEUDONYM_MARK]; /* of the key that pseudonyms were last made with; "": there was none */
	int64_t stop_deadline_ms, watchdog_ms, next_watchdog_ms;
	struct untold { /* events for the auditor, while it is away; malloc'ed */
		uint8_t *bytes;
		size_t len;
	} untold[UNTOLD_MOST];
	unsigned n_untold;
};

/* supervisor_site.c: from a file to what the roles get. All of them say in the log or on stderr what failed. */
MUST_USE int supervisor_load(const char *file, bool reload, char ret_first[256], struct site **ret_site);
MUST_USE int supervisor_bind(
	const struct site *s, const struct bound *old, unsigned n_old, struct bound *ret_bound);
void supervisor_unbind(struct bound *b, unsigned n, const struct bound *kept, unsigned n_kept);
MUST_USE int supervisor_log(const struct site *s, int *ret_fd);
MUST_USE int supervisor_state(const struct site *s, int *ret_dir, int *ret_ledger);
MUST_USE int supervisor_rotate(int state_dir, int *ret_ledger);
/* The local door: open to who started the gateway alone. */
MUST_USE int supervisor_door(const struct site *s, char ret_path[108], int *ret_fd);
MUST_USE int supervisor_control(const struct site *s, gid_t gid, char ret_path[108], int *ret_fd);
bool supervisor_needs_net_admin(const struct site *s);
/* What is wrong with a key, told with its place in gantry.yaml; at: an identity's index, or their number and one of enum keys_at. */
void supervisor_key_mistake(
	const struct site *s, unsigned at, const char *text, bool reload, char first[256]);

/* supervisor_roles.c: the processes. */
void roles_start_due(struct supervisor *v, int64_t now_ms); /* those that are wanted and may be started */
void roles_give_site(struct supervisor *v);                 /* the site, its listeners, go */
void roles_tell_lookup(struct supervisor *v);               /* the site */
void roles_give_log(struct supervisor *v);
void roles_give_kept(struct supervisor *v); /* that a reload was refused, if the last one was */
void roles_ended(struct supervisor *v, pid_t pid, int status);
void roles_say(struct supervisor *v, enum role_id r, const struct message *m);
void roles_say_gate(struct supervisor *v, const struct message *m);
void roles_stop(struct supervisor *v);
void roles_kill(struct supervisor *v);
int64_t roles_next_ms(const struct supervisor *v); /* INT64_MAX: nothing is due */

/*
 * supervisor_keys.c: the key holder. keys_open() starts one for a site and waits until it has its keys; one that has
 * not is a mistake of the configuration, which is said. *ret is not running where the site has no identity.
 */
MUST_USE int keys_open(struct supervisor *v, const struct site *s, int site_fd, bool reload, char first[256],
	struct role_process *ret);
MUST_USE int keys_begin(struct supervisor *v, const struct site *s, int site_fd, struct role_process *ret);
void keys_join(struct supervisor *v, bool next);
void keys_taken(struct supervisor *
		v); /* the role has the key holder of a site that was taken: says whether pseudonyms change */
void keys_retire(struct supervisor *v, struct role_process *p); /* it ends by itself when nobody needs it */
void keys_end(struct supervisor *v, struct role_process *p);    /* at once */
bool keys_is_old(struct supervisor *v, pid_t pid);              /* and forget it: it has ended */

/* supervisor_quarantine.c */
MUST_USE int quarantine_folder(
	const struct supervisor *v, const struct site *s); /* made, and given to the store */
void quarantine_give(struct supervisor *v);                /* folder and key */

/* supervisor_names.c: the same for the book of names. */
MUST_USE int names_folder(const struct supervisor *v, const struct site *s);
void names_give(struct supervisor *v);

/* supervisor_audit.c */
/*
 * Make a folder of a role's, and give it to what the roles are; that in which it lies must be there. ERR_SYSTEM, after it has said
 * why.
 */
MUST_USE int supervisor_folder(const struct supervisor *v, const char *path);
MUST_USE int audit_folders(
	const struct supervisor *v, const struct site *s); /* made, and given to the auditor */
void audit_give_site(struct supervisor *v, bool first);
void audit_join_keys(struct supervisor *v);
void audit_give_forwarder(struct supervisor *v); /* the spool, the site, go */
void audit_forwarder_keys(struct supervisor *v);
void audit_started(struct supervisor *v, bool reloaded);    /* or the trail was, by a reload */
void audit_reloaded(struct supervisor *v, const char *why); /* NULL: it was taken; else why not */
void audit_stopping(struct supervisor *v);
void audit_tell_kept(struct supervisor *v); /* what it was to hear while it was away */
void audit_role_died(struct supervisor *v, const char *role, int status);

/* supervisor_notify.c: sd_notify(3), without its library. Nothing happens where nobody asked to be told. */
void notify_say(const char *state);
int64_t notify_watchdog_ms(void); /* how often to say WATCHDOG=1; 0: never */

#endif
