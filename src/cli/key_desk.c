/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/key_desk.h"

#include "keys/token.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#define SEALED_MOST 1024 /* a key of 8192 bits */

struct request {
	uint32_t hash, len;
	uint8_t sealed[SEALED_MOST];
};

struct answer {
	int32_t err;
	uint32_t len;
	uint8_t plain[KEY_DESK_PLAIN]; /* or why it could not be opened */
};

static_assert(TOKEN_PLAIN_MOST == KEY_DESK_PLAIN, "one and the same");

/* Messages are whole, or none (SOCK_SEQPACKET). read() and write(), as sandboxes have them. */
static bool get(int fd, void *to, size_t size)
{
	ssize_t n;
	do {
		n = read(fd, to, size);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)size;
}

static bool give(int fd, const void *from, size_t size)
{
	ssize_t n;
	do {
		n = write(fd, from, size);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)size;
}

/* ---- The process ---- */

static _Noreturn void serve(const char *uri, int fd)
{
	static struct request q;
	struct answer a = {0};
	struct token_key *key = NULL;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	a.err = token_key_open(uri, SIGN_RSA, &key, (char *)a.plain, sizeof(a.plain));
	bool goes_on = give(fd, &a, sizeof(a)) && a.err == 0;
	while (goes_on && get(fd, &q, sizeof(q))) {
		size_t len = 0;
		a = (struct answer){.err = ERR_LENGTH};
		if (q.len <= sizeof(q.sealed)) {
			a.err = token_key_decrypt(key, span_of(q.sealed, q.len), q.hash, a.plain, &len);
			a.len = (uint32_t)len;
		}
		goes_on = give(fd, &a, sizeof(a));
		OPENSSL_cleanse(&a, sizeof(a));
	}
	token_key_free(key);
	_exit(0);
}

/* ---- Its clients ---- */

int key_desk_open(const char *uri, struct key_desk *ret_desk, char *why, size_t cap)
{
	int ends[2];
	struct answer a;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		snprintf(why, cap, "%s", strerror(errno));
		return ERR_SYSTEM;
	}
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		serve(uri, ends[1]);
	}
	close(ends[1]);
	struct key_desk d = {.fd = ends[0], .pid = pid};
	if (pid < 0 || !get(d.fd, &a, sizeof(a))) {
		snprintf(why, cap, "the process that opens the token has died");
		key_desk_close(&d);
		return ERR_SYSTEM;
	}
	if (a.err < 0) {
		a.plain[sizeof(a.plain) - 1] = '\0';
		snprintf(why, cap, "%s", (const char *)a.plain);
		key_desk_close(&d);
		return a.err;
	}
	*ret_desk = d;
	return 0;
}

int key_desk_ask(
	void *arg, struct span sealed, unsigned hash, uint8_t ret_plain[KEY_DESK_PLAIN], size_t *ret_len)
{
	const struct key_desk *d = arg;
	struct request q = {.hash = hash, .len = (uint32_t)sealed.len};
	struct answer a;
	if (sealed.len > sizeof(q.sealed)) {
		return ERR_DENIED;
	}
	memcpy(q.sealed, sealed.ptr, sealed.len);
	if (!give(d->fd, &q, sizeof(q)) || !get(d->fd, &a, sizeof(a))) {
		return ERR_SYSTEM;
	}
	if (a.err == 0 && a.len <= sizeof(a.plain)) {
		memcpy(ret_plain, a.plain, a.len);
		*ret_len = a.len;
	}
	int e = a.err < 0 ? a.err : a.len <= sizeof(a.plain) ? 0 : ERR_VALUE;
	OPENSSL_cleanse(&a, sizeof(a));
	return e;
}

void key_desk_close(struct key_desk *d)
{
	if (d->fd >= 0) {
		close(d->fd);
	}
	while (d->pid > 0 && waitpid(d->pid, NULL, 0) < 0 && errno == EINTR) {
	}
	*d = KEY_DESK_NONE;
}
