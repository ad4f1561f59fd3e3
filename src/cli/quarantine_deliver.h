/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_QUARANTINE_DELIVER_H
#define CLI_QUARANTINE_DELIVER_H

#include "cli/quarantine.h"

/*
 * Send an object to where it was bound, through the gateway that runs, without inspection. makes: quarantine_way() said. note: for the record. outcome: what came of
 * it, a sentence's part, in both cases. ERR_DENIED: it was not taken; ERR_PEER, ERR_CLOSED, ERR_NOT_FOUND: it could not be sent.
 */
MUST_USE int quarantine_deliver(const struct quarantine_place *p, const struct quarantine_item *item,
	unsigned makes, const char *note, char *outcome, size_t cap);

/*
 * Is there a way to where it was bound, by the configuration's file? The gateway that runs decides again. False after it has said
 * why not. *ret_how: "as it is", or how it leaves; static storage. *ret_makes: the same, as DOOR_… (net/door.h).
 */
bool quarantine_way(const struct quarantine_place *p, const struct quarantine_item *item,
	const char **ret_how, unsigned *ret_makes);

#endif
