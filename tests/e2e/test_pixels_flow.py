# SPDX-License-Identifier: Apache-2.0
"""Flows that clean pixels: what DCMTK and GDCM decode of what arrived is black where a rule says so, and to the bit the same elsewhere; and
whatever goes wrong, nothing that was to be cleaned arrives as it was."""
import glob
import json
import os
import re
import signal
import time
import urllib.request

from lib import dicom, peers
from lib.site import check, equal, free_port, test, until
from test_deidentify_flow import new_key, recipients
from test_hold import PDF, good, plain
from test_pixels import DATA, FILES, JPEG, LOSSLESS, NATIVE, RULES, beside, compare, decoded, facts
from test_quarantine import ANN, BOB, KEEPS, release
from test_sign_flow import Site

BASELINE = os.path.join(DATA, "SC_rgb_jpeg_dcmtk.dcm")  # a secondary capture, JPEG baseline
BLACK = 0x8000.to_bytes(2, "little")  # of CT_small, which is signed


def rules_of(bench, rows, name="rules.yaml"):
    return bench.write(name, RULES % rows)


def gateway(bench, port, rules=None, how=None, **flow):
    deidentify = {"clean-pixels": "yes", **({"pixel-rules": rules} if rules else {}), **(how or {})}
    return bench.gateway(archive=plain(port), flow={"deidentify": deidentify, **flow}, deidentify={"key": new_key(bench)})


def store(g, path):
    """One object by a context of its own; what it was answered."""
    part = dicom.Part10(path)
    scu = g.scu()
    scu.associate(contexts=[(part.sop_class, [part.syntax])])
    equal(scu.ac.results(), {1: 0}, f"{path}: the context")
    answer = scu.store(1, part.instance, part.sop_class, part.data)
    scu.release()
    return answer


@test
def pixels_in_a_flow(bench):
    """Each transfer syntax: what comes lossy leaves without another loss, in a context that the caller knows nothing of."""
    port, folder = peers.storescp(bench, "+xa")
    files = {name: FILES[name] for name in (  # one of each family; test_pixels has them all
        "CT_small.dcm", "MR_small_implicit.dcm", "SC_rgb_small_odd_big_endian.dcm", "image_dfl.dcm", "SC_rgb_rle_2frame.dcm",
        "SC_rgb_jpeg_dcmtk.dcm", "JPEGLSNearLossless_16.dcm", "JPEG2000.dcm")}
    rows = {facts(bench, os.path.join(DATA, name))["0028,0010"] for name in files}
    g = gateway(bench, port, rules_of(bench, "|".join(sorted(rows))))
    for name, (how, syntax, black) in files.items():
        source = os.path.join(DATA, name)
        for old in glob.glob(os.path.join(folder, "*")):
            os.remove(old)
        equal(store(g, source)["status"], 0, name)
        made, = glob.glob(os.path.join(folder, "*"))
        now = facts(bench, made)
        equal(now["0002,0010"], syntax, f"{name}: transfer syntax")
        equal(now["0028,0301"], "NO", f"{name}: Burned In Annotation")
        check("113101" in bench.run("dcmdump", "-q", "+P", "0008,0100", made, wants=0).text, f"{name}: no 113101")
        before, _ = decoded(bench, source, how, "before")
        after, shape = decoded(bench, made, {LOSSLESS: JPEG}.get(syntax, how), "after")
        compare(name, before, after, shape, black)


def is_cleaned(data, columns=1024):
    """A CT of test_hold.good(): the first rectangle of RULES is black, and what is beside it is not."""
    at = data.index(b"\xe0\x7f\x10\0OW") + 12
    line = data[at + 3 * columns * 2:at + 4 * columns * 2]
    return line[4:44] == 20 * BLACK and line[44:46] != BLACK


def jobs(g):
    """The processes that clean: children of the lookup."""
    lookups = {pid for pid, line in g.roles().items() if "lookup" in line}
    found = []
    for pid in lookups:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                if int(file.read().rsplit(")", 1)[1].split()[1]) in lookups:
                    found.append(pid)
        except OSError:
            pass
    return found


def stopped(g, scu, instance, megabytes=40):
    """A large object was sent, and the process that cleans it stands still: its pid."""
    scu.send_pdvs(1, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                         affected_instance=instance, data=1), True)
    scu.send_pdvs(1, good(instance, megabytes << 20), False)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for pid in jobs(g):
            os.kill(pid, signal.SIGSTOP)
            return pid
    raise AssertionError("there was no process that cleans")


@test
def pixels_job_killed(bench):
    """Half-way: a failure that may be sent again, and nothing of the object arrives; the next one is cleaned."""
    port, folder = peers.storescp(bench)
    g = gateway(bench, port, rules_of(bench, "128|1024"), inspect={"fail": "pass"}, mode="observe")
    with g.scu(timeout=60) as scu:
        scu.associate(contexts=[(dicom.CT, [dicom.ELE])])
        pid = stopped(g, scu, "1.2.3.1")
        equal(peers.received(folder), {}, "what has left before the answer")
        os.kill(pid, signal.SIGKILL)
        equal(scu.answer()["status"], 0xA700, "status")
        check("clean-pixels" in g.decision("unjudged")["message"], "why")
        equal(peers.received(folder), {}, "what has left without an answer")
        equal(scu.store(1, "1.2.3.2", dicom.CT, good("1.2.3.2"))["status"], 0, "the next one")
        scu.release()
    ((_, made),) = peers.received(folder).items()
    check(is_cleaned(made.data, 128), "the next one is not cleaned")


@test
def pixels_meanwhile(bench):
    """A reload that has the flow clean no more, and an archive that goes: what was begun is ended as it was begun. And a sender that leaves."""
    port = free_port()
    scp = bench.scp(port=port)
    g = gateway(bench, port, rules_of(bench, "1024"))
    with g.scu(timeout=60) as scu:
        scu.associate(contexts=[(dicom.CT, [dicom.ELE])])
        pid = stopped(g, scu, "1.2.3.1")
        g.config["flows"][0]["deidentify"] = "yes"
        g.write()
        g.wait_log(g.reload(), event="gateway.reloaded")
        scp.wires[0].send(dicom.pdu(dicom.ABORT, bytes(4)))
        until(lambda: g.process.running() and len(scp.ends) == 1, "the end of the first association")
        os.kill(pid, signal.SIGCONT)
        equal(scu.answer()["status"], 0, "status")
        scu.release()
    ((_, made),) = scp.stored().items()
    check(is_cleaned(made[1]) and b"113101" in made[1], "what was begun is not cleaned")
    equal(len(scp.requests), 2, "associations with the archive")
    g.config["flows"][0]["deidentify"] = {"clean-pixels": "yes", "pixel-rules": bench.path("rules.yaml")}
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    scu = g.scu(timeout=60)
    scu.associate(contexts=[(dicom.CT, [dicom.ELE])])
    pid = stopped(g, scu, "1.2.3.2")
    scu.close()
    check("did not wait" in g.decision("unjudged")["message"], "why")
    os.kill(pid, signal.SIGCONT)
    until(lambda: not jobs(g), "the process that cleans to end")
    equal(len(scp.stored()), 1, "what the archive has")


@test
def pixels_without_room(bench):
    """Both that came and that is made count in the quota: refused, and never passed as it was."""
    port, folder = peers.storescp(bench)
    g = gateway(bench, port, rules_of(bench, "128|1024"), inspect={"fail": "pass"}, **{"mode": "observe"})
    g.stop()
    g.config["hold-quota"] = "64M"
    g.write()
    g.start()
    with g.scu(timeout=60) as scu:
        scu.associate(contexts=[(dicom.CT, [dicom.ELE])])
        equal(scu.store(1, "1.2.3.1", dicom.CT, good("1.2.3.1", 4 << 20))["status"], 0xA700, "one that is held in a file")
        check("the result is larger" in g.decision("unjudged")["message"], "why")
        equal(scu.store(1, "1.2.3.2", dicom.CT, good("1.2.3.2"))["status"], 0, "one that is held in memory")
        scu.release()
    ((_, made),) = peers.received(folder).items()
    check(is_cleaned(made.data, 128), "it is not cleaned")


@test
def pixels_refused_in_a_flow(bench):
    """Where nobody knows what is burned in, or pixels are broken: refused in observe mode too, with the reason; others pass, and claim nothing."""
    port, folder = peers.storescp(bench, "+xa")
    g = gateway(bench, port, how={"documents": "replace"}, mode="observe")
    equal(store(g, BASELINE)["status"], 0x0124, "a secondary capture of which there is no rule")
    line = g.decision("deidentify")
    check("clean-pixels" in line["message"] and "burned" in line["message"], "why", line)
    when = re.search(r"`(when: { modality: .*, rows: \d+, columns: \d+ })`", line["message"])
    explained = " ".join(g.cli("explain", str(line["number"])).split())
    check("clean-pixels" in explained and when and when[1] in explained, "explain", line, explained)
    with g.scu() as scu:
        scu.associate(contexts=[(dicom.CT, [dicom.ELE]), (PDF, [dicom.ELE])])
        check(scu.store(1, "1.2.3.8", dicom.CT, good("1.2.3.8")[:-700])["status"] != 0, "a broken object passed")
        equal(scu.store(1, "1.2.3.9", dicom.CT, good("1.2.3.9"))["status"], 0, "a CT slice")
        scu.release()
    made, = glob.glob(os.path.join(folder, "*"))
    check("113101" not in bench.run("dcmdump", "-q", "+P", "0008,0100", made, wants=0).text, "113101 is claimed of what nobody knows")
    rules = bench.write("broken.yaml", "rules:\n  - name: a\n    when: { rows: 1 }\n    blank: [ [1, 2, 3] ]\n")
    g.config["flows"][0]["deidentify"]["pixel-rules"] = rules
    g.write()
    for verb in ("check", "reload"):
        said = bench.run(bench.program, verb, "-c", g.yaml, wants=1).text
        check("broken.yaml: line 4: a rectangle is" in said, f"what {verb} says", said)
        at = re.search(r":\d+:(\d+): error", said)
        check(verb == "reload" or (at and int(at[1]) > 1), "the column of the file's name", said)


@test
def pixels_beside_in_a_flow(bench):
    """What lies beside the pixels of an object of which nobody says anything goes too, and that it is clean is not claimed."""
    port, folder = peers.storescp(bench)
    path, _, plain = beside(bench)
    equal(store(gateway(bench, port), path)["status"], 0, "status")
    made, = glob.glob(os.path.join(folder, "*"))
    check(decoded(bench, made, NATIVE, "after")[0] == plain, "its pixels")
    check("113101" not in bench.run("dcmdump", "-q", "+P", "0008,0100", made, wants=0).text, "113101 is claimed")


@test
def pixels_no_way(bench):
    """An archive that takes JPEG baseline, and neither what it becomes nor uncompressed objects: refused. Implicit VR alone is a way."""
    takes = []

    def choose(_scp, request):
        return {number: next((s for s in syntaxes if s in takes), 4) for number, (_, _, syntaxes) in request.contexts.items()}
    scp = bench.scp(negotiate=choose)
    g = gateway(bench, scp.port, rules_of(bench, facts(bench, BASELINE)["0028,0010"]))
    takes[:] = [dicom.Part10(BASELINE).syntax]
    equal(store(g, BASELINE)["status"], 0x0124, "status")
    check("JPEGLosslessSV1, which the called node has not accepted" in g.decision("deidentify")["message"], "why")
    equal(scp.stored(), {}, "what the archive has")
    takes.append("1.2.840.10008.1.2")
    equal(store(g, BASELINE)["status"], 0, "status")
    ((_, data),) = scp.stored().values()
    at = data.index(b"\xe0\x7f\x10\0") + 4
    equal(int.from_bytes(data[at:at + 4], "little"), len(data) - at - 4, "the length of implicit pixel data")
    check(b"\x28\0\x04\0\x08\0\0\0YBR_FULL\x28\0\x06\0\x02\0\0\0\0\0" in data, "what it says of its pixels", data[:2000])


@test
def pixels_uncompressed(bench):
    """Archives that take lossy JPEG, and else uncompressed objects in Explicit or Implicit VR alone, have them so: encrypted originals, signature
    and all; and what DCMTK decodes of them is black where it is to be, and else what it was."""
    implicit = bench.write("implicit.cfg", """[[TransferSyntaxes]]
[Some]
TransferSyntax1 = JPEGBaseline
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[Some]
PresentationContext1 = SecondaryCaptureImageStorage\\Some
[[Profiles]]
[Some]
PresentationContexts = Some
""")
    rows = facts(bench, BASELINE)["0028,0010"]
    before, _ = decoded(bench, BASELINE, JPEG, "before")
    port, folder = free_port(), bench.new_folder("implicit")
    bench.serve(port, "storescp", "-aet", "STORESCP", "+B", "-od", folder, "-xf", implicit, "Some", str(port))
    s = Site(bench, archive=peers.storescp(bench, "+xy"), more={"deidentify": {"key": new_key(bench)}},
             deidentify={"originals-to": recipients(bench, "a"), "clean-pixels": "yes", "pixel-rules": rules_of(bench, rows)})
    for name in ("Explicit", "Implicit"):
        if name == "Implicit":
            s.folder = folder
            s.g.config["nodes"]["archive"].update(plain(port))
            s.g.write()
            s.g.wait_log(s.g.reload(), event="gateway.reloaded")
        equal(s.store(BASELINE)["status"], 0, "status")
        made = s.stored()
        s.theirs(made)
        equal([(v["state"], v["all"]) for v in s.verify(made)], [("good", True)], "its signature")
        now = facts(bench, made)
        equal([now.get(tag) for tag in ("0002,0010", "0028,0004", "0028,0006", "0028,0301", "0028,2110")],
              [f"LittleEndian{name}", "YBR_FULL", "0", "NO", facts(bench, BASELINE).get("0028,2110")], "what it is")
        after, shape = decoded(bench, made, NATIVE, "after")
        compare(name, before, after, shape, [0, 128, 128])
        bench.run(bench.program, "reidentify", "--key", bench.path("a.key"), made, bench.path(f"again-{name}"))
        equal(facts(bench, bench.path(f"again-{name}"))["0010,0010"], facts(bench, BASELINE)["0010,0010"], "the name that was encrypted")


@test
def pixels_before_orthanc(bench):
    """Orthanc has the lossless one, black where the rule says so; released from quarantine it is so too."""
    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{http}{path}", timeout=10) as answer:
            return answer.read()

    port, http = peers.orthanc(bench)
    g = gateway(bench, port, rules_of(bench, facts(bench, BASELINE)["0028,0010"]), **KEEPS)
    part = dicom.Part10(BASELINE)
    with g.scu() as scu:
        scu.associate(contexts=[(part.sop_class, [part.syntax])])
        bad = part.data.replace(b"Lestrade", b"<script>")
        check(bad != part.data, "there is no such name")
        equal(scu.store(1, part.instance, part.sop_class, bad)["status"], 0x0124, "a name with a script")
        equal(json.loads(get("/instances")), [], "what Orthanc has")
        equal(scu.store(1, part.instance, part.sop_class, part.data)["status"], 0, "status")
        scu.release()
    for turn in ("passed", "released"):
        instance, = json.loads(get("/instances"))
        made = bench.path(turn + ".dcm")
        with open(made, "wb") as file:
            file.write(get(f"/instances/{instance}/file"))
        now = facts(bench, made)
        equal((now["0002,0010"], now["0028,0301"]), (LOSSLESS, "NO"), turn)
        before, _ = decoded(bench, BASELINE, JPEG, "before")
        after, shape = decoded(bench, made, JPEG, "after")
        compare(turn, before, after, shape, [0, 128, 128])
        with open(made, "rb") as file:
            check(b"<script>" not in file.read(), "the patient's name is left")
        if turn == "passed":
            bench.run("curl", "-s", "-X", "DELETE", f"http://127.0.0.1:{http}/instances/{instance}", wants=0)
            release(g, 1, ANN)
            check("was delivered" in release(g, 1, BOB), "its release")


@test
def pixels_with_all_else(bench):
    """Cleaned, then de-identified with its originals encrypted, then signed over all of that; by DCMTK's word too. Large, small, lossy."""
    rows = "|".join(["1024", "128", facts(bench, BASELINE)["0028,0010"]])
    s = Site(bench, archive=peers.storescp(bench, "--max-pdu", "4096"), more={"deidentify": {"key": new_key(bench)}},
             deidentify={"originals-to": recipients(bench, "a"), "clean-pixels": "yes", "pixel-rules": rules_of(bench, rows)})
    large = bench.path("large.dcm")
    with open(peers.CT_SMALL, "rb") as source, open(large, "wb") as file:
        data = source.read()
        file.write(data[:data.index(b"\x08\0\x05\0CS")] + good("1.2.3.4", 6 << 20))
    for path in (BASELINE, large, peers.CT_SMALL, BASELINE):
        equal(s.store(path)["status"], 0, path)
        made = s.stored()
        s.theirs(made)
        equal([(v["state"], v["all"], "creator" in v["profiles"]) for v in s.verify(made)], [("good", True, True)], path)
        with open(made, "rb") as file:
            check(b"113101" in file.read(), f"{path}: 113101")
        bench.run(bench.program, "reidentify", "--key", bench.path("a.key"), made, bench.path(f"again-{os.path.basename(made)}"))
        now = facts(bench, bench.path(f"again-{os.path.basename(made)}"))
        equal(now["0010,0010"], facts(bench, path)["0010,0010"], f"{path}: the name that was encrypted")


@test
def pixels_of_what_is_fetched(bench):
    """Sub-operations of C-GET are cleaned too."""
    port, _ = peers.dcmqrscp(bench)
    bench.run("storescu", "-aet", "X", "-aec", "ARCHIVE", "127.0.0.1", str(port), peers.CT_SMALL, wants=0)
    g = gateway(bench, port, rules_of(bench, "128"), services=["echo", "get"])
    out = bench.new_folder("got")
    study = facts(bench, peers.CT_SMALL)["0020,000d"]
    bench.run("getscu", "-S", "-aet", "CT1", "-aec", "ARCHIVE", "+B", "-od", out, "-k", "QueryRetrieveLevel=STUDY",
              "-k", f"StudyInstanceUID={study}", "127.0.0.1", str(g.plain), wants=0)
    made, = until(lambda: glob.glob(os.path.join(out, "*")), "an object")
    check(is_cleaned(dicom.Part10(made).data, 128), "it is not cleaned")


@test
def pixels_context_is_ours(bench):
    """The context that the archive alone knows: the caller may not use it, and the archive only to answer what came by it."""
    part, wrong = dicom.Part10(BASELINE), []

    def answers(scp, wire, context, fields, _data):
        if fields["field"] != dicom.C_STORE or not wrong:
            return False
        if wrong[0] == "request":
            wire.send_message(context, field=dicom.C_ECHO, id=7, affected_class=dicom.VERIFICATION)
        else:
            scp.respond(wire, 1, fields, 0)
        return True

    scp = bench.scp(answer=answers)
    g = gateway(bench, scp.port, rules_of(bench, facts(bench, BASELINE)["0028,0010"]))
    for how in ("", "request", "context"):
        wrong[:] = [how] if how else []
        scu = g.scu()
        scu.associate(contexts=[(part.sop_class, [part.syntax])])
        equal(scu.store(1, part.instance, part.sop_class, part.data)["status"] == 0, not how, f"the status, where the archive errs: {how}")
        scu.close()
    equal([context for context, _, _ in scp.messages], [3, 3, 3], "contexts by which it came")
    check("has not asked for this context" in json.dumps(g.lines()), "why the archive's request ended it")
    scu = g.scu()
    scu.associate(contexts=[(part.sop_class, [part.syntax])])
    scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=part.sop_class,
                                         affected_instance=part.instance, data=1), True)
    try:
        raise AssertionError(f"it was answered: {scu.answer()}")
    except dicom.Aborted:
        pass
    check("presentation context not accepted" in json.dumps(g.lines()), "why the caller's ended")
