/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_RELAY_H
#define GATEWAY_RELAY_H

#include "gateway/state.h"

/* Have both queues room for the largest thing that one step can write (a held identifier, an answer)? */
bool relay_room(const struct association *as, const struct side *s);

/*
 * Take what stands in s's buffer and send it on, as far as there is room. ERR_AGAIN: more bytes are needed, or
 * more room (s->blocked), or the association is over; other errors: *fail says what the side broke.
 */
MUST_USE int relay_take(struct association *as, struct side *s, struct parse_fail *fail);

/*
 * Read more from s: into its buffer, or, of an object that is held, into the memory that holds it, which takes it at once. As
 * side_fill(); *ret_broke is what relay_take() would say of bytes that were taken, 0 mostly.
 */
MUST_USE int relay_fill(struct association *as, struct side *s, struct parse_fail *fail, int *ret_broke);

/* The most payload that one PDU to this side carries: an even number (PS3.8 E.1). */
uint32_t relay_payload_limit(const struct side *to);

/* Room for a command set, for a fragment of an object that was held; what answers need is left. */
bool relay_room_for_command(const struct side *to);
bool relay_room_for_fragment(const struct side *to);

/* A fragment of a data set, borrowed until it has left. There is room. */
void relay_put_fragment(struct side *to, uint8_t context, struct span bytes, bool last);

/* Write a whole command set or data set to a side, in fragments that it takes. false: no room now. */
MUST_USE bool relay_put(struct side *to, uint8_t context, bool command, struct span bytes);
MUST_USE bool relay_put_command(struct side *to, uint8_t context, const struct command *c);

#endif
