/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_ROLE_H
#define ARCHIVE_ROLE_H

/*
 * The store role: the folder archive. For each MSG_FOLDER on channel it forks a child that is a storage SCP on the
 * socket that came with it and can reach that folder alone. Runs until the other end closes the channel or sends
 * MSG_STOP, and every child has ended. The log has been set up. Returns the process's exit status.
 */
int archive_role_main(int channel);

#endif
