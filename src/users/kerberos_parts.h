/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USERS_KERBEROS_PARTS_H
#define USERS_KERBEROS_PARTS_H

#include "users/users.h"

#include <krb5.h>

/* Shared by the kerberos files. */

/*
 * A context that knows nothing of this machine: no krb5.conf, no variable, no file; the site's realm and skew, AES
 * alone, and no record of its own of what was used. *config must outlive it.
 */
MUST_USE krb5_error_code kerberos_context(const struct user_kerberos *config, krb5_context *ret_context);

/* The keys of config->principal, in memory. KRB5_KT_NOTFOUND: the file has none that is taken. */
MUST_USE krb5_error_code kerberos_keytab(
	krb5_context context, const struct user_kerberos *config, struct span file, krb5_keytab *ret_keytab);

#endif
