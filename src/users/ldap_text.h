/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USERS_LDAP_TEXT_H
#define USERS_LDAP_TEXT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/*
 * A distinguished name (RFC 4514) or filter (RFC 4515) from a template of the site's: {user} and {dn} are put in as
 * values, whatever is in them. Both grammars know a backslash with two hexadecimal digits for any byte, so every byte that is
 * not a plain letter or digit is written so. ERR_SPACE; ret is NUL-terminated.
 */
MUST_USE int ldap_text(const char *template, struct span user, struct span dn, char *ret, size_t cap);

#endif
