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

/* ---- For an object that is held (gateway/hold.h) ---- */

/* Our answer; its data set is drained from now on. Returns the refusal's number; 0: it has none. */
uint64_t exchange_refuse(struct association *as, struct side *s, const struct verdict *v);

/* A verdict that lets pass, for the record. */
void exchange_remark(struct association *as, struct side *s, const struct verdict *v);

/*
 * What has been sent on of the message under way is made worthless: a receiver keeps nothing of an object whose association
 * is aborted before its last fragment. The next request opens the target again.
 */
void exchange_cut_off(struct association *as, struct side *s, const char *why);

/* Is there still somebody to pass it on to? Opens a lost target again. False: refuse it with *ret_v. */
MUST_USE bool exchange_may_pass(struct association *as, struct side *s, struct verdict *ret_v);

/* Its command, which waited with it, by this context, as its data set will go. */
MUST_USE int exchange_pass_command(struct association *as, struct side *s, uint8_t context);

/* It has been passed on, or drained, to its end. */
void exchange_finish(struct association *as, struct side *s);

/* Our own response, once the request's data set has been read. */
void exchange_owe(struct operation *o, uint16_t status, const char *fmt, ...) PRINTF(3, 4);

/* The same, of a refusal. number 0: the gate was not there to give one, and the log alone has it. */
void exchange_owe_refusal(struct operation *o, uint16_t status, uint64_t number, enum rule rule);

/* Send the answers and cancels that are owed, where a message boundary allows. */
void exchange_owed(struct association *as);

/* The target is lost: every request of the caller that waits becomes a failure. */
void exchange_fail_all(struct association *as, const char *why);

#endif
