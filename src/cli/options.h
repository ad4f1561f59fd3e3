/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/attr.h"

#include <getopt.h>
#include <stdbool.h>

/*
 * A verb's command line: -c and -h, and long options. take() gets each but help, with its value in optarg, and says whether it
 * is one. True: go on, with what is left from optind on. False: *ret_code is the exit status; help, or the usage, was printed.
 */
MUST_USE bool options_read(int argc, char **argv, const struct option *options, const char *usage,
	bool (*take)(void *arg, int c), void *arg, int *ret_code);

/* How a verb is called, to stderr, after the sentence that says what was wrong: the text up to its first empty line, so that the sentence stays on the screen. */
void options_usage(const char *usage);

#endif
