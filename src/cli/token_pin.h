/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_TOKEN_PIN_H
#define CLI_TOKEN_PIN_H

#include <stdbool.h>

/*
 * The PIN of a person's token, whose URI (keys/token.h) names no file that has it: of a file or a pipe, or asked for at a terminal. It is in
 * memory that has a name in this process and those forked from it alone, and the URI gets that as its `pin-source`.
 */
struct token_pin {
	int fd; /* of that memory; -1: none */
	char uri[8192];
};

#define TOKEN_PIN_NONE ((struct token_pin){.fd = -1})

/*
 * verb: "gantry sign". file: NULL: it is asked for; without a terminal, or with an empty answer, there is none, and no login. ret_pin->uri
 * is what to open; of a key of a file it is `where`. False: they have been told why. To be ended with token_pin_done(), at the latest when the key is open.
 */
bool token_pin_take(const char *verb, const char *where, const char *file, struct token_pin *ret_pin);
void token_pin_done(struct token_pin *p);

#endif
