/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/bookkeeper.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"
#include "priv/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MOST 1024
#define EXPIRE_MS    3600000
/* Who is left when the store has gone: a new one's child waits for the folder. */
#define REST_MS 10000

/* ---- A request ---- */

static int enter(struct namebook *book, struct reader *r, int64_t now_s)
{
	struct span entry;
	do {
		if (reader_bytes(r, NAMEBOOK_ENTRY, &entry) < 0) {
			return ERR_PEER;
		}
		int e = namebook_enter(book, entry.ptr, now_s);
		if (e < 0) {
			return e;
		}
	} while (reader_left(r) > 0);
	return 0;
}

static int find(const struct namebook *book, struct reader *r, struct writer *w)
{
	struct span token;
	unsigned n = 0;
	do {
		uint8_t sealed[NAMEBOOK_SEALED];
		if (n++ == BOOK_FIND_MOST || reader_bytes(r, NAMEBOOK_TOKEN, &token) < 0) {
			return ERR_PEER;
		}
		bool found = namebook_find(book, token.ptr, sealed);
		writer_u8(w, found);
		writer_bytes(w, sealed, found ? sizeof(sealed) : 0);
	} while (reader_left(r) > 0);
	return writer_end(w);
}

int book_answer(struct namebook *book, unsigned may, const uint8_t *request, size_t len, int64_t now_s,
	uint8_t answer[BOOK_MESSAGE], size_t *ret_len)
{
	struct reader r = reader_of(span_of(request, len));
	struct writer w = writer_of(answer, BOOK_MESSAGE);
	uint8_t version, what;
	if (reader_u8(&r, &version) < 0 || version != BOOK_VERSION || reader_u8(&r, &what) < 0) {
		return ERR_PEER;
	}
	bool enters = what == BOOK_ENTER && may & BOOK_MAY_ENTER,
	     finds = what == BOOK_FIND && may & BOOK_MAY_FIND;
	if (!enters && !finds) {
		return ERR_PEER;
	}
	writer_u8(&w, BOOK_VERSION);
	writer_u8(&w, 0);
	int e = enters ? enter(book, &r, now_s) : find(book, &r, &w);
	if (e == ERR_PEER) {
		return e;
	}
	answer[1] = (uint8_t)-e;
	*ret_len = e == 0 ? w.len : 2;
	return 0;
}

/* ---- The child ---- */

struct client {
	int fd;
	uint64_t association;
	unsigned may;
	size_t len; /* of its answer, which waits for the commit; 0: none */
};

struct work {
	int channel; /* to the store; -1: it has gone */
	struct namebook *book;
	struct client clients[CLIENTS_MOST];
	unsigned n;
	uint8_t (*answers)[BOOK_MESSAGE];
	bool failing; /* said once */
	int64_t expire_ms, until_ms;
};

static struct namebook_limits limits_of(int64_t number)
{
	return (struct namebook_limits){.most = BOOK_MIB(number) << 20, .keep_s = BOOK_DAYS(number) * 86400};
}

/* In the place of the one that its association had, so that whoever took one over cannot take all places. */
static void add_client(struct work *k, const struct message *m)
{
	const struct client fresh = {
		.fd = m->fd, .association = BOOKING_ASSOCIATION(m->number), .may = BOOKING_MAY(m->number)};
	unsigned i = 0;
	while (i < k->n && k->clients[i].association != fresh.association) {
		i++;
	}
	if (i == CLIENTS_MOST) {
		close(m->fd);
		return;
	}
	if (i < k->n) {
		close(k->clients[i].fd);
	}
	k->n += i == k->n;
	k->clients[i] = fresh;
}

static void take_channel(struct work *k)
{
	static struct message m;
	int e;
	while ((e = message_recv(k->channel, FROM_SUPERVISOR | FROM_GATE_STORE, &m)) == 0) {
		if (m.type == MSG_BOOKING) {
			add_client(k, &m);
			continue;
		}
		if (m.type == MSG_BOOK_FOLDER) {
			const struct namebook_limits l = limits_of(m.number);
			namebook_limit(k->book, &l);
		}
		close(m.fd);
	}
	if (e != ERR_AGAIN) {
		close(k->channel);
		k->channel = -1;
		k->until_ms = clock_mono_ms() + REST_MS;
	}
}

/* One request of it. False: the channel is of no more use. */
static bool take_client(struct work *k, unsigned i, int64_t now_s)
{
	static uint8_t request[BOOK_MESSAGE];
	struct client *c = &k->clients[i];
	struct iovec part = {request, sizeof(request)};
	struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n = recvmsg(c->fd, &h, MSG_DONTWAIT);
	if (n <= 0 || h.msg_flags & MSG_TRUNC) {
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	}
	return book_answer(k->book, c->may, request, (size_t)n, now_s, k->answers[i], &c->len) == 0;
}

static void tell_failure(struct work *k, bool fails, const char *why)
{
	if (fails && !k->failing) {
		log_event(LOG_LEVEL_ERROR, "names.failed",
			"The book of names cannot be written: objects are not de-identified meanwhile, and not passed on.",
			LOG_TEXT("error", why));
	} else if (!fails && k->failing) {
		log_say(LOG_LEVEL_NOTICE, "names.again", "the book of names can be written again");
	}
	k->failing = fails;
}

/* Answers leave when what they answer is on the disk. */
static void answer_all(struct work *k)
{
	int e = namebook_commit(k->book);
	bool some = false, failed = e < 0;
	const char *why = strerror(errno);
	for (unsigned i = k->n; i > 0; i--) {
		struct client *c = &k->clients[i - 1];
		uint8_t *answer = k->answers[i - 1];
		if (c->len == 0) {
			continue;
		}
		if (e < 0) {
			answer[1] = (uint8_t)-e;
			c->len = 2;
		}
		some = true;
		failed = failed || answer[1] != 0;
		(void)send(c->fd, answer, c->len, MSG_NOSIGNAL | MSG_DONTWAIT); /* who asks waits for it */
		c->len = 0;
	}
	if (some) {
		tell_failure(k, failed, why);
	}
}

static void turn(struct work *k, const struct pollfd *fds, unsigned n)
{
	int64_t now_s = clock_wall_ms() / 1000;
	bool gone[CLIENTS_MOST] = {false};
	for (unsigned i = 0; i < n; i++) {
		gone[i] = fds[i].revents && !take_client(k, i, now_s);
	}
	answer_all(k);
	/* From the last on: what goes is replaced by one that was looked at. */
	for (unsigned i = n; i > 0; i--) {
		if (gone[i - 1]) {
			close(k->clients[i - 1].fd);
			k->clients[i - 1] = k->clients[--k->n];
		}
	}
}

static void serve(struct work *k)
{
	static struct pollfd fds[CLIENTS_MOST + 1];
	while (k->channel >= 0 || (k->n > 0 && clock_mono_ms() < k->until_ms)) {
		unsigned n = k->n;
		for (unsigned i = 0; i < n; i++) {
			fds[i] = (struct pollfd){.fd = k->clients[i].fd, .events = POLLIN};
		}
		fds[n] = (struct pollfd){.fd = k->channel, .events = POLLIN};
		if (poll(fds, n + 1, k->channel < 0 ? 1000 : EXPIRE_MS) < 0 && errno != EINTR) {
			return;
		}
		turn(k, fds, n);
		if (k->channel >= 0 && fds[n].revents) {
			take_channel(k);
		}
		if (clock_mono_ms() >= k->expire_ms) {
			namebook_expire(k->book, clock_wall_ms() / 1000);
			k->expire_ms = clock_mono_ms() + EXPIRE_MS;
		}
	}
}

static void tell_found(const struct namebook_found *f)
{
	if (f->damaged > 0) {
		log_event(LOG_LEVEL_ERROR, "names.damaged",
			"The book of names is damaged: what these records said of old names is lost.",
			LOG_NUMBER("records", (int64_t)f->damaged));
	}
	log_event(LOG_LEVEL_INFO, "names.ready", "The book of names is open.",
		LOG_NUMBER("names", (int64_t)f->names), LOG_NUMBER("torn", (int64_t)f->torn));
}

static int begin(struct work *k, const struct bookkeeper *b)
{
	char folder[32];
	struct sandbox *sandbox;
	struct namebook_found found;
	const struct namebook_limits limits = limits_of(b->limits);
	sigset_t none;
	sigemptyset(&none);
	(void)prctl(PR_SET_NAME, "gantry: names");
	(void)signal(SIGTERM, SIG_IGN); /* it ends when its clients have */
	(void)signal(SIGXFSZ, SIG_IGN);
	/* By its descriptor: the folders above it may be closed to us. */
	snprintf(folder, sizeof(folder), "/proc/self/fd/%d", b->dir);
	int e = sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? ERR_SYSTEM : 0;
	e = e == 0 ? sandbox_new(SANDBOX_STORE, &(struct sandbox_path){.path = folder, .write = true}, 1,
			     &sandbox)
	           : e;
	e = e == 0 ? sandbox_load(sandbox) : e;
	e = e == 0 && flock(b->dir, LOCK_EX) < 0 ? ERR_SYSTEM : e;
	e = e == 0 ? namebook_open(b->dir, &limits, clock_wall_ms() / 1000, &k->book, &found) : e;
	k->answers = calloc(CLIENTS_MOST, sizeof(*k->answers));
	e = e == 0 && !k->answers ? ERR_NO_MEMORY : e;
	if (e == 0) {
		tell_found(&found);
	}
	return e;
}

static void child_main(const struct bookkeeper *b, int channel) __attribute__((noreturn));
static void child_main(const struct bookkeeper *b, int channel)
{
	static struct work k;
	k.channel = channel;
	int e = begin(&k, b);
	if (e < 0) {
		log_say(LOG_LEVEL_ERROR, "names.failed", "the book of names cannot be opened: %s",
			e == ERR_SYSTEM ? strerror(errno) : err_str(e));
		_exit(1);
	}
	serve(&k);
	_exit(0);
}

/* ---- The role ---- */

void bookkeeper_take(struct bookkeeper *b, const struct message *m)
{
	if (b->channel >= 0) {
		(void)!message_send(b->channel, m); /* its limits may have changed */
	}
	if (b->dir >= 0) {
		close(b->dir);
	}
	b->dir = m->fd;
	b->limits = m->number;
}

static int begin_child(struct bookkeeper *b, void (*close_others)(void *arg), void *arg)
{
	int pair[2];
	if (b->dir < 0) {
		return ERR_MISSING;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		return ERR_SYSTEM;
	}
	pid_t pid = fork();
	if (pid == 0) {
		const struct bookkeeper own = *b;
		b->dir = -1; /* what is forgotten is not closed */
		close(pair[0]);
		close_others(arg);
		child_main(&own, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return ERR_SYSTEM;
	}
	b->pid = pid;
	b->channel = pair[0];
	return 0;
}

void bookkeeper_serve(
	struct bookkeeper *b, const struct message *m, void (*close_others)(void *arg), void *arg)
{
	int e = b->channel < 0 ? begin_child(b, close_others, arg) : 0;
	e = e == 0 ? message_send(b->channel, m) : e;
	if (e < 0) {
		log_event(LOG_LEVEL_ERROR, "names.failed", "The book of names is not served.",
			LOG_TEXT("error", e == ERR_SYSTEM ? strerror(errno) : err_str(e)));
	}
}

bool bookkeeper_ended(struct bookkeeper *b, pid_t pid)
{
	if (pid != b->pid) {
		return false;
	}
	b->pid = 0;
	if (b->channel >= 0) {
		close(b->channel);
	}
	b->channel = -1;
	return true;
}

void bookkeeper_forget(struct bookkeeper *b)
{
	if (b->channel >= 0) {
		close(b->channel);
	}
	if (b->dir >= 0) {
		close(b->dir);
	}
	*b = BOOKKEEPER_NONE;
}
