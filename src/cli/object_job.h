/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OBJECT_JOB_H
#define CLI_OBJECT_JOB_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "priv/sandbox.h"

#include <stddef.h>

/*
 * A DICOM file is read by a process of its own, in a sandbox, with the file and nothing else: for verbs that look at
 * objects of others, and for the one that has a key in its hands meanwhile. What it finds it leaves in memory that both have.
 */
struct object_job {
	/* In the child, before its sandbox: NULL, or what still needs the rights of who runs the verb. 0, or the child ends. */
	int (*prepare)(void *arg, void *shared);
	/* In the sandbox. file: all of it; it lives as long as the child. */
	void (*work)(void *arg, struct span file, void *shared);
	void *arg;
	enum sandbox_kind sandbox;
	const struct sandbox
		*ready; /* for who starts many: that sandbox, made before; NULL: each makes its own */
	const struct sandbox_path *paths;
	unsigned n_paths;
};

/* For what the child finds; empty. NULL: no memory. */
void *object_job_memory(size_t size);
void object_job_free(void *shared, size_t size);

/* What OpenSSL and the C library's clock read files for. Each job does it; who starts many does it before them. */
void object_job_warm(void);

/*
 * file: open for reading; not closed. 0: work() has come to its end. ERR_DENIED: prepare() said no. ERR_SYSTEM: the process could not be
 * started, or died. ERR_LENGTH: the file is empty. ERR_TYPE: it is no plain file.
 */
MUST_USE int object_job_run(const struct object_job *job, int file, void *shared);

#endif
