/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/attr.h"

static const char *const texts[] = {
	[0] = "no error",
	[-ERR_TRUNCATED] = "truncated",
	[-ERR_TRAILING] = "bytes left over",
	[-ERR_LENGTH] = "a length does not fit",
	[-ERR_TYPE] = "unexpected type",
	[-ERR_VALUE] = "value not allowed",
	[-ERR_DUPLICATE] = "given twice",
	[-ERR_MISSING] = "missing",
	[-ERR_ORDER] = "out of order",
	[-ERR_LIMIT] = "over a limit",
	[-ERR_NO_MEMORY] = "out of memory",
	[-ERR_SYSTEM] = "system call failed",
	[-ERR_AGAIN] = "not yet",
	[-ERR_CLOSED] = "closed",
	[-ERR_TLS] = "TLS failed",
	[-ERR_UNSUPPORTED] = "not supported",
	[-ERR_NOT_FOUND] = "not found",
	[-ERR_EXISTS] = "exists already",
	[-ERR_DENIED] = "denied",
	[-ERR_TIMEOUT] = "timed out",
	[-ERR_PEER] = "the other end broke the protocol",
	[-ERR_SPACE] = "no space left",
};

const char *err_str(int err)
{
	if (err > 0) {
		return texts[0];
	}
	/* Compared before negation, so that INT_MIN is no trap. */
	if (err <= -(int)ARRAY_LEN(texts)) {
		return "unknown error";
	}
	return texts[-err] ? texts[-err] : "unknown error";
}
