/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DOOR_H
#define CLI_DOOR_H

#include "base/attr.h"
#include "base/err.h"
#include "net/door.h"

#include <stddef.h>

/*
 * The running gateway's local door: a stream on which plain DICOM is spoken with an association process of the gateway, which
 * relays to the node and is recorded like any other. Open to who started the gateway, and root.
 */

/*
 * From the control socket's path (control_path()). The gateway is told what is wanted, and door_user(). 0 with *ret_fd, the
 * caller's; or an enum err, and said has a sentence for people.
 */
MUST_USE int door_open(
	const char *control_socket, const struct door *wanted, int *ret_fd, char *said, size_t cap);

/* Could door_open() get in, as far as can be told without going? Errors as above. */
MUST_USE int door_reach(const char *control_socket, char *said, size_t cap);

/* The name of who runs this: of who ran sudo, if that is known. */
void door_user(char *to, size_t cap);

#endif
