/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

/*
 * Errors are negative values of this enum; 0 is success; a positive result is a count where a header says so.
 * A parser that fails has consumed nothing and has touched none of its ret_ outputs.
 */
enum err {
	ERR_TRUNCATED = -1, /* fewer bytes than the structure needs */
	ERR_TRAILING = -2,  /* bytes left over after the structure's end */
	ERR_LENGTH = -3,    /* a declared length contradicts its parent or the standard */
	ERR_TYPE = -4,      /* an unknown or unexpected type */
	ERR_VALUE = -5,     /* a value outside its range or grammar */
	ERR_DUPLICATE = -6, /* an element that may stand once stands twice */
	ERR_MISSING = -7,   /* a required element is absent */
	ERR_ORDER = -8,     /* elements out of the required order */
	ERR_LIMIT = -9,     /* one of our own limits (base/limits.h) */
	ERR_NO_MEMORY = -10,
	ERR_SYSTEM = -11, /* a system call failed: errno tells */
	ERR_AGAIN = -12,  /* would block, or needs more bytes */
	ERR_CLOSED = -13, /* the other end closed in good order */
	ERR_TLS = -14,    /* TLS failed: the caller's buffer tells */
	ERR_UNSUPPORTED = -15,
	ERR_NOT_FOUND = -16,
	ERR_EXISTS = -17,
	ERR_DENIED = -18,
	ERR_TIMEOUT = -19,
	ERR_PEER = -20,  /* a sibling process or peer broke its protocol */
	ERR_SPACE = -21, /* no space left (disk, quota, fixed buffer) */
};

/* The text of an error, never NULL; static storage. */
const char *err_str(int err);

/* Where and why a parser stopped. */
struct parse_fail {
	int code;        /* an enum err */
	unsigned offset; /* bytes from the start of what was parsed */
	const char *
		spec; /* the sentence of the standard that was broken, such as "PS3.8 9.3.2"; static storage */
};

/* Fill *fail (may be NULL) and return code: `return parse_fail(fail, ERR_LENGTH, off, "PS3.8 9.3.2");` */
static inline int parse_fail(struct parse_fail *fail, int code, size_t offset, const char *spec)
{
	if (fail) {
		*fail = (struct parse_fail){.code = code, .offset = (unsigned)offset, .spec = spec};
	}
	return code;
}

#endif
