/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_PSEUDONYM_MARK_H
#define KEYS_PSEUDONYM_MARK_H

#include "keys/pseudonym_key.h"

/*
 * The mark of the key that a gateway last made pseudonyms with, in its state folder: who starts it with another one is told so. It says nothing of
 * the key but whether it is another.
 */
#define PSEUDONYM_MARK_FILE "pseudonyms.mark"

/* dir: the state folder. ERR_NOT_FOUND: there is none yet; ERR_VALUE: it is none; ERR_SYSTEM: errno. */
MUST_USE int pseudonym_mark_read(int dir, char ret_mark[PSEUDONYM_MARK]);

/* In the old one's place, or not at all. ERR_SYSTEM: errno. */
MUST_USE int pseudonym_mark_write(int dir, const char *mark);

#endif
