/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_FORWARDER_H
#define GATEWAY_FORWARDER_H

/* The role that sends audit messages on. Returns the process's exit status when its supervisor is gone. */
int role_forward_main(void);

#endif
