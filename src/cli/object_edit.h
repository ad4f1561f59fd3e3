/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OBJECT_EDIT_H
#define CLI_OBJECT_EDIT_H

#include "keys/object.h"

/*
 * A file as another process says that it becomes (struct object_signed). What that says is held against the file: it has parsed what others
 * wrote. in: open for reading; out: empty, open for writing. false: errno says why.
 */
MUST_USE bool object_edit_write(int in, int out, const struct object_signed *r);

#endif
