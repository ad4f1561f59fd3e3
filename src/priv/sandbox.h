/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRIV_SANDBOX_H
#define PRIV_SANDBOX_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>

/*
 * What a process may do once it is what it is. seccomp is the floor, on every kernel; Landlock (no file at all, or only
 * the ones named) where the kernel has it. A process that calls what its list does not have is killed and its death
 * is seen as SIGSYS; the lookup, its jobs with code of others, the forwarder and a key holder with a token get EPERM instead, but
 * for starting programs and touching other processes they are killed too.
 *
 * SANDBOX_ASSOCIATION  reads and writes what it has, takes descriptors from the gate, memory without PROT_EXEC, clocks,
 *                      random numbers, a few TCP options. No open, socket, connect, fork, exec, kill.
 * SANDBOX_GATE         also sockets, accept, connect, fork, wait, kill, epoll. No file can be opened, nothing exec'ed.
 * SANDBOX_LOOKUP       forks jobs, takes what they send, ends them; and all that they may do, as they inherit it.
 * SANDBOX_JOB          opens files for reading, datagram and stream sockets, memory to send; no listening, no fork, no exec.
 * SANDBOX_KEYS         reads and writes the channels that it has and is passed. Nothing else: it has its keys already. Also
 *                      for a job that proves a user by what it has been given, and for one that looks into a file.
 * SANDBOX_COPY         as SANDBOX_KEYS, and has the kernel copy between the files that it has and is passed.
 * SANDBOX_PROOF        the same for a job that proves a user by libraries of others: what they try beyond it fails.
 * SANDBOX_SCAN         as SANDBOX_KEYS, and connects to UNIX sockets: a job that shows clamd an object.
 * SANDBOX_TOKEN        as SANDBOX_KEYS for a key holder whose keys are on a token: its module may also read, write and lock files
 *                      (Landlock says which), speak to a UNIX socket, and start threads.
 * SANDBOX_FORWARD      the lookup's and its jobs', as it forks a process for each repository, that resolves and calls it; and
 *                      writes, renames and unlinks files, of its spool alone.
 * SANDBOX_COURIER      that process's own, which the forwarder's, inherited, contains: no fork, no wait, no kill, no unlink.
 * SANDBOX_STORE        opens, renames, syncs and unlinks files under its folders; no socket but what it is passed.
 */
enum sandbox_kind {
	SANDBOX_ASSOCIATION,
	SANDBOX_GATE,
	SANDBOX_LOOKUP,
	SANDBOX_JOB,
	SANDBOX_STORE,
	SANDBOX_KEYS,
	SANDBOX_PROOF,
	SANDBOX_TOKEN,
	SANDBOX_FORWARD,
	SANDBOX_COURIER,
	SANDBOX_SCAN,
	SANDBOX_COPY,
};

/* A path below which files may be read, or also written, made and removed. */
struct sandbox_path {
	const char *path;
	bool write;
};

/* Filter and rules made ready, so that a fresh process loads them with a handful of system calls. */
struct sandbox;

/* Paths that do not exist are left out. ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int sandbox_new(
	enum sandbox_kind kind, const struct sandbox_path *paths, unsigned n, struct sandbox **ret_sandbox);
void sandbox_free(struct sandbox *s);

/* The descriptor that must stay open until sandbox_load, which closes it; -1: none (no Landlock). */
int sandbox_fd(const struct sandbox *s);

/* Enter, for good: limits, no new privileges, not dumpable, Landlock, seccomp. ERR_SYSTEM. */
MUST_USE int sandbox_load(const struct sandbox *s);

/* Landlock's version in this kernel, 0 where there is none. For the log. */
int sandbox_landlock(void);

#endif
