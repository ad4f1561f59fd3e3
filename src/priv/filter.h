/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRIV_FILTER_H
#define PRIV_FILTER_H

#include "base/attr.h"
#include "base/err.h"
#include "priv/sandbox.h"

#include <linux/filter.h>

/* The seccomp filter of a kind as the kernel's own bytes. *ret_program.filter is malloc'ed. ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int filter_build(enum sandbox_kind kind, struct sock_fprog *ret_program);

#endif
