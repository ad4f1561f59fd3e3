/* SPDX-License-Identifier: Apache-2.0 */
#include "base/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char in_tree[] = "/src/cli/gantry";

int module_path(const char *program, const char *name, char *ret_path, size_t cap)
{
	char path[PATH_MAX];
	size_t len = strlen(program), tail = sizeof(in_tree) - 1;
	const char *slash = strrchr(name, '/');
	int n;
	if (name[0] == '/') {
		n = snprintf(path, sizeof(path), "%s", name);
	} else if (len > tail && len < PATH_MAX && strcmp(program + len - tail, in_tree) == 0) {
		n = snprintf(path, sizeof(path), "%.*s/src/%s.so", (int)(len - tail), program, name);
	} else {
		n = snprintf(path, sizeof(path), "%s/%s.so", GANTRY_MODULES, slash ? slash + 1 : name);
	}
	if (n < 0 || (size_t)n >= sizeof(path) || (size_t)n >= cap) {
		return ERR_LIMIT;
	}
	memcpy(ret_path, path, (size_t)n + 1);
	return 0;
}

int module_own_path(const char *name, char *ret_path, size_t cap)
{
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (n < 0) {
		return ERR_SYSTEM;
	}
	program[n] = '\0';
	return module_path(program, name, ret_path, cap);
}

int module_open(const char *name, const char *symbol, module_function **ret_function, char *why, size_t cap)
{
	char path[PATH_MAX];
	int e = module_own_path(name, path, sizeof(path));
	if (e == ERR_SYSTEM) {
		snprintf(why, cap, "/proc/self/exe cannot be read: %s", strerror(errno));
		return e;
	}
	if (e != 0) {
		snprintf(why, cap, "the path of the module %.80s is too long", name);
		return e;
	}
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *found = handle ? dlsym(handle, symbol) : NULL;
	if (!found) {
		const char *fault = dlerror();
		snprintf(why, cap, "the gateway's module could not be loaded: %s", fault ? fault : symbol);
		if (handle) {
			dlclose(handle);
		}
		return ERR_NOT_FOUND;
	}
	static_assert(sizeof(found) == sizeof(*ret_function), "POSIX has functions in void pointers");
	memcpy(ret_function, &found, sizeof(found));
	return 0;
}
