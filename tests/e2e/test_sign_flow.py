# SPDX-License-Identifier: Apache-2.0
"""Flows that sign: what leaves is what came, with a signature that DCMTK's dcmsign and gantry verify believe."""
import glob
import os
import re

from lib import dicom, peers
from lib.site import ROOT, check, equal, free_port, test, until
from test_deidentify_flow import new_key
from test_hold import BAD, PDF, good, plain
from test_sign import CT, DATA, Signer, elements

CONTEXTS = ((dicom.VERIFICATION, [dicom.ILE]), (dicom.CT, [dicom.ELE]), (PDF, [dicom.ELE]))


class Site(Signer):
    """A gateway whose flow signs, before an archive."""

    def __init__(self, bench, sign="yes", archive=None, start=True, more=None, **flow):
        super().__init__(bench)
        port, self.folder = archive or (None, self.g.archive_folder)
        if port:
            self.g.config["nodes"]["archive"].update(plain(port))
        self.g.config["flows"][0].update({"sign": sign, **flow})
        self.g.config.update(more or {})
        self.g.write()
        if start:
            self.g.start()

    def send(self, path, *options, wants=0):
        self.bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", *options, "127.0.0.1", str(self.g.plain), path, wants=wants)

    def store(self, path):
        """As it is, in its own transfer syntax: the answer."""
        part10 = dicom.Part10(path)
        scu = self.g.scu()
        scu.associate(contexts=((part10.sop_class, [part10.syntax]),))
        answer = scu.store(context=1, sop_class=part10.sop_class, instance=part10.instance, data=part10.data)
        scu.release()
        return answer

    def stored(self):
        found = [path for path in glob.glob(os.path.join(self.folder, "**"), recursive=True) if os.path.isfile(path)]
        return max(found, key=os.path.getmtime)

    def good(self, path, source, n=1):
        """Both verifiers find n good signatures, the last over everything, and nothing else is new."""
        if not re.search("HTJ2K|liver_deflate", source):  # which DCMTK 3.6.7 does not know
            self.theirs(path)
        found = self.verify(path)
        equal([v["state"] for v in found], ["good"] * n, f"the signatures of {path}")
        equal((found[-1]["all"], found[-1]["algorithm"]), (True, "SHA256"), "the last of them")
        check(data_set(path) == data_set(source), f"something else of {source} has changed")
        return found


def data_set(path):
    lines = elements(path)
    return lines[lines.index("# Dicom-Data-Set"):]


@test
def sign_in_passing(bench):
    """What storescp has is what was sent, and dcmsign and gantry verify find one good signature of all of it."""
    s = Site(bench, archive=peers.storescp(bench))
    s.send(CT)
    s.theirs(s.stored())
    equal([(v["state"], v["all"]) for v in s.verify(s.stored())], [("good", True)], "the signature")
    equal(s.store(CT)["status"], 0, "as it is")
    s.good(s.stored(), CT)
    with open(s.stored(), "rb") as file:
        data = bytearray(file.read())
    data[data.rindex(b"\xe0\x7f\x10\0") + 500] ^= 1
    with open(bench.path("changed.dcm"), "wb") as file:
        file.write(data)
    s.theirs(bench.path("changed.dcm"), wants=1)
    equal(s.verify(bench.path("changed.dcm"), wants=1)[0]["state"], "false", "one bit of the pixels was changed")


@test
def sign_each_encoding(bench):
    """Of whatever encoding."""
    s = Site(bench)
    deflated = bench.path("deflated.dcm")
    bench.run("dcmconv", "+td", CT, deflated, wants=0)
    for path in [*sorted(glob.glob(os.path.join(DATA, "*.dcm"))), deflated]:
        answer = s.store(path)
        if os.path.basename(path) in ("image_dfl.dcm", "report_dfl.dcm"):  # there is more behind what is deflated
            equal(answer["status"], 0x0124, path)
            check("more than one way" in s.g.decision("sign")["message"], "why")
            continue
        equal(answer["status"], 0, path)
        s.good(s.stored(), path)
