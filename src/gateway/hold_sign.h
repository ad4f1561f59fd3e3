/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_SIGN_H
#define GATEWAY_HOLD_SIGN_H

#include "gateway/hold.h"

/* The digital signatures of an object that streams (PS3.15 Annex C). For hold.c; harmless where the flow does not ask. */

void hold_sign_begin(const struct association *as, const struct side *s, struct hold *h);
void hold_sign_feed(struct hold *h, struct span bytes);

/* It was all: what is wrong is among the findings. */
void hold_sign_end(struct association *as, struct hold *h);

void hold_sign_drop(struct hold *h);

#endif
