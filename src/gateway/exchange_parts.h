/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_EXCHANGE_PARTS_H
#define GATEWAY_EXCHANGE_PARTS_H

#include "gateway/state.h"

/* Between the files of messages. */

/* ---- exchange.c ---- */

/* The status of a refusal. field: of the request. */
uint16_t exchange_status(const struct association *as, const struct verdict *v, uint16_t field);

/* The command of the message under way, as we write it, by its own context. o: the request that it is; NULL: it is none. ERR_SPACE. */
MUST_USE int exchange_pass(struct association *as, struct side *s, const struct operation *o);

/* ---- exchange_response.c ---- */

/* Their command has come. ERR_…: *fail says what was malformed. */
MUST_USE int exchange_take_response(struct association *as, struct side *s, struct parse_fail *fail);
MUST_USE int exchange_take_cancel(struct association *as, struct side *s);

/* A response is under way from s, and no more of what is asked is to pass: our own answer, and a C-CANCEL. */
void exchange_cancel(struct association *as, struct side *s, struct operation *o, const struct verdict *v);

#endif
