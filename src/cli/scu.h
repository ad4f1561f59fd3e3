/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SCU_H
#define CLI_SCU_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A storage SCU (PS3.4 Annex B) over a stream that is open already: objects as they are, in their own transfer syntaxes. */

struct scu_object {
	const char *sop_class, *sop_instance, *transfer_syntax; /* UIDs */
	int fd;                                                 /* its data set stands here, */
	uint64_t at, len; /* in these bytes; or, where it is not NULL, */
	/* read() gives n bytes of it from an offset on. Not 0: they cannot be read. */
	int (*read)(void *arg, uint64_t at, void *buf, size_t n);
	void *arg;
};

/*
 * What became of the object of that index, in their order. status: of the C-STORE response (PS3.7 C.5, PS3.4 B.2.3), with its
 * Error Comment or ""; or a negative enum err and a sentence: it was not sent, or nobody knows whether it was taken.
 */
typedef void scu_told(void *arg, size_t index, int status, const char *comment);

/* Does the node have it by this? PS3.7 C.1: success or a warning; "canceled" and "pending" are no answers to a C-STORE. */
bool scu_is_taken(int status);

/* A fresh stream to the other end, which is closed when its association is over. Not 0: there is none. */
typedef int scu_open(void *arg, int *ret_fd);

/*
 * Send them, in as many associations as their presentation contexts need; after one that was lost the rest goes in another,
 * until three in a row have brought nothing there. What is no UID fails alone (ERR_VALUE), and so does what the node does not
 * take (ERR_UNSUPPORTED). Blocks. Returns how many were taken, with success or with a warning. SIGPIPE must be ignored.
 */
size_t scu_store(scu_open *open, void *arg, const char *calling, const char *called,
	const struct scu_object *objects, size_t n, scu_told *told);

/* For a signal's handler: when the object that is on its way has its answer, no other is sent, and told() says so of the rest. */
void scu_stop(void);

#endif
