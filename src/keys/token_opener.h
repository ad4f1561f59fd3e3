/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_TOKEN_OPENER_H
#define KEYS_TOKEN_OPENER_H

#include "audit/hpke.h"
#include "keys/token.h"

/*
 * An auditor's P-256 key on a token, which has its public half too. Loads the token's module into this process, which is a
 * tool's. The opener borrows the key. Errors and why as private_key_open(); ERR_UNSUPPORTED: a key of another curve.
 */
MUST_USE int token_opener(
	const char *uri, struct token_key **ret_key, struct hpke_opener *ret_opener, char *why, size_t cap);

#endif
