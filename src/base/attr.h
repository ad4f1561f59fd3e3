/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#include <assert.h>
#include <stddef.h>

#define MUST_USE       __attribute__((warn_unused_result))
#define PRINTF(fmt, a) __attribute__((format(printf, fmt, a)))
#define CLEANUP(fn)    __attribute__((cleanup(fn)))
#define ARRAY_LEN(a)   (sizeof(a) / sizeof((a)[0]))

#endif
