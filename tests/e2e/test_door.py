# SPDX-License-Identifier: Apache-2.0
"""The local door: programs of this machine that speak DICOM through the gateway to a node."""
import glob
import json
import os
import socket
import struct
import subprocess

from lib import clamd, dicom, peers
from lib.site import check, equal, test, until
from lib.trail import Trail
from test_antivirus import PDF, document, is_state, pdf
from test_deidentify_flow import new_key
from test_hold import BAD, CONTEXTS, good  # BAD: pdf-javascript, a danger

IMPORT, RELEASE = 1, 2


def text(value):
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def header(why, to, user="anna", note="CD of the neurology", flow=None, makes=0):
    flow = flow or ("images" if why == RELEASE else "")  # by which the object came, or is to go
    return b"gantry-door\3" + bytes([why, makes]) + text(to) + text(user) + text(flow) + text(note)


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
    accepted = g.find(event="association.accepted")
    equal(accepted[0]["user"], f"anna (uid {os.getuid()})", "the user")
    equal([row["called"] for row in accepted], ["ARCHIVE", "ARCHIVE", "ANY"], "the titles: the node's for an import, which names none")
    check(all(value != "" for row in g.lines() for value in row.values()), "a field without a value")
    equal(g.decision("content")["listener"], "door", "where it came in")


@test
def door_import_by_a_flow(bench):
    """What is imported is de-identified by the gateway itself where flows do, whatever the program has said; of several flows one is named."""
    port, folder = peers.storescp(bench)
    flow = {"from": ["ct1"], "to": "archive", "services": ["echo", "store"]}
    g = bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"}, deidentify={"key": new_key(bench)},
                      flow={"deidentify": "yes"}, flows=[{**flow, "name": "others", "from": ["ct-tls"]}])
    original = dicom.Part10(peers.CT_SMALL).instance
    for named in ("", "nobody"):
        with Door(g, header(IMPORT, "archive", flow=named)) as door:
            try:
                door.associate("GANTRY", "ANY", CONTEXTS)
                check(False, "an association by flow", named)
            except dicom.Rejected:
                pass
    check("--flow NAME` (images, others)" in g.decision("no-flow")["message"], "why")
    equal(store(Door(g, header(IMPORT, "archive", flow="images")), peers.CT_SMALL), 0, "by the one")
    (uid,) = peers.received(folder)
    check(uid.startswith("2.25."), "an original", uid)
    equal(store(Door(g, header(IMPORT, "archive", flow="others")), peers.CT_SMALL), 0, "by the other")
    check(original in peers.received(folder), "the original")
    g.config["flows"].pop()
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    os.remove(next(path for path in glob.glob(os.path.join(folder, "*")) if original in path))
    equal(store(Door(g, header(IMPORT, "archive")), peers.CT_SMALL), 0, "where there is but one")
    equal(list(peers.received(folder)), [uid], "what arrived")


@test
def door_antivirus(bench):
    """Where the site has a virus scanner it sees what is imported, though no flow asks it; a release it does not see."""
    scanner = clamd.Clamd(bench, clamd.definitions(bench.path("db"), clamd.ndb("Test.Body", b"evil body")))
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"}, antivirus={"socket": scanner.socket})
    is_state(g, "ready")
    for why, statuses in ((IMPORT, (0, 0x0124)), (RELEASE, (0, 0))):
        with Door(g, header(why, "archive")) as door:
            door.associate("GANTRY", "ANY", CONTEXTS)
            for instance, text, status in (("1.2.3.1", b"good", statuses[0]), ("1.2.3.2", b"an evil body", statuses[1])):
                got = door.store(context=5, sop_class=PDF, instance=instance, data=document(instance, pdf(text)))["status"]
                equal(got, status, f"{text} for {why}")
            door.release()
    check("Test.Body" in g.decision("content")["message"], "the name is not told")
    equal(len(g.find(event="decision", rule="content")), 1, "refusals")
    equal(len(peers.received(folder)), 2, "objects that arrived")
    check("antivirus-found" in g.cli("explain", "1"), "what explain says", g.cli("explain", "1"))


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


@test
def door_is_recorded(bench):
    """An import is one in the audit trail too, beside the transfers, by patient and study; a release is none, and says what it is."""
    trail = Trail(bench)
    port, _ = peers.storescp(bench)
    g = trail.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"})
    who = f"anna (uid {os.getuid()})"
    with Door(g, header(IMPORT, "archive")) as door:
        door.associate("GANTRY", "ANY", CONTEXTS)
        for instance in ("1.2.3.1", "1.2.3.2"):
            equal(door.store(context=3, instance=instance, data=good(instance))["status"], 0, "status")
        bad = dicom.Part10(BAD)
        equal(door.store(context=5, sop_class=bad.sop_class, instance=bad.instance, data=bad.data)["status"], 0x0124, "a bad one")
        door.release()
    trail.settled()
    row = trail.one("import")
    event = row["event"]
    equal((event["user"], event["user_proved"], event["object"], event["patient"], event["sop"], row["outcome"]),
          (who, True, "CD of the neurology", "1CT1", {dicom.CT: 2}, 0), "the import")
    check("refusal" not in event and "text" not in event, "of what was refused, in the import:", event)
    equal(sorted((r["event"]["object"], r["event"]["user"], r["outcome"]) for r in trail.records("transferred")),
          [("local import: CD of the neurology", who, 0), ("local import: CD of the neurology", who, 8)], "the transfers")
    check(any(r["event"]["refusal"] for r in trail.records("alert", object="content")), "no alert of the refusal")
    equal(store(Door(g, header(RELEASE, "archive", note="")), BAD), 0, "a release")
    trail.settled()
    trail.one("import")
    equal(len(trail.records("transferred", object="local release")), 1, "transfers of the release")


@test
def door_large_and_reload(bench):
    """An object that is held in a file arrives as it is; a reload that takes the node away is heeded by what is open."""
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"},
                      nodes={"other": {"ae": ["OTHER"], "address": [f"127.0.0.1:{port}"], "transport": "plain"}})
    large = good("1.2.3.5", size=6 << 20)
    with Door(g, header(IMPORT, "other")) as door:
        door.associate("GANTRY", "ANY", CONTEXTS)
        equal(door.store(context=3, instance="1.2.3.5", data=large)["status"], 0, "status")
        equal(peers.received(folder)["1.2.3.5"].data == large, True, "the bytes that arrived")
        del g.config["nodes"]["other"]
        g.write()
        g.wait_log(g.reload(), event="gateway.reloaded")
        check(door.store(context=3, instance="1.2.3.6", data=good("1.2.3.6"))["status"] != 0, "to a node that is gone")
        door.release()
    equal(len(peers.received(folder)), 1, "objects that arrived")


@test
def door_counts(bench):
    """Limits hold at the door, `gantry status` shows who is in, and when the gateway stops it is shut."""
    port, _ = peers.storescp(bench)
    g = bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"}, associations={"at-once": 1})
    with Door(g, header(IMPORT, "archive")) as door:
        door.associate("GANTRY", "ANY", CONTEXTS)
        listeners = [a["listener"] for a in json.loads(g.cli("status", "--json"))["associations"]]
        equal(listeners, ["door"], "in status")
        with Door(g, header(IMPORT, "archive")) as other:
            try:
                other.associate("GANTRY", "ANY", CONTEXTS)
                check(False, "one more than may be was let in")
            except dicom.Rejected:
                pass
        g.decision("associations")
        g.process.signal(15)
        g.wait_log(event="gate.stopping")
        mark = g.mark()
        try:
            with Door(g, header(IMPORT, "archive")) as late:
                late.associate("GANTRY", "ANY", CONTEXTS)
            check(False, "one was let in at a stop")
        except (dicom.Closed, OSError):
            pass
        check("stopping" in g.wait_log(mark, event="door.closed")["message"], "why")
        equal(door.store(context=3, instance="1.2.3.1", data=good("1.2.3.1"))["status"], 0, "what is open may finish")
        door.release()
    until(lambda: not g.process.running(), "the gateway to end")
    check(not os.path.exists(os.path.join(g.folder, "run/door")), "the socket is left")
