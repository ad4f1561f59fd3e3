/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_UID_MAKE_H
#define KEYS_UID_MAKE_H

#include "base/attr.h"
#include "base/err.h"

/* 2.25 and a random UUID as a number (PS3.5 B.2): at most 44 characters. ERR_SYSTEM. */
MUST_USE int uid_make(char ret_uid[65]);

#endif
