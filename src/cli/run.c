/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/place.h"
#include "gateway/supervisor.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] =
	"usage: gantry run [-c FILE]\n"
	"\n"
	"Run the gateway in the foreground until SIGTERM or Ctrl-C, which let\n"
	"associations finish; a second one does not wait. SIGHUP reads the configuration\n"
	"again: if it has mistakes they are logged and the old one keeps running.\n"
	"\n"
	"  -c, --config FILE  default: ./gantry.yaml, then /etc/gantry/gantry.yaml\n"
	"  -h, --help         print this\n";

int verb_run(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *file = NULL;
	for (int c; (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			options_usage(usage);
			return 2;
		}
	}
	if (optind < argc) {
		options_usage(usage);
		return 2;
	}
	file = place_file("run", file);
	return file ? supervisor_main(file) : 1;
}
