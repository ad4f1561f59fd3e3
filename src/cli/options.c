/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

void options_usage(const char *usage)
{
	const char *rest = strstr(usage, "\n\n");
	if (rest) {
		fprintf(stderr, "%.*s\n--help says more.\n", (int)(rest - usage), usage);
	} else {
		fputs(usage, stderr);
	}
}

bool options_read(int argc, char **argv, const struct option *options, const char *usage,
	bool (*take)(void *arg, int c), void *arg, int *ret_code)
{
	for (int c; (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		if (c == 'h') {
			fputs(usage, stdout);
			*ret_code = 0;
			return false;
		}
		if (!take(arg, c)) {
			options_usage(usage);
			*ret_code = 2;
			return false;
		}
	}
	return true;
}
