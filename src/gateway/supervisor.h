/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_SUPERVISOR_H
#define GATEWAY_SUPERVISOR_H

/*
 * `gantry run`: reads the configuration, binds ports, starts and restarts the roles, passes them what they need,
 * reloads, stops. Reads no byte of the network. file: gantry.yaml. Returns the program's exit status.
 */
int supervisor_main(const char *file);

#endif
