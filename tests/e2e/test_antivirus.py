# SPDX-License-Identifier: Apache-2.0
"""Objects on their way past clamd: found, too large, and every way in which it cannot say."""
import json
import os
import signal
import struct
import time

from lib import clamd, dicom, peers
from lib.site import check, equal, test, until

PDF = "1.2.840.10008.5.1.4.1.1.104.1"
CONTEXTS = ((dicom.VERIFICATION, [dicom.ILE]), (dicom.CT, [dicom.ELE]), (PDF, [dicom.ELE]))


def element(group, number, vr, value):
    """Explicit VR little endian."""
    value += (b"\0" if vr in ("UI", "OB", "UN") else b" ") * (len(value) % 2)
    length = struct.pack("<HL", 0, len(value)) if vr in ("OB", "UN", "OW", "UT") else struct.pack("<H", len(value))
    return struct.pack("<HH", group, number) + vr.encode() + length + value


def document(instance, content):
    """An encapsulated document that the checks of structure have nothing against, but what is in it."""
    return (element(8, 0x16, "UI", PDF.encode()) + element(8, 0x18, "UI", instance.encode()) + element(8, 0x60, "CS", b"DOC")
            + element(0x10, 0x10, "PN", b"Doe^Jane") + element(0x10, 0x20, "LO", b"4711")
            + element(0x20, 0x0D, "UI", b"1.2.3") + element(0x20, 0x0E, "UI", b"1.2.3.1")
            + element(0x42, 0x11, "OB", content) + element(0x42, 0x12, "LO", b"application/pdf"))


def pdf(text, size=0):
    return b"%PDF-1.4\n" + text + b"\n" + b"%" * size + b"\n%%EOF\n"


def file_of(data, sop_class=PDF, instance="1.2.3.4"):
    meta = (element(2, 2, "UI", sop_class.encode()) + element(2, 3, "UI", instance.encode())
            + element(2, 0x10, "UI", dicom.ELE.encode()))
    return bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<L", len(meta))) + meta + data


def gateway(bench, scanner, kind="values", inspect=None, **antivirus):
    g = bench.gateway(flow={"inspect": {"antivirus": kind, **(inspect or {})}},
                      antivirus={"socket": scanner, "timeout": 2, "max-size": "4M", **antivirus})
    return g


def store(scu, instance, content):
    return scu.store(context=5, sop_class=PDF, instance=instance, data=document(instance, content))


def state(g):
    return json.loads(g.cli("status", "--json"))["antivirus"]


def is_state(g, wanted):
    return until(lambda: (s := state(g))["state"] == wanted and s, f"the scanner to be {wanted}")


@test
def antivirus_found(bench):
    """What its definitions have is refused with its name, wherever it is; the association lives on."""
    attachment = pdf(b"known by its hash", 5)
    check(len(attachment) % 2 == 1, "the document has no padding")
    folder = clamd.definitions(bench.path("db"), clamd.ndb("Test.Body", b"evil body"), clamd.hsb("Test.Document", attachment))
    scanner = clamd.Clamd(bench, folder)
    g = gateway(bench, scanner.socket, inspect={"checks": {"document-type": "allow", "embedded-test-virus": "allow"}})
    is_state(g, "ready")
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    equal(store(scu, "1.2.3.1", pdf(b"good"))["status"], 0, "a good one")
    mark = g.mark()
    answer = store(scu, "1.2.3.2", pdf(b"an evil body in it"))
    line = g.decision("content", mark)
    equal(answer["status"], 0x0124, "a bad one")
    check("antivirus-found" in line["message"] and "Test.Body" in line["message"], line)
    text = g.cli("explain", str(line["number"]))
    check("antivirus: values" in text and "antivirus-found: log" in text, "what would let it pass", text)
    for instance, content, name in (("1.2.3.3", clamd.EICAR, "Test.Eicar"), ("1.2.3.4", attachment, "Test.Document")):
        mark = g.mark()
        equal(store(scu, instance, content)["status"], 0x0124, name)
        check(name in g.decision("content", mark)["message"], "the name is not told")
    # Behind the pixels, and in an image's text.
    ct = dicom.Part10(peers.CT_SMALL)
    equal(scu.store(context=3, instance=ct.instance, data=ct.data)["status"], 0, "a CT")
    equal(scu.echo(), 0, "an echo after them")
    scu.release()
    equal(sorted(g.stored()), sorted(["1.2.3.1", ct.instance]), "what the archive has")
    counts = lambda: tuple(state(g)[name] for name in ("found", "clean", "not_scanned"))
    until(lambda: counts() == (3, 2, 0), lambda: f"three found and two clean to be counted, now {counts()}")


@test
def antivirus_whole(bench):
    """With `whole` a signature of the file matches, pixels included; the limits of clamd are learnt, and what is over them is not clean."""
    ct = dicom.Part10(peers.CT_SMALL)
    at = ct.data.index(b"\xe0\x7f\x10\0") + 400
    folder = clamd.definitions(bench.path("db"), clamd.ndb("Test.Pixels", ct.data[at:at + 24]),
                               clamd.ndb("Test.File", b"DICM", "128"))
    scanner = clamd.Clamd(bench, folder, MaxFileSize="2M", MaxScanSize="2M", StreamMaxLength="16M")
    g = gateway(bench, scanner.socket, **{"max-size": "8M"})
    until(lambda: state(g)["largest"] == 2 << 20, "2 MiB to be found as what it looks at")
    line = g.wait_log(event="antivirus.limits")
    check("MaxFileSize" in line["why"], line)
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    equal(scu.store(context=3, instance=ct.instance, data=ct.data)["status"], 0, "a CT, without its pixels")
    # clamd says OK to this.
    answer = store(scu, "1.2.3.2", pdf(b"large", 3 << 20))
    equal(answer["status"], 0x0124, "one over the limit")
    check("antivirus-partly" in g.decision("content")["message"], "it is not told why")
    scu.release()
    g.config["flows"][0]["inspect"]["antivirus"] = "whole"
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    equal(scu.store(context=3, instance=ct.instance, data=ct.data)["status"], 0x0124, "a CT with its pixels")
    message = g.decision("content", mark)["message"]
    check("Test.Pixels" in message or "Test.File" in message, message)
    scu.release()
    equal(sorted(g.stored()), [ct.instance], "what the archive has")


@test
def antivirus_away(bench):
    """A scanner that is away, hangs or was never there: refused to be sent again, or passed with an alarm, as the flow says; told once."""
    scanner = clamd.Clamd(bench, clamd.definitions(bench.path("db")))
    g = gateway(bench, scanner.socket, timeout=1)
    is_state(g, "ready")
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    equal(store(scu, "1.2.3.1", pdf(b"good"))["status"], 0, "while it is there")
    scanner.freeze()
    mark = g.mark()
    began = time.monotonic()
    equal(store(scu, "1.2.3.2", pdf(b"good"))["status"], 0xA700, "while it hangs")
    check(time.monotonic() - began < 12, "it took too long")
    check("antivirus-not-scanned" in g.decision("unjudged", mark)["message"], "why is not told")
    g.wait_log(mark, event="antivirus.away")
    is_state(g, "away")
    check("NOTHING IS SCANNED FOR VIRUSES" in g.cli("status"), "the status does not say so")
    scanner.thaw()
    equal(until(lambda: store(scu, "1.2.3.3", pdf(b"good"))["status"] == 0, "it to answer again"), True, "again")
    g.wait_log(mark, event="antivirus.back")
    scanner.stop()
    mark = g.mark()
    equal([store(scu, f"1.2.3.{i}", pdf(b"good"))["status"] for i in (4, 5)], [0xA700] * 2, "while it is not there")
    scu.release()
    until(lambda: g.find(mark, event="antivirus.away"), "the alarm")
    away = mark
    g.config["flows"][0]["inspect"]["fail"] = "pass"
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    equal(store(scu, "1.2.3.6", pdf(b"good"))["status"], 0, "with fail: pass")
    line = g.decision("unjudged", mark)
    check("antivirus-not-scanned" in line["message"], line)
    scu.release()
    equal(len(g.find(away, event="antivirus.away")), 1, "how often the alarm is told")
    scanner.start()
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    equal(store(scu, "1.2.3.7", pdf(b"good"))["status"], 0, "when it is there again")
    scu.release()
    g.wait_log(mark, event="antivirus.back")
    equal(sorted(g.stored()), [f"1.2.3.{i}" for i in (1, 3, 6, 7)], "what the archive has")


@test
def antivirus_observed(bench):
    """In observe mode an object is not held: it has passed when the answer comes, and what was found has a number all the same."""
    scanner = clamd.Clamd(bench, clamd.definitions(bench.path("db"), clamd.ndb("Test.Body", b"evil body"),
                                                  clamd.ndb("Test.Other", b"wicked body")))
    g = gateway(bench, scanner.socket)
    g.config["flows"][0]["mode"] = "observe"
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    for i in range(3):
        equal(store(scu, f"1.2.3.{i + 1}", pdf(b"evil body" if i == 1 else b"good"))["status"], 0, f"object {i}")
    line = g.decision("content", mark)
    check("Test.Body" in line["message"], line)
    equal(line["decision"], "observe", "the decision")
    scu.release()
    # Who hangs up at once does not escape it.
    mark = g.mark()
    scanner.freeze()
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    equal(store(scu, "1.2.3.4", pdf(b"a wicked body"))["status"], 0, "one more")
    scu.abort()
    scanner.thaw()
    until(lambda: [row for row in g.find(mark, rule="content") if "Test.Other" in row["message"]], "it to be told of")
    equal(len(g.stored()), 4, "what the archive has")
    scanner.stop()
    g.stop()


def hang_up(bench, mode, leave):
    """A sender leaves while the job that scans its object hangs; what was decided is returned."""
    scanner = clamd.Clamd(bench, clamd.definitions(bench.path("db")))
    g = gateway(bench, scanner.socket, timeout=3)
    g.config["flows"][0]["mode"] = mode
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    lookup = [pid for pid, line in g.roles().items() if "lookup" in line][0]

    def job():
        with open(f"/proc/{lookup}/task/{lookup}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    until(lambda: not job(), "the lookup to be idle")
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    data = document("1.2.3.1", pdf(b"good"))
    scu.send_pdvs(5, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=PDF,
                                         affected_instance="1.2.3.1", data=1), True)
    scu.send_pdvs(5, data[:100], False, last=False)
    (pid,) = until(job, "the job")
    os.kill(pid, signal.SIGSTOP)
    try:
        scu.send_pdvs(5, data[100:], False)
        if mode == "observe":
            equal(scu.answer()["status"], 0, "status")
        began = time.monotonic()
        leave(scu)
        line = g.decision("unjudged", mark)
        g.wait_log(mark, event="association.ended")
        check(2 < time.monotonic() - began < 6, "how long it stayed", time.monotonic() - began)
        check("did not answer in time" in line["message"], "what is told", line)
    finally:
        os.kill(pid, signal.SIGCONT)
    g.stop()
    scanner.stop()
    return line["decision"]


@test
def antivirus_hung_up(bench):
    """Who hangs up while a job of the lookup's hangs keeps its process for `timeout`, and no longer; that it was not scanned is told."""
    equal(hang_up(bench, "observe", dicom.Scu.abort), "observe", "the decision")


@test
def antivirus_aborted(bench):
    """The same of an object that waits for its verdict, if the sender says A-ABORT and leaves its connection open."""
    equal(hang_up(bench, "enforce", lambda scu: scu.send(dicom.pdu(dicom.ABORT, bytes(4)))), "refuse", "the decision")


@test
def antivirus_definitions_without_the_test_string(bench):
    """A scanner that does not know the test string knows nothing, and is not relied on."""
    scanner = clamd.Clamd(bench, clamd.definitions(bench.path("db"), eicar=False))
    g = gateway(bench, scanner.socket)
    check("EICAR" in is_state(g, "away")["why"], "why is not told")
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    equal(store(scu, "1.2.3.1", pdf(b"good"))["status"], 0xA700, "the status")
    scu.release()


@test
def antivirus_stream_limit(bench):
    """A StreamMaxLength below MaxFileSize is the limit then: what is over it is not clean, and what is under it is looked at."""
    folder = clamd.definitions(bench.path("db"), clamd.ndb("Test.Body", b"evil body"))
    scanner = clamd.Clamd(bench, folder, MaxFileSize="16M", MaxScanSize="16M", StreamMaxLength="2M")
    g = gateway(bench, scanner.socket, **{"max-size": "8M"})
    until(lambda: state(g)["largest"] == 2 << 20, "2 MiB to be found as what it looks at")
    check("StreamMaxLength" in g.wait_log(event="antivirus.limits")["why"], "the limit that is told")
    scu = g.scu()
    scu.associate(contexts=CONTEXTS)
    equal(store(scu, "1.2.3.1", pdf(b"good"))["status"], 0, "a small one")
    mark = g.mark()
    equal(store(scu, "1.2.3.2", pdf(b"large", 3 << 20))["status"], 0x0124, "one over the limit")
    check("antivirus-partly" in g.decision("content", mark)["message"], "it is not told why")
    mark = g.mark()
    equal(store(scu, "1.2.3.3", pdf(b"an evil body"))["status"], 0x0124, "a bad one after it")
    check("Test.Body" in g.decision("content", mark)["message"], "its name is not told")
    scu.release()
    equal(sorted(g.stored()), ["1.2.3.1"], "what the archive has")


@test
def antivirus_at_the_desk(bench):
    """`gantry inspect --antivirus` says the same about files; without a scanner it says nothing at all about them."""
    attachment = pdf(b"known by its hash", 4)
    folder = clamd.definitions(bench.path("db"), clamd.ndb("Test.Body", b"evil body"), clamd.hsb("Test.Document", attachment))
    scanner = clamd.Clamd(bench, folder, MaxFileSize="2M", MaxScanSize="2M", StreamMaxLength="16M")
    files = bench.new_folder("files")
    wanted = {"a-good": (pdf(b"good"), None), "b-body": (pdf(b"an evil body"), "Test.Body"), "c-hash": (attachment, "Test.Document"),
              "d-large": (pdf(b"large", 3 << 20), "more than"), "e-eicar": (clamd.EICAR, "Test.Eicar")}
    for name, (content, _) in wanted.items():
        with open(os.path.join(files, name), "wb") as file:
            file.write(file_of(document("1.2.3.4", content)))
    ran = bench.run(bench.program, "inspect", "--json", "--antivirus", scanner.socket, files, wants=1)
    told = {os.path.basename(o["file"]): o for o in map(json.loads, (row for row in ran.text.splitlines() if row[:1] == "{"))}
    for name, (_, words) in wanted.items():
        found = [f for f in told[name]["findings"] if f["check"].startswith("antivirus")]
        if not words:
            equal(found, [], name)
            continue
        equal(len(found), 1, f"findings of {name}")
        equal(found[0]["check"], "antivirus-partly" if name == "d-large" else "antivirus-found", name)
        check(words in found[0]["excerpt"], found)
    check("MaxFileSize" in ran.text, "its limits are not told")
    scanner.freeze()
    ran = bench.run(bench.program, "inspect", "--seconds", "2", "--antivirus", scanner.socket, files, wants=3)
    check("did not answer" in ran.text and "files:" not in ran.text, ran.text)
    scanner.thaw()
    scanner.stop()
    ran = bench.run(bench.program, "inspect", "--antivirus", scanner.socket, files, wants=3)
    check("not there" in ran.text, ran.text)
