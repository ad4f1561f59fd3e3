/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_LOOKUP_H
#define GATEWAY_LOOKUP_H

/* The lookup role for host names. Returns the process's exit status when its supervisor is gone. */
int role_lookup_main(void);

#endif
