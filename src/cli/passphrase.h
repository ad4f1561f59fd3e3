/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PASSPHRASE_H
#define CLI_PASSPHRASE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Secrets that people type: never an argument, never shown, never in a buffer of the C library. All are true when buf has
 * at least one character; whoever asks wipes buf.
 */

/* Said behind "there was no passphrase" where nobody can be asked, by each verb that wants one. */
#define PASSPHRASE_UNASKED PASSPHRASE_UNASKED_BUT("--passphrase-file")
#define PASSPHRASE_UNASKED_BUT(option)                                                                       \
	"; where nobody can be asked, `" option " FILE` names a file that has it"

/* Standard input is a terminal, at which somebody can be asked. */
bool passphrase_asks(void);

/* From the terminal without echo, or a line of standard input where that is no terminal. */
bool passphrase_ask(const char *prompt, char *buf, size_t cap);

/* On a terminal once more, as it is in buf; true where nobody can be asked. */
bool passphrase_again(const char *buf);

/* On a terminal twice, the same; otherwise as above. */
bool passphrase_ask_twice(const char *prompt, char *buf, size_t cap);

/* The first line of a file that not every user can read, or of a pipe, of which nothing else is read. On failure it has said why, after `verb: `. */
bool passphrase_of_file(const char *verb, const char *path, char *buf, size_t cap);

/* How that of a key is come by. */
struct passphrase_way {
	const char *verb;   /* "gantry sign" */
	const char *file;   /* NULL: it is asked for, */
	const char *prompt; /* … with these words; NULL: "Passphrase of the key: " */
	bool asked;         /* since then: the key has one */
	bool answered;      /* … and it was had; not: why was said if it is that of a file */
};

/* For private_key_open_asking() (keys/private.h), with `way` as its arg. */
bool passphrase_of_key(void *way, char *buf, size_t cap);

/* The same for OpenSSL (pem_password_cb), which tries one decoder after the other: who has no answer is asked once. */
int passphrase_of_pem(char *buf, int cap, int writing, void *way);

#endif
