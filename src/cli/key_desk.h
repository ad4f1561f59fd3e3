/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_KEY_DESK_H
#define CLI_KEY_DESK_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A process of its own that has a token's key open and decrypts with it what others ask for, one at a time, who read bytes of strangers in a
 * sandbox and could not reach the token. It knows nothing of what the bytes are, and lives until the last of them and we have closed it.
 */
struct key_desk {
	int fd; /* -1: there is none */
	pid_t pid;
};

#define KEY_DESK_NONE ((struct key_desk){.fd = -1, .pid = -1})

/* uri: pkcs11:, of an RSA key. why (never NULL) has a sentence. Errors of token_key_open(). */
MUST_USE int key_desk_open(const char *uri, struct key_desk *ret_desk, char *why, size_t cap);

/* For cms_opening_unwrap(): arg is a struct key_desk. Also in processes that were forked after key_desk_open(). */
#define KEY_DESK_PLAIN 1024
int key_desk_ask(
	void *arg, struct span sealed, unsigned hash, uint8_t ret_plain[KEY_DESK_PLAIN], size_t *ret_len);

void key_desk_close(struct key_desk *d);

#endif
