# SPDX-License-Identifier: Apache-2.0
"""The local door: programs of this machine that speak DICOM through the gateway to a node."""
import os
import socket
import struct
import subprocess

from lib import dicom, peers
from lib.site import ROOT, check, equal, test

BAD = os.path.join(ROOT, "tests/data/structure/encapsulated-pdf-js.dcm")  # pdf-javascript, a danger
IMPORT, RELEASE = 1, 2


def text(value):
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def header(why, to, user="anna", note="CD of the neurology"):
    return b"gantry-door\1" + bytes([why]) + text(to) + text(user) + text(note)


class Door(dicom.Scu):
    """An association through the door."""

    def __init__(self, g, first):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        sock.connect(os.path.join(g.folder, "run", "door"))
        sock.sendall(first)
        dicom.Wire.__init__(self, sock)
        self.message_id, self.ac = 0, None


def store(door, path):
    part10 = dicom.Part10(path)
    door.associate("GANTRY", "ANY", ((dicom.VERIFICATION, [dicom.ILE]), (part10.sop_class, [part10.syntax])))
    status = door.store(context=3, sop_class=part10.sop_class, instance=part10.instance, data=part10.data)["status"]
    equal(door.echo(), 0, "an echo after it")
    door.release()
    return status


@test
def door_import_and_release(bench):
    """An import is inspected, a release is not; both reach the node, by TLS as it wants, and say whose they are."""
    port, folder = peers.storescp(bench, *bench.keys.dcmtk("archive"))
    g = bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "tls"})
    equal(store(Door(g, header(IMPORT, "archive")), peers.CT_SMALL), 0, "a good object")
    equal(store(Door(g, header(IMPORT, "archive")), BAD), 0x0124, "a bad one")
    equal(sorted(peers.received(folder)), [dicom.Part10(peers.CT_SMALL).instance], "what arrived")
    equal(store(Door(g, header(RELEASE, "archive", note="refusal 1")), BAD), 0, "a bad one that is released")
    equal(len(peers.received(folder)), 2, "what arrived")
    opened = g.find(event="door.opened")
    equal([(row["why"], row["user"], row["uid"]) for row in opened],
          [("import", "anna", os.getuid())] * 2 + [("release", "anna", os.getuid())], "who opened the door")
    check("refusal 1" in opened[2]["message"], "the note", opened[2])
    equal(g.find(event="association.accepted")[0]["user"], f"anna (uid {os.getuid()})", "the user")
    equal(g.decision("content")["listener"], "door", "where it came in")


@test
def door_is_for_storing(bench):
    """Another service, an unknown node, another header, a node without an address: refused or closed."""
    port, _ = peers.dcmqrscp(bench)
    g = bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"},
                      flow={"services": ["echo", "store", "find"]})
    with Door(g, header(IMPORT, "archive")) as door:
        door.associate("GANTRY", "ARCHIVE", ((dicom.STUDY_FIND, [dicom.ILE]),))
        answers = door.find([(0x00100020, "X")])
        equal(answers[0][0]["status"], 0xC000, "a query")
        door.release()
    g.decision("service")
    for to in ("nobody", "ct1"):
        with Door(g, header(IMPORT, to)) as door:
            try:
                door.associate("GANTRY", "ARCHIVE")
                check(False, "an association to", to)
            except dicom.Rejected:
                pass
    for first in (b"GET / HTTP/1.1\r\n", header(3, "archive"), header(IMPORT, "a\nb"), header(IMPORT, "x" * 65)):
        with Door(g, first) as door:
            try:
                door.associate("GANTRY", "ARCHIVE")
                check(False, "an association after", first)
            except (dicom.Closed, OSError):
                pass
    equal(g.process.running(), True, "the gateway")


@test
def door_is_for_its_owner(bench):
    """The socket is open to who started the gateway alone."""
    g = bench.gateway()
    path = os.path.join(g.folder, "run", "door")
    equal(os.stat(path).st_mode & 0o777, 0o600, "the socket's mode")
    if os.getuid() == 0:
        for name in (bench.path(), g.folder, os.path.join(g.folder, "run")):
            os.chmod(name, 0o755)
        code = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])"
        ran = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "python3", "-c", code, path], check=False,
                             capture_output=True, text=True)
        check("PermissionError" in ran.stderr, "another user was let in", ran.stderr)
