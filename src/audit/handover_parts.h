/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_HANDOVER_PARTS_H
#define AUDIT_HANDOVER_PARTS_H

#include "audit/handover.h"

/* Shared by the handover_ files. */

/* "owed-hand-over": what went, or is going, and has no record yet. ERR_SPACE, ERR_SYSTEM. */
MUST_USE int handover_owed_write(const struct journal_io *io, int dir, const struct handover *h);
/* 1: one is owed; 0. ERR_VALUE: the file is none; ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int handover_owed_read(const struct journal_io *io, int dir, struct handover *ret_owed);

#endif
