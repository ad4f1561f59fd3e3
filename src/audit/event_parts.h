/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_EVENT_PARTS_H
#define AUDIT_EVENT_PARTS_H

#include "base/span.h"

#include <stdbool.h>

/* Shared by the event_ files. May these bytes stand in an event as a text, as audit/event.h says? */
bool event_is_text(struct span s);

#endif
