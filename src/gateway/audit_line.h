/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_AUDIT_LINE_H
#define GATEWAY_AUDIT_LINE_H

#include "priv/message.h"

#include <netinet/in.h>
#include <stdint.h>

/*
 * Lines: channels between associations and the auditor that the gate keeps and gives to one association after the other, so
 * that nobody has to ask for one, be named, or be woken for it. Who speaks on a line now stands in a table, a page that the
 * gate and the auditor share and no association has.
 *
 * An association's time on a line is a turn. A line is given to the next one when its association's process is gone, nothing
 * that it sent is unread, and either the auditor has heard nothing of it, or is through with its turn; and the auditor is not just reading. So nothing
 * that one association said is taken for another's, and no answer comes to another.
 */

#define AUDIT_LINES MSG_LINES_MOST /* more associations at once ask for a channel: MSG_AUDIT */

struct audit_line {
	/* Written by the gate: who has the line. The turn last; 0: nobody had it yet. */
	uint64_t turn, association;
	struct in6_addr ip;
	/* Written by the auditor: the turn of which it has heard something, or is about to; the one that it is through with; */
	uint64_t heard, over;
	/* and not 0 while it reads, for the turn that it saw after it had set this. The gate looks when it has set the next turn. */
	uint64_t reads;
};

static inline uint64_t line_get(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static inline void line_set(uint64_t *at, uint64_t to)
{
	__atomic_store_n(at, to, __ATOMIC_SEQ_CST);
}

#endif
