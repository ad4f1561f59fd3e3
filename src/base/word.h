/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_WORD_H
#define BASE_WORD_H

/* A table of words and what they mean; the last one is NULL. */
struct word {
	const char *word;
	unsigned value;
};

#endif
