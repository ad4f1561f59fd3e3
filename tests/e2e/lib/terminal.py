# SPDX-License-Identifier: Apache-2.0
"""Who sits at a terminal, and is asked."""
import os
import pty
import time


def type_at(command, *lines):
    """At a terminal. What was shown, and the exit status."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    shown = b""
    left = list(lines)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        shown += data
        if left and shown.rstrip().endswith(b":"):
            os.write(fd, left.pop(0).encode() + b"\n")
            shown += b"|"
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
