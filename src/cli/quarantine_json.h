/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_QUARANTINE_JSON_H
#define CLI_QUARANTINE_JSON_H

#include "cli/quarantine.h"

/* All that is known of an object; e: it could not be read (item->object alone is known). The caller's. */
json_t *quarantine_json(const struct quarantine_item *item, int e);

#endif
