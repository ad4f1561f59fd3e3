# SPDX-License-Identifier: Apache-2.0
"""Flows that sign: what leaves is what came, with a signature that DCMTK's dcmsign and gantry verify believe."""
import glob
import json
import os
import re
import shutil
import signal
import urllib.request

from lib import dicom, peers
from lib.site import check, equal, test, until
from lib.token import token
from test_deidentify_flow import is_back, new_key, recipients
from test_hold import BAD, PDF, good, plain
from test_quarantine import ANN, BOB, KEEPS, release
from test_sign import CT, DATA, Signer, elements

CONTEXTS = ((dicom.VERIFICATION, [dicom.ILE]), (dicom.CT, [dicom.ELE]), (PDF, [dicom.ELE]))


class Site(Signer):
    """A gateway whose flow signs, before an archive."""

    def __init__(self, bench, sign="yes", archive=None, start=True, more=None, bits=2048, **flow):
        super().__init__(bench, bits)
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

    def stored(self, instance=""):
        """The last that was stored, or that instance: what comes within a tick of the clock has one time."""
        found = [path for path in glob.glob(os.path.join(self.folder, "**"), recursive=True) if os.path.isfile(path)]
        return max((path for path in found if instance in os.path.basename(path)), key=os.path.getmtime)

    def good(self, path, source, n=1, algorithm="SHA256"):
        """Both verifiers find n good signatures, the last over everything, and nothing else is new."""
        if not re.search("HTJ2K|liver_deflate", source):  # which DCMTK 3.6.7 does not know
            self.theirs(path)
        found = self.verify(path)
        equal([v["state"] for v in found], ["good"] * n, f"the signatures of {path}")
        equal((found[-1]["all"], found[-1]["algorithm"]), (True, algorithm), "the last of them")
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
def sign_what_is_imported(bench):
    """What `gantry media import` brings goes by the flow that signs, and is signed."""
    s = Site(bench, archive=peers.storescp(bench))
    disc = bench.new_folder("disc")
    shutil.copy(CT, os.path.join(disc, "IM1"))
    text = s.g.cli("media", "import", disc, "--to", "archive", "--yes")
    check("1 of 1 objects sent to archive, signed, as flow images has it" in text, text)
    s.good(s.stored(), CT)


@test
def sign_what_is_sent_again(bench):
    """A folder archive has one of what is the same but for the time of its signature; of what is not, or is signed by another, both."""
    s = Site(bench)
    changed = bench.path("changed.dcm")
    shutil.copy(CT, changed)
    os.chmod(changed, 0o644)
    bench.run("dcmodify", "-nb", "-m", "PatientSex=F", changed, wants=0)
    for path in (CT, CT, changed, CT, changed):
        equal(s.store(path)["status"], 0, path)
    files = [path for path in glob.glob(os.path.join(s.folder, "**"), recursive=True) if os.path.isfile(path)]
    equal(sorted("conflict-1" in path for path in files), [False, True], "files")
    check("signed at another time" in s.g.wait_log(event="archive.same")["message"], "the log")
    for path in files:
        s.good(path, changed if "conflict-1" in path else CT)
    twice = s.sign(CT, "twice.dcm")
    equal(s.store(twice)["status"], 0, "with a signature of its own, too")
    s.good(s.stored("conflict-2"), CT, n=2)


@test
def sign_each_encoding(bench):
    """Of whatever encoding."""
    s = Site(bench, sign={"hash": "sha384"})
    deflated = bench.path("deflated.dcm")
    bench.run("dcmconv", "+td", CT, deflated, wants=0)
    for path in [*sorted(glob.glob(os.path.join(DATA, "*.dcm"))), deflated]:
        answer = s.store(path)
        if os.path.basename(path) in ("image_dfl.dcm", "report_dfl.dcm"):  # there is more behind what is deflated
            equal(answer["status"], 0x0124, path)
            check("more than one way" in s.g.decision("sign")["message"], "why")
            continue
        equal(answer["status"], 0, path)
        s.good(s.stored(), path, algorithm="SHA384")


@test
def sign_what_is_signed(bench):
    """Signatures that an object has hold: DCMTK's and ours, with and without lengths, and of an encoding with another byte order."""
    s = Site(bench)
    for name in ("CT_small", "MR_small_implicit", "SC_rgb_small_odd_big_endian", "sr", "SC_rgb_jpeg_dcmtk"):
        source = os.path.join(DATA, name + ".dcm")
        for signed in (s.dcmsign(source), s.sign(source)):
            equal(s.store(signed)["status"], 0, name)
            s.good(s.stored(), signed, n=2)
        equal(s.store(s.stored())["status"], 0, f"{name}, a third one")
        s.good(s.stored(), signed, n=3)


@test
def sign_what_is_made_anew(bench):
    """De-identified, what leaves is signed and not what came, as its creator does; old signatures are gone; in a file, in small PDUs."""
    s = Site(bench, archive=peers.storescp(bench, "--max-pdu", "4096"), deidentify="yes", inspect={"hold": "whole"},
             more={"deidentify": {"key": new_key(bench)}})
    large = bench.path("large.dcm")
    with open(CT, "rb") as source, open(large, "wb") as file:
        data = source.read()
        file.write(data[:data.index(b"\x08\0\x05\0CS")] + good("1.2.3.4", 6 << 20))
    deflated = bench.path("deflated.dcm")
    bench.run("dcmconv", "+td", CT, deflated, wants=0)
    for path in (CT, s.dcmsign(CT), deflated, large, os.path.join(DATA, "SC_rgb_rle_2frame.dcm"), os.path.join(DATA, "MR_small_implicit.dcm")):
        answer = s.store(path)
        equal((answer["status"], answer["affected_instance"]), (0, dicom.Part10(path).instance), path)
        s.theirs(s.stored())
        found = s.verify(s.stored())
        equal([(v["state"], v["all"], "creator" in v["profiles"]) for v in found], [("good", True, True)], path)
        with open(s.stored(), "rb") as file:
            check(b"CompressedSamples^" not in file.read(), "the patient's name is left", path)
    broken = good("1.2.3.5", 2 << 20)[:-700]
    scu = s.g.scu()
    scu.associate(contexts=CONTEXTS)
    check(scu.store(context=3, instance="1.2.3.5", data=broken)["status"] != 0, "a broken object passed")
    equal(scu.store(context=3, instance="1.2.3.6", data=good("1.2.3.6"))["status"], 0, "the next one")
    bad = dicom.Part10(BAD)
    equal(scu.store(context=5, sop_class=PDF, instance=bad.instance, data=bad.data)["status"], 0x0124, "one of danger")
    scu.release()


@test
def sign_with_originals(bench):
    """The signature is over the encrypted originals too; whatever the size and the encoding, both verifiers believe it, and they come back."""
    s = Site(bench, archive=peers.storescp(bench, "--max-pdu", "4096"), deidentify={"originals-to": recipients(bench, "a")},
             more={"deidentify": {"key": new_key(bench)}})
    large = bench.path("large.dcm")
    with open(CT, "rb") as source, open(large, "wb") as file:
        data = source.read()
        file.write(data[:data.index(b"\x08\0\x05\0CS")] + good("1.2.3.4", 6 << 20))
    deflated = bench.path("deflated.dcm")
    bench.run("dcmconv", "+td", CT, deflated, wants=0)
    for path in (CT, large, deflated, CT):
        equal(s.store(path)["status"], 0, path)
        made = s.stored()
        s.theirs(made)
        equal([(v["state"], v["all"], "creator" in v["profiles"]) for v in s.verify(made)], [("good", True, True)], path)
        is_back(bench, "a", made, path)
        os.remove(made)
    broken = dicom.Part10(CT).data[:-700]
    scu = s.g.scu()
    scu.associate(contexts=CONTEXTS)
    check(scu.store(context=3, instance=dicom.Part10(CT).instance, data=broken)["status"] != 0, "a broken object passed")
    away(s)
    equal(scu.store(context=3, instance="1.2.3.6", data=good("1.2.3.6"))["status"], 0xA700, "without the key holder")
    scu.release()
    equal(glob.glob(os.path.join(s.folder, "*")), [], "what the archive has")


def away(s):
    """Ends the key holder of a gateway."""
    pid = next(pid for pid, argv in s.g.roles().items() if argv[1:3] == ["--role", "keys"])
    os.kill(pid, signal.SIGKILL)
    return pid


@test
def sign_without_the_key_holder(bench):
    """It is away in the middle of an association: refused, or passed with an alarm, and after its return all is signed again."""
    for how, unable in (("yes", "refuse"), ({"when-unable": "pass"}, "pass")):
        s = Site(bench, sign=how)
        scu = s.g.scu()
        scu.associate(contexts=CONTEXTS)
        equal(scu.store(context=3, instance="1.2.3.1", data=good("1.2.3.1"))["status"], 0, "before")
        away(s)
        answer = scu.store(context=3, instance="1.2.3.2", data=good("1.2.3.2"))
        line = s.g.decision("sign-key")
        check("key holder is away" in line["message"], "why", line)
        equal(line["decision"], "refuse" if unable == "refuse" else "alarm", "the decision")
        if unable == "refuse":
            equal((answer["status"], answer.get("comment")), (0xA700, f"Gantry {line['number']}: sign-key"), "the answer")
        else:
            equal(answer["status"], 0, "the answer")
            equal(s.verify(s.stored("1.2.3.2"), wants=3), [], "its signatures")
        scu.release()
        check("sign-key" in s.g.cli("explain", str(line["number"])), "explain")

        def again():
            try:
                return s.store(CT)["status"] == 0 and bench.run("dcmsign", "--verify", "+rg", "+cf", s.ca, s.stored()).code == 0
            except (OSError, AssertionError):
                return False

        until(again, "objects to be signed again")
        s.good(s.stored(), CT)
        s.g.stop()
        shutil.rmtree(bench.path("ca"))


@test
def sign_what_cannot_be(bench):
    """A structure that can be read in two ways, less than the profile asks for, no room to hold it: as the flow says; and in observe mode."""
    twice = bytearray(good("1.2.3.7"))
    at = twice.index(b"\x10\0\x10\0PN")
    length = 8 + int.from_bytes(twice[at + 6:at + 8], "little")
    twice[at:at] = twice[at:at + length]
    for how, mode in (("yes", "enforce"), ({"when-unable": "pass"}, "enforce"), ("yes", "observe")):
        s = Site(bench, sign=how, more={"mode": mode, "hold-quota": "64M"})
        scu = s.g.scu()
        scu.associate(contexts=(*CONTEXTS, (dicom.CT, ["1.2.840.113619.5.2"])))  # a maker's own
        mark = s.g.mark()
        status = scu.store(context=7, instance="1.2.3.5", data=good("1.2.3.5"))["status"]
        line = s.g.decision("sign", mark)
        check("transfer syntax" in line["message"], "why", line)
        equal(status == 0, how != "yes" or mode == "observe", "what is encoded in another way")
        mark = s.g.mark()
        status = scu.store(context=3, instance="1.2.3.7", data=bytes(twice))["status"]
        line = s.g.decision("sign", mark)
        check("more than one way" in line["message"], "why", line)
        passes = how != "yes" or mode == "observe"
        equal((status, line["decision"]), (0, "observe" if mode == "observe" else "alarm") if passes else (0x0124, "refuse"), "what is broken")
        if passes:
            equal(s.verify(s.stored(), wants=3), [], "its signatures")
        status = scu.store(context=3, instance="1.2.3.8", data=good("1.2.3.8", 80 << 20))["status"]
        check("hold-quota" in s.g.decision("sign-key")["message"], "why")
        equal(status, 0 if passes else 0xA700, "what has no room")
        equal(scu.store(context=3, instance="1.2.3.9", data=good("1.2.3.9"))["status"], 0, "the next one")
        scu.release()
        equal([v["state"] for v in s.verify(s.stored())], ["good"], "the next one's signature")
        s.g.stop()
        shutil.rmtree(bench.path("ca"))


@test
def sign_what_is_fetched(bench):
    """Sub-operations of C-GET: what the caller gets is signed."""
    port, _ = peers.dcmqrscp(bench)
    bench.run("storescu", "-aet", "X", "-aec", "ARCHIVE", "127.0.0.1", str(port), CT, wants=0)
    s = Site(bench, archive=(port, None), services=["echo", "get"])
    out = bench.new_folder("got")
    study = bench.run("dcmdump", "+P", "StudyInstanceUID", CT, wants=0).text.split("[")[1].split("]")[0]
    bench.run("getscu", "-S", "-aet", "CT1", "-aec", "ARCHIVE", "+B", "-od", out, "-k", "QueryRetrieveLevel=STUDY",
              "-k", f"StudyInstanceUID={study}", "127.0.0.1", str(s.g.plain), wants=0)
    files = until(lambda: glob.glob(os.path.join(out, "*")), "an object")
    s.theirs(files[0])
    equal([v["state"] for v in s.verify(files[0])], ["good"], "the signature")


@test
def sign_in_passing_by_a_token(bench):
    """The key is on a token, and its module with the key holder; Orthanc has what it signs."""
    port, http = peers.orthanc(bench)[:2]
    s = Site(bench, sign={"hash": "sha512"}, archive=(port, None), start=False)
    uri, tls, _, _ = token(bench, {"signer": s.key})
    s.config["key"] = uri.format("signer")
    s.g.config["tls"].update(tls)
    s.g.write()
    bench.run(bench.program, "check", s.g.yaml, wants=0)
    s.g.start()
    s.send(CT)
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/instances", timeout=20) as answer:
        name = json.load(answer)[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/instances/{name}/file", timeout=20) as answer, \
            open(bench.path("got.dcm"), "wb") as file:
        file.write(answer.read())
    s.theirs(bench.path("got.dcm"))
    equal([(v["state"], v["algorithm"]) for v in s.verify(bench.path("got.dcm"))], [("good", "SHA512")], "the signature")


@test
def sign_by_a_key_of_its_own(bench):
    """gantry check and the start want a key that serves nothing else; a reload that brings `sign` brings its key."""
    s = Site(bench, start=False)
    bench.run(bench.program, "check", s.g.yaml, wants=0)
    del s.g.config["signatures"]
    s.g.write()
    check("no `key` and `certificate`" in bench.run(bench.program, "check", s.g.yaml, wants=1).text, "without a key")
    s.g.config["signatures"] = {"key": bench.keys.path("gateway-rsa.key"), "certificate": bench.keys.path("gateway-rsa.pem")}
    s.g.write()
    check("one of its own" in bench.run(bench.program, "check", s.g.yaml, wants=1).text, "the key of an identity")
    s.g.start(wait=False)
    check("one of its own" in s.g.process.text() + s.g.log_text() or s.g.process.wait() != 0, "it started")
    s.g.config["signatures"] = s.config
    del s.g.config["flows"][0]["sign"]
    s.g.write()
    s.g.start()
    equal(s.store(CT)["status"], 0, "unsigned")
    equal(s.verify(s.stored(), wants=3), [], "its signatures")
    s.g.config["flows"][0]["sign"] = {"profile": "creator"}
    s.g.write()
    s.g.wait_log(s.g.reload(), event="gateway.reloaded")
    equal(s.store(CT)["status"], 0, "signed")
    s.good(s.stored(), CT)


@test
def sign_after_the_verdict(bench):
    """What is asked for is what the object came with; one that is not over the SOP Instance UID could be another's."""
    s = Site(bench, inspect={"signatures": "require"})
    equal(s.store(CT)["status"], 0x0124, "unsigned")
    check("signature-missing" in s.g.decision("content")["message"], "why")
    apart = s.sign(CT, "apart.dcm", "--tag", "PatientName")
    equal((s.verify(apart)[0]["state"], s.verify(apart)[0]["instance"]), ("good", False), "a signature that fits others too")
    equal(s.store(apart)["status"], 0x0124, "a signature that fits others too")
    signed = s.sign(CT)
    equal(s.verify(signed)[0]["instance"], True, "over the SOP Instance UID")
    equal(s.store(signed)["status"], 0, "signed")
    s.good(s.stored(), signed, n=2)
    # Nine signatures: eight are looked into in passing.
    many = signed
    for number in range(8):
        many = s.sign(many, f"many{number}.dcm", "--tag", "SOPInstanceUID")
    mark = s.g.mark()
    equal(s.store(many)["status"], 0, "one of its signatures is good")
    check("signature-unknown" in s.g.wait_log(mark, event="object.found")["checks"], "the ninth")
    s.good(s.stored(), signed, n=10)


@test
def sign_what_is_released(bench):
    """What two people release from the quarantine goes the way of its flow, and is signed."""
    s = Site(bench, archive=peers.storescp(bench), **KEEPS)
    bad = dicom.Part10(BAD)
    equal(s.store(BAD)["status"], 0x0124, "in quarantine")
    release(s.g, 1, ANN, "--reason", "a report of ours")
    text = release(s.g, 1, BOB)
    check("was delivered to archive" in text, text)
    found = peers.received(s.folder)
    equal(list(found), [bad.instance], "objects in the archive")
    s.good(s.stored(), BAD)


@test
def sign_what_takes_too_long(bench):
    """Held for hold-max: as the flow says of what cannot be signed."""
    for how, status in (("yes", 0xA700), ({"when-unable": "pass"}, 0)):
        s = Site(bench, sign=how, inspect={"hold-max": "1s", "fail": "pass"})
        scu = s.g.scu()
        scu.associate(contexts=CONTEXTS)
        data = good("1.2.3.1", 2 << 20)
        scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                             affected_instance="1.2.3.1", data=0), True)
        scu.send_pdvs(3, data[:1 << 20], False, last=False)
        check("hold-max" in s.g.decision("sign-key")["message"], "why")
        scu.send_pdvs(3, data[1 << 20:], False)
        equal(scu.answer()["status"], status, "the answer")
        equal(scu.store(context=3, instance="1.2.3.2", data=good("1.2.3.2"))["status"], 0, "the next one")
        scu.release()
        equal([v["state"] for v in s.verify(s.stored())], ["good"], "the next one's signature")
        s.g.stop()
        shutil.rmtree(bench.path("ca"))
