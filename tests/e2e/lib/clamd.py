# SPDX-License-Identifier: Apache-2.0
"""A clamd of the test's own, with definitions that the test writes. None is ever downloaded."""
import hashlib
import os
import signal
import socket

from .site import check, until

# The test string of all scanners (EICAR), not as one piece.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!" + b"$H+H*"


def ndb(name, text, offset="*"):
    return f"{name}:0:{offset}:{text.hex()}\n"


def hsb(name, data):
    return f"{hashlib.sha256(data).hexdigest()}:{len(data)}:{name}\n"


def definitions(folder, *lines, eicar=True):
    """A folder of definitions: .ndb and .hsb lines; the test string at a file's beginning, as scanners have it."""
    os.makedirs(folder, exist_ok=True)
    body = [line for line in lines if not line[:64].isalnum()]
    with open(os.path.join(folder, "test.ndb"), "w", encoding="ascii") as file:
        file.write((ndb("Test.Eicar", EICAR, "0") if eicar else "") + ndb("Test.Nothing", b"no file has these bytes 4711")
                   + "".join(body))
    with open(os.path.join(folder, "test.hsb"), "w", encoding="ascii") as file:
        file.write(hsb("Test.Hash", b"a file that nobody has") + "".join(line for line in lines if line not in body))
    return folder


def ask(path, command):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(path)
        s.sendall(b"z" + command + b"\0")
        return s.recv(4096).rstrip(b"\0").decode()


class Clamd:
    def __init__(self, bench, folder, **options):
        self.bench, self.folder = bench, folder
        self.socket = bench.path("clamd.ctl")
        self.options = options
        self.process = None
        self.start()

    def config(self):
        options = {"LocalSocket": self.socket, "LocalSocketMode": "666", "DatabaseDirectory": self.folder,
                   "TemporaryDirectory": self.bench.new_folder("clamd-tmp"), "Foreground": "yes", "SelfCheck": "0",
                   "MaxFileSize": "8M", "MaxScanSize": "8M", "StreamMaxLength": "8M", **self.options}
        if os.getuid() == 0:
            options["User"] = "root"
        return self.bench.write("clamd.conf", "".join(f"{k} {v}\n" for k, v in options.items()))

    def start(self):
        self.process = self.bench.start("/usr/sbin/clamd", "-c", self.config())
        until(self.answers, "clamd to answer")
        return self

    def answers(self):
        check(self.process.running(), "clamd ended:", self.process.text())
        try:
            return ask(self.socket, b"PING") == "PONG"
        except OSError:
            return False

    def stop(self):
        self.process.end()
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def freeze(self):
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)
