/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/keeper.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The quarantine: what an association says of an object and how it brings it, what the answer is, and a file of whoever can write
 * to the folder. The first byte chooses. What is behind a seal is also read as if the seal were right.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static const uint8_t key[QUARANTINE_KEY] = {3};

static void facts(struct span bytes)
{
	static struct facts f;
	static uint8_t again[FACTS_MOST];
	size_t n = 0;
	if (facts_read(bytes, &f) == 0) {
		must(facts_write(&f, again, sizeof(again), &n) == 0);
		/* Of the version before it comes back as the one of now. */
		must(bytes.ptr[0] == 1 ? n > bytes.len : span_eq(span_of(again, n), bytes));
	}
}

static void state(struct span bytes)
{
	static struct quarantine_state s, t;
	uint8_t again[QUARANTINE_STATE];
	if (quarantine_state_read(bytes, &s) == 0) {
		must(quarantine_state_write(&s, again) == 0);
		must(memcmp(again, bytes.ptr, bytes.len) == 0);
		must(quarantine_state_read(span_of(again, sizeof(again)), &t) == 0);
	}
}

static void answer(struct span bytes)
{
	struct keeper_answer a;
	uint8_t again[KEEPER_ANSWER];
	if (keeper_answer_read(bytes, &a) == 0) {
		must(bytes.len == KEEPER_ANSWER && keeper_answer_write(&a, again) == 0);
	}
}

static void file(struct span bytes)
{
	static struct facts f;
	static uint8_t piece[QUARANTINE_PIECE];
	struct quarantine_site site;
	struct quarantine_file open;
	struct quarantine_state s;
	struct quarantine_head head;
	size_t len = 0;
	bool last = false;
	int fd = memfd_create("quarantine", MFD_CLOEXEC);
	must(fd >= 0 && pwrite(fd, bytes.ptr, bytes.len, 0) == (ssize_t)bytes.len);
	must(quarantine_site(key, &site) == 0);
	(void)!quarantine_head_read(bytes, &head);
	if (quarantine_file_open(&site, fd, &open, &s, &f) != 0) {
		close(fd);
		return;
	}
	for (uint64_t i = 0; !last && quarantine_file_read(&open, i, piece, &len, &last) == 0; i++) {
		must(len <= sizeof(piece));
	}
	quarantine_file_done(&open);
}

/* A session, of a quarantine whose folder cannot be written. */
static void session(struct span bytes)
{
	static struct keeper_session s;
	static const struct msg_keeping known = {
		.association = 3, .refusal = 4, .from = "ct-1", .to = "archive", .calling = "CT1"};
	struct quarantine_site site;
	struct keeper_answer a;
	int pair[2];
	must(quarantine_site(key, &site) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	const struct quarantine q = {.dir = -1, .site = &site};
	if (send(pair[0], bytes.ptr, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)bytes.len &&
		shutdown(pair[0], SHUT_WR) == 0 && keeper_run(pair[1], &q, &known, &s) == 0) {
		uint8_t buf[KEEPER_ANSWER];
		must(s.answer.result == KEEPER_FAILED);
		must(s.facts.association == 3 && s.facts.refusal == 4);
		bool back = strcmp(s.facts.from, "archive") == 0 && strcmp(s.facts.to, "ct-1") == 0;
		must(back || (strcmp(s.facts.from, "ct-1") == 0 && strcmp(s.facts.to, "archive") == 0));
		must(recv(pair[0], buf, sizeof(buf), MSG_WAITALL) == (ssize_t)sizeof(buf));
		must(keeper_answer_read(span_of(buf, sizeof(buf)), &a) == 0);
	}
	close(pair[0]);
	close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const of[])(struct span bytes) = {facts, state, answer, file, session};
	if (size == 0) {
		return 0;
	}
	uint8_t *copy = malloc(size);
	must(copy != NULL);
	memcpy(copy, data, size);
	of[copy[0] % ARRAY_LEN(of)](span_of(copy + 1, size - 1));
	free(copy);
	return 0;
}
