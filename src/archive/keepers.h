/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_KEEPERS_H
#define ARCHIVE_KEEPERS_H

#include "archive/quarantine.h"
#include "priv/message.h"

/* The quarantine in the store role: a sandboxed child takes each object (archive/keeper.h), and the gate is told how it is. */

#define KEEPERS_MOST     128  /* at once */
#define KEEPERS_AGAIN_MS 5000 /* the folder is looked at again, as people release and delete */

struct keepers {
	int dir; /* -1: none was given */
	bool has_key;
	struct quarantine_site site;
	pid_t pids[KEEPERS_MOST];
	unsigned n;
	struct msg_quarantined now, told;
	bool has_told;
	uint64_t oldest; /* whose time now.oldest_ms is */
};

#define KEEPERS_NONE ((struct keepers){.dir = -1})

/* MSG_QUARANTINE. The descriptor is taken. */
void keepers_take(struct keepers *k, const struct message *m);

/*
 * MSG_KEEPING: fork a child that takes one object. close_others is called in it. The descriptor stays the caller's. True: there
 * is one child more.
 */
bool keepers_serve(struct keepers *k, const struct message *m, void (*close_others)(void *arg), void *arg);

/* A child of the role's has ended: true if it was one of these. */
bool keepers_ended(struct keepers *k, pid_t pid, int status);

/* Look at the folder, and tell the gate on its channel if something has changed. anew: it knows nothing yet. */
void keepers_tell(struct keepers *k, int channel, bool anew);

/* For a child that serves something else: the keys are none of its business. */
void keepers_forget(struct keepers *k);

#endif
