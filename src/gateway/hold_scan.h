/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_SCAN_H
#define GATEWAY_HOLD_SCAN_H

#include "gateway/hold.h"

/* An object that streams, on its way to the virus scanner as well. For hold.c; harmless where none is asked. */

/* Where the flow wants it: asks the gate for a job. */
void hold_scan_begin(struct association *as, const struct side *s, struct hold *h);

/* More bytes, no more than SIDE_BUFFER, and none while hold_scan_is_full(). */
void hold_scan_feed(struct hold *h, struct span bytes);
bool hold_scan_is_full(const struct hold *h);

/* It was all. True: the answer is still to come. Otherwise it is among the findings. */
MUST_USE bool hold_scan_end(struct hold *h);

/* After poll, or when time has passed. True: the answer has come, and is among the findings. */
MUST_USE bool hold_scan_go_on(struct hold *h, int64_t now_ms);

/* When that is due at the latest; INT64_MAX. */
int64_t hold_scan_due(const struct hold *h);

/* It is waited for no longer: that it was not scanned, and why, is among the findings. */
void hold_scan_give_up(struct hold *h, const char *why);

void hold_scan_drop(struct hold *h);

#endif
