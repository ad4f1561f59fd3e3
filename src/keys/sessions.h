/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_SESSIONS_H
#define KEYS_SESSIONS_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <netinet/in.h>
#include <stdint.h>

/*
 * TLS sessions that may be resumed. They lie with the key holder and not in tickets: there is no ticket key to steal,
 * and a process that was taken over reaches the sessions of its own caller's address alone, which the gate names.
 * Bounded: a shelf an address, SESSIONS_A_SHELF on it, the oldest makes room; SESSIONS_BYTES in all, the shelf that
 * was unused longest makes room.
 */
#define SESSIONS_A_SHELF 32
#define SESSIONS_BYTES   (32u * 1024 * 1024)
#define SESSION_ID_MOST  32
#define SESSION_MOST     (8u * 1024) /* one, DER; larger ones are not kept */
#define SESSION_LIFE_MS  3600000

struct sessions;

/* NULL: no memory. */
struct sessions *sessions_new(void);
void sessions_free(struct sessions *s);

/*
 * Keep a copy, until then. once: it serves one resumption (TLS 1.3, RFC 8446 C.4). ERR_LIMIT, ERR_LENGTH, ERR_NO_MEMORY.
 */
MUST_USE int sessions_put(struct sessions *s, const struct in6_addr *from, struct span id, struct span der,
	bool once, int64_t until_ms);

/* The session, borrowed until the next call, and its end. ERR_NOT_FOUND. */
MUST_USE int sessions_get(struct sessions *s, const struct in6_addr *from, struct span id, int64_t now_ms,
	struct span *ret_der, int64_t *ret_until_ms);

#endif
