/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_SPARE_H
#define GATEWAY_SPARE_H

#include "gateway/state.h"

/*
 * Presentation contexts that the target is asked for beside the caller's, and of which the caller knows nothing: an object whose pixels
 * were cleaned may have another transfer syntax than it came in (encoding_lossless(), or none of encapsulated ones), and leaves by the context
 * that the target has accepted for that. What the caller's own contexts have is used first.
 */

/* Into as->proposal, behind what the caller has asked for: only where a flow of the route cleans, and what policy lets pass. */
void spare_propose(struct association *as);

/*
 * By which context an object leaves that came by `context`, from s, and has this transfer syntax now. False: the other side has accepted
 * none for it.
 */
MUST_USE bool spare_find(const struct association *as, const struct side *s, uint8_t context,
	struct span transfer, uint8_t *ret_context);

/* Why it found none: words that go on after the name of the transfer syntax and a comma. Static. */
const char *spare_why_not(
	const struct association *as, const struct side *s, uint8_t context, struct span transfer);

#endif
