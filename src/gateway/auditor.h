/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_AUDITOR_H
#define GATEWAY_AUDITOR_H

/* The auditor's process: the one writer of the journal. Returns its exit status. */
int role_audit_main(void);

#endif
