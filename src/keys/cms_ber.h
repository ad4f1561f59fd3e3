/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CMS_BER_H
#define KEYS_CMS_BER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/reader.h"

#include <stdbool.h>

/* BER (X.690 8.1) of others, of definite and indefinite length. */
struct ber {
	uint8_t tag;
	struct span whole, body; /* body: without what ends one of indefinite length */
};

/* Nesting of what has no length that is followed. */
#define BER_DEPTH_MOST 16

/* A tag and a length alone. definite: *ret_len is its length, which is there. ERR_TRUNCATED, ERR_VALUE. */
MUST_USE int ber_head(struct reader *r, uint8_t *ret_tag, bool *ret_definite, size_t *ret_len);

/* The two zeros that end what has no length: stepped over, if they come next. */
bool ber_at_end(struct reader *r);

/* One element, whole. ERR_TRUNCATED, ERR_VALUE; ERR_LIMIT: too deep. */
MUST_USE int ber_element(struct reader *r, struct ber *ret_element);

/* The same, of this tag, or ERR_ORDER. */
MUST_USE int ber_expect(struct reader *r, uint8_t tag, struct ber *ret_element);

#endif
