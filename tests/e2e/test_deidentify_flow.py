# SPDX-License-Identifier: Apache-2.0
"""Flows that de-identify: what leaves, what is refused, by which UIDs both sides know an object."""
import glob
import json
import os
import re
import secrets
import shutil
import signal
import struct
import threading
import urllib.request

from lib import dicom, peers
from lib.site import check, equal, test, until
from lib.trail import Trail
from test_deidentify import DATA, bytes_of, pixels, values
from test_hold import BAD, PDF, good, plain
from test_trouble import association_pids, role_pid

CONTEXTS = ((dicom.VERIFICATION, [dicom.ILE]), (dicom.CT, [dicom.ELE]), (PDF, [dicom.ELE]))
NAME = b"CompressedSamples^CT1"


def new_key(bench):
    path = bench.write("pseudonyms.key", "")
    with open(path, "wb") as file:
        file.write(secrets.token_bytes(32))
    os.chmod(path, 0o600)
    return path


def gateway(bench, port, how="yes", **flow):
    return bench.gateway(archive=plain(port), flow={"deidentify": how, **flow}, deidentify={"key": new_key(bench)})


def is_clean(bench, path, original):
    """No name, no ID, no UID of it; it says so itself, and dcmdump reads it."""
    with open(path, "rb") as file:
        data = file.read()
    check(NAME not in data and original.instance.encode() not in data and b"1CT1" not in data, "something is left", path)
    text = bench.run("dcmdump", path, wants=0).text
    for words in ("(0012,0062) CS [YES]", "113100", "(0028,0303)"):
        check(words in text, "it does not say that it is de-identified", words)
    return text


@test
def deidentify_in_the_stream(bench):
    """What storescp has is another object than storescu sent, the same each time, and pixels are as they were."""
    port, folder = peers.storescp(bench)
    g = gateway(bench, port)
    original = dicom.Part10(peers.CT_SMALL)
    for _ in range(2):
        bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL, wants=0)
    found = peers.received(folder)
    equal(len(found), 1, "objects in the archive")
    uid = next(iter(found))
    check(uid.startswith("2.25."), "the UID is not a new one", uid)
    is_clean(bench, glob.glob(os.path.join(folder, "*"))[0], original)
    check(pixels(bench, glob.glob(os.path.join(folder, "*"))[0], "now") == pixels(bench, peers.CT_SMALL, "before"), "pixels differ")
    until(lambda: json.loads(g.cli("status", "--json"))["flows"][0].get("deidentified") == 2, "the count of status")
    check("flow images de-identifies: 2 objects" in g.cli("status"), "status")


@test
def deidentify_leaves_pixels_bit_for_bit(bench):
    """Of every valid file that passes, in the transfer syntax that it has: pixel data, as DCMTK writes it, is what it was."""
    port, folder = peers.storescp(bench, "+xa")
    g = gateway(bench, port, {"documents": "replace", "burned-in": "keep"})
    compared = 0
    for path in sorted(glob.glob(os.path.join(os.path.dirname(DATA), "valid", "*.dcm"))):
        with open(path, "rb") as file:
            if file.read(132)[128:] != b"DICM":
                continue
        part = dicom.Part10(path)
        if b"\xe0\x7f\x10\0" not in part.data:
            continue
        scu = g.scu()
        scu.associate(contexts=[(part.sop_class, [part.syntax])])
        for old in glob.glob(os.path.join(folder, "*")):
            os.remove(old)
        if scu.ac.results() == {1: 0} and scu.store(1, part.instance, part.sop_class, part.data)["status"] == 0:
            made, = until(lambda: glob.glob(os.path.join(folder, "*")), "the object")
            now, old = pixels(bench, made, f"now{compared}"), pixels(bench, path, f"before{compared}")
            # Of the other values that DCMTK writes some are removed: overlays, private ones.
            check(now and set(now) <= set(old) and max(old, key=len) in now, "other pixels", path)
            compared += 1
        scu.close()
    check(compared >= 10, "files compared", compared)


@test
def deidentify_answers_by_the_callers_uid(bench):
    """Small PDUs at the target, large objects, several on one association; the response names what was sent."""
    port, folder = peers.storescp(bench, "--max-pdu", "4096")
    g = gateway(bench, port)
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    for instance, size in (("1.2.3.1", 0), ("1.2.3.2", 8 << 20), ("1.2.3.3", 0)):
        answer = scu.store(context=3, instance=instance, data=good(instance, size))
        equal((answer["status"], answer["affected_instance"]), (0, instance), "the answer")
    scu.release()
    found = peers.received(folder)
    equal(len(found), 3, "objects")
    check(all(uid.startswith("2.25.") for uid in found), "new UIDs", found)
    check(any(len(p.data) > 8 << 20 for p in found.values()), "the large one is whole")


@test
def deidentify_refuses_what_it_cannot(bench):
    """A document, a broken object: refused with a number, nothing of them at the target, the next ones pass. In observe mode too."""
    port, folder = peers.storescp(bench)
    for mode in ("enforce", "observe"):
        g = gateway(bench, port, mode=mode)
        scu = g.scu()
        scu.associate(contexts=CONTEXTS)
        bad = dicom.Part10(BAD)
        answer = scu.store(context=5, sop_class=PDF, instance=bad.instance, data=bad.data)
        line = g.decision("deidentify")
        check("document" in line["message"], "why", line)
        equal(answer["status"], 0x0124, "the status")
        equal(answer.get("comment"), f"Gantry {line['number']}: deidentify", "the comment")
        broken = good("1.2.3.8")[:-700]
        check(scu.store(context=3, instance="1.2.3.8", data=broken)["status"] != 0, "a broken object passed")
        equal(scu.store(context=3, instance="1.2.3.9", data=good("1.2.3.9"))["status"], 0, "the next one")
        scu.release()
        check("deidentify" in g.cli("explain", str(line["number"])), "explain")
        g.stop()
    found = peers.received(folder)
    equal(len(found), 2, "what the archive has: one of each key")


@test
def deidentify_after_the_verdict(bench):
    """Inspection judges what came, whole and in a file; what leaves is made anew."""
    port, folder = peers.storescp(bench)
    g = gateway(bench, port, {"documents": "replace", "dates": "shift", "retain": ["device"]}, inspect={"hold": "whole"})
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    bad = dicom.Part10(BAD)
    equal(scu.store(context=5, sop_class=PDF, instance=bad.instance, data=bad.data)["status"], 0x0124, "the bad one")
    check("pdf-javascript" in g.decision("content")["message"], "the check")
    equal(scu.store(context=3, instance="1.2.3.1", data=good("1.2.3.1", 6 << 20))["status"], 0, "the large one")
    scu.release()
    found = peers.received(folder)
    equal(len(found), 1, "objects")
    check(next(iter(found)).startswith("2.25."), "new UIDs")


@test
def deidentify_what_is_fetched(bench):
    """Sub-operations of C-GET: what the caller gets is made anew."""
    port, _ = peers.dcmqrscp(bench)
    bench.run("storescu", "-aet", "X", "-aec", "ARCHIVE", "127.0.0.1", str(port), peers.CT_SMALL, wants=0)
    g = gateway(bench, port, services=["echo", "get"])
    out = bench.new_folder("got")
    study = bench.run("dcmdump", "+P", "StudyInstanceUID", peers.CT_SMALL, wants=0).text.split("[")[1].split("]")[0]
    bench.run("getscu", "-S", "-aet", "CT1", "-aec", "ARCHIVE", "+B", "-od", out, "-k", "QueryRetrieveLevel=STUDY",
              "-k", f"StudyInstanceUID={study}", "127.0.0.1", str(g.plain), wants=0)
    files = until(lambda: glob.glob(os.path.join(out, "*")), "an object")
    is_clean(bench, files[0], dicom.Part10(peers.CT_SMALL))


@test
def deidentify_without_its_key(bench):
    """A key that is none, or that others may read, starts nothing; flows without a key are a mistake."""
    key = new_key(bench)
    g = bench.gateway(archive=plain(1), flow={"deidentify": "yes"}, deidentify={"key": key}, start=False)
    bench.run(bench.program, "check", g.yaml, wants=0)
    os.chmod(key, 0o644)
    check("chmod go=" in bench.run(bench.program, "check", g.yaml, wants=1).text, "a key that others may read")
    os.chmod(key, 0o600)
    with open(key, "ab") as file:
        file.write(b"x")
    check("--new-key" in bench.run(bench.program, "check", g.yaml, wants=1).text, "a key that is none")


def finds(asked, echo=True):
    """An archive that answers a query with the query, or with nothing; what it was asked is put into `asked`."""
    def answers(scp, wire, context, fields, data):
        if fields["field"] != dicom.C_FIND:
            return False
        asked.append(data)
        for status, answer in ((0xFF00, data), (0, None))[0 if echo else 1:]:
            scp.respond(wire, context, fields, status, answer)
        return True
    return answers


def commits(asked, report=False):
    """An archive that takes requests of commitment into `asked`, and reports at once if told to."""
    def takes(scp, wire, context, fields, data):
        if fields["field"] != dicom.N_ACTION:
            return False
        asked.append(data)
        wire.send_message(context, field=dicom.N_ACTION | dicom.RSP, answers=fields["id"], status=0,
                          affected_class=COMMIT, affected_instance=COMMIT_INSTANCE, action=1)
        if report:
            wire.send_message(context, data, field=dicom.N_EVENT_REPORT, id=9, affected_class=COMMIT,
                              affected_instance=COMMIT_INSTANCE, event=1)
        return True
    return takes


COMMIT, COMMIT_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"


def references(*instances):
    """Storage commitment's: a transaction, and a sequence of references, in implicit VR."""
    uid = lambda text: dicom.even(text.encode(), b"\0")
    items = b"".join(dicom.element(0xFFFE, 0xE000, dicom.element(8, 0x1150, uid(dicom.CT)) + dicom.element(8, 0x1155, uid(i)))
                     for i in instances)
    return dicom.identifier((0x00081195, "1.2.88.1")) + dicom.element(8, 0x1199, items)


@test
def deidentify_commitment_in_each_sides_words(bench):
    """The archive is asked about what it has, and its report names what the caller has stored, on the same association."""
    asked = []
    scp = bench.scp(answer=commits(asked, report=True))
    g = gateway(bench, scp.port, services=["store", "commit"])
    scu = g.scu()
    scu.associate(contexts=[(COMMIT, [dicom.ILE]), (dicom.CT, [dicom.ELE])])
    equal(scu.store(context=3, instance="1.2.3.1", data=good("1.2.3.1"))["status"], 0, "the object")
    new = next(iter(scp.stored()))
    scu.request(1, references("1.2.3.1", "1.2.3.77"), field=dicom.N_ACTION, requested_class=COMMIT,
                requested_instance=COMMIT_INSTANCE, action=1)
    equal(scu.answer()["status"], 0, "status of N-ACTION")
    _, fields, data = scu.recv_message()
    equal(fields["field"], dicom.N_EVENT_REPORT, "the report")
    check(new.encode() in asked[0] and b"1.2.3.1" not in asked[0] and b"1.2.3.77" not in asked[0], "what was asked", asked)
    check(b"1.2.3.1\0" in data and b"1.2.3.77" in data and b"2.25." not in data, "what was reported", data)
    scu.send_message(1, field=dicom.N_EVENT_REPORT | dicom.RSP, answers=fields["id"], status=0, affected_class=COMMIT,
                     affected_instance=COMMIT_INSTANCE, event=1)
    scu.release()


@test
def deidentify_queries_in_each_sides_words(bench):
    """A query's study and patient are the archive's when they reach it, and the caller's in the answer."""
    asked = []
    scp = bench.scp(answer=finds(asked))
    g = gateway(bench, scp.port, services=["store", "find"])
    scu = g.scu()
    scu.associate(contexts=[(dicom.STUDY_FIND, [dicom.ILE])])
    keys = ((0x00080052, "STUDY"), (0x00100020, "1CT1"), (0x0020000D, "1.2.3.4\\1.2.3.5"))
    for _ in range(2):
        got = scu.find(keys)
        equal([f["status"] for f, _ in got], [0xFF00, 0], "answers")
        check(b"1CT1" in got[0][1] and b"1.2.3.4\\1.2.3.5" in got[0][1], "the caller's words", got)
    check(b"1CT1" not in asked[0] and b"1.2.3.4" not in asked[0] and asked[0].count(b"2.25.") == 2, "the archive's", asked)
    equal(asked[0], asked[1], "the same each time")
    # A wildcard names no patient, and cannot be put in the archive's words.
    got = scu.find(((0x00080052, "STUDY"), (0x00100020, "1C*")))
    check(got[0][0]["status"] >= 0xA700, "a wildcard", got)
    equal(len(asked), 2, "what the archive was asked")
    scu.release()


@test
def deidentify_tells_nobody_in_questions(bench):
    """A query by what the flow removes, or a message with it, reaches nobody; keys without a value do, and findscu is told."""
    asked = []
    scp = bench.scp(answer=finds(asked, echo=False))
    g = gateway(bench, scp.port, services=["store", "find"])
    scu = g.scu()
    scu.associate(contexts=[(dicom.STUDY_FIND, [dicom.ILE])])
    level = (0x00080052, "STUDY")
    for tag, value in ((0x00100010, "Miller*"), (0x00080050, "A7"), (0x00100030, "19700101"), (0x00080020, "20200101-"),
                       (0x00101000, "X1"), (0x00081030, "Miller's head")):
        got = scu.find((level, (tag, value)) if tag > 0x00080052 else ((tag, value), level))
        check(got[0][0]["status"] >= 0xA700, "status", got)
    line = g.decision("deidentify")
    check("PatientName (0010,0010)" in line["message"] and "Miller" not in json.dumps(line), "the sentence", line)
    equal(scu.find((level, (0x00080060, "CT"), (0x00100010, "*"), (0x00100020, ""), (0x00100030, "")))[0][0]["status"], 0, "allowed")
    equal(len(asked), 1, "what reached the archive")
    scu.release()
    out = bench.run("findscu", "-v", "-S", "-aet", "CT1", "-aec", "ARCHIVE", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=MILLER*",
                    "127.0.0.1", str(g.plain), wants=None).text
    check("UnableToProcess" in out, "findscu", out)
    equal(len(asked), 1, "what reached the archive")


@test
def deidentify_retains_uids_alone(bench):
    """With `retain: [ uids ]` patient IDs in queries are pseudonyms all the same."""
    asked = []
    scp = bench.scp(answer=finds(asked))
    g = gateway(bench, scp.port, {"retain": ["uids"]}, services=["store", "find"])
    scu = g.scu()
    scu.associate(contexts=[(dicom.STUDY_FIND, [dicom.ILE])])
    got = scu.find(((0x00080052, "STUDY"), (0x00100020, "1CT1"), (0x0020000D, "1.2.3.4")))
    check(b"1CT1" not in asked[0] and b"1.2.3.4" in asked[0], "what was asked", asked)
    check(b"1CT1" in got[0][1], "what was answered", got)
    scu.release()


@test
def deidentify_commitment_of_many(bench):
    """A request of 10,000 instances is put in the archive's words whole, through small PDUs."""
    asked = []
    scp = bench.scp(answer=commits(asked))
    g = gateway(bench, scp.port, services=["store", "commit"])
    scu = g.scu()
    scu.associate(contexts=[(COMMIT, [dicom.ILE]), (dicom.CT, [dicom.ELE])])
    old = [f"1.2.840.99999.1.20261126.{i}" for i in range(10000)]
    for _ in range(2):
        scu.request(1, references(*old), field=dicom.N_ACTION, requested_class=COMMIT,
                    requested_instance=COMMIT_INSTANCE, action=1)
        equal(scu.answer()["status"], 0, "status of N-ACTION")
    check(b"1.2.840.99999" not in asked[0], "old names")
    equal(asked[0].count(b"2.25."), 10001, "new names")
    equal(asked[0], asked[1], "the same each time")
    scu.release()


@test
def deidentify_begins_with_a_reload(bench):
    """An association that is open de-identifies its next object; the one half-way goes on as it began."""
    port, folder = peers.storescp(bench)
    key = new_key(bench)
    g = bench.gateway(archive=plain(port), deidentify={"key": key})
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    data = good("1.2.3.1", 4 << 20)
    half = len(data) // 2 & ~1
    scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                         affected_instance="1.2.3.1", data=0), True)
    scu.send_pdvs(3, data[:half], False, last=False)
    g.config["flows"][0]["deidentify"] = "yes"
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    scu.send_pdvs(3, data[half:], False)
    equal(scu.answer()["status"], 0, "the one half-way")
    equal(scu.store(context=3, instance="1.2.3.2", data=good("1.2.3.2"))["status"], 0, "the next one")
    scu.release()
    equal(sorted(uid.startswith("2.25.") for uid in peers.received(folder)), [False, True], "new UIDs")


@test
def deidentify_begins_with_a_reload_that_a_busy_store_hears_late(bench):
    """The store has the folder of names and the gate's question before it in one turn: the folder comes first."""
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive=plain(port), deidentify={"key": new_key(bench)})
    store = role_pid(g, "store")
    scu = g.scu(timeout=20)
    scu.associate(contexts=CONTEXTS)
    equal(scu.store(context=3, instance="1.2.3.1", data=good("1.2.3.1"))["status"], 0, "as it is")
    os.kill(store, signal.SIGSTOP)
    try:
        g.config["flows"][0]["deidentify"] = "yes"
        g.write()
        g.wait_log(g.reload(), event="gateway.reloaded")
        threading.Timer(1, os.kill, (store, signal.SIGCONT)).start()
        equal(scu.store(context=3, instance="1.2.3.2", data=good("1.2.3.2"))["status"], 0, "the next one")
    finally:
        os.kill(store, signal.SIGCONT)
    scu.release()
    equal(sorted(uid.startswith("2.25.") for uid in peers.received(folder)), [False, True], "new UIDs")


@test
def deidentify_while_the_key_holder_is_away(bench):
    """Killed: objects are refused so that they are sent again, never passed as they are; then it is back."""
    port, folder = peers.storescp(bench)
    g = gateway(bench, port)
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    equal(scu.store(context=3, instance="1.2.3.1", data=good("1.2.3.1"))["status"], 0, "before")
    os.kill(next(pid for pid, argv in g.roles().items() if argv[1:3] == ["--role", "keys"]), signal.SIGKILL)
    answer = scu.store(context=3, instance="1.2.3.2", data=good("1.2.3.2"))
    equal(answer["status"], 0xA700, "while it is away")
    check("key holder" in g.decision("unjudged")["message"], "the sentence")
    scu.release()

    def again():
        with g.scu() as other:
            other.associate(contexts=CONTEXTS)
            status = other.store(context=3, instance="1.2.3.2", data=good("1.2.3.2"))["status"]
            other.release()
        return status == 0

    until(again, "the key holder is back")
    equal([uid.startswith("2.25.") for uid in peers.received(folder)], [True, True], "new UIDs")


@test
def deidentify_when_an_association_is_killed(bench):
    """Half of an object is none: neither of the old one nor of the new one is anything at the target."""
    port, folder = peers.storescp(bench)
    g = gateway(bench, port)
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    data = good("1.2.3.1", 8 << 20)
    scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                         affected_instance="1.2.3.1", data=0), True)
    scu.send_pdvs(3, data[:6 << 20], False, last=False)
    for pid in until(lambda: association_pids(g), "the process"):
        os.kill(pid, signal.SIGKILL)
    g.wait_log(event="association.crashed")
    until(lambda: not peers.received(folder), "nothing at the target")


@test
def deidentify_is_recorded(bench):
    """The record has whose it was, and says that it went on anonymized."""
    trail = Trail(bench)
    port, _ = peers.storescp(bench)
    g = trail.gateway(archive=plain(port), flow={"deidentify": "yes"}, deidentify={"key": new_key(bench)})
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL, wants=0)
    trail.settled()
    equal(trail.passed(patient="1CT1"), 1, "instances of 1CT1")
    check("<Anonymized>true</Anonymized>" in trail.raw().stdout, "the message", trail.raw().stdout)


@test
def deidentify_before_orthanc(bench):
    """Orthanc has one patient, under a pseudonym, and nothing of what was refused."""
    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{http}{path}", timeout=10) as answer:
            return json.load(answer)

    port, http = peers.orthanc(bench)
    g = gateway(bench, port)
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    bad = dicom.Part10(BAD)
    for instance in ("1.2.3.1", "1.2.3.2"):
        equal(scu.store(context=3, instance=instance, data=good(instance))["status"], 0, "status")
    equal(scu.store(context=5, sop_class=PDF, instance=bad.instance, data=bad.data)["status"], 0x0124, "the document")
    scu.release()
    tags = [get(f"/instances/{i}/simplified-tags") for i in until(lambda: get("/instances"), "instances")]
    equal(len(tags), 2, "instances")
    equal(len({t["PatientID"] for t in tags}), 1, "patients")
    check(all(t["SOPInstanceUID"].startswith("2.25.") and "1CT1" not in json.dumps(t) for t in tags), "what it has", tags)


def recipients(bench, *names, bits=2048):
    """Somebody's key and certificate each: the certificates' paths."""
    for name in names:
        bench.run("openssl", "req", "-x509", "-newkey", f"rsa:{bits}", "-nodes", "-keyout", bench.path(name + ".key"), "-out",
                  bench.path(name + ".pem"), "-subj", "/CN=" + name, wants=0)
    return [bench.path(name + ".pem") for name in names]


def is_back(bench, who, made, source):
    """With the key of `who` the names, dates and UIDs of the original are in the copy's place, and its pixels; and OpenSSL reads them."""
    cms, = bytes_of(bench, made, "0400,0520")
    with open(bench.path("cms.der"), "wb") as file:
        file.write(cms)
    bench.run("openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", bench.path("cms.der"), "-inkey",
              bench.path(who + ".key"), "-out", bench.path("plain"), wants=0)
    bench.run("dcmdump", "-q", "-f", "-te", bench.path("plain"), wants=0)
    again = bench.path(f"again-{who}.dcm")
    bench.run(bench.program, "reidentify", "--key", bench.path(who + ".key"), made, again, wants=0)
    now, before = (dict(re.findall(r"^\((\w{4},\w{4})\) .. \[(.*?)\]", bench.run("dcmdump", "-q", "-Un", path, wants=0).text, re.MULTILINE))
                   for path in (again, source))
    for tag in ("0010,0010", "0010,0020", "0008,0018", "0008,0020", "0020,000d", "0020,000e"):
        check(tag in before and now.get(tag) == before[tag], f"{tag} is not back", now.get(tag))
    check(pixels(bench, again, "again") == pixels(bench, source, "source"), "pixels differ")
    os.remove(again)


@test
def deidentify_with_originals_again(bench):
    """A folder archive has one of what is sent twice, though its originals are encrypted anew, signed or not; of other originals both."""
    first, second = recipients(bench, "a", "b")
    g = bench.gateway(flow={"deidentify": {"originals-to": [first]}}, deidentify={"key": new_key(bench)})
    changed = bench.path("changed.dcm")
    shutil.copy(peers.CT_SMALL, changed)
    os.chmod(changed, 0o644)
    bench.run("dcmodify", "-nb", "-m", "PatientName=Changed^Name^Of", changed, wants=0)

    def send(*paths):
        bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), *paths, wants=0)

    send(peers.CT_SMALL)
    send(peers.CT_SMALL)
    check("encrypted anew" in g.wait_log(event="archive.same")["message"], "the log")
    equal(len(g.stored()), 1, "files of the same")
    send(changed, peers.CT_SMALL, changed)
    equal(sorted("conflict-1" in name for name in g.stored()), [False, True], "files of another name")
    g.config["flows"][0]["deidentify"] = {"originals-to": [second]}
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    send(changed, changed)
    equal(len(g.stored()), 3, "files of other people")


@test
def deidentify_with_originals(bench):
    """What storescp has tells nobody whose it is, and those with a key get the object back; a reload half-way takes no recipient away."""
    port, folder = peers.storescp(bench, "+xa")
    g = gateway(bench, port, {"originals-to": recipients(bench, "a", "b")})
    original = dicom.Part10(peers.CT_SMALL)
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL, wants=0)
    made, = glob.glob(os.path.join(folder, "*"))
    is_clean(bench, made, original)
    for who in "ab":
        is_back(bench, who, made, peers.CT_SMALL)
    deflated = bench.path("deflated.dcm")
    bench.run("dcmconv", "+td", peers.CT_SMALL, deflated, wants=0)
    os.remove(made)
    bench.run("storescu", "-xd", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), deflated, wants=0)
    made, = glob.glob(os.path.join(folder, "*"))
    is_back(bench, "b", made, peers.CT_SMALL)
    os.remove(made)
    # Larger than what memory holds, over small PDUs, while the configuration changes.
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    data = good("1.2.3.1", 5 << 20)
    half = len(data) // 2 & ~1
    scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                         affected_instance="1.2.3.1", data=0), True)
    scu.send_pdvs(3, data[:half], False, last=False)
    check(not glob.glob(os.path.join(folder, "*")), "something of it has left")
    g.config["flows"][0]["deidentify"] = "yes"
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    scu.send_pdvs(3, data[half:], False)
    equal(scu.answer()["status"], 0, "the one half-way")
    made, = until(lambda: glob.glob(os.path.join(folder, "*")), "the object")
    equal(len(bytes_of(bench, made, "0400,0520")), 1, "its originals")
    os.remove(made)
    equal(scu.store(context=3, instance="1.2.3.2", data=good("1.2.3.2"))["status"], 0, "the next one")
    scu.release()
    equal(bytes_of(bench, until(lambda: glob.glob(os.path.join(folder, "*")), "it")[0], "0400,0520"), [], "originals for nobody")


@test
def deidentify_refuses_without_originals(bench):
    """Too much to encrypt, held too long, the key holder away: refused, in observe mode and with `fail: pass` too, and the next one passes."""
    port, folder = peers.storescp(bench)
    g = gateway(bench, port, {"originals-to": recipients(bench, "a")}, mode="observe", inspect={"hold-max": "1s", "hold": "tail", "fail": "pass"})
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    long = b"".join(struct.pack("<HH2sH", 0x0010, number, b"LT", 60000) + b"x" * 60000 for number in (0x21B0, 0x4000))
    data = good("1.2.3.1")
    at = re.search(rb"\x18\0.\0[A-Z]{2}", data, re.DOTALL).start()
    answer = scu.store(context=3, instance="1.2.3.1", data=data[:at] + long + data[at:])
    equal(answer["status"], 0x0124, "too much")
    check("originals-to" in g.decision("deidentify")["message"], "why", g.decision("deidentify"))
    half = len(data) // 2 & ~1
    scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=7, priority=0, affected_class=dicom.CT,
                                         affected_instance="1.2.3.1", data=0), True)
    scu.send_pdvs(3, data[:half], False, last=False)
    check("hold-max" in g.decision("unjudged")["message"], "why")
    scu.send_pdvs(3, data[half:], False)
    equal(scu.answer()["status"], 0xA700, "held too long")
    equal(peers.received(folder), {}, "what the archive has")
    equal(scu.store(context=3, instance="1.2.3.2", data=good("1.2.3.2"))["status"], 0, "the next one")
    os.kill(next(pid for pid, argv in g.roles().items() if argv[1:3] == ["--role", "keys"]), signal.SIGKILL)
    equal(scu.store(context=3, instance="1.2.3.3", data=good("1.2.3.3"))["status"], 0xA700, "the key holder is away")
    scu.release()
    equal(len(peers.received(folder)), 1, "objects")


@test
def deidentify_originals_of_what_is_fetched(bench):
    """Sub-operations of C-GET have them too."""
    port, _ = peers.dcmqrscp(bench)
    bench.run("storescu", "-aet", "X", "-aec", "ARCHIVE", "127.0.0.1", str(port), peers.CT_SMALL, wants=0)
    g = gateway(bench, port, {"originals-to": recipients(bench, "a")}, services=["echo", "get"])
    out = bench.new_folder("got")
    study = values(bench, peers.CT_SMALL, "0020,000d")[0]
    bench.run("getscu", "-S", "-aet", "CT1", "-aec", "ARCHIVE", "+B", "-od", out, "-k", "QueryRetrieveLevel=STUDY",
              "-k", f"StudyInstanceUID={study}", "127.0.0.1", str(g.plain), wants=0)
    made, = until(lambda: glob.glob(os.path.join(out, "*")), "an object")
    is_clean(bench, made, dicom.Part10(peers.CT_SMALL))
    is_back(bench, "a", made, peers.CT_SMALL)


@test
def deidentify_with_another_key(bench):
    """A reload that brings another key says that pseudonyms change, also where it was without one between; the same key in another
    file does not; and a key that is none is said with its line."""
    g = gateway(bench, 1)
    first = g.config["deidentify"]["key"]
    same, other, bad = bench.path("same.key"), bench.path("other.key"), bench.path("bad.key")
    shutil.copy(first, same)
    bench.run(bench.program, "deidentify", "--new-key", other, wants=0)
    with open(bad, "wb") as file:
        file.write(b"short")
    os.chmod(bad, 0o600)

    def reload(key, event="gateway.reloaded"):
        g.config["deidentify"]["key"] = key
        g.write()
        mark = g.reload()
        g.wait_log(mark, event=event)
        return mark

    mark = reload(same)
    equal(g.find(mark, event="keys.pseudonyms"), [], "the same key")
    mark = reload(other)
    line, = g.find(mark, event="keys.pseudonyms")
    check(line["level"] == "warning" and line["key"] == other and "pseudonyms change" in line["message"], "the warning", line)
    mark = reload(bad, "site.kept")
    line, = g.find(mark, event="site.mistake")
    check(line["line"] > 0 and "has 32 bytes" in line["message"], "the mistake", line)
    mark = reload(other)
    equal(g.find(mark, event="keys.pseudonyms"), [], "the key in use")
    kept, g.config["flows"][0]["deidentify"] = g.config["flows"][0].pop("deidentify"), "no"
    section = g.config.pop("deidentify")
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    g.config["flows"][0]["deidentify"], g.config["deidentify"] = kept, section
    mark = reload(first)
    equal(len(g.find(mark, event="keys.pseudonyms")), 1, "warnings")


@test
def deidentify_starts_with_another_key(bench):
    """A start with another key than the last says so, once, and so does `gantry check` before; also after a start without one."""
    g = gateway(bench, 1)
    other = bench.path("other.key")
    first, mark_file = g.config["deidentify"]["key"], os.path.join(g.folder, "state", "pseudonyms.mark")
    bench.run(bench.program, "deidentify", "--new-key", other, wants=0)

    def started(key):
        g.stop()
        g.config["deidentify"]["key"] = key
        g.write()
        warned = "is another than the gateway last had" in bench.run(bench.program, "check", g.yaml, wants=0).text
        mark = g.mark()
        g.start()
        g.wait_log(mark, event="gateway.serving")
        lines = g.find(mark, event="keys.pseudonyms")
        equal(len(lines), warned, "lines of the log, and the warning")
        check(all(line["key"] == key and line["level"] == "warning" for line in lines), "the warning", lines)
        return warned

    with open(mark_file, encoding="ascii") as file, open(first, "rb") as key:
        text = file.read()
        check(len(text) == 65 and key.read().hex() not in text, "the mark", text)
    equal([started(key) for key in (first, other, other, first)], [False, True, False, True], "another key")
    with open(mark_file, "w", encoding="ascii") as file:
        file.write("nonsense")
    equal(started(first), False, "after a mark that says nothing")
    with open(mark_file, encoding="ascii") as file:
        equal(file.read(), text, "the mark")


@test
def deidentify_originals_to_whom(bench):
    """What is no certificate of an RSA key starts nothing, and a reload keeps what there was; nobody is not a list."""
    weak, good_one = recipients(bench, "weak", bits=1024)[0], recipients(bench, "a")[0]
    bench.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", bench.path("ec.key"),
              "-out", bench.path("ec.pem"), "-subj", "/CN=ec", wants=0)
    port, _ = peers.storescp(bench)
    g = gateway(bench, port, {"originals-to": good_one})
    bench.run(bench.program, "check", "-c", g.yaml, wants=0)
    for paths, words in (([good_one, weak], "2048 bits"), (bench.path("ec.pem"), "2048 bits"), (bench.path("a.key"), "no certificate"),
                         (bench.path("none.pem"), "cannot read"), ([], "is empty"), ([good_one] * 17, "more than 16")):
        g.config["flows"][0]["deidentify"] = {"originals-to": paths}
        g.write()
        check(words in bench.run(bench.program, "check", "-c", g.yaml, wants=1).text, "the sentence", words)
        check(words in bench.run(bench.program, "reload", "-c", g.yaml, wants=1).text, "the reload's", words)


@test
def deidentify_originals_before_orthanc(bench):
    """Orthanc keeps them, and gives out a file from which they come back."""
    port, http = peers.orthanc(bench)
    g = gateway(bench, port, {"originals-to": recipients(bench, "a")})
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL, wants=0)
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/instances", timeout=10) as answer:
        instance, = json.load(answer)
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/instances/{instance}/file", timeout=10) as answer, \
            open(bench.path("out.dcm"), "wb") as file:
        file.write(answer.read())
    is_clean(bench, bench.path("out.dcm"), dicom.Part10(peers.CT_SMALL))
    is_back(bench, "a", bench.path("out.dcm"), peers.CT_SMALL)
