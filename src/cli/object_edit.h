/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OBJECT_EDIT_H
#define CLI_OBJECT_EDIT_H

#include "keys/object.h"

/*
 * A file as another process says that it becomes (struct object_signed), written beside `out` and put in its place when all of it is on
 * the disk; only with `replace` in that of another file. What that process says is held against the file: it has parsed what others wrote.
 * in: open for reading. false: errno says why, EEXIST among others; there is no new file, and `out` is as it was.
 */
MUST_USE bool object_edit_write(int in, const char *out, bool replace, const struct object_signed *r);

#endif
