/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include "gateway/state.h"

/*
 * Messages: what a command set asks, whether it may, and who owes whom a response. A refused request is answered by
 * us and its data set drained; the association lives on.
 */

/* The last fragment of a command set has come. ERR_…: *fail says what was malformed; the association ends. */
MUST_USE int exchange_command(struct association *as, struct side *s, struct parse_fail *fail);

/* A fragment of a data set that is not passed on: held or drained. */
void exchange_data(struct association *as, struct side *s, struct span fragment);

/* The data set of the message under way is over its size limit: say so, and refuse where the flow does. */
void exchange_oversize(struct association *as, struct side *s);

/* The message under way is complete. */
MUST_USE int exchange_end(struct association *as, struct side *s);

/* Our own response, once the request's data set has been read. */
void exchange_owe(struct operation *o, uint16_t status, const char *fmt, ...) PRINTF(3, 4);

/* Send the answers and cancels that are owed, where a message boundary allows. */
void exchange_owed(struct association *as);

/* The target is lost: every request of the caller that waits becomes a failure. */
void exchange_fail_all(struct association *as, const char *why);

#endif
