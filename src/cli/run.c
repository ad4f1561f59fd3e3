/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/place.h"
#include "gateway/supervisor.h"

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
	static const char *file;
	static const struct option_row rows[] = {{"config", "FILE", 'c', .text = &file}, {0}};
	struct options o = {.usage = usage, .rows = rows};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	file = place_file("run", file);
	return file ? supervisor_main(file) : 1;
}
