/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_TOKEN_PARTS_H
#define KEYS_TOKEN_PARTS_H

#include "keys/token.h"

#include <p11-kit/pkcs11.h>

/* A key that was found (token.c), and is used (token_use.c). */
struct token_key {
	CK_FUNCTION_LIST *call;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key, public; /* public: CK_INVALID_HANDLE where the token has none */
};

#endif
