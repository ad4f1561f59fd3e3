/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_AUDIT_H
#define CLI_AUDIT_H

/* What `gantry audit` does: one function a word, in a file of its name. argv[0] is "gantry audit WORD". As verbs.h. */
int audit_init(int argc, char **argv);

#endif
