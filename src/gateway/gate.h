/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_GATE_H
#define GATEWAY_GATE_H

/* The gate role. Returns the process's exit status: 0, 1 could not start, 3 associations were cut at the end. */
int role_gate_main(void);

#endif
