/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_INSPECT_JOB_H
#define CLI_INSPECT_JOB_H

#include "antivirus/clamd.h"
#include "inspect/inspect.h"
#include "priv/sandbox.h"

#include <sys/types.h>

/*
 * A file is looked at by a process of its own, in the sandbox, with an open file and a pipe and nothing else. It has so
 * many processor seconds, a deadline and little memory; when it dies, it dies alone, and that is a finding.
 */
struct inspect_job {
	pid_t pid;
	int fd; /* what it says; -1: it is over */
	size_t len;
	int64_t deadline_ms;        /* of the monotonic clock */
	unsigned seconds, patience; /* what it may take: of the processor, and by the clock */
	bool late;
	int unreadable; /* the file's bytes could not be had: an errno, and a finding says so; 0: they could */
	struct inspect said; /* the part that is to be read */
};

struct inspect_how {
	const struct sandbox *sandbox; /* SANDBOX_KEYS; with a virus scanner SANDBOX_SCAN */
	unsigned seconds;              /* of the processor, that it may take */
	unsigned patience;             /* and by the clock; 0: BOXED_PATIENCE times as many */
	const struct clamd *clamd;     /* the virus scanner; NULL: none is asked */
	uint64_t most;                 /* bytes of one file that it looks at */
};

/* file: open for reading, is not closed. ERR_SYSTEM. */
MUST_USE int inspect_job_start(struct inspect_job *j, const struct inspect_how *how, int file);

/* Read what it says, when its pipe can be read or its deadline is over. True: j->said is whole, and the process is gone. */
bool inspect_job_go_on(struct inspect_job *j, int64_t now_ms);

#endif
