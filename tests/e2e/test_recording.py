# SPDX-License-Identifier: Apache-2.0
"""The audit trail: what passes is in the journal before it has passed."""
import contextlib
import json
import os
import random
import re
import signal
import struct
import subprocess
import threading
import time

from lib import dicom, peers
from lib.dicom import CT, ELE, ILE, MR, STUDY_FIND, Aborted, Closed
from lib.site import check, equal, test, until
from lib.trail import PATIENT, STUDY, Trail, Witness, object_of

BOTH = ((dicom.VERIFICATION, [ILE]), (CT, [ILE, ELE]), (MR, [ILE]))


def plain(port, **more):
    return {"address": [f"127.0.0.1:{port}"], "transport": "plain", **more}


def site(bench, trail=None, witness=None, **options):
    trail = trail or Trail(bench)
    archive = witness or Witness(bench, trail)
    return trail, archive, trail.gateway(archive=plain(archive.port), **options)


# ---- Objects ----


@test
def audit_begins_before_the_first_byte(bench):
    """Objects of two studies, interleaved: each study's begin record is there when its first byte reaches the archive,
    and the ends, with counts for each SOP class, when the release is answered."""
    trail, archive, g = site(bench)
    scu = g.scu()
    scu.associate(contexts=BOTH)
    sent = [("P1", "1.2.3.1", CT), ("P2", "1.2.3.2", MR), ("P1", "1.2.3.1", MR), ("P1", "1.2.3.1", CT),
            ("P2", "1.2.3.2", MR)]
    for i, (patient, study, sop_class) in enumerate(sent):
        before = len(archive.seen)
        data = object_of(patient, study, f"1.2.3.4.{i}", sop_class)
        equal(scu.store(3 if sop_class == CT else 5, f"1.2.3.4.{i}", sop_class, data)["status"], 0, "status")
        check(("begin", patient, study) in archive.seen[before], f"object {i} came before its record:", archive.seen[before])
    scu.send(dicom.pdu(dicom.RELEASE_RQ, bytes(4)))
    scu.expect(dicom.RELEASE_RP)
    rows = trail.settled()
    first, second = trail.one("transferred", patient="P1"), trail.one("transferred", patient="P2")
    equal(first["event"]["sop"], {CT: 2, MR: 1}, "instances of P1")
    equal(second["event"]["sop"], {MR: 2}, "instances of P2")
    equal((first["outcome"], second["outcome"], first["count"]), (0, 0, 3), "outcomes and count")
    equal(first["about"], trail.one("begin", patient="P1")["index"], "what it ends")
    for row in rows:
        if row["kind"] in ("begin", "transferred"):
            ev = row["event"]
            equal((ev["from"]["ae"], ev["from"]["node"], ev["from"]["address"], ev["to"]["ae"], ev["to"]["address"]),
                  ("CT1", "ct1", "127.0.0.1", "ARCHIVE", "127.0.0.1"), "the ends")
            equal(ev["accession"], ["ACC" + ev["patient"]], "accession")
            for token in (trail.token(PATIENT, ev["patient"]), trail.token(STUDY, ev["study"])):
                check(token in row["tokens"], f"the token {token} is not in", row["tokens"])


@test
def audit_of_other_toolkits(bench):
    """storescu with every sample, and dcmjs-dimse: as many instances recorded as stored, and whose they are as DCMTK reads."""
    trail = Trail(bench)
    port, _ = peers.storescp(bench)
    g = trail.gateway(archive=plain(port), node={"ae": ["STORESCU", "CT1"]})
    how = {ILE: "-xi", ELE: "-xe", dicom.EBE: "-xb", ELE + ".99": "-xd", "1.2.840.10008.1.2.5": "-xr",
           "1.2.840.10008.1.2.4.50": "-xy", "1.2.840.10008.1.2.4.51": "-xx", "1.2.840.10008.1.2.4.90": "-xv",
           "1.2.840.10008.1.2.4.91": "-xw", "1.2.840.10008.1.2.4.80": "-xt", "1.2.840.10008.1.2.4.81": "-xu"}
    used = []
    for sample in peers.SAMPLES:
        syntax = dicom.Part10(sample).syntax
        if syntax in how:
            bench.run("storescu", "-aec", "ARCHIVE", "-R", how[syntax], "127.0.0.1", str(g.plain), sample, wants=0)
            used.append(syntax)
    done = len(used)
    check({ILE, ELE, dicom.EBE, ELE + ".99"} <= set(used) and done >= 8, f"only {done} samples were stored, {used}")
    trail.settled()
    equal(trail.passed(), done, "instances recorded")
    peers.dcmjs_run(bench, g.plain, [{"do": "store", "file": peers.CT_SMALL}])
    trail.settled()
    equal(trail.passed(patient="1CT1"), 2, "instances of 1CT1")


@test
def audit_reads_character_sets(bench):
    """Names in records are what DCMTK makes of them in UTF-8."""
    trail = Trail(bench)
    port, _ = peers.storescp(bench)
    g = trail.gateway(archive=plain(port), node={"ae": ["STORESCU"]})
    folder = os.path.join(peers.DATA, "charset")
    n = 0
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".dcm"):
            continue
        source = os.path.join(folder, name)
        shown = bench.run("dcmdump", "+U8", "+P", "0010,0010", "+L", source).text
        wanted = re.search(r"PN \[(.*?)\]\s+#", shown)
        ran = bench.run("storescu", "-aec", "ARCHIVE", "-R", "127.0.0.1", str(g.plain), source)
        if ran.code != 0 or not wanted:
            continue
        trail.settled()
        names = [r["event"].get("name", "") for r in trail.records("begin")]
        check(wanted[1].strip(" ") in names or not wanted[1].strip(), f"{name}: {wanted[1]!r} is not among {names}")
        n += 1
    check(n >= 6, f"only {n} files were stored")


@test
def audit_partly_failed(bench):
    """The archive refuses some: what was taken and what was not are two records (PS3.15 A.5.2)."""
    trail, archive, g = site(bench)
    archive.failing = {"1.2.3.4.1", "1.2.3.4.3"}
    scu = g.scu()
    scu.associate(contexts=BOTH)
    statuses = [scu.store(3, f"1.2.3.4.{i}", CT, object_of(instance=f"1.2.3.4.{i}"))["status"] for i in range(5)]
    equal(statuses, [0, 0xA700, 0, 0xA700, 0], "statuses")
    scu.release()
    trail.settled()
    good, bad = sorted(trail.records("transferred"), key=lambda r: r["outcome"])
    equal((good["outcome"], good["event"]["sop"], good["event"].get("failed", 0)), (0, {CT: 3}, 0), "what succeeded")
    check(bad["outcome"] > 0 and bad["event"]["failed"] == 2 and not sum(bad["event"]["sop"].values()), "what failed:", bad)


@test
def audit_of_refused_objects(bench):
    """A SOP class that the flow has not, and an object over its size: the patient and the refusal's number are recorded."""
    trail, _, g = site(bench, flow={"sop-classes": [CT], "limits": {"object-size": {"most": "10K", "over": "refuse"}}})
    scu = g.scu()
    scu.associate(contexts=BOTH)
    check(scu.store(3, "1.2.3.4.1", CT, object_of("BIG", "1.2.3.1", "1.2.3.4.1", size=200_000))["status"] != 0, "too large")
    equal(scu.store(3, "1.2.3.4.2", CT, object_of("OK", "1.2.3.2", "1.2.3.4.2"))["status"], 0, "the next")
    scu.release()
    trail.settled()
    row = [r for r in trail.records("transferred", patient="BIG")]
    check(row and all(r["event"].get("refusal") and r["outcome"] > 0 for r in row), "the large one:", row, trail.table())
    alerts = trail.records("alert", object="object-size")
    equal([a["event"]["refusal"] for a in alerts], [row[0]["event"]["refusal"]], "the alert's number")
    equal(trail.passed(patient="OK"), 1, "the other")


@test
def audit_refused_class(bench):
    trail, _, g = site(bench, flow={"sop-classes": [CT, MR]})
    scu = g.scu()
    scu.associate(contexts=BOTH)
    g.config["flows"][0]["sop-classes"] = [CT]
    g.write()
    g.reload()
    trail.wait("alert", alert=110129)
    equal(scu.echo(), 0, "echo")
    answer = scu.store(5, "1.2.3.4.1", MR, object_of("MR1", "1.2.3.9", "1.2.3.4.1", MR))
    check(answer["status"] != 0, "stored:", answer)
    scu.release()
    row = trail.wait("transferred", patient="MR1")[0]
    equal(row["event"]["refusal"], trail.wait("alert", alert=110132)[0]["event"]["refusal"], "the refusal's number")
    check(row["outcome"] > 0 and not sum(row["event"]["sop"].values()) and row["event"]["study"] == "1.2.3.9", "the record:", row)


@test
def audit_head_larger_than_any_buffer(bench):
    """600 KB of private elements before the patient, or 200 KB of a sequence before the study: recorded all the same."""
    trail, archive, g = site(bench)
    private = b"".join(dicom.element(9, 0x1000 + i, bytes(60_000)) for i in range(10))
    item = dicom.element(0xFFFE, 0xE000, dicom.element(8, 0x1150, b"1.2\0") + dicom.element(8, 0x1155, bytes(90)))
    sequence = dicom.element(8, 0x1140, item * 1800)
    scu = g.scu()
    scu.associate(contexts=BOTH)
    for patient, before in (("PRIVATE", private), ("SEQUENCE", sequence)):
        data = object_of(patient, "1.2.3.5", "1.2.3.4." + str(len(patient)), before=before)
        equal(scu.store(3, "1.2.3.4." + str(len(patient)), CT, data)["status"], 0, "status")
        check(data == archive.scp.stored()["1.2.3.4." + str(len(patient))][1], "other bytes came")
    scu.release()
    trail.settled()
    equal((trail.passed(patient="PRIVATE"), trail.passed(patient="SEQUENCE"), trail.passed()), (1, 1, 2), "instances")


@test
def audit_with_small_pdus(bench):
    """A caller that takes and sends 4096 bytes at a time, archives that take 128 and 4096; pieces of every odd size."""
    for most in (128, 4096):
        trail = Trail(bench, folder=bench.path(f"journal{most}"))
        trail, archive, g = site(bench, trail, Witness(bench, trail, max_pdu=most), node={"tolerate": ["odd-fragments"]})
        scu = g.scu()
        scu.associate(contexts=BOTH, max_pdu=4096)
        for i, size in enumerate((7, 8, 13, 97, 1001, 4090)):
            before = len(archive.seen)
            data = object_of(f"S{i}", f"1.2.3.{i}", f"1.2.3.4.{i}", size=20_000)
            equal(scu.store(3, f"1.2.3.4.{i}", CT, data, size=size)["status"], 0, f"status with {size}")
            check(("begin", f"S{i}", f"1.2.3.{i}") in archive.seen[before], f"with {size}: before its record", archive.seen[before])
            equal(archive.scp.stored()[f"1.2.3.4.{i}"][1], data, "bytes")
        scu.release()
        trail.settled()
        equal(trail.passed(), 6, "instances")
        g.stop()


@test
def audit_of_many_studies_and_a_window(bench):
    """40 studies, of each two objects, sent without waiting for answers: every record has its own counts."""
    trail = Trail(bench)
    archive = Witness(bench, trail, window=True)
    trail, archive, g = site(bench, trail, archive)
    scu = g.scu()
    scu.associate(contexts=BOTH, window=(100, 100))
    sent = [(study, copy) for copy in range(2) for study in range(40)]
    for study, copy in sent:
        scu.request(3, object_of(f"P{study}", f"1.2.9.{study}", f"1.2.9.{study}.{copy}", size=3000), field=dicom.C_STORE,
                    priority=0, affected_class=CT, affected_instance=f"1.2.9.{study}.{copy}")
    for _ in sent:
        equal(scu.answer()["status"], 0, "status")
    scu.release()
    ends = [r for r in trail.settled() if r["kind"] == "transferred"]
    for study in range(40):
        rows = [r for r in ends if r.get("event", {}).get("patient") == f"P{study}"]
        check({r["event"]["study"] for r in rows} == {f"1.2.9.{study}"}, "studies:", rows)
        got = sum(sum(r["event"]["sop"].values()) + r["event"].get("failed", 0) for r in rows)
        equal(got, 2, f"instances of P{study}")


@test
def audit_of_aborts(bench):
    """The caller, and the archive, abort in the midst of an object: one end, which says that it failed."""
    trail, archive, g = site(bench)
    scu = g.scu()
    scu.associate(contexts=BOTH)
    equal(scu.store(3, "1.2.3.4.1", CT, object_of(instance="1.2.3.4.1"))["status"], 0, "status")
    fields = {"field": dicom.C_STORE, "id": 9, "priority": 0, "affected_class": CT, "affected_instance": "1.2.3.4.2",
              "data": 1}
    scu.send_pdvs(3, dicom.command_bytes(**fields), True)
    scu.send_pdvs(3, object_of(instance="1.2.3.4.2", size=9000), False, last=False)
    until(lambda: len(archive.seen) > 1, "its first bytes")
    scu.abort()
    trail.settled()
    rows = trail.records("transferred")
    equal((sum(sum(r["event"]["sop"].values()) for r in rows), sum(r["event"].get("failed", 0) for r in rows)), (1, 1), "sums")
    check(any("caller" in r["event"].get("text", "") for r in rows), "no word of the caller:", trail.table())

    def cut(scp, wire, context, command, data):
        wire.send(dicom.pdu(dicom.ABORT, bytes(4)))
        raise Closed("aborted")
    archive.scp.answer = cut
    scu = g.scu()
    scu.associate(contexts=BOTH)
    check(scu.store(3, "1.2.3.4.3", CT, object_of("LOST", "1.2.3.8", "1.2.3.4.3"))["status"] != 0, "a false success")
    scu.release()
    trail.settled()
    row = trail.one("transferred", patient="LOST")
    check(row["outcome"] > 0 and row["event"]["failed"] == 1, "the record:", row)


# ---- Queries ----


@test
def audit_of_a_query(bench):
    """The query, and each patient in its answers, before the answer reaches the caller; a patient once a query."""
    trail = Trail(bench)
    patients = [("A1", "1.2.4.1"), ("B2", "1.2.4.2"), ("A1", "1.2.4.1"), ("C3", "1.2.4.3")]

    def answer(scp, wire, context, fields, data):
        if fields["field"] != dicom.C_FIND:
            return False
        for patient, study in patients:
            scp.respond(wire, context, fields, status=0xFF00, data=dicom.identifier(
                (0x00080052, "STUDY"), (0x00100010, "Name^" + patient), (0x00100020, patient), (0x0020000D, study)))
        scp.respond(wire, context, fields)
        return True
    seen = []

    def before(scp, wire):
        receive = wire.recv_pdu

        def watched():
            got = receive()
            seen.append([r["kind"] for r in trail.records()])
            return got
        wire.recv_pdu = watched
    scp = bench.scp(answer=answer, before=before)
    g = trail.gateway(archive=plain(scp.port), flow={"services": ["echo", "find"]})
    scu = g.scu()
    scu.associate(contexts=((STUDY_FIND, [ILE]),))
    scu.request(1, dicom.identifier((0x00080052, "STUDY"), (0x00100020, "A1")), field=dicom.C_FIND, priority=0,
                affected_class=STUDY_FIND)
    for patient, _ in patients:
        kind, body = scu.recv_pdu()
        shown = [r["event"]["patient"] for r in trail.records("patient-shown")]
        check(patient in shown, f"the answer with {patient} came before its record:", shown)
        while not body[5] & 2 or body[5] & 1:
            kind, body = scu.recv_pdu()
    equal(scu.answer()["status"], 0, "the last status")
    check("query" in seen[1], "the query came before its record:", seen)
    scu.release()
    row = trail.one("query")
    equal((row["event"]["patient"], row["event"]["query_class"]), ("A1", STUDY_FIND), "the query")
    check(row["event"]["query_bytes"] > 0, "no identifier:", row)
    equal([r["event"]["patient"] for r in trail.records("patient-shown")], ["A1", "B2", "C3"], "patients shown")
    check(all(not r["event"]["by_to"] for r in trail.records("patient-shown")), "who asked")


def dcmqrscp(bench, trail, *services):
    port, _ = peers.dcmqrscp(bench)
    for sample in (peers.CT_SMALL, peers.MR_SMALL):
        bench.run("storescu", "-aec", "ARCHIVE", "127.0.0.1", str(port), sample, wants=0)
    return trail.gateway(archive=plain(port), node={"ae": ["FINDSCU", "GETSCU", "MOVESCU", "CT1"]},
                         flow={"services": ["echo", "store", *services]})


@test
def audit_of_dcmqrscp(bench):
    """findscu and getscu: what was asked, who was shown, what went to the caller."""
    trail = Trail(bench)
    g = dcmqrscp(bench, trail, "find", "get")
    ran = bench.run("findscu", "-S", "-aec", "ARCHIVE", "-k", "0008,0052=STUDY", "-k", "0010,0020", "-k", "0020,000D", "-k",
                    "0010,0010", "127.0.0.1", str(g.plain), wants=0)
    equal(sorted(r["event"]["patient"] for r in trail.wait("patient-shown", 2)), ["1CT1", "4MR1"], "shown")
    equal(len(trail.records("query")), 1, f"queries {ran.text[-200:]}")
    folder = bench.new_folder("got")
    study = dicom.Part10(peers.CT_SMALL)
    uid = trail.records("patient-shown", patient="1CT1")[0]["event"]["study"]
    bench.run("getscu", "-S", "-aec", "ARCHIVE", "-od", folder, "-k", "0008,0052=STUDY", "-k", "0020,000D=" + uid,
              "127.0.0.1", str(g.plain), wants=0)
    equal(len(os.listdir(folder)), 1, "objects got")
    trail.settled()
    row = trail.one("transferred", patient="1CT1")
    equal((row["event"]["to_caller"], row["event"]["sop"], row["event"]["study"]), (True, {study.sop_class: 1}, uid), "the record")
    equal(trail.records("begin", patient="1CT1")[0]["event"]["to_caller"], True, "its beginning")
    equal(len(trail.records("query")), 2, "queries")


@test
def audit_of_a_move(bench):
    trail = Trail(bench)
    dest, _ = peers.storescp(bench, title="VIEWER")
    port, _ = peers.dcmqrscp(bench, hosts=(("viewer", "VIEWER", "localhost", dest),))
    bench.run("storescu", "-aec", "ARCHIVE", "127.0.0.1", str(port), peers.CT_SMALL, wants=0)
    g = trail.gateway(archive=plain(port), flow={"services": ["move"], "destinations": ["viewer"]},
                      nodes={"viewer": {"ae": ["VIEWER"], "address": [f"127.0.0.1:{dest}"], "transport": "plain"}})
    scu = g.scu()
    scu.associate(contexts=((dicom.STUDY_MOVE, [ILE]),))
    equal(scu.move("VIEWER", [(0x00080052, "PATIENT"), (0x00100020, "1CT1")])["status"] >> 12 in (0, 0xA, 0xC), True, "answered")
    scu.release()
    row = trail.one("query")
    equal((row["event"]["object"], row["event"]["patient"]), ("VIEWER", "1CT1"), "the move")


@test
def audit_of_a_worklist(bench):
    trail = Trail(bench)
    port = peers.wlmscpfs(bench, "ARCHIVE")
    g = trail.gateway(archive=plain(port), flow={"services": ["worklist"]})
    scu = g.scu()
    scu.associate(contexts=((dicom.WORKLIST, [ILE]),))
    answers = scu.find([(0x00100010, ""), (0x00100020, ""), (0x0020000D, "")], sop_class=dicom.WORKLIST)
    equal(len(answers), 2, "answers")
    row = trail.one("patient-shown")
    equal((row["event"]["patient"], row["event"]["study"], row["event"]["name"]), ("W1", "1.2.3.77", "Test^Worklist"), "shown")
    scu.release()


# ---- The gateway itself ----


@test
def audit_of_start_reload_and_stop(bench):
    trail, _, g = site(bench)
    g.reload()
    trail.wait("alert", alert=110129, text="A new configuration is in use.")
    good = g.config
    g.write("nodes: [")
    g.reload()
    until(lambda: len(trail.records("alert", alert=110129)) == 2, "the refused reload")
    equal([r["outcome"] for r in trail.records("alert", alert=110129)], [0, 4], "outcomes")
    g.config = good
    g.write()
    scu = g.scu()
    scu.associate(contexts=BOTH)
    scu.store(3, "1.2.3.4", CT, object_of())
    scu.release()
    equal(g.stop(), 0, "exit")
    kinds = [r["kind"] for r in trail.settled()]
    equal(kinds.count("start") + kinds.count("attached") + kinds.count("detached") + kinds.count("stop"), 4, kinds)
    alerts = [r["event"]["alert"] for r in trail.records("alert")]
    equal((alerts[0], alerts[-1]), (110134, 110133), "recording started and stopped")
    g.start()
    until(lambda: [r["kind"] for r in trail.records()].count("start") == 2, "the second start")
    equal(trail.records("interrupted"), [], "after a stop in good order")


@test
def audit_of_refusals(bench):
    """An unknown caller is an alert of node authentication; repeated ones are counted, not repeated."""
    trail, _, g = site(bench)
    for _ in range(5):
        scu = g.scu()
        try:
            scu.associate(calling="STRANGER")
            raise AssertionError("accepted")
        except dicom.Rejected:
            pass
        scu.close()
    row = trail.wait("alert", alert=110126)[0]
    check(row["event"]["refusal"] and row["event"]["from"]["ae"] == "STRANGER" and row["outcome"] > 0, "the alert:", row)
    check(len(trail.records("alert", alert=110126)) < 5, "each one has a record:", trail.table())


# ---- Crashes ----


def sender(scu, n, results, patient="P1", size=20_000, pause=0.0):
    """Store until n are done or the association ends; results gets (instance, status)."""
    try:
        for i in range(n):
            instance = f"1.2.7.{i}"
            status = scu.store(3, instance, CT, object_of(patient, "1.2.7", instance, size=size))["status"]
            results.append((instance, status))
            time.sleep(pause)
        scu.release()
        results.append("released")
    except (Aborted, Closed, OSError) as error:
        results.append(error)


def role(g, name):
    found = [pid for pid, line in g.roles().items() if f"--role\0{name}" in "\0".join(line) or f"--role={name}" in "\0".join(line)]
    return found[0] if found else None


@test
def audit_auditor_killed(bench):
    """Ten times, whenever it comes, in a running transfer: the association lives, and every count is right."""
    trail, _, g = site(bench)
    scu = g.scu(timeout=60)
    scu.associate(contexts=BOTH)
    results = []
    thread = threading.Thread(target=sender, args=(scu, 400, results), kwargs={"pause": 0.02})
    thread.start()
    for i in range(5):
        old = until(lambda: role(g, "audit"), "an auditor")
        time.sleep(0.13 * (i + 1))
        os.kill(old, signal.SIGKILL)
        until(lambda: role(g, "audit") not in (None, old), "a new auditor", 40)
    thread.join(120)
    equal(results[-1], "released", f"the association after {len(results)} objects")
    check(all(s == 0 for _, s in results[:-1]), "statuses:", results)
    trail.settled()
    equal(trail.passed(), 400, "instances recorded")
    check(trail.records("interrupted") == [], "called interrupted though it lived:", trail.table())


@test
def audit_association_killed(bench):
    trail, archive, g = site(bench)
    scu = g.scu()
    scu.associate(contexts=BOTH)
    for i in range(3):
        scu.store(3, f"1.2.3.4.{i}", CT, object_of(instance=f"1.2.3.4.{i}"))
    pid = [p for p in children(role(g, "gate"))][0]
    until(lambda: any(r["count"] == 3 for r in trail.records("progress")), "the count of all three")
    os.kill(pid, signal.SIGKILL)
    trail.settled()
    row = trail.one("transferred")
    check(row["outcome"] > 0 and "without a word" in row["event"]["text"], "the record:", row)
    equal(row["event"]["sop"], {CT: 3}, "instances")


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found += map(int, file.read().split())
    return found


@test
def audit_all_killed(bench):
    """Every process at once, in a transfer: after the next start the record says interrupted, and of at least so many."""
    trail, archive, g = site(bench)
    scu = g.scu()
    scu.associate(contexts=BOTH)
    results = []
    thread = threading.Thread(target=sender, args=(scu, 1000, results), kwargs={"pause": 0.01})
    thread.start()
    trail.wait("progress", 2)
    g.kill_all()
    thread.join(30)
    acknowledged = len([r for r in results if isinstance(r, tuple) and r[1] == 0])
    g.start()
    row = trail.wait("interrupted")[0]
    equal(row["about"], trail.one("begin")["index"], "what was interrupted")
    least = int(re.search(r"At least (\d+)", row["event"]["text"])[1])
    equal(row["count"], least, "count and sentence")
    check(0 < least <= len(archive.scp.stored()), f"at least {least}, stored {len(archive.scp.stored())}")
    check(acknowledged - least < 60, f"{acknowledged} acknowledged, at least {least}")
    equal(row["tokens"], trail.one("begin")["tokens"], "tokens")


@test
def audit_key_holder_killed_and_stopped(bench):
    """The key holder dies, and another one hangs for longer than it is waited for: tokens stay those of their values."""
    trail, _, g = site(bench)
    os.kill(role(g, "keys"), signal.SIGKILL)
    scu = g.scu(timeout=60)
    scu.associate(contexts=BOTH)
    equal(scu.store(3, "1.2.3.4.1", CT, object_of("K1", "1.2.6.1", "1.2.3.4.1"))["status"], 0, "status")
    holder = until(lambda: role(g, "keys"), "a key holder")
    os.kill(holder, signal.SIGSTOP)

    def thaw():
        with contextlib.suppress(ProcessLookupError):  # the test may be over
            os.kill(holder, signal.SIGCONT)
    threading.Timer(6.5, thaw).start()
    for i in range(2, 5):
        equal(scu.store(3, f"1.2.3.4.{i}", CT, object_of(f"K{i}", f"1.2.6.{i}", f"1.2.3.4.{i}"))["status"], 0, "status")
    scu.release()
    trail.settled()
    for i in range(1, 5):
        rows = trail.records("begin", patient=f"K{i}")
        check(rows, f"no record of K{i}:", trail.table())
        for row in rows:
            check(trail.token(PATIENT, f"K{i}") in row["tokens"], f"K{i} has another's token:", row["tokens"])


@test
def audit_gate_killed(bench):
    trail, _, g = site(bench)
    scu = g.scu()
    scu.associate(contexts=BOTH)
    equal(scu.store(3, "1.2.3.4.1", CT, object_of(instance="1.2.3.4.1"))["status"], 0, "status")
    os.kill(role(g, "gate"), signal.SIGKILL)
    trail.settled()
    equal(trail.passed(), 1, "instances")
    scu = until(lambda: associated(g), "a new gate")
    equal(scu.store(3, "1.2.3.4.2", CT, object_of("NEW", "1.2.3.2", "1.2.3.4.2"))["status"], 0, "status with the new gate")
    scu.release()
    trail.settled()
    equal(trail.passed(patient="NEW"), 1, "instances with the new gate")


def associated(g):
    try:
        scu = g.scu()
        scu.associate(contexts=BOTH)
        return scu
    except (OSError, Closed, Aborted, dicom.Rejected):
        return None


# ---- A journal that cannot be written ----


def tmpfs(bench):
    folder = bench.new_folder("small")
    bench.run("mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", folder, wants=0)
    bench.later(lambda: bench.run("umount", "-l", folder))
    return os.path.join(folder, "audit")


def fill(path):
    with open(os.path.join(os.path.dirname(path), "filler"), "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def free(path):
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(os.path.dirname(path), "filler"))


def last_segment(trail):
    return max(name for name in os.listdir(trail.folder) if name.startswith("segment-") and "." not in name)


def to_the_brim(trail, scu):
    """Fill the disk. What the last page of the segment still takes is used up before: nothing more can be recorded."""
    def left():
        name = last_segment(trail)
        pages, used = divmod(os.path.getsize(os.path.join(trail.folder, name)), 4096)
        return 4096 - used, (name, pages)

    for _ in range(100):
        least, page = left()
        if least < 450:
            fill(trail.folder)
            if left()[1] == page:
                return
            free(trail.folder)  # a count that lagged has begun another page before the disk was full
        instance = f"1.2.8.{random.getrandbits(60)}"
        equal(scu.store(3, instance, CT, object_of("PAD", instance + ".1", instance, name="N" * random.randint(1, 60)))["status"], 0,
              "status")
        time.sleep(0.12)  # counts that lag are written by then
    raise AssertionError("the page was never nearly full")


def full(bench, **audit):
    trail = Trail(bench, folder=tmpfs(bench), **audit)
    trail, archive, g = site(bench, trail)
    scu = g.scu(timeout=60)
    scu.associate(contexts=BOTH)
    equal(scu.store(3, "1.2.3.4.1", CT, object_of("F1", "1.2.6.1", "1.2.3.4.1"))["status"], 0, "status")
    to_the_brim(trail, scu)
    return trail, archive, g, scu


@test
def audit_disk_full_hold(bench):
    """The scanner waits, and succeeds when there is room again; when there is none it gets a failure, and nothing passes."""
    trail, archive, g, scu = full(bench, **{"unrecorded": "hold", "hold-most": 4})
    threading.Timer(2, free, (trail.folder,)).start()
    began = time.monotonic()
    equal(scu.store(3, "1.2.3.4.2", CT, object_of("F2", "1.2.6.2", "1.2.3.4.2"))["status"], 0, "status after the wait")
    check(time.monotonic() - began > 1.5, "it did not wait")
    to_the_brim(trail, scu)
    answer = scu.store(3, "1.2.3.4.3", CT, object_of("F3", "1.2.6.3", "1.2.3.4.3"))
    check(answer["status"] != 0, "a false success:", answer)
    check("1.2.3.4.3" not in archive.scp.stored(), "it reached the archive")
    answer = scu.store(3, "1.2.3.4.4", CT, object_of("F3", "1.2.6.3", "1.2.3.4.4"))
    check(answer["status"] != 0 and "1.2.3.4.4" not in archive.scp.stored(), "the next of the same study passed:", answer)
    free(trail.folder)
    equal(scu.store(3, "1.2.3.4.5", CT, object_of("F3", "1.2.6.3", "1.2.3.4.5"))["status"], 0, "status with room")
    scu.release()
    trail.settled()
    g.decision("unrecorded")
    equal((trail.passed(patient="F2"), trail.passed(patient="F3")), (1, 1), "instances")


@test
def audit_disk_full_at_start(bench):
    """The gateway starts, says that nothing is recorded and where to look, and lets nothing pass; with room it records."""
    trail = Trail(bench, folder=tmpfs(bench), **{"hold-most": 1})
    fill(trail.folder)
    trail, archive, g = site(bench, trail)
    line = g.wait_log(event="audit.failed")
    check("no space" in line["why"], "why:", line)
    said = g.cli("status")
    check("NOTHING IS RECORDED since" in said and "is away; the log says why" in said, "status:", said)
    scu = g.scu(timeout=60)
    scu.associate(contexts=BOTH)
    answer = scu.store(3, "1.2.3.4.1", CT, object_of("F1", "1.2.6.1", "1.2.3.4.1"))
    check(answer["status"] == 0xA700 and "1.2.3.4.1" not in archive.scp.stored(), "it passed:", answer)
    free(trail.folder)
    until(lambda: json.loads(g.cli("status", "--json"))["audit"]["state"] == "recording", "it to record")
    equal(scu.store(3, "1.2.3.4.2", CT, object_of("F2", "1.2.6.2", "1.2.3.4.2"))["status"], 0, "status with room")
    scu.release()
    trail.settled()
    equal((trail.passed(patient="F1"), trail.passed(patient="F2")), (0, 1), "instances")
    check(any("was away" in r["event"]["text"] for r in trail.wait("alert", 3)), "no word of it:\n" + trail.table())


@test
def audit_disk_full_refuse(bench):
    trail, archive, g, scu = full(bench, unrecorded="refuse")
    began = time.monotonic()
    for i in (2, 3):
        answer = scu.store(3, f"1.2.3.4.{i}", CT, object_of("F2", "1.2.6.2", f"1.2.3.4.{i}"))
        check(answer["status"] != 0 and f"1.2.3.4.{i}" not in archive.scp.stored(), "it passed:", answer)
    check(time.monotonic() - began < 10, "refusing took long")
    free(trail.folder)
    until(lambda: json.loads(g.cli("status", "--json"))["audit"]["state"] == "recording", "it to record")
    equal(scu.store(3, "1.2.3.4.5", CT, object_of("F2", "1.2.6.2", "1.2.3.4.5"))["status"], 0, "status with room")
    scu.release()
    trail.settled()
    equal(trail.passed(patient="F2"), 1, "instances")


@test
def audit_disk_full_pass(bench):
    trail, archive, g, scu = full(bench, unrecorded="pass")
    for i in range(2, 5):
        equal(scu.store(3, f"1.2.3.4.{i}", CT, object_of("F2", "1.2.6.2", f"1.2.3.4.{i}"))["status"], 0, "status")
    check(g.decision("unrecorded").get("answered") == "passed (alarm)", "no alarm")
    free(trail.folder)
    equal(scu.store(3, "1.2.3.4.5", CT, object_of("F5", "1.2.6.5", "1.2.3.4.5"))["status"], 0, "status with room")
    scu.release()
    until(lambda: trail.passed(patient="F5") == 1, lambda: "the record of what came after:\n" + trail.table())
    until(lambda: trail.passed(patient="F2") == 3, lambda: "the sums of what passed:\n" + trail.table())
    # What could not be recorded is told of: the alarm itself, from when to when, and how many of what.
    alerts = until(lambda: len(got := [r["event"] for r in trail.records("alert") if r["outcome"] > 0]) >= 2 and got,
                   lambda: "two alerts:\n" + trail.table())
    check(any(e.get("object") == "unrecorded" for e in alerts), "the alarm is not among", alerts)
    check(any(re.search(r"no record could be made.* passed, or were lost: [1-9]\d* begin", e["text"]) for e in alerts),
          "no count of what is missing:", alerts)


@test
def audit_begins_with_a_start(bench):
    """Also where the trail is switched on by a reload: which version serves since when is in it, once each time."""
    trail = Trail(bench)
    g = bench.gateway()
    without = dict(g.config)
    trail.folder = os.path.join(g.folder, "state/audit")
    for n in (1, 2):
        g.config = {"audit": trail.config, **without}
        g.write()
        g.wait_log(g.reload(), event="gateway.reloaded")
        starts = [r["event"]["text"] for r in trail.wait("start", n)]
        equal(len(starts), n, f"starts, {starts}")
        check(re.match(r"Gantry \d+\.\d+\.\d+ serves .*switched on by a reload", starts[-1]), "the start:", starts)
        g.wait_log(g.reload(), event="gateway.reloaded")  # with nothing new
        g.config = without
        g.write()
        g.wait_log(g.reload(), event="gateway.reloaded")
        until(lambda: not any("audit" in line for line in g.roles().values()), "the auditor to end")
    equal(len(trail.records("start")), 2, "starts")


# ---- Starting on what is not as it was ----


def stored_once(trail, g, patient):
    scu = g.scu()
    scu.associate(contexts=BOTH)
    equal(scu.store(3, "1.2.5." + str(len(patient)), CT, object_of(patient, "1.2.5", "1.2.5." + str(len(patient))))["status"], 0,
          "status")
    scu.release()


@test
def audit_journal_damaged(bench):
    """A byte flipped while the gateway is stopped: an alarm, the file kept aside, and the journal goes on."""
    trail, _, g = site(bench)
    stored_once(trail, g, "A")
    equal(g.stop(), 0, "exit")
    path = os.path.join(trail.folder, last_segment(trail))
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x10]))
    mark = g.mark()
    g.start()
    line = g.wait_log(mark, event="audit.damaged")
    check(line["kept_as"] and os.path.exists(os.path.join(trail.folder, line["kept_as"])), "not kept:", line)
    stored_once(trail, g, "BB")
    rows = [row for row in raw_rows(trail) if row.get("event", {}).get("text", "").startswith("The journal is damaged")]
    equal([(r["kind"], r["outcome"]) for r in rows], [("alert", 12)], "the alert")
    check(any(r.get("event", {}).get("patient") == "BB" and r["kind"] == "transferred" for r in raw_rows(trail)), "what came after")


def raw_rows(trail):
    """Of a journal with a gap in it."""
    return [json.loads(line) for line in trail.raw().stdout.splitlines()]


@test
def audit_origin_changed(bench):
    """The auditor does not write to a journal of another name; nothing passes, the log says why, and the name back mends it."""
    trail, archive, g = site(bench, Trail(bench, **{"hold-most": 2}))
    stored_once(trail, g, "A")
    equal(g.stop(), 0, "exit")
    g.config["audit"]["origin"] = "another.example/gantry"
    g.write()
    mark = g.mark()
    g.start()
    line = g.wait_log(mark, event="audit.failed")
    check("origin" in line["message"], "the log:", line)
    scu = g.scu()
    scu.associate(contexts=BOTH)
    check(scu.store(3, "1.2.5.9", CT, object_of("NO", "1.2.5.9", "1.2.5.9"))["status"] != 0, "a false success")
    check("1.2.5.9" not in archive.scp.stored(), "it reached the archive")
    scu.release()
    g.stop()
    g.config["audit"]["origin"] = "test.example/gantry"
    g.write()
    g.start()
    stored_once(trail, g, "BB")
    trail.settled()
    equal(trail.passed(patient="BB"), 1, "instances")


@test
def audit_folder_not_writable(bench):
    """The journal's folder is on a file system that is read-only: the gateway says so and does not start."""
    folder = bench.new_folder("readonly")
    bench.run("mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", folder, wants=0)
    bench.later(lambda: bench.run("umount", "-l", folder))
    trail = Trail(bench, folder=os.path.join(folder, "audit"), **{"hold-most": 2})
    os.makedirs(os.path.join(trail.folder, "spool"))
    bench.run("mount", "-o", "remount,ro", folder, wants=0)
    archive = Witness(bench, trail)
    archive.before = None
    g = trail.gateway(archive=plain(archive.port), start=False)
    g.start(wait=False)
    check(g.process.wait() != 0, "it serves without a journal")
    g.wait_log(event="folder.failed")
    bench.run("mount", "-o", "remount,rw", folder, wants=0)
    g.start()
    stored_once(trail, g, "A")
    equal(trail.passed(patient="A"), 1, "instances when it can be written")


# ---- Reloads and stops in the midst ----


@test
def audit_reload_in_a_transfer(bench):
    trail, _, g = site(bench)
    scu = g.scu()
    scu.associate(contexts=BOTH)
    results = []
    thread = threading.Thread(target=sender, args=(scu, 150, results), kwargs={"pause": 0.01})
    thread.start()
    for n in range(1, 4):
        time.sleep(0.3)
        g.reload()
        until(lambda n=n: len(trail.records("alert", alert=110129)) == n, "the reload")
    thread.join(60)
    equal(results[-1], "released", "the association")
    trail.settled()
    equal(trail.passed(), 150, "instances")
    equal(trail.records("interrupted"), [], "interrupted")


@test
def audit_switched_off_and_on(bench):
    """By reloads: what is under way ends well, and the record goes on when it is on again."""
    trail, _, g = site(bench)
    scu = g.scu()
    scu.associate(contexts=BOTH)
    equal(scu.store(3, "1.2.5.1", CT, object_of("ON", "1.2.5.1", "1.2.5.1"))["status"], 0, "status")
    audit = g.config.pop("audit")
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    began = time.monotonic()
    equal(scu.store(3, "1.2.5.2", CT, object_of("OFF", "1.2.5.2", "1.2.5.2"))["status"], 0, "status without")
    scu.release()
    check(time.monotonic() - began < 5, "it waited for nobody")
    g.config["audit"] = audit
    g.write()
    until(lambda: not role(g, "audit"), "the auditor to end")
    equal([r["kind"] for r in trail.records()][-1], "alert", "the last record")
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    scu = g.scu()
    scu.associate(contexts=BOTH)
    equal(scu.store(3, "1.2.5.3", CT, object_of("AGAIN", "1.2.5.3", "1.2.5.3"))["status"], 0, "status with it again")
    scu.release()
    trail.settled()
    equal((trail.passed(patient="OFF"), trail.passed(patient="AGAIN")), (0, 1), "instances")


@test
def audit_stop_in_a_transfer(bench):
    """SIGTERM while objects pass: the record ends with what was taken, and nothing is left open."""
    trail, archive, g = site(bench, timeouts={"stop": 4})
    scu = g.scu()
    scu.associate(contexts=BOTH)
    results = []
    thread = threading.Thread(target=sender, args=(scu, 100000, results), kwargs={"pause": 0.01})
    thread.start()
    trail.wait("progress")
    g.stop(30)
    thread.join(30)
    rows = trail.settled()
    good = len([r for r in results if isinstance(r, tuple) and r[1] == 0])
    check(good <= trail.passed() <= len(archive.scp.stored()), f"{trail.passed()} recorded, {good} acknowledged, "
          f"{len(archive.scp.stored())} stored")
    equal([r["kind"] for r in rows][-2:], ["stop", "alert"], "the last records")


@test
def audit_of_slow_peers(bench):
    """A caller that sends, and an archive that reads, a little at a time: record first, all the same."""
    trail = Trail(bench)
    archive = Witness(bench, trail)
    slow = archive.scp.before

    def before(scp, wire):
        slow(scp, wire)
        read = wire.read

        def sip(n):
            data = b""
            while len(data) < n:
                time.sleep(0.0005)
                data += read(min(997, n - len(data)))
            return data
        wire.read = sip
    archive.scp.before = before
    trail, archive, g = site(bench, trail, archive)
    scu = g.scu()
    scu.associate(contexts=BOTH)
    send = scu.send

    def drip(data):
        for at in range(0, len(data), 1777):
            send(data[at: at + 1777])
            time.sleep(0.0005)
    scu.send = drip
    for i in range(3):
        seen = len(archive.seen)
        data = object_of(f"S{i}", f"1.2.3.{i}", f"1.2.3.4.{i}", size=300_000, before=dicom.element(9, 0x1001, bytes(100_000)))
        equal(scu.store(3, f"1.2.3.4.{i}", CT, data)["status"], 0, "status")
        check(("begin", f"S{i}", f"1.2.3.{i}") in archive.seen[seen], "before its record:", archive.seen[seen])
        equal(archive.scp.stored()[f"1.2.3.4.{i}"][1], data, "bytes")
    scu.send = send
    scu.release()
    trail.settled()
    equal(trail.passed(), 3, "instances")


@test
def audit_of_a_login(bench):
    """A passcode that is right, one that is wrong, and a name that nobody proves."""
    path = bench.path("users.txt")
    subprocess.run([bench.program, "user", "set", path, "ann"], check=True, input="correct horse\n", text=True,
                   stdout=subprocess.DEVNULL)
    trail = Trail(bench)
    archive = Witness(bench, trail)
    g = trail.gateway(start=False, archive=plain(archive.port), flow={"user-identity": {"caller": "verify"}})
    g.config["users"] = {"passwords": path}
    g.write()
    g.start()
    scu = g.scu()
    scu.associate(contexts=BOTH, more=user_identity("ann", "correct horse"))
    equal(scu.store(3, "1.2.5.1", CT, object_of("U", "1.2.5.1", "1.2.5.1"))["status"], 0, "status")
    scu.release()
    for more in (user_identity("ann", "wrong horse"), user_identity("ann")):
        scu = g.scu()
        try:
            scu.associate(contexts=BOTH, more=more)
            raise AssertionError("accepted")
        except dicom.Rejected:
            pass
    trail.settled()
    rows = trail.wait("login", 3)
    equal([(r["outcome"] == 0, r["event"]["user"], r["event"]["user_proved"]) for r in rows],
          [(True, "ann", True), (False, "ann", False), (False, "ann", False)], "logins")
    row = trail.one("transferred", patient="U")
    equal((row["event"]["user"], row["event"]["user_proved"]), ("ann", True), "whose transfer it is")
    check("horse" not in trail.raw().stdout, "a passcode is in the journal")


def user_identity(name, passcode=None):
    """PS3.7 D.3.3.7: a user name, with or without a passcode."""
    kind, second = (1, b"") if passcode is None else (2, passcode.encode())
    return dicom.item(0x58, bytes([kind, 1]) + struct.pack(">H", len(name)) + name.encode() +
                      struct.pack(">H", len(second)) + second)
