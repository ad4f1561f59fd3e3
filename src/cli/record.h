/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include <jansson.h>

/*
 * Have the gateway that runs with a configuration record something in its journal, durably. NULL: it is; else why not, a sentence's
 * end in static storage. The request stays the caller's.
 */
const char *record_request(const char *config, const json_t *request);

/* What record_request() says where the gateway keeps no audit trail. */
extern const char record_no_trail[];

#endif
