/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRIV_ROLE_H
#define PRIV_ROLE_H

#include "base/attr.h"
#include "base/err.h"
#include "policy/site.h"
#include "priv/message.h"

/* What every role does with what the supervisor sends. */

/* MSG_LOG: lines go there from now on. The descriptor stays the caller's. */
void role_use_log(const struct message *m);

/* MSG_SITE's descriptor, which stays the caller's. As memfd_map() and site_unpack(). */
MUST_USE int role_site(int fd, struct site **ret_site);

#endif
