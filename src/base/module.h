/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MODULE_H
#define BASE_MODULE_H

#include "base/attr.h"
#include "base/err.h"

/*
 * Libraries of others that one role or job needs are in modules of ours beside the program, so that no other process
 * carries them: an association is forked for every series, and pays for every page that it has.
 */
typedef void module_function(void);

/* What stands before the one function that a module shows. Modules are built with hidden symbols. */
#define MODULE_FUNCTION __attribute__((visibility("default")))

/*
 * Where the module `wing/file` is, for a program of this path: below src/ of the build tree, if the program is that
 * tree's src/cli/gantry, otherwise `file` where modules were installed. An absolute name is itself.
 * ERR_LIMIT: longer than cap.
 */
MUST_USE int module_path(const char *program, const char *name, char *ret_path, size_t cap);

/* The same for the program that runs. ERR_SYSTEM: it cannot be told. */
MUST_USE int module_own_path(const char *name, char *ret_path, size_t cap);

/*
 * Load a module, for good, and find its function, to be cast to its type. Before the sandbox. Name as above, such as
 * "audit/gantry-audit-xml". ERR_NOT_FOUND, ERR_LIMIT, ERR_SYSTEM, with a sentence in why.
 */
MUST_USE int module_open(
	const char *name, const char *symbol, module_function **ret_function, char *why, size_t cap);

#endif
