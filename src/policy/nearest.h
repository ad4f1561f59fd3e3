/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_NEAREST_H
#define POLICY_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * "Did you mean": the likely spelling of a word. Distance is Damerau-Levenshtein (insert, drop, change, swap two
 * neighbours), without regard to case, on words of at most NEAREST_WORD bytes.
 */
#define NEAREST_WORD 64

/* The distance, or NEAREST_WORD + 1 when a word is longer than that. */
unsigned nearest_distance(const char *a, const char *b);

/* A search in progress: offer it each candidate, then read `best` (NULL when none is near enough). */
struct nearest {
	const char *word;
	const char *best; /* borrowed from the candidate */
	unsigned distance;
};

static inline struct nearest nearest_to(const char *word)
{
	return (struct nearest){.word = word, .distance = NEAREST_WORD + 1};
}

/* Near enough: a third of the longer word's letters may differ, at least one, and one letter is common. */
void nearest_offer(struct nearest *n, const char *candidate);

#endif
