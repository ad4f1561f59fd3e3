/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_SESSION_H
#define ARCHIVE_SESSION_H

#include "archive/folder.h"

/*
 * One association on a blocking stream socket, as acceptor of Verification, storage and private SOP classes (PS3.4
 * Annexes A and B), each in the first transfer syntax proposed; objects are kept in folder as they come. Ends when the
 * association does, and logs. Both descriptors stay the caller's. Returns 0, or why it ended before its time.
 */
MUST_USE int session_run(int sock, const struct folder *folder);

#endif
