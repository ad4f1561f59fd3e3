/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_STARTER_H
#define CLI_STARTER_H

#include "base/attr.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* What `gantry init` writes besides keys. */

#define STARTER_PORT_TLS   "2762"
#define STARTER_PORT_PLAIN "11112"

#define STARTER_YAML_CAP   8192

/* gantry.yaml of a new site whose journal has that origin. ERR_SPACE (STARTER_YAML_CAP). */
MUST_USE int starter_yaml(const char *origin, char *ret_text, size_t cap);

#define STARTER_IMAGE_CAP 8192

/*
 * A Part 10 file (PS3.10 7.1) to send as a trial: Secondary Capture, 64 by 64 grey levels, invented patient, new UIDs.
 * ret_bytes has STARTER_IMAGE_CAP bytes. ERR_SYSTEM if there are no random numbers.
 */
MUST_USE int starter_image(uint8_t *ret_bytes, size_t *ret_len);

#endif
