/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CMS_PBKDF2_H
#define KEYS_CMS_PBKDF2_H

#include "base/err.h"
#include "keys/cms_open.h"

/*
 * What OpenSSL derives from passphrases by PBKDF2 (RFC 8018 5.2), in this process from now on: once for all files of a disc that have one
 * salt, which is remembered in *kek, borrowed until the next call; and never for hours. ERR_NO_MEMORY.
 */
MUST_USE int cms_pbkdf2_begin(struct cms_kek *kek);

#endif
