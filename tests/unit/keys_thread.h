/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_THREAD_H
#define KEYS_THREAD_H

#include "base/clock.h"
#include "keys/ca.h"
#include "keys/holder.h"
#include "keys/link.h"
#include "keys/private.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* The key holder of a test: a thread at the other end of link.h, where a running gateway has a process. */

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	int own, other;
	struct holder *holder;
	struct holder_client client;
	const char *keys[64]; /* by number, the PEM that each came from */
	unsigned n;
} held_here = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline void *held_serve(void *unused)
{
	static uint8_t request[HOLDER_REQUEST_MOST], answer[HOLDER_ANSWER_MOST];
	ssize_t n;
	(void)unused;
	while ((n = recv(held_here.other, request, sizeof(request), 0)) > 0) {
		size_t len = 0;
		pthread_mutex_lock(&held_here.lock);
		/* One channel serves a whole test here, and is not to run out of signatures and handshakes. */
		held_here.client.signs.used = 0;
		held_here.client.served = held_here.client.found = false;
		int e = holder_answer(held_here.holder, &held_here.client, span_of(request, (size_t)n),
			clock_mono_ms(), answer, &len);
		pthread_mutex_unlock(&held_here.lock);
		if (e < 0 || (len > 0 && send(held_here.other, answer, len, 0) < 0)) {
			break;
		}
	}
	return NULL;
}

static inline void held_start(void)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	held_here.own = pair[0];
	held_here.other = pair[1];
	held_here.holder = holder_new();
	assert_non_null(held_here.holder);
	assert_int_equal(pthread_create(&held_here.thread, NULL, held_serve, NULL), 0);
	link_use(held_here.own, 10000);
}

static inline void held_stop(void)
{
	link_use(-1, 0);
	close(held_here.own);
	pthread_join(held_here.thread, NULL);
	close(held_here.other);
	holder_free(held_here.holder);
	held_here.holder = NULL;
	held_here.n = 0;
}

static inline struct private_key *held_open(struct span key_pem, struct span certificate_pem)
{
	char path[] = "/tmp/gantry-key-XXXXXX", why[512];
	struct private_key *key = NULL;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, key_pem.ptr, key_pem.len), (ssize_t)key_pem.len);
	close(fd);
	int e = private_key_open(path, certificate_pem, &key, why, sizeof(why));
	unlink(path);
	if (e < 0) {
		fail_msg("%s", why);
	}
	return key;
}

/* The number of the pair's key, which is taken when it is new. */
static inline unsigned held_number(const struct ca_pair *pair)
{
	for (unsigned i = 0; i < held_here.n; i++) {
		if (held_here.keys[i] == pair->key_pem) {
			return i;
		}
	}
	struct private_key *key = held_open(ca_private_key(pair), ca_certificate(pair));
	pthread_mutex_lock(&held_here.lock);
	assert_int_equal(holder_add(held_here.holder, key), 0);
	pthread_mutex_unlock(&held_here.lock);
	held_here.keys[held_here.n] = pair->key_pem;
	return held_here.n++;
}

#endif
