/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "cli/options.h"
#include "cli/place.h"
#include "cli/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"usage: gantry reload [-c FILE]\n"
	"\n"
	"Have the running gateway read its configuration again, and say whether it has\n"
	"taken it. If it has mistakes, the old one keeps running, and the exit status is\n"
	"1.\n"
	"\n"
	"  -c, --config FILE  whose `run:` folder to look in; default: ./gantry.yaml,\n"
	"                     then /etc/gantry/gantry.yaml\n"
	"  -h, --help         print this\n";

#define WAIT_MS 30000
#define LOOK_MS 100

struct seen {
	pid_t pid;
	long long generation, nodes, flows;
	char refused[64], why[256];
};

static int look(const char *path, struct seen *ret_seen)
{
	json_t *o = control_ask("reload", path);
	if (!o) {
		return -1;
	}
	const char *refused = json_string_value(json_object_get(o, "reload_refused"));
	const char *why = json_string_value(json_object_get(o, "reload_refused_why"));
	*ret_seen = (struct seen){.pid = (pid_t)json_integer_value(json_object_get(o, "pid")),
		.generation = json_integer_value(json_object_get(o, "generation")),
		.nodes = (long long)json_array_size(json_object_get(o, "nodes")),
		.flows = (long long)json_array_size(json_object_get(o, "flows"))};
	snprintf(ret_seen->refused, sizeof(ret_seen->refused), "%s", refused ? refused : "");
	snprintf(ret_seen->why, sizeof(ret_seen->why), "%s", why ? why : "");
	json_decref(o);
	return 0;
}

static int wait_for_answer(const char *path, const struct seen *before)
{
	struct seen now;
	for (int64_t end = clock_mono_ms() + WAIT_MS; clock_mono_ms() < end;) {
		const struct timespec a_moment = {.tv_nsec = LOOK_MS * 1000000L};
		(void)nanosleep(&a_moment, NULL);
		if (look(path, &now) < 0) {
			return 1;
		}
		if (now.generation != before->generation) {
			printf("The new configuration is in use: %lld node%s, %lld flow%s.\n", now.nodes,
				now.nodes == 1 ? "" : "s", now.flows, now.flows == 1 ? "" : "s");
			return 0;
		}
		if (now.refused[0] && strcmp(now.refused, before->refused) != 0) {
			fprintf(stderr,
				"gantry reload: refused (%s); the old configuration keeps running. `gantry check` lists "
				"all mistakes.\n",
				now.why);
			return 1;
		}
	}
	fprintf(stderr, "gantry reload: no answer after %d seconds: see the gateway's log\n", WAIT_MS / 1000);
	return 1;
}

int control_reload(const char *path)
{
	struct seen before;
	if (look(path, &before) < 0) {
		return 1;
	}
	if (before.pid <= 1 || kill(before.pid, SIGHUP) < 0) {
		fprintf(stderr, "gantry reload: process %d: %s\n", (int)before.pid, strerror(errno));
		return 1;
	}
	return wait_for_answer(path, &before);
}

int verb_reload(int argc, char **argv)
{
	static const char *file;
	static const struct option_row rows[] = {{"config", "FILE", 'c', .text = &file}, {0}};
	struct options o = {.usage = usage, .rows = rows};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	file = place_file("reload", file);
	char *path = file ? control_path(file) : NULL;
	code = path ? control_reload(path) : 1;
	free(path);
	return code;
}
