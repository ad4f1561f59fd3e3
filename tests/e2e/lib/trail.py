# SPDX-License-Identifier: Apache-2.0
"""An audit trail for a test: keys, the `audit:` of gantry.yaml, and what the journal says."""
import base64
import hashlib
import hmac
import json
import os
import struct
import subprocess

from . import dicom
from .site import check, equal, until

PATIENT, STUDY = 1, 4  # kinds of blind tokens, src/audit/blind.h


class Trail:
    def __init__(self, bench, folder=None, **more):
        self.bench = bench
        keys = bench.new_folder("trail")
        self.path = lambda name: os.path.join(keys, name)
        for name, kind in (("checkpoint", "ed25519"), ("auditor", "x25519")):
            subprocess.run(["openssl", "genpkey", "-algorithm", kind, "-out", self.path(name + ".key")], check=True)
        subprocess.run(["openssl", "pkey", "-in", self.path("auditor.key"), "-pubout", "-out", self.path("auditor.pem")],
                       check=True)
        self.index_key = os.urandom(32)
        with open(os.open(self.path("index.key"), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(self.index_key.hex())
        self.config = {"origin": "test.example/gantry", "auditors": [self.path("auditor.pem")],
                       "checkpoint-key": self.path("checkpoint.key"), "index-key": self.path("index.key"), **more}
        self.folder = folder
        if folder:
            self.config["journal"] = folder

    def gateway(self, **options):
        g = self.bench.gateway(audit=self.config, **options)
        self.folder = self.folder or os.path.join(g.folder, "state/audit")
        return g

    def vkey(self):
        """The public key of its checkpoints."""
        raw = subprocess.run(["openssl", "pkey", "-in", self.path("checkpoint.key"), "-pubout", "-outform", "DER"],
                             check=True, stdout=subprocess.PIPE).stdout[-32:]
        name = self.config["origin"]
        number = hashlib.sha256(name.encode() + b"\n\x01" + raw).digest()[:4].hex()
        return name + "+" + number + "+" + base64.b64encode(b"\x01" + raw).decode()

    def raw(self):
        reader = self.bench.tool("audit_records")
        return subprocess.run([reader, self.folder, self.path("auditor.key")], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)

    def records(self, kind=None, **event):
        """All, or those of a kind whose event has these fields."""
        ran = self.raw()
        equal(ran.returncode, 0, f"reading the journal: {ran.stderr} {ran.stdout[-500:]}")
        rows = [json.loads(line) for line in ran.stdout.splitlines()]
        for i, row in enumerate(rows):
            equal(row["index"], rows[0]["index"] + i, "records in a row")
        return [r for r in rows if (not kind or r["kind"] == kind) and
                all(r.get("event", {}).get(k) == v for k, v in event.items())]

    def wait(self, kind, n=1, **event):
        return until(lambda: len(got := self.records(kind, **event)) >= n and got,
                     lambda: f"{n} records {kind} {event}; there are\n" + self.table())

    def table(self):
        return "\n".join(f"{r['index']} {r['kind']} outcome {r['outcome']} about {r.get('about')} association "
                         f"{r['association']} count {r['count']} " +
                         json.dumps({k: v for k, v in r.get("event", {}).items() if v}) for r in self.records())

    def one(self, kind, **event):
        got = self.records(kind, **event)
        check(len(got) == 1, f"{len(got)} records {kind} {event}, not one; there are\n" + self.table())
        return got[0]

    def token(self, kind, value):
        """What a patient's or study's blind token must be, if the value is normal already."""
        return [kind, hmac.new(self.index_key, bytes([kind]) + value.encode(), hashlib.sha256).hexdigest()[:32]]

    def settled(self):
        """Every beginning has one end, that names it."""
        def rows():
            got = self.records()
            begun = {r["index"]: [] for r in got if r["kind"] == "begin"}
            for r in got:
                if r["kind"] in ("transferred", "interrupted") and "about" in r:
                    begun[r["about"]].append(r)
            return got, begun
        until(lambda: all(rows()[1].values()), lambda: "the end of a transfer; there are\n" + self.table())
        got, begun = rows()
        for index, ends in begun.items():
            # What succeeded in part has two: PS3.15 A.5.2.
            check(len(ends) == 1 or (len(ends) == 2 and sorted(r["outcome"] == 0 for r in ends) == [False, True]),
                  f"transfer {index} ended {len(ends)} times; there are\n" + self.table())
        return got

    def passed(self, **event):
        """Instances that were passed on, by all ends."""
        return sum(sum(r["event"]["sop"].values()) for r in self.records("transferred", **event) if "event" in r)


def object_of(patient="P1", study="1.2.3.1", instance="1.2.3.4", sop_class=dicom.CT, size=0, before=b"", name="Test^One",
              between=b""):
    """An object in implicit VR little endian. before: elements that stand before the patient's; between: before the study."""
    def put(group, number, text, pad=b" "):
        return dicom.element(group, number, dicom.even(text.encode(), pad))
    data = put(8, 0x16, sop_class, b"\0") + put(8, 0x18, instance, b"\0") + put(8, 0x50, "ACC" + patient) + before
    data += put(0x10, 0x10, name) + put(0x10, 0x20, patient) + between + put(0x20, 0xD, study, b"\0") + \
        put(0x20, 0xE, study + ".1", b"\0")
    if size:
        data += dicom.element(0x7FE0, 0x10, bytes(size + size % 2))
    return data


class Witness:
    """An archive on loopback that looks, at the first byte of an object's command and data set, at what is recorded.

    seen: instance -> the records there were when its first P-DATA-TF came.
    """

    def __init__(self, bench, trail, **options):
        self.trail, self.seen, self.failing = trail, [], set()
        self.scp = bench.scp(answer=self.answer, before=self.before, **options)
        self.port = self.scp.port

    def before(self, scp, wire):
        """Look when the first P-DATA-TF of a message is there, before it is read."""
        message, at_begin = wire.recv_message, [True]

        def recv_message():
            at_begin[0] = True
            return message()

        def recv_pdu():
            kind, _, length = struct.unpack(">BBL", wire.read(6))
            if kind == dicom.DATA and at_begin[0]:
                at_begin[0] = False
                self.seen.append([(r["kind"], r["event"].get("patient"), r["event"].get("study"))
                                  for r in self.trail.records() if "event" in r])
            return kind, wire.read(length)
        wire.recv_message, wire.recv_pdu = recv_message, recv_pdu

    def answer(self, scp, wire, context, fields, data):
        if fields.get("affected_instance") in self.failing:
            scp.respond(wire, context, fields, status=0xA700)
            return True
        return False

