/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PERSON_H
#define CLI_PERSON_H

#include <stdbool.h>
#include <stdint.h>

/* Who sits at the terminal, where what is done takes a certain person and root's rights. */
struct person {
	uint32_t uid;
	char name[129]; /* of the password file; "user 1001" without one */
	bool known;     /* false: root itself, who may be anybody */
};

/*
 * The user who logged in, as the kernel notes it for its audit (/proc/self/loginuid), which neither su nor sudo changes; where it
 * does not, who called sudo; else who runs this. Root can write each of them: it keeps honest people apart, and those who are not
 * out of the journal's way they cannot get.
 */
void person_find(struct person *ret_person);

#endif
