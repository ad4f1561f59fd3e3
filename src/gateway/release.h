/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_RELEASE_H
#define GATEWAY_RELEASE_H

#include "gateway/state.h"

/*
 * Everything on an open association that is not P-DATA: release and its collision, abort, the unexpected.
 * PS3.8 9.2.1, Tables 9-7 to 9-10.
 */

/* A control PDU may stand at the front of s's buffer. 0: taken; ERR_AGAIN: needs more bytes; others: *fail. */
MUST_USE int release_take_control(struct association *as, struct side *s, struct parse_fail *fail);

/* Send A-RELEASE-RP and wait in Sta13 for the transport to close (AR-4, AR-9). */
void release_answer(struct association *as, struct side *s);

/* The side's transport is gone without a word (AA-4). */
void release_lost(struct association *as, struct side *s, int err);

#endif
