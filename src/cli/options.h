/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/attr.h"
#include "base/word.h"
#include "policy/nearest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The command line of every verb, as tables: what is wrong with it is said in one way, with what is allowed and the likely spelling, and
 * the same tables complete it in a shell.
 */

#define OPTIONS_MOST 62

struct option_row {
	const char *name; /* without the dashes; NULL: the end */
	const char *
		value; /* what it takes, as the usage has it: "FILE" (options_complete.c knows some); NULL: nothing */
	char letter; /* -c is the same; 0: none */
	/* Where the value goes, one of these. What is text is borrowed from the command line. */
	bool *flag;
	const char **text;
	uint64_t *number; /* from least to most; most 0: any */
	unsigned *bits;   /* the value of one of `words`; with `many`, those of all that are given */
	bool (*take)(void *arg, const char *value); /* false: it is none of `wants` */
	/* What is allowed. */
	const struct word *words;
	bool many; /* several words, with commas between them or one after the other */
	uint64_t least, most;
	unsigned room, *n;              /* of text: an array, and how many are in it; room 0: one */
	bool (*good)(const char *text); /* of text; false: it is none of `wants` */
	const char *wants;
	void (*offer)(struct nearest *n); /* what take() knows, for the likely spelling */
	const char *only;                 /* the words of options_what that take it; NULL: all */
	const char *needed;               /* it must be there: what it is */
	bool once;                        /* twice is a mistake; otherwise the last one counts */
	bool may_be_empty;
};

/* A word that comes first, as `sign` of `gantry ca sign`, and what comes behind it. */
struct options_what {
	const char *word, *arguments;
};

struct options {
	const char *
		usage; /* up to its first empty line it is shown with a mistake; the rest describes the options */
	const struct option_row *rows;
	/* What is no option: "IN OUT", "[DIR]", "FILE...". Or the words that come first; the last one is NULL. */
	const char *arguments;
	const struct options_what *whats;
	void *arg; /* of take() */
	/* What was read. */
	const char *name; /* "gantry ca" */
	uint64_t given;   /* rows, by their bits */
	unsigned what;    /* place in whats */
	unsigned n;       /* arguments, without the word */
	char **at;
};

/*
 * argv[0] is the verb's full name. True: go on; *ret_code is 2, for what the verb itself finds wrong. False: it is the exit status, after help (0) or what is wrong (2) was
 * printed. Every verb calls it before it does anything: it completes the line as well, and then nothing is to be done.
 */
MUST_USE bool options_read(struct options *o, int argc, char **argv, int *ret_code);

/* Was this row on the command line? */
MUST_USE bool options_given(const struct options *o, const char *name);

/* What is wrong with the line as a whole, with how the verb is called. 2, the exit status. */
int options_misuse(const struct options *o, const char *format, ...) PRINTF(2, 3);

/* A number among the arguments, 1 or more, by its name. False after it has said what is wrong. */
MUST_USE bool options_number(
	const struct options *o, const char *name, const char *text, uint64_t *ret_number);

/* ---- Verbs of verbs ---- */

struct options_verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

struct options_verbs {
	const char *name, *about, *more; /* "gantry audit"; text before the list and behind it */
	const struct options_verb *verbs;
	unsigned n;
};

/* Run the one that argv[1] names, as "gantry audit search". The exit status; 2 after it has said what there is. */
MUST_USE int options_run(const struct options_verbs *v, int argc, char **argv);

/* ---- In a shell (options_complete.c) ---- */

/* Set by main(): the last argument is to be completed, and nothing to be done. */
extern bool options_completing;

/* A word that may come next, if it begins as what there is does; help may be NULL. */
void options_offer(const char *begun, const char *word, const char *help);
void options_complete(const struct options *o, int argc, char **argv);

#endif
