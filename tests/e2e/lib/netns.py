# SPDX-License-Identifier: Apache-2.0
"""A scanner's network and an archive's, with the gateway's machine between them: three network namespaces. Needs root."""
import ctypes
import os
import subprocess
import threading

from .site import Failure

NUMBER = iter(range(1, 1000))
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


class Network:
    """10.1.1.0/24 and 2001:db8:1::/64 with the scanner (.7), 10.2.0.0/24 and 2001:db8:2::/64 with the archive (.10); the
    gateway's machine is .1 in both and routes between them."""

    def __init__(self, bench):
        stem = f"gantry{os.getpid()}x{next(NUMBER)}"
        self.names = {name: f"{stem}{name}" for name in ("scanner", "gate", "archive")}
        self.bench = bench
        for name in self.names.values():
            self.ip("netns", "add", name)
            bench.later(lambda name=name: subprocess.run(["ip", "netns", "del", name], check=False))
            self.ip("-n", name, "link", "set", "lo", "up")
        self.leg("scanner", "10.1.1.7", "10.1.1.1", 24, "2001:db8:1::7", "2001:db8:1::1")
        self.leg("archive", "10.2.0.10", "10.2.0.1", 24, "2001:db8:2::10", "2001:db8:2::1")
        self.command("gate", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    @staticmethod
    def ip(*arguments):
        done = subprocess.run(["ip", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"ip {' '.join(arguments)}: {done.stdout.strip()} (this test needs root)")

    def leg(self, end, address, router, bits, address6, router6):
        ns, gate = self.names[end], self.names["gate"]
        self.ip("-n", gate, "link", "add", f"to-{end[:6]}", "type", "veth", "peer", "name", "eth0", "netns", ns)
        for where, device, v4, v6 in ((gate, f"to-{end[:6]}", router, router6), (ns, "eth0", address, address6)):
            self.ip("-n", where, "address", "add", f"{v4}/{bits}", "dev", device)
            self.ip("-n", where, "-6", "address", "add", f"{v6}/64", "dev", device, "nodad")
            self.ip("-n", where, "link", "set", device, "up")
        self.ip("-n", ns, "route", "add", "default", "via", router)
        self.ip("-n", ns, "-6", "route", "add", "default", "via", router6)

    def prefix(self, where):
        return ["ip", "netns", "exec", self.names[where]]

    def command(self, where, *command):
        return self.bench.run(*self.prefix(where), *command, wants=0)

    def rules(self, text):
        """nftables rules on the gateway's machine, and the routing of what they mark."""
        for family in ("-4", "-6"):
            self.ip("-n", self.names["gate"], family, "rule", "add", "fwmark", "0x1", "lookup", "100")
            self.ip("-n", self.names["gate"], family, "route", "add", "local", "default", "dev", "lo", "table", "100")
        self.command("gate", "nft", "-f", self.bench.write("rules.nft", text))

    def inside(self, where, function):
        """Call a function in a thread that is in that namespace: sockets made there stay there."""
        got = {}

        def run():
            try:
                with open(f"/run/netns/{self.names[where]}", "rb") as handle:
                    if LIBC.setns(handle.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                got["value"] = function()
            except BaseException as error:  # pylint: disable=broad-except
                got["error"] = error

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if "error" in got:
            raise got["error"]
        return got["value"]
